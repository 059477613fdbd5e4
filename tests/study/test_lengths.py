"""How long edges are: every level of D under every correction that has to do with distance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphcortex._random import derive_seed
from graphcortex.kernels import complete_edge_index
from graphcortex.study import Protocol, Variant, edge_lengths, network_edges
from graphcortex.study import lengths as lengths_module
from tests.study._small import connectome, lengths

LEVELS = ("WD", "WD*", "WD*[shuffled]")
PROTOCOLS = (
    "published",
    "published+positions",
    "published+scale",
    "published+self_connections",
    "published+positions+scale",
    "published+positions+self_connections",
    "published+scale+self_connections",
    "corrected",
)


def naive_lengths(graph, level: str, protocol: str, seed: int) -> np.ndarray:
    """Measure pair by pair, with loops."""
    true, mean, shortest = (
        protocol == "corrected" or f"+{name}" in protocol for name in ("positions", "scale", "self_connections")
    )
    N = graph.num_neurons
    um = graph.pos.double().numpy()
    if level == "WD*[shuffled]":
        rng = torch.Generator().manual_seed(derive_seed("shuffled positions", seed))
        um = um[torch.randperm(N, generator=rng).numpy()]
    if level == "WD":
        per_layer = (N + 1) // 2
        side = int(np.sqrt(per_layer))
        columns = int(np.ceil(per_layer / side))
        places = [(a, b, c) for b in range(columns) for a in range(side) for c in range(2)][:N]
    elif true:
        places = um.tolist()
        if not mean:
            low, high = um.min(0), um.max(0)
            places = [[(p[k] - low[k]) / (high[k] - low[k]) for k in range(3)] for p in places]
    else:
        numbers = (um / [0.004, 0.004, 0.04]).round().ravel()
        rows = [numbers[row * N : (row + 1) * N] for row in range(3)]
        rows = [(row - row.min()) / (row.max() - row.min()) for row in rows]
        places = [[row[i] for row in rows] for i in range(N)]
    D = np.array([[np.sqrt(sum((a - b) ** 2 for a, b in zip(p, q, strict=True))) for q in places] for p in places])
    others = [D[i, j] for i in range(N) for j in range(N) if i != j]
    if shortest:
        D[np.eye(N, dtype=bool)] = min(others)
    return D / np.mean(others) if mean else D


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("level", LEVELS)
def test_lengths_follow_the_formula(level, protocol):
    for N in (2, 9):
        graph = connectome(N, seed=N)
        np.testing.assert_allclose(
            lengths(graph, level, protocol, seed=3), naive_lengths(graph, level, protocol, 3), rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize("level", LEVELS)
def test_every_corrected_distance_has_a_mean_of_one_and_no_free_self_connection(level):
    D = lengths(connectome(11), level, "corrected")
    eye = np.eye(11, dtype=bool)
    assert D[~eye].mean() == pytest.approx(1, rel=1e-6)
    np.testing.assert_array_equal(D[eye], D[~eye].min())
    assert D[eye].min() > 0


def test_true_distances_do_not_depend_on_where_the_volume_lies_or_how_it_is_turned():
    """As published, each axis is scaled on its own, so they do; divided by their mean, they do not."""
    graph = connectome(9)
    turned = graph.clone()
    turned.pos = (graph.pos - 900)[:, [1, 2, 0]].double().float() * 3 + 50
    turn = torch.tensor([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    turned.pos = turned.pos @ turn
    np.testing.assert_allclose(lengths(turned, "WD*", "corrected"), lengths(graph, "WD*", "corrected"), rtol=1e-4)
    one = lengths(graph, "WD*", "published+positions")
    assert np.abs(lengths(turned, "WD*", "published+positions") - one).max() > 0.01


def test_scale_alone_is_one_factor():
    graph = connectome(10)
    for level in LEVELS:
        before, after = lengths(graph, level), lengths(graph, level, "published+scale")
        eye = np.eye(10, dtype=bool)
        np.testing.assert_allclose(after * before[~eye].mean(), before, rtol=1e-5)


def test_shuffled_positions_are_the_same_places_under_other_names():
    graph, eye = connectome(10), np.eye(10, dtype=bool)
    D = lengths(graph, "WD*", "corrected")
    first, again, other = (lengths(graph, "WD*[shuffled]", "corrected", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    for shuffled in (first, other):
        np.testing.assert_allclose(np.sort(shuffled[~eye]), np.sort(D[~eye]), rtol=1e-6)
        assert not np.allclose(shuffled, D)
    before = graph.pos.clone()
    lengths(graph, "W*D*[shuffled]C", "corrected")
    assert torch.equal(graph.pos, before)


def test_lengths_of_synapses_are_scaled_by_all_pairs():
    graph = connectome(10)
    variant = Variant.parse("WD*+sparse")
    edges = network_edges(graph, variant, seed=0)
    got = edge_lengths(graph, variant, Protocol.corrected(), edges, seed=0)
    D = lengths(graph, "WD*", "corrected")
    np.testing.assert_allclose(got.numpy(), D[edges[0].numpy(), edges[1].numpy()], rtol=1e-6)
    assert got.mean() != pytest.approx(1, abs=1e-3)


def test_blocks_of_pairs_add_up(monkeypatch):
    graph = connectome(10)
    whole = lengths(graph, "WD*", "corrected")
    monkeypatch.setattr(lengths_module, "_BLOCK_ENTRIES", 30)
    np.testing.assert_allclose(lengths(graph, "WD*", "corrected"), whole, rtol=1e-6)


def test_neurons_in_one_place_have_no_part_in_the_shortest():
    pos = connectome(5).pos.clone()
    pos[1] = pos[0]
    D = lengths(connectome(5, pos=pos), "WD*", "corrected")
    assert D[0, 1] == 0
    assert D[2, 2] == D[D > 0].min() > 0


def test_what_has_no_length_is_refused():
    graph, complete = connectome(4), complete_edge_index(4)
    with pytest.raises(ValueError, match=r"variant must have a distance .* got 'W'"):
        edge_lengths(graph, Variant.parse("W"), Protocol.published(), complete, seed=0)
    here = connectome(4, pos=np.full((4, 3), 700.0))
    with pytest.raises(ValueError, match=r"pos must hold neurons that are apart .* got 4 in one place"):
        edge_lengths(here, Variant.parse("WD*"), Protocol.parse("published+scale+positions"), complete, seed=0)


@pytest.mark.real_data
def test_distances_of_the_published_field_before_and_after(published_field):
    """Section 2, a and b: D* is scrambled, and 12 times shorter than D on average; corrected, both are 1 on average."""
    eye = np.eye(312, dtype=bool)
    um = torch.cdist(published_field.pos.double(), published_field.pos.double()).numpy()[~eye]
    grid, scrambled = (lengths(published_field, level)[~eye] for level in ("WD", "WD*"))
    assert abs(np.corrcoef(scrambled, um)[0, 1]) == pytest.approx(0.003, abs=0.001)
    assert grid.mean() == pytest.approx(6.57, abs=0.005)
    assert scrambled.mean() == pytest.approx(0.55, abs=0.005)
    true = lengths(published_field, "WD*", "corrected")[~eye]
    assert np.corrcoef(true, um)[0, 1] == pytest.approx(1, abs=1e-9)
    for level in LEVELS:
        assert lengths(published_field, level, "corrected")[~eye].mean() == pytest.approx(1, rel=1e-5)
    shuffled = lengths(published_field, "WD*[shuffled]", "corrected")[~eye]
    assert abs(np.corrcoef(shuffled, um)[0, 1]) < 0.03
