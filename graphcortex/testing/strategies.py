"""Hypothesis strategies for graphs, connectomes and recordings. Needs the extra ``test``."""

from __future__ import annotations

from typing import NamedTuple

import torch

from graphcortex._checks import check_count, check_number
from graphcortex._optional import require
from graphcortex.data import Connectome

st = require("hypothesis.strategies", "test", "Drawing graphs for property tests")

_EIGHTH = 8


class Edges(NamedTuple):
    """A small weighted graph; unpack it into any function of ``ops``: ``strength(*graph)``."""

    edge_index: torch.Tensor
    """Source (row 0) and target (row 1), int64, shape ``(2, E)``."""
    edge_weight: torch.Tensor
    """One weight per edge, float64, shape ``(E,)``: a whole number of eighths, so sums of them are exact."""
    num_nodes: int
    """Number of neurons; some may have no edge."""


def edges(
    min_nodes: int = 1,
    max_nodes: int = 6,
    *,
    signed: bool = True,
    self_loops: bool = True,
    repeated: bool = True,
    max_edges: int | None = None,
):
    """Draw a weighted directed graph, its edges in any order.

    The defaults are the hardest input a function may meet: no edges, weights of 0 and of both signs, self-connections,
    the same edge twice, neurons without edges. Switch off what the function does not admit. Failures shrink to few
    nodes, few edges and weights near 0.

    Args:
        min_nodes: Fewest neurons.
        max_nodes: Most neurons.
        signed: Whether weights lie in [-4, 4] rather than in [0, 4].
        self_loops: Whether a neuron may connect to itself.
        repeated: Whether one pair may appear more than once.
        max_edges: Most edges; ``3 * num_nodes`` if not given.

    Returns:
        A strategy of :class:`Edges`.

    Raises:
        ValueError: If the numbers of nodes are not ``1 <= min_nodes <= max_nodes``, or ``max_edges < 0``.

    Example:
        >>> from hypothesis import given
        >>> @given(graph=edges(signed=False))
        ... def test_a_sum_of_weights_is_not_negative(graph):
        ...     assert graph.edge_weight.sum() >= 0
        >>> test_a_sum_of_weights_is_not_negative()
    """
    check_count(min_nodes, "min_nodes")
    check_count(max_nodes, "max_nodes", minimum=min_nodes)
    if max_edges is not None:
        check_count(max_edges, "max_edges", minimum=0)
    low = -4 * _EIGHTH if signed else 0

    @st.composite
    def draw_edges(draw) -> Edges:
        num_nodes = draw(st.integers(min_nodes, max_nodes))
        most = 3 * num_nodes if max_edges is None else max_edges
        if num_nodes == 1 and not self_loops:
            most = 0
        # A pair and its weight are drawn together: shrinking then drops whole edges.
        edge = st.tuples(_pairs(num_nodes, self_loops), st.integers(low, 4 * _EIGHTH))
        drawn = draw(st.lists(edge, max_size=most, unique_by=None if repeated else _pair_of)) if most else []
        edge_index = torch.tensor([pair for pair, _ in drawn], dtype=torch.int64).reshape(-1, 2).T.contiguous()
        edge_weight = torch.tensor([eighths / _EIGHTH for _, eighths in drawn], dtype=torch.float64)
        return Edges(edge_index, edge_weight, num_nodes)

    return draw_edges()


def _pair_of(drawn: tuple[tuple[int, int], int]) -> tuple[int, int]:
    return drawn[0]


def _pairs(num_nodes: int, self_loops: bool):
    node = st.integers(0, num_nodes - 1)
    if self_loops:
        return st.tuples(node, node)
    # Filtering (i, i) away would discard half of the draws on two nodes; skipping i when drawing j discards none.
    other = st.integers(0, max(num_nodes - 2, 0))
    return st.tuples(node, other).map(lambda pair: (pair[0], pair[1] + (pair[1] >= pair[0])))


def spike_trains(
    min_neurons: int = 1, max_neurons: int = 5, *, max_spikes: int = 8, max_time: float = 16.0, silent: bool = True
):
    """Draw a recording: the ascending spike times of each neuron in s, as float64 tensors.

    Times are whole eighths of a second: differences of them are exact, and neurons often fire at the same time or
    exactly one window apart. Neurons may be silent.

    Args:
        min_neurons: Fewest neurons.
        max_neurons: Most neurons.
        max_spikes: Most spikes of one neuron.
        max_time: Latest possible spike, in s, at least 1.
        silent: Whether a neuron may have no spikes.

    Returns:
        A strategy of ``list[torch.Tensor]``, as ``sttc`` and ``spike_correlation`` take them.

    Raises:
        ValueError: If the numbers of neurons are not ``1 <= min_neurons <= max_neurons``, ``max_spikes < 1`` or
            ``max_time < 1``.
    """
    check_count(min_neurons, "min_neurons")
    check_count(max_neurons, "max_neurons", minimum=min_neurons)
    check_count(max_spikes, "max_spikes")
    last = int(check_number(max_time, "max_time", minimum=1.0) * _EIGHTH)
    train = st.sets(st.integers(0, last), min_size=0 if silent else 1, max_size=min(max_spikes, last + 1)).map(
        lambda times: torch.tensor(sorted(times), dtype=torch.float64) / _EIGHTH
    )
    return st.lists(train, min_size=min_neurons, max_size=max_neurons)


def connectomes(min_neurons: int = 1, max_neurons: int = 6, *, coactivity: bool | None = None):
    """Draw a small, valid connectome: positions, synapses, and the co-activity of all pairs where it is wanted.

    Positions are whole um and never twice the same; there may be no synapses. Correlation and STTC are whole eighths in
    [-1, 1], alike in both directions, with ones on the diagonal; precision is their negative, with twos.

    Args:
        min_neurons: Fewest neurons.
        max_neurons: Most neurons.
        coactivity: Whether activity was recorded; either, if not given.

    Returns:
        A strategy of :class:`~graphcortex.data.Connectome`.

    Raises:
        ValueError: If the numbers of neurons are not ``1 <= min_neurons <= max_neurons``.
    """
    check_count(min_neurons, "min_neurons")
    check_count(max_neurons, "max_neurons", minimum=min_neurons)

    @st.composite
    def draw_connectome(draw) -> Connectome:
        wiring = draw(edges(min_neurons, max_neurons, signed=False, self_loops=False, repeated=False))
        N = wiring.num_nodes
        place = st.tuples(*[st.integers(0, 500)] * 3)
        pos = torch.tensor(draw(st.lists(place, min_size=N, max_size=N, unique=True)), dtype=torch.float64)
        count = (wiring.edge_weight * _EIGHTH).long() + 1
        recorded = draw(st.booleans()) if coactivity is None else coactivity
        measures = {}
        if recorded:
            source, target = (~torch.eye(N, dtype=torch.bool)).nonzero().T
            upper = source < target
            eighths = st.lists(st.integers(-_EIGHTH, _EIGHTH), min_size=int(upper.sum()), max_size=int(upper.sum()))
            for name in ("correlation", "sttc"):
                matrix = torch.zeros(N, N, dtype=torch.float64)
                matrix[source[upper], target[upper]] = torch.tensor(draw(eighths), dtype=torch.float64) / _EIGHTH
                measures[name] = (matrix + matrix.T)[source, target]
                measures[f"self_{name}"] = torch.ones(N, dtype=torch.float64)
            measures["precision"] = -measures["correlation"]
            measures["self_precision"] = torch.full((N,), 2.0, dtype=torch.float64)
            measures["coactivity_index"] = torch.stack([source, target])
        return Connectome.from_arrays(pos, wiring.edge_index, count, **measures)

    return draw_connectome()
