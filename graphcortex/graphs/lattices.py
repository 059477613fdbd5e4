"""The other extreme: graphs whose edges are as short as they can be on a ring of the neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphcortex.graphs.simple import SimpleGraph
from graphcortex.graphs.swaps import Swaps

MAX_ROUNDS, MAX_TRIALS = 400, 80_000_000
"""How often an edge is tried at most on its way to the diagonal, and all edges together: a large graph takes longer to get
there, and has a hundred rounds at least."""

_WINDOW, _WORTH = 10, 0.005
"""Ten rounds that shorten the edges by less than 0.5 % are the last."""


def ring_lattice(graph: SimpleGraph, seed: int) -> SimpleGraph:
    """Lay as many edges as the graph has on a ring of the neurons in their order, the nearest pairs first.

    Where they do not fill the last distance, the pairs at that distance are drawn. The strongest weights go to the nearest
    pairs, at random among those at one distance.

    References:
        Muldoon, Bridgeford & Bassett (2016). Small-world propensity and weighted brain networks. Sci. Rep. 6.
        https://doi.org/10.1038/srep22057
    """
    N, M = graph.num_nodes, graph.num_edges
    rng = np.random.default_rng(seed)
    if M == 0:
        return graph
    # Pairs at one distance; half as many at the distance N / 2, where both ways around the ring are as long.
    distance = np.arange(1, N // 2 + 1)
    pairs = np.where(2 * distance == N, N // 2, N) * (2 if graph.directed else 1)
    last = int(np.searchsorted(np.cumsum(pairs), M))
    ring = np.repeat(distance[:last], pairs[:last])
    start = np.cumsum(pairs[: last + 1]) - pairs[: last + 1]
    place = np.arange(ring.size) - np.repeat(start[:last], pairs[:last])
    left = M - ring.size
    ring = np.concatenate((ring, np.full(left, distance[last])))
    place = np.concatenate((place, np.sort(rng.permutation(pairs[last])[:left])))
    source, step = place % N, ring
    if graph.directed:
        source = np.where(2 * ring == N, place, source)
        step = np.where((place >= N) & (2 * ring != N), -ring, ring)
    target = (source + step) % N
    if not graph.directed:
        source, target = np.minimum(source, target), np.maximum(source, target)
    moved = None
    if graph.weight is not None:
        shuffled = rng.permutation(M)
        nearest = shuffled[np.argsort(ring[shuffled], kind="stable")]
        moved = np.empty(M, dtype=np.int64)
        moved[nearest] = np.argsort(graph.weight, kind="stable")[::-1]
    return graph.with_edges(source, target, moved)


def degree_lattice(graph: SimpleGraph, seed: int) -> SimpleGraph:
    """Exchange targets only where that brings edges nearer together on a ring; numbers of inputs and outputs stay, exactly.

    The order of the neurons on the ring is drawn. Weights go with their edges, and a strong edge counts for more: a pair is
    exchanged if its lengths on the ring, weighted, then sum to less. It ends after 100 to 400 trials of every edge (400 up to
    200,000 edges), or when ten of them have gained less than 0.5 %.

    References:
        Sporns & Zwi (2004). The small world of the cerebral cortex. Neuroinformatics 2.
        https://doi.org/10.1385/NI:2:2:145
    """
    N = graph.num_nodes
    rng = np.random.default_rng(seed)
    at = rng.permutation(N)  # the neuron at each place of the ring; below, neurons are called by their places
    place = np.argsort(at)
    swaps = Swaps(replace(graph, source=place[graph.source], target=place[graph.target]), rng)
    weight = np.ones(graph.num_edges) if graph.weight is None else graph.weight

    def apart(i, j):
        straight = np.abs(i - j)
        return np.minimum(straight, N - straight)

    def nearer(first, second, a, b, c, d):
        one, other = weight[first], weight[second]
        # What equal lengths sum to must not depend on rounding, or there would be no end.
        gain = one * (apart(a, b) - apart(a, d)) + other * (apart(c, d) - apart(c, b))
        return gain > 1e-12 * (one + other) * N

    total = np.inf
    rounds = int(np.clip(MAX_TRIALS // max(graph.num_edges, 1), 100, MAX_ROUNDS))
    for _ in range(rounds // _WINDOW):
        for _ in range(_WINDOW):
            swaps.round(accept=nearer)
        before, total = total, float(weight @ apart(swaps.source, swaps.target))
        if not total < (1 - _WORTH) * before:
            break
    source, target = at[swaps.source], at[swaps.target]
    if not graph.directed:
        source, target = np.minimum(source, target), np.maximum(source, target)
    return graph.with_edges(source, target)
