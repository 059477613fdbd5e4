"""What a function may return, and how results are compared and shown."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import find

from graphcortex.metrics import Result
from graphcortex.testing import Edges, GeometricGraph, assert_invariant_to_edge_order, assert_matches_oracle, edges
from tests.testing.laws.functions import GRAPH, total


class Number:
    def __float__(self):
        return 7.0


RETURNED = {
    "float": 7.0,
    "int": 7,
    "NumPy number": np.float32(7),
    "array": np.array(7.0),
    "tensor": torch.tensor(7.0),
    "Result": Result(value=7.0, null_mean=3.0),
    "what turns into a float": Number(),
    "tuple": (7.0,),
    "dict": {"total": 7.0},
    "nested": ({"total": Result(value=7.0)},),
    "a value that is a tensor": type("Found", (), {"value": torch.tensor(7.0)})(),
}


@pytest.mark.parametrize("returned", RETURNED.values(), ids=RETURNED.keys())
def test_a_function_may_return(returned):
    assert_matches_oracle(lambda e, w, n: returned, total, GRAPH)
    with pytest.raises(AssertionError, match=r"expected \[?7(.0)?\]?\n  got      6.0"):
        assert_matches_oracle(lambda e, w, n: 6.0, lambda e, w, n: returned, GRAPH)


@pytest.mark.parametrize("returned", [None, "seven", {1, 2}, object(), [None]], ids=lambda value: type(value).__name__)
def test_rejects_what_holds_no_numbers(returned):
    with pytest.raises(ValueError, match=r"total must return a number.*got "):
        assert_matches_oracle(returns(returned), total, GRAPH)


def returns(value):
    def total(edge_index, edge_weight, num_nodes):
        return value

    return total


def test_single_precision_is_compared_as_such():
    graph = GRAPH._replace(edge_weight=GRAPH.edge_weight.float())
    assert_matches_oracle(lambda e, w, n: 7 * (1 + 1e-6), total, graph)
    with pytest.raises(AssertionError, match="differs from its oracle"):
        assert_matches_oracle(lambda e, w, n: 7 * (1 + 1e-4), total, graph)
    with pytest.raises(AssertionError, match="differs from its oracle"):
        assert_matches_oracle(lambda e, w, n: 7 * (1 + 1e-6), total, GRAPH)


def test_complex_results_are_compared_in_both_parts():
    assert_matches_oracle(lambda e, w, n: torch.tensor(1j), lambda e, w, n: 1j, GRAPH)
    with pytest.raises(AssertionError, match="differs"):
        assert_matches_oracle(lambda e, w, n: torch.tensor(1j), lambda e, w, n: -1j, GRAPH)


def test_a_partial_is_named_after_its_function():
    with pytest.raises(AssertionError, match=r"^total differs from its oracle"):
        assert_matches_oracle(functools.partial(total), lambda e, w, n: 6.0, GRAPH)


def first_weight(edge_index, edge_weight, num_nodes):
    return edge_weight[0] if edge_weight.numel() else 0.0


def message_of(graph) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_invariant_to_edge_order(first_weight, graph)
    return str(caught.value)


def test_the_graph_that_a_message_shows_can_be_pasted():
    code = message_of(GRAPH).split("graph = ")[1]
    pasted = eval(code)
    assert message_of(pasted) == message_of(GRAPH)
    assert pasted.edge_weight.dtype == torch.float64


def test_a_large_graph_is_described():
    ring = torch.arange(5000)
    message = message_of(Edges(torch.stack((ring, ring.roll(1))), torch.rand(5000), 5000))
    assert "edge_index=<torch.int64 of shape (2, 5000)>" in message


def breaks_order(graph: Edges) -> bool:
    try:
        assert_invariant_to_edge_order(first_weight, graph)
    except AssertionError:
        return True
    return False


def test_the_smallest_example_is_one_that_a_person_would_write():
    graph = find(edges(), breaks_order)
    assert graph.num_nodes == 1
    assert graph.edge_weight.tolist() == [0, 1]
    assert repr(graph) == (
        "Edges(edge_index=torch.tensor([[0, 0], [0, 0]]), "
        "edge_weight=torch.tensor([0.0, 1.0], dtype=torch.float64), num_nodes=1)"
    )


SHOWN = {
    "no edges": Edges(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0).double(), 2),
    "not finite": Edges(torch.tensor([[0], [1]]), torch.tensor([-math.inf]), 2),
    "single precision": Edges(torch.tensor([[0], [1]]), torch.tensor([0.1]), 2),
    "unweighted": Edges(torch.tensor([[0], [1]]), None, 2),
    "in space": GeometricGraph(torch.tensor([[0], [1]]), torch.ones(1), 2, torch.eye(2, 3)),
}


@pytest.mark.parametrize("graph", SHOWN.values(), ids=SHOWN.keys())
def test_a_graph_is_shown_as_the_code_that_makes_it(graph):
    again = eval(repr(graph))
    assert type(again) is type(graph)
    for left, right in zip(again, graph, strict=True):
        if isinstance(right, torch.Tensor):
            assert left.dtype == right.dtype
            assert torch.equal(left, right)
        else:
            assert left == right
