from __future__ import annotations

import math

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.metrics import assortativity, strongest_edges
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, PATH, RING, STAR, TRIANGLES, as_matrix, as_networkx, clustered


def naive_assortativity(edge_index: torch.Tensor, num_nodes: int) -> float:
    """Correlate the degrees at both ends, each edge in both directions."""
    A = as_matrix(edge_index, num_nodes).numpy()
    k = A.sum(0)
    ends = [(k[i], k[j]) for i in range(num_nodes) for j in range(num_nodes) if A[i, j]]
    if len({degree for pair in ends for degree in pair}) < 2:
        return math.nan
    first, second = np.array(ends).T
    return float(np.mean((first - first.mean()) * (second - second.mean())) / first.var())


@given(graph=edges(max_nodes=9))
def test_matches_naive(graph):
    found = assortativity(graph.edge_index, None, graph.num_nodes)
    naive = naive_assortativity(graph.edge_index, graph.num_nodes)
    assert found.value == pytest.approx(naive, abs=1e-9, nan_ok=True)
    assert bool(found.reason) == math.isnan(naive)
    assert math.isnan(naive) or -1 - 1e-9 <= found.value <= 1 + 1e-9


@given(graph=edges(max_nodes=9), data=st.data())
def test_does_not_depend_on_the_names_of_neurons(graph, data):
    names = torch.tensor(data.draw(st.permutations(range(graph.num_nodes))))
    renamed = assortativity(names[graph.edge_index], None, graph.num_nodes).value
    assert renamed == pytest.approx(assortativity(graph.edge_index, None, graph.num_nodes).value, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(("num_nodes", "num_modules"), [(60, 4), (312, 8)])
def test_agrees_with_networkx(num_nodes, num_modules):
    pairs = strongest_edges(*clustered(num_nodes, num_modules))
    theirs = networkx.degree_assortativity_coefficient(as_networkx(pairs, num_nodes))
    assert assortativity(pairs, None, num_nodes).value == pytest.approx(theirs, abs=1e-9)
    assert assortativity(pairs, None, num_nodes).num_pairs == pairs.size(1)


def test_known():
    assert assortativity(STAR, None, 5).value == pytest.approx(-1)
    assert assortativity(PATH, None, 4).value == pytest.approx(-0.5)
    # An edge and a triangle apart: every neuron is linked to neurons of its own degree.
    assert assortativity(torch.tensor([[0, 1, 2, 3], [1, 2, 0, 4]]), None, 5).value == pytest.approx(1)


UNDEFINED = {
    "no edges": (NO_EDGES, 4, "no edge joins two neurons"),
    "one neuron": (torch.tensor([[0], [0]]), 1, "no edge joins two neurons"),
    "a ring": (RING, 12, "all linked neurons have degree 2"),
    "triangles and a lone neuron": (TRIANGLES, 7, "all linked neurons have degree 2"),
}


@pytest.mark.parametrize(("edge_index", "num_nodes", "reason"), UNDEFINED.values(), ids=UNDEFINED.keys())
def test_undefined(edge_index, num_nodes, reason):
    found = assortativity(edge_index, None, num_nodes)
    assert math.isnan(found.value)
    assert found.reason == reason


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        assortativity(edge_index, None, 3)
