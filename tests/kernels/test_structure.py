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


def rows_of(compressed, num_edges):
    """Return, row by row, the position in the caller's order and the other end of each edge."""
    order = list(range(num_edges)) if compressed.order is None else compressed.order.tolist()
    index, ptr = compressed.index.tolist(), compressed.ptr.tolist()
    assert ptr[0] == 0
    assert ptr[-1] == len(index) == len(order)
    return [list(zip(order[a:b], index[a:b], strict=True)) for a, b in itertools.pairwise(ptr)]


@given(graph=edges())
def test_both_orders_hold_every_edge_once_sorted_and_equal_edges_in_theirs(graph):
    built = GraphStructure.build(graph.edge_index, graph.num_nodes)
    pairs = [tuple(pair) for pair in graph.edge_index.T.tolist()]
    assert built.num_edges == len(pairs)
    for compressed, row_of, column_of in ((built.incoming, 1, 0), (built.outgoing, 0, 1)):
        expected = [
            sorted((pair[column_of], e) for e, pair in enumerate(pairs) if pair[row_of] == node)
            for node in range(graph.num_nodes)
        ]
        found = [[(other, e) for e, other in row] for row in rows_of(compressed, len(pairs))]
        assert found == expected
    assert built.has_repeats == (len(set(pairs)) < len(pairs))
    loops = [i == j for i, j in pairs]
    assert (built.self_connections.tolist() if any(loops) else built.self_connections) == (
        loops if any(loops) else None
    )
    assert built.density == len(pairs) / graph.num_nodes**2


@given(graph=edges(), nodes=st.integers(1, 4))
def test_blocks_hold_every_edge_once_by_target(graph, nodes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphcortex.kernels.structure.BLOCK_NODES", nodes)
        patch.setattr("graphcortex.kernels.structure.BLOCK_EDGES_PER_ROW", 1e-9)
        built = GraphStructure.build(graph.edge_index, graph.num_nodes)
        blocks = built.blocks
    pairs = [tuple(pair) for pair in graph.edge_index.T.tolist()]
    assert [first for first, *_ in blocks] == [0, *(last for _, last, _ in blocks[:-1])]
    assert blocks[-1][1] == graph.num_nodes
    if pairs:
        assert all(last - first <= nodes for first, last, _ in blocks)
    found, arranged = {}, []
    for first, last, part in blocks:
        order = range(len(pairs)) if part.order is None else part.order.tolist()
        assert part.num_columns == last - first
        targets = torch.repeat_interleave(part.ptr.diff()).tolist()
        found |= {e: (first + s, t) for e, s, t in zip(order, part.index.tolist(), targets, strict=True)}
        arranged += list(order)
    assert found == dict(enumerate(pairs))
    if built.place_in_blocks is not None:
        assert [arranged[place] for place in built.place_in_blocks.tolist()] == list(range(len(pairs)))
    else:
        assert arranged == list(range(len(pairs)))


def test_edges_in_order_are_not_copied():
    by_source = GraphStructure.build(complete_edge_index(3), 3)
    assert by_source.outgoing.order is None
    assert by_source.incoming.order is not None
    values = torch.arange(9.0)
    assert by_source.outgoing.arrange(values) is values


def test_few_neurons_or_few_edges_make_one_block():
    assert len(GraphStructure.build(complete_edge_index(5), 5).blocks) == 1
    far = torch.stack([torch.arange(0, 20000), torch.arange(0, 20000).flip(0)])
    assert len(GraphStructure.build(far, 20000).blocks) == 1


def test_a_part_of_a_graph_has_its_own_numbers_of_sources_and_targets():
    part = GraphStructure.build(torch.tensor([[5, 0], [1, 1]]), 2, num_sources=6)
    assert part.incoming.num_rows == part.outgoing.num_columns == 2
    assert part.incoming.num_columns == part.outgoing.num_rows == 6
    assert part.density == 2 / 12
    with pytest.raises(ValueError, match=r"below num_nodes = 2 in row 1, got 2"):
        GraphStructure.build(torch.tensor([[5], [2]]), 2, num_sources=6)
    with pytest.raises(ValueError, match=r"below num_sources = 2 in row 0, got 5"):
        GraphStructure.build(torch.tensor([[5], [2]]), 6, num_sources=2)


def test_a_graph_without_edges_has_pointers_of_zero():
    built = GraphStructure.build(torch.zeros(2, 0, dtype=torch.long), 3)
    assert built.incoming.ptr.tolist() == built.outgoing.ptr.tolist() == [0, 0, 0, 0]
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
