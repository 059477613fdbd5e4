from __future__ import annotations

import pytest
import torch
from hypothesis import given

from graphcortex.testing import (
    AttributedGraph,
    Edges,
    assert_invariant_to_direction,
    assert_invariant_to_isolated_neurons,
    assert_invariant_to_repeated_edges,
    edges,
    geometric_graphs,
)
from tests.testing.laws.functions import GRAPH, dense, out_strength, squares, total


def mean_weight(edge_index, edge_weight, num_nodes):
    return edge_weight.mean()


def share_of_listed(edge_index, edge_weight, num_nodes):
    """Stays when all edges are split: every neuron has the same share of twice as many."""
    return edge_index[0].bincount(minlength=num_nodes) / edge_index.size(1)


LAWFUL = {"graph": total, "node": out_strength, "pair": dense}


@pytest.mark.parametrize(("of", "function"), LAWFUL.items(), ids=LAWFUL.keys())
@given(graph=edges())
def test_what_sums_repeated_edges_passes(of, function, graph):
    assert_invariant_to_repeated_edges(function, graph, of=of)


COUNT_LISTED = {
    "mean": (mean_weight, "every edge was"),
    "number": (lambda e, w, n: e.size(1), "every edge was"),
    "share": (share_of_listed, "every second edge was"),
    "shape": (squares, "every edge was"),
}


@pytest.mark.parametrize(("function", "which"), COUNT_LISTED.values(), ids=COUNT_LISTED.keys())
def test_what_counts_listed_edges_is_caught(function, which):
    with pytest.raises(AssertionError, match=rf"(?s)depends on how often an edge is listed: {which}.*Edges\("):
        assert_invariant_to_repeated_edges(function, GRAPH)


def test_edges_without_weights_are_listed_twice():
    graph = GRAPH._replace(edge_weight=None)
    assert_invariant_to_repeated_edges(lambda e, w, n: e.unique(dim=1).size(1), graph)
    with pytest.raises(AssertionError, match="how often an edge is listed"):
        assert_invariant_to_repeated_edges(lambda e, w, n: e.size(1), graph)


def test_values_of_edges_are_repeated_with_them():
    graph = AttributedGraph(GRAPH, edge={"length": torch.tensor([3.0, 1, 2]).double()})
    assert_invariant_to_repeated_edges(lambda e, w, n, length: w @ length, graph)


@pytest.mark.parametrize(("of", "function"), {**LAWFUL, "edge": squares}.items(), ids=[*LAWFUL, "edge"])
@given(graph=edges())
def test_what_ignores_isolated_neurons_passes(of, function, graph):
    assert_invariant_to_isolated_neurons(function, graph, of=of)


@given(graph=geometric_graphs())
def test_isolated_neurons_have_a_position(graph):
    assert_invariant_to_isolated_neurons(lambda e, w, n, pos: pos, graph, of="node")


COUNT_NEURONS = {
    "mean": (lambda e, w, n: w.sum() / n, "graph"),
    "shape": (out_strength, "graph"),
    "a number called a neuron's": (lambda e, w, n: float(n), "node"),
    "a number called a pair's": (lambda e, w, n: float(n), "pair"),
}


@pytest.mark.parametrize(("function", "of"), COUNT_NEURONS.values(), ids=COUNT_NEURONS.keys())
def test_what_counts_isolated_neurons_is_caught(function, of):
    with pytest.raises(AssertionError, match=r"(?s)depends on neurons without edges, of which 3 more.*Edges\("):
        assert_invariant_to_isolated_neurons(function, GRAPH, 3, of=of)


def size_of_pairs(edge_index, edge_weight, num_nodes):
    matrix = dense(edge_index, edge_weight, num_nodes).abs()
    return matrix + matrix.T


@given(graph=edges())
def test_what_ignores_direction_passes(graph):
    assert_invariant_to_direction(total, graph)
    assert_invariant_to_direction(squares, graph, of="edge")
    assert_invariant_to_direction(size_of_pairs, graph, of="pair")


def number_of_sources(edge_index, edge_weight, num_nodes):
    return edge_index[0].unique().numel()


def largest_product(edge_index, edge_weight, num_nodes):
    """Of in- and out-strength: turning all edges exchanges the two."""
    matrix = dense(edge_index, edge_weight, num_nodes)
    return (matrix.sum(0) * matrix.sum(1)).max()


STAR = Edges(torch.tensor([[0, 0, 0], [1, 2, 3]]), torch.tensor([1.0, 2.0, 4.0]), 4)


def test_dependence_on_direction_is_caught():
    with pytest.raises(AssertionError, match=r"(?s)depends on the direction of edges: all edges were turned.*Edges\("):
        assert_invariant_to_direction(number_of_sources, STAR)
    with pytest.raises(AssertionError, match=r"the edges of every second pair were turned"):
        assert_invariant_to_direction(largest_product, STAR)
    assert_invariant_to_direction(largest_product, STAR, pairwise=False)


BAD = {
    "repeated edges' own values": lambda: assert_invariant_to_repeated_edges(squares, GRAPH, of="edge"),
    "no isolated neuron": lambda: assert_invariant_to_isolated_neurons(total, GRAPH, 0),
    "isolated neurons of a kind": lambda: assert_invariant_to_isolated_neurons(total, GRAPH, of="neuron"),
    "direction of a kind": lambda: assert_invariant_to_direction(total, GRAPH, of="neuron"),
}


@pytest.mark.parametrize("check", BAD.values(), ids=BAD.keys())
def test_rejects(check):
    with pytest.raises(ValueError, match=r"must .*got"):
        check()
