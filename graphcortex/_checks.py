"""Checks of arguments. Each message says what was expected, what was got and, where it is not plain, what to do."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection
from typing import Any

import numpy as np
import torch


def check_count(value: Any, name: str, *, minimum: int = 1) -> int:
    """Return ``value`` as an int of at least ``minimum``.

    Raises:
        ValueError: If it is not a whole number, or too small.
    """
    if isinstance(value, bool) or not (isinstance(value, int) or hasattr(value, "__index__")) or int(value) < minimum:
        raise ValueError(f"{name} must be a whole number of at least {minimum}, got {value!r}.")
    return int(value)


def check_number(
    value: Any, name: str, *, minimum: float = -math.inf, maximum: float = math.inf, above: float | None = None
) -> float:
    """Return ``value`` as a finite float within ``[minimum, maximum]``, and greater than ``above`` where that is given.

    Raises:
        ValueError: If it is no number, not finite or out of range.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {value!r}.") from None
    low = f"greater than {above}" if above is not None else f"at least {minimum}"
    if not math.isfinite(number) or number < minimum or number > maximum or (above is not None and number <= above):
        raise ValueError(f"{name} must be a finite number, {low} and at most {maximum}; got {value!r}.")
    return number


def check_choice(value: Any, name: str, choices: Collection[str]) -> str:
    """Return ``value`` if it is one of ``choices``.

    Raises:
        ValueError: If it is not; the message lists the choices.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
    return value


def check_edge_index(edge_index: torch.Tensor, num_nodes: int, name: str = "edge_index") -> None:
    """Check that ``edge_index`` is int64 of shape ``(2, E)`` with entries in ``0 .. num_nodes - 1``.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(edge_index, torch.Tensor):
        raise ValueError(f"{name} must be a torch.Tensor of shape (2, E), got {type(edge_index).__name__}.")
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(
            f"{name} must have shape (2, E), row 0 the source and row 1 the target; got {tuple(edge_index.shape)}."
        )
    if edge_index.dtype != torch.int64:
        raise ValueError(f"{name} must be int64, got {edge_index.dtype}; call .long() if it holds whole numbers.")
    if edge_index.numel():
        low, high = (int(v) for v in torch.aminmax(edge_index))
        if low < 0 or high >= num_nodes:
            raise ValueError(
                f"{name} must lie in 0 .. {num_nodes - 1} (num_nodes is {num_nodes}), got {low} .. {high}."
            )


def check_nodes(nodes: Any, num_nodes: int, name: str) -> torch.Tensor:
    """Return distinct neurons as an int64 tensor of shape ``(M,)`` with M of at least 1.

    Raises:
        ValueError: If they are not whole numbers in ``0 .. num_nodes - 1``, each named once.
    """
    try:
        found = torch.as_tensor(nodes)
    except (TypeError, ValueError, RuntimeError):
        found = torch.empty(0)
    if found.dim() != 1 or found.numel() == 0 or found.dtype != torch.int64:
        got = f"{found.dtype} of shape {tuple(found.shape)}"
        raise ValueError(f"{name} must be a list of neurons, int64 of shape (M,) with M of at least 1; got {got}.")
    low, high = (int(v) for v in torch.aminmax(found))
    if low < 0 or high >= num_nodes:
        raise ValueError(f"{name} must lie in 0 .. {num_nodes - 1} (num_nodes is {num_nodes}), got {low} .. {high}.")
    if found.unique().numel() != found.numel():
        raise ValueError(f"{name} must name each neuron once, got {found.numel() - found.unique().numel()} repeats.")
    return found


def check_edge_values(values: torch.Tensor, edge_index: torch.Tensor, name: str = "edge_weight") -> None:
    """Check that ``values`` is floating point, with one entry per edge, on the device of ``edge_index``.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(values, torch.Tensor) or not values.is_floating_point():
        got = values.dtype if isinstance(values, torch.Tensor) else type(values).__name__
        raise ValueError(f"{name} must be a floating point tensor, got {got}.")
    if values.shape != (edge_index.size(1),):
        raise ValueError(
            f"{name} must hold one value per edge: expected shape ({edge_index.size(1)},), got {tuple(values.shape)}."
        )
    if values.device != edge_index.device:
        raise ValueError(f"{name} must be on the device of edge_index, {edge_index.device}; got {values.device}.")


def check_graph(edge_index: torch.Tensor, edge_weight: torch.Tensor, num_nodes: int) -> None:
    """Check that the three describe one weighted graph.

    Raises:
        ValueError: If they do not.
    """
    check_count(num_nodes, "num_nodes")
    check_edge_index(edge_index, num_nodes)
    check_edge_values(edge_weight, edge_index)


def check_finite(values: torch.Tensor, name: str) -> None:
    """Check that a floating point tensor holds neither NaN nor infinity.

    Raises:
        ValueError: If it does; the message counts them and names the first.
    """
    wrong = ~torch.isfinite(values)
    if bool(wrong.any()):
        first = tuple(int(i) for i in wrong.nonzero()[0])
        raise ValueError(
            f"{name} must be finite, got {int(wrong.sum())} of {values.numel()} values that are NaN or infinite "
            f"(the first at {first}: {float(values[first])}); drop or replace them."
        )


_COMPUTED = {torch.bool: torch.uint8, torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.float64}
"""Dtypes that torch stores and hardly computes with, and ones that hold the same values (uint64: the nearest)."""


def as_real_tensor(values: Any, name: str) -> torch.Tensor:
    """Return real numbers as a tensor of a dtype that torch computes with, not copied where they are one.

    NumPy's arrays may be of any byte order, read-only or masked; a masked value becomes NaN.

    Args:
        values: A tensor, an array, or what NumPy makes one of.
        name: What they are called in messages.

    Raises:
        ValueError: If they are not real numbers.
    """
    if not isinstance(values, torch.Tensor):
        values = _from_array(values, name)
    if values.is_complex():
        raise ValueError(f"{name} must be real, got {values.dtype}.")
    return values.to(_COMPUTED.get(values.dtype, values.dtype))


def _from_array(values: Any, name: str) -> torch.Tensor:
    try:
        array = np.asanyarray(values)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of numbers, got rows of different lengths.") from None
    if array.dtype.kind == "c":
        raise ValueError(f"{name} must be real, got {array.dtype}.")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold numbers, got an array of {array.dtype}.")
    if isinstance(array, np.ma.MaskedArray):
        array = array.astype(np.float64).filled(np.nan) if np.ma.is_masked(array) else array.data
    wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
    array = np.asarray(array, dtype=np.float64 if wide else array.dtype.newbyteorder("="))
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)
