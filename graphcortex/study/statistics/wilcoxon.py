"""Wilcoxon's signed rank test of paired values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.stats

from graphcortex._checks import check_choice, check_count
from graphcortex.study.statistics._exact import signed_rank_counts, tail_probability
from graphcortex.study.statistics._samples import as_differences, check_alternative
from graphcortex.study.statistics.statistic import Statistic


def wilcoxon_signed_rank(
    a: Any, b: Any = None, *, alternative: str = "two-sided", zeros: str = "drop", exact_up_to: int = 50
) -> Statistic:
    r"""Test whether paired differences are symmetric about 0, by the ranks of their sizes.

    The statistic is :math:`V = \sum_{d_i > 0} \operatorname{rank} |d_i|`, R's V. Up to ``exact_up_to`` pairs p is exact, given
    the ties: tied sizes share their mean rank, and the distribution of V is that of these ranks with signs tossed. Beyond, it
    is normal with the variance of the tied ranks and a correction for continuity.

    Args:
        a: Values, shape ``(n,)``, or the differences themselves if ``b`` is None. NaN marks a run without a value.
        b: The values paired with them, shape ``(n,)``.
        alternative: ``"two-sided"``, ``"greater"`` (``a`` above ``b``) or ``"less"``.
        zeros: Pairs without a difference are left out before ranking (``"drop"``, Wilcoxon's way and R's) or after it
            (``"pratt"``).
        exact_up_to: Pairs with a difference up to which p is exact, at most 1000.

    Returns:
        V and p. Pairs without a difference are among ``n``; p is 1 where there are no others.

    Raises:
        ValueError: If the samples are no numbers, not paired, or an option is unknown.

    References:
        Wilcoxon (1945). Individual comparisons by ranking methods. Biometrics Bull. 1. https://doi.org/10.2307/3001968
        Pratt (1959). Remarks on zeros and ties in the Wilcoxon signed rank procedures. J. Am. Stat. Assoc. 54.
        https://doi.org/10.1080/01621459.1959.10501526

    Example:
        >>> print(wilcoxon_signed_rank([1.83, 0.5, 1.62, 2.48, 1.68, 1.88], [0.88, 0.65, 0.6, 2.05, 1.06, 1.29]))
        signed rank sum 20, p = 0.0625, n = 6, Wilcoxon signed rank (exact)
    """
    check_alternative(alternative)
    check_choice(zeros, "zeros", ("drop", "pratt"))
    if check_count(exact_up_to, "exact_up_to", minimum=0) > 1000:
        raise ValueError(f"exact_up_to must be at most 1000, got {exact_up_to}.")
    differences, dropped = as_differences(a, b)
    if len(differences) == 0:
        return Statistic(name="signed rank sum", value=math.nan, dropped=dropped, reason="no pair is left")
    ranked = differences if zeros == "pratt" else differences[differences != 0]
    ranks = scipy.stats.rankdata(np.abs(ranked))
    ranks, positive = ranks[ranked != 0], ranked[ranked != 0] > 0
    observed = float(ranks[positive].sum())
    reason = ""
    if len(ranks) == 0:
        p, method, reason = 1.0, "Wilcoxon signed rank (exact)", "no pair differs"
    elif len(ranks) <= exact_up_to:
        doubled = np.rint(2 * ranks).astype(np.int64)
        p = tail_probability(signed_rank_counts(doubled), int(doubled[positive].sum()), alternative)
        method = "Wilcoxon signed rank (exact)"
    else:
        mean, sd = ranks.sum() / 2, math.sqrt((ranks**2).sum() / 4)
        p, method = normal_tail(observed - mean, sd, alternative), "Wilcoxon signed rank (normal)"
    return Statistic(
        name="signed rank sum", value=observed, p=p, n=len(differences), dropped=dropped, method=method, reason=reason
    )


def normal_tail(deviation: float, sd: float, alternative: str) -> float:
    """Return the p-value of a sum of ranks that lies ``deviation`` from its mean, corrected for continuity as in R."""
    correction = {"two-sided": 0.5 * float(np.sign(deviation)), "greater": 0.5, "less": -0.5}[alternative]
    z = (deviation - correction) / sd
    tails = {"greater": scipy.stats.norm.sf(z), "less": scipy.stats.norm.cdf(z)}
    return float(tails.get(alternative, min(1.0, 2 * scipy.stats.norm.sf(abs(z)))))
