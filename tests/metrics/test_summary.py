from __future__ import annotations

import functools
import math
import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

import graphcortex.metrics as metrics
from graphcortex.data import Connectome
from graphcortex.graphs import NULL_MODELS, NullModel, SimpleGraph, simple_graph
from graphcortex.metrics import Nulls, Result, Summary, _kept, compare, summary
from graphcortex.metrics.clustering import mean_clustering
from graphcortex.metrics.pooled_nulls import Noted, PooledNulls
from graphcortex.nn import GraphRNN
from graphcortex.testing import Edges
from tests.metrics.graphs import NO_EDGES, clustered, complete

DRAWN: list[int] = []
WEIGHTS = {"weight_entropy", "spectral_radius", "eigenvalue_outliers", "singular_value_entropy", "effective_dimension"}
SMALL_WORLD = {"small_worldness", "small_world_omega", "small_world_propensity"}
SPACE = {"wiring_length", "length_distribution", "weight_length_correlation"}
WIRING = {
    "modularity",
    "clustering",
    "efficiency",
    "assortativity",
    "reciprocity",
    "rich_club",
    "coreness",
    "motifs",
    "participation",
    "hubs",
    "spectral_entropy",
}


def counted(graph: SimpleGraph, seed: int) -> SimpleGraph:
    DRAWN.append(seed)
    return NULL_MODELS["degree"].draw(graph, seed)


COUNTED = NullModel("counted", counted, ("edges", "weights"))


@pytest.fixture(autouse=True)
def nothing_kept():
    _kept.forget()
    DRAWN.clear()
    yield
    _kept.forget()


@functools.cache
def sparse() -> Edges:
    """Return a graph in two modules, a fifth of whose pairs have an edge."""
    graph = clustered(24, 2)
    kept = graph.edge_weight.abs() > graph.edge_weight.abs().quantile(0.8)
    return Edges(graph.edge_index[:, kept], graph.edge_weight[kept], 24)


def places(num_nodes: int = 24) -> torch.Tensor:
    return torch.rand(num_nodes, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 100


def given() -> dict:
    """Return all that can be given besides a graph."""
    rng = torch.Generator().manual_seed(2)
    features = torch.randn(24, 5, generator=rng, dtype=torch.float64)
    initial = Edges(sparse().edge_index[:, ::2], torch.randn(58, generator=rng, dtype=torch.float64), 24)
    return {"pos": places(), "features": features, "initial": initial, "anatomy": sparse().edge_index[:, 1::3]}


def assert_same_result(found: Result, expected: Result) -> None:
    for name in ("value", "null_mean", "null_sd", "p_value"):
        assert getattr(found, name, 0) == pytest.approx(getattr(expected, name, 0), rel=1e-12, nan_ok=True), name
    assert (found.null, found.num_nulls, found.reason) == (expected.null, expected.num_nulls, expected.reason)


def single(weighted: bool, quantile: float, nulls: Nulls) -> dict[str, Result]:
    """Compute each metric by its own function, on the edges above the threshold."""
    edge_index, edge_weight, N = sparse()
    options, pos = given(), given()["pos"]
    t = float(np.quantile(edge_weight.abs().numpy(), quantile))
    t_initial = float(np.quantile(options["initial"].edge_weight.abs().numpy(), quantile))
    arrows = simple_graph(edge_index, edge_weight, N, threshold=t)
    one_way = arrows.edge_index, arrows.edge_weight if weighted else None, N
    sized = arrows.edge_index, arrows.edge_weight, N
    pairs, permuted = {"directed": False}, {"num_permutations": 7}
    modules = metrics.modularity(*one_way).membership
    random, lattice, same_degrees = (
        Nulls(name, nulls.num, nulls.rng) for name in ("erdos_renyi", "lattice", "degree_lattice")
    )
    return {
        "weight_entropy": metrics.weight_entropy(edge_weight),
        "spectral_radius": metrics.spectral_radius(edge_index, edge_weight, N),
        "eigenvalue_outliers": metrics.eigenvalue_outliers(edge_index, edge_weight, N),
        "singular_value_entropy": metrics.singular_value_entropy(edge_index, edge_weight, N),
        "effective_dimension": metrics.effective_dimension(edge_index, edge_weight, N),
        "modularity": metrics.modularity(*one_way, null=nulls),
        "clustering": metrics.clustering(*one_way, null=nulls, **pairs),
        "efficiency": metrics.path_statistics(*one_way, null=nulls, **pairs),
        "assortativity": metrics.assortativity(*one_way, null=nulls),
        "reciprocity": metrics.reciprocity(*one_way, null=nulls),
        "rich_club": metrics.rich_club(*one_way, null=nulls),
        "coreness": metrics.coreness(*one_way, null=nulls),
        "motifs": metrics.motifs(*one_way, null=nulls),
        "participation": metrics.participation(*one_way, membership=modules, null=nulls),
        "hubs": metrics.hubs(*one_way, membership=modules),
        "spectral_entropy": metrics.spectral_entropy(*one_way),
        "small_worldness": metrics.small_worldness(*one_way, method="matched", null=nulls),
        "small_world_omega": metrics.small_world_omega(*one_way, null=nulls, lattice=same_degrees),
        "small_world_propensity": metrics.small_world_propensity(*one_way, null=random, lattice=lattice),
        "wiring_length": metrics.wiring_length(*one_way, pos, **permuted),
        "length_distribution": metrics.length_distribution(*one_way, pos, **permuted),
        "weight_length_correlation": metrics.weight_length_correlation(*sized, pos, **permuted),
        "like_to_like": metrics.like_to_like(*sized, features=options["features"], **permuted),
        "initial_overlap": metrics.graph_overlap(
            *sparse(), *options["initial"][:2], threshold=t, other_threshold=t_initial, **permuted
        ),
        "anatomy_auc": metrics.anatomy_auc(*sparse(), options["anatomy"], **permuted),
    }


# --- what is computed -------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_results_are_those_of_the_functions(weighted):
    nulls = Nulls("degree", 4, rng=5)
    found = summary(sparse(), quantile=0.3, weighted=weighted, null=nulls, num_permutations=7, **given())
    expected = single(weighted, 0.3, nulls)
    assert list(found) == list(expected)
    for name in expected:
        assert_same_result(found[name], expected[name])
    assert math.isfinite(found["clustering"].z)


def test_random_graphs_are_drawn_once_for_all_metrics():
    found = summary(sparse(), null=Nulls(COUNTED, 5))
    # One ensemble with direction, for reciprocity and motifs, and one without, for the rest.
    assert len(DRAWN) == 10
    compared = [name for name, result in found.items() if result.null == "counted"]
    assert set(compared) == WIRING - {"hubs", "spectral_entropy"} | {"small_worldness", "small_world_omega"}
    DRAWN.clear()
    summary(sparse(), null=Nulls(COUNTED, 5, rng=1), only=["reciprocity"])
    assert len(DRAWN) == 5


def test_thresholds_are_told_where_edges_were_left_out():
    found = summary(sparse(), quantile=0.3, null=None, pos=places())
    t = float(np.quantile(sparse().edge_weight.abs().numpy(), 0.3))
    assert {name: result.threshold for name, result in found.items()} == {
        name: 0.0 if name in WEIGHTS else t for name in found
    }
    assert found.about["threshold"] == t


@pytest.mark.parametrize(
    ("num_edges", "quantile"), [(32, 0.0), (33, 0.9), (64, 0.9)], ids=["half of the pairs", "more", "all"]
)
def test_a_dense_graph_is_looked_at_through_its_strongest_tenth(num_edges, quantile):
    graph = complete(8)
    found = summary((graph.edge_index[:, :num_edges], graph.edge_weight[:num_edges], 8), null=None, only=["clustering"])
    assert found.about["quantile"] == quantile
    above = (graph.edge_weight[:num_edges].abs() > found.about["threshold"]) & (
        graph.edge_index[0] != graph.edge_index[1]
    )[:num_edges]
    assert found.about["wiring"] == int(above.sum())
    assert found.about["density"] == found.about["wiring"] / 56


def test_rng_decides():
    first, second, other = (summary(sparse(), null=Nulls(num=5), rng=seed, only=["modularity"]) for seed in (3, 3, 4))
    assert first["modularity"].seed == second["modularity"].seed == 3
    assert first["modularity"].null_mean == second["modularity"].null_mean
    assert other["modularity"].seed == 4
    drawn = summary(sparse(), null=None, pos=places(), num_permutations=9, rng=torch.Generator().manual_seed(1))
    again = summary(sparse(), null=None, pos=places(), num_permutations=9, rng=torch.Generator().manual_seed(1))
    assert drawn["wiring_length"].null_mean == again["wiring_length"].null_mean


# --- what is given ----------------------------------------------------------------------------------


def test_rows_appear_with_what_they_need():
    edge_index, _, N = sparse()
    few = {"null": None, "num_permutations": 2}
    assert set(summary(sparse(), **few)) == WEIGHTS | WIRING
    assert set(summary((edge_index, None, N), **few)) == WIRING
    assert set(summary(sparse(), null=Nulls("degree", 2))) == WEIGHTS | WIRING | SMALL_WORLD
    added = {
        "pos": SPACE,
        "features": {"like_to_like"},
        "initial": {"initial_overlap"},
        "anatomy": {"anatomy_auc"},
    }
    for name, rows in added.items():
        assert set(summary(sparse(), **few, **{name: given()[name]})) == WEIGHTS | WIRING | rows
    assert "like_to_like" in summary(sparse(), similarity=torch.eye(N), **few)
    assert "anatomy_auc" not in summary((edge_index, None, N), anatomy=edge_index, **few)


def test_a_graph_comes_in_many_forms():
    edge_index, edge_weight, N = sparse()
    expected = {name: result.value for name, result in summary(sparse(), null=None).items()}
    rnn = GraphRNN(2, edge_index, num_nodes=N).double()
    with torch.no_grad():
        rnn.edge_weight.copy_(edge_weight)
    forms = {
        "a tuple": (edge_index, edge_weight, N),
        "Data": Data(edge_index=edge_index, edge_weight=edge_weight, num_nodes=N),
        "a GraphRNN": rnn,
    }
    for name, graph in forms.items():
        values = {name: result.value for name, result in summary(graph, null=None).items()}
        assert values == pytest.approx(expected, nan_ok=True), name


def test_a_connectome_brings_positions_and_synapses():
    edge_index = simple_graph(*sparse()).edge_index
    count = 1 + torch.arange(edge_index.size(1)) % 5
    connectome = Connectome.from_arrays(places(), edge_index, count)
    found = summary(connectome, null=None, num_permutations=3)
    assert set(found) == WEIGHTS | WIRING | SPACE
    plain = summary((edge_index, count.float(), 24), pos=places().float(), null=None, num_permutations=3)
    assert {name: result.value for name, result in found.items()} == pytest.approx(
        {name: result.value for name, result in plain.items()}, nan_ok=True
    )
    moved = summary(connectome, pos=places().flip(0), null=None, num_permutations=3, only=["wiring_length"])
    assert moved["wiring_length"].value != found["wiring_length"].value


def test_a_network_that_diverged_says_so():
    edge_index, edge_weight, N = sparse()
    weight = edge_weight.clone()
    weight[:2] = torch.tensor([math.nan, math.inf])
    found = summary((edge_index, weight, N), pos=places())
    assert set(found) == WEIGHTS | WIRING | SMALL_WORLD | SPACE
    assert all(math.isnan(result.value) for result in found.values())
    assert all(re.search(rf"2 of (the )?{weight.numel()} weights", result.reason) for result in found.values())
    assert len(str(found).splitlines()) == 2 + len(found)
    assert found.to_dataframe()["value"].isna().all()


def test_only_some_metrics():
    found = summary(sparse(), null=Nulls(COUNTED, 3), only=["motifs", "weight_entropy"])
    assert list(found) == ["weight_entropy", "motifs"]
    assert len(DRAWN) == 3
    assert len(summary(sparse(), only=[])) == 0


BAD_ARGUMENTS = {
    "no graph": ((3,), {}, r"graph must .*got int"),
    "two of three": (((NO_EDGES, None),), {}, r"graph must .*got tuple"),
    "an unknown metric": ((sparse(),), {"only": ["clusterin"]}, r"only must .*got clusterin"),
    "a metric that needs positions": ((sparse(),), {"only": ["wiring_length"]}, r"only must .*got wiring_length"),
    "a metric that needs random graphs": (
        (sparse(),),
        {"only": ["small_worldness"], "null": None},
        r"only must .*got small_worldness",
    ),
    "a share above 1": ((sparse(),), {"quantile": 1.5}, r"quantile must .*got"),
    "an unknown null model": ((sparse(),), {"null": "degrees"}, r"null must .*got"),
    "one weight too few": (((sparse().edge_index, torch.ones(3), 24),), {}, r"edge_weight must .*got"),
    "a neuron too few": (((sparse().edge_index, None, 5),), {}, r"edge_index must .*got"),
    "positions of others": ((sparse(),), {"pos": places(5)}, r"pos must .*got"),
    "no seed": ((sparse(),), {"rng": -1}, r"rng must .*got"),
}


@pytest.mark.parametrize(("arguments", "options", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        summary(*arguments, **options)


# --- what is shown ----------------------------------------------------------------------------------


def test_is_a_mapping():
    found = summary(sparse(), null=None, only=["clustering", "reciprocity"])
    assert isinstance(found, Summary)
    assert (len(found), list(found), "clustering" in found) == (2, ["clustering", "reciprocity"], True)
    assert isinstance(found["clustering"], metrics.Clustering)
    assert set(found.seconds) == set(found)
    with pytest.raises(KeyError, match="modularity"):
        found["modularity"]


def test_as_a_table():
    found = summary(sparse(), null=Nulls("degree", 3), pos=places(), num_permutations=9)
    table = found.to_dataframe()
    assert table.index.name == "metric"
    assert list(table.index) == list(found)
    columns = "value null_mean null_sd z p_value null num_nulls method threshold seed reason"
    assert list(table.columns) == columns.split()
    for name, result in found.items():
        row = table.loc[name]
        assert row["value"] == pytest.approx(result.value, nan_ok=True)
        assert row["z"] == pytest.approx(result.z, nan_ok=True)
        assert row["p_value"] == pytest.approx(getattr(result, "p_value", math.nan), nan_ok=True)
        assert pd.isna(row["seed"]) if result.seed is None else row["seed"] == result.seed
    assert table["seed"].dtype == "Int64"


def test_rows_show_the_numbers():
    found = summary(sparse(), null=Nulls("degree", 3), pos=places(), num_permutations=9)
    rows = dict(zip(found, str(found).splitlines()[3:], strict=True))
    result = found["clustering"]
    numbers = f"{result.value:.4g} +{result.null_mean:.4g} ± {result.null_sd:.2g} +{result.z:.1f}$"
    assert re.search(numbers, rows["clustering"])
    assert rows["wiring_length"].endswith(f" {found['wiring_length'].p_value:.3f}")
    html = found._repr_html_()
    assert html.startswith("<table")
    assert all(name in html for name in found)
    empty = str(summary((NO_EDGES, None, 3), null=None))
    assert re.search(r"modularity +- +no edge joins two neurons", empty)


# --- two graphs -------------------------------------------------------------------------------------


def test_compare():
    edge_index, edge_weight, N = sparse()
    before, after = (edge_index[:, ::2], edge_weight[::2], N), sparse()
    options = {"null": Nulls("degree", 3), "only": ["clustering", "reciprocity"]}
    table = compare(before, after, names=("before", "after"), **options)
    first, second = summary(before, **options), summary(after, **options)
    assert list(table.columns) == ["before", "after", "difference", "z of before", "z of after"]
    assert list(table.index) == ["clustering", "reciprocity"]
    for name in table.index:
        values = [first[name].value, second[name].value, second[name].value - first[name].value]
        assert table.loc[name].tolist() == pytest.approx([*values, first[name].z, second[name].z], nan_ok=True)
    pd.testing.assert_frame_equal(compare(first, second, names=("before", "after")), table)
    pd.testing.assert_frame_equal(compare(first, after, names=("before", "after"), **options), table)


def test_compare_shows_what_both_have():
    first = summary(sparse(), null=None, only=["weight_entropy", "clustering", "motifs"])
    second = summary(sparse(), null=None, only=["motifs", "weight_entropy", "hubs"])
    assert list(compare(first, second).index) == ["weight_entropy", "motifs"]


BAD_COMPARISONS = {
    "one name": ({"names": ("one",)}, r"names must .*got"),
    "twice the same name": ({"names": ("one", "one")}, r"names must .*got"),
    "three names": ({"names": ("one", "two", "three")}, r"names must .*got"),
    "options for none": ({"quantile": 0.5, "null": None}, r"options must .*got null, quantile"),
}


@pytest.mark.parametrize(("options", "message"), BAD_COMPARISONS.values(), ids=BAD_COMPARISONS.keys())
def test_compare_rejects(options, message):
    found = summary(sparse(), null=None, only=["clustering"])
    with pytest.raises(ValueError, match=message):
        compare(found, found, **options)
    with pytest.raises(ValueError, match=r"graph must .*got str"):
        compare(found, "a graph")


# --- one ensemble for all ---------------------------------------------------------------------------


def number_of_edges(graph: SimpleGraph) -> float:
    return float(graph.num_edges)


def ends(graph: SimpleGraph) -> np.ndarray:
    return np.array([graph.target[0], graph.target[-1], graph.source[-1]], dtype=float)


def test_pooled_statistics_are_those_of_an_ensemble_of_their_own():
    directed = simple_graph(*sparse())
    asked = [(ends, directed), (number_of_edges, directed), (mean_clustering, directed.undirected())]
    pool = PooledNulls(COUNTED, 6, rng=3)
    for statistic, graph in asked:
        with pytest.raises(Noted):
            pool.distribution(statistic, graph)
    pool.draw()
    assert len(DRAWN) == 12
    for statistic, graph in asked:
        found = pool.distribution(statistic, graph)
        alone = Nulls(COUNTED, 6, rng=3).distribution(statistic, graph)
        assert np.array_equal(found.values, alone.values)
        assert (found.null, found.seed, found.num) == ("counted", alone.seed, 6)
    # A graph that is equal is the same, and what was not asked for is not known.
    assert pool.distribution(ends, simple_graph(*sparse())).num == 6
    with pytest.raises(Noted):
        pool.distribution(number_of_edges, directed.undirected())


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_names_the_metrics_on_a_terminal_and_writes_nothing_elsewhere(terminal, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    ring = torch.stack((torch.arange(12), (torch.arange(12) + 1) % 12))
    summary((ring, None, 12), null=Nulls("degree", 3, rng=987), only=["clustering", "modularity"])
    out, err = capsys.readouterr()
    assert out == ""
    if terminal:
        assert all(words in err for words in ("clustering", "modularity", "0/2", "of degree graphs", "0/3"))
        assert err.endswith("\r")  # the bars are wiped off in the end
    else:
        assert err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    summary((ring, None, 12), null=Nulls("degree", 3), only=["clustering"], progress=False)
    assert capsys.readouterr().err == ""
