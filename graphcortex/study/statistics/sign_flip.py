"""A permutation test of paired values: under the null hypothesis each difference might as well have the other sign."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphcortex._checks import check_count, check_number
from graphcortex._random import numpy_generator
from graphcortex._typing import RandomSource
from graphcortex.study.statistics._samples import as_differences, check_alternative, pair_differences
from graphcortex.study.statistics.statistic import Statistic

_BLOCK = 2**20


def sign_flip_test(
    a: Any,
    b: Any = None,
    *,
    shift: float = 0.0,
    alternative: str = "two-sided",
    exact_up_to: int = 30,
    resamples: int = 9999,
    rng: RandomSource = 0,
) -> Statistic:
    r"""Test whether paired differences lie around ``shift``, by flipping their signs.

    The statistic is the mean of :math:`d_i = a_i - b_i - \text{shift}`. If the :math:`d_i` are symmetric about 0, every one of the
    :math:`2^n` ways to sign them was as likely, and p is the share of them with a mean at least as far out as that seen. All
    ways are counted up to ``exact_up_to`` pairs: each sum is one of the first half of the pairs plus one of the second, so sorting
    :math:`2^{n/2}` sums is enough. Beyond, signs are drawn, and the observed ones count as one of the draws.

    Args:
        a: Values, shape ``(n,)``, or the differences themselves if ``b`` is None. NaN marks a run without a value.
        b: The values paired with them, shape ``(n,)``.
        shift: Difference under the null hypothesis, in the unit of the values.
        alternative: ``"two-sided"``, ``"greater"`` (``a - b`` above ``shift``) or ``"less"``.
        exact_up_to: Pairs up to which all sign patterns are counted, at most 40.
        resamples: Sign patterns drawn beyond.
        rng: A generator, or an int seed; nothing is drawn where p is exact.

    Returns:
        The mean difference ``a - b``, and p; no p without pairs.

    Raises:
        ValueError: If the samples are no numbers, not paired, or an option is out of range.

    References:
        Phipson & Smyth (2010). Permutation p-values should never be zero. Stat. Appl. Genet. Mol. Biol. 9.
        https://doi.org/10.2202/1544-6115.1585

    Example:
        >>> print(sign_flip_test([0.9, 0.8, 0.7, 0.9, 0.95], [0.5, 0.5, 0.6, 0.7, 0.5]))
        mean difference 0.29, p = 0.0625, n = 5, sign flips (all 2^5)
    """
    check_alternative(alternative)
    shift = check_number(shift, "shift")
    if check_count(exact_up_to, "exact_up_to", minimum=0) > 40:
        raise ValueError(f"exact_up_to must be at most 40 (2^20 sums are kept for 40 pairs), got {exact_up_to}.")
    check_count(resamples, "resamples")
    differences, dropped = as_differences(a, b)
    n = len(differences)
    if n == 0:
        return Statistic(name="mean difference", value=math.nan, dropped=dropped, reason="no pair is left")
    shifted, rounding = pair_differences(a, b, shift=shift)
    observed = np.nansum(shifted)
    # Flipping all signs maps sums of at most x onto sums of at least -x. A sum is moved by the rounding of all its terms.
    threshold = {"two-sided": abs(observed), "greater": observed, "less": -observed}[alternative] - np.nansum(rounding)
    # A difference of 0 has no sign: it adds nothing to any sum.
    magnitudes = np.abs(shifted[np.abs(shifted) > 0])
    if n <= exact_up_to:
        share, method = _share_of_all(magnitudes, threshold), f"sign flips (all 2^{n})"
        p = min(1.0, 2 * share) if alternative == "two-sided" and threshold > 0 else share
        p = 1.0 if alternative == "two-sided" and threshold <= 0 else p
    else:
        reached = _count_drawn(magnitudes, threshold, alternative == "two-sided", resamples, rng)
        p, method = (1 + reached) / (1 + resamples), f"sign flips ({resamples} drawn)"
    return Statistic(
        name="mean difference", value=float(differences.mean()), p=float(p), n=n, dropped=dropped, method=method
    )


def _share_of_all(magnitudes: np.ndarray, threshold: float) -> float:
    half = len(magnitudes) // 2
    left, right = _signed_sums(magnitudes[:half]), np.sort(_signed_sums(magnitudes[half:]))
    reached = len(right) - np.searchsorted(right, threshold - left, side="left")
    return int(reached.sum()) / 2 ** len(magnitudes)


def _signed_sums(magnitudes: np.ndarray) -> np.ndarray:
    sums = np.zeros(1)
    for magnitude in magnitudes:
        sums = np.concatenate((sums + magnitude, sums - magnitude))
    return sums


def _count_drawn(magnitudes: np.ndarray, threshold: float, two_sided: bool, resamples: int, rng: RandomSource) -> int:
    generator, reached, left = numpy_generator(rng), 0, resamples
    while left:
        rows = min(left, max(1, _BLOCK // max(1, len(magnitudes))))
        sums = (2.0 * generator.integers(0, 2, (rows, len(magnitudes))) - 1) @ magnitudes
        reached += int(((np.abs(sums) if two_sided else sums) >= threshold).sum())
        left -= rows
    return reached
