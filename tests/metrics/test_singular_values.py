from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.metrics import effective_dimension, singular_value_entropy, singular_values
from graphcortex.testing import assert_bounds, assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import Edges, edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, RING, complete

METHODS = ["participation", "entropy", "effective_rank"]


def dense(graph: Edges) -> np.ndarray:
    W = np.zeros((graph.num_nodes, graph.num_nodes))
    for (i, j), w in zip(graph.edge_index.T.tolist(), graph.edge_weight.tolist(), strict=True):
        W[i, j] += w
    return W


def naive_entropy(shares: np.ndarray) -> float:
    total = 0.0
    for p in shares / shares.sum():
        if p > 0:
            total -= p * math.log(p)
    return total


def naive_dimension(graph: Edges, method: str) -> float:
    s = np.linalg.svd(dense(graph), compute_uv=False)
    s[s < 1e-12 * s.max()] = 0
    if not s.any():
        return math.nan
    if method == "participation":
        return (s**2).sum() ** 2 / (s**4).sum()
    return math.exp(naive_entropy(s**2 if method == "entropy" else s))


@given(graph=edges(max_nodes=8))
def test_match_naive(graph):
    for method in METHODS:
        found = effective_dimension(*graph, method=method)
        assert found.value == pytest.approx(naive_dimension(graph, method), rel=1e-9, nan_ok=True)
        assert math.isnan(found.value) == (found.reason == "there is no weight other than 0")
    H = singular_value_entropy(*graph).value
    assert pytest.approx(math.log2(naive_dimension(graph, "entropy")), abs=1e-9, nan_ok=True) == H


@given(graph=edges(), data=st.data())
def test_do_not_depend_on_names_order_unit_or_direction(graph, data):
    def values(*g):
        return tuple(effective_dimension(*g, method=method).value for method in METHODS)

    assert_invariant_to_relabelling(values, graph, data.draw(st.permutations(range(graph.num_nodes))))
    assert_invariant_to_edge_order(values, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))))
    for other in (
        Edges(graph.edge_index, -1e-200 * graph.edge_weight, graph.num_nodes),
        Edges(graph.edge_index, 1e200 * graph.edge_weight, graph.num_nodes),
        Edges(graph.edge_index.flip(0), graph.edge_weight, graph.num_nodes),
    ):
        assert values(*other) == pytest.approx(values(*graph), rel=1e-9, nan_ok=True)


@given(graph=edges(max_nodes=8))
def test_dimensions_are_ordered_and_at_most_the_rank(graph):
    found = [effective_dimension(*graph, method=method).value for method in METHODS]
    if not math.isnan(found[0]):
        rank = int(np.linalg.matrix_rank(dense(graph)))
        assert_bounds(found, 1, rank, tolerance=1e-6)
        assert found[0] <= found[1] + 1e-9 <= found[2] + 2e-9


def identity(N):
    return Edges(torch.arange(N).expand(2, N), torch.full((N,), 0.3, dtype=torch.float64), N)


def orthogonal(N):
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((N, N)))[0]
    return Edges(complete(N).edge_index, torch.from_numpy(Q.ravel()), N)


def rank_one(N):
    u, v = np.random.default_rng(0).standard_normal((2, N))
    return Edges(complete(N).edge_index, torch.from_numpy(np.outer(u, v).ravel()), N)


KNOWN = {
    "the identity": (identity(16), 16),
    "an orthogonal matrix": (orthogonal(16), 16),
    "rank one": (rank_one(16), 1),
    "a ring": (Edges(RING, torch.ones(12, dtype=torch.float64), 12), 12),
    "one self-connection": (Edges(torch.zeros(2, 1).long(), torch.ones(1), 5), 1),
}


@pytest.mark.parametrize(("graph", "dimension"), KNOWN.values(), ids=KNOWN.keys())
def test_known(graph, dimension):
    assert singular_value_entropy(*graph).value == pytest.approx(math.log2(dimension), abs=1e-9)
    for method in METHODS:
        assert effective_dimension(*graph, method=method).value == pytest.approx(dimension, rel=1e-6)


def test_of_an_unweighted_graph_repeated_edges_count_once():
    twice = torch.cat([RING, RING[:, :6]], 1)
    assert effective_dimension(twice, None, 12).value == pytest.approx(12)


def large(kind: str) -> Edges:
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(500, (2, 5000), generator=generator)
    weight = torch.randn(5000, generator=generator, dtype=torch.float64)
    return Edges(edge_index, weight if kind == "signed" else weight.exp(), 510)


@pytest.mark.parametrize("kind", ["signed", "log-normal"])
@pytest.mark.parametrize("method", ["entropy", "effective_rank"])
def test_estimates_are_within_their_standard_errors(kind, method, monkeypatch):
    graph = large(kind)
    exact = effective_dimension(*graph, method=method).value
    monkeypatch.setattr(singular_values, "DENSE_UP_TO", 100)
    found = [effective_dimension(*graph, method=method, rng=seed) for seed in range(12)]
    assert all(0 < one.standard_error < 0.1 * one.value for one in found)
    errors = [(one.value - exact) / one.standard_error for one in found]
    assert 0.05 < np.mean(np.square(errors)) < 3
    assert effective_dimension(*graph, method=method, rng=5).value == found[5].value
    if method == "entropy":
        H = singular_value_entropy(*graph, rng=5)
        assert H.method == "quadrature"
        assert 2**H.value == pytest.approx(found[5].value)
        assert H.standard_error * math.log(2) == pytest.approx(found[5].standard_error / found[5].value)


def test_the_error_of_an_effective_rank_is_that_of_its_traces(monkeypatch):
    traces, covariance = np.array([20.0, 70.0]), np.array([[0.04, 0.03], [0.03, 0.09]])
    monkeypatch.setattr(singular_values, "estimate_traces", lambda *_: (traces, covariance))
    W = scipy.sparse.eye_array(3, format="csr")
    bits, error = singular_values._effective_bits(W, 0)
    T, U = np.random.default_rng(0).multivariate_normal(traces, covariance, 100_000).T
    assert bits == pytest.approx(math.log2(20) + 70 / 20)
    assert error == pytest.approx(np.std(np.log2(T) + U / T), rel=0.02)


def of_few(num_senders: int, num_nodes: int = 2500, transposed: bool = False) -> Edges:
    """Return a graph in which few neurons send, or receive, all edges."""
    generator = torch.Generator().manual_seed(num_senders)
    few = torch.randint(num_senders, (3000,), generator=generator)
    ends = [few, torch.randint(num_nodes, (3000,), generator=generator)]
    weight = torch.randn(3000, generator=generator, dtype=torch.float64)
    return Edges(torch.stack(ends[::-1] if transposed else ends), weight, num_nodes)


def dimensions_by_gram(graph: Edges) -> dict[str, float]:
    """Return the dimensions from the eigenvalues of W W^T or W^T W, whichever is small."""
    W = scipy.sparse.csr_array(
        (graph.edge_weight.numpy(), tuple(graph.edge_index.numpy())), shape=(graph.num_nodes,) * 2
    )
    W = (
        W[np.unique(graph.edge_index[0])]
        if len(np.unique(graph.edge_index[0])) < 100
        else W.T[np.unique(graph.edge_index[1])]
    )
    squares = np.linalg.eigvalsh((W @ W.T).toarray())
    p, q = squares / squares.sum(), np.sqrt(squares) / np.sqrt(squares).sum()
    return {
        "participation": 1 / (p**2).sum(),
        "entropy": np.exp(-(p * np.log(p)).sum()),
        "effective_rank": np.exp(-(q * np.log(q)).sum()),
    }


@pytest.mark.parametrize("quadrature", [False, True], ids=["dense", "quadrature"])
@pytest.mark.parametrize("transposed", [False, True], ids=["senders", "receivers"])
@pytest.mark.parametrize("few", [1, 2, 5, 7, 8])
def test_a_large_graph_of_few_senders_or_receivers(few, transposed, quadrature, monkeypatch):
    if quadrature:
        monkeypatch.setattr(singular_values, "DENSE_UP_TO", 1)
    graph = of_few(few, transposed=transposed)
    expected = dimensions_by_gram(graph)
    for method in singular_values.DIMENSIONS:
        assert effective_dimension(*graph, method=method).value == pytest.approx(expected[method], rel=1e-7)
        assert effective_dimension(*graph, method=method).value >= 1
    H = singular_value_entropy(*graph)
    assert H.method == ("quadrature" if quadrature else "dense")
    assert H.value == pytest.approx(math.log2(expected["entropy"]), abs=1e-9)
    assert H.value >= 0


def star(num_leaves: int, both_ways: bool = True) -> Edges:
    leaves, hub = torch.arange(1, num_leaves + 1), torch.zeros(num_leaves, dtype=torch.long)
    out = torch.stack([hub, leaves])
    edge_index = torch.cat([out, out.flip(0)], 1) if both_ways else out.flip(0)
    return Edges(edge_index, torch.ones(edge_index.size(1), dtype=torch.float64), num_leaves + 1)


@pytest.mark.parametrize(("both_ways", "dimension"), [(True, 2), (False, 1)])
def test_a_hub_does_not_fill_the_product(both_ways, dimension, monkeypatch):
    """The product of a two-way star with its transpose has as many entries as the square of its leaves."""
    entries = []
    pairwise = singular_values.pairwise

    def counted(begins):
        entries.append(len(begins))
        return pairwise(begins)

    monkeypatch.setattr(singular_values, "pairwise", counted)
    assert effective_dimension(*star(100_000, both_ways)).value == pytest.approx(dimension, rel=1e-12)
    assert sum(entries) <= 6  # three products of a block each


@pytest.mark.parametrize("least", [1, 5, 20])
@given(graph=edges(max_nodes=8))
def test_the_participation_ratio_does_not_depend_on_what_counts_as_a_hub(least, graph):
    expected = effective_dimension(*graph).value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(singular_values, "_LEAST_HUB", least)
        assert effective_dimension(*graph).value == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_the_participation_ratio_of_hubs_among_others(monkeypatch):
    """Three neurons that many send to, in a graph of random edges."""
    generator = torch.Generator().manual_seed(0)
    hubs = torch.stack([torch.randint(400, (900,), generator=generator), torch.randint(3, (900,), generator=generator)])
    edge_index = torch.cat([hubs, torch.randint(400, (2, 1000), generator=generator)], 1)
    graph = Edges(edge_index, torch.randn(1900, generator=generator, dtype=torch.float64), 400)
    monkeypatch.setattr(singular_values, "_LEAST_HUB", 10)
    assert effective_dimension(*graph).value == pytest.approx(naive_dimension(graph, "participation"), rel=1e-12)


def test_an_edge_at_the_threshold_is_none():
    graph = Edges(torch.arange(3).expand(2, 3), torch.tensor([0.5, -1.0, 2.0]), 3)
    assert effective_dimension(*graph, threshold=1.0).value == 1
    assert effective_dimension(*graph, threshold=0.9).value > 1


def test_the_participation_ratio_does_not_depend_on_the_blocks(monkeypatch):
    graph = large("signed")
    whole = effective_dimension(*graph).value
    monkeypatch.setattr(singular_values, "_BLOCK_ENTRIES", 300)
    assert effective_dimension(*graph).value == pytest.approx(whole, rel=1e-12)


def test_without_weights_there_is_none():
    for edge_index, weight in ((NO_EDGES, None), (RING, torch.zeros(12))):
        for found in (singular_value_entropy(edge_index, weight, 12), effective_dimension(edge_index, weight, 12)):
            assert math.isnan(found.value)
            assert found.reason == "there is no weight other than 0"


BAD_ARGUMENTS = {name: ((index, None, 3), {}) for name, index in BAD_EDGES.items()} | {
    "unknown method": ((RING, None, 12), {"method": "size"}),
    "NaN": ((RING, torch.full((12,), math.nan), 12), {}),
    "negative threshold": ((RING, torch.ones(12), 12), {"threshold": -1}),
}


@pytest.mark.parametrize(("arguments", "options"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        effective_dimension(*arguments, **options)
