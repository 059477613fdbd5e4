"""The rich club: curves, band and what is filled."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from graphcortex.viz import plot_rich_club
from graphcortex.viz._style import COLOURS


def make_result(**changes) -> SimpleNamespace:
    fields = {
        "k": np.arange(5),
        "phi": np.array([0.2, 0.3, 0.6, 0.9, np.nan]),
        "phi_null_mean": np.array([0.2, 0.25, 0.3, 0.85, np.nan]),
        "phi_null_sd": np.array([0.0, 0.1, 0.05, 0.1, np.nan]),
        "null": "degree",
    }
    fields["phi_norm"] = fields["phi"] / fields["phi_null_mean"]
    return SimpleNamespace(**fields | changes)


def dots(axes) -> tuple[list, list]:
    """Return the k of the filled dots and of the empty ones."""
    filled, empty = [line for line in axes.lines if line.get_marker() == "o"]
    assert to_hex(filled.get_markerfacecolor()) == COLOURS[0].lower()
    assert empty.get_markerfacecolor() == "white"
    return filled.get_xdata().tolist(), empty.get_xdata().tolist()


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, list], ids=["numpy", "torch", "list"])
def test_draws_the_curve_the_null_and_their_ratio(kind):
    arrays = {name: kind(value) for name, value in vars(make_result()).items() if name != "null"}
    result = make_result(**arrays)
    upper = plot_rich_club(result, title="Go/NoGo")
    lower = upper.figure.axes[-1]
    expected = make_result()
    curve, *_, null = upper.lines
    np.testing.assert_array_equal(curve.get_ydata(), expected.phi)
    np.testing.assert_array_equal(null.get_ydata(), expected.phi_null_mean)
    assert null.get_linestyle() == "--"
    np.testing.assert_array_equal(lower.lines[0].get_ydata(), expected.phi_norm)
    assert any(line.get_linestyle() == "--" and set(line.get_ydata()) == {1} for line in lower.lines)
    assert upper.get_title(loc="left") == "Go/NoGo"
    assert lower.get_shared_x_axes().joined(lower, upper)
    labels = [text.get_text() for text in upper.get_legend().get_texts()]
    assert labels == ["the graph", "null: degree (mean ± 2 sd)"]


def test_dots_above_the_band_are_filled_in_both_panels():
    upper = plot_rich_club(make_result())
    assert dots(upper) == ([2], [0, 1, 3, 4])
    assert dots(upper.figure.axes[-1]) == dots(upper)


def test_the_band_is_two_standard_deviations_wide_and_ends_where_densities_do():
    (band,) = plot_rich_club(make_result()).collections
    vertices = np.concatenate([path.vertices for path in band.get_paths()])
    expected = {0: (0.2, 0.2), 1: (0.05, 0.45), 2: (0.2, 0.4), 3: (0.65, 1.0)}
    for k, ends in expected.items():
        heights = vertices[vertices[:, 0] == k, 1]
        assert (heights.min(), heights.max()) == pytest.approx(ends)


@pytest.mark.parametrize("absent", [None, np.full(5, np.nan)], ids=["None", "NaN"])
def test_without_a_null_there_is_one_panel(absent):
    axes = plot_rich_club(make_result(phi_null_mean=absent, phi_null_sd=absent, phi_norm=absent))
    assert axes.figure.axes == [axes]
    assert axes.get_xlabel() == "neurons of degree above k"
    assert dots(axes)[1] == []
    axes.figure.draw_without_rendering()


def test_where_it_is_not_defined_the_figure_says_why():
    axes = plot_rich_club(make_result(phi=np.full(5, np.nan), reason="no edge joins two neurons"))
    assert axes.texts[0].get_text().replace("\n", " ") == "no edge joins two neurons"
    axes = plot_rich_club(SimpleNamespace(k=np.zeros(0), phi=np.zeros(0)))
    assert "no two neurons" in axes.texts[0].get_text()
    axes.figure.draw_without_rendering()


BAD_ARGUMENTS = {
    "no curve": (SimpleNamespace(k=[1]), r"found must have the fields .*got SimpleNamespace without \['phi'\]"),
    "other shapes": (
        make_result(phi_norm=np.zeros(3)),
        r"found must be arrays of one shape \(K,\), got \[\(3,\), \(5,\)\]",
    ),
    "a matrix": (SimpleNamespace(k=np.zeros((2, 2)), phi=np.zeros((2, 2))), r"must be .*got"),
}


@pytest.mark.parametrize(("found", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(found, message):
    with pytest.raises(ValueError, match=message):
        plot_rich_club(found)
