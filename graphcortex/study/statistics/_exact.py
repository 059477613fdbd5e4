"""Exact distributions of rank sums, ties among the ranks or not: how many ways lead to each sum.

Midranks are halves, so ranks come doubled, as whole numbers.
"""

from __future__ import annotations

import numpy as np


def signed_rank_counts(doubled_ranks: np.ndarray) -> np.ndarray:
    """Return how many of the ``2 ** n`` subsets of the ranks have each sum, shape ``(sum + 1,)``, float64."""
    counts = np.zeros(int(doubled_ranks.sum()) + 1)
    counts[0] = 1
    for rank in doubled_ranks:
        counts[rank:] += counts[:-rank].copy()
    return counts


def rank_sum_counts(doubled_ranks: np.ndarray, size: int) -> np.ndarray:
    """Return how many subsets of ``size`` ranks have each sum, shape ``(sum of the largest + 1,)``, float64."""
    largest = int(np.sort(doubled_ranks)[len(doubled_ranks) - size :].sum())
    counts = np.zeros((size + 1, largest + 1))
    counts[0, 0] = 1
    for rank in doubled_ranks:
        counts[1:, rank:] += counts[:-1, : counts.shape[1] - rank].copy()
    return counts[size]


def tail_probability(counts: np.ndarray, observed: int, alternative: str) -> float:
    """Return the p-value of a doubled rank sum; two-sided is twice the smaller tail, as R has it."""
    total = counts.sum()
    upper, lower = counts[observed:].sum() / total, counts[: observed + 1].sum() / total
    p = {"greater": upper, "less": lower, "two-sided": 2 * min(upper, lower)}[alternative]
    return float(min(1.0, p))
