"""The only importer of igraph: a few of its algorithms, on simple graphs as arrays.

igraph draws its random numbers from one source for the whole process, by default Python's ``random`` module. What draws runs
inside :func:`seeded`, which gives igraph a source of its own and leaves the global one alone.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import igraph
    from igraph import Graph as Graph

_LOCK = threading.RLock()


def build(source: np.ndarray, target: np.ndarray, num_nodes: int, *, directed: bool) -> igraph.Graph:
    """Return the graph of some edges, int64 of shape ``(M,)``, each once and no self-loops."""
    import igraph

    return igraph.Graph(num_nodes, np.column_stack((source, target)), directed=directed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let igraph draw from a generator of this seed, and from Python's module again afterwards."""
    import igraph

    with _LOCK:
        igraph.set_random_number_generator(random.Random(seed))
        try:
            yield
        finally:
            igraph.set_random_number_generator(random)


def fast_greedy(graph: igraph.Graph, weight: np.ndarray | None = None) -> list[int]:
    """Return the module of each node where greedy merging meets the highest modularity."""
    return graph.community_fastgreedy(weights=_listed(weight)).as_clustering().membership


def leiden(
    graph: igraph.Graph,
    weight: np.ndarray | None,
    out_strength: np.ndarray,
    in_strength: np.ndarray,
    *,
    resolution: float,
    num_iterations: int,
) -> list[int]:
    """Return the module of each node where the Leiden algorithm ends; draws, so call it inside :func:`seeded`.

    It ends where two more iterations gain nothing, after ``num_iterations`` (an even number) at the latest.
    """
    # What igraph 1.0 takes for strengths of a directed graph where none are given is not what its null model needs:
    # the quality it reports is then not the directed modularity. With both given, it is.
    search = partial(
        graph.community_leiden,
        objective_function="modularity",
        weights=_listed(weight),
        resolution=resolution,
        n_iterations=2,
        node_weights=out_strength.tolist(),
        node_in_weights=in_strength.tolist() if graph.is_directed() else None,
    )
    best = search()
    for _ in range(2, num_iterations, 2):
        found = search(initial_membership=best.membership)
        if not found.quality > best.quality:
            break
        best = found
    return best.membership


def louvain(graph: igraph.Graph, weight: np.ndarray | None, *, resolution: float) -> list[int]:
    """Return the module of each node where the Louvain algorithm ends; draws, so call it inside :func:`seeded`."""
    return graph.community_multilevel(weights=_listed(weight), resolution=resolution).membership


def infomap(graph: igraph.Graph, weight: np.ndarray | None, *, num_trials: int) -> list[int]:
    """Return the module of each node that compresses a random walk best; draws, so call it inside :func:`seeded`."""
    return graph.community_infomap(edge_weights=_listed(weight), trials=num_trials).membership


def modularity_of_modules(
    graph: igraph.Graph, membership: list[int], weight: np.ndarray | None = None, *, resolution: float = 1.0
) -> float:
    """Return the modularity of given modules, with the directed null model where the graph is directed."""
    return graph.modularity(membership, weights=_listed(weight), resolution=resolution)


def _listed(weight: np.ndarray | None) -> list[float] | None:
    return None if weight is None else weight.tolist()


def coreness(graph: igraph.Graph, mode: str) -> np.ndarray:
    """Return the coreness of each node by its ``"all"``, ``"out"`` or ``"in"`` edges, int64, shape ``(N,)``."""
    return np.array(graph.coreness(mode=mode), dtype=np.int64)


def betweenness(graph: igraph.Graph, sources: np.ndarray | None = None) -> np.ndarray:
    """Return how many shortest paths run through each node, float64, shape ``(N,)``: all, or those from some sources."""
    if sources is None:
        return np.array(graph.betweenness())
    return np.array(graph.betweenness(sources=sources.tolist()))


def mean_clustering(graph: igraph.Graph) -> float:
    """Return the mean local clustering; a node with fewer than two neighbours counts as 0."""
    return graph.transitivity_avglocal_undirected(mode="zero")


def local_clustering(graph: igraph.Graph) -> np.ndarray:
    """Return the local clustering of each node, shape ``(N,)``; 0 for fewer than two neighbours."""
    return np.array(graph.transitivity_local_undirected(mode="zero"), dtype=float)


def distances(graph: igraph.Graph, sources: np.ndarray) -> np.ndarray:
    """Return how many edges lead from some nodes to every node, shape ``(S, N)``; infinity where none do."""
    found = graph.distances(source=sources.tolist(), mode="out")
    return np.array(found, dtype=float).reshape(sources.size, graph.vcount())


def path_lengths(graph: igraph.Graph) -> np.ndarray:
    """Return how many unordered pairs of nodes are at distance 1, 2, ... of each other, shape ``(diameter,)``.

    Where the graph is directed, ordered pairs along the edges.
    """
    found = graph.path_length_hist(directed=graph.is_directed())
    return np.array([count for _, _, count in found.bins()], dtype=np.int64)
