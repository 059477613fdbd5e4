from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.metrics import learned_graph_metrics, simple_edges, strongest_edges
from graphcortex.testing.strategies import Edges, edges
from tests.metrics.graphs import NO_EDGES, complete


def naive_strongest(graph: Edges, quantile: float) -> list[list[int]]:
    """Follow the protocol edge by edge."""
    strength = [abs(float(w)) for w in graph.edge_weight]
    if not strength:
        return []
    cut = np.quantile(strength, quantile) if quantile else 0
    linked = set()
    for (i, j), w in zip(graph.edge_index.T.tolist(), strength, strict=True):
        if w > cut and i != j:
            linked.add((min(i, j), max(i, j)))
    return [list(pair) for pair in sorted(linked)]


@given(graph=edges(), quantile=st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]))
def test_matches_naive(graph, quantile):
    found = strongest_edges(*graph, quantile=quantile)
    assert found.dtype == torch.int64
    assert found.shape[0] == 2
    assert found.T.tolist() == naive_strongest(graph, quantile)


def test_keeps_a_tenth_of_the_weights_of_a_whole_matrix_by_default():
    graph = complete(60)
    W = graph.edge_weight.reshape(60, 60).numpy()
    above = np.abs(W) > np.quantile(np.abs(W), 0.9)
    assert above.sum() == 360
    expected = np.argwhere(np.triu(above | above.T, 1))
    assert strongest_edges(*graph).T.tolist() == expected.tolist()


@given(graph=edges(), data=st.data())
def test_neither_the_order_of_edges_nor_their_sign_nor_direction_matters(graph, data):
    order = torch.tensor(data.draw(st.permutations(range(graph.edge_weight.numel()))), dtype=torch.int64)
    flipped = strongest_edges(graph.edge_index.flip(0)[:, order], -2 * graph.edge_weight[order], graph.num_nodes)
    assert torch.equal(flipped, strongest_edges(*graph))


@given(graph=edges())
def test_quantile_0_keeps_every_edge_as_bctpy_keeps_a_share_of_1(graph):
    import bct

    W = np.zeros((graph.num_nodes, graph.num_nodes))
    for (i, j), w in zip(graph.edge_index.T.tolist(), graph.edge_weight.tolist(), strict=True):
        W[i, j] = max(W[i, j], abs(w))
    theirs = np.maximum(W, W.T)
    np.fill_diagonal(theirs, 0)
    theirs = bct.threshold_proportional(theirs.copy(), 1.0)
    expected = np.argwhere(np.triu(theirs > 0, 1)).tolist()
    for over in ("edges", "pairs") if graph.edge_weight.numel() <= graph.num_nodes**2 else ("edges",):
        assert strongest_edges(*graph, quantile=0, over=over).T.tolist() == expected


def test_quantile_0_keeps_a_ring_of_equal_weights():
    ring = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    assert strongest_edges(ring, torch.ones(4), 4, quantile=0).T.tolist() == [[0, 1], [0, 3], [1, 2], [2, 3]]
    found = learned_graph_metrics(ring, torch.ones(4), 4, quantile=0, num_nulls=5)
    assert found.edge_index.size(1) == 4
    assert found.modularity.value == pytest.approx(0)


def test_equal_weights_leave_no_edge():
    graph = complete(5)
    assert strongest_edges(graph.edge_index, torch.ones(25), 5).shape == (2, 0)


def test_does_not_ask_for_a_gradient_and_keeps_the_device(device):
    graph = complete(5)
    found = strongest_edges(graph.edge_index.to(device), graph.edge_weight.to(device).requires_grad_(), 5)
    assert found.device.type == device.type
    assert not found.requires_grad


@given(graph=edges())
def test_simple_edges_are_the_set_of_linked_pairs(graph):
    linked = {(min(i, j), max(i, j)) for i, j in graph.edge_index.T.tolist() if i != j}
    assert simple_edges(graph.edge_index, graph.num_nodes).T.tolist() == [list(pair) for pair in sorted(linked)]


BAD_ARGUMENTS = {
    "one weight is missing": ((torch.zeros(2, 4).long(), torch.ones(3), 3), {}),
    "whole numbers": ((torch.zeros(2, 3).long(), torch.ones(3).long(), 3), {}),
    "a weight is NaN": ((torch.zeros(2, 2).long(), torch.tensor([1.0, float("nan")]), 3), {}),
    "no neurons": ((NO_EDGES, torch.ones(0), 0), {}),
    "percent": ((NO_EDGES, torch.ones(0), 3), {"quantile": 90}),
    "negative": ((NO_EDGES, torch.ones(0), 3), {"quantile": -0.1}),
}


@pytest.mark.parametrize(("arguments", "keywords"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments, keywords):
    with pytest.raises(ValueError, match=r"must .*got"):
        strongest_edges(*arguments, **keywords)


@given(graph=edges(), quantile=st.sampled_from([0.0, 0.5, 0.9, 0.99]))
def test_over_all_pairs_is_the_quantile_of_the_matrix(graph, quantile):
    N = graph.num_nodes
    matrix = np.zeros((N, N))
    pairs, first = np.unique(graph.edge_index.numpy(), axis=1, return_index=True)
    weight = graph.edge_weight[torch.from_numpy(first)]
    matrix[tuple(pairs)] = weight.abs().double().numpy()
    kept = np.argwhere(matrix > np.quantile(matrix, quantile))
    expected = sorted({(min(i, j), max(i, j)) for i, j in kept.tolist() if i != j})
    got = strongest_edges(torch.from_numpy(pairs), weight, N, quantile=quantile, over="pairs")
    assert list(map(tuple, got.T.tolist())) == expected


def test_pairs_of_several_edges_are_no_matrix():
    with pytest.raises(
        ValueError, match=r"over must be 'edges' where pairs have several edges: got 5 edges of 4 pairs"
    ):
        strongest_edges(torch.tensor([[0, 0, 0, 1, 1], [1, 1, 0, 0, 1]]), torch.ones(5), 2, over="pairs")
    with pytest.raises(ValueError, match=r"over must be one of .*got 'all'"):
        strongest_edges(torch.tensor([[0], [1]]), torch.ones(1), 2, over="all")
