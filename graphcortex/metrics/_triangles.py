"""The triangles of a simple graph, found without a matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_TABLE_ENTRIES = 2**23
_CHUNK_WEDGES = 2**20


def triangles(
    source: np.ndarray, target: np.ndarray, num_nodes: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the triangles of an undirected graph, each once, as the numbers of their three edges.

    Nodes are ordered by degree, and edges lead up: of M edges at most sqrt(2 M) then leave a node, however many neighbours
    a hub has. Each two edges i -> j -> k in a row are looked up in a table of the edges that leave i.

    Args:
        source: One end of each edge, shape ``(M,)``; each linked pair once, and no self-loops.
        target: The other end, shape ``(M,)``.
        num_nodes: Number of nodes.

    Yields:
        Edges i - j, j - k and i - k of some triangles, positions in ``source``, each shape ``(T,)``.
    """
    N, M = num_nodes, source.size
    if M < 3:
        return
    degree = np.bincount(source, minlength=N) + np.bincount(target, minlength=N)
    rank = np.empty(N, dtype=np.int64)
    rank[np.argsort(degree, kind="stable")] = np.arange(N)
    low, high = np.minimum(rank[source], rank[target]), np.maximum(rank[source], rank[target])
    order = np.argsort(low * N + high)
    low, high = low[order], high[order]
    first = np.concatenate(([0], np.cumsum(np.bincount(low, minlength=N))))  # first edge that leaves each node
    leaving = np.diff(first)
    wedges = leaving[high]  # how many edges continue each edge
    ends = np.cumsum(wedges)
    rows = max(1, _TABLE_ENTRIES // N)
    table = np.full((min(rows, N), N), -1, dtype=np.int32)
    start = 0
    while start < M:
        done = ends[start] - wedges[start]
        stop = min(
            int(np.searchsorted(ends, done + _CHUNK_WEDGES, side="right")), int(first[min(low[start] + rows, N)])
        )
        stop = max(stop, start + 1)
        # Every edge that leaves a node of this chunk enters the table, also those that other chunks start from.
        base, last = low[start], low[stop - 1]
        listed = slice(first[base], first[last + 1])
        table[low[listed] - base, high[listed]] = np.arange(listed.start, listed.stop)
        count = wedges[start:stop]
        ij = np.repeat(np.arange(start, stop), count)
        jk = np.arange(ij.size) - np.repeat(np.cumsum(count) - count, count) + first[high[ij]]
        ik = table[low[ij] - base, high[jk]]
        closed = ik >= 0
        table[low[listed] - base, high[listed]] = -1
        if closed.any():
            yield order[ij[closed]], order[jk[closed]], order[ik[closed]]
        start = stop


def triangle_sums(source: np.ndarray, target: np.ndarray, value: np.ndarray, num_nodes: int) -> np.ndarray:
    """Return, for each node, the sum over its triangles of the product of their edges' values, shape ``(N,)``."""
    total = np.zeros(num_nodes)
    for ij, jk, ik in triangles(source, target, num_nodes):
        product = value[ij] * value[jk] * value[ik]
        # The ends of two edges name one of the corners twice; the third is what is left of the sum.
        corners = source[ij] + target[ij], source[jk] + target[jk], source[ik] + target[ik]
        around = sum(corners) // 2
        for opposite in corners:
            total += np.bincount(around - opposite, weights=product, minlength=num_nodes)
    return total
