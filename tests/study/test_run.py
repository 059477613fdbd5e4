from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from graphcortex._random import derive_seed
from graphcortex.kernels import complete_edge_index
from graphcortex.metrics import learned_graph_metrics
from graphcortex.study import METRICS, Protocol, RunKey, RunResult, Variant, evaluate, initial_weights, run_one
from graphcortex.study import run as module
from graphcortex.tasks import Trials, get_task
from tests.study._small import SHORT, connectome

GRAPH = connectome(16)
KEY = RunKey("go_nogo", "W*D*C*", "free", 1)


def same(a: RunResult, b: RunResult) -> bool:
    """Say whether two runs gave the same, to the last bit, but for the time they took."""
    return (
        a.key == b.key
        and str(a.metrics) == str(b.metrics)
        and a.reasons == b.reasons
        and a.diverged_epoch == b.diverged_epoch
        and a.history.drop(columns="seconds").equals(b.history.drop(columns="seconds"))
        and a.weights.keys() == b.weights.keys()
        and all(torch.equal(a.weights[name].nan_to_num(9), b.weights[name].nan_to_num(9)) for name in a.weights)
    )


def drawn(key: RunKey, protocol: Protocol, split: str = "train") -> Trials:
    return module.draw_trials(get_task(key.task), key, protocol, split, device="cpu")


@pytest.fixture(scope="module")
def result() -> RunResult:
    return run_one(GRAPH, KEY, SHORT)


def test_a_run_is_a_pure_function_of_its_arguments(result):
    torch.manual_seed(3)
    module._drawn.cache_clear()
    assert same(result, run_one(connectome(16), KEY, SHORT))
    assert same(result, run_one(GRAPH, KEY, SHORT))


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, seed=2),
        replace(KEY, variant="W*D*C"),
        replace(KEY, variant="W!D*C*"),
        replace(KEY, task="perceptual_decision"),
    ],
    ids=str,
)
def test_each_part_of_the_key_counts(result, other):
    another = run_one(GRAPH, other, SHORT)
    learned = "rnn.edge_weight"
    assert not torch.equal(result.weights[learned], another.weights[learned])


def test_the_arm_counts():
    free, nonnegative = (run_one(GRAPH, RunKey("go_nogo", "W", arm), SHORT) for arm in ("free", "nonnegative"))
    assert bool((free.weights["rnn.edge_weight"] < 0).any())
    assert bool((nonnegative.weights["rnn.edge_weight"] >= 0).all())
    # The constraint acts after each step of the optimiser, as Keras' does: the network starts as it was drawn.
    assert torch.equal(nonnegative.weights["initial_edge_weight"], free.weights["initial_edge_weight"])
    assert bool((nonnegative.weights["initial_edge_weight"] < 0).any())


def test_each_number_of_the_protocol_counts(result):
    changed = [
        {"num_train": 48}, {"batch_size": 8}, {"data_seed": 1}, {"input_noise": 0.1}, {"learning_rate": 2e-3},
        {"betas": (0.8, 0.999)}, {"betas": (0.9, 0.99)}, {"length_strength": 0.1}, {"emd_strength": 9.0},
        {"functional": "sttc"}, {"normalization": "both"}, {"weight_sigma": 0.1},
        {"weight_floor": 0.02}, {"weight_radius": 0.5}, {"weight_mean": 0.2},
    ]  # fmt: skip
    for change in changed:
        another = run_one(GRAPH, KEY, replace(SHORT, epochs=1, **change))
        once = run_one(GRAPH, KEY, replace(SHORT, epochs=1))
        assert not torch.equal(once.weights["rnn.edge_weight"], another.weights["rnn.edge_weight"]), change


def test_the_trials_are_shared_by_all_runs():
    shared = drawn(KEY, SHORT)
    for other in (replace(KEY, seed=7), replace(KEY, variant="W"), replace(KEY, recurrence="nonnegative")):
        assert drawn(other, SHORT) is shared
    assert not torch.equal(drawn(KEY, SHORT, "test").targets, shared.targets[:32])
    assert not torch.equal(drawn(KEY, replace(SHORT, data_seed=1)).targets, shared.targets)
    assert torch.equal(
        shared.inputs, get_task("go_nogo").sample(64, rng=derive_seed("trials", "go_nogo", "train", 0)).inputs
    )


def test_trials_per_seed_are_those_of_all_variants_of_the_seed():
    per_seed = replace(SHORT, trials="per-seed")
    one = drawn(KEY, per_seed)
    assert torch.equal(drawn(replace(KEY, variant="W", recurrence="nonnegative"), per_seed).inputs, one.inputs)
    for other, split in ((replace(KEY, seed=2), "train"), (KEY, "test")):
        assert not torch.equal(drawn(other, per_seed, split).targets[:32], one.targets[:32])
    assert not torch.equal(drawn(KEY, replace(per_seed, data_seed=1)).targets, one.targets)
    assert not torch.equal(drawn(KEY, SHORT).targets, one.targets)


def test_training_and_test_trials_are_as_many_as_the_protocol_says(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "_drawn", lambda *a: asked.append(a[1]) or a[0].sample(a[1], rng=a[2], device=a[3]))
    run_one(GRAPH, KEY, replace(SHORT, epochs=1))
    assert sorted(asked) == [32, 64]
    run_one(GRAPH, KEY, replace(SHORT, epochs=1, num_validation=20))
    assert sorted(asked[2:]) == [20, 32, 64]


def test_what_a_run_holds(result):
    assert result.diverged_epoch is None
    assert set(result.metrics) == set(METRICS)
    assert result.accuracy == result.metrics["accuracy"] == result.history["accuracy"].iloc[-1]
    assert result.reasons == {}
    assert len(result.history) == SHORT.epochs
    assert set(result.seconds) == {"build", "train", "evaluate", "metrics"}
    assert all(value >= 0 for value in result.seconds.values())
    assert result.seconds["train"] == pytest.approx(result.history["seconds"].sum())
    shapes = {name: tuple(value.shape) for name, value in result.weights.items()}
    assert shapes == {
        "rnn.edge_weight": (256,),
        "rnn.input_weight": (3, 16),
        "rnn.bias": (16,),
        "readout.weight": (2, 16),
        "readout.bias": (2,),
        "initial_edge_weight": (256,),
    }
    initial = initial_weights(GRAPH, Variant.parse("W*D*C*"), SHORT, seed=1)
    assert torch.equal(result.weights["initial_edge_weight"], initial)
    assert not any(value.requires_grad for value in result.weights.values())


def test_the_metrics_are_those_of_the_learned_weights(result):
    expected = learned_graph_metrics(
        complete_edge_index(16), result.weights["rnn.edge_weight"], 16, quantile=0.9, num_nulls=20, rng=0
    )
    assert {name: result.metrics[name] for name in METRICS if name != "accuracy"} == expected.values()
    another = run_one(GRAPH, KEY, replace(SHORT, quantile=0.5)).metrics
    assert another["modularity"] != result.metrics["modularity"]
    assert another["entropy"] == result.metrics["entropy"]


def test_a_run_as_a_row(result):
    row = result.row()
    assert set(row) == {
        "connectome", "protocol", "recurrence", "task", "variant", "seed", *METRICS,
        "train_accuracy", "validation_accuracy", "test_accuracy", "epochs", "best_epoch", "diverged_epoch",
    }  # fmt: skip
    assert [row[name] for name in list(row)[:6]] == ["synthetic", "published", "free", "go_nogo", "W*D*C*", 1]
    last = result.history.iloc[-1]
    assert row["accuracy"] == row["train_accuracy"] == last["accuracy"]
    assert row["test_accuracy"] == row["validation_accuracy"] == last["val_accuracy"]
    assert (row["epochs"], row["diverged_epoch"]) == (2, None)
    assert row["best_epoch"] == result.history["val_loss"].argmin() + 1
    assert {name: row[name] for name in METRICS} == result.metrics
    parts = {f"seconds_{part}": seconds for part, seconds in result.seconds.items()}
    assert result.times() == {**result.names(), **parts}


class Mirrored:
    """A task of a user's own, under a name that is not in the registry."""

    def __init__(self):
        self._task = get_task("go_nogo")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._task, name)

    def sample(self, *arguments, **options):
        return self._task.sample(*arguments, **options)


def test_a_task_may_be_given_under_any_name():
    given = run_one(GRAPH, replace(KEY, task="mine"), SHORT, task=Mirrored())
    assert given.key.task == "mine"
    assert not torch.equal(given.weights["rnn.edge_weight"], run_one(GRAPH, KEY, SHORT).weights["rnn.edge_weight"]), (
        "trials are drawn by the name of the task"
    )
    assert same(given, run_one(GRAPH, replace(KEY, task="mine"), SHORT, task=Mirrored()))
    with pytest.raises(ValueError, match="got 'mine'"):
        run_one(GRAPH, replace(KEY, task="mine"), SHORT)


def test_a_run_that_diverges_says_so_and_gives_no_graph():
    """A learning rate beyond all measure sends the weights to infinity within the first epoch."""
    result = run_one(GRAPH, RunKey("go_nogo", "W"), replace(SHORT, learning_rate=1e30, epochs=6))
    assert result.diverged_epoch == 1
    assert result.history["diverged"].all()
    assert not bool(torch.isfinite(result.weights["rnn.edge_weight"]).all())
    assert set(result.reasons) == set(METRICS) - {"accuracy"}
    assert all("diverged" in reason for reason in result.reasons.values())
    assert all(math.isnan(result.metrics[name]) for name in METRICS if name != "accuracy")
    targets = drawn(RunKey("go_nogo", "W"), SHORT).targets
    assert result.accuracy == float(np.mean(targets.numpy() == 0))


def test_global_generators_are_left_alone(result):
    before = torch.get_rng_state()
    run_one(GRAPH, KEY, replace(SHORT, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


# --- keys


def test_a_key_takes_the_name_of_a_variant():
    assert RunKey("go_nogo", "WD").variant == Variant("W", "D")
    assert RunKey("go_nogo", "WD") == RunKey("go_nogo", Variant("W", "D"), "free", 0)
    assert str(KEY) == "synthetic published go_nogo W*D*C* free seed 1"


def test_slugs_of_keys_are_distinct():
    keys = [
        RunKey(task, variant, arm, seed)
        for task in ("go_nogo", "perceptual_decision")
        for variant in ("W", "WD", "W*D", "WD*")
        for arm in ("free", "nonnegative")
        for seed in (0, 1, 10)
    ]
    assert len({key.slug for key in keys}) == len(keys)
    assert KEY.slug == "synthetic/published/go_nogo/WstarDstarCstar-free-seed1"


@pytest.mark.parametrize(
    "parts",
    [
        ("juggling/2", "W"),
        ("go_nogo", "WC"),
        ("go_nogo", "W", "both"),
        ("go_nogo", "W", "free", -1),
        ("go_nogo", "W", "free", 0.5),
    ],
    ids=str,
)
def test_bad_keys_are_refused(parts):
    with pytest.raises(ValueError, match=r"must .*got"):
        RunKey(*parts)


def test_the_key_of_a_task_of_neurogym_goes_to_a_slug_and_back():
    key = RunKey("neurogym:yang19.go-v0", "W*D*C", "nonnegative", 3)
    assert ":" not in key.slug
    assert RunKey.from_slug(key.slug) == key


def test_a_run_on_a_task_of_neurogym():
    pytest.importorskip("neurogym", reason="NeuroGym is not installed: pip install 'graphcortex-rnn[neurogym]'")
    key = RunKey("neurogym:GoNogo-v0", "W")
    one, again = (run_one(GRAPH, key, SHORT) for _ in range(2))
    assert same(one, again)
    assert 0 <= one.accuracy <= 1


# --- what the protocol says of trials and of what is reported


CORRECTED = replace(SHORT, trials="per-seed", num_validation=40, reported_accuracy="test", epochs=6, learning_rate=0.05)


def test_the_test_accuracy_of_the_best_epoch_is_reported():
    """Trained epoch by epoch here, and evaluated on trials that the run must have drawn."""
    key = RunKey("perceptual_decision", "W", seed=4)
    result = run_one(GRAPH, key, CORRECTED)
    best = int(result.history["val_loss"].argmin()) + 1
    assert best < 6, "the best epoch must be told from the last"
    assert result.best_epoch == best
    until_best = module.start_run(GRAPH, key, replace(CORRECTED, epochs=best))
    module.train_runs([until_best])
    model = until_best.training.model
    assert torch.equal(result.weights["rnn.edge_weight"], model.rnn.edge_weight.detach())
    test, validation = (drawn(key, CORRECTED, split) for split in ("test", "validation"))
    assert len(validation) == 40
    assert result.accuracy == result.accuracies["test"] == evaluate(model, test)[1]
    assert result.accuracies["validation"] == evaluate(model, validation)[1]
    assert result.accuracies["validation"] == result.history["val_accuracy"].iloc[best - 1]
    assert result.accuracies["train"] == result.history["accuracy"].iloc[best - 1]
    assert result.row()["accuracy"] == result.row()["test_accuracy"]


def test_training_accuracy_goes_with_test_trials_of_the_last_epoch():
    key = RunKey("perceptual_decision", "W", seed=4)
    result = run_one(GRAPH, key, replace(CORRECTED, reported_accuracy="training"))
    assert result.accuracy == result.accuracies["train"] == result.history["accuracy"].iloc[-1]
    model = module.start_run(GRAPH, key, CORRECTED).training.model
    model.load_state_dict({**model.state_dict(), **{n: w for n, w in result.weights.items() if "initial" not in n}})
    assert result.accuracies["test"] == evaluate(model, drawn(key, CORRECTED, "test"))[1]


@pytest.mark.parametrize("reported", ["training", "test"])
def test_a_run_that_diverges_is_missing_or_at_chance(reported):
    key, protocol = RunKey("go_nogo", "W"), replace(SHORT, learning_rate=1e30, epochs=6, reported_accuracy=reported)
    chance = run_one(GRAPH, key, protocol)
    split = "train" if reported == "training" else "test"
    assert chance.accuracy == float((drawn(key, protocol, split).targets == 0).double().mean())
    assert "accuracy" not in chance.reasons
    missing = run_one(GRAPH, key, replace(protocol, diverged_accuracy="missing"))
    assert math.isnan(missing.accuracy)
    assert missing.reasons["accuracy"] == "the run diverged in epoch 1"
    assert (missing.diverged_epoch, missing.best_epoch, missing.row()["best_epoch"]) == (1, None, None)
    assert missing.accuracies == chance.accuracies
    healthy = run_one(GRAPH, key, replace(SHORT, diverged_accuracy="missing"))
    assert not math.isnan(healthy.accuracy)


class Unhashable:
    """A task that only does what a task must."""

    name, num_steps, input_size, num_classes, chance, floor, ceiling = "mine", 3, 2, 3, 1 / 3, 1 / 3, 1.0
    __hash__ = None

    def sample(self, num_trials, *, rng, device="cpu", dtype=torch.float32):
        generator = torch.Generator(device).manual_seed(rng)
        targets = torch.randint(3, (num_trials,), generator=generator)
        inputs = torch.randn(3, num_trials, 2, generator=generator, dtype=dtype)
        return Trials(inputs, targets)


def test_any_object_that_is_a_task_can_be_learned():
    key = RunKey("mine", "W")
    result = run_one(GRAPH, key, SHORT, task=Unhashable())
    assert result.weights["readout.bias"].shape == (3,)
    assert same(result, run_one(GRAPH, key, SHORT, task=Unhashable()))


@pytest.mark.parametrize(
    "change",
    [
        {"trials": "per-seed"}, {"num_validation": 16, "reported_accuracy": "test"}, {"optimizer": "rmsprop"},
        {"weight_decay": 0.1}, {"schedule": "step"}, {"clip_norm": 1e-3}, {"autocast": "bfloat16"},
    ],
    ids=str,
)  # fmt: skip
def test_each_choice_of_the_protocol_about_training_counts(change):
    key = RunKey("perceptual_decision", "W", seed=4)
    base = replace(SHORT, epochs=6, learning_rate=0.05)
    one, other = (run_one(GRAPH, key, protocol) for protocol in (base, replace(base, **change)))
    assert not torch.equal(one.weights["rnn.edge_weight"], other.weights["rnn.edge_weight"])


def test_trials_that_are_first_drawn_in_inference_mode_can_be_trained_on():
    module._drawn.cache_clear()
    with torch.inference_mode():
        trials = drawn(KEY, SHORT)
    module._drawn.cache_clear()
    assert not trials.inputs.is_inference()
    assert not trials.targets.is_inference()
