import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from graphcortex.study.statistics import pool_connectomes


def runs_of(differences: dict[str, list[float]], **columns) -> pd.DataFrame:
    """Runs of W* and W in which the differences are those given."""
    rows = []
    for connectome, values in differences.items():
        for seed, value in enumerate(values):
            for variant, accuracy in (("W*", 0.5 + value), ("W", 0.5)):
                row = {"connectome": connectome, "variant": variant, "seed": seed, "accuracy": accuracy}
                rows.append(row | {"diverged_epoch": math.nan, **columns})
    return pd.DataFrame(rows)


def pooled(differences, **options):
    return pool_connectomes(runs_of(differences), "W*", "W", **options).iloc[0]


def naive_paule_mandel(means, variances):
    """Solve Q(tau2) = k - 1 by bisection."""
    low, high = 0.0, 10.0

    def excess(tau2):
        weight = 1 / (variances + tau2)
        center = (weight * means).sum() / weight.sum()
        return (weight * (means - center) ** 2).sum() - (len(means) - 1)

    if excess(0.0) <= 0:
        return 0.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return low


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_matches_the_formulas_written_out(seed, tau):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 9, 5)
    data = {f"c{k}": list(rng.normal(0.1, tau) + rng.normal(0, 0.05, n)) for k, n in enumerate(sizes)}
    means = np.array([np.mean(values) for values in data.values()])
    squares = sum(((np.array(values) - np.mean(values)) ** 2).sum() for values in data.values())
    variances = squares / (sizes - 1).sum() / sizes
    tau2 = naive_paule_mandel(means, variances)
    weight = 1 / (variances + tau2)
    value = (weight * means).sum() / weight.sum()
    factor = max(1.0, (weight * (means - value) ** 2).sum() / 4)
    half = scipy.stats.t.ppf(0.975, 4) * math.sqrt(factor / weight.sum())
    got = pooled(data)
    assert got["tau"] ** 2 == pytest.approx(tau2, abs=1e-6)
    assert got["difference"] == pytest.approx(value, abs=1e-4)
    assert (got["difference_low"], got["difference_high"]) == pytest.approx((value - half, value + half), abs=1e-4)
    assert (got["connectomes"], got["n"], got["dropped"]) == (5, sizes.sum(), 0)


def test_false_alarms_are_as_rare_as_the_level_says():
    """Connectomes whose true differences scatter around none."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        data = {f"c{k}": list(rng.normal(0, 0.05) + rng.normal(0, 0.05, 5)) for k in range(5)}
        found.append(pooled(data)["p"] < 0.05)
    low, high = scipy.stats.binom.ppf([0.001, 0.999], 300, 0.05) / 300
    assert low <= np.mean(found) <= high


def test_seeds_that_all_say_the_same_leave_the_connectomes():
    got = pooled({"a": [0.1] * 3, "b": [0.2] * 3, "c": [0.3] * 3})
    expected = scipy.stats.t.interval(0.95, 2, 0.2, 0.1 / math.sqrt(3))
    assert (got["difference_low"], got["difference_high"]) == pytest.approx(expected)
    assert got["i2"] == pytest.approx(1.0)


def test_no_spread_at_all_has_no_p():
    got = pooled({"a": [0.125] * 3, "b": [0.125] * 3})
    assert (got["difference_low"], got["difference_high"]) == (0.125, 0.125)
    assert math.isnan(got["p"])


@pytest.mark.parametrize("data", [{"a": [0.1, 0.2]}, {"a": [0.1], "b": [0.2]}], ids=["one connectome", "one seed each"])
def test_too_little_to_tell(data):
    got = pooled(data)
    assert got["difference"] == pytest.approx(0.15)
    assert got[["difference_low", "difference_high", "p", "tau", "i2"]].isna().all()


def test_runs_that_diverged_are_dropped_and_groups_stay_apart():
    first = runs_of({"a": [0.1, 0.2, 0.3], "b": [0.2, 0.3, 0.4]}, task="go_nogo")
    second = runs_of({"a": [0.0, 0.1, 0.0], "b": [0.1, 0.1, 0.2]}, task="one_choice_inference")
    first.loc[0, "diverged_epoch"] = 2.0
    both = pool_connectomes(pd.concat([first, second]), "W*", "W")
    assert both["task"].tolist() == ["go_nogo", "one_choice_inference"]
    assert both["n"].tolist() == [5, 6]
    assert both["dropped"].tolist() == [1, 0]


def test_rejects():
    runs = runs_of({"a": [0.1, 0.2], "b": [0.1, 0.3]})
    with pytest.raises(ValueError, match=r"runs must have the columns .*missing: connectome"):
        pool_connectomes(runs.drop(columns="connectome"), "W*", "W")
    with pytest.raises(ValueError, match=r"level must .*got 2"):
        pool_connectomes(runs, "W*", "W", level=2)
    with pytest.raises(ValueError, match=r"each run must be there once"):
        pool_connectomes(pd.concat([runs, runs]), "W*", "W")
