"""Effect sizes of two samples: Cliff's delta and the Hodges-Lehmann shift, paired and not, each with a bootstrap interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphcortex._typing import RandomSource
from graphcortex.study.statistics._samples import as_differences, as_samples, check_level
from graphcortex.study.statistics.bootstrap import bca_interval
from graphcortex.study.statistics.proportion import unseen_share
from graphcortex.study.statistics.statistic import Statistic

_ALIKE = "all resamples agree"


def cliffs_delta(a: Any, b: Any, *, level: float = 0.95, resamples: int = 4999, rng: RandomSource = 0) -> Statistic:
    r"""Compute Cliff's delta of two samples that are not paired: :math:`P(a > b) - P(a < b)` over all pairs of a value of each.

    The interval is BCa. Where no resample differs (the samples do not overlap), it reaches to what Cliff gives for this case,
    :math:`\pm (n - z^2) / (n + z^2)` with n of the smaller sample: Wilson's bound of 0 overlaps in n.

    Args:
        a: Values, shape ``(n,)``. NaN marks a run without a value.
        b: Values, shape ``(m,)``.
        level: Confidence.
        resamples: Resamples of the bootstrap.
        rng: A generator, or an int seed.

    Returns:
        Delta within [-1, 1], and its interval, which is too.

    Raises:
        ValueError: If the samples are no numbers in one dimension, or an option is out of range.

    References:
        Cliff (1993). Dominance statistics: ordinal analyses to answer ordinal questions. Psychol. Bull. 114.
        https://doi.org/10.1037/0033-2909.114.3.494

    Example:
        >>> print(cliffs_delta([0.9, 0.8, 0.85], [0.5, 0.6, 0.8]))
        Cliff's delta 0.8889 [0.3333, 1] (95%), n = 3 + 3, unpaired, BCa
    """

    def estimate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.sign(x[..., :, None] - y[..., None, :]).mean((-2, -1))

    samples, dropped = as_samples({"a": a, "b": b})
    told: dict[str, Any] = {"name": "Cliff's delta", "n": tuple(map(len, samples)), "dropped": dropped}
    return _delta(samples, estimate, "unpaired", told, level, resamples, rng)


def cliffs_delta_paired(
    a: Any, b: Any = None, *, level: float = 0.95, resamples: int = 4999, rng: RandomSource = 0
) -> Statistic:
    r"""Compute Cliff's delta within pairs: :math:`P(a_i > b_i) - P(a_i < b_i)`, each value against its partner only.

    The interval is BCa over the pairs. Where no resample differs (every pair has the same sign), it reaches to
    :math:`\pm (n - z^2) / (n + z^2)`, Wilson's bound of 0 in n.

    Args:
        a: Values, shape ``(n,)``, or the differences themselves if ``b`` is None. NaN marks a run without a value.
        b: The values paired with them, shape ``(n,)``.
        level: Confidence.
        resamples: Resamples of the bootstrap.
        rng: A generator, or an int seed.

    Returns:
        Delta within [-1, 1], and its interval, which is too.

    Raises:
        ValueError: If the samples are no numbers, not paired, or an option is out of range.

    References:
        Cliff (1993). Dominance statistics: ordinal analyses to answer ordinal questions. Psychol. Bull. 114.
        https://doi.org/10.1037/0033-2909.114.3.494

    Example:
        >>> print(cliffs_delta_paired([0.9, 0.8, 0.7, 0.9], [0.5, 0.5, 0.6, 0.7]))
        Cliff's delta 1 [0.02022, 1] (95%), n = 4, paired, Wilson, all resamples agree
    """
    differences, dropped = as_differences(a, b)
    told: dict[str, Any] = {"name": "Cliff's delta", "n": len(differences), "dropped": dropped}
    return _delta((differences,), lambda d: np.sign(d).mean(-1), "paired", told, level, resamples, rng)


def hodges_lehmann(a: Any, b: Any, *, level: float = 0.95, resamples: int = 4999, rng: RandomSource = 0) -> Statistic:
    r"""Compute the Hodges-Lehmann shift of two samples that are not paired: the median of all differences :math:`a_i - b_j`.

    The interval is BCa. Where no resample differs, the interval that belongs to the rank sum test is the value itself if there are
    enough values for the test to reject at all (:math:`2 / \binom{n+m}{n} \le 1 - \text{level}`), and none otherwise.

    Args:
        a: Values, shape ``(n,)``. NaN marks a run without a value.
        b: Values, shape ``(m,)``.
        level: Confidence.
        resamples: Resamples of the bootstrap.
        rng: A generator, or an int seed.

    Returns:
        The shift and its interval, in the unit of the values.

    Raises:
        ValueError: If the samples are no numbers in one dimension, or an option is out of range.

    References:
        Hodges & Lehmann (1963). Estimates of location based on rank tests. Ann. Math. Stat. 34.
        https://doi.org/10.1214/aoms/1177704172

    Example:
        >>> round(float(hodges_lehmann([0.80, 0.83, 1.89, 1.04, 1.45], [1.15, 0.88, 0.90, 0.74, 1.21])), 3)
        0.14
    """

    def estimate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        differences = x[..., :, None] - y[..., None, :]
        return np.median(differences.reshape(*differences.shape[:-2], -1), axis=-1)

    samples, dropped = as_samples({"a": a, "b": b})
    n, m = map(len, samples)
    told: dict[str, Any] = {"name": "shift", "n": (n, m), "dropped": dropped}
    can_reject = min(n, m) > 0 and 2 / math.comb(n + m, n) <= 1 - check_level(level)
    return _shift(samples, estimate, "Hodges-Lehmann", can_reject, told, level, resamples, rng)


def hodges_lehmann_paired(
    a: Any, b: Any = None, *, level: float = 0.95, resamples: int = 4999, rng: RandomSource = 0
) -> Statistic:
    r"""Compute the Hodges-Lehmann shift of pairs: the median of the means of any two differences, R's pseudomedian.

    The interval is BCa over the pairs. Where no resample differs, the interval that belongs to the signed rank test is the
    value itself if there are enough pairs for the test to reject at all (:math:`2^{1-n} \le 1 - \text{level}`: six at 95 %),
    and none otherwise.

    Args:
        a: Values, shape ``(n,)``, or the differences themselves if ``b`` is None. NaN marks a run without a value.
        b: The values paired with them, shape ``(n,)``.
        level: Confidence.
        resamples: Resamples of the bootstrap.
        rng: A generator, or an int seed.

    Returns:
        The shift and its interval, in the unit of the values.

    Raises:
        ValueError: If the samples are no numbers, not paired, or an option is out of range.

    References:
        Hodges & Lehmann (1963). Estimates of location based on rank tests. Ann. Math. Stat. 34.
        https://doi.org/10.1214/aoms/1177704172

    Example:
        >>> print(hodges_lehmann_paired([0.9, 0.8, 0.7, 0.9], [0.5, 0.5, 0.5, 0.6]))
        shift 0.3 [0.2, 0.4] (95%), n = 4, Hodges-Lehmann paired, BCa
    """

    def estimate(d: np.ndarray) -> np.ndarray:
        first, second = np.triu_indices(d.shape[-1])
        return np.median((d[..., first] + d[..., second]) / 2, axis=-1)

    differences, dropped = as_differences(a, b)
    n = len(differences)
    told: dict[str, Any] = {"name": "shift", "n": n, "dropped": dropped}
    can_reject = n > 0 and 2.0 ** (1 - n) <= 1 - check_level(level)
    return _shift((differences,), estimate, "Hodges-Lehmann paired", can_reject, told, level, resamples, rng)


def _delta(
    samples: Sequence[np.ndarray],
    estimate: Callable[..., np.ndarray],
    kind: str,
    told: dict[str, Any],
    level: float,
    resamples: int,
    rng: RandomSource,
) -> Statistic:
    told = {**told, "level": check_level(level)}
    n = min(map(len, samples))
    if n == 0:
        return Statistic(value=math.nan, method=kind, reason="no values are left", **told)
    value = float(estimate(*samples))
    interval = bca_interval(samples, estimate, level=level, resamples=resamples, rng=rng)
    if interval is None:
        # A share of further pairs may have either other sign; each moves delta by up to its distance from the bound.
        share = unseen_share(n, level)
        interval = (value - share * (1 + value), value + share * (1 - value))
        return Statistic(value=value, interval=interval, method=f"{kind}, Wilson", reason=_ALIKE, **told)
    interval = (max(-1.0, interval[0]), min(1.0, interval[1]))
    return Statistic(value=value, interval=interval, method=f"{kind}, BCa", **told)


def _shift(
    samples: Sequence[np.ndarray],
    estimate: Callable[..., np.ndarray],
    method: str,
    can_reject: bool,
    told: dict[str, Any],
    level: float,
    resamples: int,
    rng: RandomSource,
) -> Statistic:
    told = {**told, "level": check_level(level)}
    if min(map(len, samples)) == 0:
        return Statistic(value=math.nan, method=method, reason="no values are left", **told)
    value = float(estimate(*samples))
    interval = bca_interval(samples, estimate, level=level, resamples=resamples, rng=rng)
    if interval is not None:
        return Statistic(value=value, interval=interval, method=f"{method}, BCa", **told)
    interval = (value, value) if can_reject else (math.nan, math.nan)
    reason = _ALIKE if can_reject else f"{_ALIKE}, and there are too few values for an interval"
    return Statistic(value=value, interval=interval, method=method, reason=reason, **told)
