import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from graphcortex.study import compare_means

CELL = {
    "mean": 0.9, "sd": 0.1, "runs": 10, "diverged": 0,
    "paper_mean": 0.8, "paper_low": 0.75, "paper_high": 0.85, "paper_diverged": False,
}  # fmt: skip


def compare(**changes):
    options = {name: changes.pop(name) for name in ("reported_runs", "alpha", "power") if name in changes}
    return compare_means(pd.DataFrame([CELL | changes]), **options).iloc[0]


def reported(values):
    """Return what a paper reports of some runs."""
    n = len(values)
    half = scipy.stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    mean = np.mean(values)
    return {"paper_mean": mean, "paper_low": mean - half, "paper_high": mean + half}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [2, 5, 10, 40])
def test_p_and_interval_are_those_of_welch(n, seed):
    """Of numbers so spread that a thousandth is nothing."""
    generator = np.random.default_rng(seed)
    mine, theirs = generator.normal(1, 30, n), generator.normal(5, 10, 20)
    got = compare(mean=mine.mean(), sd=mine.std(ddof=1), runs=n, **reported(theirs))
    expected = scipy.stats.ttest_ind(mine, theirs, equal_var=False)
    assert got["p"] == pytest.approx(expected.pvalue, rel=1e-6)
    interval = expected.confidence_interval(0.95)
    assert (got["difference_low"], got["difference_high"]) == pytest.approx((interval.low, interval.high), rel=1e-6)
    assert got["agrees"] == (expected.pvalue >= 0.05)


def test_the_detectable_difference_is_found_as_often_as_it_says():
    generator = np.random.default_rng(0)
    mine, theirs = generator.normal(0, 30, (4000, 10)), generator.normal(0, 10, (4000, 20))
    rows = [CELL | {"mean": 0.0, "sd": 30.0} | reported(np.array([-1.0, 1.0] * 10) * 10 * math.sqrt(19 / 20))]
    detectable = compare_means(pd.DataFrame(rows))["detectable"].iloc[0]
    found = scipy.stats.ttest_ind(mine + detectable, theirs, axis=1, equal_var=False).pvalue < 0.05
    # The usual approximation: the noncentral t is a little wider than a shifted one.
    assert found.mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("mean", "agrees"), [(1.0, True), (0.9995, True), (0.999, False), (0.9, False)])
def test_equal_values_on_both_sides_are_told_apart_by_what_was_rounded_away(mean, agrees):
    got = compare(mean=mean, sd=0.0, paper_mean=1.0, paper_low=math.nan, paper_high=math.nan)
    assert got["agrees"] == agrees
    assert got["detectable"] == pytest.approx((1.96 + 0.8416) * 1e-3 / math.sqrt(12), rel=1e-3)


def test_a_single_run_is_one_of_theirs():
    half = 0.05
    sd = half / scipy.stats.t.ppf(0.975, 19) * math.sqrt(20)
    got = compare(mean=0.85, sd=math.nan, runs=1)
    error = sd * math.sqrt(1 + 1 / 20)
    assert got["difference_high"] - got["difference_low"] == pytest.approx(
        2 * error * scipy.stats.t.ppf(0.975, 19), rel=0.02
    )
    assert got["agrees"]
    assert not compare(mean=0.8 + 3 * error, sd=math.nan, runs=1)["agrees"]


@pytest.mark.parametrize(("diverged", "agrees"), [(10, True), (9, True), (5, False), (0, False)])
def test_where_the_reported_runs_diverged_the_shares_are_compared(diverged, agrees):
    got = compare(diverged=diverged, paper_diverged=True, mean=0.2, paper_low=math.nan, paper_high=math.nan)
    assert got["agrees"] == agrees
    assert got["p"] == pytest.approx(scipy.stats.fisher_exact([[diverged, 10 - diverged], [20, 0]])[1])
    assert math.isnan(got["difference"])
    assert math.isnan(got["detectable"])


def test_runs_that_diverged_where_none_did_do_not_agree():
    same = {"mean": 0.8, "sd": 0.1}
    assert compare(**same)["agrees"]
    assert compare(**same, diverged=1)["agrees"]
    assert not compare(**same, diverged=6)["agrees"]


def test_all_runs_diverged_and_have_no_metric():
    """No value is left, and the paper has none either."""
    nothing = {"mean": math.nan, "sd": math.nan, "runs": 0, "diverged": 10}
    none = dict.fromkeys(("paper_mean", "paper_low", "paper_high"), math.nan)
    assert compare(**nothing, **none, paper_diverged=True)["agrees"]
    assert not compare(**nothing)["agrees"]


def test_without_a_reported_number_nothing_is_said():
    got = compare(**dict.fromkeys(("paper_mean", "paper_low", "paper_high"), math.nan))
    assert not got["agrees"]
    assert got.drop("agrees").isna().all()


@pytest.mark.parametrize("options", [{"reported_runs": 1}, {"alpha": 0}, {"alpha": 1}, {"power": 0.1}], ids=str)
def test_rejects(options):
    with pytest.raises(ValueError, match=r"must .*got"):
        compare(**options)
