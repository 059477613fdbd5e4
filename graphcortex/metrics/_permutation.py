"""Permutation tests: where a value lies among those of shuffled data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcortex._checks import check_count
from graphcortex._ties import ROUNDING, at_least
from graphcortex.metrics._result import Result

BLOCK = 1 << 20  # numbers that a block of permutations holds at once: what it touches stays near the cache


@dataclass(frozen=True, eq=False, kw_only=True)
class PermutationResult(Result):
    """A number and its permutation test. ``num_nulls`` counts the permutations, ``null`` says what was permuted.

    Attributes:
        p_value: Two-sided Monte Carlo p-value, in [1 / (num_nulls + 1), 1]; NaN where there was no test.
    """

    p_value: float = math.nan


def permutations(rng: np.random.Generator, size: int, count: int, cost: int) -> Iterator[np.ndarray]:
    """Yield ``count`` permutations of ``size`` things in blocks, each of shape ``(B, size)``.

    Args:
        rng: The generator; what it draws does not depend on how the permutations fall into blocks.
        size: Things to permute.
        count: Permutations in all.
        cost: Numbers that one permutation makes; a block makes about :data:`BLOCK` of them.
    """
    together = max(1, BLOCK // max(cost, size, 1))
    for begin in range(0, count, together):
        block = np.tile(np.arange(size), (min(together, count - begin), 1))
        yield rng.permuted(block, axis=1, out=block)


def permuted_values(
    statistic: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator, size: int, count: int, cost: int
) -> np.ndarray:
    """Return a statistic under permutations: from a block ``(B, size)`` to ``(B,)`` or ``(B, K)``, over all ``count``."""
    check_count(count, "num_permutations")
    return np.concatenate([statistic(block) for block in permutations(rng, size, count, cost)])


def compared(value: float, shuffled: np.ndarray, null: str, seed: int) -> dict[str, Any]:
    r"""Return what a :class:`PermutationResult` says of its test.

    With :math:`m` the mean of the value and those of all :math:`n` permutations together,

    .. math:: p = \frac{1 + \#\{ |t_i - m| \ge |t - m| \}}{1 + n}.

    The mean treats the value like the others, so that p is valid for any n (Phipson & Smyth 2010,
    https://doi.org/10.2202/1544-6115.1585).
    """
    n = shuffled.size
    center = (value + shuffled.sum()) / (n + 1)
    magnitude = max(abs(value), float(np.abs(shuffled).max()))
    as_far = int(np.count_nonzero(at_least(np.abs(shuffled - center), abs(value - center), magnitude)))
    sd = float(shuffled.std(ddof=1)) if n > 1 else math.nan
    return {
        "null": null,
        "num_nulls": n,
        "null_mean": float(shuffled.mean()),
        "null_sd": 0.0 if sd <= ROUNDING * magnitude else sd,
        "p_value": (1 + as_far) / (1 + n),
        "seed": seed,
    }
