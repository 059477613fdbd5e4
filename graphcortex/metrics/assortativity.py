"""Assortativity: whether neurons link to neurons like themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from graphcortex._checks import check_choice, check_finite
from graphcortex._ties import ROUNDING
from graphcortex._typing import EdgeIndex, EdgeValues, NodeValues
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._result import Result
from graphcortex.metrics.ensemble import Nulls, as_nulls

BY = ("degree", "strength", "attribute", "category")
_DIRECTIONS = ("out", "in")


@dataclass(frozen=True, eq=False, kw_only=True)
class Assortativity(Result):
    """The assortativity of a graph.

    Attributes:
        num_pairs: Number of linked pairs; of edges, where the graph is directed.
        by: What is compared at both ends of an edge.
        ends: Which degree or strength is looked at, at the source and at the target; empty where there is no choice.
        weighted: Whether an edge counts by its weight.
    """

    num_pairs: int
    by: str = "degree"
    ends: tuple[str, ...] = ()
    weighted: bool = False


def assortativity(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    by: str = "degree",
    attribute: NodeValues | None = None,
    directed: bool = False,
    ends: Sequence[str] = ("out", "in"),
    weighted: bool = False,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
) -> Assortativity:
    r"""Compute how alike both ends of an edge are.

    By degree, strength or a numeric attribute it is Pearson's correlation over the edges of the value :math:`x` at the source
    and the value :math:`y` at the target,

    .. math::
        r = \frac{\sum_e p_e (x_e - \bar x)(y_e - \bar y)}
                 {\sqrt{\sum_e p_e (x_e - \bar x)^2 \sum_e p_e (y_e - \bar y)^2}}, \qquad \bar x = \sum_e p_e x_e,

    where every edge has the same part :math:`p_e = 1 / M` in it, or :math:`p_e = w_e / \sum w` where ``weighted``. An
    undirected graph has each edge in both directions. By category, with :math:`e_{cd}` the summed part of the edges from
    category :math:`c` to :math:`d`, :math:`a_c = \sum_d e_{cd}` and :math:`b_d = \sum_c e_{cd}`, it is

    .. math:: r = \frac{\sum_c e_{cc} - \sum_c a_c b_c}{1 - \sum_c a_c b_c}.

    Both lie in :math:`[-1, 1]`: 1 where each neuron links to its like alone; -1 for the degrees of a star. By category,
    the least possible value is above -1 unless there are two categories of equal part.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, which says where there is none (0), and is used in full for
            ``by="strength"`` and for ``weighted``; None for an unweighted graph.
        num_nodes: Number of neurons.
        by: What is compared: ``"degree"``, ``"strength"`` (summed :math:`|w|`), a numeric ``"attribute"`` or a
            ``"category"``.
        attribute: Value of each neuron, shape ``(N,)``: finite numbers for ``"attribute"``, in any unit; integer codes for
            ``"category"``. None otherwise.
        directed: Whether edges keep their direction.
        ends: In a directed graph, which degree or strength is taken at the source, and which at the target: each ``"out"``
            or ``"in"``.
        weighted: Whether an edge counts by its weight rather than as one. The strengths of ``by="strength"`` are sums of
            weights either way.
        threshold: Edges that are not above it in size are no edges; at least 0, in the unit of the weights.
        null: Random graphs to compare with. The attribute stays with its neuron.

    Returns:
        The assortativity. NaN, with the reason, if no edge joins two neurons, or the ends of edges do not differ.

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range; or if there is an ``attribute`` where
            none is used, or none where one is needed.

    References:
        Newman (2002). Assortative mixing in networks. Phys. Rev. Lett. 89.
        https://doi.org/10.1103/PhysRevLett.89.208701

        Newman (2003). Mixing patterns in networks. Phys. Rev. E 67. https://doi.org/10.1103/PhysRevE.67.026126

        Foster, Foster, Grassberger & Paczuski (2010). Edge direction and the structure of networks. PNAS 107.
        https://doi.org/10.1073/pnas.0912671107

        Leung & Chau (2007). Weighted assortative and disassortative networks model. Physica A 378.
        https://doi.org/10.1016/j.physa.2006.12.022

    Example:
        >>> star = torch.tensor([[0, 0, 0], [1, 2, 3]])
        >>> assortativity(star, None, num_nodes=4).value
        -1.0
        >>> layer = torch.tensor([4, 4, 5, 5])
        >>> assortativity(torch.tensor([[0, 2], [1, 3]]), None, 4, by="category", attribute=layer).value
        1.0
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    return assortativity_of(
        graph, by=by, attribute=attribute, ends=ends, weighted=weighted, threshold=threshold, null=null
    )


def assortativity_of(
    graph: SimpleGraph,
    *,
    by: str = "degree",
    attribute: NodeValues | None = None,
    ends: Sequence[str] = ("out", "in"),
    weighted: bool = False,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
) -> Assortativity:
    """Compute the assortativity of a simple graph; see :func:`assortativity`."""
    check_choice(by, "by", BY)
    values = _check_attribute(attribute, by, graph.num_nodes)
    if isinstance(ends, str) or len(ends) != 2 or not set(ends) <= set(_DIRECTIONS):
        raise ValueError(f"ends must name the degrees of source and target, each 'out' or 'in'; got {ends!r}.")
    nulls = as_nulls(null)
    if not weighted and by != "strength":
        graph = graph.unweighted()
    choice = tuple(ends) if graph.directed and values is None else ()
    value, reason = _value_and_reason(graph, by, values, choice, weighted)
    fields = {}
    if nulls is not None and not reason:
        statistic = partial(_value, by=by, attribute=values, ends=choice, weighted=weighted)
        fields = nulls.distribution(statistic, graph).fields()
    return Assortativity(
        value=value,
        reason=reason,
        threshold=threshold,
        num_pairs=graph.num_edges,
        by=by,
        ends=choice,
        weighted=weighted,
        **fields,
    )


def _check_attribute(attribute: NodeValues | None, by: str, num_nodes: int) -> np.ndarray | None:
    if by in ("degree", "strength"):
        if attribute is not None:
            raise ValueError(f"attribute must be None where by is {by!r}, got one; choose 'attribute' or 'category'.")
        return None
    kind = "integer codes" if by == "category" else "numbers"
    if not isinstance(attribute, torch.Tensor) or attribute.shape != (num_nodes,) or attribute.is_complex():
        got = tuple(attribute.shape) if isinstance(attribute, torch.Tensor) else type(attribute).__name__
        raise ValueError(f"attribute must be a tensor of {kind}, one per neuron, of shape ({num_nodes},); got {got}.")
    if by == "category":
        if attribute.is_floating_point():
            raise ValueError(f"attribute must be integer codes of categories, got {attribute.dtype}.")
        return np.unique(attribute.cpu().numpy(), return_inverse=True)[1]
    number = attribute.detach().double().cpu()
    check_finite(number, "attribute")
    return number.numpy()


def _value(
    graph: SimpleGraph, *, by: str, attribute: np.ndarray | None, ends: tuple[str, ...], weighted: bool
) -> float:
    return _value_and_reason(graph, by, attribute, ends, weighted)[0]


def _value_and_reason(
    graph: SimpleGraph, by: str, attribute: np.ndarray | None, ends: tuple[str, ...], weighted: bool
) -> tuple[float, str]:
    if graph.num_edges == 0:
        return math.nan, "no edge joins two neurons"
    part = graph.weight / graph.weight.max() if weighted and graph.weight is not None else np.ones(graph.num_edges)
    part = part / part.sum()
    if by == "category":
        return _by_category(graph, attribute, part)
    at_source, at_target = ends or ("", "")
    x = _per_neuron(graph, by, attribute, at_source)[graph.source]
    y = _per_neuron(graph, by, attribute, at_target)[graph.target]
    if not graph.directed:
        x, y, part = np.concatenate((x, y)), np.concatenate((y, x)), np.concatenate((part, part)) / 2
    for side, end, whose in ((x, at_source, "sources"), (y, at_target, "targets")):
        if np.ptp(side) <= ROUNDING * np.abs(side).max():
            whose = f"all {whose} of edges" if graph.directed else "all linked neurons"
            return math.nan, f"{whose} have {end}{'-' if end else ''}{by} {side[0]:.6g}"
    return _correlation(x, y, part), ""


def _per_neuron(graph: SimpleGraph, by: str, attribute: np.ndarray | None, end: str) -> np.ndarray:
    if attribute is not None:
        return attribute
    return getattr(graph, f"{end}_{by}" if end else by)


def _correlation(x: np.ndarray, y: np.ndarray, part: np.ndarray) -> float:
    """Return Pearson's correlation, where the parts of the pairs sum to 1."""
    x, y = ((side - part @ side) / np.ptp(side) for side in (x, y))
    r = part @ (x * y) / math.sqrt((part @ (x * x)) * (part @ (y * y)))
    return float(np.clip(r, -1, 1))  # rounding alone takes it beyond


def _by_category(graph: SimpleGraph, code: np.ndarray, part: np.ndarray) -> tuple[float, str]:
    x, y = code[graph.source], code[graph.target]
    if (x == x[0]).all() and (y == x[0]).all():
        return math.nan, "all linked neurons are of one category"
    count = int(code.max()) + 1
    a = np.bincount(x, weights=part, minlength=count)
    b = np.bincount(y, weights=part, minlength=count)
    if not graph.directed:
        a = b = (a + b) / 2
    expected = float(a @ b)
    if expected >= 1:  # the other categories have no part left, to rounding
        return math.nan, "all linked neurons are of one category, but for weights of no size"
    within = float(part[x == y].sum())
    return (within - expected) / (1 - expected), ""
