"""How a function behaves besides what it returns: it draws only from what it is given, and writes nothing it does not own."""

from __future__ import annotations

import copy
import inspect
import random
from typing import Any

import numpy as np
import torch

from graphcortex.testing.graphs import AnyGraph, attributed
from graphcortex.testing.laws._compare import Function, assert_same, call, fail, name_of


def assert_deterministic(
    function: Function, graph: AnyGraph, *, rng: Any = 0, rtol: float | None = 0.0, atol: float | None = 0.0
) -> None:
    """Check that a second call gives the same, and that the global generators of Python, NumPy and torch are left alone.

    Args:
        function: What is tested. If it has an argument ``rng``, both calls are given the same one.
        graph: The graph it is tested on.
        rng: A seed, or a generator that both calls are given a copy of; what ``function`` expects.
        rtol: Relative tolerance; by default, none.
        atol: Absolute tolerance, in the unit of the result; by default, none.

    Raises:
        AssertionError: If results differ, or a global generator was drawn from or seeded; the message shows the graph as
            code.

    Example:
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> assert_deterministic(lambda edge_index, edge_weight, num_nodes: torch.rand(()), graph)
        Traceback (most recent call last):
            ...
        AssertionError: <lambda> draws from, or seeds, the global generator of torch.
          graph = Edges(edge_index=torch.tensor([[0, 1], [1, 2]]), edge_weight=torch.tensor([1.0, 2.0]), num_nodes=3)
    """
    graph = attributed(graph)
    before = _states()
    try:
        first = _call_watched(function, graph, rng)
        # What borrows a global generator and puts it back is found out by moving that on.
        random.random()
        np.random.random()  # noqa: NPY002
        torch.rand(())
        second = _call_watched(function, graph, rng)
    finally:
        random.setstate(before["Python's random"])
        np.random.set_state(before["NumPy"])  # noqa: NPY002
        torch.set_rng_state(before["torch"])
    what = "something besides its arguments: a second call gave something else"
    assert_same(second, first, what, function, graph, rtol, atol)


def assert_leaves_input_alone(function: Function, graph: AnyGraph) -> None:
    """Check that a function does not write into the tensors it is given.

    Args:
        function: What is tested.
        graph: The graph it is tested on; the function works on a copy.

    Raises:
        AssertionError: If it does; the message shows the graph as code.

    Example:
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> assert_leaves_input_alone(lambda edge_index, edge_weight, num_nodes: edge_weight.abs().sum(), graph)
    """
    graph = attributed(graph)
    positional, named = graph.arguments()
    names = [*graph.graph._fields, *named]
    function(*positional, **named)
    intact, intact_named = graph.arguments()
    for name, now, then in zip(names, [*positional, *named.values()], [*intact, *intact_named.values()], strict=True):
        if isinstance(now, torch.Tensor) and not _identical(now, then):
            fail(f"{name_of(function)} writes into its input: {name} is now {now.tolist()}.", graph)


def _states() -> dict[str, Any]:
    return {
        "Python's random": random.getstate(),
        "NumPy": np.random.get_state(),  # noqa: NPY002
        "torch": torch.get_rng_state(),
    }


def _call_watched(function: Function, graph: Any, rng: Any) -> list[torch.Tensor]:
    before = _states()
    found = call(function, graph, **({"rng": _copy(rng)} if _takes_rng(function) else {}))
    for name, state in _states().items():
        if _comparable(state) != _comparable(before[name]):
            fail(f"{name_of(function)} draws from, or seeds, the global generator of {name}.", graph)
    return found


def _comparable(state: Any) -> Any:
    if isinstance(state, torch.Tensor):
        return state.numpy().tobytes()
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in state)


def _copy(rng: Any) -> Any:
    return rng.clone_state() if isinstance(rng, torch.Generator) else copy.deepcopy(rng)


def _takes_rng(function: Function) -> bool:
    try:
        return "rng" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some of what is written in C has no signature
        return False


def _identical(left: torch.Tensor, right: torch.Tensor) -> bool:
    return left.shape == right.shape and bool(((left == right) | (left.isnan() & right.isnan())).all())
