"""Directed and undirected graphs that break what is wrong."""

from __future__ import annotations

import torch

from graphcortex._checks import check_count
from graphcortex.testing.graphs import Edges
from graphcortex.testing.strategies._hypothesis import st
from graphcortex.testing.strategies.weights import weight_values


def edges(
    min_nodes: int = 1,
    max_nodes: int = 6,
    *,
    weights: str = "plain",
    signed: bool = True,
    zeros: bool = True,
    self_loops: bool = True,
    repeated: bool = True,
    max_edges: int | None = None,
    dtype: torch.dtype = torch.float64,
):
    """Draw a weighted directed graph, its edges in any order.

    The defaults are the hardest input a function may meet: no edges, weights of 0 and of both signs, self-connections,
    the same edge twice, neurons without edges. Switch off what the function does not admit. Failures shrink to few
    nodes, few edges and weights of 0 or 1.

    Args:
        min_nodes: Fewest neurons.
        max_nodes: Most neurons.
        weights: The kind of weights, see :func:`weights`; the default is whole eighths up to 4, whose sums are exact.
        signed: Whether weights may be negative.
        zeros: Whether weights may be 0.
        self_loops: Whether a neuron may connect to itself.
        repeated: Whether one pair may appear more than once.
        max_edges: Most edges; ``3 * num_nodes`` if not given.
        dtype: Of the weights, ``torch.float64`` or ``torch.float32``.

    Returns:
        A strategy of :class:`Edges`.

    Raises:
        ValueError: If the numbers of nodes are not ``1 <= min_nodes <= max_nodes``, ``max_edges < 0``, or a name is
            unknown.

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
    size = weight_values(weights, signed=signed, zeros=zeros, dtype=dtype)

    @st.composite
    def draw_edges(draw) -> Edges:
        num_nodes = draw(st.integers(min_nodes, max_nodes))
        most = 3 * num_nodes if max_edges is None else max_edges
        if num_nodes == 1 and not self_loops:
            most = 0
        # A pair and its weight are drawn together: shrinking then drops whole edges.
        edge = st.tuples(pairs(num_nodes, self_loops=self_loops), size)
        drawn = draw(st.lists(edge, max_size=most, unique_by=None if repeated else _pair_of)) if most else []
        return _as_edges(drawn, num_nodes, dtype)

    return draw_edges()


def undirected_edges(
    min_nodes: int = 1,
    max_nodes: int = 6,
    *,
    weights: str = "plain",
    signed: bool = True,
    zeros: bool = True,
    self_loops: bool = False,
    max_pairs: int | None = None,
    dtype: torch.dtype = torch.float64,
):
    """Draw a weighted undirected graph: each linked pair in both directions, with one weight.

    Args:
        min_nodes: Fewest neurons.
        max_nodes: Most neurons.
        weights: The kind of weights, see :func:`weights`.
        signed: Whether weights may be negative.
        zeros: Whether weights may be 0.
        self_loops: Whether a neuron may connect to itself; such an edge is listed once.
        max_pairs: Most linked pairs; ``3 * num_nodes`` if not given.
        dtype: Of the weights, ``torch.float64`` or ``torch.float32``.

    Returns:
        A strategy of :class:`Edges`, whose matrix is symmetric.

    Raises:
        ValueError: If the numbers of nodes are not ``1 <= min_nodes <= max_nodes``, ``max_pairs < 0``, or a name is
            unknown.

    Example:
        >>> from hypothesis import find
        >>> find(undirected_edges(), lambda graph: graph.edge_index.numel() > 0)  # doctest: +NORMALIZE_WHITESPACE
        Edges(edge_index=torch.tensor([[0, 1], [1, 0]]),
              edge_weight=torch.tensor([0.0, 0.0], dtype=torch.float64), num_nodes=2)
    """
    if max_pairs is not None:
        check_count(max_pairs, "max_pairs", minimum=0)
    options = {"weights": weights, "signed": signed, "zeros": zeros, "self_loops": self_loops, "dtype": dtype}
    one_way = edges(min_nodes, max_nodes, max_edges=max_pairs, **options)

    def both_ways(graph: Edges) -> Edges:
        # Of what names one pair twice, in either direction, the first stays.
        drawn: dict[tuple[int, int], float] = {}
        for (i, j), weight in zip(graph.edge_index.T.tolist(), graph.edge_weight.tolist(), strict=True):
            drawn.setdefault((min(i, j), max(i, j)), weight)
        back = [((j, i), weight) for (i, j), weight in drawn.items() if i != j]
        return _as_edges([*drawn.items(), *back], graph.num_nodes, dtype)

    return one_way.map(both_ways)


def pairs(num_nodes: int, *, self_loops: bool):
    """Return a strategy of a source and a target."""
    node = st.integers(0, num_nodes - 1)
    if self_loops:
        return st.tuples(node, node)
    # Filtering (i, i) away would discard half of the draws on two nodes; skipping i when drawing j discards none.
    other = st.integers(0, max(num_nodes - 2, 0))
    return st.tuples(node, other).map(lambda pair: (pair[0], pair[1] + (pair[1] >= pair[0])))


def _pair_of(drawn: tuple[tuple[int, int], float]) -> tuple[int, int]:
    return drawn[0]


def _as_edges(drawn: list[tuple[tuple[int, int], float]], num_nodes: int, dtype: torch.dtype) -> Edges:
    edge_index = torch.tensor([pair for pair, _ in drawn], dtype=torch.int64).reshape(-1, 2).T.contiguous()
    return Edges(edge_index, torch.tensor([weight for _, weight in drawn], dtype=dtype), num_nodes)
