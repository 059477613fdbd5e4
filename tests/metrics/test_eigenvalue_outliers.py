from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from graphcortex import ops
from graphcortex.metrics import _eigenvalues, eigenvalue_outliers, spectral_radius
from graphcortex.ops import spectrum
from graphcortex.testing.strategies import Edges, edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, RING, complete
from tests.metrics.test_singular_values import dense

MODULE = importlib.import_module("graphcortex.metrics.eigenvalue_outliers")  # the function has the module's name


def naive_bulk(W: np.ndarray) -> tuple[float, float]:
    """Take the mean of each row and column off, entry by entry."""
    N = len(W)
    center = np.trace(W) / N
    B = W - center * np.eye(N)
    total = 0.0
    for i in range(N):
        for j in range(N):
            total += (B[i, j] - B[i].mean() - B[:, j].mean() + B.mean()) ** 2
    return center, math.sqrt(total / (N - 1) ** 2 * N)


@given(graph=edges(min_nodes=2, max_nodes=8))
def test_the_bulk_and_the_eigenvalues_match_naive(graph):
    found = eigenvalue_outliers(*graph)
    center, radius = naive_bulk(dense(graph))
    assert found.bulk_center == pytest.approx(center, abs=1e-12)
    assert found.bulk_radius == pytest.approx(radius, abs=1e-5)
    theirs = np.linalg.eigvals(dense(graph))
    # Where an eigenvalue is repeated rounding moves it by a root of the precision; their sum it leaves alone.
    assert found.eigenvalues.shape == (graph.num_nodes,)
    assert found.eigenvalues.sum() == pytest.approx(theirs.sum(), abs=1e-9)
    distance = abs(found.eigenvalues - center)
    assert (np.diff(distance) <= 0).all()
    assert len(found.outliers) == found.value
    assert found.complete


def noise(N: int, mean: float = 0.0, seed: int = 0) -> Edges:
    graph = complete(N, seed)
    return Edges(graph.edge_index, graph.edge_weight + mean, N)


@pytest.mark.parametrize("N", [20, 60, 150])
def test_noise_has_none_and_fills_the_disk(N):
    inside = []
    for seed in range(10):
        found = eigenvalue_outliers(*noise(N, seed=seed))
        assert found.value == 0
        assert found.bulk_radius == pytest.approx(math.sqrt(N), rel=4 / N)
        distance = abs(found.eigenvalues - found.bulk_center)
        inside.append(np.mean(distance < found.bulk_radius / math.sqrt(2)))
    # The circular law: half of the eigenvalues lie within a radius of sqrt(1/2).
    assert np.mean(inside) == pytest.approx(0.5, abs=0.06)


def test_a_mean_makes_one_at_its_place():
    found = eigenvalue_outliers(*noise(200, mean=0.4))
    assert found.value == 1
    assert found.outliers[0].real == pytest.approx(80, abs=3)


def test_excitation_and_inhibition_in_balance_make_none():
    """The mean of each source is what Dale's law gives it, and not variance."""
    graph = noise(200)
    sign = torch.where(torch.arange(200) < 100, 5.0, -5.0).double()
    weight = graph.edge_weight + sign[graph.edge_index[0]]
    sums = torch.zeros(200, dtype=torch.float64).index_add(0, graph.edge_index[1], weight)
    balanced = weight - sums[graph.edge_index[1]] / 200  # Rajan and Abbott's condition
    found = eigenvalue_outliers(graph.edge_index, balanced, 200)
    assert found.value == 0
    assert found.bulk_radius == pytest.approx(math.sqrt(200), rel=0.03)


def test_planted_directions_are_counted():
    graph = noise(300)
    u = torch.linalg.qr(torch.randn(300, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]
    strength = math.sqrt(300) * torch.tensor([2.0, -2.5, 3.0], dtype=torch.float64)
    weight = graph.edge_weight + ((u * strength) @ u.T).flatten()
    assert eigenvalue_outliers(graph.edge_index, weight, 300).value == 3


@given(graph=edges(min_nodes=2, max_nodes=8), scale=st.sampled_from([-2.0, 0.5, 8.0]))
def test_the_count_does_not_depend_on_unit_or_direction(graph, scale):
    expected = eigenvalue_outliers(*graph)
    # What lies on the border may be on either side of it.
    border = (1 + expected.margin) * expected.bulk_radius
    assume((abs(abs(expected.eigenvalues - expected.bulk_center) - border) > 0.05).all())
    scaled = eigenvalue_outliers(graph.edge_index, scale * graph.edge_weight, graph.num_nodes)
    turned = eigenvalue_outliers(graph.edge_index.flip(0), graph.edge_weight, graph.num_nodes)
    assert scaled.value == turned.value == expected.value
    assert scaled.bulk_radius == pytest.approx(abs(scale) * expected.bulk_radius, abs=1e-5)


def test_shifted_self_connections_shift_the_bulk_alone():
    graph = noise(50, mean=0.5)
    loops = torch.arange(50).expand(2, 50)
    shifted = eigenvalue_outliers(
        torch.cat([graph.edge_index, loops], 1), torch.cat([graph.edge_weight, torch.full((50,), 100.0).double()]), 50
    )
    plain = eigenvalue_outliers(*graph)
    assert shifted.value == plain.value == 1
    assert shifted.bulk_center == pytest.approx(plain.bulk_center + 100)
    assert shifted.bulk_radius == pytest.approx(plain.bulk_radius)


def sparse(kind: str, N: int = 700) -> Edges:
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(N, (2, 20 * N), generator=generator)
    weight = torch.randn(20 * N, generator=generator, dtype=torch.float64)
    return Edges(edge_index, weight + (0.5 if kind == "mean" else 0.0), N + 10)


@pytest.mark.parametrize("kind", ["noise", "mean"])
def test_arnoldi_counts_as_all_eigenvalues_do(kind, monkeypatch):
    graph = sparse(kind)
    exact = eigenvalue_outliers(*graph)
    monkeypatch.setattr(_eigenvalues, "DENSE_UP_TO", 100)
    found = eigenvalue_outliers(*graph)
    assert (exact.method, found.method) == ("dense", "arnoldi")
    assert found.value == exact.value == (kind == "mean")
    assert found.complete
    # A residual of .001 moves the dense edge of the bulk by some per cent at most, and an outlier not at all.
    assert abs(found.eigenvalues[0]) == pytest.approx(abs(exact.eigenvalues[0]), rel=0.02)
    assert np.array_equal(found.eigenvalues, eigenvalue_outliers(*graph).eigenvalues)


def test_arnoldi_looks_around_the_center(monkeypatch):
    graph = sparse("mean")
    loops = torch.arange(graph.num_nodes).expand(2, graph.num_nodes)
    edge_index = torch.cat([graph.edge_index, loops], 1)
    weight = torch.cat([graph.edge_weight, torch.full((graph.num_nodes,), -100.0).double()])
    exact = eigenvalue_outliers(edge_index, weight, graph.num_nodes)
    monkeypatch.setattr(_eigenvalues, "DENSE_UP_TO", 100)
    found = eigenvalue_outliers(edge_index, weight, graph.num_nodes)
    assert found.value == exact.value == 1
    assert found.outliers[0] == pytest.approx(exact.outliers[0], rel=0.001)


def test_more_outliers_than_are_looked_for_are_a_lower_bound(monkeypatch):
    """Forty pairs with strong connections to each other have eighty eigenvalues far out."""
    graph = sparse("noise")
    pairs = torch.arange(80).reshape(40, 2).T
    edge_index = torch.cat([graph.edge_index, pairs, pairs.flip(0)], 1)
    weight = torch.cat([graph.edge_weight, torch.linspace(300, 600, 40).double().repeat(2)])
    exact = eigenvalue_outliers(edge_index, weight, graph.num_nodes)
    monkeypatch.setattr(_eigenvalues, "DENSE_UP_TO", 100)
    all_found = eigenvalue_outliers(edge_index, weight, graph.num_nodes)
    assert all_found.value == exact.value == 80
    monkeypatch.setattr(MODULE, "_LAST_COUNT", 16)
    some = eigenvalue_outliers(edge_index, weight, graph.num_nodes)
    assert not some.complete
    assert some.value == 16
    assert "there may be more" in some.reason


def test_degenerate_graphs():
    empty = eigenvalue_outliers(NO_EDGES, None, 5)
    assert (empty.value, empty.bulk_radius, empty.reason) == (0.0, 0.0, "there is no weight other than 0")
    single = eigenvalue_outliers(torch.zeros(2, 1).long(), torch.ones(1), 1)
    assert math.isnan(single.value)
    assert single.reason == "a single neuron has no bulk"
    assert single.outliers.size == 0
    equal = eigenvalue_outliers(complete(9).edge_index, None, 9)
    assert equal.value == 1
    loops = eigenvalue_outliers(torch.arange(6).expand(2, 6), torch.full((6,), 3.0), 6)
    assert loops.value == 0


@given(graph=edges())
def test_the_radius_is_that_of_ops(graph):
    found = spectral_radius(*graph)
    assert found.value == pytest.approx(ops.spectral_radius(*graph), rel=1e-6, abs=2e-2)
    assert (found.value == 0) == (found.reason == "the graph has no cycle")


def test_where_eigenvalues_are_not_told_apart_the_radius_is_approximate(monkeypatch):
    graph = sparse("noise")
    exact = spectral_radius(*graph)
    monkeypatch.setattr(spectrum, "_DENSE_UP_TO", 100)
    monkeypatch.setattr(spectrum, "_DENSE_AT_MOST", 100)
    monkeypatch.setattr(spectrum, "_MOST_RESTARTS", 1)
    monkeypatch.setattr(_eigenvalues, "DENSE_UP_TO", 100)
    found = spectral_radius(*graph)
    assert (exact.method, found.method) == ("exact", "approximate")
    assert found.value == pytest.approx(exact.value, rel=0.01)
    monkeypatch.setattr(_eigenvalues, "_MOST_PRODUCTS", 20)
    ring = torch.arange(2000)
    none = spectral_radius(torch.stack((ring, ring.roll(-1))), None, 2000)
    assert math.isnan(none.value)
    assert "Arnoldi" in none.reason


BAD_ARGUMENTS = {name: ((index, None, 3), {}) for name, index in BAD_EDGES.items()} | {
    "negative margin": ((RING, None, 12), {"margin": -1}),
    "NaN": ((RING, torch.full((12,), math.nan), 12), {}),
    "negative threshold": ((RING, torch.ones(12), 12), {"threshold": -1}),
}


@pytest.mark.parametrize(("arguments", "options"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        eigenvalue_outliers(*arguments, **options)
