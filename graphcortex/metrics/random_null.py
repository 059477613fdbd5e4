"""Clustering and efficiency of the random graphs that the study's small-worldness is measured against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from graphcortex._checks import check_count, check_number
from graphcortex._random import as_generator, draw_seed, numpy_generator
from graphcortex._typing import RandomSource

_BATCH_ENTRIES = 2**17
"""Entries of a batch of matrices: small enough to stay in cache, and one graph at a time above 362 neurons."""

_GATHER_ENTRIES = 2**24
"""Entries that one look at pairs far apart may gather: bounds the memory."""


@dataclass(frozen=True)
class NullStatistics:
    """Clustering and efficiency over an ensemble of random graphs.

    Attributes:
        clustering: Mean over the graphs of the mean local clustering.
        clustering_sd: Its standard deviation over the graphs (``num_nulls`` in the denominator).
        efficiency: Mean over the graphs of the global efficiency.
        efficiency_sd: Its standard deviation over the graphs.
        num_nodes: Neurons of each graph.
        num_nulls: Number of graphs.
        threshold: What the mean of two uniform numbers must exceed for an edge.
        seed: The seed of the ensemble.
    """

    clustering: float
    clustering_sd: float
    efficiency: float
    efficiency_sd: float
    num_nodes: int
    num_nulls: int
    threshold: float
    seed: int


def random_null_statistics(
    num_nodes: int, *, num_nulls: int = 1000, threshold: float = 0.7, rng: RandomSource = 0
) -> NullStatistics:
    r"""Compute clustering and efficiency of symmetric random graphs with self-loops.

    The graphs are :math:`A = [(U + U^\top) / 2 > \theta]` with :math:`U` uniform on [0, 1], so that two neurons are
    linked with probability :math:`2 (1 - \theta)^2` for :math:`\theta \ge 1/2` (.18 at .7), and each neuron with
    itself with probability :math:`1 - \theta`. Self-loops stay in, and count in the clustering as they do in
    ``bct.clustering_coef_bu``:

    .. math:: C_u = \frac{(A^3)_{uu}}{k_u^2 - k_u}, \qquad k_u = \sum_v A_{uv}, \qquad C_u = 0 \text{ if } k_u < 2,

    so that a neuron with a self-loop is among its own neighbours. At 312 neurons this raises the mean from .180 to
    .194. The efficiency, the mean of :math:`1 / d_{uv}` over :math:`u \ne v`, does not depend on self-loops.

    The statistics depend on the arguments alone, not on any learned graph, and are kept: asking again with the same int
    costs nothing. (A ``torch.Generator`` gives a new seed, and so a new ensemble, each time.)

    Args:
        num_nodes: Neurons of each graph, :math:`N`. Time grows as its third power.
        num_nulls: Number of graphs.
        threshold: :math:`\theta`, in 0 to 1.
        rng: A generator, or an int seed.

    Returns:
        Means and standard deviations. For a single neuron the efficiency is NaN: there is no pair.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> null = random_null_statistics(60, num_nulls=50)
        >>> round(null.clustering, 2), round(null.efficiency, 2)
        (0.26, 0.57)
    """
    num_nodes = check_count(num_nodes, "num_nodes")
    num_nulls = check_count(num_nulls, "num_nulls")
    threshold = check_number(threshold, "threshold", minimum=0, maximum=1)
    seed = draw_seed(rng) if isinstance(rng, torch.Generator) else rng
    as_generator(seed)  # refuses what is no seed, before it becomes a key
    return _cached_statistics(num_nodes, num_nulls, threshold, int(seed))


@lru_cache(maxsize=256)
def _cached_statistics(num_nodes: int, num_nulls: int, threshold: float, seed: int) -> NullStatistics:
    batches = [_clustering_and_efficiency(graphs) for graphs in _draw(num_nodes, num_nulls, threshold, seed)]
    clustering, efficiency = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return NullStatistics(
        clustering=float(clustering.mean()),
        clustering_sd=float(clustering.std()),
        efficiency=float(efficiency.mean()),
        efficiency_sd=float(efficiency.std()),
        num_nodes=num_nodes,
        num_nulls=num_nulls,
        threshold=threshold,
        seed=seed,
    )


def _draw(num_nodes: int, num_nulls: int, threshold: float, seed: int) -> Iterator[np.ndarray]:
    """Yield the graphs in batches, bool of shape ``(b, N, N)``."""
    rng = numpy_generator(seed)
    # The chance that a mean of two uniform numbers exceeds the threshold: one draw per pair then does for two.
    density = 2 * (1 - threshold) ** 2 if threshold >= 0.5 else 1 - 2 * threshold**2
    size = max(1, _BATCH_ENTRIES // num_nodes**2)
    diagonal = np.arange(num_nodes)
    for start in range(0, num_nulls, size):
        count = min(size, num_nulls - start)
        graphs = np.triu(rng.random((count, num_nodes, num_nodes), dtype=np.float32) < density, 1)
        graphs |= graphs.transpose(0, 2, 1)
        graphs[:, diagonal, diagonal] = rng.random((count, num_nodes), dtype=np.float32) < 1 - threshold
        yield graphs


def _clustering_and_efficiency(graphs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean local clustering and the global efficiency of symmetric graphs ``(b, N, N)``, each ``(b,)``."""
    num_nodes = graphs.shape[-1]
    A = graphs.astype(np.float32)  # counts of walks stay below 2^24, where float32 is exact
    two_steps = torch.bmm(*2 * (torch.from_numpy(A),)).numpy()  # with the threads that the caller gave torch
    k = A.sum(-1)
    around = np.einsum("bij,bij->bi", two_steps, A)
    clustering = np.divide(around, k * k - k, out=np.zeros_like(k), where=k > 1).mean(-1, dtype=np.float64)
    if num_nodes == 1:
        return clustering, np.full(len(graphs), np.nan)

    diagonal = np.arange(num_nodes)
    within = (two_steps > 0) | graphs  # pairs at a distance of at most two
    within[:, diagonal, diagonal] = True
    adjacent = graphs.sum((1, 2)) - graphs[:, diagonal, diagonal].sum(1)
    at_two = within.sum((1, 2)) - num_nodes - adjacent
    total = adjacent + at_two / 2 + _beyond_two(graphs, within)
    return clustering, total / (num_nodes * (num_nodes - 1))


def _beyond_two(graphs: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Return the sum of 1 / distance over the pairs that ``within`` leaves out, per graph; ``within`` is filled in.

    Such pairs are rare in these graphs, so they are looked at one by one: v is one step further from u than some
    neighbour of v is.
    """
    total = np.zeros(len(graphs))
    graph, u, v = np.nonzero(~within)
    graph, u, v = (ends[u < v] for ends in (graph, u, v))
    rows = max(1, _GATHER_ENTRIES // graphs.shape[-1])
    distance = 3
    while graph.size:
        reached = np.empty(graph.size, dtype=bool)
        for start in range(0, graph.size, rows):
            part = slice(start, start + rows)
            np.any(within[graph[part], u[part]] & graphs[graph[part], v[part]], axis=-1, out=reached[part])
        if not reached.any():
            break
        within[graph[reached], u[reached], v[reached]] = True
        within[graph[reached], v[reached], u[reached]] = True
        total += 2 / distance * np.bincount(graph[reached], minlength=len(graphs))
        graph, u, v = graph[~reached], u[~reached], v[~reached]
        distance += 1
    return total
