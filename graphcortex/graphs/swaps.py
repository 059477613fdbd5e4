"""Exchanging the targets of pairs of edges, many at once: the move behind every null model that keeps degrees.

One round lays the edges into random pairs (a -> b, c -> d) and proposes a -> d, c -> b for each. A pair is exchanged if that
makes no self-connection, the null model accepts it, and each of its two old and two new edges occurs nowhere else among all
the edges there are and all that are proposed. The last condition looks strict, and is what makes a round reversible: the
edges there are and the proposed ones are together the same after the round as before it, so the same pairs lead back, with
the same probability. If what is accepted is symmetric too, all graphs within reach are equally probable in the long run, to
the last digit, however many pairs are exchanged at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphcortex.graphs.simple import SimpleGraph

Accept = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From both edges of each pair, and their ends a, b, c, d, to which pairs are exchanged: int64 ``(P,)`` each to bool ``(P,)``."""

_TABLE_NODES = 2048
"""Up to here a table of all pairs of neurons (4 MB) says what is linked; beyond, the edges are sorted."""

_CROWD = 0.1
"""At most this part of all pairs of neurons is proposed at once: in a dense graph more would mostly meet itself."""

_IDLE_ROUNDS = 100
"""After so many rounds without an exchange there is taken to be none."""


class Swaps:
    """The edges of a graph while their targets are exchanged. Edge ``e`` stays edge ``e``, whatever it joins.

    Without direction, either end of an edge may be its source, drawn anew in each round.

    Attributes:
        source: Source of each edge, int64, shape ``(M,)``.
        target: Target of each edge, int64, shape ``(M,)``.
    """

    def __init__(self, graph: SimpleGraph, rng: np.random.Generator):
        N = graph.num_nodes
        self.source, self.target = graph.source.copy(), graph.target.copy()
        self._num_nodes, self._directed, self._rng = N, graph.directed, rng
        self._key = self._keys(self.source, self.target)
        self._there, self._proposed = np.zeros((2, N**2 if N <= _TABLE_NODES else 0), dtype=bool)
        if self._there.size:
            self._there[self._key] = True
        slots = N * (N - 1) if graph.directed else N * (N - 1) // 2
        self._most = max(1, int(_CROWD * slots / 2))

    def round(self, accept: Accept | None = None, among: Accept | None = None) -> int:
        """Try every edge once (an odd one is left out), and return how many pairs were exchanged.

        Args:
            accept: Which pairs may be exchanged, whatever the other pairs do.
            among: Which of those that could be exchanged together are.
        """
        if not self._directed:
            flip = self._rng.random(self.source.size) < 0.5
            self.source, self.target = (
                np.where(flip, self.target, self.source),
                np.where(flip, self.source, self.target),
            )
        order = self._rng.permutation(self.source.size)
        half = self.source.size // 2
        first, second = order[:half], order[half : 2 * half]
        parts = [slice(start, start + self._most) for start in range(0, half, self._most)]
        return sum(self._exchange(first[part], second[part], accept, among) for part in parts)

    def shuffle(self, swaps_per_edge: float, max_rounds: int, among: Accept | None = None) -> None:
        """Go on until an edge was exchanged about so many times on average, or was tried ``max_rounds`` times."""
        left, idle, rounds = swaps_per_edge * self.source.size / 4, 0, 0
        while left > 0 and idle < _IDLE_ROUNDS and rounds < max_rounds // 2:
            done = self.round(among=among)
            left -= done
            idle = 0 if done else idle + 1
            rounds += 1
        # To stop at a number of exchanges favours some graphs (each exchange is a transposition, so half of all graphs are an
        # even number away). As many rounds again, whatever they do, undo that; one more in half of the cases, where every
        # round exchanges (think of two edges).
        for _ in range(rounds + int(self._rng.random() < 0.5)):
            self.round(among=among)

    def _exchange(self, first: np.ndarray, second: np.ndarray, accept: Accept | None, among: Accept | None) -> int:
        a, b, c, d = self.source[first], self.target[first], self.source[second], self.target[second]
        ok = (a != d) & (c != b)
        if accept is not None:
            ok &= accept(first, second, a, b, c, d)
        first, second, a, b, c, d = (x[ok] for x in (first, second, a, b, c, d))
        ad, cb = self._keys(a, d), self._keys(c, b)
        ok = self._apart(first, second, ad, cb)
        first, second, a, b, c, d, ad, cb = (x[ok] for x in (first, second, a, b, c, d, ad, cb))
        if among is not None:
            ok = among(first, second, a, b, c, d)
            first, second, b, d, ad, cb = (x[ok] for x in (first, second, b, d, ad, cb))
        if self._there.size:
            self._there[self._key[first]] = self._there[self._key[second]] = False
            self._there[ad] = self._there[cb] = True
        self.target[first], self.target[second] = d, b
        self._key[first], self._key[second] = ad, cb
        return first.size

    def _apart(self, first: np.ndarray, second: np.ndarray, ad: np.ndarray, cb: np.ndarray) -> np.ndarray:
        """Return where both old and both new edges occur once among all edges and proposals, bool ``(P,)``."""
        P, M = first.size, self._key.size
        new = np.concatenate((ad, cb))
        if not self._there.size:
            lone = _once(np.concatenate((self._key, new)))
            return lone[first] & lone[second] & lone[M : M + P] & lone[M + P :]
        lone = _once(new) & ~self._there[new]
        self._proposed[new] = True
        crossed = self._proposed[self._key[first]] | self._proposed[self._key[second]]
        self._proposed[new] = False
        return lone[:P] & lone[P:] & ~crossed

    def _keys(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        if self._directed:
            return source * self._num_nodes + target
        return np.minimum(source, target) * self._num_nodes + np.maximum(source, target)


def pair_alike(label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pair at random what has the same label, int64 of shape ``(P,)``; an odd one of a label is left out."""
    order = rng.permutation(label.size)
    order = order[np.argsort(label[order], kind="stable")]
    label = label[order]
    start = np.flatnonzero(np.concatenate(([True], label[1:] != label[:-1]))[: label.size])
    place = np.arange(label.size) - np.repeat(start, np.diff(np.append(start, label.size)))
    first = np.flatnonzero((place[:-1] % 2 == 0) & (label[1:] == label[:-1]))
    return order[first], order[first + 1]


def _once(keys: np.ndarray) -> np.ndarray:
    """Return which keys occur once, bool, shape of ``keys``."""
    order = np.argsort(keys)
    ascending = keys[order]
    same = ascending[1:] == ascending[:-1]
    lone = np.ones(keys.size, dtype=bool)
    lone[order[1:][same]] = False
    lone[order[:-1][same]] = False
    return lone
