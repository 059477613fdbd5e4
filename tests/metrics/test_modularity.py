from __future__ import annotations

import math

import networkx
import pytest
import torch
from hypothesis import given

from graphcortex.metrics import modularity, strongest_edges
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, PATH, RING, STAR, TRIANGLES, as_matrix, as_networkx, clustered


def naive_modularity(edge_index: torch.Tensor, num_nodes: int, membership: torch.Tensor) -> float:
    """Sum the formula over all pairs."""
    A = as_matrix(edge_index, num_nodes).tolist()
    k = [sum(row) for row in A]
    ends = sum(k)
    total = 0.0
    for i in range(num_nodes):
        for j in range(num_nodes):
            if membership[i] == membership[j]:
                total += A[i][j] - k[i] * k[j] / ends
    return total / ends


@given(graph=edges(max_nodes=9))
def test_the_value_is_that_of_the_membership(graph):
    found = modularity(graph.edge_index, None, graph.num_nodes)
    assert found.membership.shape == (graph.num_nodes,)
    assert sorted(set(found.membership.tolist())) == list(range(found.num_modules))
    if math.isnan(found.value):
        assert bool((graph.edge_index[0] == graph.edge_index[1]).all())
        assert found.reason == "no edge joins two neurons"
        assert found.num_modules == graph.num_nodes
    else:
        naive = naive_modularity(graph.edge_index, graph.num_nodes, found.membership)
        assert found.value == pytest.approx(naive, abs=1e-12)
        assert -1e-12 <= found.value < 1


@given(graph=edges(max_nodes=9))
def test_no_module_spans_two_components(graph):
    found = modularity(graph.edge_index, None, graph.num_nodes)
    component = {}
    for number, members in enumerate(networkx.connected_components(as_networkx(graph.edge_index, graph.num_nodes))):
        component.update(dict.fromkeys(members, number))
    for i in range(graph.num_nodes):
        for j in range(graph.num_nodes):
            if component[i] != component[j]:
                assert found.membership[i] != found.membership[j]


@pytest.mark.parametrize(("num_nodes", "num_modules"), [(60, 4), (120, 6), (312, 8), (312, 1)])
def test_agrees_with_networkx(num_nodes, num_modules):
    graph = clustered(num_nodes, num_modules)
    pairs = strongest_edges(*graph)
    peer = as_networkx(pairs, num_nodes)
    theirs = networkx.community.modularity(peer, networkx.community.greedy_modularity_communities(peer))
    # Both merge greedily and break ties differently.
    assert modularity(pairs, None, num_nodes).value == pytest.approx(theirs, abs=0.005)


KNOWN = {
    "two triangles": (TRIANGLES, 6, 0.5, 2),
    "two triangles and a lone neuron": (TRIANGLES, 7, 0.5, 3),
    "a path of four": (PATH, 4, 1 / 6, 2),
    "a star": (STAR, 5, 0.0, 1),
    "one edge": (torch.tensor([[0], [1]]), 2, 0.0, 1),
    "a ring of twelve": (RING, 12, 5 / 12, 3),
}


@pytest.mark.parametrize(("edge_index", "num_nodes", "value", "modules"), KNOWN.values(), ids=KNOWN.keys())
def test_known(edge_index, num_nodes, value, modules):
    found = modularity(edge_index, None, num_nodes)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.num_modules == modules
    assert found.reason == ""


def test_direction_repetition_and_self_loops_are_ignored():
    plain = modularity(TRIANGLES, None, 6)
    loops = torch.arange(6).expand(2, 6)
    busy = modularity(torch.cat([TRIANGLES, TRIANGLES.flip(0), TRIANGLES, loops], dim=1), None, 6)
    assert busy.value == plain.value
    assert torch.equal(busy.membership, plain.membership)


@pytest.mark.parametrize("num_nodes", [1, 4])
def test_without_edges_there_is_none(num_nodes):
    found = modularity(NO_EDGES, None, num_nodes)
    assert math.isnan(found.value)
    assert found.reason == "no edge joins two neurons"


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        modularity(edge_index, None, 3)
