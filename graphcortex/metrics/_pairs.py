"""Which edge of a graph joins a pair of neurons, for many pairs at once; and how long it is."""

from __future__ import annotations

import numpy as np

from graphcortex.graphs import SimpleGraph

_TABLE_UP_TO = 4096  # neurons whose pairs have a table: 64 MiB
_CHUNK = 1 << 17


class EdgeLookup:
    """Finds the edges of pairs: in a table of all pairs where that is small, by bisection in the sorted edges otherwise."""

    def __init__(self, graph: SimpleGraph):
        self._directed, self._num_nodes, self._num_edges = graph.directed, graph.num_nodes, graph.num_edges
        self._key = graph.source * graph.num_nodes + graph.target
        self._table = None
        if graph.num_nodes <= _TABLE_UP_TO:
            self._table = np.full(graph.num_nodes**2, -1, dtype=np.int32)
            self._table[self._key] = np.arange(graph.num_edges)

    def __call__(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the number of the edge of each pair, -1 where there is none, in the shape of ``source``."""
        if not self._directed:
            source, target = np.minimum(source, target), np.maximum(source, target)
        key = source * self._num_nodes + target
        if self._table is not None:
            return self._table[key]
        if self._num_edges == 0:
            return np.full(key.shape, -1)
        # Bisection in ascending order walks the edges once, and is many times faster than at random.
        order = np.argsort(key, axis=None)
        ascending = key.ravel()[order]
        place = np.minimum(np.searchsorted(self._key, ascending), self._num_edges - 1)
        found = np.empty(key.size, dtype=np.int64)
        found[order] = np.where(self._key[place] == ascending, place, -1)
        return found.reshape(key.shape)


def pair_lengths(pos: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the distance of each pair in um, shape ``(P,)``, a part of them at a time."""
    length = np.empty(source.size)
    for begin in range(0, source.size, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        # take() gathers whole rows several times faster than an index does.
        between = pos.take(source[part], axis=0)
        between -= pos.take(target[part], axis=0)
        np.sqrt(np.einsum("ij,ij->i", between, between), out=length[part])
    return length
