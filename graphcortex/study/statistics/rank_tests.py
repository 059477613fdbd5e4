"""Rank tests of samples that are not paired, as the study published them: Mann-Whitney and Kruskal-Wallis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.stats

from graphcortex._checks import check_count
from graphcortex.study.statistics._exact import rank_sum_counts, tail_probability
from graphcortex.study.statistics._samples import as_samples, check_alternative
from graphcortex.study.statistics.statistic import Statistic
from graphcortex.study.statistics.wilcoxon import normal_tail


def mann_whitney(a: Any, b: Any, *, alternative: str = "two-sided", exact_up_to: int = 50) -> Statistic:
    r"""Test whether values of ``a`` tend to lie above those of ``b``, pairing ignored.

    The statistic is :math:`U = \#\{a_i > b_j\} + \tfrac12 \#\{a_i = b_j\}`, R's W. P is exact, given the ties, up to
    ``exact_up_to`` values in all; beyond, normal with the variance of the tied ranks and a correction for continuity. Runs
    that share a seed are paired, and the paired tests use that: this one is here because the study used it.

    Args:
        a: Values, shape ``(n,)``. NaN marks a run without a value.
        b: Values, shape ``(m,)``.
        alternative: ``"two-sided"``, ``"greater"`` (``a`` above ``b``) or ``"less"``.
        exact_up_to: Values in all up to which p is exact, at most 100.

    Returns:
        U and p; no p if a sample is empty.

    Raises:
        ValueError: If the samples are no numbers in one dimension, or an option is out of range.

    References:
        Mann & Whitney (1947). On a test of whether one of two random variables is stochastically larger than the other.
        Ann. Math. Stat. 18. https://doi.org/10.1214/aoms/1177730491

    Example:
        >>> print(mann_whitney([0.9, 0.8, 0.85], [0.5, 0.6, 0.55]))
        U 9, p = 0.1, n = 3 + 3, Mann-Whitney (exact)
    """
    check_alternative(alternative)
    if check_count(exact_up_to, "exact_up_to", minimum=0) > 100:
        raise ValueError(f"exact_up_to must be at most 100, got {exact_up_to}.")
    (a, b), dropped = as_samples({"a": a, "b": b})
    n, m = len(a), len(b)
    told: dict[str, Any] = {"name": "U", "n": (n, m), "dropped": dropped}
    if n == 0 or m == 0:
        return Statistic(value=math.nan, reason="a sample is empty", **told)
    ranks = scipy.stats.rankdata(np.concatenate((a, b)))
    least = n * (n + 1) / 2
    value = float(ranks[:n].sum() - least)
    if np.ptp(ranks) == 0:
        return Statistic(value=value, p=1.0, method="Mann-Whitney", reason="all values are equal", **told)
    if n + m <= exact_up_to:
        doubled = np.rint(2 * ranks).astype(np.int64)
        p = tail_probability(rank_sum_counts(doubled, n), int(doubled[:n].sum()), alternative)
        return Statistic(value=value, p=p, method="Mann-Whitney (exact)", **told)
    sd = math.sqrt(n * m * ranks.var(ddof=1) / (n + m))
    p = normal_tail(value - n * m / 2, sd, alternative)
    return Statistic(value=value, p=p, method="Mann-Whitney (normal)", **told)


def kruskal_wallis(*groups: Any) -> Statistic:
    r"""Test whether several samples, not paired, come from one distribution.

    .. math:: H = \frac{(N - 1) \sum_g n_g (\bar r_g - \bar r)^2}{\sum_i (r_i - \bar r)^2},

    with the ranks :math:`r` of all N values together, ties sharing their mean rank; p by chi-square with one degree of freedom
    less than groups.

    Args:
        *groups: Two samples or more, shapes ``(n_g,)``. NaN marks a run without a value.

    Returns:
        H and p; no p if a sample is empty.

    Raises:
        ValueError: If there are fewer than two samples, or they are no numbers in one dimension.

    References:
        Kruskal & Wallis (1952). Use of ranks in one-criterion variance analysis. J. Am. Stat. Assoc. 47.
        https://doi.org/10.1080/01621459.1952.10483441

    Example:
        >>> print(kruskal_wallis([2.9, 3.0, 2.5, 2.6, 3.2], [3.8, 2.7, 4.0, 2.4], [2.8, 3.4, 3.7, 2.2, 2.0]))
        H 0.7714, p = 0.68, n = 5 + 4 + 5, Kruskal-Wallis (chi-square, df 2)
    """
    if len(groups) < 2:
        raise ValueError(f"groups must be two samples or more, got {len(groups)}.")
    samples, dropped = as_samples({f"group {i}": group for i, group in enumerate(groups)})
    sizes = tuple(map(len, samples))
    told: dict[str, Any] = {"name": "H", "n": sizes, "dropped": dropped}
    if min(sizes) == 0:
        return Statistic(value=math.nan, reason="a sample is empty", **told)
    ranks = scipy.stats.rankdata(np.concatenate(samples))
    df = len(groups) - 1
    method = f"Kruskal-Wallis (chi-square, df {df})"
    if np.ptp(ranks) == 0:
        return Statistic(value=0.0, p=1.0, method=method, reason="all values are equal", **told)
    centred = ranks - ranks.mean()
    between = sum(part.sum() ** 2 / len(part) for part in np.split(centred, np.cumsum(sizes)[:-1]))
    value = float((len(ranks) - 1) * between / (centred**2).sum())
    return Statistic(value=value, p=float(scipy.stats.chi2.sf(value, df)), method=method, **told)
