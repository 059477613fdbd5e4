"""Paired differences against loops over pairs, and the figure against the differences."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from graphcortex.viz import plot_effects
from graphcortex.viz._effects import paired_differences


def random_runs(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        {
            "task": task,
            "recurrence": "free",
            "variant": variant,
            "seed": seed,
            "accuracy": rng.random(),
            "entropy": rng.random(),
        }
        for task in ("go_nogo", "one_choice_inference")
        for seed in range(4)
        for variant in ("W", "WD", "W*")
    ]
    runs = pd.DataFrame(rows).sample(frac=1, random_state=1, ignore_index=True)
    runs.loc[(runs["variant"] == "WD") & (runs["seed"] == 2), "accuracy"] = np.nan
    return runs[~((runs["variant"] == "W") & (runs["seed"] == 3))]


def naive(runs: pd.DataFrame, task: str, variant: str, metric: str, reference: str) -> list[float]:
    found = []
    for a in runs.to_dict("records"):
        for b in runs.to_dict("records"):
            same = a["seed"] == b["seed"] and a["task"] == b["task"] == task
            if same and (a["variant"], b["variant"]) == (variant, reference) and not math.isnan(a[metric] - b[metric]):
                found.append(a[metric] - b[metric])
    return found


@pytest.mark.parametrize("reference", ["W", "W*"])
def test_matches_loops_over_pairs(reference):
    runs = random_runs()
    table = paired_differences(runs, reference)
    assert len(table) == 2 * 2 * 2
    for row in table.to_dict("records"):
        found = naive(runs, row["task"], row["variant"], row["metric"], reference)
        assert row["pairs"] == len(found) > 1
        assert row["difference"] == pytest.approx(np.mean(found))
        assert row["low"] <= row["difference"] <= row["high"]
        assert min(found) <= row["low"] < row["high"] <= max(found)


def test_turning_the_reference_around_turns_the_sign():
    runs = random_runs()
    one = paired_differences(runs, "W").query("variant == 'W*'").set_index(["task", "metric"])
    other = paired_differences(runs, "W*").query("variant == 'W'").set_index(["task", "metric"])
    np.testing.assert_allclose(one["difference"], -other["difference"])


def test_one_pair_has_no_interval_and_none_no_difference():
    runs = random_runs().query("task == 'go_nogo' and seed == 2")
    table = paired_differences(runs, "W").set_index(["variant", "metric"])
    assert table.loc[("W*", "accuracy"), "pairs"] == 1
    assert math.isnan(table.loc[("W*", "entropy"), "low"])
    assert -1 <= table.loc[("W*", "accuracy"), "low"] < table.loc[("W*", "accuracy"), "high"] <= 1
    assert table.loc[("WD", "accuracy"), "pairs"] == 0
    assert math.isnan(table.loc[("WD", "accuracy"), "difference"])


def test_a_run_that_diverged_makes_no_pair():
    runs = random_runs().query("task == 'go_nogo'").assign(diverged_epoch=np.nan)
    runs.loc[(runs["variant"] == "W*") & (runs["seed"] == 0), "diverged_epoch"] = 3.0
    table = paired_differences(runs, "W").set_index(["variant", "metric"])
    assert table.loc[("W*", "entropy"), "pairs"] == 2
    assert table.loc[("WD", "entropy"), "pairs"] == 3


def test_a_single_variant_has_no_differences():
    table = paired_differences(random_runs().query("variant == 'W'"), "W")
    assert table.empty
    assert "difference" in table


def test_the_figure_shows_the_differences():
    runs = random_runs().query("task == 'go_nogo'")
    axes = plot_effects(runs, reference="W")
    table = paired_differences(runs, "W")
    assert axes.get_title(loc="left") == "difference to W"
    assert [place.get_xlabel() for place in axes.figure.axes] == ["accuracy", "weight entropy (bit)"]
    for place, metric in zip(axes.figure.axes, ("accuracy", "entropy"), strict=True):
        rows = table[table["metric"] == metric].set_index("variant")
        squares = {line.get_ydata()[0]: line.get_xdata()[0] for line in place.lines if line.get_marker() == "s"}
        names = [name for name in dict.fromkeys(runs["variant"]) if name != "W"]
        assert squares == pytest.approx({names.index(name): rows.loc[name, "difference"] for name in names})


def test_a_reference_alone_says_so():
    axes = plot_effects(random_runs().query("variant == 'W' and task == 'go_nogo'"), reference="W")
    assert [text.get_text() for text in axes.texts] == ["no pair of runs to\ncompare"]


BAD = {
    "an unknown reference": ((random_runs(),), {"reference": "WDC"}, "reference must be one of"),
    "no table": ((None,), {"reference": "W"}, "must be a pandas.DataFrame"),
    "no metric": ((random_runs()[["variant", "seed"]],), {"reference": "W"}, "at least one metric"),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses(case):
    arguments, options, words = BAD[case]
    with pytest.raises(ValueError, match=words):
        plot_effects(*arguments, **options)
