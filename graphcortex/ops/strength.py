"""Strength: the summed absolute weight of the edges that leave, or enter, a neuron."""

from __future__ import annotations

from graphcortex._checks import check_graph
from graphcortex._typing import EdgeIndex, EdgeValues, NodeValues


def out_strength(edge_index: EdgeIndex, edge_weight: EdgeValues, num_nodes: int) -> NodeValues:
    r"""Compute :math:`s^\text{out}_i = \sum_{e : i_e = i} |w_e|`.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``.
        num_nodes: Number of neurons.

    Returns:
        Out-strength of each neuron, shape ``(N,)``.

    Raises:
        ValueError: If the shapes do not describe one graph.

    Example:
        >>> import torch
        >>> out_strength(torch.tensor([[0, 0], [1, 2]]), torch.tensor([1.0, -2.0]), 3)
        tensor([3., 0., 0.])
    """
    check_graph(edge_index, edge_weight, num_nodes)
    return edge_weight.new_zeros(num_nodes).index_add(0, edge_index[0], edge_weight.abs())


def in_strength(edge_index: EdgeIndex, edge_weight: EdgeValues, num_nodes: int) -> NodeValues:
    r"""Compute :math:`s^\text{in}_j = \sum_{e : j_e = j} |w_e|`; arguments, result and errors as :func:`out_strength`.

    Example:
        >>> import torch
        >>> in_strength(torch.tensor([[0, 0], [1, 2]]), torch.tensor([1.0, -2.0]), 3)
        tensor([0., 1., 2.])
    """
    check_graph(edge_index, edge_weight, num_nodes)
    return edge_weight.new_zeros(num_nodes).index_add(0, edge_index[1], edge_weight.abs())
