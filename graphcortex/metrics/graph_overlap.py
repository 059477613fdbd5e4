"""Overlap: how much of one graph is in another over the same neurons, such as what was learned and where it began."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from graphcortex._checks import check_count, check_number
from graphcortex._random import as_seed
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._pairs import EdgeLookup
from graphcortex.metrics._permutation import PermutationResult, compared, permuted_values
from graphcortex.metrics.ensemble import Nulls, as_nulls
from graphcortex.metrics.weight_length import no_correlation, standardize


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphOverlap(PermutationResult):
    """The Jaccard index of the edges of two graphs, held against relabelled or rewired ones.

    Attributes:
        num_shared: Number of edges that both graphs have.
        share_of_first: Share of the edges of the first graph that the second has.
        share_of_second: Share of the edges of the second graph that the first has.
        weight_correlation: Pearson's correlation of the sizes of both weights over the shared edges, tested by permuting the
            weights over them.
    """

    num_shared: int
    share_of_first: float
    share_of_second: float
    weight_correlation: PermutationResult


def graph_overlap(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    other_edge_index: EdgeIndex,
    other_edge_weight: EdgeValues | None = None,
    *,
    directed: bool = True,
    threshold: float = 0.0,
    other_threshold: float | None = None,
    null: str | Nulls = "relabelling",
    num_permutations: int = 1000,
    rng: RandomSource = 0,
) -> GraphOverlap:
    r"""Compare the edges, and the weights of the edges they share, of two graphs over the same neurons.

    .. math:: J = \frac{|A \cap B|}{|A \cup B|} \in [0, 1]

    of the edges :math:`A` and :math:`B`; 1 where they are the same, 0 where none is shared. It is symmetric. The test asks whether
    the graphs overlap more than graphs of their kind: ``"relabelling"`` permutes the neurons of the second graph, and keeps all
    of it but which neuron is which; a null model such as ``"degree"`` draws second graphs that keep its degrees, neuron by
    neuron, and so asks for overlap beyond shared hubs.

    Two networks that share a mask overlap fully: a threshold shows whether their strong edges are the same, and the correlation
    of weights how far they have come.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge of the first graph, shape ``(2, E)``. Repeated edges are summed,
            self-connections do not count.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons of both graphs.
        other_edge_index: Edges of the second graph, shape ``(2, E')``.
        other_edge_weight: Its weights, shape ``(E',)``, or None.
        directed: Whether edges keep their direction.
        threshold: Edges of the first graph that are not above it in size are no edges, in the unit of the weights.
        other_threshold: The same for the second graph; None takes that of the first.
        null: ``"relabelling"``, the name of a null model, or :class:`~graphcortex.metrics.ensemble.Nulls`.
        num_permutations: Permutations, or random graphs of a null model that is named.
        rng: A generator, or an int seed.

    Returns:
        The overlap and its test. NaN, with the reason, if neither graph has an edge.

    Raises:
        ValueError: If the arguments do not describe two graphs, a weight is not finite, or an option is out of range.

    References:
        Jaccard (1912). The distribution of the flora in the alpine zone. New Phytol. 11.
        https://doi.org/10.1111/j.1469-8137.1912.tb05611.x

        Krackhardt (1988). Predicting with networks: nonparametric multiple regression analysis of dyadic data. Soc. Netw. 10.
        https://doi.org/10.1016/0378-8733(88)90004-4

    Example:
        >>> import torch
        >>> ring = torch.stack((torch.arange(9), (torch.arange(9) + 1) % 9))
        >>> found = graph_overlap(ring, None, 9, ring[:, :6], num_permutations=99)
        >>> round(found.value, 3), found.num_shared, found.p_value
        (0.667, 6, 0.01)
    """
    check_count(num_permutations, "num_permutations")
    other_threshold = (
        threshold if other_threshold is None else check_number(other_threshold, "other_threshold", minimum=0)
    )
    first = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    second = simple_graph(other_edge_index, other_edge_weight, num_nodes, directed=directed, threshold=other_threshold)
    nulls = None if null == "relabelling" else as_nulls(null)
    seed = as_seed(rng)
    find = EdgeLookup(first)
    place = find(second.source, second.target)
    shared = int(np.count_nonzero(place >= 0))
    done: dict[str, Any] = {
        "num_shared": shared,
        "share_of_first": shared / first.num_edges if first.num_edges else math.nan,
        "share_of_second": shared / second.num_edges if second.num_edges else math.nan,
        "weight_correlation": _weights(first, second, place, num_permutations, seed),
        "threshold": threshold,
    }
    if first.num_edges + second.num_edges == 0:
        return GraphOverlap(value=math.nan, reason="neither graph has an edge between two neurons", **done)
    value = float(_jaccard(shared, first.num_edges, second.num_edges))
    if nulls is None:

        def relabelled(block: np.ndarray) -> np.ndarray:
            found = (find(block[:, second.source], block[:, second.target]) >= 0).sum(-1)
            return _jaccard(found, first.num_edges, second.num_edges)

        generator = np.random.default_rng(seed)
        shuffled = permuted_values(relabelled, generator, num_nodes, num_permutations, second.num_edges)
        return GraphOverlap(value=value, **done, **compared(value, shuffled, "relabelling", seed))
    if not isinstance(null, Nulls):
        nulls = Nulls(nulls.model, num=num_permutations, rng=seed)
    drawn = nulls.distribution(partial(overlap_of, first), second)
    return GraphOverlap(value=value, **done, **compared(value, drawn.values[:, 0], drawn.null, drawn.seed))


def overlap_of(first: SimpleGraph, second: SimpleGraph) -> float:
    """Return the Jaccard index of the edges of two simple graphs over the same neurons, of which one has edges."""
    shared = np.count_nonzero(EdgeLookup(first)(second.source, second.target) >= 0)
    return float(_jaccard(shared, first.num_edges, second.num_edges))


def _jaccard(shared: Any, first: int, second: int) -> Any:
    return shared / (first + second - shared)


def _weights(
    first: SimpleGraph, second: SimpleGraph, place: np.ndarray, num_permutations: int, seed: int
) -> PermutationResult:
    """Correlate the weights of shared edges; ``place`` is the edge of the first graph for each of the second, or -1."""
    reason = "a graph has no weights" if first.weight is None or second.weight is None else ""
    if not reason:
        mine, theirs = first.weight[place[place >= 0]], second.weight[place >= 0]
        reason = no_correlation(mine, theirs, "weights of the second graph")
    if reason:
        return PermutationResult(value=math.nan, reason=reason)
    a, b = standardize(mine), standardize(theirs)
    value = float(np.clip(a @ b, -1, 1))
    shuffled = permuted_values(
        lambda block: a.take(block) @ b, np.random.default_rng(seed), a.size, num_permutations, a.size
    )
    return PermutationResult(value=value, **compared(value, shuffled, "weights", seed))
