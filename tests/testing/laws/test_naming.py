from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.testing import (
    AttributedGraph,
    GeometricGraph,
    assert_invariant_to_edge_order,
    assert_invariant_to_relabelling,
    assert_matches_oracle,
    edges,
    geometric_graphs,
    permutations_of,
)
from tests.testing.laws.functions import GRAPH, dense, out_strength, squares, total

LAWFUL = {"graph": total, "edge": squares, "node": out_strength, "pair": dense}


@pytest.mark.parametrize(("of", "function"), LAWFUL.items(), ids=LAWFUL.keys())
@given(graph=edges(), data=st.data())
def test_lawful_functions_pass(of, function, graph, data):
    names = data.draw(st.permutations(range(graph.num_nodes)))
    order = data.draw(st.permutations(range(graph.edge_index.size(1))))
    assert_invariant_to_relabelling(function, graph, names, of=of)
    assert_invariant_to_edge_order(function, graph, torch.tensor(order, dtype=torch.int64), of=of)
    assert_matches_oracle(function, function, graph)


def weight_by_name(edge_index, edge_weight, num_nodes):
    return (edge_weight * edge_index[0]).sum()


def strength_of_neuron_0(edge_index, edge_weight, num_nodes):
    return out_strength(edge_index, edge_weight, num_nodes)[0].expand(num_nodes)


def transposed_by_name(edge_index, edge_weight, num_nodes):
    return dense(edge_index, edge_weight, num_nodes) * torch.arange(num_nodes)


def shape_by_name(edge_index, edge_weight, num_nodes):
    return torch.zeros(int(edge_index[0, 0]) + 1)


DEPEND_ON_NAMES = {
    "graph": (weight_by_name, "graph"),
    "node": (strength_of_neuron_0, "node"),
    "pair": (transposed_by_name, "pair"),
    "a node's values called a graph's": (out_strength, "graph"),
    "shape": (shape_by_name, "graph"),
}


@pytest.mark.parametrize(("function", "of"), DEPEND_ON_NAMES.values(), ids=DEPEND_ON_NAMES.keys())
def test_dependence_on_names_is_caught(function, of):
    with pytest.raises(AssertionError, match=rf"(?s){function.__name__} depends on the numbers.*edge_index="):
        assert_invariant_to_relabelling(function, GRAPH, [1, 2, 0], of=of)


def last_weight(edge_index, edge_weight, num_nodes):
    return edge_weight[-1]


def running_sum(edge_index, edge_weight, num_nodes):
    return edge_weight.cumsum(0)


def overwritten(edge_index, edge_weight, num_nodes):
    out = torch.zeros(2, dtype=edge_weight.dtype)
    out[edge_index[0] % 2] = edge_weight
    return out


DEPEND_ON_ORDER = {
    "graph": (last_weight, "graph"),
    "edge": (running_sum, "edge"),
    "node": (overwritten, "node"),
    "an edge's values called a graph's": (squares, "graph"),
}


@pytest.mark.parametrize(("function", "of"), DEPEND_ON_ORDER.values(), ids=DEPEND_ON_ORDER.keys())
def test_dependence_on_order_is_caught(function, of):
    with pytest.raises(AssertionError, match=f"{function.__name__} depends on the order of edges"):
        assert_invariant_to_edge_order(function, GRAPH, [2, 1, 0], of=of)


@pytest.mark.parametrize(("of", "function"), LAWFUL.items(), ids=LAWFUL.keys())
@given(graph=edges())
def test_lawful_functions_pass_without_a_permutation(of, function, graph):
    assert_invariant_to_relabelling(function, graph, of=of)
    assert_invariant_to_edge_order(function, graph, of=of)


@pytest.mark.parametrize(("function", "of"), DEPEND_ON_NAMES.values(), ids=DEPEND_ON_NAMES.keys())
def test_dependence_on_names_is_caught_without_a_permutation(function, of):
    with pytest.raises(AssertionError, match=rf"{function.__name__} depends on the numbers"):
        assert_invariant_to_relabelling(function, GRAPH, of=of)


@pytest.mark.parametrize(("function", "of"), DEPEND_ON_ORDER.values(), ids=DEPEND_ON_ORDER.keys())
def test_dependence_on_order_is_caught_without_an_order(function, of):
    with pytest.raises(AssertionError, match=f"{function.__name__} depends on the order of edges"):
        assert_invariant_to_edge_order(function, GRAPH, of=of)


def wiring(edge_index, edge_weight, num_nodes, pos):
    source, target = edge_index
    return (pos[source] - pos[target]).norm(dim=1) @ edge_weight


def height_of_neuron_0(edge_index, edge_weight, num_nodes, pos):
    return pos[0, 2]


@given(graph=geometric_graphs(), data=st.data())
def test_positions_move_with_their_neurons(graph, data):
    assert_invariant_to_relabelling(wiring, graph)
    assert_invariant_to_relabelling(wiring, graph, data.draw(permutations_of(graph)))
    assert_invariant_to_edge_order(wiring, graph, data.draw(permutations_of(graph, "edge")))
    assert_invariant_to_relabelling(lambda e, w, n, pos: pos, graph, of="node")


def test_positions_that_are_read_by_number_are_caught():
    pos = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 2]])
    with pytest.raises(AssertionError, match=r"(?s)height_of_neuron_0 depends.*GeometricGraph\(.*pos=torch.tensor"):
        assert_invariant_to_relabelling(height_of_neuron_0, GeometricGraph(*GRAPH, pos))


def within(edge_index, edge_weight, num_nodes, module, delay):
    source, target = edge_index
    return (edge_weight * delay)[module[source] == module[target]].sum()


@given(graph=edges())
def test_other_values_move_with_their_neurons_and_edges(graph):
    node = {"module": torch.arange(graph.num_nodes) % 2}
    graph = AttributedGraph(graph, node=node, edge={"delay": torch.arange(graph.edge_index.size(1)).double()})
    assert_invariant_to_relabelling(within, graph)
    assert_invariant_to_edge_order(within, graph)


def test_other_values_are_shown():
    graph = AttributedGraph(GRAPH, node={"module": torch.tensor([0, 0, 1])})
    with pytest.raises(AssertionError, match=r"node=\{'module': torch.tensor\(\[0, 0, 1\]\)\}"):
        assert_invariant_to_relabelling(lambda e, w, n, module: module[0], graph)


def test_a_graph_may_be_unweighted():
    graph = GRAPH._replace(edge_weight=None)
    assert_invariant_to_relabelling(lambda e, w, n: e.size(1) / n, graph)
    with pytest.raises(AssertionError, match="edge_weight=None"):
        assert_invariant_to_edge_order(lambda e, w, n: e[0, 0], graph)


BAD = {
    "not a permutation": (assert_invariant_to_relabelling, [0, 0, 1], "graph"),
    "too short": (assert_invariant_to_edge_order, [0, 1], "graph"),
    "unknown kind": (assert_invariant_to_relabelling, [0, 1, 2], "neuron"),
    "unknown kind of order": (assert_invariant_to_edge_order, [0, 1, 2], "weight"),
}


@pytest.mark.parametrize(("law", "permutation", "of"), BAD.values(), ids=BAD.keys())
def test_rejects(law, permutation, of):
    with pytest.raises(ValueError, match=r"must .*got"):
        law(total, GRAPH, permutation, of=of)
