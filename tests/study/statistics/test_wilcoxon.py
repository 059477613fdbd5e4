from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study.statistics import hodges_lehmann_paired, wilcoxon_signed_rank

# Hamilton depression scale factor of nine patients at two visits (Hollander & Wolfe 1973, p. 29; R's example of wilcox.test).
FIRST = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
SECOND = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]

differences = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=9)
alternatives = st.sampled_from(["two-sided", "greater", "less"])


def naive_p(d: list[float], alternative: str, zeros: str) -> float:
    """Toss the signs of the ranks in all ways."""
    d = np.array(d) if zeros == "pratt" else np.array([x for x in d if x])
    ranks = scipy.stats.rankdata(abs(d))[d != 0]
    d = d[d != 0]
    seen = ranks[d > 0].sum()
    sums = np.array([ranks @ np.array(signs) for signs in itertools.product((0, 1), repeat=len(d))])
    upper, lower = (sums >= seen - 1e-9).mean(), (sums <= seen + 1e-9).mean()
    return {"greater": upper, "less": lower, "two-sided": min(1, 2 * min(upper, lower))}[alternative]


def test_depression_scale_as_in_r():
    """R: V = 40, p-value = 0.01953 (greater); Hollander & Wolfe estimate a shift of .46."""
    result = wilcoxon_signed_rank(FIRST, SECOND, alternative="greater")
    assert result.value == 40
    assert result.p == pytest.approx(0.01953, abs=5e-6)
    assert wilcoxon_signed_rank(FIRST, SECOND).p == pytest.approx(0.03906, abs=5e-6)
    assert hodges_lehmann_paired(FIRST, SECOND).value == pytest.approx(0.46, abs=1e-9)


@given(differences, alternatives, st.sampled_from(["drop", "pratt"]))
def test_matches_all_tosses_one_by_one(d, alternative, zeros):
    result = wilcoxon_signed_rank(d, alternative=alternative, zeros=zeros)
    assert result.p == pytest.approx(naive_p(d, alternative, zeros), abs=1e-12)
    assert result.n == len(d)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("zeros", ["drop", "pratt"])
def test_many_tied_pairs_as_in_scipy(alternative, zeros):
    d = np.random.default_rng(0).integers(-5, 7, 200).astype(float)
    expected = scipy.stats.wilcoxon(
        d,
        zero_method={"drop": "wilcox", "pratt": "pratt"}[zeros],
        correction=True,
        alternative=alternative,
        method="asymptotic",
    )
    result = wilcoxon_signed_rank(d, alternative=alternative, zeros=zeros)
    assert result.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert "normal" in result.method


def test_exact_and_normal_agree_where_both_serve():
    d = np.random.default_rng(1).normal(0.2, 1, 60)
    assert wilcoxon_signed_rank(d, exact_up_to=60).p == pytest.approx(wilcoxon_signed_rank(d).p, abs=0.005)


def test_pairs_without_a_difference_say_nothing():
    result = wilcoxon_signed_rank([0.5, 0.5], [0.5, 0.5])
    assert (result.p, result.n, result.reason) == (1.0, 2, "no pair differs")


def test_nan_is_dropped_and_counted():
    result = wilcoxon_signed_rank([*FIRST, math.nan], [*SECOND, 1.0])
    assert (result.n, result.dropped, result.value) == (9, 1, 40)
    assert math.isnan(wilcoxon_signed_rank([math.nan]).p)


@pytest.mark.parametrize("option", [{"zeros": "split"}, {"exact_up_to": 5000}, {"alternative": "both"}])
def test_rejects(option):
    with pytest.raises(ValueError, match="must be"):
        wilcoxon_signed_rank(FIRST, SECOND, **option)
