"""Omega: where a graph lies between a lattice and a random graph."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from graphcortex._random import as_seed
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._clustering_and_path import ensemble, standard_error
from graphcortex.metrics._result import Result
from graphcortex.metrics.clustering import mean_clustering
from graphcortex.metrics.ensemble import Nulls, as_nulls
from graphcortex.metrics.paths import path_statistics_by_source


@dataclass(frozen=True, eq=False, kw_only=True)
class SmallWorldOmega(Result):
    """Where a graph lies between a lattice and a random graph, and what this is made of.

    Attributes:
        standard_error: By the numbers of random graphs and lattices, and the sampling of paths.
        clustering: Mean local clustering of the graph.
        path_length: Characteristic path length of the graph, over the pairs that a path joins.
        random_path_length: Mean path length of the random graphs.
        lattice_clustering: Mean clustering of the lattices.
        lattice: How the lattices were made.
    """

    standard_error: float
    clustering: float
    path_length: float
    random_path_length: float
    lattice_clustering: float
    lattice: str


def small_world_omega(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    threshold: float = 0.0,
    num_sources: int | None = None,
    null: str | Nulls = "degree",
    lattice: str | Nulls = "degree_lattice",
    rng: RandomSource = 0,
) -> SmallWorldOmega:
    r"""Compute how much of a lattice's clustering a graph has, next to how much longer than random its paths are.

    .. math:: \omega = \frac{\langle L_\text{rand} \rangle}{L} - \frac{C}{\langle C_\text{latt} \rangle}

    for the simple undirected graph of the edges, without weights: clustering :math:`C`, characteristic path length
    :math:`L` over the pairs that a path joins, and their means over random graphs and lattices with the same degrees. It
    is near 0 for a small world, towards 1 for a random graph and towards -1 for a lattice; it leaves [-1, 1] where a graph
    has shorter paths than its random graphs, or more clustering than its lattices.

    Args:
        edge_index: Edges, shape ``(2, E)``. Direction, repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, which says where there is none; None for an unweighted graph.
        num_nodes: Number of neurons.
        threshold: Edges of at most this size are no edges, in the unit of the weights.
        num_sources: From how many neurons paths are followed; see :func:`path_statistics`.
        null: The random graphs.
        lattice: The lattices.
        rng: A generator, or an int seed, for the sources.

    Returns:
        Omega and its standard error. NaN, with the reason, where the graph has no path or the lattices no clustering.

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range.

    References:
        Telesford, Joyce, Hayasaka, Burdette & Laurienti (2011). The ubiquity of small-world networks. Brain
        Connectivity 1. https://doi.org/10.1089/brain.2011.0038

    Example:
        >>> import torch
        >>> ring = torch.arange(60)
        >>> near = torch.cat([torch.stack((ring, (ring + step) % 60)) for step in (1, 2, 3)], dim=1)
        >>> found = small_world_omega(near, None, 60, null=Nulls("degree", 20), lattice=Nulls("degree_lattice", 5))
        >>> bool(found.value < -0.5)
        True
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=False, threshold=threshold)
    found = small_world_omega_of(graph, num_sources=num_sources, null=null, lattice=lattice, rng=rng)
    return replace(found, threshold=float(threshold))


def small_world_omega_of(
    graph: SimpleGraph,
    *,
    num_sources: int | None = None,
    null: str | Nulls = "degree",
    lattice: str | Nulls = "degree_lattice",
    rng: RandomSource = 0,
) -> SmallWorldOmega:
    """Compute omega of a simple graph; see :func:`small_world_omega`."""
    nulls, lattices, seed = as_nulls(null), as_nulls(lattice), as_seed(rng)
    graph = graph.unweighted().undirected()
    own, moves = path_statistics_by_source(graph, num_sources=num_sources, seed=seed)
    C, L, nan = mean_clustering(graph), own.path_length, math.nan
    parts = {"clustering": C, "path_length": L, "seed": own.seed}
    if math.isnan(L):
        unknown = {"standard_error": nan, "random_path_length": nan, "lattice_clustering": nan, "lattice": ""}
        return SmallWorldOmega(value=nan, reason=own.reason, **unknown, **parts)
    random = ensemble(nulls, graph, num_sources=num_sources, seed=seed)
    ordered = ensemble(lattices, graph, num_sources=num_sources, seed=seed)
    L_random, C_lattice = float(random.mean[1]), float(ordered.mean[0])
    parts |= {"null": random.null, "num_nulls": len(random.values), "lattice": ordered.null}
    parts |= {"random_path_length": L_random, "lattice_clustering": C_lattice}
    if C_lattice == 0:
        reason = f"none of the {len(ordered.values)} lattices of {graph.num_nodes} neurons has clustering"
        return SmallWorldOmega(value=nan, reason=reason, standard_error=nan, **parts)
    error = standard_error(
        random.moves / L - L_random / L**2 * moves,
        graph.num_nodes,
        random.variance(0, 1 / L),
        ordered.variance(C / C_lattice**2, 0),
    )
    each = L_random / random.values[:, 1] - random.values[:, 0] / C_lattice
    sd = float(each.std(ddof=1)) if each.size > 1 else nan
    compared = {"null_mean": float(each.mean()), "null_sd": sd}
    return SmallWorldOmega(value=L_random / L - C / C_lattice, standard_error=error, **compared, **parts)
