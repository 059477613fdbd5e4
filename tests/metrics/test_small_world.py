from __future__ import annotations

import math

import bct
import networkx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import simple_graph
from graphcortex.metrics import clustering, path_statistics, small_worldness, strongest_edges
from graphcortex.metrics.clustering import mean_clustering
from graphcortex.metrics.ensemble import Nulls
from graphcortex.metrics.paths import path_statistics_of
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, PATH, RING, STAR, TRIANGLES, as_matrix, as_networkx, clustered


def sigma(found) -> float:
    return (found.clustering / found.null_statistics.clustering) / (found.null_statistics.efficiency / found.efficiency)


@given(graph=edges(min_nodes=2, max_nodes=9))
def test_matches_bct(graph):
    found = small_worldness(graph.edge_index, None, graph.num_nodes, num_nulls=200)
    matrix = as_matrix(graph.edge_index, graph.num_nodes).numpy()
    assert found.clustering == pytest.approx(bct.clustering_coef_bu(matrix).mean(), abs=1e-12)
    assert found.efficiency == pytest.approx(bct.efficiency_bin(matrix), abs=1e-12)
    if found.efficiency > 0:
        assert found.value == pytest.approx(sigma(found), rel=1e-12)
    else:
        assert found.value == 0
        assert found.reason


@pytest.mark.parametrize(("num_nodes", "num_modules"), [(60, 4), (312, 8)])
def test_agrees_with_networkx(num_nodes, num_modules):
    pairs = strongest_edges(*clustered(num_nodes, num_modules))
    peer = as_networkx(pairs, num_nodes)
    found = small_worldness(pairs, None, num_nodes, num_nulls=20)
    assert found.clustering == pytest.approx(networkx.average_clustering(peer), abs=1e-9)
    assert found.efficiency == pytest.approx(networkx.global_efficiency(peer), abs=1e-9)
    assert found.value == pytest.approx(sigma(found), rel=1e-12)
    assert (found.null_statistics.num_nodes, found.null_statistics.num_nulls) == (num_nodes, 20)


@given(graph=edges(min_nodes=2, max_nodes=9), data=st.data())
def test_does_not_depend_on_the_names_of_neurons(graph, data):
    names = torch.tensor(data.draw(st.permutations(range(graph.num_nodes))))
    renamed = small_worldness(names[graph.edge_index], None, graph.num_nodes, num_nulls=200).value
    assert renamed == pytest.approx(
        small_worldness(graph.edge_index, None, graph.num_nodes, num_nulls=200).value, abs=1e-12
    )


KNOWN = {
    "a ring": (RING, 12, 0.0, (2 * (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) + 1 / 6) / 11),
    "a star": (STAR, 5, 0.0, (8 * 1 + 12 / 2) / 20),
    "a path": (PATH, 4, 0.0, (6 + 4 / 2 + 2 / 3) / 12),
    "two triangles apart": (TRIANGLES, 6, 1.0, 12 / 30),
    "two triangles and a lone neuron": (TRIANGLES, 7, 6 / 7, 12 / 42),
    "one edge": (torch.tensor([[0], [1]]), 2, 0.0, 1.0),
}


@pytest.mark.parametrize(("edge_index", "num_nodes", "clustering", "efficiency"), KNOWN.values(), ids=KNOWN.keys())
def test_known(edge_index, num_nodes, clustering, efficiency):
    found = small_worldness(edge_index, None, num_nodes, num_nulls=20)
    assert found.clustering == pytest.approx(clustering, abs=1e-12)
    assert found.efficiency == pytest.approx(efficiency, abs=1e-12)


def test_a_graph_drawn_like_the_null_ones_is_near_one_but_for_self_loops():
    pairs = torch.triu_indices(200, 200, 1)
    kept = torch.rand(pairs.size(1), generator=torch.Generator().manual_seed(0)) < 0.18
    found = small_worldness(pairs[:, kept], None, 200, num_nulls=50)
    without_loops = 0.18 / found.null_statistics.clustering
    assert 0.85 < without_loops < 1
    assert found.value == pytest.approx(without_loops, abs=0.03)


def test_without_edges_it_is_zero():
    found = small_worldness(NO_EDGES, None, 5, num_nulls=20)
    assert found.value == 0
    assert found.reason == "no edge joins two neurons, so clustering and efficiency are 0"


def test_a_single_neuron_has_none():
    found = small_worldness(torch.tensor([[0], [0]]), None, 1)
    assert math.isnan(found.value)
    assert found.reason == "a single neuron has no distances"


@pytest.mark.parametrize("edge_index", [TRIANGLES, NO_EDGES], ids=["triangles", "no edges"])
def test_null_graphs_without_clustering_allow_none(edge_index):
    found = small_worldness(edge_index, None, 6, num_nulls=3, null_threshold=1.0)
    assert math.isnan(found.value)
    assert found.reason == "none of the 3 random graphs of 6 neurons has clustering"


NEAR = torch.cat([torch.stack((torch.arange(60), (torch.arange(60) + step) % 60)) for step in (1, 2, 3)], dim=1)


@pytest.mark.parametrize("null", ["degree", "erdos_renyi"])
def test_matched_is_the_ratio_of_the_ratios(null):
    nulls = Nulls(null, 12, rng=2)
    found = small_worldness(NEAR, None, 60, method="matched", null=nulls)
    graph = simple_graph(NEAR, None, 60, directed=False)
    C0 = nulls.distribution(mean_clustering, graph).values[:, 0]
    L0 = nulls.distribution(path_length, graph).values[:, 0]
    C, L = clustering(NEAR, None, 60).value, path_statistics(NEAR, None, 60, directed=False).path_length
    assert (found.clustering, found.path_length) == (C, L)
    assert found.value == pytest.approx((C / C0.mean()) / (L / L0.mean()), rel=1e-12)
    assert found.null_clustering == pytest.approx((C0.mean(), C0.std(ddof=1)), rel=1e-9)
    assert found.null_path_length == pytest.approx((L0.mean(), L0.std(ddof=1)), rel=1e-9)
    assert found.clustering_z == pytest.approx((C - C0.mean()) / C0.std(ddof=1), rel=1e-9)
    assert found.path_length_z == pytest.approx((L - L0.mean()) / L0.std(ddof=1), rel=1e-9)
    assert (found.null, found.num_nulls, found.method) == (null, 12, "matched")
    assert found.null_mean == pytest.approx(1, abs=0.05)
    assert found.z > 5


def path_length(graph):
    return path_statistics_of(graph).path_length


@pytest.mark.parametrize("num_sources", [None, 12])
def test_the_standard_error_is_the_spread_over_ensembles_and_sources(num_sources):
    pairs = strongest_edges(*clustered(60, 4))
    runs = [
        small_worldness(
            pairs, None, 60, method="matched", null=Nulls("degree", 10, rng=seed), num_sources=num_sources, rng=seed
        )
        for seed in range(40)
    ]
    spread = torch.tensor([run.value for run in runs]).std().item()
    error = sum(run.standard_error for run in runs) / 40
    # A standard deviation of 40 normal numbers is known to 1 / sqrt(80) of itself; those of the null's means add to it.
    assert error == pytest.approx(spread, rel=4 / math.sqrt(80))


def test_a_random_graph_is_no_small_world_when_matched():
    pairs = torch.triu_indices(100, 100, 1)
    kept = pairs[:, torch.rand(pairs.size(1), generator=torch.Generator().manual_seed(0)) < 0.15]
    found = small_worldness(kept, None, 100, method="matched", null=Nulls("erdos_renyi", 30))
    assert abs(found.value - 1) < 4 * found.null_sd
    assert abs(found.z) < 4
    assert found.standard_error < found.null_sd


def test_matched_ignores_weights_but_for_the_threshold():
    weight = torch.linspace(1, 2, NEAR.size(1))
    plain = small_worldness(NEAR, None, 60, method="matched", null=Nulls("degree", 3))
    weighted = small_worldness(NEAR, weight, 60, method="matched", null=Nulls("degree", 3))
    assert weighted.value == plain.value
    assert small_worldness(NEAR, weight, 60, method="matched", threshold=1.5, null=Nulls("degree", 3)).threshold == 1.5


NO_MATCHED = {
    "no edges": (NO_EDGES, 5, "no path leads from a neuron to another, so that there is no path length"),
    "one neuron": (NO_EDGES, 1, "a single neuron has no distances"),
    "a star": (STAR, 5, "none of the 2 random graphs of 5 neurons has clustering"),
}


@pytest.mark.parametrize(("edge_index", "num_nodes", "reason"), NO_MATCHED.values(), ids=NO_MATCHED.keys())
def test_matched_says_why_there_is_none(edge_index, num_nodes, reason):
    found = small_worldness(edge_index, None, num_nodes, method="matched", null=Nulls("degree", 2))
    assert math.isnan(found.value)
    assert found.reason == reason


def test_one_random_graph_gives_no_error():
    found = small_worldness(NEAR, None, 60, method="matched", null=Nulls("degree", 1))
    assert math.isfinite(found.value)
    assert math.isnan(found.standard_error)
    assert math.isnan(found.z)


BAD_ARGUMENTS = {
    "an unknown method": {"method": "telesford"},
    "a null of the published form": {"null": "degree"},
    "sources of the published form": {"num_sources": 3},
    "too many sources": {"method": "matched", "num_sources": 61},
    "an unknown null": {"method": "matched", "null": "cubic"},
    "a negative threshold": {"threshold": -1.0},
    "no seed": {"method": "matched", "rng": None},
}


@pytest.mark.parametrize("keywords", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects_arguments(keywords):
    with pytest.raises(ValueError, match=r"must .*got"):
        small_worldness(NEAR, None, 60, **keywords)


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        small_worldness(edge_index, None, 3, num_nulls=3)
