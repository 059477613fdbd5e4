from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study.statistics import hodges_lehmann, kruskal_wallis, mann_whitney

# Permeability constants of the placental membrane (Hollander & Wolfe 1973, p. 69; R's example of wilcox.test).
TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
EARLY = [1.15, 0.88, 0.90, 0.74, 1.21]

# Daily ozone in New York, May to September 1973 (R's airquality; Chambers et al. 1983), NaN where it was not measured.
_ = math.nan
OZONE = {
    5: [41, 36, 12, 18, _, 28, 23, 19, 8, _, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, _, _, _, 23, 45, 115, 37],
    6: [_, _, _, _, _, _, 29, _, 71, 39, _, _, 23, _, _, 21, 37, 20, 12, 13, *[_] * 10],
    7: [135, 49, 32, _, 64, 40, 77, 97, 97, 85, _, 10, 27, _, 7, 48, 35, 61, 79, 63, 16, _, _, 80, 108, 20, 52, 82, 50, 64, 59],
    8: [39, 9, 16, 78, 35, 66, 122, 89, 110, _, _, 44, 28, 65, _, 22, 59, 23, 31, 44, 21, 9, _, 45, 168, 73, _, 76, 118, 84, 85],
    9: [96, 78, 73, 91, 47, 32, 20, 23, 21, 24, 44, 21, 28, 9, 13, 46, 18, 13, 24, 16, 13, 23, 36, 7, 14, 30, _, 14, 18, 20],
}  # fmt: skip

few = st.lists(st.integers(0, 4).map(float), min_size=1, max_size=5)


def naive_p(a: list[float], b: list[float], alternative: str) -> float:
    """Go through all ways to choose which values are of the first sample."""
    ranks = scipy.stats.rankdata([*a, *b])
    seen = ranks[: len(a)].sum()
    sums = np.array([sum(chosen) for chosen in itertools.combinations(ranks, len(a))])
    upper, lower = (sums >= seen - 1e-9).mean(), (sums <= seen + 1e-9).mean()
    return {"greater": upper, "less": lower, "two-sided": min(1, 2 * min(upper, lower))}[alternative]


def test_permeability_as_in_r():
    """R: W = 35, p-value = 0.1272 (greater); Hollander & Wolfe estimate a shift of .305."""
    result = mann_whitney(TERM, EARLY, alternative="greater")
    assert result.value == 35
    assert result.p == pytest.approx(0.1272, abs=5e-5)
    assert mann_whitney(TERM, EARLY).p == pytest.approx(0.2544, abs=5e-5)
    assert hodges_lehmann(TERM, EARLY).value == pytest.approx(0.305, abs=1e-9)


@given(few, few, st.sampled_from(["two-sided", "greater", "less"]))
def test_matches_all_choices_one_by_one(a, b, alternative):
    result = mann_whitney(a, b, alternative=alternative)
    assert result.p == pytest.approx(naive_p(a, b, alternative), abs=1e-12)
    assert result.value == sum((x > y) + 0.5 * (x == y) for x in a for y in b)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_many_tied_values_as_in_scipy(alternative):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 60).astype(float), rng.integers(1, 10, 45).astype(float)
    expected = scipy.stats.mannwhitneyu(a, b, alternative=alternative, method="asymptotic")
    result = mann_whitney(a, b, alternative=alternative)
    assert (result.value, result.p) == (expected.statistic, pytest.approx(expected.pvalue, rel=1e-9))


def test_ozone_by_month_as_in_r():
    """R: Kruskal-Wallis chi-squared = 29.267, df = 4, p-value = 6.901e-06."""
    result = kruskal_wallis(*OZONE.values())
    assert result.value == pytest.approx(29.267, abs=5e-4)
    assert result.p == pytest.approx(6.901e-06, rel=1e-3)
    assert sum(result.n) == 116
    assert result.dropped == 37


def test_mucociliary_efficiency_as_in_r():
    """R: Kruskal-Wallis chi-squared = 0.77143, df = 2, p-value = 0.68 (Hollander & Wolfe 1973, p. 116)."""
    result = kruskal_wallis([2.9, 3.0, 2.5, 2.6, 3.2], [3.8, 2.7, 4.0, 2.4], [2.8, 3.4, 3.7, 2.2, 2.0])
    assert result.value == pytest.approx(0.77143, abs=5e-6)
    assert result.p == pytest.approx(0.68, abs=5e-4)


@given(few, few, few)
def test_kruskal_wallis_is_that_of_scipy(a, b, c):
    result = kruskal_wallis(a, b, c)
    if len({*a, *b, *c}) == 1:
        assert (result.value, result.p) == (0.0, 1.0)
    else:
        expected = scipy.stats.kruskal(a, b, c)
        np.testing.assert_allclose((result.value, result.p), expected, rtol=1e-9, atol=1e-9)


def test_equal_or_missing_values_are_told():
    assert mann_whitney([1.0, 1.0], [1.0]).p == 1.0
    assert "equal" in mann_whitney([1.0, 1.0], [1.0]).reason
    for result in (mann_whitney([math.nan], [1.0]), kruskal_wallis([1.0], [math.nan])):
        assert math.isnan(result.p)
        assert result.dropped == 1
        assert result.reason == "a sample is empty"


def test_rejects():
    with pytest.raises(ValueError, match="two samples or more, got 1"):
        kruskal_wallis([1.0])
    with pytest.raises(ValueError, match="at most 100"):
        mann_whitney([1.0], [2.0], exact_up_to=1000)
    with pytest.raises(ValueError, match="group 1 must have one dimension"):
        kruskal_wallis([1.0], 3.0)
