from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study.statistics import sign_flip_test

# Tied sizes and zeros are likely among few whole numbers.
differences = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=9)
alternatives = st.sampled_from(["two-sided", "greater", "less"])


def naive_p(d: list[float], shift: float, alternative: str) -> float:
    """Go through all 2^n ways to sign the differences."""
    d = [x - shift for x in d]
    seen = sum(d)
    sums = [sum(s * x for s, x in zip(signs, d, strict=True)) for signs in itertools.product((1, -1), repeat=len(d))]
    reached = {
        "two-sided": [abs(x) >= abs(seen) - 1e-9 for x in sums],
        "greater": [x >= seen - 1e-9 for x in sums],
        "less": [x <= seen + 1e-9 for x in sums],
    }[alternative]
    return sum(reached) / len(reached)


@given(differences, st.sampled_from([0.0, 0.5, -2.0]), alternatives)
def test_matches_all_signs_one_by_one(d, shift, alternative):
    result = sign_flip_test(d, shift=shift, alternative=alternative)
    assert result.p == pytest.approx(naive_p(d, shift, alternative), abs=1e-12)
    assert result.value == pytest.approx(np.mean(d))


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_matches_scipy(alternative):
    d = np.random.default_rng(0).normal(0.3, 1, 11)
    expected = scipy.stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative=alternative, vectorized=False
    )
    assert sign_flip_test(d, alternative=alternative).p == pytest.approx(expected.pvalue, rel=1e-12)


def test_darwins_maize():
    """Fisher (1935), The Design of Experiments: 863 of the 2^15 totals are at least the 314 seen, and as many at most -314."""
    d = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert sign_flip_test(d).p == pytest.approx(1726 / 2**15, abs=1e-12)


def test_drawn_signs_agree_with_all_of_them():
    d = np.random.default_rng(1).normal(0.4, 1, 20)
    exact, drawn = sign_flip_test(d), sign_flip_test(d, exact_up_to=0, resamples=40_000)
    assert "all 2^20" in exact.method
    assert "40000 drawn" in drawn.method
    assert drawn.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p / 40_000))


def test_drawn_p_is_never_zero_and_depends_on_the_seed_alone():
    d = np.ones(50)
    assert sign_flip_test(d, resamples=99).p == 0.01
    noisy = np.random.default_rng(2).normal(0.1, 1, 50)
    assert sign_flip_test(noisy, rng=3) == sign_flip_test(noisy, rng=3)
    assert sign_flip_test(noisy, rng=3).p != sign_flip_test(noisy, rng=4).p


def test_a_pair_with_nan_is_dropped_and_counted():
    a, b = [1.0, math.nan, 2.0, 3.0], [0.5, 0.0, math.nan, 1.0]
    result, kept = sign_flip_test(a, b), sign_flip_test([1.0, 3.0], [0.5, 1.0])
    assert (result.n, result.dropped, result.p, result.value) == (2, 2, kept.p, kept.value)
    assert "2 dropped" in str(result)


def test_without_pairs_there_is_no_p():
    result = sign_flip_test([math.nan], [1.0])
    assert math.isnan(result.p)
    assert math.isnan(float(result))
    assert "no pair" in str(result)


def test_forty_equal_differences_are_counted_exactly():
    assert sign_flip_test(np.full(40, 0.1), exact_up_to=40).p == 2.0**-39


BAD = {
    "not paired": ({"a": [1.0, 2.0], "b": [1.0]}, r"paired.*2 and 1"),
    "two dimensions": ({"a": [[1.0]]}, r"one dimension.*\(1, 1\)"),
    "words": ({"a": ["x"]}, "must hold numbers"),
    "unknown alternative": ({"a": [1.0], "alternative": "larger"}, "alternative must be one of"),
    "too many sums": ({"a": [1.0], "exact_up_to": 60}, "at most 40"),
    "no resamples": ({"a": [1.0], "resamples": 0}, "resamples must be"),
    "no number": ({"a": [1.0], "shift": math.nan}, "shift must be"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_rejects(arguments, message):
    with pytest.raises(ValueError, match=message):
        sign_flip_test(**arguments)
