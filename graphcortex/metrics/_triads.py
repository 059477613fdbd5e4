"""Exact counts of all connected triples of neurons, by how they are linked."""

from __future__ import annotations

from functools import cache
from itertools import permutations

import numpy as np
import scipy.sparse

from graphcortex.graphs import SimpleGraph

TRIADS = {
    6: "021D",
    12: "021C",
    14: "111U",
    36: "021U",
    38: "030T",
    46: "120U",
    74: "111D",
    78: "201",
    98: "030C",
    102: "120C",
    108: "120D",
    110: "210",
    238: "300",
}
"""MAN labels of the connected triads by their numbers: the least ``sum(A[i, j] * 2 ** (3 * i + j))`` in any order of the three."""

# How a neuron sees a link: its two bits are the two directions, which the neuron at the other end sees exchanged.
_OUT, _IN, _BOTH = 1, 2, 3
_FLIP = (0, 2, 1, 3)
_WEDGES_PER_BLOCK = 10_000_000  # of two steps upwards, each some 20 bytes
_BITS = 21  # three numbers below sqrt(2 M) share an int64


def triad_counts(graph: SimpleGraph) -> np.ndarray:
    """Count the connected triples of each kind.

    Neurons are put in the order of their numbers of links, and each link leads from the lower to the higher neuron. A triangle
    is then one way of two steps beside one of a single step; and no neuron has more than ``sqrt(2 M)`` links upwards, however
    large the hubs are. The triples with two links are all pairs of links at a neuron but those of triangles.

    Args:
        graph: A simple graph. An undirected link counts as one in both directions, so that only kinds 78 and 238 occur.

    Returns:
        Counts in the order of :data:`TRIADS`, int64, shape ``(13,)``.
    """
    upward = _upward(graph)
    counts = np.zeros(len(TRIADS), dtype=np.int64)
    in_triangles = np.zeros((4, 4), dtype=np.int64)  # pairs of links at a neuron of a triangle, by how it sees them
    for (first, second, across), count in np.ndenumerate(_triangles(upward)):
        if count:
            counts[_kind(first, across, second)] += count
            for one, other in ((first, across), (_FLIP[first], second), (_FLIP[across], _FLIP[second])):
                in_triangles[one, other] += count
    lower, higher = upward.nonzero()
    links = [np.zeros(graph.num_nodes, dtype=np.int64) for _ in range(4)]
    for seen in (_OUT, _IN, _BOTH):
        links[seen] += np.bincount(lower[upward.data == seen], minlength=graph.num_nodes)
        links[_FLIP[seen]] += np.bincount(higher[upward.data == seen], minlength=graph.num_nodes)
    for one in (_OUT, _IN, _BOTH):
        for other in range(one, 4):
            if one == other:
                pairs = (links[one] * (links[one] - 1) // 2).sum() - in_triangles[one, one]
            else:
                pairs = (links[one] * links[other]).sum() - in_triangles[one, other] - in_triangles[other, one]
            counts[_kind(one, other, 0)] += pairs
    return counts


def _upward(graph: SimpleGraph) -> scipy.sparse.csr_array:
    """Return how the neuron with fewer links sees each link, int64 at ``[lower, higher]``; neurons in the order of links."""
    N = graph.num_nodes
    order = np.argsort(graph.degree, kind="stable")
    rank = np.empty(N, dtype=np.int64)
    rank[order] = np.arange(N)
    source, target = rank[graph.source], rank[graph.target]
    seen = np.where(source < target, _OUT, _IN) if graph.directed else np.full(source.size, _BOTH)
    ends = np.minimum(source, target), np.maximum(source, target)
    upward = scipy.sparse.csr_array((seen, ends), shape=(N, N), dtype=np.int64)
    upward.sum_duplicates()
    return upward


def _triangles(upward: scipy.sparse.csr_array) -> np.ndarray:
    """Count triangles u < v < w by how u sees v, v sees w and u sees w; int64, shape ``(4, 4, 4)``."""
    found = np.zeros((4, 4, 4), dtype=np.int64)
    per_row = np.diff(upward.indptr)
    wedges = np.concatenate(([0], np.cumsum(per_row[upward.indices])))[upward.indptr]
    # The kinds of the second step are counted in one product, each in bits of its own.
    second_step = upward.copy()
    second_step.data = np.array([0, 1, 1 << _BITS, 1 << 2 * _BITS])[upward.data]
    start = 0
    while start < upward.shape[0]:
        stop = int(np.searchsorted(wedges, wedges[start] + _WEDGES_PER_BLOCK, side="right")) - 1
        stop = max(start + 1, min(stop, upward.shape[0]))
        rows = upward[start:stop]
        start = stop
        linked = rows.astype(bool).astype(np.int64)
        for first in (_OUT, _IN, _BOTH):
            step = rows.copy()
            step.data = (rows.data == first).astype(np.int64)
            step.eliminate_zeros()
            if not step.nnz:
                continue
            closed = (step @ second_step).multiply(linked)
            closed.sort_indices()
            across = rows.multiply(closed.astype(bool)).data
            for second in (_OUT, _IN, _BOTH):
                count = closed.data >> (second - 1) * _BITS & (1 << _BITS) - 1
                found[first, second] += np.bincount(across, weights=count, minlength=4).astype(np.int64)
    return found


@cache
def _kind(first: int, across: int, second: int) -> int:
    """Return the position among the triads of a triple u, v, w: how u sees v, how u sees w, and how v sees w."""
    edges = []
    for (i, j), seen in zip(((0, 1), (0, 2), (1, 2)), (first, across, second), strict=True):
        edges += [(i, j)] * (seen & _OUT) + [(j, i)] * (seen >> 1)
    numbers = (sum(2 ** (3 * order[i] + order[j]) for i, j in edges) for order in permutations(range(3)))
    return list(TRIADS).index(min(numbers))
