"""Modularity: how much more edges stay within modules than chance has it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.graphs import _igraph, simple_graph
from graphcortex.metrics._result import Result


@dataclass(frozen=True, eq=False, kw_only=True)
class Modularity(Result):
    """The modularity of a graph, and the modules.

    Attributes:
        membership: Module of each neuron, 0 .. number of modules - 1, int64, shape ``(N,)``, on the CPU.
        method: How the modules were found.
    """

    membership: torch.Tensor
    method: str = "fast_greedy"

    @property
    def num_modules(self) -> int:
        """Number of modules; a neuron without edges is one of its own."""
        return int(self.membership.max()) + 1


def modularity(edge_index: EdgeIndex, edge_weight: EdgeValues | None, num_nodes: int) -> Modularity:
    r"""Find modules by greedy merging, and return the modularity they reach.

    .. math:: Q = \frac{1}{2M} \sum_{ij} \left( A_{ij} - \frac{k_i k_j}{2M} \right) \delta(c_i, c_j)

    for the simple undirected graph of the edges, with :math:`M` pairs, degrees :math:`k` and modules :math:`c`. From
    one module per neuron, the two whose union raises :math:`Q` most are merged until one is left (Clauset, Newman &
    Moore); the best partition on the way is returned. :math:`Q` of any partition lies in :math:`[-1/2, 1)`, and this
    one's is at least 0.

    Greedy merging breaks ties in an order of its own, so that other programs differ in the third decimal.

    Args:
        edge_index: Edges, shape ``(2, E)``. Direction, repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, which says where there is none (0); None for an unweighted graph.
        num_nodes: Number of neurons.

    Returns:
        The modularity and the modules. NaN, with the reason, if no edge joins two neurons.

    Raises:
        ValueError: If ``edge_index`` is not int64 of shape ``(2, E)`` with entries below ``num_nodes``.

    References:
        Clauset, Newman & Moore (2004). Finding community structure in very large networks. Phys. Rev. E 70.
        https://doi.org/10.1103/PhysRevE.70.066111

        Newman & Girvan (2004). Finding and evaluating community structure in networks. Phys. Rev. E 69.
        https://doi.org/10.1103/PhysRevE.69.026113

    Example:
        >>> two_pairs = torch.tensor([[0, 2], [1, 3]])
        >>> found = modularity(two_pairs, None, num_nodes=4)
        >>> found.value, found.membership.tolist()
        (0.5, [0, 0, 1, 1])
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=False)
    if graph.num_edges == 0:
        return Modularity(value=math.nan, reason="no edge joins two neurons", membership=torch.arange(num_nodes))
    membership = _igraph.fast_greedy(graph.igraph)
    return Modularity(value=graph.igraph.modularity(membership), membership=torch.tensor(membership))
