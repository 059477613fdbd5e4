import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index
from graphcortex.ops import edge_length, grid_positions
from graphcortex.testing.strategies import edges


def naive_length(edge_index, pos):
    out = []
    for i, j in edge_index.T.tolist():
        out.append(math.sqrt(sum((a - b) ** 2 for a, b in zip(pos[i].tolist(), pos[j].tolist(), strict=True))))
    return torch.tensor(out, dtype=torch.float64)


def positions_of(graph, dimensions=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(graph.num_nodes, dimensions, generator=generator, dtype=torch.float64) * 100


@given(graph=edges(), dimensions=st.integers(1, 3))
def test_matches_naive(graph, dimensions):
    pos = positions_of(graph, dimensions)
    result = edge_length(graph.edge_index, pos)
    assert_close(result, naive_length(graph.edge_index, pos))
    assert (result[graph.edge_index[0] == graph.edge_index[1]] == 0).all()


@given(graph=edges())
def test_is_the_same_both_ways_after_a_shift_and_a_turn(graph):
    pos = positions_of(graph)
    expected = edge_length(graph.edge_index, pos)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    assert_close(edge_length(graph.edge_index.flip(0), pos), expected)
    assert_close(edge_length(graph.edge_index, pos @ turn + 7.0), expected)
    assert_close(edge_length(graph.edge_index, 3 * pos), 3 * expected)


def test_gradient_of_a_self_connection_is_zero(device):
    pos = torch.zeros(1, 3, dtype=torch.float64, device=device, requires_grad=True)
    edge_length(torch.zeros(2, 1, dtype=torch.long, device=device), pos).sum().backward()
    assert pos.grad.tolist() == [[0, 0, 0]]


PAIR = torch.tensor([[0], [1]])
BAD_ARGUMENTS = {
    "whole numbers": (PAIR, torch.zeros(2, 3).long()),
    "a row": (PAIR, torch.zeros(3)),
    "NaN": (PAIR, torch.tensor([[0.0, 0.0], [math.nan, 0.0]])),
    "infinite": (PAIR, torch.tensor([[0.0, 0.0], [math.inf, 0.0]])),
    "transposed": (torch.tensor([[0], [3]]), torch.zeros(3, 4)),
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        edge_length(*arguments)


def test_the_grid_of_the_published_field():
    pos = grid_positions(312)
    assert_close(pos, grid_positions(312, shape=(12, 13, 2)))
    assert pos.shape == (312, 3)
    assert (pos.max(0).values + 1).tolist() == [12, 13, 2]
    pairs = complete_edge_index(312)
    pairs = pairs[:, pairs[0] != pairs[1]]
    assert edge_length(pairs, pos).mean().item() == pytest.approx(6.5746, abs=5e-5)


@given(num_nodes=st.integers(1, 200))
def test_a_default_grid_has_two_layers_nearly_square_and_no_site_twice(num_nodes):
    pos = grid_positions(num_nodes)
    sites = {tuple(site) for site in pos.tolist()}
    assert len(sites) == num_nodes
    rows, columns, layers = (int(size) + 1 for size in pos.max(0).values)
    assert layers == min(2, num_nodes)
    assert rows * columns * 2 >= num_nodes
    assert rows <= columns + 1 if num_nodes > 2 else rows == columns == 1
    assert columns <= math.isqrt(num_nodes) + 2


@given(shape=st.tuples(*[st.integers(1, 4)] * 3))
def test_sites_are_filled_in_order(shape):
    expected = np.stack([axis.ravel() for axis in np.meshgrid(*map(np.arange, shape))], axis=1)
    num_nodes = max(1, len(expected) - 1)
    assert np.array_equal(grid_positions(num_nodes, shape=shape).numpy(), expected[:num_nodes])


@pytest.mark.parametrize(
    "arguments", [(0,), (1.5,), (5, (1, 2, 2))], ids=["no neurons", "half a neuron", "too few sites"]
)
def test_grid_rejects(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        grid_positions(arguments[0], shape=arguments[1] if len(arguments) > 1 else None)
