"""Specifications of the interactive figures: valid for plotly, and with the numbers of the table."""

from __future__ import annotations

import base64

import numpy as np
import plotly.graph_objects
import pytest
import torch
from torch_geometric.data import Data

from graphcortex.kernels import complete_edge_index
from graphcortex.viz.report import _figures
from graphcortex.viz.report._data import read_study
from graphcortex.viz.report._figures import build_figures
from graphcortex.viz.report._graphs import matrix_data, modules_of, space_data
from graphcortex.viz.report._look import levels, short
from tests.viz.report._studies import SHAPES, MadeStudy


@pytest.fixture
def made(tmp_path) -> MadeStudy:
    return MadeStudy(tmp_path, diverged=(1,))


@pytest.mark.parametrize("shape", SHAPES)
def test_flat_figures_are_valid_for_plotly(tmp_path, shape):
    figures = build_figures(read_study(MadeStudy(tmp_path, **SHAPES[shape])))
    specs = [spec for name in ("curves", "metrics", "effects") for spec in figures.specs[name].values()]
    assert specs or shape == "all diverged"
    for spec in specs[:12]:
        plotly.graph_objects.Figure({"data": spec["data"], "layout": spec["layout"]})


def test_curves_are_means_over_seeds_in_a_band_and_leave_out_what_diverged(made):
    spec = build_figures(read_study(made)).specs["curves"]["0/0"]
    lines = {trace["name"]: trace for trace in spec["data"] if trace.get("name")}
    assert list(lines) == [f"{variant} (1 diverged)" for variant in made.variants]
    history = made.history().query("seed != 1")
    for variant in made.variants:
        table = history[history["variant"] == variant].pivot(index="epoch", columns="seed", values="accuracy")
        np.testing.assert_allclose(lines[f"{variant} (1 diverged)"]["y"], table.mean(axis=1), rtol=1e-4)
        band = next(trace for trace in spec["data"] if trace["legendgroup"] == variant and trace.get("fill"))
        np.testing.assert_allclose(band["y"], [*table.max(axis=1), *table.min(axis=1)[::-1]], rtol=1e-4)


def test_a_line_joins_the_runs_of_each_seed(made):
    spec = build_figures(read_study(made)).specs["metrics"]["0/1"]
    joined = spec["data"][0]
    assert joined["mode"] == "lines"
    table = made.runs.pivot(index="seed", columns="variant", values="modularity")[list(made.variants)]
    wanted = [value for row in table.to_numpy() for value in (*row, np.nan)]
    np.testing.assert_allclose(np.array(joined["x"], dtype=float), wanted, rtol=1e-4)
    assert spec["layout"]["yaxis"]["ticktext"] == [f"{variant} " for variant in made.variants]


def test_a_run_that_diverged_with_a_number_is_a_cross(made):
    made.runs["accuracy"] = made.runs["accuracy"].fillna(0.5)
    spec = build_figures(read_study(made)).specs["metrics"]["0/0"]
    symbols = [
        trace["marker"]["symbol"] for trace in spec["data"] if isinstance(trace.get("marker", {}).get("symbol"), list)
    ]
    assert symbols == [["circle", "x-thin-open", "circle"]] * 3


def test_the_forest_shows_the_differences(made):
    data = read_study(made)
    spec = build_figures(data).specs["effects"]["0/4"]
    rows = data.effects.query("metric == 'entropy'")
    assert [trace["x"][0] for trace in spec["data"]] == pytest.approx(rows["difference"].tolist(), rel=1e-4)
    high = [trace["x"][0] + trace["error_x"]["array"][0] for trace in spec["data"]]
    assert high == pytest.approx(rows["high"].tolist(), rel=1e-3)


def test_colours_follow_variants_through_all_figures(made):
    figures = build_figures(read_study(made))
    curves = {t["legendgroup"]: t["line"]["color"] for t in figures.specs["curves"]["0/0"]["data"] if t.get("name")}
    strips = [t["marker"]["color"] for t in figures.specs["metrics"]["0/0"]["data"] if "text" in t]
    forest = [t["marker"]["color"] for t in figures.specs["effects"]["0/0"]["data"]]
    assert list(curves.values()) == strips == ["var(--c0)", "var(--c1)", "var(--c2)"]
    assert forest == ["var(--c0)", "var(--c1)"]  # the third is the reference


def test_what_does_not_fit_is_left_out_and_said(tmp_path, monkeypatch):
    study = MadeStudy(tmp_path, **SHAPES["several of everything"])
    monkeypatch.setattr(_figures, "MAX_GROUPS", 3)
    monkeypatch.setattr(_figures, "MAX_GRAPHS", 5)
    figures = build_figures(read_study(study))
    assert len(figures.axes["group"]) == 3
    assert len(figures.specs["space"]) == 5
    assert figures.cut == [
        "The figures show the first 3 of 8 groups; the tables hold all.",
        "Learned graphs are shown of the first 5 of 9 pairs of group and variant.",
    ]


def graph(num_nodes: int = 20, broken: bool = False) -> Data:
    rng = torch.Generator().manual_seed(3)
    weight = torch.randn(num_nodes, num_nodes, generator=rng) * 0.1
    weight[:8, :8] += 1.0
    weight[8:14, 8:14] += 1.0
    if broken:
        weight[3, 4] = torch.nan
    edges = complete_edge_index(num_nodes)
    return Data(
        edge_index=edges, edge_weight=weight.flatten(), pos=torch.rand(num_nodes, 3, generator=rng), num_nodes=num_nodes
    )


def test_the_edges_in_space_are_the_strongest_and_know_their_module():
    g = graph()
    modules = modules_of(g)
    found = space_data(g, modules, 200)
    ends = np.array(found["ends"]).reshape(-1, 2)
    weight = g.edge_weight.view(20, 20).abs().numpy() * (1 - np.eye(20))
    assert sorted(weight[ends[:, 0], ends[:, 1]]) == pytest.approx(sorted(np.sort(weight.flatten())[-200:]))
    rank, sizes = modules
    assert found["sizes"] == [size for size in sizes if size > 1]
    for (source, target), colour in zip(ends, found["colours"], strict=True):
        assert colour == (rank[source] if rank[source] == rank[target] else -1)
    shares = weight[ends[:, 0], ends[:, 1]] / weight.max()
    assert found["widths"] == "".join(str(int(share >= 1 / 3) + int(share >= 2 / 3)) for share in shares)


def test_the_matrix_comes_back_from_its_bytes():
    g = graph()
    modules = modules_of(g)
    found = matrix_data(g, modules, 320)
    image = np.frombuffer(base64.b64decode(found["cells"]), dtype=np.int8).reshape(found["side"], found["side"])
    order = np.argsort(modules[0], kind="stable")
    weight = g.edge_weight.view(20, 20).numpy()[np.ix_(order, order)]
    limit = found["limit"]
    np.testing.assert_allclose(image / 127 * limit, np.clip(weight, -limit, limit), atol=limit / 240)
    assert found["signed"]
    assert found["neurons"] == 20
    assert set(found["ends"]) <= set(np.cumsum(modules[1]))


def test_many_neurons_share_cells():
    assert matrix_data(graph(), None, 5)["side"] == 5


def test_a_graph_with_broken_weights_is_shown_as_far_as_it_goes():
    g = graph(broken=True)
    assert modules_of(g) is None
    assert space_data(g, None, 10)["note"] == matrix_data(g, None, 10)["note"] == "1 of 400 weights NaN or infinite"
    image = np.frombuffer(base64.b64decode(matrix_data(g, None, 20)["cells"]), dtype=np.int8)
    assert (image == -128).sum() == 1


def test_a_graph_without_edges():
    g = graph()
    g.edge_weight = torch.zeros(400)
    assert space_data(g, None, 10)["ends"] == []
    assert matrix_data(g, None, 10)["limit"] == 1.0


def test_levels_at_one_place_share_a_line_and_close_ones_a_name():
    lines, names = levels({"chance": 0.5, "floor": 0.5, "ceiling": 1.0}, along="y")
    assert [(line["y0"], line["line"]["dash"]) for line in lines] == [(0.5, "dot"), (1.0, "solid")]
    assert [name["text"] for name in names] == ["chance = floor .5", "ceiling 1"]
    assert [name["text"] for name in levels({"chance": 0.6, "floor": 0.625}, along="x")[1]] == ["chance .6, floor .625"]


def test_short_numbers_have_no_nan():
    assert short([1 / 3, float("nan"), float("inf"), 123456.789]) == [0.33333, None, None, 123460.0]
