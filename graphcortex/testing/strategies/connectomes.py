"""Connectomes: positions, synapses, and the co-activity of all pairs where it was recorded."""

from __future__ import annotations

import torch

from graphcortex._checks import check_count
from graphcortex.data import Connectome
from graphcortex.testing.strategies._hypothesis import st
from graphcortex.testing.strategies.graphs import edges

_EIGHTH = 8


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
