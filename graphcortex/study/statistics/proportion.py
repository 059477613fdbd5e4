"""Wilson's interval for a proportion, and what it says of runs that were all alike."""

from __future__ import annotations

import math
from typing import Any

import scipy.stats

from graphcortex._checks import check_count
from graphcortex.study.statistics._samples import check_level
from graphcortex.study.statistics.statistic import Statistic


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> Statistic:
    r"""Compute a proportion and its Wilson score interval, which stays within [0, 1] and has a width even at 0 and 1.

    .. math:: \frac{\hat p + z^2 / 2n \pm z \sqrt{\hat p (1 - \hat p) / n + z^2 / 4 n^2}}{1 + z^2 / n}

    Args:
        successes: Runs that did what is counted.
        n: Runs.
        level: Confidence.

    Returns:
        The proportion with its interval; [0, 1] without runs.

    Raises:
        ValueError: If the counts are no whole numbers, or there are more successes than runs.

    References:
        Wilson (1927). Probable inference, the law of succession, and statistical inference. J. Am. Stat. Assoc. 22.
        https://doi.org/10.1080/01621459.1927.10502953

    Example:
        >>> print(wilson_interval(8, 10))
        proportion 0.8 [0.4902, 0.9433] (95%), n = 10, Wilson
    """
    n, successes = check_count(n, "n", minimum=0), check_count(successes, "successes", minimum=0)
    if successes > n:
        raise ValueError(f"successes must be at most n, {n}; got {successes}.")
    level = check_level(level)
    told: dict[str, Any] = {"name": "proportion", "level": level, "n": n, "method": "Wilson"}
    if n == 0:
        return Statistic(value=math.nan, interval=(0.0, 1.0), reason="no runs", **told)
    p, z = successes / n, scipy.stats.norm.isf((1 - level) / 2)
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # At 0 and 1 the ends are exact; rounding would leave the bounds.
    low = 0.0 if successes == 0 else center - half
    high = 1.0 if successes == n else center + half
    return Statistic(value=p, interval=(float(low), float(high)), **told)


def unseen_share(n: int, level: float) -> float:
    r"""Return Wilson's bound of 0 in n, :math:`z^2 / (n + z^2)`: the share that may yet differ although n were alike."""
    return wilson_interval(0, n, level=level).interval[1]
