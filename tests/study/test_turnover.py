from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from graphcortex.ops import edge_length
from graphcortex.study import RunKey, edge_lengths, run_ensemble, run_one
from graphcortex.study.run import start_run
from graphcortex.study.training import run_epoch
from tests.study._small import SHORT, connectome
from tests.study.test_checkpoint import StoppedError, stop_after
from tests.study.test_run import same

GRAPH = connectome(14)
KEY = RunKey("go_nogo", "WD*C+sparse", seed=1)
SET = replace(SHORT, epochs=4, plasticity="set", plasticity_share=0.25)


def pairs(edge_index: torch.Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, edge_index.t().tolist()))


def test_no_plasticity_moves_no_edge():
    result = run_one(GRAPH, KEY, SHORT)
    assert torch.equal(result.weights["rnn.edge_index"], result.weights["initial_edge_index"])
    assert pairs(result.weights["rnn.edge_index"]) == pairs(GRAPH.synapses.edge_index)


def test_a_share_of_the_edges_moves_after_each_epoch_but_the_last():
    run = start_run(GRAPH, KEY, SET)
    rnn, seen = run.training.model.rnn, []
    while not run.training.finished:
        run_epoch([run.training])
        seen.append(rnn.edge_index.clone())
    share = round(0.25 * rnn.edge_index.size(1))
    moved = [int((a != b).any(0).sum()) for a, b in itertools.pairwise(seen)]
    assert torch.equal(seen[0], run.initial["initial_edge_index"])
    assert len(moved) == 3
    assert all(0 < count <= share for count in moved), "a pair that was dropped may be drawn again"
    assert max(moved) == share
    for edge_index in seen:
        assert len(pairs(edge_index)) == edge_index.size(1), "no pair is joined twice"
        assert not bool((edge_index[0] == edge_index[1]).any())


@pytest.mark.parametrize("protocol", ["published", "corrected"])
@pytest.mark.parametrize("variant", ["WD*C+sparse", "WD+sparse", "WD*[shuffled]C*+sparse"])
def test_lengths_follow_the_edges(variant, protocol):
    key = replace(KEY, variant=variant)
    parts = {"position_reading": "true", "distance_scale": "mean", "self_connection_length": "shortest"}
    settings = replace(SET, **(parts if protocol == "corrected" else {}))
    run = start_run(GRAPH, key, settings)
    while not run.training.finished:
        run_epoch([run.training])
    edges = run.training.model.rnn.edge_index
    assert not torch.equal(edges, run.initial["initial_edge_index"])
    expected = edge_lengths(GRAPH, key.variant, settings, edges, seed=key.seed)
    assert torch.equal(run.training.penalties[0].edge_length, expected)


CHANGES = {
    "plasticity": {"plasticity": "deep-r"},
    "plasticity_share": {"plasticity_share": 0.5},
    "regrowth": {"regrowth": "distance"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_each_part_of_a_protocol_that_is_about_plasticity_counts(change):
    base = replace(SET, learning_rate=0.05)
    one, other = (
        run_one(GRAPH, KEY, protocol).weights["rnn.edge_index"] for protocol in (base, replace(base, **change))
    )
    assert pairs(one) != pairs(other)


def test_regrowth_by_distance_grows_shorter_edges():
    """Mean length of what grew, over seeds."""
    pos = GRAPH.pos.double()

    def grown(regrowth: str) -> float:
        lengths = []
        for seed in range(12):
            weights = run_one(
                GRAPH, replace(KEY, seed=seed), replace(SET, epochs=2, num_nulls=1, regrowth=regrowth)
            ).weights
            new = (weights["rnn.edge_index"] != weights["initial_edge_index"]).any(0)
            lengths.append(edge_length(weights["rnn.edge_index"][:, new], pos))
        return float(torch.cat(lengths).mean())

    assert grown("distance") < 0.9 * grown("random")


def test_the_nonnegative_arm_grows_no_negative_weight():
    key = replace(KEY, recurrence="nonnegative")
    run = start_run(GRAPH, key, replace(SET, epochs=9))
    for _ in range(3):
        run_epoch([run.training])
        assert float(run.training.model.rnn.edge_weight.detach().min()) >= 0
        run.training.turnover.step(run.training.optimizer)
        assert float(run.training.model.rnn.edge_weight.detach().min()) >= 0


@pytest.mark.parametrize("rule", ["set", "deep-r"])
def test_a_run_that_was_stopped_grows_the_same_edges(rule, tmp_path):
    protocol = replace(SET, plasticity=rule, learning_rate=0.05, reported_accuracy="test")
    key = replace(KEY, variant="WD*C*+sparse")
    whole = run_one(GRAPH, key, protocol)
    for epoch in (1, 2, 3):
        path = tmp_path / f"{epoch}.pt"
        with pytest.raises(StoppedError):
            run_one(GRAPH, key, protocol, checkpoint=path, on_epoch=stop_after(epoch))
        assert same(run_one(GRAPH, key, protocol, checkpoint=path), whole)


def test_the_best_epoch_comes_back_with_its_edges():
    protocol = replace(SET, reported_accuracy="test", learning_rate=0.3, epochs=8)
    run = start_run(GRAPH, replace(KEY, variant="W+sparse"), protocol)
    rnn, seen = run.training.model.rnn, []
    while not run.training.finished:
        run_epoch([run.training])
        seen.append((rnn.edge_index.clone(), rnn.edge_weight.detach().clone()))
    best = run.training.reported_epoch
    assert best < 8, "the best epoch must be told from the last"
    run.training.take_reported_weights()
    assert torch.equal(rnn.edge_index, seen[best - 1][0])
    assert torch.equal(rnn.edge_weight, seen[best - 1][1])


def test_members_of_an_ensemble_grow_edges_of_their_own():
    keys = [replace(KEY, seed=seed) for seed in (1, 2)]
    found = run_ensemble(GRAPH, keys, SET)
    assert not torch.equal(*(result.weights["rnn.edge_index"] for result in found))
    for result in found:
        alone = run_one(GRAPH, result.key, SET)
        assert torch.equal(result.weights["rnn.edge_index"], alone.weights["rnn.edge_index"])
        torch.testing.assert_close(
            result.weights["rnn.edge_weight"], alone.weights["rnn.edge_weight"], rtol=1e-3, atol=1e-5
        )


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"plasticity must be none .*got 'set' for WD\*C"):
        run_one(GRAPH, replace(KEY, variant="WD*C"), SET)
    with pytest.raises(ValueError, match=r"plasticity_share must .*got 0"):
        run_one(GRAPH, KEY, replace(SET, plasticity_share=0.0))
