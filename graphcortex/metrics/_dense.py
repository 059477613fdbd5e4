"""Paths and triangles of small, dense, unweighted graphs by matrix products: several times as fast as walking along the edges."""

from __future__ import annotations

import numpy as np
import torch

from graphcortex.graphs import SimpleGraph

MOST_NODES = 1000
"""Above, a product takes longer than what it saves."""


def is_dense(graph: SimpleGraph) -> bool:
    """Say whether products are faster: few neurons, most of them within two steps of each other, so that few products do."""
    N = graph.num_nodes
    return N <= MOST_NODES and graph.degree.sum() ** 2 > N**3


def pairs_by_distance(graph: SimpleGraph) -> np.ndarray:
    """Return how many ordered pairs of neurons are at distance 1, 2, ... of each other, int64, shape ``(diameter,)``."""
    A = _matrix(graph)
    reached = A.bool() | torch.eye(graph.num_nodes, dtype=torch.bool)
    at, counts = A, []
    while number := int(torch.count_nonzero(at)):
        counts.append(number)
        new = (at @ A > 0) & ~reached
        reached |= new
        at = new.float()
    return np.array(counts, dtype=np.int64)


def linked_neighbours(graph: SimpleGraph) -> np.ndarray:
    """Return the linked ordered pairs among the neighbours of each neuron of a graph without direction, float64, ``(N,)``."""
    A = _matrix(graph)
    return ((A @ A) * A).sum(1, dtype=torch.float64).numpy()


def _matrix(graph: SimpleGraph) -> torch.Tensor:
    """Return the graph as ones and zeros, float32, whose sums of ones stay exact below 2^24."""
    A = torch.zeros(graph.num_nodes, graph.num_nodes)
    source, target = torch.from_numpy(graph.source), torch.from_numpy(graph.target)
    A[source, target] = 1
    if not graph.directed:
        A[target, source] = 1
    return A
