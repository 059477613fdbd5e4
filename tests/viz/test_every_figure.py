"""What holds for every figure: axes come back, it is drawn where it is told, as vectors, and touches nothing global."""

from __future__ import annotations

import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from mpl_toolkits.mplot3d.art3d import Path3DCollection
from mpl_toolkits.mplot3d.proj3d import proj_transform

from graphcortex import viz
from graphcortex.data import Connectome
from graphcortex.metrics import busiest_edges
from graphcortex.viz import save_figure

CURVE = np.array([0.2, 0.3, 0.6])
CLUB = SimpleNamespace(k=np.arange(3), phi=CURVE, phi_null_mean=CURVE, phi_null_sd=CURVE / 10, phi_norm=CURVE / CURVE)
TABLE = pd.DataFrame({"variant": "W", "seed": 0, "epoch": [1, 2], "accuracy": [0.1, 0.2], "loss": [2.0, 1.0]})

RUNS = pd.DataFrame({"variant": ["W", "WD"] * 2, "seed": [0, 0, 1, 1], "accuracy": [0.5, 0.9, 0.6, 0.8]})

# A new figure is one more line, and inherits every test below.
FIGURES = {
    "plot_busiest_edges": lambda g: (busiest_edges(g.edge_index, g.edge_weight, 12, top=None),),
    "plot_connectome": lambda g: (Connectome.from_arrays(g.pos, g.edge_index, g.edge_weight.abs().ceil().long() + 1),),
    "plot_degree_distribution": lambda g: (g.edge_index, g.edge_weight, 12),
    "plot_effects": lambda g: (RUNS.assign(entropy=RUNS["accuracy"]),),
    "plot_evolution": lambda g: (TABLE,),
    "plot_learned_graph": lambda g: (g.pos, g.edge_index, g.edge_weight),
    "plot_learning_curves": lambda g: (TABLE,),
    "plot_length_distribution": lambda g: (g.edge_index, g.edge_weight, 12, g.pos),
    "plot_matrix": lambda g: (g.edge_index, g.edge_weight, 12),
    "plot_paired_metrics": lambda g: (RUNS.assign(entropy=RUNS["accuracy"]),),
    "plot_rich_club": lambda g: (CLUB,),
    "plot_spectrum": lambda g: (g.edge_index, g.edge_weight, 12),
}
IN_SPACE = ["plot_connectome", "plot_learned_graph"]
FLAT = sorted(set(FIGURES) - set(IN_SPACE))
DIVIDED = ["plot_busiest_edges", "plot_effects", "plot_evolution", "plot_paired_metrics", "plot_rich_club"]
OPTIONS = {"plot_effects": {"reference": "W"}}
IMAGES = ["plot_matrix"]


def test_every_figure_is_here():
    assert set(FIGURES) == {name for name in viz.__all__ if name.startswith("plot_")}


@pytest.fixture(params=FIGURES)
def name(request):
    return request.param


def draw(name, graph, **options):
    return getattr(viz, name)(*FIGURES[name](graph), **OPTIONS.get(name, {}), **options)


def test_returns_axes_of_a_figure_of_its_own(graph, name):
    axes = draw(name, graph)
    assert isinstance(axes, Axes)
    assert axes in axes.figure.axes
    assert axes.figure is not draw(name, graph).figure


@pytest.mark.parametrize("name", FLAT)
def test_draws_into_the_axes_it_is_given_and_leaves_the_others_alone(graph, name):
    fig = Figure(figsize=(9, 4), layout="constrained")
    left, right = fig.subplots(1, 2)
    assert draw(name, graph, axes=right) is right
    assert right.has_data()
    assert not left.has_data()
    assert right.figure is fig
    fig.draw_without_rendering()
    assert not left.bbox.overlaps(right.bbox)


@pytest.mark.parametrize("name", FLAT)
def test_draws_into_a_figure_within_a_figure(graph, name, tmp_path):
    fig = Figure(figsize=(9, 4), layout="constrained")
    axes = draw(name, graph, axes=fig.subfigures(1, 2)[1].subplots())
    assert save_figure(axes, tmp_path / "figure.svg").stat().st_size > 1000


@pytest.mark.parametrize("name", FLAT)
def test_refuses_what_are_no_flat_axes(graph, name):
    fig = Figure()
    for wrong in (fig, fig.add_subplot(projection="polar"), "axes"):
        with pytest.raises(ValueError, match=r"axes must be flat matplotlib Axes or None, got"):
            draw(name, graph, axes=wrong)


@pytest.mark.parametrize("name", IN_SPACE)
def test_draws_into_the_axes_in_space_that_it_is_given(graph, name):
    fig = Figure(figsize=(12, 5), layout="constrained")
    left, right = fig.subplots(1, 2, subplot_kw={"projection": "3d"})
    assert draw(name, graph, axes=right, title="Field 6_6_2") is right
    assert right.has_data()
    assert not left.has_data()
    assert "Field 6_6_2" in right.get_title(loc="left")
    assert fig.legends == []
    assert right.get_legend() is not None
    fig.draw_without_rendering()
    assert np.allclose(fig.get_size_inches(), (12, 5))


@pytest.mark.parametrize("name", IN_SPACE)
def test_refuses_what_are_no_axes_in_space(graph, name):
    for wrong in (Figure(), Figure().add_subplot(), "axes"):
        with pytest.raises(ValueError, match=r"axes must be matplotlib Axes in space \(projection='3d'\) or None, got"):
            draw(name, graph, axes=wrong)


@pytest.mark.parametrize("name", DIVIDED)
def test_axes_placed_by_hand_cannot_be_divided(graph, name):
    options = {"metric": ["accuracy", "loss"]} if name == "plot_evolution" else {}
    with pytest.raises(ValueError, match=r"axes must stand in a grid.*got axes placed by hand"):
        draw(name, graph, axes=Figure().add_axes((0, 0, 1, 1)), **options)


@pytest.mark.parametrize("name", DIVIDED)
def test_the_panels_of_a_figure_share_the_place_of_the_axes(graph, name):
    fig = Figure(figsize=(12, 4), layout="constrained")
    left, right = fig.subplots(1, 2)
    draw(name, graph, axes=right)
    fig.draw_without_rendering()
    others = [axes for axes in fig.axes if axes is not left]
    assert len(others) == 2
    assert not others[0].bbox.overlaps(others[1].bbox)
    assert all(axes.bbox.x0 > left.bbox.x1 for axes in others)


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_files_are_vectors(graph, name, suffix, tmp_path):
    content = save_figure(draw(name, graph, title="a title"), tmp_path / f"figure{suffix}").read_bytes()
    if suffix == ".svg":
        # A bar of colours is an image too.
        assert (b"<image" in content) == (name in IMAGES)
        assert b"a title" in content
    elif name not in IMAGES:
        assert b"/Subtype /Image" not in content


def test_four_thousand_dots_are_vectors(tmp_path):
    pos = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
    axes = viz.plot_learned_graph(pos, torch.zeros(2, 0).long(), torch.zeros(0))
    assert b"<image" not in save_figure(axes, tmp_path / "figure.svg").read_bytes()


def test_titles_stand_above(graph, name):
    axes = draw(name, graph, title="Field 6_6_2")
    assert "Field 6_6_2" in axes.get_title(loc="left") + axes.figure.get_suptitle()


FORMULA = "$a_1$ and $b^2$"
NAMED = {
    "plot_busiest_edges": lambda g: (
        pd.DataFrame({"source": [FORMULA], "target": ["b"], "traffic": [1.0], "share": [1.0]}),
    ),
    "plot_connectome": lambda g: (with_names(g),),
    "plot_effects": lambda g: (RUNS.assign(entropy=1.0, variant=RUNS["variant"].replace("WD", FORMULA)),),
    "plot_evolution": lambda g: (
        pd.concat([TABLE, TABLE.assign(variant=FORMULA)]).rename(columns={"loss": f"loss {FORMULA}"}),
    ),
    "plot_learning_curves": lambda g: (TABLE.assign(variant=FORMULA),),
    "plot_paired_metrics": lambda g: (RUNS.assign(variant=RUNS["variant"].replace("WD", FORMULA)),),
}


def with_names(g):
    arrays = g.pos, g.edge_index, g.edge_weight.abs().ceil().long() + 1
    return Connectome.from_arrays(*arrays, cell_type=[0] * 12, names={"cell_type": [FORMULA]})


def test_mathematics_in_a_name_is_drawn_letter_by_letter(graph, name, tmp_path):
    arguments = NAMED.get(name, FIGURES[name])(graph)
    axes = getattr(viz, name)(*arguments, **OPTIONS.get(name, {}), title=FORMULA)
    drawn = save_figure(axes, tmp_path / "figure.svg").read_text()
    lines = [line for line in drawn.splitlines() if "$" in line]
    assert len(lines) >= (2 if name in NAMED else 1)
    # A dollar sign that is left in the file was not taken for the beginning of a formula.
    texts = [text for text in axes.get_figure(root=True).findobj(Text) if "$a" in text.get_text()]
    assert texts
    assert not any(text.get_parse_math() for text in texts if text.get_visible())


def shown_texts(axes):
    """Return all texts that are drawn with the boxes that they cover, in pixels."""
    fig = axes.get_figure(root=True)
    fig.draw_without_rendering()
    beyond = set()  # a locator makes ticks outside of the panel too, which are not drawn
    for axis in (axis for panel in fig.axes for axis in (panel.xaxis, panel.yaxis)):
        low, high = sorted(axis.get_view_interval())
        beyond |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    drawn = [text for text in fig.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in drawn if text not in beyond]


LONG = {"W": "W*[no-diagonal]D*[shuffled]C*", "WD": "W![diagonal]D*[shuffled]C"}


@pytest.mark.parametrize("name", ["plot_effects", "plot_paired_metrics"])
def test_labels_of_panels_side_by_side_do_not_touch(name):
    runs = pd.DataFrame({"variant": ["W", "WD"] * 4, "seed": np.repeat(range(4), 2)})
    for metric, size in {
        "accuracy": 1,
        "modularity": 0.1,
        "small_worldness": 40,
        "assortativity": 1,
        "entropy": 6,
    }.items():
        runs[metric] = size * np.random.default_rng(0).random(8)
    options = {"reference": LONG["W"]} if name == "plot_effects" else {}
    axes = getattr(viz, name)(runs.replace({"variant": LONG}), title="Go/NoGo, free recurrence", **options)
    texts = shown_texts(axes)
    assert {"accuracy", "small-worldness", "weight entropy (bit)"} <= {text for text, _ in texts}
    for i, (text, box) in enumerate(texts):
        assert all(not box.overlaps(other) for _, other in texts[i + 1 :]), text


SHAPES = {
    "small and flat": (50, 5, 40),
    "a few um": (5, 5, 5),
    "wide": (800, 100, 400),
    "a column": (20, 200, 20),
    "a line": (100, 0, 0),
    "a point": (0, 0, 0),
    "a plane": (300, 0, 300),
    "far from zero": (41, 40, 40),
}


@pytest.mark.parametrize("size", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("name", IN_SPACE)
def test_nothing_of_a_field_of_any_shape_is_cut_off(graph, name, size):
    """Neither a name or number of an axis by the edge of the figure, nor a neuron by the square that mplot3d draws in."""
    pos = torch.rand(12, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor(size)
    axes = draw(name, graph._replace(pos=pos + (1e4 if size == SHAPES["far from zero"] else 0)), title="title")
    fig = axes.figure
    fig.draw_without_rendering()
    page = fig.bbox
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        box = axis.label.get_window_extent()
        assert page.x0 <= box.x0 < box.x1 <= page.x1, axis.label.get_text()
        assert page.y0 <= box.y0 < box.y1 <= page.y1, axis.label.get_text()
    dots = next(artist for artist in axes.collections if isinstance(artist, Path3DCollection))
    x, y, _ = proj_transform(*map(np.asarray, dots._offsets3d), axes.get_proj())
    seen = axes.transData.transform(np.column_stack([x, y]))
    for box in (page, axes.bbox):
        assert (seen >= box.min).all()
        assert (seen <= box.max).all()


def test_a_notebook_shows_a_figure_by_its_axes(graph, name):
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    axes = draw(name, graph)
    shown, _ = formatters.DisplayFormatter().format(axes)
    assert shown["image/png"].startswith(b"\x89PNG")
    assert pickle.loads(pickle.dumps(axes.figure)).axes


def test_no_figure_touches_pyplot_or_the_settings_of_matplotlib():
    code = """
import sys, torch, matplotlib
from graphcortex import viz
from graphcortex.data import Connectome
before = list(dict.items(matplotlib.rcParams))  # asked plainly, it would import pyplot for the backend
e, w = torch.tensor([[0, 1], [1, 0]]), torch.ones(2)
viz.plot_matrix(e, w, 2), viz.plot_spectrum(e, w, 2), viz.plot_degree_distribution(e, w, 2, num_nulls=2)
viz.plot_length_distribution(e, w, 2, torch.rand(2, 3), num_nulls=2), viz.plot_learned_graph(torch.rand(2, 3), e, w)
assert "matplotlib.pyplot" not in sys.modules
assert list(dict.items(matplotlib.rcParams)) == before
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
