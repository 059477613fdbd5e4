"""The degree distribution: shares counted neuron by neuron, and the band of random graphs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from graphcortex.graphs import NULL_MODELS, simple_graph
from graphcortex.metrics.ensemble import Nulls
from graphcortex.testing.strategies import edges
from graphcortex.viz import plot_degree_distribution
from graphcortex.viz._style import COLOURS


def curves(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def naive_shares(edge_index, edge_weight, num_nodes, *, row: int, threshold: float = 0.0) -> dict[int, float]:
    """Count, for every degree there is, the neurons with at least that many distinct partners."""
    weight = np.zeros((num_nodes, num_nodes))
    for source, target, w in zip(*edge_index.tolist(), edge_weight.tolist(), strict=True):
        weight[source, target] += w
    partners = [set() for _ in range(num_nodes)]
    for source in range(num_nodes):
        for target in range(num_nodes):
            if source != target and abs(weight[source, target]) > threshold:
                partners[(source, target)[row]].add((source, target)[1 - row])
    degrees = [len(found) for found in partners]
    return {k: sum(d >= k for d in degrees) / num_nodes for k in sorted(set(degrees)) if k > 0}


@settings(max_examples=25, deadline=None)
@given(graph=edges())
def test_curves_are_the_shares_of_neurons_with_at_least_so_many(graph):
    axes = plot_degree_distribution(*graph, null=None)
    drawn = curves(axes)
    for row, name in enumerate(("outputs", "inputs")):
        expected = naive_shares(*graph, row=row)
        if not expected:
            assert not drawn
            assert [text.get_text().replace("\n", " ") for text in axes.texts] == ["no edge joins two neurons"]
            return
        assert drawn[name].get_xdata().tolist() == list(expected)
        np.testing.assert_allclose(drawn[name].get_ydata(), list(expected.values()))


def test_threshold_and_no_weights(graph):
    drawn = curves(plot_degree_distribution(*graph[1:3], 12, threshold=1.0, null=None))
    expected = naive_shares(*graph[1:3], 12, row=0, threshold=1.0)
    assert drawn["outputs"].get_xdata().tolist() == list(expected)
    drawn = curves(plot_degree_distribution(graph.edge_index, None, 12, null=None))
    assert drawn["outputs"].get_xdata().tolist() == [11]


def test_without_direction_there_is_one_curve(graph):
    axes = plot_degree_distribution(*graph[1:3], 12, directed=False, threshold=1.0, null=None)
    (line,) = curves(axes).values()
    degree = simple_graph(*graph[1:3], 12, directed=False, threshold=1.0).degree
    assert line.get_xdata().tolist() == sorted(set(degree[degree > 0].tolist()))
    assert line.get_label() == "neighbours"


def test_the_dashed_mean_and_the_band_are_those_of_the_random_graphs(graph):
    given = simple_graph(*graph[1:3], 12, threshold=1.0)
    axes = plot_degree_distribution(*graph[1:3], 12, threshold=1.0, num_nulls=7, rng=3)
    means = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [line.get_color() for line in means] == list(COLOURS[:2])
    grid = np.arange(1, 12)
    nulls = Nulls("erdos_renyi", num=7, rng=3)
    for line, band, name in zip(means, axes.collections, ("out_degree", "in_degree"), strict=True):
        degrees = nulls.distribution(_Degrees(name), given).values
        shares = (degrees[:, :, None] >= grid).mean(axis=1)
        np.testing.assert_array_equal(line.get_xdata(), grid)
        np.testing.assert_allclose(line.get_ydata(), np.maximum(shares.mean(axis=0), 0.1 / 12))
        ends = band.get_paths()[0].vertices
        for k, low, high in zip(grid, *np.percentile(shares, (5, 95), axis=0), strict=True):
            heights = ends[ends[:, 0] == k, 1]
            assert heights.min() == pytest.approx(max(low, 0.1 / 12))
            assert heights.max() == pytest.approx(max(high, 0.1 / 12))
    assert axes.get_legend().get_texts()[-1].get_text() == "null: erdos renyi\n(7 graphs, 5–95 %)"


class _Degrees:
    def __init__(self, name):
        self.name = name

    def __call__(self, graph):
        return getattr(graph, self.name)


def test_a_null_that_keeps_degrees_gives_the_curve_of_the_graph(graph):
    axes = plot_degree_distribution(*graph[1:3], 12, threshold=1.0, null=NULL_MODELS["degree"], num_nulls=3)
    outputs = curves(axes)["outputs"]
    mean = next(line for line in axes.lines if line.get_linestyle() == "--")
    at = dict(zip(mean.get_xdata(), mean.get_ydata(), strict=True))
    np.testing.assert_allclose([at[k] for k in outputs.get_xdata()], outputs.get_ydata())


def test_the_axis_of_degrees_is_logarithmic_where_they_span_more_than_a_decade():
    star = torch.stack([torch.zeros(39).long(), torch.arange(1, 40)])
    assert plot_degree_distribution(star, None, 40, null=None).get_xscale() == "log"
    ring = torch.stack([torch.arange(40), (torch.arange(40) + 1) % 40])
    axes = plot_degree_distribution(ring, None, 40, num_nulls=2)
    assert axes.get_xscale() == "linear"
    low, high = axes.get_xlim()
    assert low < 1 < high
    assert axes.get_yscale() == "log"


def test_the_same_seed_gives_the_same_figure_and_global_generators_are_left_alone(graph):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first, second, other = (
        plot_degree_distribution(*graph[1:3], 12, threshold=1.5, num_nulls=3, rng=rng).lines[0].get_ydata()
        for rng in (1, 1, 2)
    )
    assert first.tolist() == second.tolist() != other.tolist()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers_are_left_out_and_counted(graph, broken):
    weight = graph.edge_weight.clone()
    weight[::2] = broken
    axes = plot_degree_distribution(graph.edge_index, weight, 12, title="diverged", num_nulls=2)
    assert axes.get_title(loc="left") == "diverged\n72 of 144 weights NaN or infinite, left out"
    expected = naive_shares(graph.edge_index[:, 1::2], graph.edge_weight[1::2], 12, row=0)
    assert curves(axes)["outputs"].get_xdata().tolist() == list(expected)
    axes.figure.draw_without_rendering()


def test_one_neuron_and_nothing_but_nan_say_so(graph):
    for arguments in (
        (torch.zeros(2, 1).long(), torch.ones(1), 1),
        (graph.edge_index, graph.edge_weight * math.nan, 12),
    ):
        axes = plot_degree_distribution(*arguments)
        assert "no edge" in axes.texts[0].get_text()
        axes.figure.draw_without_rendering()


BAD_ARGUMENTS = {
    "unknown null": ({"null": "lattice of nothing"}, r"null must be one of .*got"),
    "no null": ({"null": 3}, r"null must be the name of a null model, Nulls or None, got int"),
    "no random graphs": ({"num_nulls": 0}, r"num_nulls must be .*got 0"),
    "negative threshold": ({"threshold": -1.0}, r"threshold must be .*got -1"),
    "one weight missing": (
        {"edge_weight": torch.zeros(143)},
        r"edge_weight must hold one value per edge.*got \(143,\)",
    ),
    "edges are no tensor": ({"edge_index": [[0], [1]]}, r"edge_index must be a torch.Tensor.*got list"),
    "edges transposed": ({"edge_index": torch.zeros(144, 2).long()}, r"must .*got"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(graph, changes, message):
    arguments = {"edge_index": graph.edge_index, "edge_weight": graph.edge_weight, "num_nodes": 12} | changes
    with pytest.raises(ValueError, match=message):
        plot_degree_distribution(**arguments)
