from __future__ import annotations

import math

import numpy as np
import pytest

from graphcortex.study.statistics import (
    power_equivalence,
    power_paired,
    power_unpaired,
    seeds_needed,
    sign_flip_test,
    simulated_power,
    tost_paired,
    wilcoxon_signed_rank,
)


def test_the_examples_of_r():
    """R's power.t.test: n = 20, delta = 1 has a power of 0.8689528; 90 % takes 22.02 per group, on one side 17.85."""
    assert power_unpaired(20, 1, 1) == pytest.approx(0.8689528, abs=5e-7)
    assert seeds_needed(lambda n: power_unpaired(n, 1, 1), power=0.9) == 23
    assert seeds_needed(lambda n: power_unpaired(n, 1, 1, alternative="greater"), power=0.9) == 18


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize(("n", "difference"), [(2, 0.5), (10, 0.0), (10, 0.7), (40, -0.3)])
def test_paired_power_is_that_of_statsmodels(n, difference, alternative):
    power = pytest.importorskip("statsmodels.stats.power").TTestPower()
    name = {"greater": "larger", "less": "smaller"}.get(alternative, alternative)
    expected = power.power(difference, n, 0.05, alternative=name)
    assert power_paired(n, difference, 1, alternative=alternative) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("test", ["t", "wilcoxon"])
@pytest.mark.parametrize(
    ("n", "difference", "alternative"), [(12, 0.8, "two-sided"), (20, 0.5, "greater"), (30, 0.6, "two-sided")]
)
def test_theory_and_simulation_agree(n, difference, alternative, test):
    told = {"alternative": alternative, "test": test}
    simulated = simulated_power(n, difference, 1.0, studies=20_000, rng=1, **told)
    # Pitman's efficiency is that of large samples: it is off by a little at these.
    allowed = 4 * math.sqrt(0.25 / 20_000) + (0.02 if test == "wilcoxon" else 0)
    assert power_paired(n, difference, 1.0, **told) == pytest.approx(simulated.value, abs=allowed)
    assert simulated.interval[0] < simulated.value < simulated.interval[1]


@pytest.mark.parametrize("test", ["t", "wilcoxon"])
def test_seeds_needed_reach_the_power_in_simulated_studies_and_fewer_do_not(test):
    n = seeds_needed(lambda k: power_paired(k, 0.02, 0.03, test=test), power=0.8)
    assert simulated_power(n, 0.02, 0.03, test=test, studies=20_000).value > 0.78
    assert simulated_power(n - 3, 0.02, 0.03, test=test, studies=20_000).value < 0.8


def test_simulated_studies_reject_where_the_tests_do():
    """The vectorised tests of the simulation, against those of one study at a time."""
    rng = np.random.default_rng(0)
    for test, one in {"wilcoxon": wilcoxon_signed_rank}.items():
        expected = np.mean([one(0.7 + rng.standard_normal(9)).p <= 0.05 for _ in range(1500)])
        assert simulated_power(9, 0.7, 1.0, test=test, studies=20_000).value == pytest.approx(expected, abs=0.05)
    flips = np.mean([sign_flip_test(0.7 + rng.standard_normal(9)).p <= 0.05 for _ in range(1500)])
    assert power_paired(9, 0.7, 1.0) == pytest.approx(flips, abs=0.06)


def test_power_without_a_difference_is_the_level():
    assert power_paired(10, 0, 1, alpha=0.03) == pytest.approx(0.03)
    for test in ("t", "wilcoxon"):
        assert simulated_power(10, 0, 1.0, test=test, studies=20_000).value == pytest.approx(0.05, abs=0.007)


def test_a_pilot_is_drawn_from_as_it_is():
    """Runs that learn or do not, by .5 or 0: moved so that the mean is .1, they are far from normal."""
    pilot = np.array([0.0] * 8 + [0.5] * 2)
    moved = pilot - pilot.mean() + 0.1
    rng = np.random.default_rng(1)
    drawn = rng.choice(moved, (4000, 15))
    expected = (np.abs(drawn.mean(1)) > 2.144787 * drawn.std(1, ddof=1) / math.sqrt(15)).mean()
    assert simulated_power(15, 0.1, pilot=pilot, studies=20_000).value == pytest.approx(expected, abs=0.04)


def test_power_of_equivalence_agrees_with_simulated_studies():
    rng = np.random.default_rng(2)
    for n, difference in ((12, 0.0), (25, 0.01)):
        shown = [tost_paired(difference + 0.03 * rng.standard_normal(n), margin=0.02).equivalent for _ in range(2500)]
        assert power_equivalence(n, 0.02, 0.03, difference=difference) == pytest.approx(np.mean(shown), abs=0.04)
    assert power_equivalence(30, 0.02, 0.03, difference=0.02) == pytest.approx(0.05, abs=0.002)


def test_more_seeds_more_power():
    powers = [power_paired(n, 0.02, 0.05) for n in range(2, 200)]
    assert np.all(np.diff(powers) > 0)
    wilcoxon = [power_paired(n, 0.02, 0.05, test="wilcoxon") for n in range(2, 200)]
    assert np.all(np.diff(wilcoxon) >= -1e-12)
    equivalence = [power_equivalence(n, 0.02, 0.05) for n in range(5, 200)]
    assert np.all(np.diff(equivalence) >= -1e-9)


def test_five_pairs_never_reach_a_twentieth_by_ranks():
    assert power_paired(5, 100, 1, test="wilcoxon") == 0
    assert power_paired(6, 100, 1, test="wilcoxon") == 1
    assert simulated_power(5, 100, 1.0, test="wilcoxon", studies=100).value == 0
    assert simulated_power(6, 100, 1.0, test="wilcoxon", studies=100).value == 1


def test_a_huge_difference_is_certain():
    assert power_paired(50, 1e6, 1) == 1
    assert power_paired(50, -1e6, 1, alternative="greater") == 0


def test_seeds_needed_is_the_least_number():
    calls = []

    def power_of(n):
        calls.append(n)
        return float(n >= 137)

    assert seeds_needed(power_of) == 137
    assert len(calls) < 25
    with pytest.raises(ValueError, match="not reached with 100 seeds"):
        seeds_needed(power_of, maximum=100)


BAD = {
    "one pair": (power_paired, (1, 0.1, 1), {}, "n must be"),
    "no spread": (power_paired, (5, 0.1, 0), {}, "sd must be"),
    "a level of 1": (power_paired, (5, 0.1, 1), {"alpha": 1}, "alpha must lie"),
    "unknown test": (power_paired, (5, 0.1, 1), {"test": "z"}, "test must be"),
    "no margin": (power_equivalence, (5, 0, 1), {}, "margin must be"),
    "sd and pilot": (simulated_power, (5, 0.1, 1.0), {"pilot": [1.0, 2.0]}, "one of sd"),
    "neither": (simulated_power, (5, 0.1), {}, "one of sd"),
    "a short pilot": (simulated_power, (5, 0.1), {"pilot": [1.0]}, "pilot must hold"),
    "many ranks": (simulated_power, (500, 0.1, 1.0), {"test": "wilcoxon", "studies": 2}, "at most 200"),
    "power of 1": (seeds_needed, (lambda n: 1.0,), {"power": 1.0}, "power must lie"),
}


@pytest.mark.parametrize(("function", "arguments", "options", "message"), BAD.values(), ids=BAD.keys())
def test_rejects(function, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)
