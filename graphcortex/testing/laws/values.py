"""What values a result may have: within bounds, those of an oracle, and none that is not a number without a reason."""

from __future__ import annotations

from typing import Any

from graphcortex.testing.graphs import AnyGraph, attributed
from graphcortex.testing.laws._compare import Function, assert_same, call, fail, name_of, parts, raw_call


def assert_bounds(values: Any, low: float, high: float, *, tolerance: float = 0.0) -> None:
    """Check that every value lies in ``[low, high]``, and that none is NaN.

    Args:
        values: A number, an array, a tensor or a :class:`~graphcortex.metrics.Result`.
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
    for found, _ in parts(values, assert_bounds):
        outside = ~((found >= low - tolerance) & (found <= high + tolerance))
        if bool(outside.any()):
            first = tuple(outside.nonzero()[0].tolist())
            raise AssertionError(
                f"{int(outside.sum())} of {found.numel()} values lie outside [{low}, {high}], the first at {first}: "
                f"{found[first].item()}"
            )


def assert_matches_oracle(
    function: Function, oracle: Function, graph: AnyGraph, *, rtol: float | None = None, atol: float | None = None
) -> None:
    """Check that a function gives what a slower, plainer one gives.

    Args:
        function: What is tested.
        oracle: What is believed, for example the formula as loops. NaN must be NaN in both.
        graph: The graph both are given.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If results differ in value, shape or number; the message shows the graph as code, and both results.

    Example:
        >>> import torch
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> def total(edge_index, edge_weight, num_nodes):
        ...     return edge_weight.sum()
        >>> assert_matches_oracle(total, lambda edge_index, edge_weight, num_nodes: sum(edge_weight.tolist()), graph)
    """
    graph = attributed(graph)
    what = f"its oracle {name_of(oracle)}"
    computed, expected = call(function, graph), call(oracle, graph)
    assert_same(computed, expected, what, function, graph, rtol, atol, verb="differs from")


def assert_finite_or_reason(function: Function, graph: AnyGraph) -> None:
    """Check that a result is finite, or is NaN and says why.

    Args:
        function: What is tested. Only what has a ``value`` and a ``reason``, as a :class:`~graphcortex.metrics.Result`, can
            say why; a plain number must be finite.
        graph: The graph it is tested on.

    Raises:
        AssertionError: If a value is infinite, or NaN without a reason; the message shows the graph as code.

    Example:
        >>> import torch
        >>> from graphcortex.testing import Edges
        >>> from graphcortex.metrics import assortativity
        >>> assert_finite_or_reason(assortativity, Edges(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0), 3))
    """
    graph = attributed(graph)
    for values, reason in parts(raw_call(function, graph), function):
        if bool(values.isinf().any()):
            fail(f"{name_of(function)} is infinite: got {values.tolist()}.", graph)
        if bool(values.isnan().any()) and not reason:
            fail(f"{name_of(function)} is not a number and gives no reason: got {values.tolist()}.", graph)
