"""The only importer of igraph: a few of its algorithms, on simple undirected graphs as arrays.

igraph draws its random numbers from Python's ``random`` module. Nothing here draws any: each function is deterministic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import igraph


def undirected_graph(edges: np.ndarray, num_nodes: int) -> igraph.Graph:
    """Return the graph of the pairs ``edges``, int64 of shape ``(2, M)``, each pair once and no self-loops."""
    import igraph

    return igraph.Graph(num_nodes, np.ascontiguousarray(edges.T), directed=False)


def fast_greedy(graph: igraph.Graph) -> tuple[float, list[int]]:
    """Return the highest modularity that greedy merging meets, and the module of each node."""
    clusters = graph.community_fastgreedy().as_clustering()
    return graph.modularity(clusters.membership), clusters.membership


def degree_assortativity(graph: igraph.Graph) -> float:
    """Return the correlation of the degrees at both ends of an edge."""
    return graph.assortativity_degree(directed=False)


def mean_clustering(graph: igraph.Graph) -> float:
    """Return the mean local clustering; a node with fewer than two neighbours counts as 0."""
    return graph.transitivity_avglocal_undirected(mode="zero")


def path_lengths(graph: igraph.Graph) -> np.ndarray:
    """Return how many unordered pairs of nodes are at distance 1, 2, ... of each other, shape ``(diameter,)``."""
    return np.array([count for _, _, count in graph.path_length_hist(directed=False).bins()], dtype=np.int64)
