"""Graphs in space: connections become rare with distance, and neurons may stand in a line."""

from __future__ import annotations

import math

import torch

from graphcortex._checks import check_choice, check_count, check_number
from graphcortex.testing.graphs import GeometricGraph
from graphcortex.testing.strategies._hypothesis import st
from graphcortex.testing.strategies.graphs import pairs
from graphcortex.testing.strategies.weights import weight_values

_DIRECTIONS = {
    "line": [[(1, 0, 0)], [(1, 2, 2)]],
    "plane": [[(1, 0, 0), (0, 1, 0)], [(1, 1, 0), (0, 0, 1)]],
    "volume": [[(1, 0, 0), (0, 1, 0), (0, 0, 1)]],
}
"""What spans the places of neurons, axes first; whole numbers, so that places on an oblique line or plane are exact."""
_FARTHEST = 200


def geometric_graphs(
    min_nodes: int = 1,
    max_nodes: int = 6,
    *,
    geometry: str | None = None,
    coincident: bool = False,
    reach: float = 150.0,
    weights: str = "plain",
    signed: bool = False,
    zeros: bool = False,
    dtype: torch.dtype = torch.float64,
):
    r"""Draw a graph in space, whose edges become rare with distance.

    A drawn pair of neurons at distance :math:`d` is kept with a chance of about :math:`e^{-d / r}`. Positions are whole
    um. There are no self-connections, and each pair appears once. Failures shrink to few neurons and edges, on a line,
    with weights of 1.

    Args:
        min_nodes: Fewest neurons.
        max_nodes: Most neurons.
        geometry: Where neurons stand: on a ``"line"``, in a ``"plane"`` or in a ``"volume"``; any, if not given.
        coincident: Whether two neurons may stand at one place.
        reach: The distance :math:`r` in um.
        weights: The kind of weights, see :func:`weights`.
        signed: Whether weights may be negative.
        zeros: Whether weights may be 0.
        dtype: Of positions and weights, ``torch.float64`` or ``torch.float32``.

    Returns:
        A strategy of :class:`GeometricGraph`.

    Raises:
        ValueError: If the numbers of nodes are not ``1 <= min_nodes <= max_nodes``, the reach is not positive, or a name is
            unknown.

    Example:
        >>> from hypothesis import find
        >>> find(geometric_graphs(2), lambda graph: graph.edge_index.numel() > 0).pos.tolist()
        [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    check_count(min_nodes, "min_nodes")
    check_count(max_nodes, "max_nodes", minimum=min_nodes)
    reach = check_number(reach, "reach", above=0.0)
    shapes = [check_choice(geometry, "geometry", tuple(_DIRECTIONS))] if geometry is not None else list(_DIRECTIONS)
    size = weight_values(weights, signed=signed, zeros=zeros, dtype=dtype)

    @st.composite
    def draw_geometric_graph(draw) -> GeometricGraph:
        N = draw(st.integers(min_nodes, max_nodes))
        directions = draw(st.sampled_from([one for shape in shapes for one in _DIRECTIONS[shape]]))
        place = st.tuples(*[st.integers(0, _FARTHEST)] * len(directions))
        places = draw(st.lists(place, min_size=N, max_size=N, unique=not coincident))
        pos = torch.tensor(places, dtype=dtype) @ torch.tensor(directions, dtype=dtype)
        # A pair is drawn with its luck. Luck of 0 always suffices, and so shrinking does not depend on distance.
        edge = st.tuples(pairs(N, self_loops=False), size, st.integers(0, 99))
        drawn = draw(st.lists(edge, max_size=4 * N, unique_by=lambda one: one[0])) if N > 1 else []
        kept = [(pair, weight) for pair, weight, luck in drawn if luck <= 100 * math.exp(-_distance(pos, pair) / reach)]
        edge_index = torch.tensor([pair for pair, _ in kept], dtype=torch.int64).reshape(-1, 2).T.contiguous()
        return GeometricGraph(edge_index, torch.tensor([weight for _, weight in kept], dtype=dtype), N, pos)

    return draw_geometric_graph()


def _distance(pos: torch.Tensor, pair: tuple[int, int]) -> float:
    return math.dist(pos[pair[0]].tolist(), pos[pair[1]].tolist())
