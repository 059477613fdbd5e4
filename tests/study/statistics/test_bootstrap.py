from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from graphcortex.study.statistics import bca_interval
from graphcortex.study.statistics.bootstrap import _acceleration

CASES = {
    "a skewed mean": ((np.random.default_rng(0).exponential(size=15),), lambda x: x.mean(-1)),
    "a difference of means": (
        (np.random.default_rng(1).exponential(size=12), np.random.default_rng(2).normal(size=9)),
        lambda x, y: x.mean(-1) - y.mean(-1),
    ),
}


@pytest.mark.parametrize(("samples", "estimate"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_is_that_of_scipy(samples, estimate, level):
    expected = scipy.stats.bootstrap(
        samples,
        lambda *x, axis: estimate(*x),
        vectorized=True,
        n_resamples=20_000,
        confidence_level=level,
        method="BCa",
        random_state=np.random.default_rng(3),
    )
    interval = bca_interval(samples, estimate, level=level, resamples=20_000)
    np.testing.assert_allclose(interval, expected.confidence_interval, atol=0.04)


def test_the_acceleration_of_a_mean_is_a_sixth_of_its_skewness():
    """Efron (1987), of a mean: the skewness of the sample over 6 sqrt(n)."""
    sample = np.random.default_rng(4).exponential(size=30)
    expected = scipy.stats.skew(sample) / (6 * np.sqrt(30))
    assert _acceleration((sample,), lambda x: x.mean(-1)) == pytest.approx(expected, rel=1e-9)


def test_the_interval_does_not_depend_on_how_resamples_fall_into_blocks(monkeypatch):
    sample = np.random.default_rng(5).normal(size=10)
    whole = bca_interval((sample,), lambda x: x.mean(-1), resamples=500)
    monkeypatch.setattr("graphcortex.study.statistics.bootstrap._BLOCK", 700)
    assert bca_interval((sample,), lambda x: x.mean(-1), resamples=500) == whole


def test_a_sample_without_spread_says_nothing():
    assert bca_interval((np.full(10, 0.1),), lambda x: x.mean(-1)) is None
    assert bca_interval((np.array([0.3]),), lambda x: x.mean(-1)) is None


def test_an_outlier_does_not_break_the_interval():
    low, high = bca_interval((np.array([0.0] * 19 + [1e9]),), lambda x: x.mean(-1))
    assert 0 <= low <= 5e7 <= high <= 1e9


@pytest.mark.slow
def test_the_interval_of_a_skewed_mean_covers_it_as_often_as_it_should():
    """Lognormal, n = 30: 95 % is not reached by any bootstrap, but BCa must come within a few per cent, both sides missing."""
    rng = np.random.default_rng(6)
    true, missed = np.exp(0.125), np.zeros(2)
    for study in range(600):
        low, high = bca_interval((rng.lognormal(0, 0.5, 30),), lambda x: x.mean(-1), resamples=800, rng=study)
        missed += (low > true, high < true)
    assert 0.9 < 1 - missed.sum() / 600 < 0.97
    assert missed.min() > 3


@pytest.mark.parametrize("option", [{"level": 2}, {"resamples": 3}, {"rng": -1}])
def test_rejects(option):
    with pytest.raises(ValueError, match="must be"):
        bca_interval((np.arange(4.0),), lambda x: x.mean(-1), **option)
