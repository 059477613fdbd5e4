"""Two one-sided tests: is a difference shown to be too small to matter?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from graphcortex._checks import check_number
from graphcortex._ties import ROUNDING, at_least
from graphcortex.study.statistics._samples import as_differences, as_samples, check_level
from graphcortex.study.statistics.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class Equivalence(Statistic):
    """A difference with the test of whether it lies within a margin.

    Attributes:
        margin: Differences between -margin and margin do not matter, in the unit of the values.
        alpha: Level of the test; the interval has confidence 1 - 2 alpha, and lies within the margin if the test says so.
    """

    margin: float
    alpha: float = 0.05

    @property
    def equivalent(self) -> bool:
        """Whether the difference is shown to lie within the margin. False does not say that it matters."""
        return self.p <= self.alpha

    def __str__(self) -> str:
        word = "equivalent" if self.equivalent else "not shown to be equivalent"
        return f"{super().__str__()}: {word} within {self.margin:.4g} at {self.alpha:.4g}"


def tost_paired(a: Any, b: Any = None, *, margin: float, alpha: float = 0.05) -> Equivalence:
    r"""Test whether the mean of paired differences lies within ``(-margin, margin)``, by two one-sided t tests.

    P is the greater of those of :math:`t = (\bar d + \text{margin}) / (s / \sqrt n)` above and
    :math:`t = (\bar d - \text{margin}) / (s / \sqrt n)` below 0, with n - 1 degrees of freedom. Differences without any spread
    have no t: then p is that of sign flips against the nearer margin, :math:`2^{-n}` within it.

    Args:
        a: Values, shape ``(n,)``, or the differences themselves if ``b`` is None. NaN marks a run without a value.
        b: The values paired with them, shape ``(n,)``.
        margin: Greatest difference that does not matter, in the unit of the values, greater than 0. Choose it before seeing
            the data.
        alpha: Level of the test.

    Returns:
        The mean difference, p, and the interval of confidence 1 - 2 alpha; no p for fewer than two pairs.

    Raises:
        ValueError: If the samples are no numbers, not paired, or ``margin`` or ``alpha`` is out of range.

    References:
        Schuirmann (1987). A comparison of the two one-sided tests procedure and the power approach. J. Pharmacokinet. Biopharm. 15.
        https://doi.org/10.1007/BF01068419

    Example:
        >>> print(tost_paired([0.91, 0.90, 0.92, 0.90, 0.91], [0.90, 0.91, 0.91, 0.91, 0.90], margin=0.02))
        mean difference 0.002 [-0.008444, 0.01244] (90%), p = 0.0107, n = 5, paired TOST: equivalent within 0.02 at 0.05
    """
    differences, dropped = as_differences(a, b)
    n = len(differences)
    told = _told(margin, alpha, "paired TOST", n, dropped)
    if n < 2:
        value = float(differences[0]) if n else math.nan
        return Equivalence(value=value, reason="fewer than two pairs are left", **told)
    value, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(n)
    if error <= ROUNDING * max(margin, abs(value)):
        return _without_spread(value, 2.0**-n, told)
    return _from_t(value, error, n - 1, told)


def tost_welch(a: Any, b: Any, *, margin: float, alpha: float = 0.05) -> Equivalence:
    r"""Test whether the means of two samples that are not paired differ by less than ``margin``, by two one-sided Welch tests.

    Args:
        a: Values, shape ``(n,)``. NaN marks a run without a value.
        b: Values, shape ``(m,)``.
        margin: Greatest difference that does not matter, in the unit of the values, greater than 0. Choose it before seeing
            the data.
        alpha: Level of the test.

    Returns:
        The difference of the means ``a - b``, p, and the interval of confidence 1 - 2 alpha; no p for fewer than two values of
        either. Samples without any spread have no t: then p is that of the rank sum test against the nearer margin,
        :math:`1 / \binom{n+m}{n}` within it.

    Raises:
        ValueError: If the samples are no numbers in one dimension, or ``margin`` or ``alpha`` is out of range.

    References:
        Schuirmann (1987). A comparison of the two one-sided tests procedure and the power approach. J. Pharmacokinet. Biopharm. 15.
        https://doi.org/10.1007/BF01068419

    Example:
        >>> print(tost_welch([0.91, 0.90, 0.92, 0.90], [0.90, 0.91, 0.91, 0.91, 0.90], margin=0.02))
        mean difference 0.0015 [-0.009581, 0.01258] (90%), p = 0.0107, n = 4 + 5, Welch TOST: equivalent within 0.02 at 0.05
    """
    (a, b), dropped = as_samples({"a": a, "b": b})
    n, m = len(a), len(b)
    told = _told(margin, alpha, "Welch TOST", (n, m), dropped)
    if min(n, m) < 2:
        value = float(a.mean() - b.mean()) if min(n, m) else math.nan
        return Equivalence(value=value, reason="fewer than two values are left", **told)
    value = float(a.mean() - b.mean())
    parts = np.array([a.var(ddof=1) / n, b.var(ddof=1) / m])
    if math.sqrt(parts.sum()) <= ROUNDING * max(margin, abs(value)):
        return _without_spread(value, 1 / math.comb(n + m, n), told)
    df = parts.sum() ** 2 / (parts**2 / np.array([n - 1, m - 1])).sum()
    return _from_t(value, math.sqrt(parts.sum()), float(df), told)


def _told(margin: float, alpha: float, method: str, n: int | tuple[int, int], dropped: int) -> dict[str, Any]:
    margin = check_number(margin, "margin", above=0.0)
    level = check_level(1 - 2 * check_number(alpha, "alpha", above=0.0, maximum=0.499))
    told: dict[str, Any] = {"name": "mean difference", "margin": margin, "alpha": alpha, "level": level}
    return {**told, "method": method, "n": n, "dropped": dropped}


def _from_t(value: float, error: float, df: float, told: dict[str, Any]) -> Equivalence:
    p = stdtr(df, max(-(value + told["margin"]), value - told["margin"]) / error)
    half = -stdtrit(df, told["alpha"]) * error
    return Equivalence(value=value, p=float(p), interval=(float(value - half), float(value + half)), **told)


def _without_spread(value: float, p: float, told: dict[str, Any]) -> Equivalence:
    p = 1.0 if at_least(abs(value), told["margin"], told["margin"]) else p
    return Equivalence(value=value, p=p, reason="no spread: p by rank", **told)
