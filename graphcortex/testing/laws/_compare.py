"""What all laws do: call a function on a graph, read what it returns, and compare."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from numbers import Number
from typing import Any

import numpy as np
import torch

from graphcortex.testing.graphs import AttributedGraph, as_code

Function = Callable[..., Any]
KINDS = ("graph", "edge", "node", "pair")


def call(function: Function, graph: AttributedGraph, **options: Any) -> list[torch.Tensor]:
    """Return the values of a function, called on a copy: one that writes into its input would otherwise excuse itself."""
    return [values for values, _ in parts(raw_call(function, graph, **options), function)]


def raw_call(function: Function, graph: AttributedGraph, **options: Any) -> Any:
    """Return what a function returns for a copy of the graph."""
    positional, named = graph.arguments()
    return function(*positional, **named, **options)


def parts(result: Any, function: Function) -> list[tuple[torch.Tensor, str]]:
    """Return all values of a result, each with the reason it gives for not being a number.

    Raises:
        ValueError: If the result is of a kind that holds no numbers.
    """
    if isinstance(result, torch.Tensor):
        return [(result.detach(), "")]
    if isinstance(result, (Number, np.ndarray, np.generic)):
        return [(_from_numpy(result), "")]
    if hasattr(result, "value") and not isinstance(result, Mapping):
        reason = str(getattr(result, "reason", ""))
        return [(values, reason) for values, _ in parts(result.value, function)]
    if isinstance(result, Mapping):
        return [part for entry in result.values() for part in parts(entry, function)]
    if isinstance(result, tuple):
        return [part for entry in result for part in parts(entry, function)]
    try:
        values = _from_numpy(result if isinstance(result, list) else float(result))
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"{name_of(function)} must return a number, a tensor, a Result, or a tuple or dict of those; got "
            f"{type(result).__name__}: test a function that picks numbers from it."
        ) from None
    return [(values, "")]


def assert_same(
    computed: list[torch.Tensor],
    expected: list[torch.Tensor],
    what: str,
    function: Function,
    graph: AttributedGraph,
    rtol: float | None,
    atol: float | None,
    verb: str = "depends on",
) -> None:
    """Check that two results are alike, NaN where NaN; the message shows both, and the graph as code."""
    says = f"{name_of(function)} {verb} {what}."
    if len(computed) != len(expected):
        fail(f"{says}\n  expected {len(expected)} values\n  got      {len(computed)} values", graph)
    for left, right in zip(computed, expected, strict=True):
        if left.shape != right.shape:
            fail(f"{says}\n  expected shape {tuple(right.shape)}\n  got      shape {tuple(left.shape)}", graph)
        weight = graph.graph.edge_weight
        single = any(values is not None and _is_single(values) for values in (left, right, weight))
        relative = rtol if rtol is not None else (1e-5 if single else 1e-9)
        absolute = atol if atol is not None else (1e-6 if single else 1e-12)
        if not torch.allclose(_as_double(left), _as_double(right), rtol=relative, atol=absolute, equal_nan=True):
            fail(f"{says}\n  expected {_show(right)}\n  got      {_show(left)}", graph)


def _from_numpy(values: Any) -> torch.Tensor:
    """Return numbers as a tensor; by way of NumPy, which keeps those of Python in double precision."""
    return torch.as_tensor(np.asarray(values))


def fail(message: str, graph: AttributedGraph) -> None:
    """Raise an AssertionError that shows the graph as it was given."""
    shown = graph if graph.node or graph.edge else graph.graph
    raise AssertionError(f"{message}\n  graph = {shown!r}")


def name_of(function: Function) -> str:
    """Return what to call a function in a message."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", repr(function))


def _is_single(values: torch.Tensor) -> bool:
    return values.dtype in (torch.float32, torch.float16, torch.bfloat16, torch.complex64)


def _as_double(values: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(values.cdouble()) if values.is_complex() else values.double()


def _show(values: torch.Tensor) -> str:
    return str(values.tolist()) if values.numel() <= 100 else as_code(values)
