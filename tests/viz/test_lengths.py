"""The length distribution: bins counted connection by connection, chance, and probabilities over distance."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from matplotlib.patches import StepPatch

from graphcortex.graphs import simple_graph
from graphcortex.metrics.ensemble import Nulls
from graphcortex.viz import lengths as module
from graphcortex.viz import plot_length_distribution


@pytest.fixture
def cloud():
    """Forty neurons in a volume; the nearer a pair, the likelier a connection."""
    rng = torch.Generator().manual_seed(0)
    pos = torch.rand(40, 3, generator=rng, dtype=torch.float64) * torch.tensor([300.0, 100.0, 200.0])
    chance = torch.exp(-torch.cdist(pos, pos) / 60) * (1 - torch.eye(40))
    edge_index = torch.nonzero(torch.rand(40, 40, generator=rng) < chance).T.contiguous()
    return edge_index, torch.rand(edge_index.size(1), generator=rng) + 0.1, 40, pos


def stairs(axes):
    (drawn,) = [artist for artist in axes.patches if isinstance(artist, StepPatch)]
    return drawn.get_data()


def naive_counts(edge_index, pos, bin_edges) -> list[int]:
    """Put each connection into the bin of its length, one by one."""
    count = [0] * (len(bin_edges) - 1)
    for i, j in edge_index.T.tolist():
        length = math.dist(pos[i].tolist(), pos[j].tolist())
        for b in range(len(count)):
            if bin_edges[b] <= length < bin_edges[b + 1]:
                count[b] += 1
    return count


def test_densities_are_those_of_the_lengths(cloud):
    edge_index, _, _, pos = cloud
    drawn = stairs(plot_length_distribution(*cloud, null=None, bins=12))
    counts = naive_counts(edge_index, pos, drawn.edges)
    width = drawn.edges[1]
    np.testing.assert_allclose(drawn.values, np.array(counts) / edge_index.size(1) / width)
    assert drawn.values.sum() * width == pytest.approx(1)
    assert drawn.values[-1] > 0  # nothing is drawn past the last connection


def test_probabilities_are_connections_over_pairs(cloud):
    edge_index, _, _, pos = cloud
    drawn = stairs(plot_length_distribution(*cloud, quantity="probability", null=None, bins=8))
    pairs = naive_counts(torch.nonzero(~torch.eye(40, dtype=torch.bool)).T, pos, drawn.edges)
    expected = [
        c / p if p >= 60 else math.nan  # thirty pairs, each in two directions
        for c, p in zip(naive_counts(edge_index, pos, drawn.edges), pairs, strict=True)
    ]
    np.testing.assert_allclose(drawn.values, expected)
    assert np.isfinite(drawn.values).any()


def test_without_direction_a_pair_is_one_connection(cloud):
    edge_index, weight, n, pos = cloud
    both = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    directed = stairs(plot_length_distribution(both, None, n, pos, quantity="probability", null=None, bins=8))
    undirected = stairs(
        plot_length_distribution(edge_index, weight, n, pos, directed=False, quantity="probability", null=None, bins=8)
    )
    np.testing.assert_allclose(directed.values, undirected.values)


def test_probability_from_a_sample_of_pairs_is_near_that_from_all(cloud, monkeypatch):
    exact = stairs(plot_length_distribution(*cloud, quantity="probability", null=None, bins=4)).values
    monkeypatch.setattr(module, "_ALL_PAIRS_UP_TO", 10)
    monkeypatch.setattr(module, "_NUM_PAIRS", 100_000)
    sampled = stairs(plot_length_distribution(*cloud, quantity="probability", null=None, bins=4, rng=1)).values
    seen = np.isfinite(exact)
    # 100,000 pairs tell the share of a bin that holds a tenth of them to 1 %; five of its standard errors.
    np.testing.assert_allclose(sampled[seen], exact[seen], rtol=0.08)
    assert not np.array_equal(sampled[seen], exact[seen])


def test_the_dashed_line_and_the_band_are_those_of_the_random_graphs(cloud):
    edge_index, weight, n, pos = cloud
    axes = plot_length_distribution(*cloud, num_nulls=6, rng=2, bins=10)
    (line,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    drawn = stairs(axes)
    nulls = Nulls("erdos_renyi", num=6, rng=2).distribution(_Ends(), simple_graph(edge_index, weight, n, pos=pos))
    found = np.array(
        [naive_counts(torch.from_numpy(ends.reshape(2, -1)).long(), pos, drawn.edges) for ends in nulls.values]
    )
    density = found / edge_index.size(1) / drawn.edges[1]
    np.testing.assert_allclose(line.get_ydata(), np.repeat(density.mean(axis=0), 2))
    np.testing.assert_allclose(line.get_xdata(), np.repeat(drawn.edges, 2)[1:-1])
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(np.percentile(density, 95, axis=0).max())


class _Ends:
    def __call__(self, graph):
        return np.concatenate([graph.source, graph.target])


def test_a_bin_before_one_without_pairs_keeps_its_band(cloud):
    axes = plot_length_distribution(*cloud, quantity="probability", num_nulls=5, bins=8)
    value, edges = stairs(axes).values, stairs(axes).edges
    last = np.flatnonzero(np.isfinite(value)).max()
    assert last < len(value) - 1
    (band,) = axes.collections
    assert max(path.vertices[:, 0].max() for path in band.get_paths()) == edges[last + 1]


def test_legend_has_the_mean_lengths(cloud):
    edge_index, _, _, pos = cloud
    mean = (pos[edge_index[0]] - pos[edge_index[1]]).norm(dim=1).mean()
    first, second = plot_length_distribution(*cloud, num_nulls=4).get_legend().get_texts()
    assert first.get_text() == f"connections, mean {mean:.3g} µm"
    assert second.get_text().startswith("null: erdos renyi\n(4 graphs, 5–95 %)\nmean ")


def test_nan_weights_are_left_out_and_counted(cloud):
    edge_index, weight, n, pos = cloud
    weight[:5] = math.nan
    axes = plot_length_distribution(edge_index, weight, n, pos, num_nulls=2, bins=10)
    assert axes.get_title(loc="left") == f"5 of {len(weight)} weights NaN or infinite, left out"
    rest = plot_length_distribution(edge_index[:, 5:], weight[5:], n, pos, null=None, bins=10)
    np.testing.assert_array_equal(stairs(axes).values[: len(stairs(rest).values)], stairs(rest).values)


DEGENERATE = {
    "no edges": (torch.zeros(2, 0).long(), torch.zeros(0), 4, torch.rand(4, 3)),
    "one neuron": (torch.zeros(2, 1).long(), torch.ones(1), 1, torch.zeros(1, 3)),
    "all at one place": (torch.tensor([[0, 1], [1, 2]]), None, 3, torch.zeros(3, 3)),
    "two neurons": (torch.tensor([[0], [1]]), torch.ones(1), 2, torch.tensor([[0.0, 0, 0], [1, 1, 1]])),
}


@pytest.mark.parametrize("quantity", module.QUANTITIES)
@pytest.mark.parametrize("arguments", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_degenerate_graphs_are_drawn_or_say_why_not(arguments, quantity):
    axes = plot_length_distribution(*arguments, quantity=quantity, num_nulls=2)
    axes.figure.draw_without_rendering()
    assert axes.patches or axes.texts


BAD_ARGUMENTS = {
    "a position is NaN": ({"pos": torch.full((40, 3), math.nan)}, r"pos must be finite, got"),
    "too few positions": ({"pos": torch.zeros(39, 3)}, r"pos must be .*got"),
    "unknown quantity": ({"quantity": "share"}, r"quantity must be one of .*got 'share'"),
    "no bins": ({"bins": 0}, r"bins must be .*got 0"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(cloud, changes, message):
    arguments = dict(zip(("edge_index", "edge_weight", "num_nodes", "pos"), cloud, strict=True)) | changes
    with pytest.raises(ValueError, match=message):
        plot_length_distribution(**arguments)
