from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcortex.study.statistics import (
    cliffs_delta,
    cliffs_delta_paired,
    hodges_lehmann,
    hodges_lehmann_paired,
)

samples = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.51, 1.0]), min_size=1, max_size=7)
Z2 = 1.959963984540054**2
UNPAIRED = {"delta": cliffs_delta, "shift": hodges_lehmann}
PAIRED = {"delta": cliffs_delta_paired, "shift": hodges_lehmann_paired}


@given(samples, samples)
@settings(max_examples=25)
def test_unpaired_effects_match_their_definitions(a, b):
    delta = np.mean([(x > y) - (x < y) for x in a for y in b])
    result = cliffs_delta(a, b, resamples=100)
    assert result.value == pytest.approx(delta, abs=1e-12)
    assert -1 <= result.interval[0] <= result.interval[1] <= 1
    shift = hodges_lehmann(a, b, resamples=100)
    assert shift.value == pytest.approx(np.median([x - y for x in a for y in b]), abs=1e-12)
    assert math.isnan(shift.interval[0]) or -1 <= shift.interval[0] <= shift.interval[1] <= 1


@given(samples)
@settings(max_examples=25)
def test_paired_effects_match_their_definitions(d):
    result = cliffs_delta_paired(d, resamples=100)
    assert result.value == pytest.approx(np.mean(np.sign(d)), abs=1e-12)
    assert -1 <= result.interval[0] <= result.interval[1] <= 1
    walsh = [(x + y) / 2 for x, y in itertools.combinations_with_replacement(d, 2)]
    assert hodges_lehmann_paired(d, resamples=100).value == pytest.approx(np.median(walsh), abs=1e-12)


@pytest.mark.parametrize("effect", [*UNPAIRED.values(), *PAIRED.values()])
def test_exchanging_the_samples_changes_the_sign(effect):
    a, b = np.random.default_rng(0).normal(size=(2, 12))
    there, back = effect(a, b, resamples=20_000), effect(b, a, resamples=20_000)
    assert there.value == pytest.approx(-back.value)
    np.testing.assert_allclose(there.interval, (-back.interval[1], -back.interval[0]), atol=0.1)


@pytest.mark.parametrize("effect", [hodges_lehmann_paired, cliffs_delta_paired])
def test_pairs_matter_to_the_paired_effects_alone(effect):
    a = np.arange(10.0)
    assert effect(a + 0.1, a).value > 0
    assert cliffs_delta_paired(a + 0.1, a).value == 1
    assert cliffs_delta(a + 0.1, a).value == pytest.approx(0.1)


def test_samples_that_do_not_overlap_have_cliffs_interval():
    """Cliff (1996): the bound is (n - z^2) / (n + z^2), n of the smaller sample; for equal signs of pairs it is that of Wilson."""
    result = cliffs_delta(np.arange(5.0) + 10, np.arange(8.0))
    assert result.interval == pytest.approx(((5 - Z2) / (5 + Z2), 1.0))
    paired = cliffs_delta_paired(np.full(20, -0.3))
    assert paired.interval == pytest.approx((-1.0, -(20 - Z2) / (20 + Z2)))
    alike = cliffs_delta_paired(np.zeros(20))
    assert alike.interval == pytest.approx((-Z2 / (20 + Z2), Z2 / (20 + Z2)))
    assert "resamples agree" in alike.reason


def test_equal_differences_have_an_interval_where_the_rank_test_has_one():
    """Of six equal signs two in 2^6 are as extreme: .031. Of five, .0625: no interval has 95 %."""
    assert hodges_lehmann_paired([0.25] * 6).interval == (0.25, 0.25)
    assert math.isnan(hodges_lehmann_paired([0.25] * 5).interval[0])
    assert "too few" in hodges_lehmann_paired([0.25] * 5).reason
    assert hodges_lehmann([1.0] * 4, [0.5] * 4).interval == (0.5, 0.5)
    assert math.isnan(hodges_lehmann([1.0] * 3, [0.5] * 3).interval[0])


def test_the_interval_of_the_shift_is_close_to_that_of_the_rank_test():
    """R's wilcox.test(x, y, paired = TRUE, conf.int = TRUE) on normal differences: ends of the ordered Walsh averages."""
    d = np.random.default_rng(1).normal(0.5, 1, 40)
    walsh = np.sort([(x + y) / 2 for x, y in itertools.combinations_with_replacement(d, 2)])
    mean, sd = 40 * 41 / 4, math.sqrt(40 * 41 * 81 / 24)
    k = int(mean - 1.96 * sd)
    np.testing.assert_allclose(hodges_lehmann_paired(d).interval, (walsh[k], walsh[-k - 1]), atol=0.1)


@pytest.mark.parametrize("effect", [*UNPAIRED.values(), *PAIRED.values()])
def test_nan_is_dropped_and_counted(effect):
    a, b = [1.0, 2.0, math.nan, 4.0], [0.0, 1.0, 5.0, 2.0]
    result = effect(a, b)
    paired = effect in PAIRED.values()
    assert (result.n, result.dropped) == (3 if paired else (3, 4), 1)
    empty = effect([math.nan], [1.0])
    assert math.isnan(empty.value)
    assert empty.reason == "no values are left"


def test_the_same_seed_gives_the_same_interval():
    d = np.random.default_rng(2).normal(size=30)
    told = {"resamples": 99}
    assert hodges_lehmann_paired(d, rng=5, **told) == hodges_lehmann_paired(d, rng=5, **told)
    assert hodges_lehmann_paired(d, rng=5, **told).interval != hodges_lehmann_paired(d, rng=6, **told).interval


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
@pytest.mark.parametrize("effect", [*UNPAIRED.values(), *PAIRED.values()])
def test_rejects_a_level_that_is_none(effect, level):
    with pytest.raises(ValueError, match="level must be"):
        effect([1.0, 2.0], [0.0, 1.0], level=level)
