from __future__ import annotations

import math

import networkx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import simple_graph
from graphcortex.metrics import reciprocity
from graphcortex.metrics.ensemble import Nulls
from graphcortex.metrics.reciprocity import reciprocity_of
from graphcortex.testing import assert_bounds, assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, clustered
from tests.metrics.naive import naive_matrix, networkx_of

CYCLE = torch.tensor([[0, 1, 2], [1, 2, 0]])


def naive_reciprocity(graph, weighted):
    """Sum both formulas over all ordered pairs."""
    W = naive_matrix(graph, directed=True, weighted=weighted).tolist()
    N = graph.num_nodes
    pairs = [(i, j) for i in range(N) for j in range(N) if i != j]
    total = sum(W[i][j] for i, j in pairs)
    if total == 0:
        return math.nan, math.nan
    mean = total / len(pairs)
    variance = sum((W[i][j] - mean) ** 2 for i, j in pairs)
    covariance = sum((W[i][j] - mean) * (W[j][i] - mean) for i, j in pairs)
    alike = len({W[i][j] for i, j in pairs}) == 1
    return sum(min(W[i][j], W[j][i]) for i, j in pairs) / total, math.nan if alike else covariance / variance


@pytest.mark.parametrize("weighted", [False, True])
@given(graph=edges())
def test_matches_naive(weighted, graph):
    found = reciprocity(*graph, weighted=weighted)
    value, rho = naive_reciprocity(graph, weighted)
    assert found.value == pytest.approx(value, abs=1e-9, nan_ok=True)
    assert found.rho == pytest.approx(rho, abs=1e-9, nan_ok=True)
    assert bool(found.reason) == math.isnan(value)
    W = naive_matrix(graph, directed=True)
    assert found.num_mutual == ((W > 0) & (W.T > 0)).sum() / 2
    assert found.num_edges == (W > 0).sum()
    if not found.reason:
        assert_bounds(found.value, 0, 1)
    if not math.isnan(rho):
        assert_bounds(found.rho, -1, 1, tolerance=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@given(graph=edges(), data=st.data())
def test_names_order_and_scale_do_not_matter(weighted, graph, data):
    def numbers(edge_index, edge_weight, num_nodes):
        found = reciprocity(edge_index, edge_weight, num_nodes, weighted=weighted)
        return torch.tensor([found.value, found.rho, found.num_mutual])

    assert_invariant_to_relabelling(numbers, graph, data.draw(st.permutations(range(graph.num_nodes))))
    assert_invariant_to_edge_order(numbers, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))))
    for factor in (2.0**-400, 2.0**400, -3.0):
        scaled = numbers(graph.edge_index, graph.edge_weight * factor, graph.num_nodes)
        assert torch.allclose(scaled, numbers(*graph), rtol=1e-9, atol=1e-12, equal_nan=True)


def test_agrees_with_networkx():
    graph = clustered(60, 4)
    found = reciprocity(*graph, threshold=2.0)
    W = naive_matrix(graph, directed=True)
    theirs = networkx.reciprocity(networkx_of(W * (W > 2), directed=True))
    assert found.value == pytest.approx(theirs, abs=1e-12)
    assert found.threshold == 2.0


def test_known():
    assert (reciprocity(CYCLE, None, 3).value, reciprocity(CYCLE, None, 3).rho) == (0, -1)
    both = torch.cat([CYCLE, CYCLE.flip(0)], 1)
    complete = reciprocity(both, None, 3)
    assert complete.value == 1
    assert math.isnan(complete.rho)
    assert not complete.reason
    assert reciprocity(both, None, 4).rho == pytest.approx(1)
    # Squartini et al.: of 4 there and 1 back, 1 is returned each way.
    assert reciprocity(torch.tensor([[0, 1], [1, 0]]), torch.tensor([4.0, 1.0]), 2, weighted=True).value == 0.4
    alike = reciprocity(both, torch.tensor([0.3] * 3 + [0.1 + 0.2] * 3).double(), 3, weighted=True)
    assert alike.value == pytest.approx(1)
    assert math.isnan(alike.rho)


def test_random_graphs_have_their_density():
    graph = clustered(40, 2)
    found = reciprocity(*graph, threshold=1.5, null=Nulls("erdos_renyi", num=30, rng=1))
    assert found.null == "erdos_renyi"
    assert found.num_nulls == 30
    assert found.null_mean == pytest.approx(found.num_edges / (40 * 39), abs=4 * found.null_sd / math.sqrt(30))
    assert math.isfinite(found.z)


@pytest.mark.parametrize("num_nodes", [1, 4])
def test_without_edges_there_is_none(num_nodes):
    found = reciprocity(NO_EDGES, None, num_nodes, null="degree")
    assert math.isnan(found.value)
    assert found.reason == "no edge joins two neurons"


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects_edges(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        reciprocity(edge_index, None, 3)


BAD_ARGUMENTS = {
    "NaN": {"edge_weight": torch.tensor([1.0, math.nan, 1.0])},
    "a weight is missing": {"edge_weight": torch.ones(2)},
    "negative threshold": {"threshold": -1.0},
    "unknown null": {"null": "lattices"},
    "null of another type": {"null": 3},
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        reciprocity(**{"edge_index": CYCLE, "edge_weight": None, "num_nodes": 3, **arguments})


def test_rejects_undirected_graphs():
    with pytest.raises(ValueError, match=r"must be directed, got"):
        reciprocity_of(simple_graph(CYCLE, None, 3, directed=False))
