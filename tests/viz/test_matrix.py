"""The learned graph as a matrix: orientation, order, colours."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.viz import matrix as module
from graphcortex.viz import plot_matrix


def image(axes):
    (drawn,) = axes.images
    return drawn


def dense(edge_index, edge_weight, num_nodes) -> np.ndarray:
    """Fill W[source, target] edge by edge."""
    matrix = np.zeros((num_nodes, num_nodes))
    for source, target, weight in zip(*edge_index.tolist(), edge_weight.tolist(), strict=True):
        matrix[source, target] += weight
    return matrix


def test_rows_are_sources_and_columns_targets():
    axes = plot_matrix(torch.tensor([[0], [2]]), torch.tensor([1.5]), 3)
    expected = np.zeros((3, 3))
    expected[0, 2] = 1.5
    np.testing.assert_array_equal(image(axes).get_array(), expected)
    assert axes.get_ylabel() == "source (presynaptic)"
    assert axes.get_xlabel() == "target (postsynaptic)"
    assert axes.get_ylim() == (3, 0)  # neuron 0 at the top, as a matrix is printed


@given(data=st.data(), num_nodes=st.integers(1, 8))
def test_shows_the_dense_matrix_in_the_order_of_the_modules(data, num_nodes):
    node = st.integers(0, num_nodes - 1)
    edges = data.draw(st.lists(st.tuples(node, node, st.floats(-3, 3, width=32)), max_size=20))
    membership = data.draw(st.lists(st.integers(-2, 2), min_size=num_nodes, max_size=num_nodes))
    edge_index = torch.tensor([edge[:2] for edge in edges]).long().reshape(-1, 2).T
    edge_weight = torch.tensor([edge[2] for edge in edges], dtype=torch.float64)
    order = sorted(range(num_nodes), key=lambda i: (-membership.count(membership[i]), membership[i], i))
    expected = dense(edge_index, edge_weight, num_nodes)[np.ix_(order, order)]
    shown = image(plot_matrix(edge_index, edge_weight, num_nodes, membership=membership)).get_array()
    np.testing.assert_allclose(shown, expected, atol=1e-12)


def test_lines_and_numbers_stand_at_the_modules(graph):
    axes = plot_matrix(*graph[1:3], 12, membership=graph.membership)
    horizontal = [line.get_ydata()[0] for line in axes.lines if line.get_ydata()[0] == line.get_ydata()[1]]
    vertical = [line.get_xdata()[0] for line in axes.lines if line.get_xdata()[0] == line.get_xdata()[1]]
    assert horizontal == vertical == [6, 10]
    assert list(axes.get_xticks()) == list(axes.get_yticks()) == [3, 8, 11]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "3"]
    assert axes.get_xlabel() == "target (postsynaptic), by module"


def test_modules_without_room_get_neither_number_nor_line():
    membership = [0] * 200 + list(range(1, 101))
    axes = plot_matrix(torch.zeros(2, 0).long(), torch.zeros(0), 300, membership=membership)
    assert list(axes.get_xticks()) == [100]
    assert len(axes.lines) == 2


def test_colours_of_a_signed_matrix_are_centred_on_zero(graph):
    drawn = image(plot_matrix(*graph[1:3], 12))
    low, high = drawn.get_clim()
    assert low == -high
    np.testing.assert_allclose(drawn.cmap(drawn.norm(0.0))[:3], (0.97, 0.97, 0.97), atol=0.02)
    red, _, blue, _ = drawn.cmap(drawn.norm(high))
    assert red > blue  # positive red
    red, _, blue, _ = drawn.cmap(drawn.norm(low))
    assert red < blue


def test_colours_of_a_non_negative_matrix_are_the_positive_half(graph):
    signed = image(plot_matrix(*graph[1:3], 12))
    positive = image(plot_matrix(graph.edge_index, graph.edge_weight.abs(), 12))
    assert positive.get_clim() == (0, signed.get_clim()[1])
    for value in np.linspace(0, positive.get_clim()[1], 5):
        np.testing.assert_allclose(positive.cmap(positive.norm(value)), signed.cmap(signed.norm(value)), atol=0.02)


def test_self_connections_do_not_set_the_colour_limits(graph):
    between = graph.edge_weight[graph.edge_index[0] != graph.edge_index[1]].abs()
    axes = plot_matrix(*graph[1:3], 12)
    assert image(axes).get_clim()[1] == pytest.approx(float(between.quantile(0.99)))
    assert image(axes).colorbar.extend == "both"
    assert axes.figure.axes[1].get_ylabel() == "weight, source to target"


def test_only_self_connections_are_visible_too():
    axes = plot_matrix(torch.tensor([[0, 1], [0, 1]]), torch.tensor([0.2, 0.4]), 2)
    assert 0.2 < image(axes).get_clim()[1] <= 0.4


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_diverged_network_is_drawn_in_grey_with_a_note(graph, broken):
    weight = graph.edge_weight.clone()
    weight[[5, 17]] = broken
    axes = plot_matrix(graph.edge_index, weight, 12, title="diverged")
    hidden = np.ma.getmaskarray(image(axes).get_array())
    assert hidden.sum() == 2
    assert hidden[0, 5]
    assert hidden[1, 5]
    assert axes.get_title(loc="left") == "diverged\n2 of 144 weights NaN or infinite (grey)"
    assert np.isfinite(image(axes).get_clim()).all()


def test_a_matrix_of_nothing_but_nan_and_one_without_edges_are_drawn(graph):
    plot_matrix(graph.edge_index, graph.edge_weight * math.nan, 12).figure.draw_without_rendering()
    plot_matrix(torch.zeros(2, 0).long(), torch.zeros(0), 3).figure.draw_without_rendering()


def test_many_neurons_share_cells_and_the_strongest_weight_stays_visible(monkeypatch):
    monkeypatch.setattr(module, "_MAX_CELLS", 4)
    edge_index = torch.tensor([[0, 1, 1, 7, 6], [0, 0, 1, 0, 1]])
    shown = image(plot_matrix(edge_index, torch.tensor([1.0, -3.0, 2.0, 0.5, math.nan]), 8)).get_array()
    assert shown.shape == (4, 4)
    assert shown[0, 0] == -3
    assert np.ma.getmaskarray(shown)[3, 0]


def test_memory_does_not_grow_with_the_square_of_the_neurons():
    tracemalloc.start()
    plot_matrix(torch.randint(30_000, (2, 1000), generator=torch.Generator().manual_seed(0)), torch.ones(1000), 30_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6  # 30,000 x 30,000 numbers of 8 bytes are 7.2 GB


BAD_ARGUMENTS = {
    "no neurons": ({"num_nodes": 0}, r"num_nodes must be a whole number of at least 1, got 0"),
    "out of range": ({"num_nodes": 5}, r"edge_index must lie in 0 .. 4"),
    "one weight missing": ({"edge_weight": torch.zeros(143)}, r"expected shape \(144,\), got \(143,\)"),
    "too many modules": ({"membership": [0] * 13}, r"expected integers of shape \(12,\), got int64 of shape \(13,\)"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(graph, changes, message):
    arguments = {"edge_index": graph.edge_index, "edge_weight": graph.edge_weight, "num_nodes": 12} | changes
    with pytest.raises(ValueError, match=message):
        plot_matrix(**arguments)
