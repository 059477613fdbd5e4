"""The spectrum: eigenvalues known by hand, the disc of a random matrix, and what is marked outside of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from matplotlib.patches import Circle

from graphcortex.metrics import _eigenvalues, eigenvalue_outliers
from graphcortex.viz import plot_spectrum, save_figure


def points(axes, marker):
    return [
        x + 1j * y for line in axes.lines if line.get_marker() == marker for x, y in zip(*line.get_data(), strict=True)
    ]


def everything(axes):
    return sorted(points(axes, "o") + points(axes, "D"), key=lambda z: (round(z.real, 9), round(z.imag, 9)))


def circles(axes):
    return {patch.get_label().split("\n")[0]: patch.radius for patch in axes.patches if isinstance(patch, Circle)}


def from_dense(matrix):
    edge_index = torch.nonzero(torch.ones(matrix.shape)).T.contiguous()
    return edge_index, torch.as_tensor(matrix).flatten(), len(matrix)


def gaussian(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n)) / math.sqrt(n)


def test_the_eigenvalues_of_a_ring_are_roots_of_unity():
    ring = torch.stack([torch.arange(8), (torch.arange(8) + 1) % 8])
    found = everything(plot_spectrum(ring, torch.full((8,), 2.0), 8))
    expected = sorted(2 * np.exp(2j * np.pi * np.arange(8) / 8), key=lambda z: (round(z.real, 9), round(z.imag, 9)))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_signs_repeats_and_self_connections_count():
    edge_index = torch.tensor([[0, 0, 1, 1, 0], [0, 1, 0, 1, 0]])
    found = everything(plot_spectrum(edge_index, torch.tensor([1.0, -1.0, 1.0, 3.0, 2.0]), 2))
    np.testing.assert_allclose(found, sorted(np.linalg.eigvals([[3, -1], [1, 3]]), key=lambda z: z.imag))


def test_the_disc_is_the_bulk_that_the_metric_predicts(graph):
    axes = plot_spectrum(*graph[1:3], 12)
    found = eigenvalue_outliers(*graph[1:3], 12)
    disc = next(patch for patch in axes.patches if patch.get_label().startswith("disc"))
    assert disc.radius == pytest.approx(found.bulk_radius)
    assert disc.center == pytest.approx((found.bulk_center, 0))
    assert circles(axes)["unit circle"] == 1
    np.testing.assert_allclose(points(axes, "D"), found.outliers)


def test_a_random_matrix_fills_its_disc_and_nothing_is_marked():
    axes = plot_spectrum(*from_dense(gaussian(300)))
    assert circles(axes)["disc of a random matrix,"] == pytest.approx(1, abs=0.02)
    assert points(axes, "D") == []
    inside = np.abs(points(axes, "o")) < math.sqrt(0.5)
    # The disc is filled evenly: half of it by area holds half of the eigenvalues.
    assert inside.mean() == pytest.approx(0.5, abs=0.08)


def test_a_mean_other_than_zero_is_an_outlier_and_is_named():
    n = 200
    axes = plot_spectrum(*from_dense(gaussian(n) + 2.5 / n))
    (outlier,) = points(axes, "D")
    assert outlier.real == pytest.approx(2.5, abs=0.2)
    assert outlier.imag == 0
    (name,) = axes.texts
    assert name.xy == (outlier.real, 0)
    assert float(name.get_text()) == pytest.approx(outlier.real, abs=0.01)
    assert axes.get_legend().get_texts()[-1].get_text() == "outside of the disc: 1"
    low, high = axes.get_xlim()
    assert low < -1
    assert high > outlier.real


def test_a_conjugate_pair_is_named_once_and_names_do_not_touch():
    n = 200
    u, v = np.random.default_rng(1).choice([-1.0, 1.0], size=(2, n)) / math.sqrt(n)
    turned = 0.5 * gaussian(n) + 2 * (np.outer(u, v) - np.outer(v, u))
    axes = plot_spectrum(*from_dense(turned))
    assert len(points(axes, "D")) == 2
    assert [("±" in text.get_text()) for text in axes.texts] == [True]
    crowded = 0.2 * gaussian(n)
    crowded[:20, :20] += np.diag(np.linspace(0.9, 1.4, 20))
    axes = plot_spectrum(*from_dense(crowded))
    axes.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(points(axes, "D")) >= 10
    assert 1 <= len(boxes) <= 4
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_one_unit_is_equally_long_in_both_directions(graph):
    axes = plot_spectrum(*graph[1:3], 12)
    axes.figure.draw_without_rendering()
    per_unit = axes.bbox.width / np.ptp(axes.get_xlim()), axes.bbox.height / np.ptp(axes.get_ylim())
    assert per_unit[0] == pytest.approx(per_unit[1])


def test_the_unit_circle_is_left_out_where_the_spectrum_would_be_a_dot():
    axes = plot_spectrum(*from_dense(0.01 * gaussian(50)))
    assert "unit circle" not in circles(axes)
    assert axes.get_xlim()[1] < 0.02


def test_large_graphs_show_the_leading_eigenvalues_and_say_so(monkeypatch):
    matrix = gaussian(150) + 3 / 150
    exact = np.linalg.eigvals(matrix)
    monkeypatch.setattr(_eigenvalues, "DENSE_UP_TO", 100)
    axes = plot_spectrum(*from_dense(matrix), num_leading=9, title="large")
    found = np.array(points(axes, "o") + points(axes, "D"))
    assert axes.get_title(loc="left") == "large\nthe 9 eigenvalues of 150 farthest from the center"
    assert len(found) == 9
    for value in found:
        assert np.abs(exact - value).min() < 0.01
    assert points(axes, "D")[0].real == pytest.approx(exact.real.max(), abs=0.01)


@pytest.mark.parametrize("dense_up_to", [2000, 10])
def test_a_graph_without_cycles_has_only_zeros(monkeypatch, dense_up_to):
    """On such a graph the iterations find nothing, and rounding shows a circle of eigenvalues that are not there."""
    monkeypatch.setattr(_eigenvalues, "DENSE_UP_TO", dense_up_to)
    n = 60
    names = np.random.default_rng(0).permutation(n)
    axes = plot_spectrum(*from_dense(np.triu(np.ones((n, n)), k=1)[np.ix_(names, names)]))
    assert everything(axes) == [0] * n
    plot_spectrum(torch.zeros(2, 0).long(), torch.zeros(0), 3).figure.draw_without_rendering()
    plot_spectrum(torch.zeros(2, 0).long(), torch.zeros(0), 1).figure.draw_without_rendering()


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_weights_that_are_no_numbers_have_no_spectrum_and_the_figure_says_so(graph, broken):
    weight = graph.edge_weight.clone()
    weight[3] = broken
    axes = plot_spectrum(graph.edge_index, weight, 12)
    assert axes.texts[0].get_text().replace("\n", " ") == "no spectrum: 1 of 144 weights NaN or infinite"
    assert not points(axes, "o")
    axes.figure.draw_without_rendering()


BAD_ARGUMENTS = {
    "no neurons": ({"num_nodes": 0}, r"num_nodes must be .*got 0"),
    "one weight missing": ({"edge_weight": torch.zeros(143)}, r"must hold one value per edge.*got \(143,\)"),
    "no eigenvalues": ({"num_leading": 0}, r"num_leading must be .*got 0"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(graph, changes, message):
    arguments = {"edge_index": graph.edge_index, "edge_weight": graph.edge_weight, "num_nodes": 12} | changes
    with pytest.raises(ValueError, match=message):
        plot_spectrum(**arguments)


def test_nothing_is_cut_off_when_it_is_saved(tmp_path):
    """An outlier far to one side: the axes of one scale shrink, and the legend beside them has to stay in the figure."""
    axes = plot_spectrum(*from_dense(gaussian(100) * 0.2 + 0.013))
    save_figure(axes, tmp_path / "spectrum.png")
    figure = axes.figure
    for box in (axes.get_legend().get_window_extent(), axes.yaxis.label.get_window_extent()):
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
