import math

import numpy as np
import pytest
import torch

from graphcortex._checks import (
    check_choice,
    check_count,
    check_edge_index,
    check_edge_values,
    check_finite,
    check_graph,
    check_number,
)

EDGES = torch.tensor([[0, 1], [1, 2]])


@pytest.mark.parametrize("value", [2, np.int64(2), torch.tensor(2)], ids=["int", "numpy", "tensor"])
def test_count_returns_an_int(value):
    assert check_count(value, "n") == 2
    assert type(check_count(value, "n")) is int


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "2", None, np.float64(2)])
def test_count_rejects(value):
    with pytest.raises(ValueError, match=r"^n must be a whole number of at least 1, got"):
        check_count(value, "n")


def test_count_takes_its_minimum():
    assert check_count(0, "n", minimum=0) == 0
    with pytest.raises(ValueError, match=r"at least 3, got 2"):
        check_count(2, "n", minimum=3)


@pytest.mark.parametrize("value", [0.0, 1, np.float32(0.5), torch.tensor(1.0)])
def test_number_returns_a_float_within_closed_bounds(value):
    assert check_number(value, "x", minimum=0, maximum=1) == float(value)
    assert type(check_number(value, "x", minimum=0, maximum=1)) is float


BAD_NUMBERS = {
    "below": (-0.1, {"minimum": 0}),
    "above the maximum": (1.1, {"maximum": 1}),
    "at an open bound": (0, {"above": 0}),
    "below an open bound": (-1, {"above": 0}),
    "NaN": (math.nan, {}),
    "infinite": (math.inf, {}),
    "minus infinite": (-math.inf, {}),
    "a word": ("much", {}),
    "nothing": (None, {}),
    "a list": ([1.0], {}),
}


@pytest.mark.parametrize(("value", "bounds"), BAD_NUMBERS.values(), ids=BAD_NUMBERS.keys())
def test_number_rejects(value, bounds):
    with pytest.raises(ValueError, match=r"^x must be .*got"):
        check_number(value, "x", **bounds)


def test_choice_lists_the_choices():
    assert check_choice("a", "x", ("a", "b")) == "a"
    with pytest.raises(ValueError, match=r"^x must be one of 'a', 'b'; got 'c'\.$"):
        check_choice("c", "x", ("a", "b"))


def test_a_good_graph_passes(device, dtype):
    check_graph(EDGES.to(device), torch.ones(2, dtype=dtype, device=device), 3)
    check_graph(EDGES[:, :0].to(device), torch.ones(0, dtype=dtype, device=device), 1)


BAD_EDGES = {
    "a list": ([[0], [1]], r"torch.Tensor.*got list"),
    "one dimension": (torch.zeros(2).long(), r"shape \(2, E\).*got \(2,\)"),
    "three rows": (torch.zeros(3, 2).long(), r"shape \(2, E\).*got \(3, 2\)"),
    "floats": (torch.zeros(2, 2), r"int64, got torch.float32"),
    "int32": (torch.zeros(2, 2).int(), r"int64, got torch.int32"),
    "too high": (torch.tensor([[0], [3]]), r"0 \.\. 2 \(num_nodes is 3\), got 0 \.\. 3"),
    "negative": (torch.tensor([[-2], [1]]), r"got -2 \.\. 1"),
}


@pytest.mark.parametrize(("edge_index", "message"), BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_edge_index_rejects(edge_index, message):
    with pytest.raises(ValueError, match=rf"^edges must .*{message}"):
        check_edge_index(edge_index, 3, "edges")


BAD_VALUES = {
    "a list": ([1.0, 2.0], r"floating point tensor, got list"),
    "whole numbers": (torch.ones(2).long(), r"floating point tensor, got torch.int64"),
    "complex": (torch.ones(2, dtype=torch.complex64), r"floating point tensor, got torch.complex64"),
    "too few": (torch.ones(1), r"expected shape \(2,\), got \(1,\)"),
    "a column": (torch.ones(2, 1), r"expected shape \(2,\), got \(2, 1\)"),
    "elsewhere": (torch.ones(2, device="meta"), r"device of edge_index, cpu; got meta"),
}


@pytest.mark.parametrize(("values", "message"), BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_edge_values_rejects(values, message):
    with pytest.raises(ValueError, match=rf"^weights must .*{message}"):
        check_edge_values(values, EDGES, "weights")


@pytest.mark.parametrize("num_nodes", [0, 2, 2.5])
def test_graph_rejects_the_number_of_nodes(num_nodes):
    with pytest.raises(ValueError, match=r"must .*got"):
        check_graph(EDGES, torch.ones(2), num_nodes)


def test_finite_counts_and_names_the_first(device, dtype):
    values = torch.zeros(2, 3, device=device, dtype=dtype)
    check_finite(values, "x")
    values[1, 0], values[1, 2] = math.inf, math.nan
    with pytest.raises(ValueError, match=r"^x must be finite, got 2 of 6 .*first at \(1, 0\): inf"):
        check_finite(values, "x")


def test_finite_of_nothing_passes():
    check_finite(torch.zeros(0), "x")
