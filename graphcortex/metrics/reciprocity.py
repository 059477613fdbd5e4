"""Reciprocity: how often two neurons that are connected are connected both ways."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._result import Result
from graphcortex.metrics.ensemble import Nulls, as_nulls


@dataclass(frozen=True, eq=False, kw_only=True)
class Reciprocity(Result):
    """The reciprocity of a directed graph.

    Attributes:
        rho: Correlation of both directions over all pairs of neurons, in [-1, 1]: 0 where a reverse edge is as likely as
            any; NaN where all pairs are alike.
        num_mutual: Number of pairs that are connected both ways.
        num_edges: Number of edges; a pair that is connected both ways has two.
        weighted: Whether an edge counts by its weight.
    """

    rho: float
    num_mutual: int
    num_edges: int
    weighted: bool = False


def reciprocity(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    weighted: bool = False,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
) -> Reciprocity:
    r"""Compute the share of edges, or of their weight, that goes back.

    .. math::
        r = \frac{\sum_{i \ne j} \min(w_{ij}, w_{ji})}{\sum_{i \ne j} w_{ij}}, \qquad
        \rho = \frac{\sum_{i \ne j} (w_{ij} - \bar w)(w_{ji} - \bar w)}{\sum_{i \ne j} (w_{ij} - \bar w)^2},

    where :math:`w_{ij}` is 1 for an edge (Garlaschelli & Loffredo 2004) or, where ``weighted``, its size (Squartini et al.
    2013), and 0 otherwise; :math:`\bar w` is its mean over all ordered pairs. :math:`r` is in :math:`[0, 1]`. In a random
    graph it is the density, so that :math:`\rho = (r - \bar w) / (1 - \bar w)` of an unweighted graph says whether there
    is more.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons.
        weighted: Whether an edge counts by its weight rather than as one.
        threshold: Edges that are not above it in size are no edges; at least 0, in the unit of the weights.
        null: Random graphs to compare with.

    Returns:
        The reciprocity. NaN, with the reason, if no edge joins two neurons.

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range.

    References:
        Garlaschelli & Loffredo (2004). Patterns of link reciprocity in directed networks. Phys. Rev. Lett. 93.
        https://doi.org/10.1103/PhysRevLett.93.268701

        Squartini, Picciolo, Ruzzenenti & Garlaschelli (2013). Reciprocity of weighted networks. Sci. Rep. 3.
        https://doi.org/10.1038/srep02729

    Example:
        >>> import torch
        >>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 3]])
        >>> found = reciprocity(edge_index, None, num_nodes=4)
        >>> found.value, round(found.rho, 2)
        (0.5, 0.25)
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, threshold=threshold)
    return reciprocity_of(graph, weighted=weighted, threshold=threshold, null=null)


def reciprocity_of(
    graph: SimpleGraph, *, weighted: bool = False, threshold: float = 0.0, null: str | Nulls | None = None
) -> Reciprocity:
    """Compute the reciprocity of a simple directed graph; see :func:`reciprocity`.

    Raises:
        ValueError: If the graph is undirected.
    """
    if not graph.directed:
        raise ValueError("graph must be directed, got an undirected one, where every edge goes both ways.")
    nulls = as_nulls(null)
    if not weighted:
        graph = graph.unweighted()
    given = {"threshold": threshold, "num_edges": graph.num_edges, "weighted": weighted}
    if graph.num_edges == 0:
        return Reciprocity(value=math.nan, reason="no edge joins two neurons", rho=math.nan, num_mutual=0, **given)
    value, rho, num_mutual = _statistics(graph)
    fields = {} if nulls is None else nulls.distribution(partial(_value), graph).fields()
    return Reciprocity(value=value, rho=rho, num_mutual=num_mutual, **given, **fields)


def _value(graph: SimpleGraph) -> float:
    return _statistics(graph)[0] if graph.num_edges else math.nan


def _statistics(graph: SimpleGraph) -> tuple[float, float, int]:
    """Return r, rho and the number of pairs connected both ways."""
    W = graph.matrix
    if graph.weight is not None:
        W = W / graph.weight.max()  # neither form depends on the scale, and squares of tiny weights would vanish
    back = W.T.tocsr()
    less = W.minimum(back)
    value = float(less.sum() / W.sum())
    pairs = graph.num_nodes * (graph.num_nodes - 1)
    mean = float(W.sum()) / pairs
    mutual = less.astype(bool)
    there, again = W.multiply(mutual).data - mean, back.multiply(mutual).data - mean
    one_way = graph.num_edges - there.size
    # Of the ordered pairs, some have both edges, twice the one-way edges have one, and the rest none.
    covariance = there @ again - 2 * mean * ((W.data - mean).sum() - there.sum())
    covariance += mean**2 * (pairs - there.size - 2 * one_way)
    variance = ((W.data - mean) ** 2).sum() + mean**2 * (pairs - graph.num_edges)
    alike = graph.num_edges == pairs and np.ptp(W.data) <= 1e-12  # of a largest weight of 1: rounding
    return value, math.nan if alike else float(covariance / variance), there.size // 2
