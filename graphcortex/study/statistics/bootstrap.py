"""Bias-corrected and accelerated bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.stats

from graphcortex._checks import check_count
from graphcortex._random import numpy_generator
from graphcortex._ties import ROUNDING
from graphcortex._typing import RandomSource
from graphcortex.study.statistics._samples import check_level

_BLOCK = 2**21


def bca_interval(
    samples: Sequence[np.ndarray],
    estimate: Callable[..., np.ndarray],
    *,
    level: float = 0.95,
    resamples: int = 4999,
    rng: RandomSource = 0,
) -> tuple[float, float] | None:
    r"""Compute the bias-corrected and accelerated bootstrap interval of an estimate.

    The ends are quantiles :math:`\Phi\left(z_0 + \frac{z_0 + z}{1 - a (z_0 + z)}\right)` of the estimate over resamples,
    :math:`z_0` from the share of resamples below the estimate (ties count half) and :math:`a` from the jackknife. They are
    values, or means of two neighbouring values, that the estimate takes on resamples: an estimate with bounds has an interval
    within them.

    Args:
        samples: Independent samples, shapes ``(n_k,)``, n of at least 1, resampled each by itself; a paired sample is one of
            differences.
        estimate: Takes resamples of each sample, shapes ``(..., n_k)``, and returns their estimates, shape ``(...)``.
        level: Confidence.
        resamples: How many.
        rng: A generator, or an int seed.

    Returns:
        The ends; None if all resamples agree, so that the bootstrap says nothing.

    Raises:
        ValueError: If an option is out of range.

    References:
        Efron (1987). Better bootstrap confidence intervals. J. Am. Stat. Assoc. 82. https://doi.org/10.1080/01621459.1987.10478410

    Example:
        >>> sample = np.array([0.2, 0.4, 0.4, 0.5, 0.9])
        >>> low, high = bca_interval((sample,), lambda x: x.mean(-1))
        >>> bool(0.2 < low < 0.48 < high < 0.9)
        True
    """
    level, resamples = check_level(level), check_count(resamples, "resamples", minimum=10)
    value = float(estimate(*samples))
    drawn = _resampled(samples, estimate, resamples, numpy_generator(rng))
    near = ROUNDING * max(abs(value), float(np.abs(drawn).max()))
    if np.ptp(drawn) <= near:
        return None
    below = ((drawn < value - near).sum() + 0.5 * (np.abs(drawn - value) <= near).sum()) / resamples
    # An estimate outside all resamples counts as half a resample inside them.
    z0 = scipy.stats.norm.ppf(np.clip(below, 0.5 / resamples, 1 - 0.5 / resamples))
    a = _acceleration(samples, estimate)
    z = scipy.stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    left = 1 - a * (z0 + z)
    with np.errstate(divide="ignore"):
        moved = np.where(left > 0, z0 + (z0 + z) / np.where(left > 0, left, 1), np.sign(z) * np.inf)
    low, high = np.quantile(drawn, scipy.stats.norm.cdf(moved))
    return float(low), float(high)


def _resampled(
    samples: Sequence[np.ndarray], estimate: Callable[..., np.ndarray], resamples: int, generator: np.random.Generator
) -> np.ndarray:
    rows = max(1, _BLOCK // sum(map(len, samples)) ** 2)  # an estimate may look at all pairs
    parts, left = [], resamples
    while left:
        count = min(rows, left)
        parts.append(estimate(*(x[generator.integers(0, len(x), (count, len(x)))] for x in samples)))
        left -= count
    return np.concatenate(parts)


def _acceleration(samples: Sequence[np.ndarray], estimate: Callable[..., np.ndarray]) -> float:
    """Return a sixth of the skewness of the estimate's influence, each sample weighed by its size."""
    square, cube = 0.0, 0.0
    for k, sample in enumerate(samples):
        n = len(sample)
        if n < 2:
            continue
        left_out = np.array([estimate(*samples[:k], np.delete(sample, i), *samples[k + 1 :]) for i in range(n)])
        influence = (n - 1) * (left_out.mean() - left_out) / n
        square += float((influence**2).sum())
        cube += float((influence**3).sum())
    return cube / (6 * square**1.5) if square > 0 else 0.0
