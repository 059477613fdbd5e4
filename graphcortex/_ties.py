"""Ties of numbers that rounding sets apart: one rule for ranks, signs, and the counts behind permutation tests.

Two numbers are tied where they differ by at most :data:`ROUNDING` of the magnitude of the numbers that they were computed from:
of themselves where they were measured, of the greater of ``a`` and ``b`` where they are differences ``a - b``, and of the largest
of a sample where nothing else is known. What neighboring numbers tie together is one group of ties. Numbers of a shorter format
than float64 are tied within eight times its precision, where that is more.

In float64, ``0.9 - 0.8`` and ``0.8 - 0.7`` differ by 2e-16: exact comparison gives them different ranks, and another p-value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

ROUNDING = 1e-10
"""Share of the magnitude up to which numbers are tied: far more than rounding in float64, far less than what can be measured."""


def rounding_of(*terms: Any) -> np.ndarray:
    """Return how far rounding may have moved each number of arrays of one shape, or each difference of them.

    Args:
        *terms: The numbers, or those that were subtracted, in the format that they were given in; shape ``(...)``.

    Returns:
        Greatest distance of ties, float64, shape ``(...)``, in the unit of the numbers.
    """
    arrays = [np.asarray(term) for term in terms]
    precision = [8 * float(np.finfo(a.dtype).eps) for a in arrays if np.issubdtype(a.dtype, np.floating)]
    magnitude = np.abs([a.astype(np.float64) for a in arrays]).max(axis=0)
    return max(ROUNDING, *precision, 0.0) * magnitude


def merge_ties(values: np.ndarray, rounding: np.ndarray | float | None = None) -> np.ndarray:
    """Return numbers of which those that are tied are equal: each group of ties becomes its least number.

    Args:
        values: Numbers without NaN, shape ``(..., n)``, each row by itself.
        rounding: How far rounding may have moved each, shape ``(..., n)`` or one for all; by :func:`rounding_of` if None.

    Returns:
        The numbers, float64, shape ``(..., n)``, in their order.

    Example:
        >>> merge_ties(np.array([0.9 - 0.8, 0.8 - 0.7, 0.2])).tolist()
        [0.09999999999999998, 0.09999999999999998, 0.2]
    """
    slack = np.broadcast_to(rounding_of(values) if rounding is None else rounding, np.shape(values))
    values = np.asarray(values, dtype=np.float64)
    order = np.argsort(values, axis=-1, kind="stable")
    ascending, slack = np.take_along_axis(values, order, -1), np.take_along_axis(slack, order, -1)
    apart = np.diff(ascending, axis=-1) > np.maximum(slack[..., 1:], slack[..., :-1])
    place = np.zeros(values.shape, dtype=np.int64)
    place[..., 1:] = np.where(apart, np.arange(1, values.shape[-1]), 0)
    least = np.take_along_axis(ascending, np.maximum.accumulate(place, axis=-1), -1)
    merged = np.empty_like(values)
    np.put_along_axis(merged, order, least, -1)
    return merged


def merge_tied_sizes(differences: np.ndarray, rounding: np.ndarray | float) -> np.ndarray:
    """Return differences whose sizes are equal where they are tied, and 0 where they are tied with 0, shape ``(..., n)``."""
    sizes = np.abs(differences)
    return np.sign(differences) * merge_ties(np.where(sizes > rounding, sizes, 0.0), rounding)


def rank(values: np.ndarray, rounding: np.ndarray | float | None = None) -> np.ndarray:
    """Return the rank of each number from 1, float64, shape ``(..., n)``; ties share their mean rank. See :func:`merge_ties`."""
    return scipy.stats.rankdata(merge_ties(values, rounding), axis=-1)


def at_least(values: Any, bound: Any, magnitude: Any) -> Any:
    """Return where values exceed a bound or are tied with it, bool, of the shape of all together.

    Args:
        values: NumPy array, tensor or number.
        bound: What they are held against.
        magnitude: Of the numbers that both were computed from.
    """
    return values >= bound - ROUNDING * magnitude
