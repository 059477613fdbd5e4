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
