from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.metrics import spectral_entropy
from graphcortex.metrics._quadrature import estimate_traces
from graphcortex.testing import assert_bounds, assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import Edges, edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, RING, STAR, complete

MODULE = importlib.import_module("graphcortex.metrics.spectral_entropy")  # the function has the module's name


def naive_entropy(edge_index: torch.Tensor, edge_weight: torch.Tensor, num_nodes: int) -> float:
    """Build the Laplacian entry by entry, and sum over its eigenvalues."""
    W = [[0.0] * num_nodes for _ in range(num_nodes)]
    for (i, j), w in zip(edge_index.T.tolist(), edge_weight.tolist(), strict=True):
        W[i][j] += w
    L = np.zeros((num_nodes, num_nodes))
    for i in range(num_nodes):
        for j in range(num_nodes):
            if i != j:
                a = (abs(W[i][j]) + abs(W[j][i])) / 2
                L[i, j] -= a
                L[i, i] += a
    if not L.any():
        return math.nan
    total = 0.0
    for p in np.linalg.eigvalsh(L) / np.trace(L):
        if p > 1e-14:
            total -= p * math.log2(p)
    return total


@given(graph=edges(max_nodes=8))
def test_matches_naive(graph):
    found = spectral_entropy(*graph)
    assert found.value == pytest.approx(naive_entropy(*graph), abs=1e-9, nan_ok=True)
    assert math.isnan(found.value) == (found.reason == "no edge joins two neurons")


@given(graph=edges(min_nodes=2), data=st.data())
def test_does_not_depend_on_names_order_or_unit(graph, data):
    def value(*g):
        return spectral_entropy(*g).value

    assert_invariant_to_relabelling(value, graph, data.draw(st.permutations(range(graph.num_nodes))))
    assert_invariant_to_edge_order(value, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))))
    for scale in (-3.0, 1e-200, 1e200):
        scaled = Edges(graph.edge_index, scale * graph.edge_weight, graph.num_nodes)
        assert value(*scaled) == pytest.approx(value(*graph), abs=1e-9, nan_ok=True)


@given(graph=edges(min_nodes=2, max_nodes=8))
def test_lies_between_zero_and_that_of_a_complete_graph(graph):
    found = spectral_entropy(*graph).value
    if not math.isnan(found):
        assert_bounds(found, 0, math.log2(max(graph.num_nodes - 1, 1)), tolerance=1e-9)


def ring_entropy(num_nodes: int) -> float:
    share = (1 - np.cos(2 * np.pi * np.arange(1, num_nodes) / num_nodes)) / num_nodes
    return float(-(share @ np.log2(share)))


KNOWN = {
    "one edge": (torch.tensor([[0], [1]]), 2, 0.0),
    "one edge and a lone neuron": (torch.tensor([[0], [1]]), 3, 0.0),
    "a complete graph": (complete(9).edge_index, 9, 3.0),
    "a ring": (RING, 12, ring_entropy(12)),
    "a star": (STAR, 5, -(5 / 8) * math.log2(5 / 8) + 3 * 3 / 8),  # eigenvalues 0, 1, 1, 1, 5
    "four edges apart": (torch.arange(8).reshape(4, 2).T, 8, 2.0),
}


@pytest.mark.parametrize(("edge_index", "num_nodes", "value"), KNOWN.values(), ids=KNOWN.keys())
def test_known(edge_index, num_nodes, value):
    assert spectral_entropy(edge_index, None, num_nodes).value == pytest.approx(value, abs=1e-12)


def test_the_threshold_makes_edges():
    graph = complete(20)
    strong = graph.edge_weight.abs() > 1
    # Without direction it is the mean of both directions that is held against the threshold.
    i, j = graph.edge_index
    W = torch.zeros(20, 20, dtype=torch.float64)
    W[i, j] = graph.edge_weight.abs()
    W = (W + W.T) / 2
    W[W <= 1] = 0
    pairs = W.nonzero().T
    expected = spectral_entropy(pairs, W[pairs[0], pairs[1]], 20).value
    assert bool(strong.any())
    assert spectral_entropy(*graph, threshold=1.0).value == pytest.approx(expected, abs=1e-12)


def large(weights: str) -> Edges:
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(600, (2, 6000), generator=generator)
    weight = torch.randn(6000, generator=generator, dtype=torch.float64)
    return Edges(edge_index, (weight if weights == "normal" else (2 * weight).exp()), 610)


@pytest.mark.parametrize("weights", ["normal", "log-normal"])
def test_the_estimate_is_within_its_standard_error(weights, monkeypatch):
    graph = large(weights)
    exact = spectral_entropy(*graph)
    monkeypatch.setattr(MODULE, "DENSE_UP_TO", 100)
    errors = []
    for seed in range(12):
        found = spectral_entropy(*graph, rng=seed)
        assert found.method == "quadrature"
        assert 0 < found.standard_error < 0.1
        errors.append((found.value - exact.value) / found.standard_error)
    # Twelve t-values of 23 degrees of freedom: their mean square is 1.1 with a standard deviation of .45.
    assert 0.1 < np.mean(np.square(errors)) < 3
    assert exact.standard_error == 0
    again = spectral_entropy(*graph, rng=3)
    assert (again.value, again.seed) == (spectral_entropy(*graph, rng=3).value, spectral_entropy(*graph, rng=3).seed)


def test_the_traces_of_polynomials_are_exact_where_the_captured_part_is_all():
    """A matrix of rank 5: the 8 captured directions hold all of it, and the probes add nothing."""
    rng = np.random.default_rng(0)
    B = rng.standard_normal((300, 5))
    A = B @ B.T / 300
    traces, covariance = estimate_traces(lambda x: A @ x, 300, lambda t: np.stack((t, t**2, np.sqrt(t))), rng=0)
    eigenvalues = np.linalg.eigvalsh(A)[-5:]
    expected = [(eigenvalues**power).sum() for power in (1, 2, 0.5)]
    # The root of a rounding error of 1e-16 is 1e-8.
    assert traces == pytest.approx(expected, rel=1e-5)
    assert np.sqrt(np.diag(covariance)) == pytest.approx(0, abs=1e-5)


def test_a_quadrature_that_has_not_come_far_says_so():
    """Of a diagonal matrix any probe of signs gives the trace, so that the error is the quadrature's alone."""
    eigenvalues = np.logspace(-9, 0, 1500)[:, None]
    (root,), covariance = estimate_traces(lambda x: eigenvalues * x, 1500, lambda t: np.sqrt(t)[None], rng=0)
    missed = root - np.sqrt(eigenvalues).sum()
    assert abs(missed) > 0.01
    assert abs(missed) < 2 * float(np.sqrt(covariance).squeeze())


@pytest.mark.parametrize("num_nodes", [1, 4])
def test_without_edges_there_is_none(num_nodes):
    found = spectral_entropy(NO_EDGES, None, num_nodes)
    assert math.isnan(found.value)
    assert found.reason == "no edge joins two neurons"


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        spectral_entropy(edge_index, None, 3)
