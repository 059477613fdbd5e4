"""Means and mean differences of bounded values, with intervals that stay within the bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphcortex._typing import RandomSource
from graphcortex.study.statistics._samples import as_differences, as_sample, check_bounds, check_level
from graphcortex.study.statistics.bootstrap import bca_interval
from graphcortex.study.statistics.proportion import unseen_share
from graphcortex.study.statistics.statistic import Statistic


def mean_interval(
    values: Any,
    *,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    level: float = 0.95,
    resamples: int = 4999,
    rng: RandomSource = 0,
) -> Statistic:
    r"""Compute a mean and its BCa interval, which stays within the bounds of the values.

    Where all n values are equal the bootstrap says nothing. A share of further runs of at most :math:`q = z^2 / (n + z^2)`
    (Wilson's bound of 0 in n) may still differ, by as much as the bounds let them: the interval is then
    :math:`[\bar x - q (\bar x - \text{low}), \bar x + q (\text{high} - \bar x)]`.

    Args:
        values: Values, such as accuracies, shape ``(n,)``. NaN marks a run without a value.
        bounds: The least and the greatest value there can be, infinite where there is none; None for values without bounds.
        level: Confidence.
        resamples: Resamples of the bootstrap.
        rng: A generator, or an int seed.

    Returns:
        The mean and its interval. Equal values give none without bounds, and with one bound an interval open to the other side.

    Raises:
        ValueError: If the values are no numbers in one dimension or leave the bounds, or an option is out of range.

    References:
        Efron (1987). Better bootstrap confidence intervals. J. Am. Stat. Assoc. 82. https://doi.org/10.1080/01621459.1987.10478410

    Example:
        >>> print(mean_interval([1.0] * 20))
        mean 1 [0.8389, 1] (95%), n = 20, Wilson, all values are equal
    """
    sample, dropped = as_sample(values, "values")
    return _mean(sample, dropped, "mean", "values", bounds, level, resamples, rng)


def mean_difference_paired(
    a: Any,
    b: Any = None,
    *,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
    resamples: int = 4999,
    rng: RandomSource = 0,
) -> Statistic:
    """Compute the mean of paired differences ``a - b`` and its BCa interval over the pairs.

    Args:
        a: Values, shape ``(n,)``, or the differences themselves if ``b`` is None. NaN marks a run without a value.
        b: The values paired with them, shape ``(n,)``.
        bounds: The least and the greatest difference there can be, (-1, 1) for accuracies; None without bounds.
        level: Confidence.
        resamples: Resamples of the bootstrap.
        rng: A generator, or an int seed.

    Returns:
        The mean difference and its interval; equal differences as in :func:`mean_interval`.

    Raises:
        ValueError: If the samples are no numbers, not paired, or leave the bounds, or an option is out of range.

    Example:
        >>> print(mean_difference_paired([0.9, 0.8, 0.7, 0.9], [0.5, 0.5, 0.5, 0.6], bounds=(-1, 1)))
        mean difference 0.3 [0.225, 0.375] (95%), n = 4, BCa
    """
    differences, dropped = as_differences(a, b)
    return _mean(differences, dropped, "mean difference", "a - b", bounds, level, resamples, rng)


def _mean(
    sample: np.ndarray,
    dropped: int,
    name: str,
    argument: str,
    bounds: tuple[float, float] | None,
    level: float,
    resamples: int,
    rng: RandomSource,
) -> Statistic:
    low, high = check_bounds(bounds, sample, argument)
    n = len(sample)
    told: dict[str, Any] = {"name": name, "level": check_level(level), "n": n, "dropped": dropped}
    if n == 0:
        return Statistic(value=math.nan, reason="no values are left", **told)
    value = float(sample.mean())
    interval = bca_interval((sample,), lambda x: x.mean(-1), level=level, resamples=resamples, rng=rng)
    if interval is not None:
        interval = (max(low, interval[0]), min(high, interval[1]))
        return Statistic(value=value, interval=interval, method="BCa", **told)
    if math.isinf(low) and math.isinf(high):
        return Statistic(
            value=value, reason="all values are equal: without bounds, nothing says how others lie", **told
        )
    share = unseen_share(n, level)
    interval = (value - share * (value - low), value + share * (high - value))
    return Statistic(value=value, interval=interval, method="Wilson", reason="all values are equal", **told)
