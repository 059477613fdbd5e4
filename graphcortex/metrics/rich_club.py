"""Rich club: whether hubs are linked to each other more than their degrees have it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from graphcortex._checks import check_count
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._result import Result
from graphcortex.metrics.ensemble import Nulls, as_nulls


@dataclass(frozen=True, eq=False, kw_only=True)
class RichClub(Result):
    """The rich-club curve of a graph, and its largest normalised coefficient.

    The null mean and standard deviation of the value are those of the largest coefficient of each random graph, so that its
    ``z`` allows for the choice of the level.

    Attributes:
        level: The degree :math:`k` at which the normalised coefficient is largest; -1 where there is none.
        k: The levels, 0 .. largest degree - 1, int64, shape ``(K,)``.
        club_size: Number of neurons with more than :math:`k` neighbours, int64, shape ``(K,)``.
        phi: The coefficient of each level, float64, shape ``(K,)``; NaN where the club has no pair.
        phi_null_mean: Its mean over the random graphs, shape ``(K,)``; NaN where one of them has no such club, or without nulls.
        phi_null_sd: Its standard deviation over them, shape ``(K,)``.
        phi_norm: ``phi / phi_null_mean``, shape ``(K,)``; NaN where the latter is 0 or NaN.
        min_size: Neurons that a club must have for its coefficient to be the largest.
        weighted: Whether the coefficient is that of the weights.
    """

    level: int
    k: torch.Tensor
    club_size: torch.Tensor
    phi: torch.Tensor
    phi_null_mean: torch.Tensor
    phi_null_sd: torch.Tensor
    phi_norm: torch.Tensor
    min_size: int
    weighted: bool = False


def rich_club(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    directed: bool = False,
    weighted: bool = False,
    min_size: int = 10,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
) -> RichClub:
    r"""Compute the rich-club coefficients of all degrees, and how far the largest exceeds that of random graphs.

    The club of level :math:`k` is the :math:`N_{>k}` neurons with a degree above :math:`k`, with :math:`E_{>k}` edges among
    themselves. The coefficient is the share of possible edges that is there or, where ``weighted``, the weight on them as a
    share of what as many of the strongest edges :math:`w^{(1)} \ge w^{(2)} \ge \dots` of the graph hold,

    .. math::
        \phi(k) = \frac{2 E_{>k}}{N_{>k} (N_{>k} - 1)}, \qquad
        \phi^w(k) = \frac{W_{>k}}{\sum_{l=1}^{E_{>k}} w^{(l)}}, \qquad
        \rho(k) = \frac{\phi(k)}{\langle \phi_0(k) \rangle},

    without the factor 2 in a directed graph, where the degree is that of inputs and outputs together. Coefficients are in
    :math:`[0, 1]`. Since hubs meet each other by chance too, only :math:`\rho` says whether there is a club: it is compared
    with random graphs of the same degrees. The value is the largest :math:`\rho(k)` of a club of at least ``min_size``
    neurons: smaller clubs have few pairs, and their coefficients jump between 0 and 1.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons.
        directed: Whether edges keep their direction.
        weighted: Whether the coefficient is that of the weights. Levels are degrees either way.
        min_size: Neurons that a club must have for the value, at least 2.
        threshold: Edges that are not above it in size are no edges; at least 0, in the unit of the weights.
        null: Random graphs to compare with; ``"degree"`` is what the normalised coefficient is defined by.

    Returns:
        The curve and its largest normalised coefficient. The value is NaN, with the reason, without random graphs, if no edge
        joins two neurons, or if there is no club of the size asked for.

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range.

    References:
        Colizza, Flammini, Serrano & Vespignani (2006). Detecting rich-club ordering in complex networks. Nat. Phys. 2.
        https://doi.org/10.1038/nphys209

        Opsahl, Colizza, Panzarasa & Ramasco (2008). Prominence and control: the weighted rich-club effect. Phys. Rev. Lett.
        101. https://doi.org/10.1103/PhysRevLett.101.168702

    Example:
        >>> hubs_and_leaves = torch.tensor([[0, 0, 1, 0, 1, 2], [1, 2, 2, 3, 4, 5]])
        >>> rich_club(hubs_and_leaves, None, num_nodes=6).phi.tolist()
        [0.4, 1.0, 1.0]
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    return rich_club_of(graph, weighted=weighted, min_size=min_size, threshold=threshold, null=null)


def rich_club_of(
    graph: SimpleGraph,
    *,
    weighted: bool = False,
    min_size: int = 10,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
) -> RichClub:
    """Compute the rich-club curve of a simple graph; see :func:`rich_club`."""
    check_count(min_size, "min_size", minimum=2)
    nulls = as_nulls(null)
    if not weighted:
        graph = graph.unweighted()
    num_levels = int(graph.degree.max())
    size, phi = _club_sizes(graph, num_levels), _coefficients(graph, num_levels)
    null_mean = null_sd = norm = np.full(num_levels, math.nan)
    value, level, reason, fields = math.nan, -1, "", {}
    if graph.num_edges == 0:
        reason = "no edge joins two neurons"
    elif nulls is None:
        reason = 'not compared with random graphs; null="degree" does'
    else:
        found = nulls.distribution(partial(_coefficients, num_levels=num_levels), graph)
        null_mean = found.values.mean(0)
        null_sd = found.values.std(0, ddof=1) if len(found.values) > 1 else null_sd
        eligible = (size >= min_size) & (null_mean > 0)
        norm = np.divide(phi, null_mean, out=norm.copy(), where=null_mean > 0)
        if eligible.any():
            level = int(np.flatnonzero(eligible)[norm[eligible].argmax()])
            value = float(norm[level])
            most = (found.values[:, eligible] / null_mean[eligible]).max(1)
            sd = float(most.std(ddof=1)) if len(most) > 1 else math.nan
            fields = {"null": found.null, "num_nulls": len(most), "null_mean": float(most.mean()), "null_sd": sd}
        else:
            reason = f"no club of {min_size} neurons can be compared; the largest has {size[0]}"
            fields = {"null": found.null, "num_nulls": len(found.values)}
    return RichClub(
        value=value,
        reason=reason,
        threshold=threshold,
        level=level,
        k=torch.arange(num_levels),
        club_size=torch.tensor(size),
        phi=torch.tensor(phi),
        phi_null_mean=torch.tensor(null_mean),
        phi_null_sd=torch.tensor(null_sd),
        phi_norm=torch.tensor(norm),
        min_size=min_size,
        weighted=weighted,
        **fields,
    )


def _club_sizes(graph: SimpleGraph, num_levels: int) -> np.ndarray:
    """Return the number of neurons with a degree above 0, 1, .., int64, shape ``(num_levels,)``."""
    return _above(graph.degree, None, num_levels)


def _coefficients(graph: SimpleGraph, num_levels: int) -> np.ndarray:
    """Return the coefficient of each level, shape ``(num_levels,)``; NaN where the club has no pair, or none of weight."""
    degree = graph.degree
    lower_end = np.minimum(
        degree[graph.source], degree[graph.target]
    )  # an edge is in the clubs below its lesser degree
    inside = _above(lower_end, None, num_levels)
    if graph.weight is None:
        size = _above(degree, None, num_levels)
        top = inside if graph.directed else 2 * inside
        bottom = (size * (size - 1)).astype(float)
    else:
        top = _above(lower_end, graph.weight, num_levels)
        bottom = np.concatenate(([0.0], np.cumsum(np.sort(graph.weight)[::-1])))[inside]
    phi = np.full(num_levels, math.nan)
    # Both sums run over the same weights where a club holds the strongest ones, but in another order.
    return np.minimum(np.divide(top, bottom, out=phi, where=bottom > 0), 1)


def _above(degree: np.ndarray, weight: np.ndarray | None, num_levels: int) -> np.ndarray:
    """Return how many (or how much weight) of what has a degree have one above 0, 1, .., shape ``(num_levels,)``."""
    at_degree = np.bincount(np.minimum(degree, num_levels), weights=weight, minlength=num_levels + 1)
    return np.cumsum(at_degree[:0:-1])[::-1].copy()  # torch reads no array backwards
