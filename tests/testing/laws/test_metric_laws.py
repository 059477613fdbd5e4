from __future__ import annotations

import inspect
import math

import pytest
import torch
from hypothesis import given

from graphcortex.metrics import Result, assortativity
from graphcortex.testing import Edges, GeometricGraph, assert_metric_laws, edges, geometric_graphs
from tests.testing.laws.functions import GRAPH, dense, out_strength, squares, total

LAWFUL = {"graph": total, "edge": squares, "node": out_strength, "pair": dense}


@pytest.mark.parametrize(("of", "function"), LAWFUL.items(), ids=LAWFUL.keys())
@given(graph=edges())
def test_lawful_functions_pass(of, function, graph):
    degree = 2 if of == "edge" else 1
    assert_metric_laws(function, graph, of=of, scale=degree, isolated_neurons=True, bounds=(-100, 100), oracle=function)


@given(graph=geometric_graphs())
def test_functions_of_positions_pass(graph):
    def reach(edge_index, edge_weight, num_nodes, pos):
        length = (pos[edge_index[0]] - pos[edge_index[1]]).norm(dim=1)
        return (length * edge_weight).sum()

    assert_metric_laws(reach, graph, scale=1, direction=True, isolated_neurons=True, bounds=(0, math.inf))


@given(graph=edges())
def test_a_metric_of_the_library_passes(graph):
    assert_metric_laws(assortativity, graph, scale=0, signs=True, direction=True, isolated_neurons=True, bounds=(-1, 1))


def writes(edge_index, edge_weight, num_nodes):
    return edge_weight.mul_(2).sum()


BROKEN = {
    "input": (writes, {}, "writes into its input"),
    "determinism": (lambda e, w, n: torch.rand(()), {}, "draws from, or seeds"),
    "finite": (lambda e, w, n: math.nan, {}, "gives no reason"),
    "infinite": (lambda e, w, n: math.inf, {}, "is infinite"),
    "bounds": (total, {"bounds": (0, 1)}, r"total leaves its bounds: 1 of 1 values lie outside \[0, 1\].*7.0\."),
    "oracle": (total, {"oracle": lambda e, w, n: 6.0}, "differs from its oracle"),
    "edge order": (lambda e, w, n: w[-1], {}, "depends on the order of edges"),
    "names": (lambda e, w, n: (e[0] * w).sum(), {}, "depends on the numbers of neurons"),
    "repeated edges": (lambda e, w, n: w.mean(), {}, "depends on how often an edge is listed"),
    "scale": (total, {"scale": 0}, "depends on the unit of the weights"),
    "signs": (total, {"signs": True}, "depends on the signs of weights"),
    "direction": (out_strength, {"direction": True, "of": "node"}, "depends on the direction of edges"),
    "isolated neurons": (lambda e, w, n: w.sum() / n, {"isolated_neurons": True}, "depends on neurons without edges"),
}


@pytest.mark.parametrize(("function", "laws", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_law_is_named(function, laws, message):
    with pytest.raises(AssertionError, match=rf"(?s){message}.*\n  graph = Edges\("):
        assert_metric_laws(function, GRAPH, **laws)


def test_every_law_that_can_be_chosen_is_broken_above():
    optional = set(inspect.signature(assert_metric_laws).parameters) - {"metric", "graph", "of", "rtol", "atol"}
    chosen = {name for _, laws, _ in BROKEN.values() for name in laws}
    assert optional - chosen == {"relabelling", "repeated_edges", "nan"}  # which are switched off below


OFF = {"relabelling": "names", "repeated_edges": "repeated edges"}


@pytest.mark.parametrize(("law", "broken"), OFF.items(), ids=OFF.keys())
def test_a_law_can_be_switched_off(law, broken):
    assert_metric_laws(BROKEN[broken][0], GRAPH, **{law: False})


def test_nan_is_allowed_where_it_is_said_and_has_no_bounds():
    def nan(edge_index, edge_weight, num_nodes):
        return math.nan

    assert_metric_laws(nan, GRAPH, nan=True, bounds=(0, 1))
    assert_metric_laws(lambda e, w, n: Result(value=math.nan, reason="no reason"), GRAPH, bounds=(0, 1))


def test_tolerance_is_the_callers():
    def rounded(edge_index, edge_weight, num_nodes):
        return edge_weight.sum() + 1e-7 * edge_index[0, 0]

    assert_metric_laws(rounded, GRAPH, atol=1e-5)
    with pytest.raises(AssertionError, match="depends on"):
        assert_metric_laws(rounded, GRAPH)


def test_an_unweighted_graph_passes():
    graph = Edges(torch.tensor([[0, 1], [1, 2]]), None, 3)
    assert_metric_laws(assortativity, graph, direction=True, isolated_neurons=True)
    pos = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 2]])
    assert_metric_laws(lambda e, w, n, pos: pos, GeometricGraph(*graph, pos), of="node")


def test_rejects():
    with pytest.raises(ValueError, match=r"of must .*got"):
        assert_metric_laws(total, GRAPH, of="neuron")
