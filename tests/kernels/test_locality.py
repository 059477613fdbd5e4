import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.kernels.locality import morton_order


def naive_code(cell):
    """Interleave the binary digits of the coordinates, the first axis last."""
    digits = [format(c, "020b") for c in cell]
    return int("".join(d[bit] for bit in range(20) for d in reversed(digits)), 2)


@given(st.integers(1, 3), st.integers(1, 20), st.integers(0, 5))
def test_follows_the_curve(dimensions, num_nodes, seed):
    cells = np.random.default_rng(seed).integers(0, 2**20, (num_nodes, dimensions))
    # The corners span the cube, so that a position is a cell.
    cells = np.concatenate([cells, np.zeros((1, dimensions), int), np.full((1, dimensions), 2**20 - 1)])
    codes = [naive_code(cell.tolist()) for cell in cells]
    assert morton_order(torch.from_numpy(cells.astype(float))).tolist() == np.argsort(codes, kind="stable").tolist()


def test_neighbours_in_space_are_near_in_memory():
    grid = torch.cartesian_prod(*[torch.arange(16.0)] * 3)
    shuffled = torch.randperm(4096, generator=torch.Generator().manual_seed(0))
    rank = torch.argsort(morton_order(grid[shuffled]))[torch.argsort(shuffled)].view(16, 16, 16)
    distance = torch.cat([rank.diff(dim=axis).abs().flatten() for axis in range(3)]).double()
    assert distance.median() <= 8  # at random it is 4096 / 3


def test_neurons_at_one_place_keep_their_order():
    assert morton_order(torch.ones(5, 3)).tolist() == [0, 1, 2, 3, 4]
