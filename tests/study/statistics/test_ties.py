"""Rank statistics of decimal numbers against exact rational arithmetic: rounding must lose no tie."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study.statistics import (
    aligned_rank_model,
    cliffs_delta,
    cliffs_delta_paired,
    compare_variants,
    kruskal_wallis,
    mann_whitney,
    mean_interval,
    sign_flip_test,
    simulated_power,
    tost_paired,
    wilcoxon_signed_rank,
)

Exact = list[Fraction]
decimals = st.integers(0, 40).map(lambda k: Fraction(k, 40))


def exact_ranks(values: Sequence[Fraction]) -> Exact:
    """Give each number the mean of the places that it and its equals have in order."""
    ordered = sorted(values)
    return [Fraction(2 * ordered.index(v) + ordered.count(v) + 1, 2) for v in values]


def tail(sums: Exact, seen: Fraction, alternative: str) -> Fraction:
    upper = Fraction(sum(s >= seen for s in sums), len(sums))
    lower = Fraction(sum(s <= seen for s in sums), len(sums))
    return {"greater": upper, "less": lower, "two-sided": min(Fraction(1), 2 * min(upper, lower))}[alternative]


def exact_wilcoxon(a: Exact, b: Exact, alternative: str, zeros: str = "drop") -> Fraction:
    d = [x - y for x, y in zip(a, b, strict=True)]
    d = [x for x in d if x] if zeros == "drop" else d
    ranked = [(rank, x > 0) for rank, x in zip(exact_ranks([abs(x) for x in d]), d, strict=True) if x]
    sums = [
        sum((r for (r, _), s in zip(ranked, signs, strict=True) if s), Fraction(0))
        for signs in itertools.product((0, 1), repeat=len(ranked))
    ]
    return tail(sums, sum((r for r, positive in ranked if positive), Fraction(0)), alternative)


def exact_mann_whitney(a: Exact, b: Exact, alternative: str) -> Fraction:
    ranks = exact_ranks(a + b)
    sums = [sum(chosen, Fraction(0)) for chosen in itertools.combinations(ranks, len(a))]
    return tail(sums, sum(ranks[: len(a)], Fraction(0)), alternative)


def exact_sign_flip(a: Exact, b: Exact, alternative: str, shift: Fraction) -> Fraction:
    d = [x - y - shift for x, y in zip(a, b, strict=True)]
    sums = [sum(s * x for s, x in zip(signs, d, strict=True)) for signs in itertools.product((1, -1), repeat=len(d))]
    seen = sum(d)
    if alternative == "two-sided":
        return Fraction(sum(abs(s) >= abs(seen) for s in sums), len(sums))
    return tail(sums, seen, alternative)


def floats(values: Exact) -> list[float]:
    return [float(v) for v in values]


def test_tied_differences_of_accuracies():
    """The three largest differences, .05, .05 and .05, share one rank: 8 of 16 sums reach the observed one."""
    found = wilcoxon_signed_rank([0.5, 0.825, 0.375, 0.5], [0.525, 0.775, 0.325, 0.55], alternative="greater")
    assert found.p == 0.5


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_400_samples_of_accuracies_in_tenths_have_the_exact_p(alternative):
    rng = np.random.default_rng(0)
    for _ in range(400):
        tenths = rng.integers(0, 11, (2, 8))
        a, b = ([Fraction(int(k), 10) for k in row] for row in tenths)
        x, y = floats(a), floats(b)
        signed = wilcoxon_signed_rank(x, y, alternative=alternative).p
        assert signed == pytest.approx(float(exact_wilcoxon(a, b, alternative)), abs=1e-12)
        unpaired = mann_whitney(x[:4], y[:4], alternative=alternative).p
        assert unpaired == pytest.approx(float(exact_mann_whitney(a[:4], b[:4], alternative)), abs=1e-12)
        flipped = sign_flip_test(x, y, alternative=alternative).p
        assert flipped == pytest.approx(float(exact_sign_flip(a, b, alternative, Fraction(0))), abs=1e-12)


@given(
    st.lists(st.tuples(decimals, decimals), min_size=1, max_size=7),
    st.sampled_from(["two-sided", "greater", "less"]),
    st.sampled_from(["drop", "pratt"]),
    st.sampled_from([0, 1, 1000, 1_000_000]),
    st.booleans(),
)
def test_signed_ranks_are_exact(pairs, alternative, zeros, offset, given_differences):
    a, b = ([x + offset for x in side] for side in zip(*pairs, strict=True))
    x, y = np.array(floats(a)), np.array(floats(b))
    expected = float(exact_wilcoxon(a, b, alternative, zeros))
    if given_differences and offset <= 1 and any(x - y for x, y in pairs):
        found = wilcoxon_signed_rank(x - y, alternative=alternative, zeros=zeros)
    else:
        found = wilcoxon_signed_rank(x, y, alternative=alternative, zeros=zeros)
    assert found.p == pytest.approx(expected, abs=1e-12)


@given(
    st.lists(st.tuples(decimals, decimals), min_size=1, max_size=6),
    st.sampled_from(["two-sided", "greater", "less"]),
    st.integers(-3, 3),
)
def test_sign_flips_about_a_shift_are_exact(pairs, alternative, shift):
    a, b = map(list, zip(*pairs, strict=True))
    shift = Fraction(shift, 50)
    found = sign_flip_test(floats(a), floats(b), alternative=alternative, shift=float(shift))
    assert found.p == pytest.approx(float(exact_sign_flip(a, b, alternative, shift)), abs=1e-12)


tenths_of_sums = st.lists(st.integers(0, 6), min_size=1, max_size=5)


@given(st.lists(tenths_of_sums, min_size=2, max_size=4))
def test_ranks_of_sums_of_tenths_are_exact(groups):
    """A value k / 10 that was summed up from tenths is another float than k / 10."""
    summed = [[float(sum([0.1] * k)) for k in group] for group in groups]
    exact = [[Fraction(k, 10) for k in group] for group in groups]
    ranks = exact_ranks(list(itertools.chain(*exact)))
    first, second = exact[:2]
    found = mann_whitney(summed[0], floats(second))
    if len(set(first + second)) > 1:
        assert found.p == pytest.approx(float(exact_mann_whitney(first, second, "two-sided")), abs=1e-12)
    dominance = sum((x > y) - (x < y) for x in first for y in second)
    delta = cliffs_delta(summed[0], floats(second), resamples=20).value
    assert delta == pytest.approx(dominance / (len(first) * len(second)), abs=1e-12)

    mixed = [floats(group) if i % 2 else summed[i] for i, group in enumerate(exact)]
    H = kruskal_wallis(*mixed)
    if len(set(ranks)) == 1:
        assert (H.value, H.p) == (0, 1)
    else:
        mean, parts = sum(ranks) / len(ranks), iter(ranks)
        between = sum(len(g) * (sum(next(parts) for _ in g) / len(g) - mean) ** 2 for g in exact)
        expected = (len(ranks) - 1) * between / sum((r - mean) ** 2 for r in ranks)
        assert H.value == pytest.approx(float(expected), abs=1e-9)


@given(st.lists(st.tuples(decimals, decimals), min_size=1, max_size=8))
def test_signs_of_differences_are_exact(pairs):
    shifted = [(float(a) + 0.1 + 0.2, float(b) + 0.3) for a, b in pairs]
    found = cliffs_delta_paired(*map(list, zip(*shifted, strict=True)), resamples=20)
    assert found.value == pytest.approx(sum((a > b) - (a < b) for a, b in pairs) / len(pairs), abs=1e-12)


def test_one_large_pair_ties_no_other():
    """Differences of a thousandth stay apart beside a pair whose numbers are a billion."""
    a, b = np.array([1e9, 0.001, 0.002, 0.003, 0.004]), np.array([0, 0.0, 0, 0, 0])
    assert wilcoxon_signed_rank(a, b).p == 2 / 2**5
    assert wilcoxon_signed_rank([1e9 + 1, 0.002, 0.003], [1e9, 0.0, 0.0]).p == 2 / 2**3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_format_of_the_numbers_says_what_rounding_is(dtype):
    a, b = np.array([0.9, 0.8, 0.1, 0.6], dtype), np.array([0.8, 0.7, 0.2, 0.3], dtype)
    exact = [[Fraction(round(float(x), 3)).limit_denominator(10) for x in side] for side in (a, b)]
    assert wilcoxon_signed_rank(a, b, alternative="greater").p == float(exact_wilcoxon(*exact, "greater"))
    assert mann_whitney(a, b).p == pytest.approx(float(exact_mann_whitney(*exact, "two-sided")), abs=1e-12)


def test_aligned_ranks_of_accuracies_that_are_summed_up():
    grid = list(itertools.product(("W", "W*"), ("D", "D*"), range(8)))
    tenths = np.random.default_rng(3).integers(3, 8, len(grid))
    runs = pd.DataFrame(grid, columns=["W", "D", "seed"])
    direct = aligned_rank_model(runs.assign(accuracy=tenths / 10), "accuracy", factors=("W", "D")).table
    summed = [sum([0.1] * int(k)) for k in tenths]
    pd.testing.assert_frame_equal(
        aligned_rank_model(runs.assign(accuracy=summed), "accuracy", factors=("W", "D")).table, direct
    )
    whole = aligned_rank_model(runs.assign(accuracy=tenths * 1.0), "accuracy", factors=("W", "D")).table
    pd.testing.assert_frame_equal(whole, direct)


def test_equal_differences_have_no_spread_whatever_the_magnitude():
    a = np.array([1000.3, 1000.7, 1000.1, 1000.9, 1000.2])
    found = tost_paired(a, a - 0.1, margin=0.2)
    assert (found.p, found.reason) == (2.0**-5, "no spread: p by rank")
    assert tost_paired([0.72] * 5, [0.7] * 5, margin=0.02).p == 1  # .72 - .7 is the margin, and not within it


def test_simulated_power_counts_ties_as_the_test_does():
    """Of four pairs with sizes that tie, the signed rank test reaches p = 1/16 only where all signs agree."""
    pilot = np.array([0.1, 0.3 - 0.2, 0.7 - 0.6, 0.0])
    n, studies = 5, 400
    found = simulated_power(n, float(pilot.mean()), pilot=pilot, test="wilcoxon", alpha=0.04, alternative="greater")
    drawn = np.random.default_rng(1).choice([1, 1, 1, 0], (studies, n))
    rejects = [row.sum() == n for row in drawn]  # a difference of 0 leaves four pairs, of which p is at least 1/16
    low, high = scipy.stats.binomtest(sum(rejects), studies).proportion_ci(0.9999)
    assert low <= found.value <= high
    assert found.value == pytest.approx(0.75**5, abs=0.02)


def test_infinite_values_are_dropped_and_counted():
    values = [0.5, math.inf, -math.inf, math.nan, 0.6]
    for found in (
        mean_interval(values, bounds=None),
        wilcoxon_signed_rank(values, [0.0] * 5),
        sign_flip_test(values),
        cliffs_delta_paired(values, [math.inf, *[0.0] * 4]),
        mann_whitney(values, [0.1]),
        kruskal_wallis(values, [0.1]),
    ):
        n = found.n if isinstance(found.n, int) else sum(found.n) - 1
        assert n + found.dropped == 5
        assert found.dropped == (4 if found.method.startswith("paired") else 3)
    runs = pd.DataFrame({"variant": ["W"] * 4 + ["W*"] * 4, "seed": [*range(4)] * 2})
    runs["entropy"] = [1.0, 2.0, 3.0, math.inf, 2.0, 3.0, -math.inf, 5.0]
    row = compare_variants(runs, "W*", "W", "entropy", resamples=50).iloc[0]
    assert (row["n"], row["dropped"], row["difference"]) == (2, 2, 1.0)
