from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from graphcortex.study import Variant, network_edges
from graphcortex.study.wiring import anatomical_communicability, wire
from tests.study._small import connectome


def naive_communicability(W: np.ndarray) -> np.ndarray:
    """Follow the formula: S holds the out-strengths, with 1e-10 added; the exponential is that of scipy."""
    W = np.abs(W)
    S = np.diag((W.sum(axis=1) + 1e-10) ** -0.5)
    return scipy.linalg.expm(S @ W @ S)


# --- the anatomy of C*, as published


def test_communicability_of_the_anatomy_follows_the_formula():
    """Every neuron has outputs here; without outputs, scipy's expm is no oracle (see the next test)."""
    every = connectome(8, synapse_index=[[0, 1, 2, 3, 4, 5, 6, 7, 0], [1, 2, 3, 4, 5, 6, 7, 0, 4]], count=[2] * 8 + [3])
    C = anatomical_communicability(every, "source")
    assert C.dtype == torch.float32
    np.testing.assert_allclose(C.double().numpy(), naive_communicability(every.count_matrix().numpy()), rtol=1e-5)


def test_rows_and_columns_are_not_mixed_up():
    """Walks run from source to target: 0 -> 1 -> 2 with counts 4 and 9, by hand."""
    chain = connectome(3, synapse_index=[[0, 1], [1, 2]], count=[4, 9])
    C = anatomical_communicability(chain, "source").double().numpy()
    a, b = 4 / np.sqrt(4 * 9), 9 / np.sqrt(9 * 1e-10)
    np.testing.assert_allclose(C, [[1, a, a * b / 2], [0, 1, b], [0, 0, 1]], rtol=1e-5)


def test_a_target_without_outputs_has_communicability_out_of_all_scale():
    C = anatomical_communicability(connectome(2, synapse_index=[[0], [1]], count=[2]), "source")
    assert float(C[0, 1]) == pytest.approx(2 / np.sqrt(2 * 1e-10), rel=1e-5)


def test_the_anatomy_needs_synapses():
    with pytest.raises(ValueError, match=r"expected a connectome with synapses, got none; leave out the C\*"):
        anatomical_communicability(connectome(4, synapse_index=np.zeros((2, 0), int), count=np.zeros(0, int)), "source")


@pytest.mark.real_data
def test_communicability_of_the_published_anatomy_breaks_down_as_it_did(published_field):
    W = published_field.count_matrix().numpy()
    assert int((W.sum(axis=1) == 0).sum()) == 166
    C = anatomical_communicability(published_field, "source")
    assert bool(torch.isfinite(C).all())
    assert float(C.max()) == pytest.approx(1.414e5, rel=1e-3)


# --- the anatomy of C*, corrected


@pytest.mark.parametrize("N", [6, 10])
def test_corrected_communicability_of_the_anatomy_follows_the_formula(N):
    """Out-strength at the source, in-strength at the target, and zero where a strength is zero."""
    graph = connectome(N, seed=N)
    W = graph.count_matrix().numpy()
    A = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            if W[i, j]:
                A[i, j] = W[i, j] / np.sqrt(W[i].sum() * W[:, j].sum())
    C = anatomical_communicability(graph, "both").double().numpy()
    np.testing.assert_allclose(C, scipy.linalg.expm(A), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(C[N - 1], np.eye(N)[N - 1])  # nothing leaves the last neuron
    assert C.max() <= np.e


@pytest.mark.real_data
def test_corrected_communicability_of_the_published_anatomy_is_bounded(published_field):
    C = anatomical_communicability(published_field, "both")
    assert bool(torch.isfinite(C).all())
    assert 1 <= float(C.max()) <= np.e


# --- rewiring

REWIRED = {"degree": False, "degree-length": True}


def degrees(graph) -> tuple[list[int], list[int]]:
    edges = graph.synapses.edge_index
    return tuple(torch.bincount(row, minlength=graph.num_neurons).tolist() for row in edges)


def histogram(graph) -> np.ndarray:
    """Count the synapses by length, in 15 bins up to the longest of the connectome as it was."""
    source, target = graph.synapses.edge_index
    return (graph.pos[source] - graph.pos[target]).double().norm(dim=1).numpy()


@pytest.mark.parametrize("wiring", REWIRED)
def test_rewiring_keeps_what_it_says_and_draws_by_the_seed(wiring):
    graph = connectome(20, seed=1)
    variant = Variant.parse(f"WD*C*@{wiring}")
    first, again, other = (wire(graph, variant, seed=seed) for seed in (0, 0, 1))
    edges = [set(map(tuple, g.synapses.edge_index.T.tolist())) for g in (graph, first, again, other)]
    assert edges[1] == edges[2] != edges[3]
    assert edges[0] not in (edges[1], edges[3])
    for rewired in (first, other):
        assert degrees(rewired) == degrees(graph)
        assert sorted(rewired.synapses["count"].tolist()) == sorted(graph.synapses["count"].tolist())
        assert torch.equal(rewired.pos, graph.pos)
        if REWIRED[wiring]:
            longest = histogram(graph).max()
            bins = np.linspace(0, longest * (1 + 1e-9), 16)
            np.testing.assert_array_equal(
                np.histogram(histogram(rewired), bins)[0], np.histogram(histogram(graph), bins)[0]
            )
    assert wire(graph, Variant.parse("WD*C*"), seed=0) is graph


def test_variants_share_the_rewired_synapses_of_a_seed():
    graph = connectome(20, seed=1)
    seen = [
        network_edges(graph, Variant.parse(name), seed=4)
        for name in ("W+sparse@degree", "W*D*C*+sparse@degree", "W[synapses]D+sparse@degree")
    ]
    assert all(torch.equal(edges, seen[0]) for edges in seen)
    counts = wire(graph, Variant.parse("WDC*@degree"), seed=4).count_matrix()
    assert torch.equal(counts.nonzero().T, seen[0])


@pytest.mark.real_data
def test_the_published_field_is_rewired(published_field):
    there = published_field.count_matrix() > 0
    for wiring in REWIRED:
        rewired = wire(published_field, Variant.parse(f"WD*C*@{wiring}"), seed=0)
        assert degrees(rewired) == degrees(published_field)
        assert int(((rewired.count_matrix() > 0) & there).sum()) < 0.4 * int(there.sum())
