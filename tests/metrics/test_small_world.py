from __future__ import annotations

import math

import bct
import networkx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.metrics import small_worldness, strongest_edges
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, PATH, RING, STAR, TRIANGLES, as_matrix, as_networkx, clustered


def sigma(found) -> float:
    return (found.clustering / found.null_statistics.clustering) / (found.null_statistics.efficiency / found.efficiency)


@given(graph=edges(min_nodes=2, max_nodes=9))
def test_matches_bct(graph):
    found = small_worldness(graph.edge_index, None, graph.num_nodes, num_nulls=20)
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
    renamed = small_worldness(names[graph.edge_index], None, graph.num_nodes, num_nulls=20).value
    assert renamed == pytest.approx(
        small_worldness(graph.edge_index, None, graph.num_nodes, num_nulls=20).value, abs=1e-12
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


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        small_worldness(edge_index, None, 3, num_nulls=3)
