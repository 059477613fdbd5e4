"""Coreness: how deep in the densely linked core of a graph a neuron lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from graphcortex._checks import check_choice
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.graphs import SimpleGraph, _igraph, simple_graph
from graphcortex.metrics._result import Result
from graphcortex.metrics.ensemble import Nulls, as_nulls

COUNTED = ("all", "out", "in")


@dataclass(frozen=True, eq=False, kw_only=True)
class Coreness(Result):
    """The degeneracy of a graph, and the coreness of its neurons.

    Attributes:
        coreness: Coreness of each neuron, int64, shape ``(N,)``, on the CPU; 0 for a neuron without edges.
        counted: Which edges of a neuron count.
    """

    coreness: torch.Tensor
    counted: str = "all"

    @property
    def core_sizes(self) -> torch.Tensor:
        """Number of neurons in the k-core of k = 0, 1, .. the degeneracy, int64."""
        return torch.bincount(self.coreness).flip(0).cumsum(0).flip(0)


def coreness(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    directed: bool = False,
    counted: str = "all",
    threshold: float = 0.0,
    null: str | Nulls | None = None,
) -> Coreness:
    r"""Find the k-cores of a graph, and its degeneracy.

    The :math:`k`-core is the largest subgraph whose neurons all have at least :math:`k` edges within it,

    .. math:: C_k = \max \{ S : \deg_S(i) \ge k \text{ for all } i \in S \}, \qquad c_i = \max \{ k : i \in C_k \}.

    The coreness :math:`c_i` of a neuron is the largest :math:`k` whose core it is in, and at most its degree; the value, the
    degeneracy, is the largest of them, at least 0 and at most :math:`N - 1` (twice that where inputs and outputs both count).

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, which says where there is none (0); None for an unweighted graph.
        num_nodes: Number of neurons.
        directed: Whether edges keep their direction.
        counted: In a directed graph, which edges of a neuron count: its outputs (``"out"``), its inputs (``"in"``) or
            ``"all"``, where a neuron connected both ways counts twice.
        threshold: Edges that are not above it in size are no edges; at least 0, in the unit of the weights.
        null: Random graphs to compare with.

    Returns:
        The degeneracy and the coreness of each neuron; 0 if no edge joins two neurons.

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range.

    References:
        Seidman (1983). Network structure and minimum degree. Soc. Networks 5.
        https://doi.org/10.1016/0378-8733(83)90028-X

        Batagelj & Zaversnik (2011). Fast algorithms for determining (generalized) core groups in social networks. Adv. Data
        Anal. Classif. 5. https://doi.org/10.1007/s11634-010-0079-y

    Example:
        >>> triangle_and_leaf = torch.tensor([[0, 1, 2, 2], [1, 2, 0, 3]])
        >>> found = coreness(triangle_and_leaf, None, num_nodes=5)
        >>> found.value, found.coreness.tolist()
        (2.0, [2, 2, 2, 1, 0])
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    return coreness_of(graph, counted=counted, threshold=threshold, null=null)


def coreness_of(
    graph: SimpleGraph, *, counted: str = "all", threshold: float = 0.0, null: str | Nulls | None = None
) -> Coreness:
    """Compute the coreness of a simple graph; see :func:`coreness`."""
    check_choice(counted, "counted", COUNTED)
    nulls = as_nulls(null)
    graph = graph.unweighted()
    found = torch.from_numpy(_igraph.coreness(graph.igraph, counted))
    reason = "" if graph.num_edges else "no edge joins two neurons"
    fields = {}
    if nulls is not None and graph.num_edges:
        fields = nulls.distribution(partial(_degeneracy, counted=counted), graph).fields()
    return Coreness(
        value=float(found.max()), reason=reason, threshold=threshold, coreness=found, counted=counted, **fields
    )


def _degeneracy(graph: SimpleGraph, *, counted: str) -> int:
    return int(_igraph.coreness(graph.igraph, counted).max())
