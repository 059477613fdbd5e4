from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given

from graphcortex.metrics import adjusted_mutual_information, consensus_modules, modularity, strongest_edges
from graphcortex.metrics.modularity import search_modules
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, TRIANGLES, clustered
from tests.metrics.test_modularity import dense, naive_modularity

CLOUD = torch.randint(0, 80, (2, 300), generator=torch.Generator().manual_seed(0))


def test_is_the_run_that_the_others_resemble_most(monkeypatch):
    runs = []

    def remember(*arguments, **keywords):
        runs.append(search_modules(*arguments, **keywords))
        return runs[-1]

    monkeypatch.setattr("graphcortex.metrics.consensus.search_modules", remember)
    found = consensus_modules(CLOUD, None, 80, num_runs=6)
    assert found.run_values.tolist() == [value for value, _ in runs]
    likeness = [[adjusted_mutual_information(runs[r][1], runs[s][1]) for s in range(6) if s != r] for r in range(6)]
    means = [sum(row) / 5 for row in likeness]
    best = max(range(6), key=means.__getitem__)
    assert found.membership.tolist() == runs[best][1]
    assert found.value == runs[best][0]
    assert found.similarity.tolist() == pytest.approx(means, abs=1e-12)
    assert found.stability == pytest.approx(sum(means) / 6, abs=1e-12)
    assert 0 < found.stability < 0.9
    assert found.num_runs == 6


@pytest.mark.parametrize("directed", [False, True])
@given(graph=edges(max_nodes=9))
def test_the_value_is_that_of_the_membership(directed, graph):
    found = consensus_modules(*graph, num_runs=3, directed=directed)
    W = dense(graph, directed=directed)
    if math.isnan(found.value):
        assert sum(map(sum, W)) == 0
        assert math.isnan(found.stability)
        assert found.reason == "no edge joins two neurons"
    else:
        assert found.value == pytest.approx(naive_modularity(W, found.membership.tolist()), abs=1e-12)
        assert found.value in found.run_values.tolist()
        assert found.stability <= 1 + 1e-12


@pytest.mark.parametrize("method", ["leiden", "louvain", "infomap"])
def test_finds_planted_modules_each_time(method):
    num_nodes, num_modules = 80, 4
    group = np.arange(num_nodes) * num_modules // num_nodes
    rng = np.random.default_rng(0)
    chance = np.where(group[:, None] == group, 0.6, 0.02)
    linked = np.triu(rng.random((num_nodes, num_nodes)) < chance, 1)
    found = consensus_modules(torch.from_numpy(np.stack(np.nonzero(linked))), None, num_nodes, method=method)
    assert found.stability == pytest.approx(1, abs=1e-9)
    assert adjusted_mutual_information(found.membership, group) == 1


def test_a_graph_without_modules_is_less_stable_than_one_with():
    pairs = strongest_edges(*clustered(80, 4))
    assert consensus_modules(CLOUD, None, 80).stability < consensus_modules(pairs, None, 80).stability


def test_the_same_seed_gives_the_same():
    first, second, other = (consensus_modules(CLOUD, None, 80, num_runs=4, rng=seed) for seed in (1, 1, 2))
    assert torch.equal(first.membership, second.membership)
    assert first.stability == second.stability
    assert first.run_values.tolist() != other.run_values.tolist()


def test_is_close_to_the_best_of_as_many_starts():
    found, best = consensus_modules(CLOUD, None, 80), modularity(CLOUD, None, 80)
    assert best.value - 0.03 < found.value <= best.value + 0.005


def test_without_edges_there_is_none():
    found = consensus_modules(NO_EDGES, None, 4, threshold=0.5)
    assert math.isnan(found.value)
    assert found.num_modules == 4
    assert found.threshold == 0.5


BAD_ARGUMENTS = {
    "one run": {"num_runs": 1},
    "greedy merging": {"method": "fast_greedy"},
    "direction with Louvain": {"method": "louvain", "directed": True},
    "no seed": {"rng": "0"},
}


@pytest.mark.parametrize("keywords", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects_arguments(keywords):
    with pytest.raises(ValueError, match=r"must .*got"):
        consensus_modules(TRIANGLES, None, 6, **keywords)


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        consensus_modules(edge_index, None, 3)
