from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.testing import assert_close

from graphcortex.losses import L1Penalty
from graphcortex.study import RunKey, Variant, build_network, group_keys, run_ensemble, run_one
from graphcortex.study.training import Training, evaluate, evaluate_together, run_epoch
from graphcortex.tasks import get_task
from tests.study._small import SHORT, connectome
from tests.study.test_training import NaNAfter

GRAPH = connectome(12)
TASK = get_task("perceptual_decision")
CORRECTED = replace(
    SHORT, trials="per-seed", num_validation=24, reported_accuracy="test", diverged_accuracy="missing", epochs=3
)


def training(seed: int, protocol, *, penalties=(), variant: str = "W", nonnegative: bool = False) -> Training:
    """A small network in float64, with trials of its own."""
    model = build_network(GRAPH, Variant.parse(variant), TASK, protocol, seed=seed).double()
    seen, unseen = (TASK.sample(count, rng=100 * count + seed, dtype=torch.float64) for count in (40, 16))
    return Training(model, penalties, seen, unseen, protocol, rng=seed, nonnegative=nonnegative)


def run_to_end(members: list[Training]) -> None:
    while left := [member for member in members if not member.finished]:
        run_epoch(left)


def assert_alike(a: Training, b: Training) -> None:
    frames = [pd.DataFrame(member.history).drop(columns="seconds") for member in (a, b)]
    pd.testing.assert_frame_equal(*frames, rtol=1e-9)
    assert_close(
        dict(a.model.named_parameters()), dict(b.model.named_parameters()), rtol=1e-7, atol=1e-9, equal_nan=True
    )
    assert a.best_epoch == b.best_epoch
    assert torch.equal(a.generator.get_state(), b.generator.get_state())


PROTOCOLS = {
    "published": {},
    "clipped": {"clip_norm": 0.05},
    "SGD with a schedule": {"optimizer": "sgd", "learning_rate": 0.02, "schedule": "cosine"},
    "RMSprop with decay": {"optimizer": "rmsprop", "weight_decay": 0.1},
    "AdamW": {"optimizer": "adamw", "weight_decay": 0.1},
    "an uneven last batch": {"batch_size": 9},
}


@pytest.mark.parametrize("change", PROTOCOLS.values(), ids=PROTOCOLS.keys())
@pytest.mark.parametrize("nonnegative", [False, True], ids=["free", "nonnegative"])
def test_members_learn_what_they_learn_alone(change, nonnegative):
    protocol = replace(SHORT, epochs=3, **change)
    together, alone = (
        [training(seed, protocol, penalties=[L1Penalty(0.1 * seed)], nonnegative=nonnegative) for seed in range(3)]
        for _ in range(2)
    )
    run_to_end(together)
    for member in alone:
        run_to_end([member])
    for a, b in zip(together, alone, strict=True):
        assert_alike(a, b)
    assert not torch.equal(*(member.model.rnn.edge_weight for member in together[:2]))


@pytest.mark.parametrize("change", [{}, {"clip_norm": 0.05}, {"optimizer": "sgd"}], ids=str)
def test_a_member_that_diverges_leaves_the_others_alone(change):
    """It breaks in its second epoch of five, and is gone after the third."""
    protocol = replace(SHORT, epochs=5, **change)
    broken = [[], [NaNAfter(4)], []]
    together = [training(seed, protocol, penalties=broken[seed]) for seed in range(3)]
    run_to_end(together)
    assert [len(member.history) for member in together] == [5, 3, 5]
    assert [member.diverged_epoch for member in together] == [None, 2, None]
    alone = [training(seed, protocol, penalties=[NaNAfter(4)] if seed == 1 else []) for seed in range(3)]
    for a, b in zip(together, alone, strict=True):
        run_to_end([b])
        assert_alike(a, b)


def test_members_stop_early_one_by_one():
    protocol = replace(SHORT, epochs=30, patience=2, learning_rate=0.3, reported_accuracy="test", batch_size=8)
    together, alone = ([training(seed, protocol) for seed in range(4)] for _ in range(2))
    run_to_end(together)
    for a, b in zip(together, alone, strict=True):
        run_to_end([b])
        assert_alike(a, b)
        a.take_reported_weights(), b.take_reported_weights()
        assert_close(a.model.rnn.edge_weight, b.model.rnn.edge_weight, rtol=1e-7, atol=1e-9)
    assert len({len(member.history) for member in together}) > 1, "all stopped at once, which tests nothing"


def test_members_may_be_in_different_epochs():
    protocol = replace(SHORT, epochs=3, schedule="linear")
    ahead, behind, whole = (training(0, protocol) for _ in range(3))
    run_epoch([ahead])
    run_to_end([ahead, behind])
    run_to_end([whole])
    assert_alike(ahead, whole)
    assert_alike(behind, whole)


def test_evaluation_together_is_that_of_each():
    members = [training(seed, SHORT) for seed in range(3)]
    models, trials = [m.model for m in members], [m.validation_trials for m in members]
    for (loss, right), model, some in zip(evaluate_together(models, trials, batch_size=5), models, trials, strict=True):
        expected = evaluate(model, some)
        assert loss == pytest.approx(expected[0], rel=1e-12)
        assert right == expected[1]


# --- whole runs


@pytest.mark.parametrize("variant", ["W", "W*D*C*", "WDC"])
@pytest.mark.parametrize("protocol", [SHORT, CORRECTED], ids=["published", "corrected"])
def test_an_ensemble_gives_what_its_runs_give(variant, protocol):
    """In float32, so to its rounding over a dozen steps."""
    keys = [RunKey("go_nogo", variant, "nonnegative", seed) for seed in (3, 0, 5)]
    logged: list[tuple[int, int]] = []
    found = run_ensemble(GRAPH, keys, protocol, log=lambda key, row: logged.append((row["epoch"], key.seed)))
    assert [result.key for result in found] == keys
    assert logged == [(epoch, seed) for epoch in range(1, protocol.epochs + 1) for seed in (3, 0, 5)]
    for result in found:
        single = run_one(GRAPH, result.key, protocol)
        assert result.weights.keys() == single.weights.keys()
        for name, value in single.weights.items():
            assert_close(result.weights[name], value, rtol=1e-3, atol=1e-5)
        assert torch.equal(result.weights["initial_edge_weight"], single.weights["initial_edge_weight"])
        ours, theirs = (r.history.drop(columns="seconds") for r in (result, single))
        np.testing.assert_allclose(ours[["loss", "val_loss"]], theirs[["loss", "val_loss"]], rtol=1e-3)
        assert (result.best_epoch, result.diverged_epoch) == (single.best_epoch, single.diverged_epoch)
        assert result.accuracies == pytest.approx(single.accuracies, abs=0.05)
        assert result.metrics["entropy"] == pytest.approx(single.metrics["entropy"], rel=1e-2)


def test_an_ensemble_goes_on_from_checkpoints_that_got_differently_far(tmp_path):
    protocol = replace(SHORT, epochs=3)
    keys = [RunKey("go_nogo", "W", seed=seed) for seed in range(3)]
    files = [tmp_path / f"{seed}.pt" for seed in range(3)]
    calls = 0

    def stop(row: dict) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:  # in epoch 2, after the first of three
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_ensemble(GRAPH, keys, protocol, checkpoints=files, on_epoch=stop)
    again = run_ensemble(GRAPH, keys, protocol, checkpoints=files)
    for a, b in zip(again, run_ensemble(GRAPH, keys, protocol), strict=True):
        assert a.history["epoch"].tolist() == [1, 2, 3]
        assert_close(a.weights["rnn.edge_weight"], b.weights["rnn.edge_weight"], rtol=1e-4, atol=1e-6)


def test_groups_hold_seeds_of_one_design():
    keys = [
        RunKey(task, variant, arm, seed, protocol=protocol)
        for seed in range(5)
        for task in ("go_nogo", "perceptual_decision")
        for variant in ("W", "WD")
        for arm in ("free", "nonnegative")
        for protocol in ("published", "corrected")
    ]
    groups = group_keys(keys, 2)
    assert sorted(str(key) for group in groups for key in group) == sorted(map(str, keys))
    assert all(len({replace(key, seed=0) for key in group}) == 1 for group in groups)
    assert sorted(map(len, groups)) == [1] * 16 + [2] * 32
    assert group_keys([], 3) == []
    assert group_keys(keys, 1) == [[key] for key in keys]
    with pytest.raises(ValueError, match="size must"):
        group_keys(keys, 0)


def test_what_is_no_ensemble_is_refused():
    one = RunKey("go_nogo", "W")
    for keys in (
        [],
        [one, one],
        [one, RunKey("go_nogo", "WD", seed=1)],
        [one, RunKey("go_nogo", "W", "nonnegative", 1)],
    ):
        with pytest.raises(ValueError, match=r"keys must .*got"):
            run_ensemble(GRAPH, keys, SHORT)
    with pytest.raises(ValueError, match=r"checkpoints must .*got"):
        run_ensemble(GRAPH, [one], SHORT, checkpoints=["a", "b"])
