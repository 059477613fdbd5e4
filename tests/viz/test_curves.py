"""Learning curves: what is drawn, and what a diverged run does to it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphcortex.viz import plot_learning_curves

VARIANTS = ["W*D*C", "WD*C", "WDC", "WD*", "WD", "W", "W*D*C*", "WD*C*", "W*DC*", "W!D*C", "W!D*C*"]


def make_history(variants=("W", "WD"), seeds=3, epochs=4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"variant": variant, "seed": seed, "epoch": epoch, **dict.fromkeys(("loss", "val_loss"), 1.0 / epoch)}
        | {"accuracy": rng.uniform(0.3, 0.9), "val_accuracy": rng.uniform(0.3, 0.9)}
        for variant in variants
        for seed in range(seeds)
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows)


def curves(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("metric", ["accuracy", "val_accuracy", "loss", "val_loss"])
def test_draws_the_mean_over_seeds_of_every_variant(metric):
    history = make_history()
    lines = curves(plot_learning_curves(history, metric=metric))
    assert sorted(lines) == ["W", "WD"]
    for variant, line in lines.items():
        expected = [
            history[(history.variant == variant) & (history.epoch == epoch)][metric].mean() for epoch in range(1, 5)
        ]
        np.testing.assert_allclose(line.get_ydata(), expected)
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])


def test_band_spans_lowest_to_highest_seed():
    history = make_history(variants=["W"], seeds=5, epochs=1)
    (band,) = plot_learning_curves(history).collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() == history.accuracy.min()
    assert heights.max() == history.accuracy.max()


def test_one_seed_has_a_line_and_no_band():
    axes = plot_learning_curves(make_history(seeds=1))
    assert len(axes.lines) == 2
    assert not axes.collections
    assert "band" not in axes.get_ylabel()


def test_eleven_variants_all_look_different():
    lines = curves(plot_learning_curves(make_history(VARIANTS)))
    looks = {(line.get_color(), line.get_linestyle()) for line in lines.values()}
    assert len(looks) == len(lines) == 11


def test_order_of_rows_does_not_matter():
    history = make_history()
    shuffled = pd.concat([history[:1], history[1:].sample(frac=1, random_state=0)])
    for name, line in curves(plot_learning_curves(shuffled)).items():
        np.testing.assert_allclose(line.get_ydata(), curves(plot_learning_curves(history))[name].get_ydata())


def test_legend_lists_the_best_variant_first():
    history = make_history(["low", "high"], seeds=1)
    for column in ("accuracy", "loss"):
        history[column] = np.where(history.variant == "high", 0.9, 0.1)
    assert legend(plot_learning_curves(history, metric="accuracy")) == ["high", "low"]
    assert legend(plot_learning_curves(history, metric="loss")) == ["low", "high"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_diverged_run_is_counted_and_left_out_of_every_epoch(value):
    history = make_history(["W"])
    sound = history[history.seed != 1].groupby("epoch").accuracy.mean()
    history.loc[(history.seed == 1) & (history.epoch > 2), "accuracy"] = value
    lines = curves(plot_learning_curves(history))
    np.testing.assert_allclose(lines["W (1 of 3 diverged)"].get_ydata(), sound)


@pytest.mark.parametrize("told_by", ["loss", "val_loss", "diverged"])
def test_a_run_whose_accuracy_stayed_a_number_has_diverged_all_the_same(told_by):
    history = make_history(["W"]).assign(diverged=False)
    sound = history[history.seed != 1].groupby("epoch").accuracy.mean()
    history.loc[(history.seed == 1) & (history.epoch == 4), told_by] = True if told_by == "diverged" else np.nan
    lines = curves(plot_learning_curves(history))
    np.testing.assert_allclose(lines["W (1 of 3 diverged)"].get_ydata(), sound)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_a_variant_that_always_diverged_stays_in_the_legend(metric):
    history = make_history()
    history.loc[history.variant == "W", metric] = np.nan
    axes = plot_learning_curves(history, metric=metric, chance=0.5)
    assert legend(axes) == ["WD", "W (3 of 3 diverged)"]
    axes.figure.draw_without_rendering()


def test_levels_are_dashed_and_named_beside_the_axes():
    axes = plot_learning_curves(make_history(), chance=0.25, floor=0.625, ceiling=1)
    dashed = [line.get_ydata()[0] for line in axes.lines if line.get_label().startswith("_")]
    assert sorted(dashed) == [0.25, 0.625, 1.0]
    assert [text.get_text() for text in axes.texts] == ["chance 0.25", "floor 0.625", "ceiling 1"]
    low, high = axes.get_ylim()
    assert low < 0.25
    assert high > 1
    for text in axes.texts:
        assert text.xy[0] == 1  # the right edge of the axes: no line is there


def test_levels_that_would_touch_share_one_label():
    axes = plot_learning_curves(make_history(), chance=0.5, floor=0.5, ceiling=0.899)
    assert [text.get_text() for text in axes.texts] == ["floor 0.5\nchance 0.5", "ceiling 0.899"]


def test_legend_does_not_cover_the_axes():
    axes = plot_learning_curves(make_history(VARIANTS), chance=0.25, floor=0.625, ceiling=1)
    axes.figure.draw_without_rendering()
    beside = axes.get_legend().get_window_extent()
    assert not axes.bbox.overlaps(beside)
    assert beside.x1 <= axes.figure.bbox.x1
    for text in axes.texts:
        assert not text.get_window_extent().overlaps(beside)
        assert not text.get_window_extent().overlaps(axes.bbox)


def test_history_is_not_changed():
    history = make_history()
    before = history.copy()
    plot_learning_curves(history, title="a title")
    pd.testing.assert_frame_equal(history, before)


BAD_ARGUMENTS = {
    "no table": ({"history": [1, 2]}, r"must be a pandas.DataFrame, got list"),
    "a column is missing": ({"history": make_history().drop(columns="seed")}, r"must have the columns \['seed'\], got"),
    "no rows": ({"history": make_history()[:0]}, r"at least one row, got none"),
    "two tasks at once": (
        {"history": pd.concat([make_history(), make_history()])},
        r"one row per .* got more for variant 'W'",
    ),
    "text as numbers": ({"history": make_history().astype({"accuracy": str})}, r"must hold numbers, got"),
    "an unknown metric": ({"metric": "entropy"}, r"metric must be one of 'accuracy'.*got 'entropy'"),
    "a level that is NaN": ({"chance": float("nan")}, r"chance must be a finite number.*got nan"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(changes, message):
    with pytest.raises(ValueError, match=message):
        plot_learning_curves(**({"history": make_history()} | changes))
