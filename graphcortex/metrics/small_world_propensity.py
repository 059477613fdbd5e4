"""Small-world propensity: how little a graph lacks of a lattice's clustering and of a random graph's short paths."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from graphcortex._random import as_seed
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._clustering_and_path import Ensemble, ensemble, standard_error
from graphcortex.metrics._result import Result
from graphcortex.metrics.clustering import mean_clustering
from graphcortex.metrics.ensemble import Nulls, as_nulls
from graphcortex.metrics.paths import path_statistics_by_source


@dataclass(frozen=True, eq=False, kw_only=True)
class SmallWorldPropensity(Result):
    r"""The small-world propensity of a graph, and what it is made of.

    Attributes:
        standard_error: By the numbers of random graphs and lattices, and the sampling of paths.
        clustering_deficit: :math:`\Delta_C`, in [0, 1]: 0 as clustered as a lattice, 1 as little as a random graph.
        path_excess: :math:`\Delta_L`, in [0, 1]: 0 as close as a random graph, 1 as far as a lattice.
        clustering: Mean local clustering of the graph.
        path_length: Characteristic path length of the graph, over the pairs that a path joins.
        random: Mean clustering and path length of the random graphs.
        ordered: Mean clustering and path length of the lattices.
        lattice: How the lattices were made.
    """

    standard_error: float
    clustering_deficit: float
    path_excess: float
    clustering: float
    path_length: float
    random: tuple[float, float]
    ordered: tuple[float, float]
    lattice: str


def small_world_propensity(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    threshold: float = 0.0,
    num_sources: int | None = None,
    null: str | Nulls = "erdos_renyi",
    lattice: str | Nulls = "lattice",
    rng: RandomSource = 0,
) -> SmallWorldPropensity:
    r"""Compute small-world propensity, weighted or not.

    .. math:: \phi = 1 - \sqrt{\frac{\Delta_C^2 + \Delta_L^2}{2}}, \qquad
        \Delta_C = \frac{C_\text{latt} - C}{C_\text{latt} - C_\text{rand}}, \qquad
        \Delta_L = \frac{L - L_\text{rand}}{L_\text{latt} - L_\text{rand}},

    both deviations clipped to [0, 1], for the simple undirected graph of the edges, with its weights if it has any: the
    mean clustering :math:`C` of :func:`clustering`, the characteristic path length :math:`L` of :func:`path_statistics`
    over the pairs that a path joins, and their means over random graphs (edges and weights anywhere) and lattices
    (the same weights on a ring, the strongest between neighbours). It lies in [0, 1], and does not depend on the density as
    :math:`\sigma` does; above .6 a graph counts as a small world.

    Args:
        edge_index: Edges, shape ``(2, E)``. Direction, repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, whose size counts; None for an unweighted graph.
        num_nodes: Number of neurons.
        threshold: Edges of at most this size are no edges, in the unit of the weights.
        num_sources: From how many neurons paths are followed; see :func:`path_statistics`.
        null: The random graphs.
        lattice: The lattices.
        rng: A generator, or an int seed, for the sources.

    Returns:
        The propensity and its standard error, to first order; a deviation that is clipped adds nothing to it. NaN, with the
        reason, where the graph has no path, or where the lattices are no more clustered, or no longer, than the random
        graphs (a complete graph without weights is all three).

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range.

    References:
        Muldoon, Bridgeford & Bassett (2016). Small-world propensity and weighted brain networks. Sci. Rep. 6.
        https://doi.org/10.1038/srep22057

    Example:
        >>> import torch
        >>> ring = torch.arange(60)
        >>> near = torch.cat([torch.stack((ring, (ring + step) % 60)) for step in (1, 2, 3)], dim=1)
        >>> found = small_world_propensity(near, None, 60, null=Nulls("erdos_renyi", 20), lattice=Nulls("lattice", 5))
        >>> round(found.clustering_deficit, 1), round(found.path_excess, 1), round(found.value, 1)
        (0.0, 1.0, 0.3)
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=False, threshold=threshold)
    found = small_world_propensity_of(graph, num_sources=num_sources, null=null, lattice=lattice, rng=rng)
    return replace(found, threshold=float(threshold))


def small_world_propensity_of(
    graph: SimpleGraph,
    *,
    num_sources: int | None = None,
    null: str | Nulls = "erdos_renyi",
    lattice: str | Nulls = "lattice",
    rng: RandomSource = 0,
) -> SmallWorldPropensity:
    """Compute the small-world propensity of a simple graph; see :func:`small_world_propensity`."""
    nulls, lattices, seed = as_nulls(null), as_nulls(lattice), as_seed(rng)
    graph = graph.undirected()
    own, moves = path_statistics_by_source(graph, num_sources=num_sources, seed=seed)
    C, L, nan = mean_clustering(graph), own.path_length, math.nan
    parts = {"clustering": C, "path_length": L, "seed": own.seed}
    undefined = {"value": nan, "standard_error": nan, "clustering_deficit": nan, "path_excess": nan}
    if math.isnan(L):
        nothing = (nan, nan)
        return SmallWorldPropensity(
            reason=own.reason, random=nothing, ordered=nothing, lattice="", **undefined, **parts
        )
    random = ensemble(nulls, graph, num_sources=num_sources, seed=seed)
    ordered = ensemble(lattices, graph, num_sources=num_sources, seed=seed)
    (C_random, L_random), (C_lattice, L_lattice) = random.mean.tolist(), ordered.mean.tolist()
    parts |= {"random": (C_random, L_random), "ordered": (C_lattice, L_lattice)}
    parts |= {"null": random.null, "num_nulls": len(random.values), "lattice": ordered.null}
    reason = _what_is_missing(random, ordered)
    if reason:
        return SmallWorldPropensity(reason=reason, **undefined, **parts)
    free_C = (C_lattice - C) / (C_lattice - C_random)
    free_L = (L - L_random) / (L_lattice - L_random)
    deficit, excess = min(max(free_C, 0.0), 1.0), min(max(free_L, 0.0), 1.0)
    phi = 1 - math.sqrt((deficit**2 + excess**2) / 2)
    # To first order: d phi = -(deficit d deficit + excess d excess) / (2 (1 - phi)). What is clipped does not vary.
    by_C = -deficit / (2 * (1 - phi)) / (C_lattice - C_random) if 0 < free_C < 1 else 0.0
    by_L = -excess / (2 * (1 - phi)) / (L_lattice - L_random) if 0 < free_L < 1 else 0.0
    error = standard_error(
        by_L * (moves - (1 - excess) * random.moves - excess * ordered.moves),
        graph.num_nodes,
        random.variance(by_C * deficit, by_L * (excess - 1)),
        ordered.variance(by_C * (1 - deficit), -by_L * excess),
    )
    return SmallWorldPropensity(
        value=phi, standard_error=error, clustering_deficit=deficit, path_excess=excess, **parts
    )


def _what_is_missing(random: Ensemble, ordered: Ensemble) -> str:
    """Return why a graph cannot be placed between the two, or nothing."""
    (C_random, L_random), (C_lattice, L_lattice) = random.mean.tolist(), ordered.mean.tolist()
    if not C_lattice > C_random * (1 + 1e-9):
        return f"lattices are no more clustered ({C_lattice:.4g}) than random graphs ({C_random:.4g})"
    if not L_lattice > L_random * (1 + 1e-9):
        return f"paths are no longer in lattices ({L_lattice:.4g}) than in random graphs ({L_random:.4g})"
    return ""
