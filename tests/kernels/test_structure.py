import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.kernels import (
    GraphStructure,
    complete_edge_index,
    edges_to_matrix,
    is_dense_view,
    matrix_to_edges,
)
from graphcortex.testing.strategies import edges


def naive_matrix(graph) -> np.ndarray:
    matrix = np.zeros((graph.num_nodes, graph.num_nodes))
    for i, j, w in zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), strict=True):
        matrix[i, j] += w
    return matrix


@given(graph=edges())
def test_both_orders_hold_every_edge_once(graph):
    built = GraphStructure.build(graph.edge_index, graph.num_nodes)
    pairs = [tuple(pair) for pair in graph.edge_index.T.tolist()]
    assert built.num_edges == len(pairs)
    assert sorted(built.by_target.tolist()) == sorted(built.by_source.tolist()) == list(range(len(pairs)))
    by_target = [pairs[e] for e in built.by_target.tolist()]
    by_source = [pairs[e] for e in built.by_source.tolist()]
    assert by_target == sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    assert by_source == sorted(pairs)
    assert built.sources.tolist() == [i for i, _ in by_target]
    assert built.targets.tolist() == [j for _, j in by_source]
    for node in range(graph.num_nodes):
        start, stop = built.target_ptr[node : node + 2].tolist()
        assert [pair for pair in by_target if pair[1] == node] == by_target[start:stop]
        start, stop = built.source_ptr[node : node + 2].tolist()
        assert [pair for pair in by_source if pair[0] == node] == by_source[start:stop]
    assert built.has_repeats == (len(set(pairs)) < len(pairs))
    assert built.density == len(pairs) / graph.num_nodes**2


@given(graph=edges())
def test_equal_edges_keep_their_order(graph):
    built = GraphStructure.build(graph.edge_index, graph.num_nodes)
    pairs = [tuple(pair) for pair in graph.edge_index.T.tolist()]
    for order in (built.by_source.tolist(), built.by_target.tolist()):
        for first, second in itertools.pairwise(order):
            assert pairs[first] != pairs[second] or first < second


def test_a_graph_without_edges_has_pointers_of_zero():
    built = GraphStructure.build(torch.zeros(2, 0, dtype=torch.long), 3)
    assert built.target_ptr.tolist() == built.source_ptr.tolist() == [0, 0, 0, 0]
    assert not built.has_repeats
    assert not built.is_dense_view


@pytest.mark.parametrize("num_nodes", [1, 2, 5])
def test_only_the_complete_sorted_graph_is_a_dense_view(num_nodes):
    complete = complete_edge_index(num_nodes)
    assert complete.T.tolist() == [[i, j] for i in range(num_nodes) for j in range(num_nodes)]
    assert is_dense_view(complete, num_nodes)
    assert not is_dense_view(complete[:, 1:], num_nodes)
    if num_nodes > 1:
        assert not is_dense_view(complete.flip(1), num_nodes)
        assert not is_dense_view(complete.flip(0), num_nodes)
        assert not is_dense_view(complete, num_nodes + 1)
        repeated = complete.clone()
        repeated[:, -1] = repeated[:, 0]
        assert not is_dense_view(repeated, num_nodes)


@given(graph=edges())
def test_matrix_matches_naive_and_repeated_edges_add(graph):
    matrix = edges_to_matrix(*graph)
    assert_close(matrix.numpy(), naive_matrix(graph))
    back = matrix_to_edges(matrix, graph.edge_index)
    assert back.tolist() == [naive_matrix(graph)[i, j] for i, j in graph.edge_index.T.tolist()]


@given(graph=edges(), data=st.data())
def test_matrix_does_not_depend_on_the_order_of_edges(graph, data):
    order = torch.tensor(data.draw(st.permutations(range(graph.edge_index.size(1)))), dtype=torch.long)
    shuffled = edges_to_matrix(graph.edge_index[:, order], graph.edge_weight[order], graph.num_nodes)
    assert_close(shuffled, edges_to_matrix(*graph))


def test_the_complete_sorted_graph_is_viewed_and_others_are_copied(device, dtype):
    weight = torch.arange(9, device=device, dtype=dtype)
    complete = complete_edge_index(3, device=device)
    assert edges_to_matrix(complete, weight, 3).data_ptr() == weight.data_ptr()
    assert edges_to_matrix(complete.flip(1), weight.flip(0), 3).data_ptr() != weight.data_ptr()
    assert_close(edges_to_matrix(complete.flip(1), weight.flip(0), 3), weight.view(3, 3))


@given(graph=edges())
def test_matrix_passes_the_gradient_of_its_entries_to_every_repeat(graph):
    weight = graph.edge_weight.clone().requires_grad_()
    matrix = edges_to_matrix(graph.edge_index, weight, graph.num_nodes)
    factor = torch.arange(matrix.numel(), dtype=torch.float64).view_as(matrix)
    (matrix * factor).sum().backward()
    assert weight.grad.tolist() == [float(factor[i, j]) for i, j in graph.edge_index.T.tolist()]


def test_to_keeps_a_structure_that_is_there_already(device):
    built = GraphStructure.build(complete_edge_index(2, device=device), 2)
    assert built.to(built.edge_index.device) is built


BAD_ARGUMENTS = {
    "no neurons": (torch.zeros(2, 0).long(), 0),
    "half a neuron": (torch.zeros(2, 0).long(), 1.5),
    "one row": (torch.zeros(1, 3).long(), 3),
    "transposed": (torch.zeros(3, 2).long(), 3),
    "floats": (torch.zeros(2, 3), 3),
    "int32": (torch.zeros(2, 3).int(), 3),
    "a neuron too many": (torch.tensor([[0], [3]]), 3),
    "a negative neuron": (torch.tensor([[-1], [0]]), 3),
    "an array": (np.zeros((2, 3), dtype=np.int64), 3),
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        GraphStructure.build(*arguments)


@pytest.mark.parametrize("num_nodes", [0, -1, 1.5, True, "3"])
def test_complete_edge_index_rejects(num_nodes):
    with pytest.raises(ValueError, match=r"num_nodes must .*got"):
        complete_edge_index(num_nodes)
