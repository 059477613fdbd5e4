"""How long an edge is: the straight distance between its neurons."""

from __future__ import annotations

import math

import torch

from graphcortex._checks import check_count, check_edge_index, check_finite
from graphcortex._typing import EdgeIndex, EdgeValues


def edge_length(edge_index: EdgeIndex, pos: torch.Tensor) -> EdgeValues:
    r"""Compute the Euclidean distance :math:`d_e = \lVert x_{i_e} - x_{j_e} \rVert_2` between the ends of each edge.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        pos: Position of each neuron, shape ``(N, D)``, in um (or any unit).

    Returns:
        Length of each edge, shape ``(E,)``, in the unit of ``pos``; 0 for a self-connection.

    Raises:
        ValueError: If ``pos`` is not ``(N, D)`` floating point and finite, or the edges do not fit it.

    Example:
        >>> edge_length(torch.tensor([[0], [1]]), torch.tensor([[0.0, 0.0, 0.0], [3.0, 4.0, 0.0]]))
        tensor([5.])
    """
    if pos.dim() != 2 or not pos.is_floating_point():
        raise ValueError(f"pos must be floating point of shape (N, D), got {pos.dtype} of shape {tuple(pos.shape)}.")
    check_finite(pos, "pos")
    check_edge_index(edge_index, pos.size(0))
    return torch.linalg.vector_norm(pos[edge_index[0]] - pos[edge_index[1]], dim=1)


def grid_positions(num_nodes: int, *, shape: tuple[int, int, int] | None = None) -> torch.Tensor:
    """Return positions on an integer grid, the control that has distances but no cortex.

    Args:
        num_nodes: Number of neurons.
        shape: Sites along x, y and z; needs at least ``num_nodes`` in all, which are filled along z first and y last, the order
            of ``numpy.meshgrid``. ``None`` takes two layers, as square as they can be: ``(12, 13, 2)`` for the 312 neurons of
            the published field.

    Returns:
        Positions, shape ``(N, 3)``, float32, in grid steps.

    Raises:
        ValueError: If the grid has too few sites.

    Example:
        >>> grid_positions(3)
        tensor([[0., 0., 0.],
                [0., 0., 1.],
                [0., 1., 0.]])
    """
    check_count(num_nodes, "num_nodes")
    if shape is None:
        per_layer = -(-num_nodes // 2)
        rows = max(1, math.isqrt(per_layer))
        shape = (rows, -(-per_layer // rows), 2)
    if math.prod(shape) < num_nodes:
        raise ValueError(f"shape must give at least {num_nodes} sites, got {shape} with {math.prod(shape)}.")
    x, y, z = (torch.arange(size, dtype=torch.float32) for size in shape)
    return torch.cartesian_prod(y, x, z)[:num_nodes, [1, 0, 2]]
