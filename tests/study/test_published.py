from __future__ import annotations

import numpy as np
import pytest
import torch

from graphcortex.data import Connectome
from graphcortex.data._unpickle import read_npy
from graphcortex.study.published import (
    functional_relations,
    rename_neurons,
)
from tests.study._small import arrays, connectome, lengths, matrix

VOXEL_UM = np.array([0.004, 0.004, 0.04])


def naive_scrambled_lengths(voxels: np.ndarray) -> np.ndarray:
    """Follow the released code: the (N, 3) array is reshaped to (3, N), and each row scaled to [0, 1]."""
    N = len(voxels)
    flat = [voxels[i][k] for i in range(N) for k in range(3)]
    x, y, z = (np.array(flat[row * N : (row + 1) * N], dtype=float) for row in range(3))
    x, y, z = ((v - v.min()) / (v.max() - v.min()) for v in (x, y, z))
    D = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            D[i, j] = np.sqrt((x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 + (z[i] - z[j]) ** 2)
    return D


def off_diagonal(D: np.ndarray) -> np.ndarray:
    return D[~np.eye(len(D), dtype=bool)]


def voxel_connectome(voxels: np.ndarray) -> Connectome:
    return connectome(len(voxels), pos=voxels * VOXEL_UM)


# --- D*


@pytest.mark.parametrize("N", [2, 3, 7, 10])
def test_scrambled_lengths_follow_the_formula(N):
    rng = np.random.default_rng(N)
    voxels = rng.integers([125_000, 100_000, 15_000], [325_000, 200_000, 26_000], size=(N, 3))
    np.testing.assert_allclose(
        lengths(voxel_connectome(voxels), "WD*"), naive_scrambled_lengths(voxels), rtol=1e-6, atol=1e-7
    )


def test_the_positions_are_reshaped_and_not_transposed():
    """By hand: with three neurons the reshape changes nothing, so the rows are neurons where they should be axes."""
    voxels = np.array([[110_000, 120_000, 20_000], [130_000, 150_000, 30_000], [100_000, 110_000, 40_000]])
    rows = (voxels - voxels.min(1, keepdims=True)) / np.ptp(voxels, axis=1, keepdims=True)
    expected = np.linalg.norm(rows.T[:, None] - rows.T[None], axis=2)
    np.testing.assert_allclose(lengths(voxel_connectome(voxels), "WD*"), expected, rtol=1e-6)
    columns = (voxels - voxels.min(0)) / np.ptp(voxels, axis=0)
    transposed = np.linalg.norm(columns[:, None] - columns[None], axis=2)
    assert np.abs(expected - transposed).max() > 0.1


def test_each_row_is_scaled_to_one_so_that_no_distance_exceeds_the_diagonal_of_a_cube():
    D = lengths(connectome(20), "WD*")
    assert (np.diag(D) == 0).all()
    assert (D == D.T).all()
    assert 1 <= D.max() <= np.sqrt(3) + 1e-6


def test_rows_without_spread_cost_nothing_rather_than_nan():
    """Two neurons: rows (x0, y0), (z0, x1), (y1, z1) of which the first has no spread."""
    D = lengths(voxel_connectome(np.array([[120_000, 120_000, 9_000], [130_000, 140_000, 9_500]])), "WD*")
    np.testing.assert_allclose(D, np.array([[0, np.sqrt(2)], [np.sqrt(2), 0]]), rtol=1e-6)


@pytest.mark.real_data
def test_scrambled_lengths_of_the_published_field(published_field, microns_root):
    voxels = np.array([list(p) for p in read_npy(microns_root / "6_6_2" / "positions_6_6_2.npy")], dtype=float)
    D = lengths(published_field, "WD*")
    np.testing.assert_allclose(D, naive_scrambled_lengths(voxels), rtol=1e-5, atol=1e-6)
    assert off_diagonal(D).mean() == pytest.approx(0.5546, abs=5e-5)
    um = voxels * VOXEL_UM
    true = np.linalg.norm(um[:, None] - um[None], axis=2)
    assert abs(np.corrcoef(off_diagonal(D), off_diagonal(true))[0, 1]) < 0.01


# --- D


def test_grid_lengths_count_steps_on_the_published_grid():
    sites = [(a, b, c) for b in range(13) for a in range(12) for c in range(2)]
    expected = np.array([[np.sqrt(sum((p - q) ** 2 for p, q in zip(i, j))) for j in sites] for i in sites])  # noqa: B905
    D = lengths(connectome(312), "WD")
    np.testing.assert_allclose(D, expected, rtol=1e-6)
    assert off_diagonal(D).mean() == pytest.approx(6.57, abs=0.005)
    assert (np.diag(D) == 0).all()


def test_grid_lengths_are_not_scaled():
    D = lengths(connectome(20), "WD")
    assert off_diagonal(D).min() == 1
    assert D.max() > 2


# --- W*


def test_functional_relations_hold_their_diagonals():
    given = arrays(6)
    small = connectome(6)
    expected = {}
    for name in ("correlation", "sttc", "precision"):
        expected[name] = np.diag(given[f"self_{name}"]).astype(float)
        expected[name][tuple(given["coactivity_index"])] = given[name]
    for functional, names in {
        "correlation-sttc": ["correlation", "sttc"],
        "sttc": ["sttc"],
        "precision-sttc": ["precision", "sttc"],
    }.items():
        relations = functional_relations(small, functional)
        assert [relation.dtype for relation in relations] == [torch.float64] * len(names)
        for relation, name in zip(relations, names, strict=True):
            np.testing.assert_allclose(matrix(relation), expected[name], rtol=1e-12)


def test_functional_relations_need_recordings():
    given = arrays(4)
    wired = Connectome.from_arrays(given["pos"], given["synapse_index"], given["count"])
    with pytest.raises(ValueError, match="recorded pairs"):
        functional_relations(wired, "sttc")


# --- W!


@pytest.mark.parametrize("seed", range(5))
def test_new_names_leave_the_same_graph(seed):
    N = 9
    W = torch.randn(N * N, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    renamed = rename_neurons(W, N, rng=seed)
    assert renamed.shape == W.shape
    assert not torch.equal(renamed, W)
    assert torch.equal(renamed.sort().values, W.sort().values)
    a, b = W.view(N, N), renamed.view(N, N)
    assert torch.equal(a.diagonal().sort().values, b.diagonal().sort().values)
    order = [int((a.diagonal() == value).nonzero()) for value in b.diagonal()]
    assert sorted(order) == list(range(N))
    for i in range(N):
        for j in range(N):
            assert b[i, j] == a[order[i], order[j]]
    np.testing.assert_allclose(
        np.sort_complex(np.linalg.eigvals(a.numpy()).round(9)), np.sort_complex(np.linalg.eigvals(b.numpy()).round(9)),
        atol=1e-8,
    )  # fmt: skip


def test_new_names_go_by_the_seed_alone():
    W = torch.arange(64.0)
    before = torch.get_rng_state()
    assert torch.equal(rename_neurons(W, 8, rng=3), rename_neurons(W, 8, rng=3))
    assert not torch.equal(rename_neurons(W, 8, rng=3), rename_neurons(W, 8, rng=4))
    assert torch.equal(torch.get_rng_state(), before)
