"""The figure of paired runs against the table that it was drawn from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphcortex.study.table import bounded_interval
from graphcortex.viz import plot_paired_metrics

RUNS = pd.DataFrame(
    {
        "variant": ["W", "WD", "W*"] * 3,
        "seed": [0, 0, 0, 1, 1, 1, 2, 2, 2],
        "accuracy": [0.5, 0.9, 0.7, 0.6, 0.8, np.nan, 0.4, 0.95, 0.75],
        "entropy": [1.0, 2.0, 3.0, 1.1, 2.1, np.nan, 1.2, 2.2, 3.2],
        "diverged_epoch": [np.nan] * 5 + [2.0] + [np.nan] * 3,
    }
)


def panels(axes):
    return axes.figure.axes


def test_every_run_is_a_dot_in_the_line_of_its_variant():
    accuracy, entropy = panels(plot_paired_metrics(RUNS))
    for place, metric in ((accuracy, "accuracy"), (entropy, "entropy")):
        dots = sorted(tuple(xy) for part in place.collections for xy in part.get_offsets().tolist())
        names = ["W", "WD", "W*"]
        wanted = RUNS.dropna(subset=[metric])
        assert dots == sorted((row[metric], names.index(row["variant"])) for _, row in wanted.iterrows())
    assert [tick.get_text() for tick in accuracy.get_yticklabels()] == ["W", "WD", "W*"]
    assert accuracy.get_ylim()[0] > accuracy.get_ylim()[1]  # the first variant at the top


def test_a_line_joins_the_runs_of_each_seed():
    axes = plot_paired_metrics(RUNS, metrics=["accuracy"])
    joined = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 3]
    table = RUNS.pivot(index="seed", columns="variant", values="accuracy")[["W", "WD", "W*"]]
    np.testing.assert_array_equal(joined, table.to_numpy())


def test_bars_are_means_and_lines_beneath_them_intervals():
    axes = plot_paired_metrics(RUNS, metrics=["accuracy"])
    for where, variant in enumerate(["W", "WD", "W*"]):
        values = RUNS.loc[RUNS["variant"] == variant, "accuracy"].dropna().to_numpy()
        lines = [line for line in axes.lines if set(line.get_ydata()) == {where}]
        interval, mean = (line.get_xdata() for line in lines)
        assert mean == pytest.approx([values.mean()])
        assert list(interval) == pytest.approx(list(bounded_interval(values, "accuracy")))


def test_a_run_that_diverged_with_a_number_is_a_cross():
    runs = RUNS.assign(accuracy=RUNS["accuracy"].fillna(0.5))
    axes = plot_paired_metrics(runs, metrics=["accuracy"])
    crosses = [part for part in axes.collections if not part.get_paths()[0].should_simplify and len(part.get_offsets())]
    thick = [part.get_offsets().tolist() for part in crosses if part.get_linewidths()[0] == 1]
    assert thick == [[[0.5, 2.0]]]


def test_levels_are_drawn_where_accuracy_is():
    axes = plot_paired_metrics(RUNS, chance=0.25, floor=0.625, ceiling=1.0)
    at = [[line.get_xdata()[0] for line in place.lines if line.get_linestyle() == "--"] for place in panels(axes)]
    assert at == [[0.25, 0.625, 1.0], []]


def test_a_metric_without_numbers_says_so():
    axes = plot_paired_metrics(RUNS.assign(entropy=np.nan))
    assert [text.get_text() for text in panels(axes)[1].texts] == ["no run has a number"]


BAD = {
    "no table": (([],), {}, "must be a pandas.DataFrame, got list"),
    "a column is missing": ((RUNS.drop(columns="seed"),), {}, r"must have the columns \['seed'\]"),
    "no rows": ((RUNS.iloc[:0],), {}, "at least one row"),
    "no metric": ((RUNS[["variant", "seed"]],), {}, "at least one column"),
    "an unknown metric": ((RUNS,), {"metrics": ["speed"]}, "metrics must be one of"),
    "two tasks at once": ((pd.concat([RUNS, RUNS]),), {}, "one row per variant and seed"),
    "a level that is none": ((RUNS,), {"chance": np.nan}, "a level must be a finite number"),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses(case):
    arguments, options, words = BAD[case]
    with pytest.raises(ValueError, match=words):
        plot_paired_metrics(*arguments, **options)
