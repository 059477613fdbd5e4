"""Whether the lengths of edges are distributed as those of all pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from graphcortex._checks import check_count
from graphcortex._random import as_seed
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._pairs import pair_lengths
from graphcortex.metrics._permutation import PermutationResult, compared, permuted_values

_ALL_PAIRS_UP_TO = 1000  # neurons
_SAMPLED_PAIRS = 4_000_000
_BINS = 10_000


@dataclass(frozen=True, eq=False, kw_only=True)
class LengthDistribution(PermutationResult):
    """The Wasserstein distance of the lengths of edges from those of all pairs, in um, held against shuffled positions.

    Attributes:
        ks: The Kolmogorov-Smirnov distance of the two, without unit, in [0, 1], with its own test over the same permutations.
        mean_of_edges: Mean length of the edges, in um.
        mean_of_pairs: Mean distance of all pairs, in um.
        method: ``"all_pairs"`` (exact), or ``"sampled"`` (binned, against a sample of the pairs).
        resolution: Width of a bin in um; 0 where nothing was binned.
    """

    ks: PermutationResult
    mean_of_edges: float
    mean_of_pairs: float
    resolution: float = 0.0


def length_distribution(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    pos: torch.Tensor,
    *,
    directed: bool = True,
    threshold: float = 0.0,
    num_permutations: int = 1000,
    rng: RandomSource = 0,
) -> LengthDistribution:
    r"""Compare the distribution of the lengths of edges with that of the distances of all pairs of neurons.

    .. math::
        W_1 = \int_0^\infty |F(x) - G(x)| \, dx, \qquad D = \max_x |F(x) - G(x)|,

    with the cumulative distributions :math:`F` of the lengths of edges and :math:`G` of the distances of all pairs. Both are at
    least 0, and 0 where the two are alike; neither is 0 for a finite sample. The test permutes the positions over the
    neurons, which says how large they are by chance.

    Up to 1,000 neurons both are exact. Above, :math:`G` is that of four million random pairs, and lengths are counted in 10,000
    bins: :math:`W_1` is right to the width of one, a ten-thousandth of the tissue's diagonal.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repetition and self-connections do not
            count.
        edge_weight: Weight of each edge, shape ``(E,)``, which says where there is none; None for an unweighted graph.
        num_nodes: Number of neurons.
        pos: Position of each neuron in um, shape ``(N, 3)``.
        directed: Whether two directions of a pair are two edges.
        threshold: Edges that are not above it in size are no edges, in the unit of the weights.
        num_permutations: Permutations of the test.
        rng: A generator, or an int seed.

    Returns:
        The Wasserstein distance in um and the Kolmogorov-Smirnov distance, each with its test. NaN, with the reason, if no edge
        joins two neurons.

    Raises:
        ValueError: If the arguments do not describe one graph with positions, a weight or position is not finite, or an option
            is out of range.

    References:
        Ercsey-Ravasz et al. (2013). A predictive network model of cerebral cortical connectivity based on a distance rule.
        Neuron 80. https://doi.org/10.1016/j.neuron.2013.07.036

        Villani (2003). Topics in Optimal Transportation, section 2.2. https://doi.org/10.1090/gsm/058

    Example:
        >>> pos = torch.arange(3.0)[:, None] * torch.tensor([10.0, 0.0, 0.0])
        >>> chain = torch.tensor([[0, 1], [1, 2]])
        >>> found = length_distribution(chain, None, 3, pos, num_permutations=9)
        >>> round(found.value, 3), round(found.ks.value, 3)  # lengths 10 and 10; distances 10, 10 and 20
        (3.333, 0.333)
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold, pos=pos)
    return length_distribution_of(graph, threshold=threshold, num_permutations=num_permutations, rng=rng)


def length_distribution_of(
    graph: SimpleGraph, *, threshold: float = 0.0, num_permutations: int = 1000, rng: RandomSource = 0
) -> LengthDistribution:
    """Compare the lengths of a graph that is simple already, and has positions."""
    check_count(num_permutations, "num_permutations")
    if graph.num_edges == 0:
        empty: dict[str, Any] = {"value": math.nan, "reason": "no edge joins two neurons", "threshold": threshold}
        ks = PermutationResult(**empty)
        return LengthDistribution(ks=ks, mean_of_edges=math.nan, mean_of_pairs=math.nan, **empty)
    seed = as_seed(rng)
    generator = np.random.default_rng(seed)
    exact = graph.num_nodes <= _ALL_PAIRS_UP_TO
    # Lengths are counted at the points where G steps. Among all pairs, every edge is at one of these under any permutation.
    rank, points, pairs, resolution = _ranked_pairs(graph.pos) if exact else _binned_pairs(graph.pos, generator)
    G = np.cumsum(pairs) / pairs.sum()
    gaps = np.append(np.diff(points), 0.0)

    def distances(block: np.ndarray) -> np.ndarray:
        found = np.empty((len(block), 2))
        for row, places in zip(found, block, strict=True):
            at = rank(places, graph.source, graph.target)
            F = np.cumsum(np.bincount(at, minlength=points.size)) / graph.num_edges
            difference = np.abs(F - G)
            row[:] = difference @ gaps, difference.max()
        return found

    (value, ks_value), *_ = distances(np.arange(graph.num_nodes)[None])
    shuffled = permuted_values(distances, generator, graph.num_nodes, num_permutations, cost=graph.num_nodes)
    done: dict[str, Any] = {"method": "all_pairs" if exact else "sampled", "threshold": threshold}
    ks = PermutationResult(
        value=float(ks_value), **done, **compared(float(ks_value), shuffled[:, 1], "positions", seed)
    )
    return LengthDistribution(
        value=float(value),
        ks=ks,
        mean_of_edges=float(pair_lengths(graph.pos, graph.source, graph.target).mean()),
        mean_of_pairs=float(pairs @ points / pairs.sum()),
        resolution=resolution,
        **done,
        **compared(float(value), shuffled[:, 0], "positions", seed),
    )


def _ranked_pairs(pos: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, float]:
    """Return the distinct distances of all pairs in ascending order, how many pairs have each, and who looks up a pair's."""
    N = len(pos)
    first, second = np.triu_indices(N, 1)
    points, rank, counts = np.unique(pair_lengths(pos, first, second), return_inverse=True, return_counts=True)
    table = np.zeros((N, N), dtype=np.int32)
    table[first, second] = table[second, first] = rank
    return lambda places, source, target: table[places[source], places[target]], points, counts, 0.0


def _binned_pairs(pos: np.ndarray, generator: np.random.Generator) -> tuple[Any, np.ndarray, np.ndarray, float]:
    """Return the middles of bins, how many of a sample of pairs lie in each, who looks up a pair's bin, and their width."""
    N = len(pos)
    width = float(np.linalg.norm(np.ptp(pos, axis=0))) / _BINS
    per_um = 1 / width if width > 0 else 0.0

    def rank(places: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        at = (pair_lengths(pos[places], source, target) * per_um).astype(np.int64)
        return np.minimum(at, _BINS - 1, out=at)

    first = generator.integers(N, size=_SAMPLED_PAIRS)
    second = (first + generator.integers(1, N, size=_SAMPLED_PAIRS)) % N
    counts = np.bincount(rank(np.arange(N), first, second), minlength=_BINS)
    return rank, (np.arange(_BINS) + 0.5) * width, counts, width
