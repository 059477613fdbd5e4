"""Small-worldness: clustered like a lattice, and yet as close as at random."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from graphcortex._checks import check_choice
from graphcortex._random import as_seed
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, _igraph, simple_graph
from graphcortex.metrics._clustering_and_path import ensemble, standard_error
from graphcortex.metrics._result import Result
from graphcortex.metrics.clustering import mean_clustering
from graphcortex.metrics.ensemble import Nulls, as_nulls
from graphcortex.metrics.paths import path_statistics_by_source
from graphcortex.metrics.random_null import NullStatistics, random_null_statistics

METHODS = ("published", "matched")


@dataclass(frozen=True, eq=False, kw_only=True)
class SmallWorld(Result):
    """The small-worldness of a graph, and what it is made of.

    Attributes:
        clustering: Mean local clustering of the graph.
        efficiency: Global efficiency of the graph; NaN for a single neuron.
        null_statistics: The same of the random graphs of the published form; ``None`` where they were not needed.
        standard_error: Of the matched form, by the number of random graphs and the sampling of paths; NaN otherwise.
        path_length: Characteristic path length of the graph, over the pairs that a path joins; NaN in the published form.
        null_clustering: Mean and standard deviation of the clustering over matched random graphs.
        null_path_length: The same of the path length.
    """

    clustering: float
    efficiency: float
    null_statistics: NullStatistics | None = None
    standard_error: float = math.nan
    path_length: float = math.nan
    null_clustering: tuple[float, float] = (math.nan, math.nan)
    null_path_length: tuple[float, float] = (math.nan, math.nan)

    @property
    def clustering_z(self) -> float:
        """How many standard deviations of matched random graphs the clustering lies above their mean."""
        return _z(self.clustering, *self.null_clustering)

    @property
    def path_length_z(self) -> float:
        """How many standard deviations of matched random graphs the path length lies above their mean."""
        return _z(self.path_length, *self.null_path_length)


def small_worldness(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    method: str = "published",
    threshold: float = 0.0,
    num_nulls: int = 1000,
    null_threshold: float = 0.7,
    num_sources: int | None = None,
    null: str | Nulls | None = None,
    rng: RandomSource = 0,
) -> SmallWorld:
    r"""Compute small-worldness, in the form that the study reports or against random graphs that match the graph.

    Of the simple undirected graph of the edges, without weights, with the clustering and the efficiency

    .. math:: C = \frac{1}{N} \sum_u \frac{2 t_u}{k_u (k_u - 1)}, \qquad
        E = \frac{1}{N (N - 1)} \sum_{u \ne v} \frac{1}{d_{uv}},

    for :math:`t_u` triangles and :math:`k_u` neighbours of neuron :math:`u` (0 is added for fewer than two neighbours), and
    shortest paths :math:`d_{uv}` (infinite, and so adding 0, between components), the **published** form is

    .. math:: \sigma = \frac{C / \langle C_0 \rangle}{\langle E_0 \rangle / E}.

    Its random graphs are those of :func:`random_null_statistics`. They have as many neurons, a density of their own
    (.18 by default, whatever the graph's), and self-loops that count in :math:`C_0` though the graph has none: the
    value is comparable between graphs of one size and density, and is not the small-worldness of Humphries & Gurney.

    That is the **matched** form,

    .. math:: \sigma = \frac{C / \langle C_0 \rangle}{L / \langle L_0 \rangle},

    with the characteristic path length :math:`L` of :func:`path_statistics` (over the pairs that a path joins) and means
    over random graphs with the same degrees, or the same density. It exceeds 1 in a small world, and is about 1 in a
    random graph. Its standard error follows, to first order, from how :math:`C_0` and :math:`L_0` vary together over the
    random graphs, and :math:`L` and :math:`L_0` over the sources of the paths, which all graphs share. What it is
    compared with (``null_mean``, ``null_sd``, ``z``) is the :math:`\sigma` that each random graph has itself.

    Both are at least 0.

    Args:
        edge_index: Edges, shape ``(2, E)``. Direction, repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, which says where there is none (0); None for an unweighted graph.
        num_nodes: Number of neurons, :math:`N`.
        method: ``"published"`` or ``"matched"``.
        threshold: Edges of at most this size are no edges, in the unit of the weights.
        num_nulls: Published form: number of random graphs. Their statistics are kept, and computed again only for other
            arguments.
        null_threshold: Published form: threshold of the random graphs, in 0 to 1.
        num_sources: Matched form: from how many neurons paths are followed; see :func:`path_statistics`.
        null: Matched form: the random graphs, ``"degree"`` by default; ``"erdos_renyi"`` matches the density alone.
        rng: A generator, or an int seed: for the random graphs of the published form, for the sources of the matched.

    Returns:
        The small-worldness. Published: NaN, with the reason, for a single neuron, or if no random graph has clustering; 0
        if the graph has no edges. Matched: NaN, with the reason, where the graph has no path or the random graphs have no
        clustering.

    Raises:
        ValueError: If the arguments do not describe one graph, are out of range, or belong to the other method.

    References:
        Watts & Strogatz (1998). Collective dynamics of 'small-world' networks. Nature 393.
        https://doi.org/10.1038/30918

        Latora & Marchiori (2001). Efficient behavior of small-world networks. Phys. Rev. Lett. 87.
        https://doi.org/10.1103/PhysRevLett.87.198701

        Humphries & Gurney (2008). Network 'small-world-ness'. PLoS ONE 3. https://doi.org/10.1371/journal.pone.0002051

    Example:
        >>> import torch
        >>> ring = torch.arange(60)
        >>> near = torch.cat([torch.stack((ring, (ring + step) % 60)) for step in (1, 2, 3)], dim=1)
        >>> result = small_worldness(near, None, num_nodes=60, num_nulls=50)
        >>> round(result.clustering, 3), round(result.value, 1)
        (0.6, 1.2)
        >>> matched = small_worldness(near, None, num_nodes=60, method="matched")
        >>> bool(matched.value > 2), bool(matched.standard_error < 0.2)
        (True, True)
    """
    check_choice(method, "method", METHODS)
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=False, threshold=threshold).unweighted()
    if method == "matched":
        found = small_worldness_of(graph, num_sources=num_sources, null=null, rng=rng)
    elif null is not None or num_sources is not None:
        raise ValueError(
            "null and num_sources must be None for method='published', which has random graphs of its own and follows all "
            f"paths; got {null!r} and {num_sources!r}. Use method='matched'."
        )
    else:
        found = _published(graph, num_nulls=num_nulls, null_threshold=null_threshold, rng=rng)
    return replace(found, threshold=float(threshold))


def small_worldness_of(
    graph: SimpleGraph,
    *,
    num_sources: int | None = None,
    null: str | Nulls | None = None,
    rng: RandomSource = 0,
) -> SmallWorld:
    """Compute the matched small-worldness of a simple graph without direction; see :func:`small_worldness`."""
    nulls, seed = as_nulls("degree" if null is None else null), as_seed(rng)
    graph = graph.unweighted().undirected()
    own, moves = path_statistics_by_source(graph, num_sources=num_sources, seed=seed)
    C, L = mean_clustering(graph), own.path_length
    parts = {"clustering": C, "efficiency": own.value, "path_length": L, "method": "matched", "seed": own.seed}
    if math.isnan(L):
        return SmallWorld(value=math.nan, reason=own.reason, **parts)
    random = ensemble(nulls, graph, num_sources=num_sources, seed=seed)
    (C0, L0), (C_sd, L_sd) = random.mean.tolist(), random.sd.tolist()
    parts |= {"null": random.null, "num_nulls": len(random.values)}
    parts |= {"null_clustering": (C0, C_sd), "null_path_length": (L0, L_sd)}
    if C0 == 0 or math.isnan(L0):
        what = "clustering" if C0 == 0 else "paths from all of its sources"
        reason = f"none of the {len(random.values)} random graphs of {graph.num_nodes} neurons has {what}"
        return SmallWorld(value=math.nan, reason=reason, **parts)
    sigma = (C / C0) / (L / L0)
    each = (random.values[:, 0] / C0) / (random.values[:, 1] / L0)
    error = standard_error(
        sigma * (random.moves / L0 - moves / L), graph.num_nodes, random.variance(-sigma / C0, sigma / L0)
    )
    sd = float(each.std(ddof=1)) if each.size > 1 else math.nan
    return SmallWorld(value=sigma, standard_error=error, null_mean=float(each.mean()), null_sd=sd, **parts)


def _published(graph: SimpleGraph, *, num_nulls: int, null_threshold: float, rng: RandomSource) -> SmallWorld:
    N, done = graph.num_nodes, {"method": "published"}
    if N == 1:
        reason = "a single neuron has no distances"
        return SmallWorld(value=math.nan, reason=reason, clustering=0.0, efficiency=math.nan, **done)
    null = random_null_statistics(N, num_nulls=num_nulls, threshold=null_threshold, rng=rng)
    clustering = _igraph.mean_clustering(graph.igraph)
    counts = _igraph.path_lengths(graph.igraph)
    efficiency = 2 * float((counts / np.arange(1, counts.size + 1)).sum()) / (N * (N - 1))
    if null.clustering == 0:
        value, reason = math.nan, f"none of the {num_nulls} random graphs of {N} neurons has clustering"
    elif efficiency == 0:
        value, reason = 0.0, "no edge joins two neurons, so clustering and efficiency are 0"
    else:
        value, reason = (clustering / null.clustering) / (null.efficiency / efficiency), ""
    parts = {"clustering": clustering, "efficiency": efficiency, "null_statistics": null, "seed": null.seed}
    return SmallWorld(value=value, reason=reason, **parts, **done)


def _z(value: float, mean: float, sd: float) -> float:
    return (value - mean) / sd if sd > 0 else math.nan
