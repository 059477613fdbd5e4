from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from graphcortex.kernels import complete_edge_index
from graphcortex.metrics import learned_graph_metrics
from graphcortex.study import METRICS, RunKey, RunResult, Variant, initial_weights, run_one
from graphcortex.study import run as module
from graphcortex.tasks import get_task
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


@pytest.fixture(scope="module")
def result() -> RunResult:
    return run_one(GRAPH, KEY, SHORT)


def test_a_run_is_a_pure_function_of_its_arguments(result):
    torch.manual_seed(3)
    module.shared_trials.cache_clear()
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
    shared = module.shared_trials("go_nogo", 20, 0, "train", "cpu")
    assert module.shared_trials("go_nogo", 20, 0, "train", "cpu") is shared
    for other in (("go_nogo", 20, 0, "test"), ("go_nogo", 20, 1, "train")):
        assert not torch.equal(module.shared_trials(*other, "cpu").targets, shared.targets)


def test_training_and_test_trials_are_as_many_as_the_protocol_says(monkeypatch):
    asked = []
    monkeypatch.setattr(
        module, "shared_trials", lambda *a: asked.append(a) or get_task(a[0]).sample(a[1], rng=0, device=a[4])
    )
    run_one(GRAPH, KEY, SHORT)
    assert asked == [("go_nogo", 64, 0, "train", "cpu"), ("go_nogo", 32, 0, "test", "cpu")]


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
    assert {name: row[name] for name in ("connectome", "protocol", "task", "variant", "recurrence", "seed")} == {
        "connectome": "synthetic",
        "protocol": "published",
        "task": "go_nogo",
        "variant": "W*D*C*",
        "recurrence": "free",
        "seed": 1,
    }
    assert row["test_accuracy"] == result.history["val_accuracy"].iloc[-1]
    assert row["diverged_epoch"] is None
    assert {name: row[name] for name in METRICS} == result.metrics
    assert pd.DataFrame([row]).shape == (1, 6 + 5 + 2)
    assert result.times() == {
        **result.names(), **{f"seconds_{part}": seconds for part, seconds in result.seconds.items()},
    }  # fmt: skip


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
    targets = module.shared_trials("go_nogo", 64, 0, "train", "cpu").targets
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
    pytest.importorskip("neurogym", reason="NeuroGym is not installed: pip install 'graphcortex[neurogym]'")
    key = RunKey("neurogym:GoNogo-v0", "W")
    one, again = (run_one(GRAPH, key, SHORT) for _ in range(2))
    assert same(one, again)
    assert 0 <= one.accuracy <= 1
