from __future__ import annotations

import math
import random

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import simple_graph
from graphcortex.metrics import hubs
from graphcortex.metrics.ensemble import Nulls
from graphcortex.metrics.hubs import MEASURES, gini, hubs_of
from graphcortex.testing import assert_bounds, assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, RING, STAR, clustered
from tests.metrics.naive import naive_matrix, networkx_of
from tests.metrics.test_core import naive_coreness
from tests.metrics.test_participation import naive_participation

TOP = 0.4


def naive_measures(graph, directed: bool, module: list[int]) -> dict[str, list[float]]:
    W = naive_matrix(graph, directed=directed)
    A = (W > 0).astype(float)
    paths = networkx.betweenness_centrality(networkx_of(A, directed=directed), normalized=False)
    both = A + A.T if directed else A
    return {
        "degree": both.sum(1).tolist(),
        "strength": (W.sum(0) + W.sum(1) if directed else W.sum(0)).tolist(),
        "betweenness": list(paths.values()),
        "coreness": naive_coreness(A, "all" if directed else "out"),
        "participation": naive_participation(both, module)[0],
    }


@pytest.mark.parametrize("directed", [False, True])
@given(graph=edges(), data=st.data())
def test_matches_naive(directed, graph, data):
    N = graph.num_nodes
    module = data.draw(st.lists(st.integers(0, 2), min_size=N, max_size=N))
    found = hubs(*graph, directed=directed, measures=MEASURES, membership=torch.tensor(module), top=TOP, min_score=3)
    expected = naive_measures(graph, directed, module)
    score, rank = [0] * N, [0.0] * N
    for name, values in expected.items():
        assert found.measures[name].tolist() == pytest.approx(values, abs=1e-9)
        for i in range(N):
            lower = sum(other < values[i] - 1e-9 for other in values)
            higher = sum(other > values[i] + 1e-9 for other in values)
            score[i] += N - lower <= TOP * N
            rank[i] += lower + (N - lower - higher - 1) / 2
    assert found.score.tolist() == score
    assert found.rank.tolist() == pytest.approx([r / 5 / max(N - 1, 1) for r in rank], abs=1e-9)
    assert found.neurons.tolist() == [i for i in range(N) if score[i] >= 3]
    assert found.value == len(found.neurons) / N
    assert_bounds(found.rank, 0, 1)
    k = expected["degree"]
    differences = sum(abs(a - b) for a in k for b in k)
    assert found.gini == pytest.approx(differences / (2 * N * sum(k)) if sum(k) else math.nan, nan_ok=True)


@given(graph=edges(), data=st.data())
def test_names_order_and_scale_do_not_matter(graph, data):
    def score(edge_index, edge_weight, num_nodes):
        return hubs(edge_index, edge_weight, num_nodes, measures=MEASURES[:4], top=TOP).score

    assert_invariant_to_relabelling(score, graph, data.draw(st.permutations(range(graph.num_nodes))), of="node")
    assert_invariant_to_edge_order(score, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))))
    assert torch.equal(score(graph.edge_index, graph.edge_weight * 2.0**-300, graph.num_nodes), score(*graph))


def test_no_measure_names_more_than_the_top_share():
    graph = clustered(60, 4)
    for name in MEASURES[:4]:
        found = hubs(*graph, threshold=3.0, measures=[name], min_score=1)
        assert found.value <= 0.2
        assert found.table()["is_hub"].sum() == len(found.neurons)
    assert found.table().columns.tolist() == ["coreness", "score", "rank", "is_hub"]


def test_neurons_that_are_alike_are_no_hubs():
    assert hubs(RING, None, 12).value == 0
    assert hubs(RING, None, 12).gini == 0
    # The middle of a star is above the others in degree and betweenness; all have a coreness of 1.
    star = hubs(STAR, None, 5)
    assert (star.neurons.tolist(), star.score.tolist(), star.value) == ([0], [2, 0, 0, 0, 0], 0.2)
    assert star.rank.tolist() == pytest.approx([(1 + 1 + 0.5) / 3] + [(1.5 / 4 * 2 + 0.5) / 3] * 4)
    assert (
        hubs(torch.cat([RING, RING + 1], 1) % 12, torch.full((24,), 0.1), 12, measures=["strength"], min_score=1).value
        == 0
    )


def test_weights_that_differ_by_rounding_alone_are_alike():
    weight = torch.tensor([0.3 + 1e-15] + [0.3] * 11, dtype=torch.float64)
    assert hubs(RING, weight, 12, measures=["strength"], min_score=1).value == 0


def test_paths_from_a_sample_are_without_bias():
    graph = clustered(40, 2)
    exact = hubs(*graph, threshold=4.5, directed=True, measures=["betweenness"], min_score=1)
    assert (exact.num_sources, exact.seed) == (40, None)
    how = {"threshold": 4.5, "directed": True, "measures": ["betweenness"], "min_score": 1, "num_sources": 10}
    drawn = [hubs(*graph, **how, rng=seed) for seed in range(60)]
    assert (drawn[7].num_sources, drawn[7].seed) == (10, 7)
    samples = torch.stack([one.measures["betweenness"] for one in drawn])
    error = samples.std(0) / math.sqrt(len(drawn))
    off = (samples.mean(0) - exact.measures["betweenness"]) / error.clamp(min=1e-9)
    assert float(off.abs().max()) < 4
    assert float(error.max()) > 0


def test_the_seed_decides_and_global_generators_are_left_alone():
    graph = clustered(40, 2)
    how = {"threshold": 4.0, "num_sources": 5}
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    first, second = hubs(*graph, **how, rng=3), hubs(*graph, **how, rng=3)
    assert torch.equal(first.measures["betweenness"], second.measures["betweenness"])
    other = hubs(*graph, **how, rng=torch.Generator().manual_seed(0))
    assert not torch.equal(first.measures["betweenness"], other.measures["betweenness"])
    again = hubs(*graph, **how, rng=other.seed)
    assert torch.equal(again.measures["betweenness"], other.measures["betweenness"])
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])


def test_results_do_not_share_memory_with_the_graph():
    graph = simple_graph(*clustered(20, 2), directed=False)
    hubs_of(graph, measures=["strength"], min_score=1).measures["strength"].zero_()
    assert graph.strength.min() > 0


def test_is_compared_with_random_graphs():
    found = hubs(*clustered(40, 2), threshold=3.5, null=Nulls("erdos_renyi", num=8, rng=1))
    assert (found.null, found.num_nulls) == ("erdos_renyi", 8)
    assert 0 < found.null_mean <= 0.2


def test_gini_of_known_values():
    assert gini(np.array([3.0, 3.0, 3.0])) == pytest.approx(0, abs=1e-12)
    assert gini(np.array([0, 0, 0, 5])) == pytest.approx(3 / 4)
    assert math.isnan(gini(np.zeros(4)))


@pytest.mark.parametrize("num_nodes", [1, 4])
def test_without_edges_there_are_none(num_nodes):
    found = hubs(NO_EDGES, None, num_nodes, null="degree")
    assert found.value == 0
    assert found.reason == "no edge joins two neurons"
    assert math.isnan(found.gini)
    assert found.neurons.tolist() == []


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects_edges(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        hubs(edge_index, None, 3)


BAD_ARGUMENTS = {
    "unknown measure": {"measures": ["degree", "fame"]},
    "a name": {"measures": "degree"},
    "no measure": {"measures": []},
    "one measure twice": {"measures": ["degree", "degree"]},
    "participation without modules": {"measures": ["degree", "participation"]},
    "modules of other neurons": {"membership": torch.zeros(3).long()},
    "no share": {"top": 0},
    "more than all": {"top": 1.5},
    "no score": {"min_score": 0},
    "more than the measures": {"min_score": 4},
    "no source": {"num_sources": 0},
    "bad seed": {"rng": -1},
    "unknown null": {"null": "chance"},
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        hubs(RING, None, 12, **arguments)
