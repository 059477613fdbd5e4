"""Random graphs that share something with a graph, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from graphcortex._checks import check_choice
from graphcortex.graphs import _igraph
from graphcortex.graphs.simple import SimpleGraph, _merge

SWAPS_PER_EDGE = 10


@dataclass(frozen=True)
class NullModel:
    """How random graphs are drawn.

    Attributes:
        name: Its name.
        draw: From a graph and an int seed to a random graph.
        needs: What of the graph it depends on besides the number of neurons, edges and direction: some of ``"edges"``,
            ``"weights"``, ``"positions"``. What is kept of an ensemble is found again by these.
    """

    name: str
    draw: Callable[[SimpleGraph, int], SimpleGraph]
    needs: tuple[str, ...]


def erdos_renyi(graph: SimpleGraph, seed: int) -> SimpleGraph:
    """Draw as many edges as the graph has, uniformly among all pairs; weights are laid on them at random."""
    N = graph.num_nodes
    rng = np.random.default_rng(seed)
    # Slot s is the pair (s // (N - 1), s % (N - 1)), where the second number skips the first.
    slots = N * (N - 1) if graph.directed else N * (N - 1) // 2
    chosen = (
        np.sort(rng.choice(slots, graph.num_edges, replace=False, shuffle=False)) if slots else np.empty(0, np.int64)
    )
    if graph.directed:
        source, target = np.divmod(chosen, max(N - 1, 1))
        target = target + (target >= source)
    else:
        source, target = _upper_pair(chosen, N)
    weight = None if graph.weight is None else rng.permutation(graph.weight)
    return replace(graph, source=source, target=target, weight=weight)


def _upper_pair(index: np.ndarray, num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``index``-th pair i < j in the order of (i, j)."""
    first = np.concatenate(([0], np.cumsum(np.arange(num_nodes - 1, 0, -1))))  # index of the first pair of each i
    i = np.searchsorted(first, index, side="right") - 1
    return i, index - first[i] + i + 1


def rewire_degrees(graph: SimpleGraph, seed: int) -> SimpleGraph:
    """Exchange the targets of random pairs of edges: every neuron keeps its numbers of inputs and outputs."""
    source, target = _igraph.rewire(graph.igraph, SWAPS_PER_EDGE * graph.num_edges, seed)
    if not graph.directed:
        source, target = np.minimum(source, target), np.maximum(source, target)
    rng = np.random.default_rng(seed)
    weight = None if graph.weight is None else rng.permutation(graph.weight)
    source, target, weight = _merge(source, target, weight, graph.num_nodes)
    return replace(graph, source=source, target=target, weight=weight)


NULL_MODELS = {
    model.name: model
    for model in (
        NullModel("erdos_renyi", erdos_renyi, ("weights",)),
        NullModel("degree", rewire_degrees, ("edges", "weights")),
    )
}


def get_null_model(name: str) -> NullModel:
    """Return a null model by its name.

    Raises:
        ValueError: If there is none of that name.
    """
    return NULL_MODELS[check_choice(name, "null", tuple(NULL_MODELS))]
