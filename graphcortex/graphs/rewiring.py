"""Random graphs in which every neuron keeps its numbers of inputs and outputs, and all edges their lengths if asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from graphcortex._checks import check_count
from graphcortex.graphs.simple import SimpleGraph, merge_edges
from graphcortex.graphs.swaps import Accept, Swaps, pair_alike

SWAPS_PER_EDGE = 10
"""How often an edge is exchanged on average; overlap with the graph, reciprocity and clustering stop drifting after 3 to 6."""

MAX_ROUNDS = 1000
"""How often an edge is tried at most, where few exchanges are possible."""

LENGTH_BINS = 15
"""The lengths of edges fall in so many bins of equal width, from 0 to that of the longest."""


def rewire_degrees(graph: SimpleGraph, seed: int) -> SimpleGraph:
    """Exchange the targets of random pairs of edges: every neuron keeps its numbers of inputs and outputs, exactly.

    All graphs of these degrees that exchanges lead to are equally probable. With direction these are all there are but for
    rare exceptions: no exchange turns a lone cycle of three around. Weights are laid on the edges at random.

    References:
        Maslov & Sneppen (2002). Specificity and stability in topology of protein networks. Science 296.
        https://doi.org/10.1126/science.1065103

        Roberts & Coolen (2012). Unbiased degree-preserving randomization of directed binary networks. Phys. Rev. E 85.
        https://doi.org/10.1103/PhysRevE.85.046103
    """
    rng = np.random.default_rng(seed)
    source, target = _shuffled(graph, rng, lambda swaps: swaps.shuffle(SWAPS_PER_EDGE, MAX_ROUNDS))
    return graph.with_edges(source, target, None if graph.weight is None else rng.permutation(graph.num_edges))


def rewire_degrees_and_lengths(graph: SimpleGraph, seed: int, num_bins: int = LENGTH_BINS) -> SimpleGraph:
    """Exchange targets so that numbers of inputs and outputs and the histogram of edge lengths stay, exactly.

    Lengths are counted in ``num_bins`` bins of equal width from 0 to the length of the longest edge. Two edges are exchanged
    if their lengths then fall in the same bins as before, or if another exchange of the round undoes the difference. Weights
    are shuffled among the edges of one bin, so that the relation of weight and length stays too.

    Args:
        graph: A graph with positions.
        seed: Seed of the draw.
        num_bins: Number of bins, 1 to 26.

    Raises:
        ValueError: If the graph has no positions.

    References:
        Betzel & Bassett (2018). Specificity and robustness of long-distance connections in weighted, interareal
        connectomes. PNAS 115. https://doi.org/10.1073/pnas.1720186115
    """
    bins = LengthBins(graph, num_bins)
    rng = np.random.default_rng(seed)

    def shuffle(swaps: Swaps) -> None:
        swaps.shuffle(SWAPS_PER_EDGE, MAX_ROUNDS, _cancelling(swaps, bins, rng))

    source, target = _shuffled(graph, rng, shuffle)
    moved = None
    if graph.weight is not None:
        # Both sides sorted by bin: the edges in any order within one, the weights in a random one.
        before, after = bins.of(graph.source, graph.target), bins.of(source, target)
        order = rng.permutation(graph.num_edges)
        order = order[np.argsort(before[order], kind="stable")]
        moved = np.empty_like(order)
        moved[np.argsort(after, kind="stable")] = order
    return graph.with_edges(source, target, moved)


class LengthBins:
    """The bin that the distance of two neurons falls in, from 0; ``num_bins`` if it exceeds that of the longest edge.

    Args:
        graph: A graph with positions.
        num_bins: Number of bins.

    Raises:
        ValueError: If the graph has no positions, or the number of bins is not 1 to 26.
    """

    def __init__(self, graph: SimpleGraph, num_bins: int = LENGTH_BINS):
        if graph.pos is None:
            raise ValueError(
                "pos must hold the position of each neuron for a null model that keeps lengths, got None; give pos."
            )
        if check_count(num_bins, "num_bins") > 26:
            raise ValueError(f"num_bins must be a whole number from 1 to 26, got {num_bins!r}.")
        self.num_bins, self._axes = num_bins, np.ascontiguousarray(graph.pos.T)
        longest = self._length(graph.source, graph.target).max(initial=0.0)
        self._per_um = num_bins * (1 - 1e-9) / longest if longest > 0 else 0.0

    def of(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Return the bin of each pair of neurons, int64, shape of ``i``."""
        return np.minimum(self._length(i, j) * self._per_um, self.num_bins).astype(np.int64)

    def _length(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        squared = np.zeros(i.size)
        for axis in self._axes:
            squared += np.square(axis[i] - axis[j])
        return np.sqrt(squared)


def _cancelling(swaps: Swaps, bins: LengthBins, rng: np.random.Generator) -> Accept:
    """Accept exchanges that leave the histogram of lengths as it is, alone or two and two."""
    # Bin k counts 5^k. An exchange changes the count of a bin by -2 .. 2, so the sum of what it changes names all of it,
    # and two exchanges undo each other where their sums do. 2 * 5^26 is the largest below 2^63.
    unit = 5 ** np.arange(bins.num_bins + 1)
    current = unit[bins.of(swaps.source, swaps.target)]

    def among(first, second, a, b, c, d):
        ad, cb = unit[bins.of(a, d)], unit[bins.of(c, b)]
        change = ad + cb - current[first] - current[second]
        accepted = change == 0
        # The partner is drawn among the changes of either sign, since afterwards both have the other: the way back is as
        # probable. Nothing undoes what leads beyond the longest edge, and no two of those have opposite signs.
        rest = np.flatnonzero(~accepted)
        one, other = pair_alike(np.abs(change[rest]), rng)
        opposite = change[rest[one]] == -change[rest[other]]
        accepted[rest[one[opposite]]] = accepted[rest[other[opposite]]] = True
        current[first[accepted]], current[second[accepted]] = ad[accepted], cb[accepted]
        return accepted

    return among


def _shuffled(
    graph: SimpleGraph, rng: np.random.Generator, shuffle: Callable[[Swaps], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted edges after exchanges: of the pairs that are not linked, where those are fewer."""
    N = graph.num_nodes
    slots = N * (N - 1) if graph.directed else N * (N - 1) // 2
    sparse = 2 * graph.num_edges <= slots
    swaps = Swaps(graph if sparse else _complement(graph), rng)
    shuffle(swaps)
    source, target = swaps.source, swaps.target
    if not graph.directed:
        source, target = np.minimum(source, target), np.maximum(source, target)
    source, target, _ = merge_edges(source, target, None, N)
    shuffled = replace(graph, source=source, target=target, weight=None)
    if not sparse:
        shuffled = _complement(shuffled)
    return shuffled.source, shuffled.target


def _complement(graph: SimpleGraph) -> SimpleGraph:
    """Return the pairs that are not linked, without weights. The graph must link few or most: all pairs are listed."""
    linked = np.zeros((graph.num_nodes, graph.num_nodes), dtype=bool)
    linked[graph.source, graph.target] = True
    np.fill_diagonal(linked, True)
    if not graph.directed:
        linked |= np.tri(graph.num_nodes, dtype=bool)
    source, target = np.nonzero(~linked)
    return replace(graph, source=source, target=target, weight=None)
