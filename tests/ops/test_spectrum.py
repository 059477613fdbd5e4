import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.ops import SpectrumNotFoundError, rescale_to_radius, spectral_radius, spectrum
from graphcortex.testing.strategies import Edges, edges


def naive_radius(graph):
    W = np.zeros((graph.num_nodes, graph.num_nodes))
    for i, j, w in zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), strict=True):
        W[i, j] += w
    return max(abs(value) for value in np.linalg.eigvals(W))


def has_cycle(graph):
    """Take away neurons that send to no one that is left, until none is taken."""
    weights = {}
    for i, j, w in zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), strict=True):
        weights[i, j] = weights.get((i, j), 0.0) + w
    left = set(range(graph.num_nodes))
    while True:
        senders = {i for (i, j), w in weights.items() if w != 0 and i in left and j in left}
        if senders == left:
            return bool(left)
        left = senders


@given(graph=edges())
def test_matches_dense_eigenvalues(graph):
    # Where an eigenvalue is repeated rounding moves it by a root of the precision.
    assert spectral_radius(*graph) == pytest.approx(
        naive_radius(graph), rel=1e-6, abs=2e-2 if graph.num_nodes > 3 else 1e-4
    )


@given(graph=edges(signed=False))
def test_is_zero_exactly_where_there_is_no_cycle(graph):
    assert (spectral_radius(*graph) > 0) == has_cycle(graph)


@given(graph=edges(), data=st.data())
def test_does_not_depend_on_names_or_direction(graph, data):
    assume(has_cycle(graph))
    names = torch.tensor(data.draw(st.permutations(range(graph.num_nodes))))
    expected = spectral_radius(*graph)
    tolerance = {"rel": 1e-6, "abs": 2e-2}
    assert spectral_radius(names[graph.edge_index], graph.edge_weight, graph.num_nodes) == pytest.approx(
        expected, **tolerance
    )
    assert spectral_radius(graph.edge_index.flip(0), graph.edge_weight, graph.num_nodes) == pytest.approx(
        expected, **tolerance
    )


def test_rotation_has_complex_eigenvalues_of_one_size():
    graph = Edges(torch.tensor([[0, 1], [1, 0]]), torch.tensor([2.0, -2.0]), 2)
    assert spectral_radius(*graph) == pytest.approx(2.0, rel=1e-14)


LARGE = 1200


def large_graph(kind):
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(LARGE, (2, 4 * LARGE), generator=generator)
    weight = torch.randn(4 * LARGE, generator=generator, dtype=torch.float64)
    return Edges(edge_index, weight.exp() if kind == "positive" else weight, LARGE)


@pytest.mark.parametrize("kind", ["positive", "signed"])
def test_arnoldi_matches_dense_eigenvalues(kind, monkeypatch):
    graph = large_graph(kind)
    first, second = spectral_radius(*graph), spectral_radius(*graph)
    assert first == second
    monkeypatch.setattr(spectrum, "_DENSE_UP_TO", LARGE)
    assert first == pytest.approx(spectral_radius(*graph), rel=1e-9)


def test_arnoldi_leaves_out_no_eigenvector(monkeypatch):
    """I - R, R a ring: eigenvalues 1 - r^k, and the largest is 2. The uniform vector is sent to 0."""
    monkeypatch.setattr(spectrum, "_DENSE_UP_TO", 50)
    nodes = torch.arange(60)
    edge_index = torch.stack([nodes, nodes]), torch.stack([nodes, nodes.roll(-1)])
    weight = torch.cat([torch.ones(60), -torch.ones(60)])
    assert spectral_radius(torch.cat(edge_index, 1), weight, 60) == pytest.approx(2.0, rel=1e-9)


def test_where_the_iterations_do_not_end_the_dense_value_is_taken(monkeypatch):
    monkeypatch.setattr(spectrum, "_DENSE_UP_TO", 50)
    monkeypatch.setattr(spectrum, "_MOST_RESTARTS", 1)
    nodes = torch.arange(200)
    assert spectral_radius(torch.stack([nodes, nodes.roll(-1)]), torch.full((200,), 0.5), 200) == pytest.approx(0.5)


ACYCLIC = {
    "no edges": (torch.zeros(2, 0).long(), torch.zeros(0)),
    "a chain": (torch.stack([torch.arange(LARGE - 1), torch.arange(1, LARGE)]), torch.ones(LARGE - 1)),
    "weights of zero": (torch.tensor([[0, 1], [1, 0]]), torch.zeros(2)),
    "a loop that cancels": (torch.tensor([[0, 0], [0, 0]]), torch.tensor([1.0, -1.0])),
}


@pytest.mark.parametrize("num_nodes", [2, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("graph", ACYCLIC.values(), ids=ACYCLIC.keys())
def test_a_graph_without_cycles_has_radius_zero_and_is_not_rescaled(graph, num_nodes):
    edge_index, weight = (
        tensor[..., : 1 if graph[1].numel() == LARGE - 1 and num_nodes == 2 else None] for tensor in graph
    )
    assert spectral_radius(edge_index, weight, num_nodes) == 0
    with pytest.raises(ValueError, match=r"edge_weight must .*cycle.*got spectral radius 0"):
        rescale_to_radius(edge_index, weight, num_nodes, 0.95)


@given(graph=edges(signed=False), radius=st.sampled_from([0.5, 0.95, 2.0]), unit=st.sampled_from([1.0, 1e-20, 1e20]))
def test_rescaling_gives_the_radius_in_any_unit(graph, radius, unit):
    assume(has_cycle(graph))
    rescaled = rescale_to_radius(graph.edge_index, graph.edge_weight * unit, graph.num_nodes, radius)
    assert spectral_radius(graph.edge_index, rescaled, graph.num_nodes) == pytest.approx(radius, rel=1e-6)
    ratio = rescaled[graph.edge_weight != 0] / graph.edge_weight[graph.edge_weight != 0]
    assert_close(ratio, ratio[:1].expand_as(ratio))
    assert rescaled.dtype == graph.edge_weight.dtype


PAIR = torch.tensor([[0, 1], [1, 0]])
BAD_WEIGHTS = {"NaN": [1.0, math.nan], "infinite": [math.inf, 1.0], "too few": [1.0]}


@pytest.mark.parametrize("weight", BAD_WEIGHTS.values(), ids=BAD_WEIGHTS.keys())
def test_rejects(weight):
    with pytest.raises(ValueError, match=r"edge_weight must .*got"):
        spectral_radius(PAIR, torch.tensor(weight), 2)


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, math.inf, "big"])
def test_rejects_radius(radius):
    with pytest.raises(ValueError, match=r"radius must .*got"):
        rescale_to_radius(PAIR, torch.ones(2), 2, radius)


def test_a_large_ring_is_refused_rather_than_made_dense(monkeypatch):
    monkeypatch.setattr(spectrum, "_DENSE_UP_TO", 50)
    monkeypatch.setattr(spectrum, "_DENSE_AT_MOST", 100)
    monkeypatch.setattr(spectrum, "_MOST_RESTARTS", 1)
    nodes = torch.arange(200)
    with pytest.raises(SpectrumNotFoundError, match="200"):
        spectral_radius(torch.stack([nodes, nodes.roll(-1)]), torch.full((200,), 0.5), 200)


# --- weights that cancel


def dense(matrix):
    n = len(matrix)
    nodes = torch.arange(n)
    return torch.stack([nodes.repeat_interleave(n), nodes.repeat(n)]), matrix.reshape(-1), n


def randn(*shape, seed, dtype):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def balanced(seed, dtype):
    """Rank one, W = u v^T with v.u = 0: W^2 = 0."""
    u, v = randn(20, 1, seed=seed, dtype=dtype), randn(20, 1, seed=seed + 1000, dtype=dtype)
    return u @ (v - u * (u * v).sum() / (u * u).sum()).T


def excitation_and_inhibition(seed, dtype):
    """Every neuron receives as much excitation as inhibition; the rounding of equal weights is one, and adds up."""
    excitatory = 3 + seed % 14
    sent = torch.cat(
        [torch.full((excitatory,), 1 / excitatory), torch.full((20 - excitatory,), -1 / (20 - excitatory))]
    )
    return sent.to(dtype)[:, None].expand(20, 20) * 0.7


def rotated_chain(seed, dtype):
    """Strictly triangular in another basis: W^5 = 0, and no entry is 0."""
    basis = torch.linalg.qr(randn(5, 5, seed=seed, dtype=dtype))[0]
    return basis @ torch.triu(randn(5, 5, seed=seed + 1000, dtype=dtype), 1) @ basis.T


def cancelling_cycles(seed, dtype):
    """Two cycles through every pair of neurons, of opposite sign, of whole numbers: W^2 = 0."""
    block = torch.tensor([[1.0, -1.0], [1.0, -1.0]], dtype=dtype) * (1 + seed)
    return torch.block_diag(block, 3 * block, block)


NILPOTENT = (balanced, excitation_and_inhibition, rotated_chain, cancelling_cycles)


@pytest.mark.parametrize("weights_dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("make", NILPOTENT)
def test_a_radius_that_is_rounding_is_not_rescaled(make, weights_dtype):
    for seed in range(8):
        edge_index, weight, num_nodes = dense(make(seed, weights_dtype))
        for scale in (1.0, 1e-15, 1e15):
            with pytest.raises(
                ValueError, match=r"edge_weight must .*got spectral radius 0|edge_weight must .*, got .*rounding"
            ):
                rescale_to_radius(edge_index, weight * scale, num_nodes, 0.95)


def test_repeated_edges_that_cancel_but_for_rounding_are_no_cycle():
    """0.1 + 0.2 - 0.3 is 5.6e-17 in double precision."""
    loops = torch.zeros(2, 3).long()
    weight = torch.tensor([0.1, 0.2, -0.3], dtype=torch.float64)
    assert 0 < spectral_radius(loops, weight, 1) < 1e-16
    with pytest.raises(ValueError, match=r"edge_weight must .*, got .*rounding"):
        rescale_to_radius(loops, weight, 1, 0.95)


@given(size=st.integers(1, 12), seed=st.integers(0, 1000))
def test_renamed_chains_have_radius_zero_exactly(size, seed):
    names = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    matrix = torch.triu(randn(size, size, seed=seed, dtype=torch.float64), 1)[names][:, names]
    assert spectral_radius(*dense(matrix)) == 0
    with pytest.raises(ValueError, match=r"edge_weight must .*cycle.*got spectral radius 0"):
        rescale_to_radius(*dense(matrix), 0.95)


def small_and_true(seed, dtype):
    """A balanced matrix of norm near 20 and a random one: a radius of some thousandths of the norm."""
    return balanced(seed, dtype) + 1e-3 * randn(20, 20, seed=seed + 2000, dtype=dtype)


TRUE = {
    "random signs": lambda seed, dtype: randn(2 + seed % 30, 2 + seed % 30, seed=seed, dtype=dtype),
    "balanced but for a part": small_and_true,
    "a strong chain with weak feedback": lambda seed, dtype: (
        torch.diag(1e3 * torch.ones(4, dtype=dtype), 1) + 1e-9 * torch.diag(torch.ones(1, dtype=dtype), -4)
    ),
    "a weak loop after a strong edge": lambda seed, dtype: torch.tensor(
        [[0, 1.0, 0], [0, 1e-14, 0], [0, 0, 0]], dtype=dtype
    ),
}


@pytest.mark.parametrize("weights_dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("make", TRUE.values(), ids=TRUE.keys())
def test_a_small_radius_that_is_true_is_rescaled(make, weights_dtype):
    for seed in range(30):
        edge_index, weight, num_nodes = dense(make(seed, weights_dtype))
        rescaled = rescale_to_radius(edge_index, weight, num_nodes, 0.95)
        assert spectral_radius(edge_index, rescaled, num_nodes) == pytest.approx(0.95, rel=1e-2)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_random_signs_in_half_precision_are_rescaled(half):
    for seed in range(20):
        edge_index, weight, num_nodes = dense(randn(30, 30, seed=seed, dtype=torch.float32).to(half))
        assert rescale_to_radius(edge_index, weight, num_nodes, 0.95).isfinite().all()


def test_the_iterations_tell_rounding_too(monkeypatch):
    monkeypatch.setattr(spectrum, "_DENSE_UP_TO", 50)
    with pytest.raises(ValueError, match=r"edge_weight must .*, got"):
        rescale_to_radius(*dense(balanced(0, torch.float64).repeat(4, 4)), 0.95)
    graph = large_graph("signed")
    assert spectral_radius(graph.edge_index, rescale_to_radius(*graph, 0.95), LARGE) == pytest.approx(0.95)
