"""Random graphs that share something with a graph, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from graphcortex._checks import check_choice
from graphcortex.graphs.lattices import degree_lattice, ring_lattice
from graphcortex.graphs.rewiring import rewire_degrees, rewire_degrees_and_lengths
from graphcortex.graphs.simple import SimpleGraph
from graphcortex.graphs.strengths import rewire_signed_strengths


@dataclass(frozen=True)
class NullModel:
    """How random graphs are drawn.

    Attributes:
        name: Its name.
        draw: From a graph and an int seed to a random graph. Weights are moved with their signs, and changed by
            ``"signed_strength"`` alone.
        needs: What of the graph it depends on besides the number of neurons, edges and direction: some of ``"edges"``,
            ``"weights"``, ``"positions"``. What is kept of an ensemble is found again by these.
    """

    name: str
    draw: Callable[[SimpleGraph, int], SimpleGraph]
    needs: tuple[str, ...]


def erdos_renyi(graph: SimpleGraph, seed: int) -> SimpleGraph:
    """Draw as many edges as the graph has, uniformly among all pairs; weights are laid on them at random.

    References:
        Erdos & Renyi (1959). On random graphs I. Publ. Math. Debrecen 6. https://doi.org/10.5486/PMD.1959.6.3-4.12
    """
    N = graph.num_nodes
    rng = np.random.default_rng(seed)
    # Slot s is the pair (s // (N - 1), s % (N - 1)), where the second number skips the first.
    chosen = _choose(N * (N - 1) if graph.directed else N * (N - 1) // 2, graph.num_edges, rng)
    if graph.directed:
        source, target = np.divmod(chosen, max(N - 1, 1))
        target = target + (target >= source)
    else:
        source, target = _upper_pair(chosen, N)
    return graph.with_edges(source, target, None if graph.weight is None else rng.permutation(graph.num_edges))


def shuffle_weights(graph: SimpleGraph, seed: int) -> SimpleGraph:
    """Shuffle the weights among the edges; what is linked stays. An unweighted graph is its own."""
    if graph.weight is None:
        return graph
    return graph.with_edges(graph.source, graph.target, np.random.default_rng(seed).permutation(graph.num_edges))


def shuffle_positions(graph: SimpleGraph, seed: int) -> SimpleGraph:
    """Shuffle the positions among the neurons; edges and weights stay.

    Raises:
        ValueError: If the graph has no positions.
    """
    if graph.pos is None:
        raise ValueError(
            "pos must hold the position of each neuron for the null model 'positions', got None; give pos."
        )
    return replace(graph, pos=np.random.default_rng(seed).permutation(graph.pos))


def _choose(population: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Choose ``size`` numbers below ``population``, each once, in memory that grows with ``size`` alone; sorted."""
    if 2 * size > population:
        left = np.ones(population, dtype=bool)
        left[_choose(population, population - size, rng)] = False
        return np.flatnonzero(left)
    found = np.empty(0, dtype=np.int64)
    while found.size < size:
        # A few more than are missing, since some are found already; then as many as there are too many go again.
        more = int((size - found.size) * 1.2) + 16
        found = np.unique(np.concatenate((found, rng.integers(population, size=more))))
    return np.delete(found, rng.permutation(found.size)[: found.size - size])


def _upper_pair(index: np.ndarray, num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``index``-th pair i < j in the order of (i, j)."""
    first = np.concatenate(([0], np.cumsum(np.arange(num_nodes - 1, 0, -1))))  # index of the first pair of each i
    i = np.searchsorted(first, index, side="right") - 1
    return i, index - first[i] + i + 1


NULL_MODELS = {
    model.name: model
    for model in (
        NullModel("erdos_renyi", erdos_renyi, ("weights",)),
        NullModel("degree", rewire_degrees, ("edges", "weights")),
        NullModel("degree_length", rewire_degrees_and_lengths, ("edges", "weights", "positions")),
        NullModel("weights", shuffle_weights, ("edges", "weights")),
        NullModel("positions", shuffle_positions, ("edges", "weights", "positions")),
        NullModel("lattice", ring_lattice, ("weights",)),
        NullModel("degree_lattice", degree_lattice, ("edges", "weights")),
        NullModel("signed_strength", rewire_signed_strengths, ("edges", "weights")),
    )
}


def get_null_model(name: str) -> NullModel:
    """Return a null model by its name.

    Raises:
        ValueError: If there is none of that name.
    """
    return NULL_MODELS[check_choice(name, "null", tuple(NULL_MODELS))]
