"""Clustering and efficiency of the random graphs that the study's small-worldness is measured against."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch

from graphcortex._checks import check_count, check_number
from graphcortex._random import as_seed, derive_seed, numpy_generator
from graphcortex._typing import RandomSource

_BATCH_ENTRIES = 2**19
"""Entries of a batch of matrices: small enough to stay in cache, and one graph at a time above 724 neurons."""

_EXACT_IN_BFLOAT16 = 256

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
    return _cached_statistics(num_nodes, num_nulls, threshold, as_seed(rng))


@lru_cache(maxsize=256)
def _cached_statistics(num_nodes: int, num_nulls: int, threshold: float, seed: int) -> NullStatistics:
    starts = range(0, num_nulls, _batch_size(num_nodes))
    work = partial(_batch_statistics, num_nodes, num_nulls, threshold, seed)
    threads_before = torch.get_num_threads()
    threads = min(threads_before, len(starts))
    if threads == 1:
        batches = [work(start) for start in starts]
    else:
        # NumPy and PyTorch let go of the interpreter, and whole batches side by side beat threads that share one product.
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                batches = list(pool.map(work, starts))
        finally:
            torch.set_num_threads(threads_before)
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


def _batch_size(num_nodes: int) -> int:
    return max(1, _BATCH_ENTRIES // num_nodes**2)


def _batch_statistics(
    num_nodes: int, num_nulls: int, threshold: float, seed: int, start: int
) -> tuple[np.ndarray, np.ndarray]:
    return _clustering_and_efficiency(_draw(num_nodes, num_nulls, threshold, seed, start))


def _draw(num_nodes: int, num_nulls: int, threshold: float, seed: int, start: int) -> np.ndarray:
    """Return the batch of graphs that begins with number ``start``, bool of shape ``(b, N, N)``."""
    rng = numpy_generator(derive_seed("random null", seed, start))
    # The chance that a mean of two uniform numbers exceeds the threshold: one draw per pair then does for two.
    density = 2 * (1 - threshold) ** 2 if threshold >= 0.5 else 1 - 2 * threshold**2
    diagonal = np.arange(num_nodes)
    count = min(_batch_size(num_nodes), num_nulls - start)
    graphs = _draw_upper(rng, count, num_nodes, density)
    graphs |= graphs.transpose(0, 2, 1)
    graphs[:, diagonal, diagonal] = rng.random((count, num_nodes), dtype=np.float32) < 1 - threshold
    return graphs


def _draw_upper(rng: np.random.Generator, count: int, num_nodes: int, density: float) -> np.ndarray:
    """Return upper triangles whose entries are true with a chance of ``density``, bool of shape ``(count, N, N)``.

    Row i of the upper triangle and row N - 1 - i have N - 1 entries together, so half as many rows of as many draws fill it.
    """
    half = (num_nodes + 1) // 2
    drawn = _happens(rng, (count, half, num_nodes - 1), density)
    right = np.triu(np.ones((half, num_nodes - 1), dtype=bool))
    graphs = np.zeros((count, num_nodes, num_nodes), dtype=bool)
    graphs[:, :half, 1:] = drawn & right
    # What lies left of the diagonal goes, turned by half a turn, to the lower rows; the middle row of an odd N has no partner.
    lower = num_nodes // 2
    graphs[:, num_nodes - lower :, 1:] |= (drawn & ~right)[:, :lower][:, ::-1, ::-1]
    return graphs


def _happens(rng: np.random.Generator, shape: tuple[int, ...], chance: float) -> np.ndarray:
    """Return independent events of one chance, bool of a shape. 16 bits decide; a case in 65,536 stays open, and is drawn again."""
    size = math.prod(shape)
    level, rest = divmod(chance * 2**16, 1)
    bits = rng.bit_generator.random_raw(-(-size // 4)).view(np.uint16)[:size]  # a third of the time of as many floats
    happens = bits < level
    undecided = np.flatnonzero(bits == level)
    happens[undecided] = rng.random(undecided.size) < rest
    return happens.reshape(shape)


def _clustering_and_efficiency(graphs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean local clustering and the global efficiency of symmetric graphs ``(b, N, N)``, each ``(b,)``."""
    num_nodes = graphs.shape[-1]
    around, within = _two_steps(graphs)
    k = graphs.view(np.uint8).sum(-1, dtype=np.uint32).astype(float)
    clustering = np.divide(around, k * k - k, out=np.zeros_like(k), where=k > 1).mean(-1)
    if num_nodes == 1:
        return clustering, np.full(len(graphs), np.nan)

    diagonal = np.arange(num_nodes)
    within[:, diagonal, diagonal] = True
    adjacent = np.count_nonzero(graphs, axis=(1, 2)) - graphs[:, diagonal, diagonal].sum(1)
    at_two = np.count_nonzero(within, axis=(1, 2)) - num_nodes - adjacent
    total = adjacent + at_two / 2 + _beyond_two(graphs, within)
    return clustering, total / (num_nodes * (num_nodes - 1))


def _two_steps(graphs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the linked ordered pairs among each neuron's neighbours, ``(b, N)``, and which pairs are at most two steps apart.

    The second is bool, ``(b, N, N)``.
    """
    linked = torch.from_numpy(graphs.view(np.uint8))  # torch converts bytes several times faster than booleans
    if _has_fast_bfloat16():
        # Products are summed in float32 and rounded to 8 bits at the end: whole numbers up to 256 stay exact.
        A = linked.bfloat16()
        shared = torch.bmm(A, A)
        if float(shared.max()) < _EXACT_IN_BFLOAT16:
            around = (shared * A).sum(-1, dtype=torch.float32)
            return around.numpy(), (shared.view(torch.int16).numpy() != 0) | graphs
    A = linked.float()  # exact below 2^24
    shared = torch.bmm(A, A)
    return (shared * A).sum(-1).numpy(), (shared.numpy() != 0) | graphs


@lru_cache(maxsize=1)
def _has_fast_bfloat16() -> bool:
    """Say whether this processor multiplies bfloat16 faster than float32, by trying; either way the counts are the same."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        A = torch.ones(1, 256, 256, dtype=dtype)
        times = []
        for _ in range(4):
            start = time.perf_counter()
            torch.bmm(A, A)
            times.append(time.perf_counter() - start)
        seconds[dtype] = min(times)
    return seconds[torch.bfloat16] < 0.8 * seconds[torch.float32]


def _beyond_two(graphs: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Return the sum of 1 / distance over the pairs that ``within`` leaves out, per graph; ``within`` is filled in.

    Such pairs are rare in these graphs, so they are looked at one by one: v is one step further from u than some
    neighbour of v is.
    """
    total = np.zeros(len(graphs))
    # Much faster than np.nonzero where so few are left.
    graph, u, v = np.unravel_index(np.flatnonzero(~within), within.shape)
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
