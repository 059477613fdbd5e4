"""Which gradient moved the weights: against autograd, against the run itself, and in the table of a study."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from graphcortex.study import (
    RunKey,
    Study,
    Training,
    describe_intervals,
    floor_warnings,
    probe_gradients,
    run_one,
    summarize,
)
from graphcortex.study.run import start_run
from tests.study._small import SHORT, connectome

KEY = RunKey("go_nogo", "W", "free", 0, "tiny", "published")


def test_gradients_of_the_first_batch_are_those_of_autograd():
    protocol = replace(SHORT, input_noise=0.0, penalty_scale=0.5)
    graph, key = connectome(), RunKey("go_nogo", "WDC", "free", 0, "tiny", "published")
    probe = probe_gradients(graph, key, protocol, batches=1)
    training: Training = start_run(graph, key, protocol).training
    weight, batch = training.model.rnn.edge_weight, training.train_trials[:16]
    (of_loss,) = torch.autograd.grad(F.cross_entropy(training.model(batch.inputs), batch.targets), weight)
    (of_penalty,) = torch.autograd.grad(sum(penalty(training.model.rnn) for penalty in training.penalties), weight)
    assert probe.batches == 1
    assert probe.loss == pytest.approx(float(of_loss.abs().mean()), rel=1e-5)
    assert probe.penalty == pytest.approx(float(of_penalty.abs().mean()), rel=1e-5)
    share = of_penalty.abs() / (of_loss.abs() + of_penalty.abs())
    assert probe.penalty_share == pytest.approx(float(share.mean()), rel=1e-5)
    assert probe.balanced_scale == pytest.approx(0.5 * probe.loss / probe.penalty)


def test_the_gradient_of_an_l1_penalty_is_its_strength():
    protocol = replace(SHORT, penalty_scale=0.01)
    assert probe_gradients(connectome(), KEY, protocol).penalty == pytest.approx(0.01 * protocol.l1_strength, rel=1e-4)


@pytest.mark.parametrize("recurrence", ["free", "nonnegative"])
@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_the_steps_are_those_of_the_run(recurrence, clip_norm):
    """An epoch of the probe shrinks the weights as an epoch of the run does."""
    protocol = replace(SHORT, epochs=1, clip_norm=clip_norm)
    key = RunKey("go_nogo", "W*D", recurrence, 1, "tiny", "published")
    weights = run_one(connectome(), key, protocol).weights
    ratio = float(weights["rnn.edge_weight"].abs().mean() / weights["initial_edge_weight"].abs().mean())
    assert probe_gradients(connectome(), key, protocol, batches=10**6).size_ratio == pytest.approx(ratio, rel=1e-5)


def test_without_a_penalty_nothing_is_silenced():
    probe = probe_gradients(connectome(), KEY, replace(SHORT, penalty_scale=0.0))
    assert (probe.penalty, probe.penalty_share, probe.silences) == (0, 0, False)
    assert probe.balanced_scale == math.inf
    assert "The penalty is not the cause" in str(probe)


def test_a_large_penalty_silences_and_the_balanced_scale_does_not():
    probe = probe_gradients(connectome(), KEY, replace(SHORT, penalty_scale=1.0))
    assert probe.silences
    assert probe.penalty > 10 * probe.loss
    assert f"penalty_scale={probe.balanced_scale:.1g}, in place of 1" in str(probe)
    weaker = probe_gradients(connectome(), KEY, replace(SHORT, penalty_scale=probe.balanced_scale / 10))
    assert not weaker.silences


def test_refuses_no_batches():
    with pytest.raises(ValueError, match="batches must be a whole number of at least 1, got 0"):
        probe_gradients(connectome(), KEY, SHORT, batches=0)


SILENCED, FREE_OF_CHARGE = "published", "published,penalty_scale=0.0"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A random start under a penalty that silences it, and under none, where it learns: seeds 1 and 2 do at once."""
    trained = replace(SHORT, num_train=640, num_test=320, epochs=4)
    protocols = {SILENCED: trained, FREE_OF_CHARGE: replace(trained, penalty_scale=0.0)}
    study = Study({"tiny": connectome(20)}, ("W",), ("go_nogo",), seeds=(1, 2), protocols=protocols)
    return study.run(tmp_path_factory.mktemp("study") / "out", progress=False)


def test_a_study_says_what_kept_a_variant_at_its_floor(results):
    assert results.runs.groupby("protocol")["accuracy"].min()[FREE_OF_CHARGE] > 0.9
    (line,) = floor_warnings(results)
    assert line.startswith(
        f"W ended at its floor (0.5) in all its 2 runs of go_nogo, free recurrence ({SILENCED}). "
        "The penalty silences it: over the first 20 batches of seed 1"
    )


def test_intervals_are_called_what_they_are(results):
    table = results.table
    assert describe_intervals(table, dict.fromkeys(results.study.protocols, "t")).startswith(
        "mean ± half of the 95 % t interval"
    )
    both = describe_intervals(table, {SILENCED: "t", FREE_OF_CHARGE: "bounded"})
    assert "t interval" in both
    assert "mean [low, high] of the 95 % bootstrap interval" in both
    alone = summarize(results.runs.query("seed == 1"))
    assert (
        describe_intervals(alone, dict.fromkeys(results.study.protocols, "t"))
        == "a single run of each variant: no interval"
    )
