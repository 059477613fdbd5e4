"""Metrics over epochs: one panel each, mean and band of the seeds, gaps that are counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphcortex.viz import plot_evolution

NAMES = ("modularity", "sigma", "entropy", "reciprocity", "spectral_radius")


def make_table(variants=("W", "WD"), seeds=3, epochs=4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"variant": variant, "seed": seed, "epoch": epoch} | dict(zip(NAMES, rng.random(len(NAMES)), strict=True))
            for variant in variants
            for seed in range(seeds)
            for epoch in range(epochs)
        ]
    )


def curves(axes):
    return {line.get_label(): line for line in axes.lines}


def panels(axes):
    return axes.figure.axes


def test_draws_mean_and_band_of_the_seeds_of_every_variant():
    table = make_table()
    axes = plot_evolution(table, metric="sigma", title="Go/NoGo")
    assert panels(axes) == [axes]
    assert axes.get_ylabel() == "sigma"
    assert axes.get_xlabel() == "epoch"
    assert axes.get_title(loc="left") == "Go/NoGo"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["W", "WD"]
    for band, (variant, line) in zip(axes.collections, curves(axes).items(), strict=True):
        by_epoch = table[table.variant == variant].groupby("epoch").sigma
        np.testing.assert_allclose(line.get_ydata(), by_epoch.mean())
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.min() == by_epoch.min().min()
        assert heights.max() == by_epoch.max().max()


def test_a_metric_of_ones_own_has_the_unit_that_is_given():
    axes = plot_evolution(make_table(), metric=["reciprocity", "entropy"], units={"reciprocity": "um"})
    assert [panel.get_ylabel() for panel in panels(axes)] == ["reciprocity (um)", "entropy (bit)"]


@pytest.mark.parametrize(("names", "rows", "columns"), [(NAMES[:2], 1, 2), (NAMES[:3], 1, 3), (None, 2, 3)])
def test_several_metrics_have_a_panel_each(names, rows, columns):
    axes = plot_evolution(make_table(), metric=names, title="all")
    drawn = panels(axes)
    words = {"entropy": "entropy (bit)", "spectral_radius": "spectral radius"}
    expected = [words.get(name, name) for name in names or NAMES]
    assert [panel.get_ylabel() for panel in drawn] == expected
    assert drawn[0] is axes
    assert [panel.get_title(loc="left") for panel in drawn] == ["all", *[""] * (len(expected) - 1)]
    assert sum(panel.get_legend() is not None for panel in drawn) == 1
    assert all(panel.get_shared_x_axes().joined(panel, axes) for panel in drawn)
    grid = axes.get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, columns)


def test_epochs_are_labelled_where_no_panel_is_below():
    drawn = panels(plot_evolution(make_table()))
    assert [panel.get_xlabel() for panel in drawn] == ["", "", "epoch", "epoch", "epoch"]


def test_variant_and_seed_may_be_absent():
    table = make_table(variants=["W"], seeds=1).drop(columns=["variant", "seed"])
    axes = plot_evolution(table.sample(frac=1, random_state=0), metric="entropy")
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), range(4))
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), table.entropy)
    assert not axes.collections
    assert axes.get_legend() is None


@pytest.mark.parametrize("gap", [np.nan, np.inf])
def test_gaps_do_not_count_and_are_counted(gap):
    table = make_table(["W"])
    table.loc[(table.seed == 1) & (table.epoch == 2), "sigma"] = gap
    table.loc[table.epoch == 3, "sigma"] = gap
    axes = plot_evolution(table, metric="sigma")
    expected = table.replace([np.inf], np.nan).groupby("epoch").sigma.mean()
    np.testing.assert_allclose(axes.lines[0].get_ydata(), expected)
    assert np.isnan(expected[3])
    assert [text.get_text() for text in axes.texts] == ["4 of 12 undefined"]


def test_a_metric_that_is_never_defined_says_so_and_leaves_the_others_alone():
    table = make_table().assign(sigma=np.nan)
    axes = plot_evolution(table, metric=["sigma", "entropy"])
    other = panels(axes)[1]
    assert axes.texts[0].get_text() == "undefined at every epoch"
    assert not other.texts
    axes.figure.draw_without_rendering()
    assert [label.get_text() for label in other.get_xticklabels() if label.get_text()]


def test_epochs_are_whole_numbers():
    axes = plot_evolution(make_table(epochs=3), metric="sigma")
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


BAD_ARGUMENTS = {
    "no table": ({"table": {"epoch": [1]}}, r"table must be a pandas.DataFrame, got dict"),
    "no epochs": ({"table": make_table().drop(columns="epoch")}, r"table must have .*got .*missing \['epoch'\]"),
    "no such metric": ({"metric": "omega"}, r"table must have .*got .*missing \['omega'\]"),
    "no metrics": ({"metric": []}, r"table must have rows, a column epoch and at least one metric; got"),
    "no rows": ({"table": make_table()[:0]}, r"table must have rows.*got 0 rows"),
    "text": ({"table": make_table().astype({"sigma": str}), "metric": "sigma"}, r"must hold numbers.*got .*'sigma'"),
    "seeds without a column": ({"table": make_table().drop(columns="seed")}, r"one row per epoch, .*got more for"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(changes, message):
    with pytest.raises(ValueError, match=message):
        plot_evolution(**({"table": make_table()} | changes))
