from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given

from graphcortex.metrics import Result, assortativity
from graphcortex.testing import Edges, assert_bounds, assert_finite_or_reason, assert_matches_oracle, edges
from tests.testing.laws.functions import GRAPH, squares, total


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
    "no results": lambda e, w, n: (),
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


def test_bounds_are_those_of_a_results_value():
    assert_bounds(Result(value=0.5, null_mean=7.0), 0, 1)
    with pytest.raises(AssertionError, match="1 of 1 values lie outside"):
        assert_bounds(Result(value=1.5), 0, 1)


@given(graph=edges())
def test_what_is_finite_or_says_why_passes(graph):
    assert_finite_or_reason(total, graph)
    assert_finite_or_reason(assortativity, graph)


SAY_NOTHING = {
    "infinite": (lambda e, w, n: 1 / w.new_zeros(()), "is infinite: got inf"),
    "infinite with a reason": (lambda e, w, n: Result(value=math.inf, reason="why not"), "is infinite"),
    "NaN": (lambda e, w, n: math.nan, "is not a number and gives no reason: got nan"),
    "one NaN of several": (lambda e, w, n: w.log(), r"is not a number and gives no reason: got \[0.0, nan"),
    "NaN in a Result": (lambda e, w, n: Result(value=math.nan), "gives no reason"),
    "NaN beside a Result": (lambda e, w, n: (Result(value=math.nan, reason="why not"), math.nan), "gives no reason"),
}


@pytest.mark.parametrize(("function", "message"), SAY_NOTHING.values(), ids=SAY_NOTHING.keys())
def test_what_is_not_a_number_and_says_nothing_is_caught(function, message):
    graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, -1.0]), 3)
    with pytest.raises(AssertionError, match=rf"(?s){message}.*graph = Edges\(edge_index=torch.tensor"):
        assert_finite_or_reason(function, graph)
