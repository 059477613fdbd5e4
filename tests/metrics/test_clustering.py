from __future__ import annotations

import math

import bct
import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import simple_graph
from graphcortex.metrics import _triangles, clustering
from graphcortex.metrics.ensemble import Nulls
from graphcortex.testing import (
    assert_bounds,
    assert_invariant_to_edge_order,
    assert_invariant_to_relabelling,
    assert_matches_oracle,
)
from graphcortex.testing.strategies import Edges, edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, PATH, RING, STAR, TRIANGLES, clustered
from tests.metrics.test_modularity import dense

KINDS = {
    "plain": (False, False),
    "weighted": (False, True),
    "directed": (True, False),
    "directed, weighted": (True, True),
}
each_kind = pytest.mark.parametrize(("directed", "weighted"), KINDS.values(), ids=KINDS.keys())


def compute(directed: bool, weighted: bool):
    """Return the local clustering as a function of a graph."""

    def local(edge_index, edge_weight, num_nodes):
        return clustering(edge_index, edge_weight if weighted else None, num_nodes, directed=directed).local

    return local


def naive(directed: bool, weighted: bool):
    """Return the formula as a function of a graph: all pairs of neighbours, and all directions of a triangle."""

    def local(edge_index, edge_weight, num_nodes):
        W = dense(Edges(edge_index, edge_weight, num_nodes), directed=directed, weighted=weighted)
        N, top = num_nodes, max(map(max, W))
        S = [[(w / top) ** (1 / 3) if w else 0.0 for w in row] for row in W]
        found = []
        for u in range(N):
            total = 0.0
            for v in range(N):
                for w in range(N):
                    if len({u, v, w}) == 3:
                        if directed:
                            total += (S[u][v] + S[v][u]) * (S[v][w] + S[w][v]) * (S[w][u] + S[u][w]) / 2
                        else:
                            total += S[u][v] * S[v][w] * S[w][u]
            if directed:
                k = sum((W[u][v] > 0) + (W[v][u] > 0) for v in range(N))
                whole = k * (k - 1) - 2 * sum(W[u][v] > 0 and W[v][u] > 0 for v in range(N))
            else:
                k = sum(w > 0 for w in W[u])
                whole = k * (k - 1)
            found.append(total / whole if whole else 0.0)
        return torch.tensor(found, dtype=torch.float64)

    return local


@each_kind
@given(graph=edges(max_nodes=7))
def test_matches_the_formula(directed, weighted, graph):
    assert_matches_oracle(compute(directed, weighted), naive(directed, weighted), graph, atol=1e-9)
    found = clustering(graph.edge_index, graph.edge_weight, graph.num_nodes, directed=directed)
    assert_bounds(found.local, 0, 1, tolerance=1e-12)
    assert found.value == pytest.approx(found.local.mean().item(), abs=1e-12)


@each_kind
@given(graph=edges(max_nodes=7), data=st.data())
def test_moves_with_the_neurons(directed, weighted, graph, data):
    local = compute(directed, weighted)
    names = data.draw(st.permutations(range(graph.num_nodes)))
    assert_invariant_to_relabelling(local, graph, names, of="node")
    assert_invariant_to_edge_order(local, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))), of="node")
    scaled = local(graph.edge_index, 7.3 * graph.edge_weight, graph.num_nodes)
    assert torch.allclose(scaled, local(*graph), atol=1e-12)


@pytest.mark.parametrize("threshold", [0.0, 2.0])
def test_agrees_with_bct_and_networkx(threshold):
    graph = clustered(40, 4)

    def local(directed, weighted):
        simple = simple_graph(*graph, directed=directed, threshold=threshold)
        simple = simple if weighted else simple.unweighted()
        found = clustering(simple.edge_index, simple.edge_weight, 40, directed=directed)
        W = simple.matrix.toarray()
        return found.local.numpy(), W / W.max()

    ours, W = local(False, False)
    np.testing.assert_allclose(ours, bct.clustering_coef_bu(W), atol=1e-9)
    assert ours.mean() == pytest.approx(networkx.average_clustering(networkx.from_numpy_array(W)), abs=1e-9)
    ours, W = local(False, True)
    np.testing.assert_allclose(ours, bct.clustering_coef_wu(W), atol=1e-9)
    theirs = networkx.average_clustering(networkx.from_numpy_array(W), weight="weight")
    assert ours.mean() == pytest.approx(theirs, abs=1e-9)
    ours, W = local(True, False)
    np.testing.assert_allclose(ours, bct.clustering_coef_bd(W), atol=1e-9)
    ours, W = local(True, True)
    np.testing.assert_allclose(ours, bct.clustering_coef_wd(W), atol=1e-9)
    peer = networkx.from_numpy_array(W, create_using=networkx.DiGraph)
    np.testing.assert_allclose(ours, list(networkx.clustering(peer, weight="weight").values()), atol=1e-9)


KNOWN = {
    "two triangles and a lone neuron": (TRIANGLES, 7, 6 / 7),
    "a ring": (RING, 12, 0.0),
    "a star": (STAR, 5, 0.0),
    "a path": (PATH, 4, 0.0),
    "all of five": (torch.combinations(torch.arange(5)).T, 5, 1.0),
}


@pytest.mark.parametrize(("edge_index", "num_nodes", "value"), KNOWN.values(), ids=KNOWN.keys())
def test_known(edge_index, num_nodes, value):
    assert clustering(edge_index, None, num_nodes).value == pytest.approx(value, abs=1e-12)
    # Equal weights are none.
    equal = torch.full((edge_index.size(1),), 0.3, dtype=torch.float64)
    assert clustering(edge_index, equal, num_nodes).value == pytest.approx(value, abs=1e-12)
    both = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    assert clustering(both, None, num_nodes, directed=True).value == pytest.approx(value, abs=1e-12)


def test_one_directed_cycle_is_half_of_what_three_pairs_allow():
    assert clustering(TRIANGLES[:, :3], None, 3, directed=True).local.tolist() == [0.5, 0.5, 0.5]


def test_triangles_are_each_found_once_however_the_work_is_divided(monkeypatch):
    graph = simple_graph(
        torch.randint(0, 30, (2, 220), generator=torch.Generator().manual_seed(0)), None, 30, directed=False
    )
    A = graph.matrix.toarray()

    def found():
        parts = list(_triangles.triangles(graph.source, graph.target, 30))
        corners = [
            frozenset(np.concatenate((graph.source[list(edges)], graph.target[list(edges)])).tolist())
            for part in parts
            for edges in zip(*part, strict=True)
        ]
        assert all(len(nodes) == 3 for nodes in corners)
        assert len(set(corners)) == len(corners) == round(np.trace(A @ A @ A) / 6)
        return len(parts)

    assert found() == 1
    for name, value in (("_CHUNK_WEDGES", 5), ("_TABLE_ENTRIES", 40)):
        monkeypatch.setattr(_triangles, name, value)
        assert found() > 1


def test_is_compared_with_random_graphs():
    found = clustering(
        RING.repeat(1, 2) + torch.tensor([[0] * 24, [0] * 12 + [1] * 12]) % 12, None, 14, null=Nulls("degree", 10)
    )
    assert (found.null, found.num_nulls) == ("degree", 10)
    assert found.value > found.null_mean
    assert found.z > 0


@pytest.mark.parametrize(("directed", "weight"), [(False, None), (True, torch.zeros(6)), (False, torch.ones(6))])
def test_without_edges_it_is_zero(directed, weight):
    edge_index = NO_EDGES if weight is None else TRIANGLES
    found = clustering(edge_index, weight, 6, directed=directed, threshold=1.0)
    assert found.value == 0
    assert found.local.tolist() == [0.0] * 6
    assert found.reason == "no edge joins two neurons"
    assert found.threshold == 1.0


def test_one_neuron_has_none():
    assert clustering(torch.zeros(2, 1).long(), None, 1).value == 0


@pytest.mark.parametrize("weight", [1e-320, 1e308])
def test_weights_of_any_size(weight):
    found = clustering(TRIANGLES, torch.full((6,), weight, dtype=torch.float64), 6)
    assert found.value == pytest.approx(1, abs=1e-3)


BAD_ARGUMENTS = {
    "a negative threshold": (torch.ones(6), {"threshold": -1.0}),
    "NaN": (torch.full((6,), math.nan), {}),
    "one weight is missing": (torch.ones(5), {}),
    "an unknown null": (None, {"null": "cubic"}),
}


@pytest.mark.parametrize(("weight", "keywords"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects_arguments(weight, keywords):
    with pytest.raises(ValueError, match=r"must .*got"):
        clustering(TRIANGLES, weight, 6, **keywords)


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        clustering(edge_index, None, 3)
