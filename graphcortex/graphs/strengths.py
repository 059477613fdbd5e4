"""Random graphs in which every neuron keeps its numbers and its summed weights of inputs and outputs, for each sign by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphcortex.graphs.simple import SimpleGraph

EXCHANGES_PER_EDGE = 10
"""How often an edge is exchanged on average in the first half of the steps."""

MAX_ROUNDS = 100
"""How often an edge is tried at most in the first half; each round tries as many pairs of edges as there are edges."""

STRENGTH_TOLERANCE = 1e-9
"""Strengths stay within this share of themselves: rounding moves them."""


def rewire_signed_strengths(graph: SimpleGraph, seed: int) -> SimpleGraph:
    r"""Exchange targets and weights so that degrees and strengths of every neuron stay, for excitation and inhibition apart.

    Two edges :math:`a \to b` and :math:`c \to d` of one sign are tried at a time.

    - If neither :math:`a \to d` nor :math:`c \to b` is an edge, the targets are exchanged. The two weights stay with their sources;
      a third neuron that sends edges of this sign to both :math:`b` and :math:`d` moves the difference of the weights from one to
      the other. Or the weights stay with their targets, and a third neuron that both :math:`a` and :math:`c` reach makes up for it.
    - If both are edges of the other sign, both signs are exchanged in this way: complete graphs change too.
    - If both are edges of the same sign, an amount drawn uniformly among all that leave weights positive moves from the first two
      edges to the other two. Unweighted graphs have no such step.

    Each step is as probable as its way back and keeps volume, so that in the long run all graphs of these degrees and strengths
    that steps lead to are equally probable. Weights change, and their distribution too: only sums are kept. Degrees are exact;
    strengths stay within :data:`STRENGTH_TOLERANCE`, as rounding adds up. An exchange in a sparse graph can lack the third neuron:
    such a graph keeps more of its edges. Steps go one after another: a draw takes some 30 us per edge and round, seconds for
    10,000 edges. Without direction the same holds for all edges of a neuron, and pairs whose two directions differ in sign are a
    kind of their own.

    References:
        Rubinov & Sporns (2011). Weight-conserving characterization of complex functional brain networks. NeuroImage 56.
        https://doi.org/10.1016/j.neuroimage.2011.03.069
    """
    M = graph.num_edges
    if M < 2:
        return graph
    rng = np.random.default_rng(seed)
    walk = _Walk(graph)
    exchanged = rounds = 0
    while exchanged < EXCHANGES_PER_EDGE * M and rounds < MAX_ROUNDS:
        exchanged += walk.round(rng)
        rounds += 1
    # To stop at a number of exchanges favors some graphs; as many rounds again, whatever they do, undo that.
    for _ in range(rounds):
        walk.round(rng)
    source, target = np.array(walk.ends, dtype=np.int64).T
    if not graph.directed:
        source, target = np.minimum(source, target), np.maximum(source, target)
    weighted = graph if graph.weight is None else replace(graph, weight=np.array(walk.weight))
    return weighted.with_edges(source, target)


class _Walk:
    """A graph whose edges and weights are exchanged one step at a time. Edge ``e`` keeps its sign, whatever it joins.

    Attributes:
        ends: Source and target of each edge.
        weight: Size of the weight of each edge.
    """

    def __init__(self, graph: SimpleGraph):
        M, N = graph.num_edges, graph.num_nodes
        self.ends = list(zip(graph.source.tolist(), graph.target.tolist(), strict=True))
        self.weight = [1.0] * M if graph.weight is None else graph.weight.tolist()
        self._weighted, self._directed = graph.weight is not None, graph.directed
        signs = np.ones(M, dtype=np.int8) if graph.sign is None else graph.sign
        self._sign = signs.tolist()
        self._edge: dict[tuple[int, int], int] = {}
        # The neurons that each neuron reaches, and is reached by, through edges of each sign.
        self._outputs: dict[int, list[set[int]]] = {s: [set() for _ in range(N)] for s in set(self._sign)}
        self._inputs = {s: [set() for _ in range(N)] for s in self._outputs} if graph.directed else self._outputs
        for e in range(M):
            self._join(e, *self.ends[e])

    def round(self, rng: np.random.Generator) -> int:
        """Try as many pairs of edges as there are edges, and return how many edges were exchanged."""
        M = len(self.ends)
        edges, numbers = rng.integers(M, size=(M, 2)).tolist(), rng.random((M, 5)).tolist()
        return sum(self._step(first, second, drawn) for (first, second), drawn in zip(edges, numbers, strict=True))

    def _step(self, first: int, second: int, drawn: list[float]) -> int:
        """Try two edges, and return how many were exchanged; ``drawn`` are five uniform numbers."""
        (a, b), (c, d) = self.ends[first], self.ends[second]
        if not self._directed:
            a, b = (b, a) if drawn[3] < 0.5 else (a, b)
            c, d = (d, c) if drawn[4] < 0.5 else (c, d)
        sign = self._sign[first]
        if self._sign[second] != sign or a in (c, d) or b in (c, d):
            # Without a -> d and c -> b as self-connections, a = d and b = c are no exchange either.
            return 0
        third, fourth = self._edge.get((a, d)), self._edge.get((c, b))
        if third is None and fourth is None:
            change = self._made_up(first, second, (a, b, c, d), drawn[0], drawn[1])
            if change is not None:
                self._exchange(first, second, (a, b, c, d), change)
                return 2
        elif third is not None and fourth is not None and self._sign[third] == self._sign[fourth]:
            if self._sign[third] == sign:
                self._redistribute(first, second, third, fourth, drawn[2])
                return 0
            change = self._made_up(first, second, (a, b, c, d), drawn[0], drawn[1])
            other = self._made_up(third, fourth, (a, d, c, b), drawn[0], drawn[2])
            if change is not None and other is not None:
                for e in (first, second, third, fourth):
                    self._part(e)
                self._exchange(first, second, (a, b, c, d), change, parted=True)
                self._exchange(third, fourth, (a, d, c, b), other, parted=True)
                return 4
        return 0

    def _made_up(
        self, first: int, second: int, ends: tuple[int, int, int, int], way: float, which: float
    ) -> list[tuple[int, float]] | None:
        """Return the new weights that keep all strengths when targets are exchanged, or None where no third neuron can."""
        a, b, c, d = ends
        one, two, sign = self.weight[first], self.weight[second], self._sign[first]
        if one == two:
            return []
        with_source = way < 0.5
        if with_source:
            others = (self._inputs[sign][b] & self._inputs[sign][d]) - {a, c}
        else:
            others = (self._outputs[sign][a] & self._outputs[sign][c]) - {b, d}
        if not others:
            return None
        k = sorted(others)[int(which * len(others))]
        if with_source:
            less, more = self._edge[k, b], self._edge[k, d]
        else:
            less, more = self._edge[a, k], self._edge[c, k]
        changed = [(less, self.weight[less] - (two - one)), (more, self.weight[more] + (two - one))]
        if min(changed[0][1], changed[1][1]) <= 0:
            return None
        return changed if with_source else [*changed, (first, two), (second, one)]

    def _exchange(
        self, first: int, second: int, ends: tuple[int, int, int, int], change: list[tuple[int, float]], *, parted=False
    ) -> None:
        a, b, c, d = ends
        if not parted:
            self._part(first)
            self._part(second)
        self._join(first, a, d)
        self._join(second, c, b)
        for e, weight in change:
            self.weight[e] = weight

    def _redistribute(self, first: int, second: int, third: int, fourth: int, drawn: float) -> None:
        if not self._weighted:
            return
        w = self.weight
        low, high = -min(w[third], w[fourth]), min(w[first], w[second])
        amount = low + drawn * (high - low)
        changed = w[first] - amount, w[second] - amount, w[third] + amount, w[fourth] + amount
        if min(changed) > 0:
            w[first], w[second], w[third], w[fourth] = changed

    def _join(self, e: int, i: int, j: int) -> None:
        self.ends[e] = (i, j)
        self._edge[i, j] = e
        sign = self._sign[e]
        self._outputs[sign][i].add(j)
        self._inputs[sign][j].add(i)
        if not self._directed:
            self._edge[j, i] = e

    def _part(self, e: int) -> None:
        i, j = self.ends[e]
        del self._edge[i, j]
        sign = self._sign[e]
        self._outputs[sign][i].discard(j)
        self._inputs[sign][j].discard(i)
        if not self._directed:
            del self._edge[j, i]
