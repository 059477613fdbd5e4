"""Test a graph metric of your own: three lines, and a mistake is shown on the smallest graph that it spoils.

    python examples/property_test_your_metric.py
    python -m pytest examples/property_test_your_metric.py

Writes two metrics of a connectome, holds them to the laws that such metrics obey, and then makes three mistakes that are easily
made, to see each of them caught. Needs the extra test (pip install 'graphcortex-rnn[test]').
"""

# %% Two metrics: how much of the wiring is answered, and how much wire a synapse takes
import math

import torch
from hypothesis import find, given, settings

from graphcortex.metrics import Result
from graphcortex.ops import edge_length
from graphcortex.testing import assert_metric_laws, edges, geometric_graphs


def matrix(edge_index, edge_weight, num_nodes):
    """Return W[source, target], the sum of what is listed, without self-connections."""
    W = torch.zeros(num_nodes, num_nodes, dtype=edge_weight.dtype)
    return W.index_put(tuple(edge_index), edge_weight, accumulate=True).fill_diagonal_(0)


def reciprocity(edge_index, edge_weight, num_nodes):
    """Return the share of the weight between neurons that runs both ways (Squartini et al. 2013, doi 10.1038/srep02729)."""
    W = matrix(edge_index, edge_weight, num_nodes)
    if W.sum() == 0:
        return Result(value=math.nan, reason="no synapse joins two neurons")
    return Result(value=float(torch.minimum(W, W.T).sum() / W.sum()))


def wire_per_synapse(edge_index, edge_weight, num_nodes, pos):
    """Return the mean distance between the two neurons of a synapse in um, for edges whose weights count synapses."""
    if edge_weight.sum() == 0:
        return Result(value=math.nan, reason="there are no synapses")
    return Result(value=float(edge_weight @ edge_length(edge_index, pos) / edge_weight.sum()))


# %% The tests: three lines each (a first call may take long, so hypothesis is told not to mind the time)
RECIPROCITY = {"scale": 0, "isolated_neurons": True, "bounds": (0, 1)}


@settings(deadline=None)
@given(graph=edges(signed=False))
def test_reciprocity(graph):
    assert_metric_laws(reciprocity, graph, **RECIPROCITY)


@settings(deadline=None)
@given(graph=geometric_graphs(coincident=True))
def test_wire_per_synapse(graph):
    assert_metric_laws(wire_per_synapse, graph, scale=0, direction=True, isolated_neurons=True, bounds=(0, math.inf))


# %% Mistakes that are easily made
def overwriting(edge_index, edge_weight, num_nodes):
    """Forget that an edge may be listed twice: of its weights, the last one stays."""
    W = torch.zeros(num_nodes, num_nodes, dtype=edge_weight.dtype)
    W[tuple(edge_index)] = edge_weight
    W.fill_diagonal_(0)
    return float(torch.minimum(W, W.T).sum() / W.sum()) if W.sum() > 0 else 0.0


def guarded(edge_index, edge_weight, num_nodes):
    """Add a small number, so that nothing is divided by zero: it is not small beside weights in another unit."""
    W = matrix(edge_index, edge_weight, num_nodes)
    return float(torch.minimum(W, W.T).sum() / (W.sum() + 1e-8))


def unguarded(edge_index, edge_weight, num_nodes):
    """Divide by a weight that may be zero."""
    W = matrix(edge_index, edge_weight, num_nodes)
    return float(torch.minimum(W, W.T).sum() / W.sum())


MISTAKES = {
    overwriting: "depends on how often an edge is listed",
    guarded: "depends on the unit of the weights",
    unguarded: "is not a number and gives no reason",
}


def complaint(metric, graph):
    """Return what the laws say against a metric on one graph, or nothing."""
    try:
        assert_metric_laws(metric, graph, **RECIPROCITY)
    except AssertionError as error:
        return str(error)
    return ""


def smallest_counterexample(metric):
    """Return the graph that a failing test would show: hypothesis looks for one, and makes it as small as it can."""
    search = settings(deadline=None, derandomize=True, database=None)
    return find(edges(signed=False), lambda graph: complaint(metric, graph) != "", settings=search)


# %% Run the tests, and see each mistake caught
def main():
    test_reciprocity()
    test_wire_per_synapse()
    print("reciprocity and wire_per_synapse obey their laws\n")
    for metric, expected in MISTAKES.items():
        graph = smallest_counterexample(metric)
        print(complaint(metric, graph), end="\n\n")
        assert expected in complaint(metric, graph)
        assert graph.num_nodes <= 2
        assert graph.edge_index.size(1) <= 3
        assert set(graph.edge_weight.tolist()) <= {0, 1}
        assert complaint(reciprocity, graph) == ""


if __name__ == "__main__":
    main()
