"""The learned graph in space: which edges, which colours, and true proportions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgb
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from graphcortex.viz import plot_learned_graph
from graphcortex.viz._style import COLOURS, NEGATIVE, PALE, POSITIVE


def drawn_edges(axes):
    """Return the segments, shape (edges, 2, 3), with their colours and widths."""
    found = [artist for artist in axes.collections if isinstance(artist, Line3DCollection)]
    if not found:
        return np.empty((0, 2, 3)), [], np.empty(0)
    (lines,) = found
    return np.array(lines._segments3d), [to_hex(c) for c in lines.get_colors()], np.array(lines.get_linewidths())


def title(axes):
    return axes.figure.get_suptitle()


def legend(axes):
    return [text.get_text() for text in axes.figure.legends[0].get_texts()]


@pytest.mark.parametrize("num_edges", [0, 1, 7, 132, 1000])
def test_draws_the_strongest_edges_between_different_neurons(graph, num_edges):
    pairs = sorted(
        (
            (abs(float(w)), int(i), int(j))
            for i, j, w in zip(*graph.edge_index, graph.edge_weight, strict=True)
            if i != j
        ),
        reverse=True,
    )[:num_edges]
    segments, _, _ = drawn_edges(plot_learned_graph(*graph[:3], num_edges=num_edges))
    expected = [[graph.pos[i].tolist(), graph.pos[j].tolist()] for _, i, j in reversed(pairs)]
    np.testing.assert_allclose(segments, np.array(expected).reshape(-1, 2, 3))


def test_colour_is_the_sign_and_width_grows_with_the_weight(graph):
    axes = plot_learned_graph(*graph[:3], num_edges=20)
    between = graph.edge_index[0] != graph.edge_index[1]
    weight = graph.edge_weight[between]
    strongest = weight[weight.abs().argsort(descending=True)][:20].flip(0)
    _, colours, widths = drawn_edges(axes)
    assert colours == [POSITIVE if w > 0 else NEGATIVE for w in strongest]
    assert (np.diff(widths) >= 0).all()
    assert legend(axes) == ["neuron", "positive weight", "negative weight"]


def test_legend_names_only_the_signs_that_are_there(graph):
    assert legend(plot_learned_graph(graph.pos, graph.edge_index, graph.edge_weight.abs())) == [
        "neuron",
        "positive weight",
    ]


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_modules_are_numbered_from_the_largest_and_colour_neurons_and_edges(graph, kind):
    axes = plot_learned_graph(*graph[:3], num_edges=1000, membership=kind(graph.membership))
    colour_of = {7: COLOURS[0], 3: COLOURS[1], -1: COLOURS[2]}
    expected = [to_rgb(colour_of[m]) for m in graph.membership]
    (dots,) = [artist for artist in axes.collections if not isinstance(artist, Line3DCollection)]
    # The getter of the collection in space sorts by depth; that of its parent keeps the order of the neurons.
    np.testing.assert_allclose(PathCollection.get_facecolor(dots)[:, :3], expected)
    where = {tuple(p.tolist()): m for p, m in zip(graph.pos, graph.membership, strict=True)}
    segments, colours, _ = drawn_edges(axes)
    for (start, end), colour in zip(segments, colours, strict=True):
        modules = where[tuple(start)], where[tuple(end)]
        assert colour == to_hex(colour_of[modules[0]] if modules[0] == modules[1] else PALE)
    assert legend(axes) == ["module 1: 6 neurons", "module 2: 4 neurons", "module 3: 2 neurons", "edge between modules"]


def test_small_modules_share_a_line_of_the_legend_and_neurons_alone_another():
    membership = [0] * 5 + [m for m in range(1, 12) for _ in range(2)] + [20, 21, 22]
    axes = plot_learned_graph(torch.rand(30, 3), torch.zeros(2, 0).long(), torch.zeros(0), membership=membership)
    assert len(legend(axes)) == 11
    assert legend(axes)[0] == "module 1: 5 neurons"
    assert legend(axes)[7:] == [
        "module 8: 2 neurons",
        "4 smaller: 8 neurons",
        "in no module: 3 neurons",
        "edge between modules",
    ]
    (dots,) = axes.collections
    colours = [to_hex(c) for c in PathCollection.get_facecolor(dots)]
    assert colours[-3 - 8 :] == [PALE] * 11
    assert len(set(colours[:-11])) == 8
    assert PALE not in colours[:-11]


@pytest.mark.parametrize(
    "extent", [(800.0, 100.0, 400.0), (100.0, 100.0, 100.0), (50.0, 900.0, 30.0), (10.0, 20.0, 900.0)], ids=str
)
def test_one_um_is_equally_long_in_all_directions(extent):
    """Seen without perspective at one scale, the two rows of the projection are orthogonal and of equal length."""
    pos = torch.rand(40, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * torch.tensor(extent)
    axes = plot_learned_graph(pos, torch.zeros(2, 0).long(), torch.zeros(0))
    fig = axes.figure
    fig.draw_without_rendering()
    projection = np.asarray(axes.get_proj())
    assert axes.bbox.width == pytest.approx(axes.bbox.height)
    right, up = projection[0, :3], projection[1, :3]
    assert projection[3] == pytest.approx([0, 0, 0, projection[3, 3]])
    assert np.linalg.norm(right) == pytest.approx(np.linalg.norm(up))
    assert right @ up == pytest.approx(0, abs=1e-9 * np.linalg.norm(up) ** 2)
    assert right[0] > 0 or right[2] > 0
    assert up[1] < 0  # y points down
    # Seen from above, the way to the reader leads up. In a mirror image, right x up would lead down.
    assert np.cross(right, up)[1] < 0


@pytest.mark.parametrize("extent", [(800.0, 100.0, 400.0), (100.0, 100.0, 100.0), (400.0, 900.0, 300.0)], ids=str)
def test_everything_lies_within_the_figure_and_apart_from_the_legend(extent):
    pos = torch.rand(40, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor(extent)
    axes = plot_learned_graph(
        pos, torch.zeros(2, 0).long(), torch.zeros(0), membership=[0] * 20 + [1] * 20, title="title"
    )
    fig = axes.figure
    fig.draw_without_rendering()
    texts = [fig._suptitle, *fig.legends[0].get_texts()]
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        low, high = sorted(axis.get_view_interval())
        texts += [axis.label, *(tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    for box in boxes:
        assert box.x0 > 0
        assert box.y0 > 0
        assert box.x1 < fig.bbox.x1
        assert box.y1 < fig.bbox.y1
    legend_box, title_box = fig.legends[0].get_window_extent(), boxes[0]
    beside = boxes[1 + len(fig.legends[0].get_texts()) :]
    assert beside
    assert not any(box.overlaps(legend_box) or box.overlaps(title_box) for box in beside)


def test_units_stand_at_the_axes(graph):
    axes = plot_learned_graph(*graph[:3])
    assert [axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()] == ["x (µm)", "y (µm)", "z (µm)"]


def test_title_says_how_many_edges_are_drawn(graph):
    axes = plot_learned_graph(*graph[:3], num_edges=5, title="Go/NoGo")
    assert title(axes) == "Go/NoGo\nthe 5 strongest of 132 connections"


def test_weights_of_zero_are_no_connections(graph):
    weight = graph.edge_weight.clone()
    weight[:30] = 0
    joins = graph.edge_index[0] != graph.edge_index[1]
    says = f"of {int((joins & (weight != 0)).sum())} connections"
    assert title(plot_learned_graph(graph.pos, graph.edge_index, weight, num_edges=5)).endswith(says)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_diverged_network_is_drawn_with_a_note(graph, broken):
    weight = graph.edge_weight.clone()
    weight[1:31] = broken
    axes = plot_learned_graph(graph.pos, graph.edge_index, weight, num_edges=1000)
    segments, _, _ = drawn_edges(axes)
    between = (graph.edge_index[0] != graph.edge_index[1]) & weight.isfinite()
    assert len(segments) == int(between.sum())
    assert title(axes).endswith("30 of 144 weights NaN or infinite")
    assert np.isfinite(segments).all()


def test_a_graph_of_nothing_but_nan_shows_its_neurons(graph):
    axes = plot_learned_graph(graph.pos, graph.edge_index, graph.edge_weight * math.nan)
    assert len(drawn_edges(axes)[0]) == 0
    assert title(axes) == "no connection to draw, 144 of 144 weights NaN or infinite"
    axes.figure.draw_without_rendering()


def test_a_single_neuron_and_a_trained_parameter_are_drawn():
    weight = torch.nn.Parameter(torch.ones(1))
    plot_learned_graph(torch.zeros(1, 3), torch.zeros(2, 1).long(), weight).figure.draw_without_rendering()


@pytest.mark.parametrize(("num_nodes", "on_top"), [(1000, False), (4000, True)])
def test_of_many_neurons_the_dots_are_small_and_lie_below_the_edges(num_nodes, on_top):
    pos = torch.rand(num_nodes, 3, generator=torch.Generator().manual_seed(0))
    edge_index = torch.randint(num_nodes, (2, 50), generator=torch.Generator().manual_seed(1))
    axes = plot_learned_graph(pos, edge_index, torch.ones(50), membership=[0] * num_nodes)
    (lines,) = [artist for artist in axes.collections if isinstance(artist, Line3DCollection)]
    (dots,) = [artist for artist in axes.collections if not isinstance(artist, Line3DCollection)]
    assert axes.computed_zorder is not on_top  # else, matplotlib orders them by depth
    assert PathCollection.get_sizes(dots)[0] == (3.5 if on_top else 14)
    if on_top:
        assert lines.get_zorder() > dots.get_zorder()
    assert legend(axes)[0] == f"module 1: {num_nodes:,} neurons"


BAD_ARGUMENTS = {
    "positions transposed": ({"pos": torch.zeros(3, 12)}, r"pos must be floating point of shape \(N, 3\).*\(3, 12\)"),
    "positions whole": ({"pos": torch.zeros(12, 3, dtype=torch.int64)}, r"pos must be floating point.*int64"),
    "a position is NaN": ({"pos": torch.full((12, 3), math.nan)}, r"pos must be finite, got 36 of 36"),
    "too few positions": ({"pos": torch.zeros(5, 3)}, r"edge_index must lie in 0 .. 4.*got 0 .. 11"),
    "one weight missing": ({"edge_weight": torch.zeros(143)}, r"one value per edge.*\(144,\), got \(143,\)"),
    "negative number of edges": ({"num_edges": -1}, r"num_edges must be a whole number of at least 0, got -1"),
    "too few modules": ({"membership": [0, 1]}, r"membership must hold one whole number per neuron.*\(12,\).*\(2,\)"),
    "fractional modules": ({"membership": [0.5] * 12}, r"membership must hold one whole number per neuron"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(graph, changes, message):
    arguments = graph._asdict() | changes
    with pytest.raises(ValueError, match=message):
        plot_learned_graph(**arguments)
