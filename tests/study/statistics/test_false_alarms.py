"""Two thousand studies in which nothing differs: each test at .05 raises an alarm in a hundred, give or take chance."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from graphcortex.study.statistics import (
    Design,
    aligned_rank_model,
    kruskal_wallis,
    mann_whitney,
    sign_flip_test,
    tost_paired,
    tost_welch,
    wilcoxon_signed_rank,
)
from graphcortex.study.statistics.factorial import _anova

STUDIES, ALPHA, N = 2000, 0.05, 10


def normal(rng: np.random.Generator, shape) -> np.ndarray:
    return rng.normal(0.6, 0.1, shape)


def learns_or_not(rng: np.random.Generator, shape) -> np.ndarray:
    """Accuracies as they come: most runs at the ceiling, some at the floor, each with its own small error; a few tied."""
    return np.round(np.where(rng.random(shape) < 0.7, 0.95, 0.5) + rng.normal(0, 0.01, shape), 3)


def attainable(test: str) -> float:
    """The level that a rank test of N really has: the largest p-value of at most .05 that it can give, without ties."""
    tails = 2 * {"wilcoxon": v_distribution, "mann-whitney": u_distribution}[test]()
    return float(tails[tails <= ALPHA].max())


def v_distribution() -> np.ndarray:
    """How often the signed rank sum of N is at most 0, 1, ...: toss the sign of one rank after the other."""
    counts = np.zeros(N * (N + 1) // 2 + 1)
    counts[0] = 1
    for rank in range(1, N + 1):
        counts[rank:] += counts[:-rank].copy()
    return np.cumsum(counts) / 2.0**N


def u_distribution() -> np.ndarray:
    """How often U of two samples of N is at most 0, 1, ...: give one value after the other to one of them, from the least."""
    counts = np.zeros((N + 1, N * N + 1))
    counts[0, 0] = 1
    for value in range(2 * N):
        for of_first in range(min(value, N - 1), -1, -1):
            below = value - of_first  # values of the second sample that this one exceeds
            if below <= N:
                counts[of_first + 1, below:] += counts[of_first, : N * N + 1 - below]
    return np.cumsum(counts[N]) / math.comb(2 * N, N)


def interval(rate: float) -> tuple[float, float]:
    """Where 99.8 % of shares of false alarms lie if the true rate is this."""
    low, high = scipy.stats.binom.interval(0.998, STUDIES, rate)
    return low / STUDIES, high / STUDIES


def rate(p_values: list[float]) -> float:
    assert len(p_values) == STUDIES
    return float(np.mean(np.array(p_values) <= ALPHA))


PAIRED = {"sign flips": sign_flip_test, "wilcoxon": wilcoxon_signed_rank}


@pytest.mark.slow
@pytest.mark.parametrize("test", PAIRED)
@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_paired_tests_of_normal_values(test, alternative):
    rng = np.random.default_rng(0)
    a, b = normal(rng, (2, STUDIES, N))
    found = rate([PAIRED[test](x, y, alternative=alternative).p for x, y in zip(a, b, strict=True)])
    level = attainable("wilcoxon") if (test, alternative) == ("wilcoxon", "two-sided") else ALPHA
    low, high = interval(level)
    assert low * (0.8 if alternative == "greater" else 1) <= found <= high


@pytest.mark.slow
@pytest.mark.parametrize("test", PAIRED)
def test_paired_tests_of_runs_that_learn_or_do_not(test):
    """Ties and zeros make exact tests conservative, never liberal."""
    rng = np.random.default_rng(1)
    a, b = learns_or_not(rng, (2, STUDIES, N))
    found = rate([PAIRED[test](x, y).p for x, y in zip(a, b, strict=True)])
    assert 0.02 <= found <= interval(ALPHA)[1]


@pytest.mark.slow
def test_drawn_sign_flips():
    rng = np.random.default_rng(2)
    d = rng.normal(0, 1, (STUDIES, N))
    found = rate([sign_flip_test(x, exact_up_to=0, resamples=199, rng=i).p for i, x in enumerate(d)])
    assert interval(ALPHA)[0] <= found <= interval(ALPHA)[1]


@pytest.mark.slow
def test_mann_whitney():
    rng = np.random.default_rng(3)
    a, b = normal(rng, (2, STUDIES, N))
    found = rate([mann_whitney(x, y).p for x, y in zip(a, b, strict=True)])
    low, high = interval(attainable("mann-whitney"))
    assert low <= found <= high


@pytest.mark.slow
def test_kruskal_wallis():
    rng = np.random.default_rng(4)
    groups = normal(rng, (STUDIES, 3, N))
    found = rate([kruskal_wallis(*study).p for study in groups])
    # Chi-square is an approximation, a little conservative at ten values a group.
    assert interval(0.045)[0] <= found <= interval(ALPHA)[1]


@pytest.mark.slow
@pytest.mark.parametrize("test", [tost_paired, tost_welch])
def test_equivalence_at_the_margin(test):
    """The null hypothesis is a difference of the margin itself: it is rejected at the level, if the margin is wide."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.6, 0.05, (2, STUDIES, N))
    found = rate([test(x + 0.1, y, margin=0.1).p for x, y in zip(a, b, strict=True)])
    low, high = interval(ALPHA)
    assert low <= found <= high


@pytest.mark.slow
def test_aligned_rank_models():
    """A study has three effects, each with its own false alarms, and blocks that share an offset."""
    pytest.importorskip("statsmodels")
    rng = np.random.default_rng(6)
    cells = [(w, d, s) for s in range(6) for w in ("W", "W*") for d in ("D", "D*")]
    runs = pd.DataFrame(cells, columns=["W", "D", "seed"])
    runs["accuracy"] = rng.normal(0, 1, len(runs))
    one = aligned_rank_model(runs, "accuracy", factors=("W", "D")).table
    # The model of arrays, without the table around it, which would take most of the time.
    pairs, seeds = [(w, d) for w, d, _ in cells], runs["seed"].to_numpy()
    design = Design.of(("W", "D"), pairs)
    assert [row["p"] for row in _anova(runs["accuracy"].to_numpy(), pairs, seeds, design)] == list(one["p"])
    p = []
    for _ in range(STUDIES):
        values = rng.normal(0, 1, len(runs)) + np.repeat(rng.normal(0, 1, 6), 4)
        p.append([row["p"] for row in _anova(values, pairs, seeds, design)])
    for column in np.array(p).T:
        found = rate(list(column))
        # Ranks of 24 aligned values are no normal values: the F test is not exact.
        assert 0.03 <= found <= interval(0.06)[1]
