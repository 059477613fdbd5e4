"""The only importer of igraph: a few of its algorithms, on simple graphs as arrays.

igraph draws its random numbers from one source for the whole process, by default Python's ``random`` module. What draws runs
inside :func:`seeded`, which gives igraph a source of its own and leaves the global one alone.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
    return graph.community_fastgreedy(weights=weight).as_clustering().membership


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


def path_lengths(graph: igraph.Graph) -> np.ndarray:
    """Return how many unordered pairs of nodes are at distance 1, 2, ... of each other, shape ``(diameter,)``."""
    return np.array([count for _, _, count in graph.path_length_hist(directed=False).bins()], dtype=np.int64)


def rewire(graph: igraph.Graph, num_trials: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges after some trials of exchanging the targets of two edges, each shape ``(M,)``; degrees stay."""
    copy = graph.copy()
    with seeded(seed):
        copy.rewire(n=num_trials, allowed_edge_types="simple")
    edges = np.array(copy.get_edgelist(), dtype=np.int64).reshape(-1, 2)
    return edges[:, 0], edges[:, 1]
