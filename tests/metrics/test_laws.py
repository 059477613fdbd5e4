"""Every public metric obeys the laws of metrics.

To add a metric, add a line to ``METRICS``: its name, and what holds of it, as keywords of
:func:`graphcortex.testing.assert_metric_laws` (``scale=0``: has no unit; ``signs``, ``direction``, ``isolated_neurons``: does not
depend on them; ``bounds``; ``relabelling=False``: breaks ties by the numbers of neurons; ``repeated_edges=False``: counts the edges
as they are listed; ``of``: has a value per node, edge or pair). With no more than a name it is called with
``(edge_index, edge_weight, num_nodes)`` on graphs of ``edges(max_nodes=7)``, and its ``value`` is looked at. Otherwise say

- ``call=``, a function of those arguments, where it needs others, or what is tested is another field of what it returns;
- ``graphs=``, a strategy: ``geometric_graphs()`` hands positions on as fourth argument, and an ``AttributedGraph`` arguments with a
  value per neuron or edge, such as a membership;
- a name with a note, ``"modularity: modules"``, for one metric tested in several ways.

A public function that is no metric goes to ``NO_METRICS``, with the reason. ``OPS`` holds the functions of ``ops`` in the same way.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphcortex.metrics as metrics
import graphcortex.ops as ops
from graphcortex.testing import assert_invariant_to_isolated_neurons, assert_metric_laws, edges, geometric_graphs

Law = dict[str, Any]


def obeys(*, call: Callable | None = None, graphs: st.SearchStrategy | None = None, **laws: Any) -> Law:
    return {"call": call, "graphs": edges(max_nodes=7) if graphs is None else graphs, "laws": laws}


def together(edge_index, edge_weight, num_nodes):
    """Return which neurons share a module: a partition without the names of its modules."""
    module = metrics.modularity(edge_index, edge_weight, num_nodes).membership
    return module[:, None] == module[None, :]


def linked(edge_index, edge_weight, num_nodes):
    """Return the pairs that the strongest edges link, as a symmetric matrix."""
    pairs = metrics.strongest_edges(edge_index, edge_weight, num_nodes, quantile=0.5)
    matrix = torch.zeros(num_nodes, num_nodes)
    matrix[pairs[0], pairs[1]] = 1
    return matrix + matrix.T


def linked_at_all(edge_index, edge_weight, num_nodes):
    pairs = metrics.simple_edges(edge_index, num_nodes)
    matrix = torch.zeros(num_nodes, num_nodes)
    matrix[pairs[0], pairs[1]] = 1
    return matrix + matrix.T


def busiest(edge_index, edge_weight, num_nodes):
    table = metrics.busiest_edges(edge_index, edge_weight, num_nodes, top=None)
    return tuple(torch.tensor(table[name].to_numpy().copy()).sort().values for name in ("traffic", "communicability"))


def learned(edge_index, edge_weight, num_nodes):
    found = metrics.learned_graph_metrics(edge_index, edge_weight, num_nodes, quantile=0.5, num_nulls=3)
    return found.entropy, found.modularity, found.assortativity, found.small_worldness


UNDIRECTED = {"direction": True, "signs": True, "scale": 0}

METRICS = {
    "assortativity": obeys(**UNDIRECTED, isolated_neurons=True, bounds=(-1, 1)),
    "busiest_edges": obeys(call=busiest, repeated_edges=False, signs=True, scale=0),
    "learned_graph_metrics": obeys(call=learned, relabelling=False, repeated_edges=False, scale=0),
    "modularity": obeys(**UNDIRECTED, relabelling=False, isolated_neurons=True, bounds=(0, 1)),
    "modularity: modules": obeys(call=together, **UNDIRECTED, of="pair", relabelling=False, isolated_neurons=True),
    "simple_edges": obeys(call=linked_at_all, **UNDIRECTED, of="pair", isolated_neurons=True),
    "small_worldness": obeys(
        call=functools.partial(metrics.small_worldness, num_nulls=5), **UNDIRECTED, bounds=(0, math.inf)
    ),
    "strongest_edges": obeys(call=linked, **UNDIRECTED, of="pair", repeated_edges=False, isolated_neurons=True),
    "weight_entropy": obeys(
        call=lambda e, w, n: metrics.weight_entropy(w), repeated_edges=False, scale=0, isolated_neurons=True, direction=True,
        bounds=(0, math.log2(100)),
    ),
}  # fmt: skip

NO_METRICS = {
    "random_null_statistics": "depends on no graph, only on its number of neurons",
}

OPS = {
    "communicability_matrix": obeys(of="pair", signs=True, scale=0, bounds=(0, math.inf)),
    "communicability": obeys(of="edge", signs=True, scale=0, bounds=(0, math.inf)),
    "edge_length": obeys(
        call=lambda e, w, n, pos: ops.edge_length(e, pos),
        graphs=geometric_graphs(coincident=True),
        of="edge",
        direction=True,
    ),
    "edge_traffic": obeys(of="edge", signs=True, scale=0, bounds=(0, math.inf)),
    "in_strength": obeys(of="node", scale=1, isolated_neurons=True, graphs=edges(signed=False), signs=True),
    "out_strength": obeys(of="node", scale=1, isolated_neurons=True, graphs=edges(signed=False), signs=True),
    "spectral_radius": obeys(scale=1, isolated_neurons=True, bounds=(0, math.inf), graphs=edges(signed=False)),
    "total_communicability": obeys(of="node", signs=True, scale=0, bounds=(0, math.inf)),
}


def check(place: Any, name: str, law: Law, graph: Any) -> None:
    function = law["call"] or getattr(place, name.split(":")[0])
    assert_metric_laws(function, graph, **law["laws"])


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=25)
@given(data=st.data())
def test_metrics_obey_their_laws(name, data):
    check(metrics, name, METRICS[name], data.draw(METRICS[name]["graphs"]))


@pytest.mark.parametrize("name", OPS)
@settings(max_examples=25)
@given(data=st.data())
def test_operations_obey_their_laws(name, data):
    check(ops, name, OPS[name], data.draw(OPS[name]["graphs"]))


def public_functions() -> set[str]:
    return {name for name in metrics.__all__ if inspect.isfunction(getattr(metrics, name))}


def test_no_metric_is_forgotten():
    named = {name.split(":")[0] for name in METRICS}
    missing, unknown = public_functions() - named - set(NO_METRICS), (named | set(NO_METRICS)) - public_functions()
    assert not missing, f"add a line to METRICS for {sorted(missing)}, or to NO_METRICS with a reason"
    assert not unknown, f"these are no public functions of graphcortex.metrics: {sorted(unknown)}"
    assert not named & set(NO_METRICS)
    assert all(NO_METRICS.values())


def test_a_law_that_does_not_hold_would_be_noticed():
    """Small-worldness averages over all neurons, and entropy has signs: the laws above are not kept by everything."""
    graph = edges(max_nodes=7)

    @settings(database=None)
    @given(graph=graph)
    def isolated(graph):
        assert_invariant_to_isolated_neurons(METRICS["small_worldness"]["call"], graph)

    @settings(database=None)
    @given(graph=graph)
    def signs(graph):
        assert_metric_laws(METRICS["weight_entropy"]["call"], graph, repeated_edges=False, signs=True)

    with pytest.raises(AssertionError, match="depends on neurons without edges"):
        isolated()
    with pytest.raises(AssertionError, match="depends on the signs of weights"):
        signs()
