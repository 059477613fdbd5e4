"""Whether learned weights say where the anatomical edges are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcortex._checks import check_choice, check_count
from graphcortex._random import as_seed
from graphcortex._ties import rank
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._pairs import EdgeLookup
from graphcortex.metrics._permutation import PermutationResult, compared, permuted_values

PERMUTED = ("neurons", "pairs")

_MOST_HYPERGEOMETRIC = 10**9  # NumPy draws no more


@dataclass(frozen=True, eq=False, kw_only=True)
class AnatomyAUC(PermutationResult):
    """The area under the ROC curve of learned weights as predictors of anatomical edges.

    Attributes:
        num_pairs: Number of pairs that were judged.
        num_anatomical: How many of them are anatomical edges.
    """

    num_pairs: int
    num_anatomical: int


def anatomy_auc(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    anatomical_edge_index: EdgeIndex,
    *,
    candidates: EdgeIndex | None = None,
    null: str | None = None,
    directed: bool = True,
    threshold: float = 0.0,
    num_permutations: int = 1000,
    rng: RandomSource = 0,
) -> AnatomyAUC:
    r"""Compute how well the sizes of learned weights tell anatomical edges from other pairs.

    .. math::
        \text{AUC} = P(|w_+| > |w_-|) + \tfrac12 P(|w_+| = |w_-|) = \frac{\sum_{+} r - n_+ (n_+ + 1) / 2}{n_+ n_-},

    for a random anatomical edge (+) and a random other pair (-), where :math:`r` are the ranks of the sizes among all pairs, ties
    sharing their mean: the Mann-Whitney statistic. It lies in [0, 1]; 1/2 is chance. A pair without a learned edge counts as a
    weight of 0. All :math:`N (N - 1)` pairs are judged, though only those with an edge are ever written down; or the
    candidates alone, such as the pairs that a network was free to learn.

    The test permutes the neurons of the anatomy, so that hubs stay hubs (``null="neurons"``); or which of the pairs are
    anatomical, as if pairs were independent (``"pairs"``), the one there is for candidates.

    Args:
        edge_index: Source (row 0) and target (row 1) of each learned edge, shape ``(2, E)``. Repeated edges are summed,
            self-connections do not count.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons.
        anatomical_edge_index: Anatomical edges, shape ``(2, A)``.
        candidates: The pairs to judge, shape ``(2, C)``, each counted once; None for all pairs.
        null: ``"neurons"`` or ``"pairs"``; None takes the first for all pairs, and the second for candidates.
        directed: Whether edges and pairs keep their direction.
        threshold: Learned edges that are not above it in size count as weights of 0, in the unit of the weights.
        num_permutations: Permutations of the test.
        rng: A generator, or an int seed.

    Returns:
        The area and its test. NaN, with the reason, if no pair, or every pair, is an anatomical edge.

    Raises:
        ValueError: If the arguments do not describe graphs, a weight is not finite, or an option is out of range.

    References:
        Mann & Whitney (1947). On a test of whether one of two random variables is stochastically larger than the other. Ann.
        Math. Stat. 18. https://doi.org/10.1214/aoms/1177730491

        Hanley & McNeil (1982). The meaning and use of the area under a receiver operating characteristic (ROC) curve. Radiology
        143. https://doi.org/10.1148/radiology.143.1.7063747

    Example:
        >>> import torch
        >>> learned = torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.tensor([3.0, -2.0, 1.0])
        >>> anatomy_auc(*learned, 3, torch.tensor([[0, 2], [1, 0]]), num_permutations=9).value  # of 6 pairs 3 have no weight
        0.875
    """
    check_count(num_permutations, "num_permutations")
    learned = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    anatomy = simple_graph(anatomical_edge_index, None, num_nodes, directed=directed)
    null = check_choice(null or ("neurons" if candidates is None else "pairs"), "null", PERMUTED)
    if candidates is not None and null == "neurons":
        raise ValueError(
            "null must be 'pairs' where candidates are given, as they do not go with permuted neurons; got 'neurons'."
        )
    seed = as_seed(rng)
    generator = np.random.default_rng(seed)
    find = EdgeLookup(learned)
    if candidates is None:
        num_pairs = num_nodes * (num_nodes - 1) // (1 if directed else 2)
        edge, places = np.arange(learned.num_edges), find(anatomy.source, anatomy.target)
    else:
        judged = simple_graph(candidates, None, num_nodes, directed=directed)
        num_pairs = judged.num_edges
        edge = find(judged.source, judged.target)
        anatomical = EdgeLookup(anatomy)(judged.source, judged.target) >= 0
        edge, places = edge[edge >= 0], edge[anatomical]
    positives = places.size
    done: dict[str, Any] = {"num_pairs": num_pairs, "num_anatomical": positives, "threshold": threshold}
    if positives in (0, num_pairs):
        reason = "no pair is an anatomical edge" if positives == 0 else "every pair is an anatomical edge"
        return AnatomyAUC(value=math.nan, reason=reason, **done)
    ranks = _excess_ranks(learned, edge, num_pairs)
    # What the ranks of the anatomical pairs sum to if none has a learned edge; those that have one add their excess.
    none_learned = positives * (num_pairs - edge.size + 1) / 2

    def area(excess: Any) -> Any:
        return (none_learned + excess - positives * (positives + 1) / 2) / (positives * (num_pairs - positives))

    value = float(area(ranks[places].sum()))
    if null == "neurons":

        def relabelled(block: np.ndarray) -> np.ndarray:
            return area(ranks[find(block[:, anatomy.source], block[:, anatomy.target])].sum(-1))

        shuffled = permuted_values(relabelled, generator, num_nodes, num_permutations, positives)
    else:
        of_edges = ranks[edge]
        sums = [_draw(of_edges, num_pairs, positives, generator).sum() for _ in range(num_permutations)]
        shuffled = area(np.array(sums))
    return AnatomyAUC(value=value, **done, **compared(value, shuffled, null, seed))


def _excess_ranks(learned: SimpleGraph, edge: np.ndarray, num_pairs: int) -> np.ndarray:
    """Return by how much the rank of each learned edge exceeds that of a pair without one; the last entry, for -1, is 0.

    Pairs without an edge tie below all others: ``edge``, those among the pairs that are judged, have the ranks above.
    """
    excess = np.zeros(learned.num_edges + 1)
    weight = np.ones(edge.size) if learned.weight is None else learned.weight[edge]
    unlearned = num_pairs - edge.size
    excess[edge] = rank(weight) + unlearned - (unlearned + 1) / 2
    return excess


def _draw(of_edges: np.ndarray, num_pairs: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw ``count`` of all pairs, and return the ranks of those that have an edge; no array of all pairs is made."""
    if num_pairs < _MOST_HYPERGEOMETRIC:
        with_edge = int(generator.hypergeometric(of_edges.size, num_pairs - of_edges.size, count))
        return generator.choice(of_edges, with_edge, replace=False, shuffle=False)
    drawn = generator.choice(num_pairs, count, replace=False, shuffle=False)
    return of_edges[drawn[drawn < of_edges.size]]
