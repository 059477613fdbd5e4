"""Every level of the initial weights: against numpy, line by line, on all pairs and on the synapses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcortex._random import derive_seed
from graphcortex.data import Connectome
from graphcortex.study import Protocol, Variant, initial_weights, network_edges
from graphcortex.study.variant import WEIGHTS
from tests.study._small import arrays, connectome, matrix

PUBLISHED = Protocol.published()
DIAGONAL = ("W*[diagonal]", "W[diagonal]")


def looped(N: int = 10, seed: int = 0) -> Connectome:
    """A small connectome whose synapses hold cycles, and some a neuron with itself."""
    given = arrays(N, seed)
    pairs = {tuple(pair) for pair in given["synapse_index"].T.tolist()} | {(0, 1), (1, 0), (0, 0), (3, 3), (5, 5)}
    index = np.array(sorted(pairs, key=lambda pair: hash(pair) % 97)).T  # in no order
    counts = np.random.default_rng(seed).integers(1, 6, index.shape[1])
    return Connectome.from_arrays(**{**given, "synapse_index": index, "count": counts})


def on_all_pairs(graph: Connectome, name: str, seed: int = 0, protocol: Protocol = PUBLISHED) -> np.ndarray:
    return matrix(initial_weights(graph, Variant.parse(name), protocol, seed=seed))


def on_synapses(graph: Connectome, name: str, seed: int = 0, protocol: Protocol = PUBLISHED) -> np.ndarray:
    """Return the sparse weights as a matrix, NaN where there is no edge."""
    variant, N = Variant.parse(f"{name}+sparse"), graph.num_neurons
    source, target = network_edges(graph, variant, seed=seed).numpy()
    W = np.full((N, N), np.nan)
    weight = initial_weights(graph, variant, protocol, seed=seed)
    assert weight.dtype == torch.float32
    W[source, target] = weight.numpy()
    return W


def radius(W: np.ndarray) -> float:
    return np.abs(np.linalg.eigvals(np.nan_to_num(W))).max()


def log_normal_draws(N: int, seed: int, mu: float = -0.5, sigma: float = 0.5) -> np.ndarray:
    """Return the draws of a seed; only the stream of random numbers is shared with the package."""
    rng = torch.Generator().manual_seed(derive_seed("recurrent weights", seed))
    return np.exp(mu + sigma * torch.randn(N * N, generator=rng, dtype=torch.float64).numpy()).reshape(N, N)


def shuffle_order(count: int, seed: int) -> np.ndarray:
    rng = torch.Generator().manual_seed(derive_seed("shuffled weights", seed))
    return torch.randperm(count, generator=rng).numpy()


def naive_controls(star: np.ndarray, there: np.ndarray, seed: int, target: float) -> dict[str, np.ndarray]:
    """Make the controls of a W*, pair by pair; ``there`` says where there are edges."""
    N = len(star)
    alone, without, shuffled = np.zeros((N, N)), np.zeros((N, N)), star.copy()
    between = [(i, j) for i in range(N) for j in range(N) if i != j and there[i, j]]
    for i in range(N):
        for j in range(N):
            if there[i, j]:
                (alone if i == j else without)[i, j] = star[i, j]
    for place, source in enumerate(shuffle_order(len(between), seed)):
        shuffled[between[place]] = star[between[source]]
    return {
        "W*[diagonal]": alone,
        "W*[no-diagonal]": without * (target / radius(without)),
        "W*[shuffled]": shuffled,
    }


# --- on all pairs


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("name", ["W*[diagonal]", "W*[no-diagonal]", "W*[shuffled]"])
def test_the_controls_of_w_star_follow_from_it(name, seed):
    graph = connectome(10)
    star = on_all_pairs(graph, "W*", seed)
    expected = naive_controls(star, np.ones((10, 10), dtype=bool), seed, 0.95)[name]
    np.testing.assert_allclose(on_all_pairs(graph, name, seed), expected, rtol=2e-6)


@pytest.mark.parametrize("protocol", [PUBLISHED, replace(PUBLISHED, weight_mu=-1, weight_sigma=1, weight_radius=0.5)])
def test_levels_without_neural_data_follow_their_formulas(protocol):
    N, graph, target = 10, connectome(10), protocol.weight_radius
    L = log_normal_draws(N, 2, protocol.weight_mu, protocol.weight_sigma)
    diagonal = np.zeros((N, N))
    for i in range(N):
        diagonal[i, i] = L[i, i]
    counts = graph.count_matrix().numpy()
    expected = {
        "W[positive]": L * target / radius(L),
        "W[diagonal]": diagonal * target / diagonal.max(),
        "W[synapses]": counts * target / radius(counts),
    }
    for name, W in expected.items():
        np.testing.assert_allclose(on_all_pairs(graph, name, 2, protocol), W, rtol=2e-6, err_msg=name)


@given(N=st.integers(3, 14), seed=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_laws_of_the_levels(N, seed):
    graph = looped(N + 3, seed)
    W = {name: on_all_pairs(graph, name, seed) for name in WEIGHTS}
    eye = np.eye(N + 3, dtype=bool)
    star = W["W*"]
    np.testing.assert_array_equal(np.sort(W["W*[shuffled]"][~eye]), np.sort(star[~eye]))
    np.testing.assert_array_equal(W["W*[shuffled]"][eye], star[eye])
    np.testing.assert_array_equal(np.sort(W["W!"], axis=None), np.sort(star, axis=None))
    np.testing.assert_array_equal(W["W*[diagonal]"][eye], star[eye])
    assert not W["W*[diagonal]"][~eye].any()
    assert not W["W[diagonal]"][~eye].any()
    assert not W["W*[no-diagonal]"][eye].any()
    for name in ("W*", "W!", "W*[no-diagonal]", "W[diagonal]", "W[positive]", "W[synapses]"):
        assert radius(W[name]) == pytest.approx(0.95, rel=1e-5), name
    assert radius(W["W"]) == pytest.approx(1, rel=1e-5)
    for name in ("W*[no-diagonal]", "W*[shuffled]"):
        assert not np.array_equal(W[name][~eye], star[~eye])
    for name in set(WEIGHTS) - {"W"}:
        assert (W[name] >= 0).all(), name


def test_draws_of_a_seed_are_shared_across_levels():
    """W[positive] and W[diagonal] are draws over one number each; W* is the same draws over its relations."""
    N, graph, eye = 10, connectome(10), np.eye(10, dtype=bool)
    star, positive, diagonal = (on_all_pairs(graph, name, 4) for name in ("W*", "W[positive]", "W[diagonal]"))
    ratio = diagonal[eye] / positive[eye]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    # Relations alone do not depend on the seed, so two seeds have the quotient of their draws, where the floor is far.
    other, others = (on_all_pairs(graph, name, 5) for name in ("W*", "W[positive]"))
    quotient = (star[eye] / other[eye]) / (positive[eye] / others[eye])
    np.testing.assert_allclose(quotient, quotient[0], rtol=1e-5)
    assert star.shape == (N, N)


@pytest.mark.parametrize("name", WEIGHTS)
def test_what_is_penalised_does_not_change_the_draws(name):
    graph = looped()
    first = on_all_pairs(graph, name, 1)
    for rest in ("D", "D*[shuffled]C", "D*C*"):
        np.testing.assert_array_equal(on_all_pairs(graph, name + rest, 1), first)
    if name != "W[synapses]":
        assert not np.array_equal(on_all_pairs(graph, name, 2), first)


# --- on the synapses


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", WEIGHTS)
def test_sparse_levels_are_their_values_on_the_synapses(name, seed):
    graph = looped()
    there = graph.count_matrix().numpy() > 0

    def restricted(full: np.ndarray, to: float) -> np.ndarray:
        W = np.where(there, full, 0.0)
        return W * (to / radius(W))

    star = restricted(on_all_pairs(graph, "W*", seed), 0.95)
    expected = naive_controls(star, there, seed, 0.95)
    expected["W"] = restricted(on_all_pairs(graph, "W", seed), 1.0)
    expected["W*"] = star
    for level in ("W!", "W[diagonal]", "W[positive]", "W[synapses]"):
        expected[level] = restricted(on_all_pairs(graph, level, seed), 0.95)
    W = on_synapses(graph, name, seed)
    np.testing.assert_array_equal(np.isnan(W), ~there)
    np.testing.assert_allclose(np.nan_to_num(W), expected[name], rtol=1e-5, atol=1e-9)


def test_the_edges_of_a_sparse_network_are_the_synapses_in_order():
    graph = looped()
    edges = network_edges(graph, Variant.parse("W+sparse"), seed=0).T.tolist()
    assert edges == sorted(graph.synapses.edge_index.T.tolist())
    assert edges != graph.synapses.edge_index.T.tolist()
    assert network_edges(graph, Variant.parse("W*DC"), seed=0).size(1) == 100


def test_counts_go_to_their_synapses():
    graph = looped()
    W = on_synapses(graph, "W[synapses]")
    counts = graph.count_matrix().numpy()
    ratio = W[counts > 0] / counts[counts > 0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


def test_rewired_synapses_carry_their_counts():
    graph = connectome(12, seed=3)
    for wiring in ("degree", "degree-length"):
        W = on_all_pairs(graph, f"W[synapses]@{wiring}", 1)
        counts = graph.count_matrix().numpy()
        assert not np.array_equal(W > 0, counts > 0)
        np.testing.assert_array_equal((W > 0).sum(1), (counts > 0).sum(1))
        np.testing.assert_array_equal((W > 0).sum(0), (counts > 0).sum(0))
        smallest = W[W > 0].min()
        np.testing.assert_allclose(
            np.sort(W[W > 0]) / smallest, np.sort(counts[counts > 0]) / counts[counts > 0].min(), rtol=1e-5
        )


def test_rewired_synapses_without_a_cycle_are_told_with_the_seed():
    chain = connectome(6, synapse_index=[[0, 1, 2], [1, 2, 0]], count=[1, 2, 3])
    told = 0
    for seed in range(30):
        try:
            initial_weights(chain, Variant.parse("W+sparse@degree"), PUBLISHED, seed=seed)
        except ValueError as error:
            told += 1
            assert str(error).startswith(f"W+sparse@degree of seed {seed} cannot start at its spectral radius")  # noqa: PT017
    broken = connectome(4, synapse_index=[[0, 1], [1, 2]], count=[1, 1])
    with pytest.raises(ValueError, match=r"W\*\+sparse of seed 7 cannot start .*at least one cycle"):
        initial_weights(broken, Variant.parse("W*+sparse"), PUBLISHED, seed=7)
    assert told < 30


# --- the published field


@pytest.mark.real_data
def test_the_controls_of_the_published_field(published_field):
    eye = np.eye(312, dtype=bool)
    star = on_all_pairs(published_field, "W*")
    assert radius(star) == pytest.approx(0.95, rel=1e-5)
    without = on_all_pairs(published_field, "W*[no-diagonal]")
    assert radius(without) == pytest.approx(0.95, rel=1e-5)
    assert without[~eye].mean() > 2 * star[~eye].mean()
    shuffled = on_all_pairs(published_field, "W*[shuffled]")
    np.testing.assert_array_equal(np.sort(shuffled[~eye]), np.sort(star[~eye]))
    sparse = on_synapses(published_field, "W*")
    assert np.isfinite(sparse).sum() == 316
    assert radius(sparse) == pytest.approx(0.95, rel=1e-5)
