"""Numbers of neurons and the order of edges mean nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from graphcortex._checks import check_choice
from graphcortex.testing.graphs import AnyGraph, attributed
from graphcortex.testing.laws._compare import KINDS, Function, assert_same, call


def assert_invariant_to_relabelling(
    function: Function,
    graph: AnyGraph,
    permutation: Sequence[int] | torch.Tensor | None = None,
    *,
    of: str = "graph",
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check that a result does not depend on the numbers that the neurons happen to have.

    Args:
        function: What is tested.
        graph: The graph it is tested on.
        permutation: The new number of every neuron, shape ``(N,)``, each of ``0 .. N - 1`` once. If not given, the law is
            checked for the reversed numbers, and for a random permutation that is always the same for one N.
        of: What the result has one value of; those of neurons and pairs must move with their neurons.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If it does; the message shows the graph as code, and both results.
        ValueError: If ``permutation`` is none, or ``of`` is unknown.

    Example:
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> def out_strength(edge_index, edge_weight, num_nodes):
        ...     return torch.zeros(num_nodes).index_add(0, edge_index[0], edge_weight)
        >>> assert_invariant_to_relabelling(out_strength, graph, of="node")
    """
    check_choice(of, "of", KINDS)
    graph = attributed(graph)
    expected = call(function, graph)
    for names in _permutations(permutation, graph.graph.num_nodes, "permutation", "neuron"):
        moved = graph.take_nodes(names.argsort()).with_edges(edge_index=names[graph.graph.edge_index])
        renamed = call(function, moved)
        what = f"the numbers of neurons, renamed to {names.tolist()}"
        if of in ("node", "pair") and all(_fits(value, names.numel(), of) for value in renamed):
            renamed = [value[names] if of == "node" else value[names][:, names] for value in renamed]
        assert_same(renamed, expected, what, function, graph, rtol, atol)


def assert_invariant_to_edge_order(
    function: Function,
    graph: AnyGraph,
    order: Sequence[int] | torch.Tensor | None = None,
    *,
    of: str = "graph",
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check that a result does not depend on the order in which the edges are listed.

    Args:
        function: What is tested.
        graph: The graph it is tested on.
        order: The old position of every edge in the new list, shape ``(E,)``, each of ``0 .. E - 1`` once. If not given,
            the law is checked for the reversed order, and for a random one that is always the same for one E.
        of: What the result has one value of; those of edges must move with their edges.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If it does; the message shows the graph as code, and both results.
        ValueError: If ``order`` is no permutation, or ``of`` is unknown.

    Example:
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> assert_invariant_to_edge_order(lambda edge_index, edge_weight, num_nodes: edge_weight.sum(), graph)
    """
    check_choice(of, "of", KINDS)
    graph = attributed(graph)
    expected = call(function, graph)
    for places in _permutations(order, graph.num_edges, "order", "edge"):
        reordered = call(function, graph.take_edges(places))
        moved = expected
        if of == "edge" and all(_fits(value, places.numel(), of) for value in expected):
            moved = [value[places] for value in expected]
        what = f"the order of edges, now {places.tolist()}"
        assert_same(reordered, moved, what, function, graph, rtol, atol)


def _fits(values: torch.Tensor, size: int, of: str) -> bool:
    """Say whether values can be moved; those of the wrong shape are compared as they are."""
    return values.shape[: 1 + (of == "pair")] == (size,) * (1 + (of == "pair"))


def _permutations(given: Sequence[int] | torch.Tensor | None, size: int, name: str, what: str) -> list[torch.Tensor]:
    if given is not None:
        values = torch.as_tensor(given, dtype=torch.int64)
        if not torch.equal(values.sort().values, torch.arange(size)):
            raise ValueError(f"{name} must hold each of 0 .. {size - 1} once, one per {what}; got {values.tolist()}.")
        return [values]
    # A random permutation of few may leave everything where it was; the reversed one never does.
    reverse = torch.arange(size - 1, -1, -1)
    drawn = torch.randperm(size, generator=torch.Generator().manual_seed(size))
    return [reverse, drawn]
