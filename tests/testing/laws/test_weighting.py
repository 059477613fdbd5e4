from __future__ import annotations

import pytest
import torch
from hypothesis import given

from graphcortex.testing import Edges, assert_scale_invariant, assert_sign_invariant, edges
from tests.testing.laws.functions import GRAPH, squares, total


def largest_share(edge_index, edge_weight, num_nodes):
    return edge_weight.abs().max() / edge_weight.abs().sum()


def guarded_share(edge_index, edge_weight, num_nodes):
    return edge_weight.abs().max() / (edge_weight.abs().sum() + 1e-8)


def number_of_strong(edge_index, edge_weight, num_nodes):
    return (edge_weight > 1).sum()


DEGREES = {
    "share": (largest_share, 0),
    "sum": (total, 1),
    "squares": (squares, 2),
    "root": (lambda e, w, n: w.sum() ** 0.5, 0.5),
}


@pytest.mark.parametrize(("function", "degree"), DEGREES.values(), ids=DEGREES.keys())
@given(graph=edges(signed=False, zeros=False))
def test_what_grows_as_said_passes(function, degree, graph):
    if graph.edge_weight.numel():
        assert_scale_invariant(function, graph, degree=degree)
        assert_scale_invariant(function, graph, 3.0, degree=degree)


DEPEND_ON_SCALE = {
    "a constant against zero": (guarded_share, 0),
    "a threshold": (number_of_strong, 0),
    "another degree": (total, 0),
    "too high a degree": (total, 2),
}


@pytest.mark.parametrize(("function", "degree"), DEPEND_ON_SCALE.values(), ids=DEPEND_ON_SCALE.keys())
def test_dependence_on_scale_is_caught(function, degree):
    with pytest.raises(
        AssertionError, match=rf"(?s){function.__name__} depends on the unit of the weights, multiplied by.*Edges\("
    ):
        assert_scale_invariant(function, GRAPH, degree=degree)


def test_a_factor_that_shows_nothing_passes():
    assert_scale_invariant(guarded_share, GRAPH, 2.0)
    with pytest.raises(AssertionError, match="multiplied by 1e-09"):
        assert_scale_invariant(guarded_share, GRAPH, [2.0, 1e-9])


def size_of_sums(edge_index, edge_weight, num_nodes):
    """What a graph of repeated edges without signs has: the size of the sum of each connection."""
    matrix = torch.zeros(num_nodes, num_nodes, dtype=edge_weight.dtype)
    return matrix.index_put((edge_index[0], edge_index[1]), edge_weight, accumulate=True).abs().sum()


@given(graph=edges())
def test_what_ignores_signs_passes(graph):
    assert_sign_invariant(size_of_sums, graph)
    assert_sign_invariant(lambda e, w, n: w.abs().sum(), graph)
    assert_sign_invariant(squares, graph)


DEPEND_ON_SIGNS = {
    "all": (total, "all of the connections"),
    "balance": (lambda e, w, n: w.sign().sum().abs(), "every second of the connections"),
    "the largest": (lambda e, w, n: w.max(), "all of the connections"),
}


@pytest.mark.parametrize(("function", "which"), DEPEND_ON_SIGNS.values(), ids=DEPEND_ON_SIGNS.keys())
def test_dependence_on_signs_is_caught(function, which):
    with pytest.raises(AssertionError, match=rf"(?s) depends on the signs of weights: {which}.*Edges\("):
        assert_sign_invariant(function, GRAPH)


UNWEIGHTED = Edges(torch.tensor([[0], [1]]), None, 2)
BAD = {
    "factor of 0": lambda: assert_scale_invariant(total, GRAPH, 0.0),
    "negative factor": lambda: assert_scale_invariant(largest_share, GRAPH, [2, -1]),
    "degree": lambda: assert_scale_invariant(total, GRAPH, degree=float("nan")),
    "no weights to scale": lambda: assert_scale_invariant(total, UNWEIGHTED),
    "no weights to flip": lambda: assert_sign_invariant(total, UNWEIGHTED),
}


@pytest.mark.parametrize("check", BAD.values(), ids=BAD.keys())
def test_rejects(check):
    with pytest.raises(ValueError, match=r"must .*got"):
        check()
