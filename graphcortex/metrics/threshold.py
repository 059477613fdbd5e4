"""The simple undirected graph that the strongest weights make."""

from __future__ import annotations

import numpy as np
import torch

from graphcortex._checks import check_choice, check_finite, check_graph, check_number
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.graphs import simple_graph

OVER = ("edges", "pairs")


def strongest_edges(
    edge_index: EdgeIndex, edge_weight: EdgeValues, num_nodes: int, *, quantile: float = 0.9, over: str = "edges"
) -> EdgeIndex:
    r"""Keep the strongest weights, and forget their sign, size and direction.

    An edge is kept if :math:`|W_e| > Q`, strictly, where :math:`Q` is the quantile of :math:`|W|` over all the weights
    that are given, those of self-connections and zeros included (linear interpolation, as ``numpy.quantile``, in
    float64). Two neurons are linked if either direction is kept; self-connections are then dropped.

    Weights that are equal to :math:`Q` are not kept: if all weights are equal, no edge is left. ``quantile=0`` discards nothing:
    all edges stay, the weakest too, but for weights of 0, which are no edges. With ``over="pairs"`` every
    ordered pair of neurons without an edge counts as a weight of 0 too, as it does in a matrix: a sparse graph whose edges are
    fewer than the share to keep then keeps all that are not 0. For a graph of all pairs there is no difference.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit.
        num_nodes: Number of neurons.
        quantile: Share of the weights to discard, in 0 (none) to 1.
        over: ``"edges"``: of the weights that are given; ``"pairs"``: of all pairs of neurons, where each has one edge at most.

    Returns:
        The linked pairs, int64 of shape ``(2, M)``, each once, the smaller number in row 0, in ascending order; on the
        device of ``edge_index``.

    Raises:
        ValueError: If the arguments do not describe one graph, a weight is not finite, ``quantile`` is not in 0 to
            1, or there are more edges than the pairs they are to be a share of.

    Example:
        >>> edge_index = torch.tensor([[0, 1, 2, 2, 1], [1, 0, 1, 2, 2]])
        >>> edge_weight = torch.tensor([-3.0, 3.0, 0.5, 9.0, 0.1])
        >>> strongest_edges(edge_index, edge_weight, 3, quantile=0.25)
        tensor([[0],
                [1]])
    """
    check_graph(edge_index, edge_weight, num_nodes)
    check_finite(edge_weight, "edge_weight")
    quantile = check_number(quantile, "quantile", minimum=0, maximum=1)
    strength = edge_weight.detach().double().abs().cpu().numpy()
    if strength.size == 0:
        return edge_index.new_empty(2, 0)
    check_choice(over, "over", OVER)
    everything = strength
    if over == "pairs" and strength.size != num_nodes**2:
        if strength.size > num_nodes**2:
            raise ValueError(
                f"over must be 'edges' where pairs have several edges: got {strength.size} edges of {num_nodes**2} pairs."
            )
        everything = np.concatenate((strength, np.zeros(num_nodes**2 - strength.size)))
    kept = torch.from_numpy(strength > quantile_of_sizes(everything, quantile)).to(edge_index.device)
    return simple_edges(edge_index[:, kept], num_nodes)


def quantile_of_sizes(sizes: np.ndarray, quantile: float) -> float:
    """Return the size that an edge must exceed: a quantile of all sizes, or 0 where nothing is to be discarded.

    Args:
        sizes: Sizes of the weights, at least 0, shape ``(E,)``.
        quantile: Share of them to discard, in 0 to 1.
    """
    return float(np.quantile(sizes, quantile)) if sizes.size and quantile > 0 else 0.0


def simple_edges(edge_index: EdgeIndex, num_nodes: int) -> EdgeIndex:
    """Return the linked pairs of a directed graph: no direction, no self-loops, no repetition.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        num_nodes: Number of neurons.

    Returns:
        The pairs, int64 of shape ``(2, M)``, the smaller number in row 0, in ascending order.

    Raises:
        ValueError: If ``edge_index`` is not int64 of shape ``(2, E)`` with entries below ``num_nodes``.

    Example:
        >>> simple_edges(torch.tensor([[2, 0, 1, 1], [0, 2, 1, 0]]), num_nodes=3)
        tensor([[0, 0],
                [1, 2]])
    """
    return simple_graph(edge_index, None, num_nodes, directed=False).edge_index.to(edge_index.device)
