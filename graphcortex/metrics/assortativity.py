"""Assortativity: whether neurons link to neurons of like degree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from graphcortex._typing import EdgeIndex
from graphcortex.metrics import _igraph
from graphcortex.metrics._result import Result
from graphcortex.metrics.threshold import simple_edges


@dataclass(frozen=True, eq=False, kw_only=True)
class Assortativity(Result):
    """The degree assortativity of a graph.

    Attributes:
        num_pairs: Number of linked pairs.
    """

    num_pairs: int


def assortativity(edge_index: EdgeIndex, num_nodes: int) -> Assortativity:
    r"""Compute the correlation of the degrees at both ends of an edge.

    .. math::
        r = \frac{\langle k_i k_j \rangle - \langle k_i \rangle^2}{\langle k_i^2 \rangle - \langle k_i \rangle^2},

    the means over the edges :math:`(i, j)` of the simple undirected graph, each edge in both directions. It lies in
    :math:`[-1, 1]`: positive where hubs link to hubs, -1 for a star.

    Args:
        edge_index: Edges, shape ``(2, E)``. Direction, repetition and self-loops are ignored.
        num_nodes: Number of neurons.

    Returns:
        The assortativity. NaN, with the reason, if no edge joins two neurons, or all linked neurons have one degree.

    Raises:
        ValueError: If ``edge_index`` is not int64 of shape ``(2, E)`` with entries below ``num_nodes``.

    References:
        Newman (2002). Assortative mixing in networks. Phys. Rev. Lett. 89.
        https://doi.org/10.1103/PhysRevLett.89.208701

    Example:
        >>> import torch
        >>> star = torch.tensor([[0, 0, 0], [1, 2, 3]])
        >>> assortativity(star, num_nodes=4).value
        -1.0
    """
    pairs = simple_edges(edge_index, num_nodes).cpu().numpy()
    num_pairs = pairs.shape[1]
    if num_pairs == 0:
        return Assortativity(value=math.nan, reason="no edge joins two neurons", num_pairs=0)
    degree = np.bincount(pairs.ravel(), minlength=num_nodes)
    linked = degree[degree > 0]
    if (linked == linked[0]).all():
        reason = f"all linked neurons have degree {linked[0]}"
        return Assortativity(value=math.nan, reason=reason, num_pairs=num_pairs)
    value = _igraph.degree_assortativity(_igraph.undirected_graph(pairs, num_nodes))
    return Assortativity(value=value, num_pairs=num_pairs)
