from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study.statistics import wilson_interval


def test_eight_of_ten():
    """R's prop.test(8, 10, correct = FALSE): 0.4901625 0.9433178."""
    assert wilson_interval(8, 10).interval == pytest.approx((0.4901625, 0.9433178), abs=5e-8)


def test_eighty_one_of_263():
    """Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 has the score interval .2553 to .3662."""
    assert wilson_interval(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)


@given(st.integers(1, 60), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_is_that_of_statsmodels_within_bounds(n, data, level):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    successes = data.draw(st.integers(0, n))
    result = wilson_interval(successes, n, level=level)
    expected = proportion.proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert result.interval == pytest.approx(expected, abs=1e-12)
    assert 0 <= result.interval[0] <= result.value <= result.interval[1] <= 1


def test_no_runs_say_nothing():
    result = wilson_interval(0, 0)
    assert math.isnan(result.value)
    assert result.interval == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), [(3, 2), (-1, 2), (0.5, 2)])
def test_rejects(successes, n):
    with pytest.raises(ValueError, match="successes must be"):
        wilson_interval(successes, n)


def test_rejects_a_level_of_one():
    with pytest.raises(ValueError, match="level must be less than 1"):
        wilson_interval(1, 2, level=1)
