"""Whether long edges are weaker."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from graphcortex._checks import check_count
from graphcortex._random import as_seed
from graphcortex._ties import ROUNDING, merge_ties, rank
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._pairs import pair_lengths
from graphcortex.metrics._permutation import PermutationResult, compared, permuted_values


@dataclass(frozen=True, eq=False, kw_only=True)
class WeightLengthCorrelation(PermutationResult):
    """The rank correlation of weight and length, held against shuffled weights.

    Attributes:
        pearson: The correlation of the numbers themselves, with its own test over the same permutations.
        num_edges: Number of edges.
    """

    pearson: PermutationResult
    num_edges: int


def weight_length_correlation(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    pos: torch.Tensor,
    *,
    directed: bool = True,
    threshold: float = 0.0,
    num_permutations: int = 1000,
    rng: RandomSource = 0,
) -> WeightLengthCorrelation:
    r"""Correlate the size of the weights with the length of their edges, by Spearman and by Pearson.

    .. math::
        \rho = \operatorname{corr} \left( \operatorname{rank} |w_e|, \operatorname{rank} d_e \right), \qquad
        r = \operatorname{corr} \left( |w_e|, d_e \right), \qquad d_e = \lVert x_{i_e} - x_{j_e} \rVert_2,

    over the edges, with the mean rank of ties. Both lie in :math:`[-1, 1]`, are negative where long edges are weak, and do not
    change when weights or lengths are scaled. The test permutes the weights over the edges: the graph stays.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed, self-connections
            do not count.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons.
        pos: Position of each neuron in um, shape ``(N, 3)``.
        directed: Whether two directions of a pair are two edges.
        threshold: Edges that are not above it in size are no edges, in the unit of the weights.
        num_permutations: Permutations of the test.
        rng: A generator, or an int seed.

    Returns:
        Spearman's correlation and Pearson's, each with its test. NaN, with the reason, where all weights or all lengths are
        equal, or fewer than two edges are there.

    Raises:
        ValueError: If the arguments do not describe one graph with positions, a weight or position is not finite, or an option
            is out of range.

    References:
        Spearman (1904). The proof and measurement of association between two things. Am. J. Psychol. 15.
        https://doi.org/10.2307/1412159

        Achterberg et al. (2023). Spatially embedded recurrent neural networks reveal widespread links between structural and
        functional neuroscience findings. Nat. Mach. Intell. 5. https://doi.org/10.1038/s42256-023-00748-9

    Example:
        >>> pos = torch.arange(4.0)[:, None] * torch.tensor([10.0, 0.0, 0.0])
        >>> edge_index, weight = torch.tensor([[0, 0, 0], [1, 2, 3]]), torch.tensor([3.0, -2.0, 0.1])
        >>> round(weight_length_correlation(edge_index, weight, 4, pos, num_permutations=9).value, 6)
        -1.0
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold, pos=pos)
    return weight_length_correlation_of(graph, threshold=threshold, num_permutations=num_permutations, rng=rng)


def weight_length_correlation_of(
    graph: SimpleGraph, *, threshold: float = 0.0, num_permutations: int = 1000, rng: RandomSource = 0
) -> WeightLengthCorrelation:
    """Correlate weights and lengths of a graph that is simple already, and has positions."""
    check_count(num_permutations, "num_permutations")
    length = pair_lengths(graph.pos, graph.source, graph.target)
    reason = no_correlation(graph.weight, length, "lengths")
    if reason:
        missing: dict[str, Any] = {"value": math.nan, "reason": reason, "threshold": threshold}
        return WeightLengthCorrelation(pearson=PermutationResult(**missing), num_edges=graph.num_edges, **missing)
    seed = as_seed(rng)
    of_ranks = standardize(rank(graph.weight)), standardize(rank(length, ROUNDING * np.abs(graph.pos).max()))
    of_numbers = standardize(graph.weight), standardize(length)

    def correlations(block: np.ndarray) -> np.ndarray:
        return np.stack([weight.take(block) @ other for weight, other in (of_ranks, of_numbers)], axis=1)

    spearman, pearson = (float(np.clip(weight @ other, -1, 1)) for weight, other in (of_ranks, of_numbers))
    shuffled = permuted_values(
        correlations, np.random.default_rng(seed), graph.num_edges, num_permutations, cost=graph.num_edges
    )
    return WeightLengthCorrelation(
        value=spearman,
        pearson=PermutationResult(
            value=pearson, threshold=threshold, **compared(pearson, shuffled[:, 1], "weights", seed)
        ),
        num_edges=graph.num_edges,
        threshold=threshold,
        **compared(spearman, shuffled[:, 0], "weights", seed),
    )


def no_correlation(weight: np.ndarray | None, other: np.ndarray, name: str) -> str:
    """Return why the weights do not correlate with something else; empty where they do."""
    if other.size < 2:
        return f"there are {other.size} edges, and a correlation needs two"
    if weight is None or np.ptp(merge_ties(weight)) == 0:
        return "all weights are equal"
    if np.ptp(other) <= ROUNDING * np.abs(other).max():
        return f"all {name} are equal"
    return ""


def standardize(numbers: np.ndarray) -> np.ndarray:
    """Return numbers of mean 0 and norm 1 in the last axis; zeros where all are equal."""
    scale = np.abs(numbers).max(axis=-1, keepdims=True)
    centered = numbers / np.where(scale > 0, scale, 1.0)
    centered = centered - centered.mean(axis=-1, keepdims=True)
    norm = np.linalg.norm(centered, axis=-1, keepdims=True)
    return np.where(norm > 1e-14, centered, 0.0) / np.where(norm > 1e-14, norm, 1.0)
