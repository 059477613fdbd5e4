"""Laws that functions on graphs obey, each checked by one call.

A function is anything that takes ``(edge_index, edge_weight, num_nodes)``. Say what its result has one value of:
``of="graph"`` (numbers that belong to the whole graph), ``"edge"`` ``(E,)``, ``"node"`` ``(N,)`` or ``"pair"`` ``(N, N)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from graphcortex._checks import check_choice
from graphcortex.testing.strategies import Edges

Function = Callable[[torch.Tensor, torch.Tensor, int], Any]
_KINDS = ("graph", "edge", "node", "pair")


def assert_invariant_to_relabelling(
    function: Function,
    graph: Edges,
    permutation: Sequence[int] | torch.Tensor,
    *,
    of: str = "graph",
    rtol: float = 1e-9,
    atol: float = 1e-12,
) -> None:
    """Check that a result does not depend on the numbers that the neurons happen to have.

    Args:
        function: What is tested.
        graph: The graph it is tested on.
        permutation: The new number of every neuron, shape ``(N,)``, each of ``0 .. N - 1`` once.
        of: What the result has one value of; those of neurons and pairs must move with their neurons.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If it does; the message shows the graph and both results.
        ValueError: If ``permutation`` is none, or ``of`` is unknown.

    Example:
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> def out_strength(edge_index, edge_weight, num_nodes):
        ...     return torch.zeros(num_nodes).index_add(0, edge_index[0], edge_weight)
        >>> assert_invariant_to_relabelling(out_strength, graph, [2, 0, 1], of="node")
    """
    check_choice(of, "of", _KINDS)
    names = _permutation(permutation, graph.num_nodes, "permutation", "neuron")
    expected = _call(function, graph)
    renamed = _call(function, Edges(names[graph.edge_index], graph.edge_weight, graph.num_nodes))
    if of == "node":
        renamed = [value[names] for value in renamed]
    elif of == "pair":
        renamed = [value[names][:, names] for value in renamed]
    _assert_same(renamed, expected, f"the numbers of neurons, renamed to {names.tolist()}", function, graph, rtol, atol)


def assert_invariant_to_edge_order(
    function: Function,
    graph: Edges,
    order: Sequence[int] | torch.Tensor,
    *,
    of: str = "graph",
    rtol: float = 1e-9,
    atol: float = 1e-12,
) -> None:
    """Check that a result does not depend on the order in which the edges are listed.

    Args:
        function: What is tested.
        graph: The graph it is tested on.
        order: The old position of every edge in the new list, shape ``(E,)``, each of ``0 .. E - 1`` once.
        of: What the result has one value of; those of edges must move with their edges.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If it does; the message shows the graph and both results.
        ValueError: If ``order`` is no permutation, or ``of`` is unknown.

    Example:
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> assert_invariant_to_edge_order(lambda edge_index, edge_weight, num_nodes: edge_weight.sum(), graph, [1, 0])
    """
    check_choice(of, "of", _KINDS)
    order = _permutation(order, graph.edge_index.size(1), "order", "edge")
    expected = _call(function, graph)
    reordered = _call(function, Edges(graph.edge_index[:, order], graph.edge_weight[order], graph.num_nodes))
    if of == "edge":
        expected = [value[order] for value in expected]
    _assert_same(reordered, expected, f"the order of edges, now {order.tolist()}", function, graph, rtol, atol)


def assert_bounds(values: Any, low: float, high: float, *, tolerance: float = 0.0) -> None:
    """Check that every value lies in ``[low, high]``, and that none is NaN.

    Args:
        values: A number, an array or a tensor.
        low: Lower bound; ``-inf`` for none.
        high: Upper bound; ``inf`` for none.
        tolerance: How far beyond a bound rounding may take a value.

    Raises:
        AssertionError: If a value does not; the message counts them and shows the first.

    Example:
        >>> assert_bounds([0.0, 0.5], 0, 1)
        >>> assert_bounds([0.0, 1.5], 0, 1)
        Traceback (most recent call last):
            ...
        AssertionError: 1 of 2 values lie outside [0, 1], the first at (1,): 1.5
    """
    values = torch.as_tensor(values)
    outside = ~((values >= low - tolerance) & (values <= high + tolerance))
    if bool(outside.any()):
        first = tuple(outside.nonzero()[0].tolist())
        raise AssertionError(
            f"{int(outside.sum())} of {values.numel()} values lie outside [{low}, {high}], the first at {first}: "
            f"{values[first].item()}"
        )


def assert_matches_oracle(
    function: Function, oracle: Function, graph: Edges, *, rtol: float = 1e-9, atol: float = 1e-12
) -> None:
    """Check that a function gives what a slower, plainer one gives.

    Args:
        function: What is tested.
        oracle: What is believed, for example the formula as loops. NaN must be NaN in both.
        graph: The graph both are given.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If results differ in value, shape or number; the message shows the graph and both results.

    Example:
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> def total(edge_index, edge_weight, num_nodes):
        ...     return edge_weight.sum()
        >>> assert_matches_oracle(total, lambda edge_index, edge_weight, num_nodes: sum(edge_weight.tolist()), graph)
    """
    what = f"its oracle {_name(oracle)}"
    computed, expected = _call(function, graph), _call(oracle, graph)
    if len(computed) != len(expected):
        raise AssertionError(f"{_name(function)} returned {len(computed)} values and {what} {len(expected)}.")
    _assert_same(computed, expected, what, function, graph, rtol, atol, verb="differs from")


def _permutation(values: Sequence[int] | torch.Tensor, size: int, name: str, what: str) -> torch.Tensor:
    values = torch.as_tensor(values, dtype=torch.int64)
    if not torch.equal(values.sort().values, torch.arange(size)):
        raise ValueError(f"{name} must hold each of 0 .. {size - 1} once, one per {what}; got {values.tolist()}.")
    return values


def _call(function: Function, graph: Edges) -> list[torch.Tensor]:
    # A copy of the graph: a function that writes into its input would otherwise spoil the comparison in its own favour.
    result = function(graph.edge_index.clone(), graph.edge_weight.clone(), graph.num_nodes)
    values = result if isinstance(result, tuple) else (result,)
    return [torch.as_tensor(value).detach() for value in values]


def _assert_same(
    computed: list[torch.Tensor],
    expected: list[torch.Tensor],
    what: str,
    function: Function,
    graph: Edges,
    rtol: float,
    atol: float,
    verb: str = "depends on",
) -> None:
    for left, right in zip(computed, expected, strict=True):
        if left.shape != right.shape:
            left_says, right_says = f"shape {tuple(left.shape)}", f"shape {tuple(right.shape)}"
        elif torch.allclose(left.double(), right.double(), rtol=rtol, atol=atol, equal_nan=True):
            continue
        else:
            left_says, right_says = str(left.tolist()), str(right.tolist())
        raise AssertionError(
            f"{_name(function)} {verb} {what}.\n  expected {right_says}\n  got      {left_says}\n"
            f"  edge_index={graph.edge_index.tolist()}, edge_weight={graph.edge_weight.tolist()}, "
            f"num_nodes={graph.num_nodes}"
        )


def _name(function: Function) -> str:
    return getattr(function, "__name__", repr(function))
