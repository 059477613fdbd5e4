"""Samples as the statistics take them: finite numbers in one dimension; NaN is a run without a value, and is counted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphcortex._checks import check_choice, check_number

ALTERNATIVES = ("two-sided", "greater", "less")


def as_sample(values: Any, name: str) -> tuple[np.ndarray, int]:
    """Return the numbers of a sample, shape ``(n,)``, float64, and how many NaN were left out.

    Raises:
        ValueError: If the values are no numbers in one dimension, or infinite.
    """
    array = _as_vector(values, name)
    kept = array[~np.isnan(array)]
    return kept, len(array) - len(kept)


def as_differences(a: Any, b: Any = None) -> tuple[np.ndarray, int]:
    """Return the differences ``a - b`` of the pairs that hold no NaN, shape ``(n,)``, and how many pairs were left out.

    Raises:
        ValueError: If the values are no numbers in one dimension, or infinite, or do not form pairs.
    """
    first = _as_vector(a, "a")
    if b is None:
        return as_sample(first, "a")
    second = _as_vector(b, "b")
    if len(first) != len(second):
        raise ValueError(
            f"a and b must be paired, value by value: expected as many of both, got {len(first)} and {len(second)}; "
            "put NaN where a run has no value."
        )
    return as_sample(first - second, "a - b")


def check_level(level: float) -> float:
    """Return a confidence strictly between 0 and 1.

    Raises:
        ValueError: If it is not.
    """
    level = check_number(level, "level", above=0.0, maximum=1.0)
    if level == 1.0:
        raise ValueError("level must be less than 1, such as 0.95; got 1.0.")
    return level


def check_alternative(alternative: str) -> str:
    """Return one of the three alternatives.

    Raises:
        ValueError: If it is none.
    """
    return check_choice(alternative, "alternative", ALTERNATIVES)


def check_bounds(bounds: tuple[float, float] | None, sample: np.ndarray, name: str) -> tuple[float, float]:
    """Return the least and the greatest value there can be; infinite where ``bounds`` is None.

    Raises:
        ValueError: If the bounds are none, or the sample leaves them.
    """
    if bounds is None:
        return -math.inf, math.inf
    low, high = map(float, bounds)
    if not low < high:
        raise ValueError(f"bounds must be (lower, upper) with lower < upper, got {bounds!r}.")
    if len(sample) and (sample.min() < low or sample.max() > high):
        raise ValueError(
            f"{name} must lie within its bounds {bounds}, got values from {sample.min():.6g} to {sample.max():.6g}."
        )
    return low, high


def _as_vector(values: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers in one dimension, got {values!r:.80}.") from None
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, a value per run; got shape {array.shape}.")
    if np.isinf(array).any():
        raise ValueError(f"{name} must be finite or NaN (a run without a value), got {int(np.isinf(array).sum())} inf.")
    return array
