"""Assortativity: whether neurons link to neurons of like degree."""

from __future__ import annotations

import math
from dataclasses import dataclass

from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.graphs import _igraph, simple_graph
from graphcortex.metrics._result import Result


@dataclass(frozen=True, eq=False, kw_only=True)
class Assortativity(Result):
    """The degree assortativity of a graph.

    Attributes:
        num_pairs: Number of linked pairs.
    """

    num_pairs: int


def assortativity(edge_index: EdgeIndex, edge_weight: EdgeValues | None, num_nodes: int) -> Assortativity:
    r"""Compute the correlation of the degrees at both ends of an edge.

    .. math::
        r = \frac{\langle k_i k_j \rangle - \langle k_i \rangle^2}{\langle k_i^2 \rangle - \langle k_i \rangle^2},

    the means over the edges :math:`(i, j)` of the simple undirected graph, each edge in both directions. It lies in
    :math:`[-1, 1]`: positive where hubs link to hubs, -1 for a star.

    Args:
        edge_index: Edges, shape ``(2, E)``. Direction, repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, which says where there is none (0); None for an unweighted graph.
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
        >>> assortativity(star, None, num_nodes=4).value
        -1.0
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=False)
    if graph.num_edges == 0:
        return Assortativity(value=math.nan, reason="no edge joins two neurons", num_pairs=0)
    linked = graph.degree[graph.degree > 0]
    if (linked == linked[0]).all():
        reason = f"all linked neurons have degree {linked[0]}"
        return Assortativity(value=math.nan, reason=reason, num_pairs=graph.num_edges)
    return Assortativity(value=_igraph.degree_assortativity(graph.igraph), num_pairs=graph.num_edges)
