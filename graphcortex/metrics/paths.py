"""Shortest paths: how close neurons are to each other along the edges."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from graphcortex._checks import check_count
from graphcortex._random import as_seed, numpy_generator
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, _igraph, simple_graph
from graphcortex.metrics._dense import is_dense, pairs_by_distance
from graphcortex.metrics._result import Result
from graphcortex.metrics.ensemble import Nulls, as_nulls

_ALL_SOURCES_UP_TO = 2000
_SAMPLED_SOURCES = 200
_BLOCK_ENTRIES = 2**22
_SMALLEST_SHARE = 1e-140
"""Of the largest weight: what is smaller counts as this, so that squares of sums of lengths are finite."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PathStatistics(Result):
    """How close neurons are to each other; the value is the global efficiency.

    Attributes:
        standard_error: Of the efficiency, by the sampling of sources; 0 where all were taken.
        path_length: Characteristic path length, in edges (in 1 / unit of the weights, where there are weights); NaN where
            no path leads anywhere.
        path_length_error: Its standard error, by the sampling of sources.
        reachable: Share of the pairs (source, other neuron) that a path joins.
        num_sources: Number of neurons from which paths were followed.
    """

    standard_error: float
    path_length: float
    path_length_error: float
    reachable: float
    num_sources: int


# Several metrics of one graph need its shortest paths, which cost more than all else that they do.
_SUMS: WeakKeyDictionary[SimpleGraph, dict[tuple[int, int], tuple[np.ndarray, ...]]] = WeakKeyDictionary()


def path_statistics(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    directed: bool = True,
    threshold: float = 0.0,
    num_sources: int | None = None,
    null: str | Nulls | None = None,
    rng: RandomSource = 0,
) -> PathStatistics:
    r"""Compute global efficiency and characteristic path length.

    .. math:: E = \frac{1}{N (N - 1)} \sum_{u \ne v} \frac{1}{d_{uv}}, \qquad
        L = \frac{\sum_{u \ne v,\, d_{uv} < \infty} d_{uv}}{|\{u \ne v : d_{uv} < \infty\}|},

    with the length :math:`d_{uv}` of the shortest path from neuron :math:`u` to :math:`v`, where an edge is
    :math:`1 / |W_{ij}|` long, or 1 without weights. Pairs that no path joins add 0 to :math:`E` and are left out of
    :math:`L`: of graphs in pieces compare :math:`E`, or :math:`L` together with the share of pairs it is made of. Without
    weights :math:`E` lies in [0, 1] and :math:`L` is at least 1.

    In large graphs paths are followed from some sources only, drawn without replacement. With :math:`n` of :math:`N`
    sources and the mean :math:`e_u = \sum_v d_{uv}^{-1} / (N - 1)` of each, :math:`E` is their mean without bias, and

    .. math:: \text{se}(E) = \sqrt{\left(1 - \frac{n}{N}\right) \frac{\operatorname{var}(e)}{n}}.

    :math:`L` is the ratio of two such means, with the standard error of a ratio.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``, whose size counts; None for an unweighted graph.
        num_nodes: Number of neurons, :math:`N`.
        directed: Whether paths follow the direction of the edges.
        threshold: Edges of at most this size are no edges, in the unit of the weights.
        num_sources: From how many neurons paths are followed, at most :math:`N`. By default from all, and from 200 above
            2,000 neurons.
        null: Random graphs to compare the efficiency with, whose paths are followed from as many neurons.
        rng: A generator, or an int seed, for the sources.

    Returns:
        The efficiency, the path length and their standard errors (NaN for a single source of several). The efficiency of
        a single neuron is NaN, with the reason.

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range.

    References:
        Watts & Strogatz (1998). Collective dynamics of 'small-world' networks. Nature 393.
        https://doi.org/10.1038/30918

        Latora & Marchiori (2001). Efficient behavior of small-world networks. Phys. Rev. Lett. 87.
        https://doi.org/10.1103/PhysRevLett.87.198701

        Cochran (1977). Sampling Techniques, 3rd edition, chapters 2 and 6. Wiley.

    Example:
        >>> import torch
        >>> path = torch.tensor([[0, 1], [1, 2]])
        >>> found = path_statistics(path, None, num_nodes=3, directed=False)
        >>> round(found.value, 3), round(found.path_length, 3)
        (0.833, 1.333)
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    return replace(path_statistics_of(graph, num_sources=num_sources, null=null, rng=rng), threshold=float(threshold))


def path_statistics_of(
    graph: SimpleGraph,
    *,
    num_sources: int | None = None,
    null: str | Nulls | None = None,
    rng: RandomSource = 0,
) -> PathStatistics:
    """Compute efficiency and path length of a simple graph; see :func:`path_statistics`."""
    nulls, seed = as_nulls(null), as_seed(rng)
    found, _ = path_statistics_by_source(graph, num_sources=num_sources, seed=seed)
    if nulls is None or graph.num_nodes == 1:
        return found
    efficiency = partial(_efficiency, num_sources=found.num_sources, seed=seed)
    return replace(found, **nulls.distribution(efficiency, graph).fields())


def path_statistics_by_source(
    graph: SimpleGraph, *, num_sources: int | None, seed: int
) -> tuple[PathStatistics, np.ndarray]:
    """Return the path statistics of a simple graph, and by how much each source moves the path length.

    Graphs of one size and seed share their sources. How their path lengths vary together with the choice of these is seen
    in what the sources add, shape ``(n,)``, in the unit of the path length: the path length has their standard error. It
    is empty where all neurons are sources.
    """
    N = graph.num_nodes
    if num_sources is None:
        n = N if N <= _ALL_SOURCES_UP_TO else _SAMPLED_SOURCES
    else:
        n = check_count(num_sources, "num_sources")
        if n > N:
            raise ValueError(f"num_sources must be at most the number of neurons, {N}; got {n}.")
    done = {"num_sources": n, "seed": seed if n < N else None, "method": "all sources" if n == N else "sampled sources"}
    if N == 1:
        names = ("value", "standard_error", "path_length", "path_length_error", "reachable")
        return PathStatistics(
            reason="a single neuron has no distances", **dict.fromkeys(names, math.nan), **done
        ), np.empty(0)
    known = _SUMS.setdefault(graph, {})
    if (n, seed) not in known:
        if n == N and graph.weight is None:
            known[n, seed] = _all_pairs(graph)
        else:
            nodes = np.arange(N) if n == N else np.sort(numpy_generator(seed).choice(N, n, replace=False))
            known[n, seed] = _from_sources(graph, nodes)
    inverse, length, pairs = known[n, seed]
    unit = 1.0 if graph.weight is None or graph.num_edges == 0 else float(graph.weight.max())
    reason, path_length, moves = "", math.nan, np.full(n, math.nan)
    if pairs.any():
        path_length = float(length.sum() / pairs.sum())
        moves = (length - path_length * pairs) / pairs.mean()
    else:
        reason = "no path leads from a neuron to another, so that there is no path length"
    if n == N:
        moves = np.empty(0)
    found = PathStatistics(
        value=float(inverse.mean() / (N - 1)) * unit,
        reason=reason,
        standard_error=math.sqrt(sampling_variance(inverse / (N - 1) if n < N else np.empty(0), N)) * unit,
        path_length=path_length / unit,
        path_length_error=math.sqrt(sampling_variance(moves, N)) / unit if pairs.any() else math.nan,
        reachable=float(pairs.mean() / (N - 1)),
        **done,
    )
    return found, moves / unit


def sampling_variance(values: np.ndarray, num_nodes: int) -> float:
    """Return the variance of the mean of values at neurons drawn without replacement; 0 for none, which stands for all."""
    n = values.size
    if n < 2:
        return math.nan if n else 0.0
    return float((1 - n / num_nodes) * values.var(ddof=1) / n)


def _all_pairs(graph: SimpleGraph) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sums over all pairs as means over the sources, each shape ``(1,)``; only counts are kept."""
    if is_dense(graph):
        count = pairs_by_distance(graph)
    else:
        count = _igraph.path_lengths(graph.igraph) * (1 if graph.directed else 2)
    distance = np.arange(1, count.size + 1)
    sums = [(count / distance).sum(), (count * distance).sum(), count.sum()]
    return tuple(np.array([value / graph.num_nodes]) for value in sums)


def _from_sources(graph: SimpleGraph, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for each of some sources, the sums of 1 / d, of d and of 1 over what it reaches, each shape ``(S,)``.

    Weights are shares of the largest, and lengths are 1 over these.
    """
    inverse, length, pairs = (np.empty(nodes.size) for _ in range(3))
    if graph.weight is None or graph.num_edges == 0:
        follow = partial(_igraph.distances, graph.igraph)
    else:  # SciPy's Dijkstra returns an array, igraph's a list of lists: a tenth faster
        W = graph.matrix
        share = np.maximum(W.data / W.data.max(), _SMALLEST_SHARE)
        lengths = csr_array((1 / share, W.indices, W.indptr), shape=W.shape)

        def follow(sources: np.ndarray) -> np.ndarray:
            return dijkstra(lengths, indices=sources)

    size = max(1, _BLOCK_ENTRIES // graph.num_nodes)
    for start in range(0, nodes.size, size):
        part = slice(start, start + size)
        d = follow(nodes[part])
        reached = np.isfinite(d)
        reached[np.arange(d.shape[0]), nodes[part]] = False
        inverse[part] = np.divide(1, d, out=np.zeros_like(d), where=reached).sum(1)
        length[part] = np.where(reached, d, 0).sum(1)
        pairs[part] = reached.sum(1)
    return inverse, length, pairs


def _efficiency(graph: SimpleGraph, *, num_sources: int, seed: int) -> float:
    return path_statistics_of(graph, num_sources=num_sources, rng=seed).value
