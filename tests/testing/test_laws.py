import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.testing import (
    Edges,
    assert_bounds,
    assert_invariant_to_edge_order,
    assert_invariant_to_relabelling,
    assert_matches_oracle,
    edges,
)

GRAPH = Edges(torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.tensor([1.0, 2.0, 4.0]).double(), 3)


def total(edge_index, edge_weight, num_nodes):
    return float(edge_weight.sum())


def squares(edge_index, edge_weight, num_nodes):
    return edge_weight**2


def out_strength(edge_index, edge_weight, num_nodes):
    return torch.zeros(num_nodes, dtype=edge_weight.dtype).index_add(0, edge_index[0], edge_weight)


def dense(edge_index, edge_weight, num_nodes):
    matrix = torch.zeros(num_nodes, num_nodes, dtype=edge_weight.dtype)
    return matrix.index_put((edge_index[0], edge_index[1]), edge_weight, accumulate=True)


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


def test_a_function_that_writes_into_its_input_does_not_change_the_graph():
    def doubles_in_place(edge_index, edge_weight, num_nodes):
        return edge_weight.mul_(2).sum()

    assert_matches_oracle(doubles_in_place, lambda e, w, n: 2 * w.sum(), GRAPH)
    assert GRAPH.edge_weight.tolist() == [1, 2, 4]


ORACLES = {
    "value": lambda e, w, n: w**2 + 1e-6,
    "shape": lambda e, w, n: (w**2)[:2],
    "nan": lambda e, w, n: w * torch.nan,
    "number of results": lambda e, w, n: (w**2, w),
}


@pytest.mark.parametrize("oracle", ORACLES.values(), ids=ORACLES.keys())
def test_disagreement_with_an_oracle_is_caught(oracle):
    with pytest.raises(AssertionError, match=r"squares .*oracle"):
        assert_matches_oracle(squares, oracle, GRAPH)


def test_oracles_may_return_tuples_numbers_or_arrays_and_nan_is_nan():
    assert_matches_oracle(lambda e, w, n: (total(e, w, n), w), lambda e, w, n: (7, np.array([1.0, 2, 4])), GRAPH)
    assert_matches_oracle(lambda e, w, n: float("nan"), lambda e, w, n: torch.tensor(torch.nan), GRAPH)


def test_tolerance_is_the_callers():
    assert_matches_oracle(squares, ORACLES["value"], GRAPH, atol=1e-5)


@pytest.mark.parametrize("values", [0.5, [0.0, 1.0], np.array([[0.2]]), torch.tensor([]), [1 + 1e-13]])
def test_bounds_hold(values):
    assert_bounds(values, 0, 1, tolerance=1e-12)


@pytest.mark.parametrize("values", [[-0.1, 0.5], [0.5, 1.1], [float("nan")], [float("inf")], torch.tensor(2.0)])
def test_bounds_are_caught(values):
    with pytest.raises(AssertionError, match=r"1 of \d values lie outside \[0, 1\]"):
        assert_bounds(values, 0, 1)


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
