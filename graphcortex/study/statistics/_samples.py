"""Samples as the statistics take them: finite numbers in one dimension, ties equal; NaN and inf are left out and counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphcortex._checks import check_choice, check_number
from graphcortex._ties import merge_tied_sizes, merge_ties, rounding_of

ALTERNATIVES = ("two-sided", "greater", "less")


def as_sample(values: Any, name: str) -> tuple[np.ndarray, int]:
    """Return the finite numbers of a sample, shape ``(n,)``, float64, ties equal, and how many others were left out.

    Raises:
        ValueError: If the values are no numbers in one dimension.
    """
    (sample,), dropped = as_samples({name: values})
    return sample, dropped


def as_samples(samples: Mapping[str, Any]) -> tuple[list[np.ndarray], int]:
    """Return the finite numbers of samples that are compared, shapes ``(n_k,)``, float64, and how many others were left out.

    Numbers that are tied, within a sample or between samples, are equal: see :mod:`graphcortex._ties`.

    Args:
        samples: The values of each by its name.

    Raises:
        ValueError: If the values are no numbers in one dimension.
    """
    arrays = [_as_vector(values, name) for name, values in samples.items()]
    finite = [array[np.isfinite(array)] for array in arrays]
    merged = merge_ties(np.concatenate(finite), np.concatenate([rounding_of(array) for array in finite]))
    ends = np.cumsum([len(array) for array in finite])[:-1]
    return np.split(merged, ends), sum(map(len, arrays)) - len(merged)


def as_differences(a: Any, b: Any = None) -> tuple[np.ndarray, int]:
    """Return the differences ``a - b`` of the pairs of finite numbers, shape ``(n,)``, and how many pairs were left out.

    Raises:
        ValueError: If the values are no numbers in one dimension, or do not form pairs.
    """
    differences, _ = pair_differences(a, b)
    finite = differences[~np.isnan(differences)]
    return finite, len(differences) - len(finite)


def pair_differences(a: Any, b: Any = None, *, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the difference ``a - b - shift`` of each pair, shape ``(n,)``, and how far rounding may have moved each.

    Sizes that are tied are equal, and those that are tied with 0 are 0. Where ``b`` is None it is not known what was subtracted:
    the largest difference stands for it. NaN where one of a pair is not finite.

    Raises:
        ValueError: If the values are no numbers in one dimension, or do not form pairs.
    """
    first = _as_vector(a, "a")
    second = np.zeros_like(first) if b is None else _as_vector(b, "b")
    if len(first) != len(second):
        raise ValueError(
            f"a and b must be paired, value by value: expected as many of both, got {len(first)} and {len(second)}; "
            "put NaN where a run has no value."
        )
    finite = np.isfinite(first) & np.isfinite(second)
    first, second = first[finite], second[finite]
    terms = rounding_of(first, second, np.full(first.shape, shift))
    if b is None:
        terms[:] = terms.max(initial=0.0)
    differences, rounding = np.full((2, len(finite)), np.nan)
    differences[finite] = merge_tied_sizes(first.astype(np.float64) - second.astype(np.float64) - shift, terms)
    rounding[finite] = terms
    return differences, rounding


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
    """Return values as float32 or float64, shape ``(n,)``: the format that they have says how far rounding moved them."""
    try:
        array = np.asarray(values)
        array = array if array.dtype == np.float32 else np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers in one dimension, got {values!r:.80}.") from None
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, a value per run; got shape {array.shape}.")
    return array
