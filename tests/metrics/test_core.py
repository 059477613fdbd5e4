from __future__ import annotations

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.metrics import coreness
from graphcortex.metrics.ensemble import Nulls
from graphcortex.testing import assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, RING, STAR, TRIANGLES, clustered
from tests.metrics.naive import naive_matrix, networkx_of

WAYS = [(False, "all"), (True, "all"), (True, "out"), (True, "in")]


def naive_coreness(A: np.ndarray, counted: str) -> list[int]:
    """For every k, take away neurons with fewer than k edges until none is left."""
    N = len(A)
    core = [0] * N
    for k in range(1, 2 * N):
        left = set(range(N))
        while True:
            out = {i: sum(A[i][j] for j in left) for i in left}
            into = {i: sum(A[j][i] for j in left) for i in left}
            edges_of = {"out": out, "in": into, "all": {i: out[i] + into[i] for i in left}}[counted]
            few = {i for i in left if edges_of[i] < k}
            if not few:
                break
            left -= few
        for i in left:
            core[i] = k
    return core


@pytest.mark.parametrize(("directed", "counted"), WAYS)
@given(graph=edges())
def test_matches_naive(directed, counted, graph):
    found = coreness(*graph, directed=directed, counted=counted)
    A = naive_matrix(graph, directed=directed, weighted=False)
    naive = naive_coreness(A, counted if directed else "out")
    assert found.coreness.tolist() == naive
    assert found.value == max(naive)
    assert found.core_sizes.tolist() == [sum(c >= k for c in naive) for k in range(max(naive) + 1)]


@pytest.mark.parametrize(("directed", "counted"), WAYS)
@given(graph=edges(), data=st.data())
def test_names_and_order_do_not_matter(directed, counted, graph, data):
    def per_neuron(edge_index, edge_weight, num_nodes):
        return coreness(edge_index, edge_weight, num_nodes, directed=directed, counted=counted).coreness

    names = data.draw(st.permutations(range(graph.num_nodes)))
    assert_invariant_to_relabelling(per_neuron, graph, names, of="node")
    assert_invariant_to_edge_order(per_neuron, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))))


@pytest.mark.parametrize("directed", [False, True])
def test_agrees_with_networkx(directed):
    graph = clustered(60, 4)
    W = naive_matrix(graph, directed=directed)
    theirs = networkx.core_number(networkx_of(W * (W > 2), directed=directed))
    found = coreness(*graph, directed=directed, threshold=2.0)
    assert found.coreness.tolist() == list(theirs.values())


def test_known():
    assert coreness(STAR, None, 5).value == 1
    assert coreness(RING, None, 12).coreness.tolist() == [2] * 12
    assert coreness(TRIANGLES, None, 7).coreness.tolist() == [2] * 6 + [0]
    # A cycle of one direction: each neuron has one output and one input.
    assert [coreness(RING, None, 12, directed=True, counted=c).value for c in ("all", "out", "in")] == [2, 1, 1]
    # Nobody in a star outwards has an output to a neuron with outputs.
    assert coreness(STAR, None, 5, directed=True, counted="out").value == 0


def test_is_compared_with_random_graphs():
    clique = torch.combinations(torch.arange(8)).T
    ring = torch.arange(40)
    lattice = torch.cat([torch.stack((ring, (ring + step) % 40)) for step in (1, 2)], 1) + 8
    found = coreness(torch.cat([clique, lattice], 1), None, 48, null=Nulls("degree", num=20, rng=2))
    assert (found.value, found.null, found.num_nulls) == (7, "degree", 20)
    assert 3 <= found.null_mean <= 5  # near the degree of nearly all neurons, 4: the clique is spread over them


def test_random_graphs_are_counted_in_the_same_way():
    ring = torch.arange(30)
    edge_index = torch.cat([torch.stack((ring, (ring + step) % 30)) for step in (1, 2)], 1)
    nulls = Nulls("degree", num=5, rng=0)
    for counted, value in {"out": 2, "in": 2, "all": 4}.items():
        found = coreness(edge_index, None, 30, directed=True, counted=counted, null=nulls)
        assert found.value == found.null_mean == value  # all degrees are alike, and stay


@pytest.mark.parametrize("num_nodes", [1, 4])
def test_without_edges_it_is_zero(num_nodes):
    found = coreness(NO_EDGES, None, num_nodes, null="degree")
    assert found.value == 0
    assert found.reason == "no edge joins two neurons"
    assert found.coreness.tolist() == [0] * num_nodes


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects_edges(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        coreness(edge_index, None, 3)


def test_rejects_an_unknown_count():
    with pytest.raises(ValueError, match=r"counted must be one of .*got 'both'"):
        coreness(STAR, None, 5, counted="both")
