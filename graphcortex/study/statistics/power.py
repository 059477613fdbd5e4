"""How likely a study with so many seeds is to see a difference, and how many seeds that takes; by theory and by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.stats
from scipy.special import chdtri, ndtr

from graphcortex._checks import check_choice, check_count, check_number
from graphcortex._random import numpy_generator
from graphcortex._ties import ROUNDING, merge_tied_sizes
from graphcortex._typing import RandomSource
from graphcortex.study.statistics._exact import signed_rank_counts
from graphcortex.study.statistics._samples import as_sample, check_alternative
from graphcortex.study.statistics.proportion import wilson_interval
from graphcortex.study.statistics.statistic import Statistic
from graphcortex.study.statistics.wilcoxon import wilcoxon_signed_rank

_TESTS = ("t", "wilcoxon")
# Relative efficiency of the signed rank test to t for normal differences, Pitman's 3 / pi.
_EFFICIENCY = 3 / math.pi
_QUANTILES = 500


def power_paired(
    n: int,
    difference: float,
    sd: float,
    *,
    alpha: float = 0.05,
    alternative: str = "two-sided",
    test: str = "t",
) -> float:
    r"""Compute the power of a paired test with ``n`` pairs, if differences are normal.

    By the noncentral t distribution with :math:`\delta = \sqrt n \, \text{difference} / \text{sd}`. For the signed rank test
    it is that of t with :math:`3 n / \pi` pairs (Pitman), and 0 where n is too small for its p-value to reach alpha at all.
    The sign-flip test is as efficient as t for normal differences.

    Args:
        n: Pairs, at least 2.
        difference: True mean difference.
        sd: Standard deviation of the differences, in the same unit, greater than 0.
        alpha: Level of the test.
        alternative: ``"two-sided"``, ``"greater"`` or ``"less"``.
        test: ``"t"`` or ``"wilcoxon"``.

    Returns:
        The chance that p is at most alpha.

    Raises:
        ValueError: If an argument is out of range.

    References:
        Lehmann (2006). Nonparametrics: statistical methods based on ranks. Springer.

    Example:
        >>> round(power_paired(20, difference=0.05, sd=0.1), 3)
        0.565
    """
    n, check = check_count(n, "n", minimum=2), check_choice(test, "test", _TESTS)
    noncentrality = check_number(difference, "difference") / check_number(sd, "sd", above=0.0)
    tail = _tail(alpha, alternative)
    if check == "wilcoxon":
        if 2.0**-n > tail:
            return 0.0
        pairs = max(2.0, n * _EFFICIENCY)
        return _noncentral_power(pairs - 1, noncentrality * math.sqrt(pairs), tail, alternative)
    return _noncentral_power(n - 1, noncentrality * math.sqrt(n), tail, alternative)


def power_unpaired(
    n: int, difference: float, sd: float, *, alpha: float = 0.05, alternative: str = "two-sided"
) -> float:
    """Compute the power of the t test of two samples of ``n`` normal values each that are not paired, as R's ``power.t.test``.

    Args:
        n: Values of each sample, at least 2.
        difference: True difference of the means.
        sd: Standard deviation within each sample, greater than 0.
        alpha: Level of the test.
        alternative: ``"two-sided"``, ``"greater"`` or ``"less"``.

    Returns:
        The chance that p is at most alpha. For two sides both tails count (R's ``strict = TRUE``).

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> round(power_unpaired(20, difference=1, sd=1), 4)
        0.869
    """
    n = check_count(n, "n", minimum=2)
    noncentrality = check_number(difference, "difference") / check_number(sd, "sd", above=0.0) * math.sqrt(n / 2)
    return _noncentral_power(2 * n - 2, noncentrality, _tail(alpha, alternative), alternative)


def power_equivalence(n: int, margin: float, sd: float, *, difference: float = 0.0, alpha: float = 0.05) -> float:
    r"""Compute the power of the paired equivalence test: the chance that both one-sided t tests reject.

    Given the sample's standard deviation s, the mean must lie within :math:`\pm (\text{margin} - t_{1 - \alpha} s / \sqrt n)`;
    this chance is averaged over the distribution of s (:math:`(n - 1) s^2 / \sigma^2` is chi-square) at evenly spaced quantiles.

    Args:
        n: Pairs, at least 2.
        margin: Greatest difference that does not matter, greater than 0.
        sd: Standard deviation of the differences, greater than 0.
        difference: True mean difference.
        alpha: Level of the test.

    Returns:
        The power.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> round(power_equivalence(20, margin=0.02, sd=0.02), 3)
        0.992
    """
    n, margin = check_count(n, "n", minimum=2), check_number(margin, "margin", above=0.0)
    sd, difference = check_number(sd, "sd", above=0.0), check_number(difference, "difference")
    alpha, error = _tail(alpha, "greater"), sd / math.sqrt(n)
    middle = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    seen = error * np.sqrt(chdtri(n - 1, middle) / (n - 1))
    reach = np.maximum(0.0, margin - scipy.stats.t.isf(alpha, n - 1) * seen)
    inside = ndtr((reach - difference) / error) - ndtr((-reach - difference) / error)
    return float(np.where(reach > 0, inside, 0.0).mean())


def simulated_power(
    n: int,
    difference: float,
    sd: float | None = None,
    *,
    pilot: Any = None,
    alpha: float = 0.05,
    alternative: str = "two-sided",
    test: str = "t",
    studies: int = 10_000,
    rng: RandomSource = 0,
) -> Statistic:
    """Estimate the power of a paired test with ``n`` pairs by simulating studies.

    Args:
        n: Pairs, at least 2 (at most 200 for ``"wilcoxon"``).
        difference: True mean difference.
        sd: Standard deviation of normal differences; None with ``pilot``.
        pilot: Paired differences of a study that was done, shape ``(m,)``: those to come are drawn from them with replacement,
            moved so that their mean is ``difference``. Accuracies of runs that learn or do not are far from normal; this asks
            for no shape.
        alpha: Level of the test.
        alternative: ``"two-sided"``, ``"greater"`` or ``"less"``.
        test: ``"t"`` or ``"wilcoxon"``, as :func:`wilcoxon_signed_rank` with its handling of ties.
        studies: Simulated studies.
        rng: A generator, or an int seed.

    Returns:
        The share of studies with p of at most alpha, with its Wilson interval; ``n`` is the number of studies.

    Raises:
        ValueError: If an argument is out of range, or both or neither of ``sd`` and ``pilot`` are given.

    Example:
        >>> abs(float(simulated_power(20, difference=0.05, sd=0.1, studies=2000)) - power_paired(20, 0.05, 0.1)) < 0.05
        True
    """
    n, studies = check_count(n, "n", minimum=2), check_count(studies, "studies")
    difference = check_number(difference, "difference")
    check_choice(test, "test", _TESTS)
    if (sd is None) == (pilot is None):
        raise ValueError("give one of sd (normal differences) and pilot (differences to draw from), not both.")
    generator = numpy_generator(rng)
    if pilot is None:
        d = difference + check_number(sd, "sd", above=0.0) * generator.standard_normal((studies, n))
    else:
        sample, _ = as_sample(pilot, "pilot")
        if len(sample) < 2:
            raise ValueError(f"pilot must hold two differences or more, got {len(sample)}.")
        d = difference - sample.mean() + generator.choice(sample, (studies, n))
    reject = (_t_rejects if test == "t" else _wilcoxon_rejects)(d, alpha, alternative)
    share = wilson_interval(int(reject.sum()), studies)
    return Statistic(name="power", value=share.value, interval=share.interval, n=studies, method=f"{test}, simulated")


def seeds_needed(power_of: Callable[[int], float], *, power: float = 0.8, start: int = 2, maximum: int = 10_000) -> int:
    """Find the least number of seeds with which a power is reached.

    Args:
        power_of: Power for a number of seeds, which grows with it, such as ``lambda n: power_paired(n, 0.02, 0.05)``.
        power: Power to reach, between 0 and 1.
        start: Least number that is tried.
        maximum: Greatest.

    Returns:
        The number.

    Raises:
        ValueError: If an argument is out of range, or ``maximum`` seeds do not reach the power.

    Example:
        >>> seeds_needed(lambda n: power_paired(n, difference=0.02, sd=0.05))
        52
    """
    if not 0 < check_number(power, "power") < 1:
        raise ValueError(f"power must lie between 0 and 1, got {power}.")
    low = check_count(start, "start")
    maximum = check_count(maximum, "maximum", minimum=low)
    high = low
    while power_of(high) < power:
        if high == maximum:
            raise ValueError(
                f"a power of {power:.3g} is not reached with {maximum} seeds (it is {power_of(maximum):.3g}); "
                "raise maximum, or look for a larger difference."
            )
        low, high = high + 1, min(2 * high, maximum)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= power else (middle + 1, high)
    return high


def _tail(alpha: float, alternative: str) -> float:
    check_alternative(alternative)
    if not 0 < check_number(alpha, "alpha") < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}.")
    return alpha / 2 if alternative == "two-sided" else alpha


def _noncentral_power(df: float, noncentrality: float, tail: float, alternative: str) -> float:
    critical = scipy.stats.t.isf(tail, df)
    # Beyond this, the far tail is nothing and SciPy's noncentral t loses its digits.
    upper = 1.0 if noncentrality > 30 + critical else float(scipy.stats.nct.sf(critical, df, noncentrality))
    lower = 1.0 if noncentrality < -30 - critical else float(scipy.stats.nct.sf(critical, df, -noncentrality))
    upper, lower = (0.0 if math.isnan(x) else x for x in (upper, lower))
    return {"greater": upper, "less": lower, "two-sided": min(1.0, upper + lower)}[alternative]


def _t_rejects(d: np.ndarray, alpha: float, alternative: str) -> np.ndarray:
    tail = _tail(alpha, alternative)
    mean, error = d.mean(1), d.std(1, ddof=1) / math.sqrt(d.shape[1])
    reach = scipy.stats.t.isf(tail, d.shape[1] - 1) * error
    above, below = mean > reach, mean < -reach
    return {"greater": above, "less": below, "two-sided": above | below}[alternative]


def _wilcoxon_rejects(d: np.ndarray, alpha: float, alternative: str) -> np.ndarray:
    n = d.shape[1]
    if n > 200:
        raise ValueError(f"n must be at most 200 for the simulated signed rank test, got {n}.")
    sizes = np.sort(np.abs(merge_tied_sizes(d, ROUNDING * np.abs(d).max())), axis=1)
    tied = (np.diff(sizes, axis=1) == 0).any(1) | (sizes[:, 0] == 0)
    rejected = np.empty(len(d), dtype=bool)
    rejected[~tied] = _untied_rejects(d[~tied], _tail(alpha, alternative), alternative)
    rejected[tied] = [wilcoxon_signed_rank(row, alternative=alternative).p <= alpha for row in d[tied]]
    return rejected


def _untied_rejects(d: np.ndarray, tail: float, alternative: str) -> np.ndarray:
    """Return which rows of differences, none of them 0 and no two of one size, the signed rank test rejects, all at once."""
    n = d.shape[1]
    ranks = np.argsort(np.argsort(np.abs(d), axis=1), axis=1) + 1
    positive = np.where(d > 0, ranks, 0).sum(1)
    # Of the sums of ranks 1 .. n, the greatest have a share of at most `tail`; the least by symmetry.
    at_least = np.cumsum(signed_rank_counts(np.arange(1, n + 1))[::-1])[::-1] / 2.0**n
    rejected = np.append(at_least <= tail, True)
    least = int(rejected.argmax())
    above, below = positive >= least, positive <= n * (n + 1) // 2 - least
    return {"greater": above, "less": below, "two-sided": above | below}[alternative]
