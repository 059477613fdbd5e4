from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study.statistics import tost_paired, tost_welch

# Extra hours of sleep of ten patients under two drugs (Student 1908; R's sleep).
DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

numbers = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=3, max_size=10)


def test_the_interval_of_the_sleep_data_as_in_r():
    """R's t.test(extra ~ group): paired, mean -1.58, 95 %: -2.4598858 -0.7001142; Welch, 95 %: -3.3654832 0.2054832."""
    paired = tost_paired(DRUG_1, DRUG_2, margin=3, alpha=0.025)
    assert paired.value == pytest.approx(-1.58)
    assert paired.interval == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)
    welch = tost_welch(DRUG_1, DRUG_2, margin=3, alpha=0.025)
    assert welch.interval == pytest.approx((-3.3654832, 0.2054832), abs=5e-8)
    assert paired.level == pytest.approx(0.95)
    assert paired.equivalent
    assert not welch.equivalent


@given(numbers, st.data(), st.sampled_from([0.1, 0.5, 2.0]))
def test_p_is_that_of_statsmodels(a, data, margin):
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    b = data.draw(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=len(a), max_size=len(a)))
    if np.std(np.subtract(a, b)) > 1e-6:
        expected = weightstats.ttost_paired(np.array(a), np.array(b), -margin, margin)[0]
        assert tost_paired(a, b, margin=margin).p == pytest.approx(expected, abs=1e-9)
    if np.std(a) > 1e-6 and np.std(b) > 1e-6:
        expected = weightstats.ttost_ind(np.array(a), np.array(b), -margin, margin, usevar="unequal")[0]
        assert tost_welch(a, b, margin=margin).p == pytest.approx(expected, abs=1e-9)


@given(numbers, st.sampled_from([0.1, 0.5]), st.sampled_from([0.01, 0.05, 0.1]))
def test_the_test_says_so_when_the_interval_lies_within_the_margin(d, margin, alpha):
    result = tost_paired(d, margin=margin, alpha=alpha)
    if "no spread" not in result.reason:
        inside = -margin < result.interval[0] and result.interval[1] < margin
        assert result.equivalent == inside


def test_differences_without_spread_are_judged_by_rank():
    assert tost_paired([0.0] * 5, margin=0.02).p == 2.0**-5
    assert tost_paired([0.05] * 5, margin=0.02).p == 1.0
    assert tost_welch([0.9] * 4, [0.9] * 4, margin=0.02).p == pytest.approx(1 / 70)
    assert not tost_paired([0.0] * 4, margin=0.02).equivalent


def test_too_few_values_are_never_equivalent():
    for result in (tost_paired([0.0], margin=1), tost_welch([0.0], [0.0, 0.1], margin=1), tost_paired([], margin=1)):
        assert math.isnan(result.p)
        assert not result.equivalent
        assert "fewer than two" in result.reason


def test_nan_is_dropped_and_counted_and_the_words_are_plain():
    result = tost_paired([*DRUG_1, math.nan], [*DRUG_2, 1.0], margin=1.0)
    assert (result.n, result.dropped) == (10, 1)
    assert str(result).endswith("paired TOST: not shown to be equivalent within 1 at 0.05")


@pytest.mark.parametrize(
    "option", [{"margin": 0.0}, {"margin": -1}, {"margin": 1, "alpha": 0}, {"margin": 1, "alpha": 0.5}]
)
@pytest.mark.parametrize("test", [tost_paired, tost_welch])
def test_rejects(test, option):
    with pytest.raises(ValueError, match=r"(margin|alpha) must be"):
        test(DRUG_1, DRUG_2, **option)
