from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcortex.study.statistics import mean_difference_paired, mean_interval

Z2 = 1.959963984540054**2
fractions = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(fractions)
@settings(max_examples=40)
def test_the_interval_of_accuracies_stays_within_their_bounds(values):
    result = mean_interval(values, resamples=200)
    assert result.value == pytest.approx(np.mean(values))
    assert 0 <= result.interval[0] <= result.interval[1] <= 1


@given(fractions, st.data())
@settings(max_examples=40)
def test_the_interval_of_their_differences_does_too(a, data):
    b = data.draw(st.lists(st.floats(0, 1), min_size=len(a), max_size=len(a)))
    result = mean_difference_paired(a, b, bounds=(-1, 1), resamples=200)
    assert -1 <= result.interval[0] <= result.interval[1] <= 1


def test_runs_at_the_ceiling_have_an_interval_that_the_study_s_own_would_lack():
    """Seventeen runs that learn and three that do not: t reaches beyond 1, this does not."""
    values = [1.0] * 17 + [0.5] * 3
    half = scipy.stats.t.isf(0.025, 19) * np.std(values, ddof=1) / math.sqrt(20)
    assert np.mean(values) + half > 1
    low, high = mean_interval(values).interval
    assert np.mean(values) - 0.15 < low < np.mean(values) < high < 1


def test_equal_values_leave_room_for_what_was_not_seen():
    q = Z2 / (20 + Z2)
    assert mean_interval([0.5] * 20).interval == pytest.approx((0.5 - q / 2, 0.5 + q / 2))
    assert mean_interval([0.0] * 20).interval == pytest.approx((0.0, q))
    assert mean_difference_paired([0.0] * 20, bounds=(-1, 1)).interval == pytest.approx((-q, q))
    unbounded = mean_interval([3.0] * 20, bounds=None)
    assert math.isnan(unbounded.interval[0])
    assert "without bounds" in unbounded.reason
    half = mean_interval([3.0] * 20, bounds=(0, math.inf))
    assert half.interval == (pytest.approx(3 - 3 * q), math.inf)


def test_a_bound_on_one_side_is_kept():
    low, high = mean_interval([0.0, 0.1, 3.0, 0.2], bounds=(0, math.inf)).interval
    assert 0 <= low < high < math.inf


def test_normal_values_have_about_the_interval_of_t():
    values = np.random.default_rng(0).normal(3, 1, 200)
    expected = scipy.stats.t.interval(0.95, 199, values.mean(), scipy.stats.sem(values))
    np.testing.assert_allclose(mean_interval(values, bounds=None).interval, expected, atol=0.02)


def test_nan_is_dropped_and_counted():
    result = mean_interval([0.5, math.nan, 0.7])
    assert (result.n, result.dropped, result.value) == (2, 1, pytest.approx(0.6))
    assert math.isnan(mean_interval([math.nan]).value)


@pytest.mark.parametrize("bounds", [(1, 0), (0.0, 0.0)])
def test_rejects_bounds_that_are_none(bounds):
    with pytest.raises(ValueError, match="bounds must be"):
        mean_interval([0.5], bounds=bounds)


def test_rejects_an_accuracy_beyond_its_bounds():
    with pytest.raises(ValueError, match=r"within its bounds.*1\.018"):
        mean_interval([0.9, 1.018])
