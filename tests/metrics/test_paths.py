from __future__ import annotations

import math

import bct
import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import simple_graph
from graphcortex.metrics import path_statistics, paths
from graphcortex.metrics.ensemble import Nulls
from graphcortex.metrics.paths import path_statistics_of
from graphcortex.testing import assert_bounds, assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, PATH, RING, STAR, TRIANGLES, clustered
from tests.metrics.test_clustering import each_kind
from tests.metrics.test_modularity import dense

CLOUD = torch.randint(0, 60, (2, 200), generator=torch.Generator().manual_seed(0))
CLOUD_WEIGHT = torch.rand(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.1


def naive_distances(W: list[list[float]], weighted: bool) -> list[list[float]]:
    """Floyd and Warshall: allow one more neuron on the way at a time."""
    N = len(W)
    d = [[(1 / w if weighted else 1.0) if w else math.inf for w in row] for row in W]
    for u in range(N):
        d[u][u] = 0.0
    for k in range(N):
        for i in range(N):
            for j in range(N):
                d[i][j] = min(d[i][j], d[i][k] + d[k][j])
    return d


@each_kind
@given(graph=edges(min_nodes=2, max_nodes=7))
def test_matches_the_formula(directed, weighted, graph):
    N = graph.num_nodes
    d = naive_distances(dense(graph, directed=directed, weighted=weighted), weighted)
    found = path_statistics(graph.edge_index, graph.edge_weight if weighted else None, N, directed=directed)
    apart = [d[i][j] for i in range(N) for j in range(N) if i != j]
    reached = [value for value in apart if value < math.inf]
    assert found.value == pytest.approx(sum(1 / value for value in reached) / len(apart), abs=1e-9)
    assert found.reachable == pytest.approx(len(reached) / len(apart), abs=1e-12)
    assert (found.standard_error, found.num_sources, found.seed) == (0, N, None)
    if reached:
        assert found.path_length == pytest.approx(sum(reached) / len(reached), rel=1e-9)
        assert (found.path_length_error, found.reason) == (0, "")
    else:
        assert math.isnan(found.path_length)
        assert found.value == 0
        assert found.reason.startswith("no path leads")
    if not weighted:
        assert_bounds(found.value, 0, 1, tolerance=1e-12)


@each_kind
def test_agrees_with_bct_and_networkx(directed, weighted):
    simple = simple_graph(*clustered(50, 4), directed=directed, threshold=3.0)
    simple = simple if weighted else simple.unweighted()
    found = path_statistics_of(simple)
    W = simple.matrix.toarray()
    D = bct.distance_wei(np.divide(1, W, out=np.zeros_like(W), where=W > 0))[0] if weighted else bct.distance_bin(W)
    with np.errstate(divide="ignore"):
        length, _, *_ = bct.charpath(D, include_infinite=False)
    assert found.path_length == pytest.approx(length, abs=1e-9)
    assert found.value == pytest.approx((bct.efficiency_wei if weighted else bct.efficiency_bin)(W), abs=1e-9)
    if not directed and not weighted:
        peer = networkx.from_numpy_array(W)
        assert found.value == pytest.approx(networkx.global_efficiency(peer), abs=1e-9)
        largest = peer.subgraph(max(networkx.connected_components(peer), key=len))
        assert found.reachable == pytest.approx(len(largest) * (len(largest) - 1) / (50 * 49), abs=1e-12)
        assert found.path_length == pytest.approx(networkx.average_shortest_path_length(largest), abs=1e-9)


@each_kind
@given(graph=edges(max_nodes=7), data=st.data())
def test_does_not_depend_on_names_or_order(directed, weighted, graph, data):
    def values(edge_index, edge_weight, num_nodes):
        found = path_statistics(edge_index, edge_weight if weighted else None, num_nodes, directed=directed)
        return torch.tensor([found.value, found.path_length, found.reachable])

    assert_invariant_to_relabelling(values, graph, data.draw(st.permutations(range(graph.num_nodes))))
    assert_invariant_to_edge_order(values, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))))


def test_twice_the_weight_is_half_the_length():
    one, two = (path_statistics(CLOUD, factor * CLOUD_WEIGHT, 60) for factor in (1, 2))
    assert two.value == pytest.approx(2 * one.value, rel=1e-12)
    assert two.path_length == pytest.approx(one.path_length / 2, rel=1e-12)


KNOWN = {
    "a ring": (RING, 12, (2 * (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) + 1 / 6) / 11, 36 / 11),
    "a star": (STAR, 5, (8 * 1 + 12 / 2) / 20, (8 + 24) / 20),
    "a path": (PATH, 4, (6 + 4 / 2 + 2 / 3) / 12, (6 + 8 + 6) / 12),
    "two triangles apart": (TRIANGLES, 6, 12 / 30, 1.0),
}


@pytest.mark.parametrize(("edge_index", "num_nodes", "efficiency", "length"), KNOWN.values(), ids=KNOWN.keys())
def test_known(edge_index, num_nodes, efficiency, length):
    found = path_statistics(edge_index, None, num_nodes, directed=False)
    assert found.value == pytest.approx(efficiency, abs=1e-12)
    assert found.path_length == pytest.approx(length, abs=1e-12)


@each_kind
def test_sampled_sources_are_unbiased_and_know_their_error(directed, weighted):
    weight = CLOUD_WEIGHT if weighted else None
    whole = path_statistics(CLOUD, weight, 60, directed=directed)
    runs = [path_statistics(CLOUD, weight, 60, directed=directed, num_sources=40, rng=seed) for seed in range(150)]
    for exact, found, errors in (
        (whole.value, [run.value for run in runs], [run.standard_error for run in runs]),
        (whole.path_length, [run.path_length for run in runs], [run.path_length_error for run in runs]),
    ):
        spread = np.std(found, ddof=1)
        assert abs(np.mean(found) - exact) < 4 * spread / math.sqrt(150) + 0.02 * spread
        # A standard deviation of 150 normal numbers is known to 1 / sqrt(300) of itself.
        assert np.mean(errors) == pytest.approx(spread, rel=4 / math.sqrt(300))
    assert runs[3].seed == 3
    assert runs[3].method == "sampled sources"


def test_all_sources_one_by_one_are_the_counts_of_all_pairs():
    simple = simple_graph(CLOUD, None, 60, directed=True)
    nodes = np.arange(60)
    for one, all_at_once in zip(paths._from_sources(simple, nodes), paths._all_pairs(simple), strict=True):
        assert one.mean() == pytest.approx(all_at_once.mean(), rel=1e-12)


def test_sources_are_followed_in_blocks(monkeypatch):
    whole = path_statistics(CLOUD, CLOUD_WEIGHT, 60, num_sources=31)
    monkeypatch.setattr(paths, "_BLOCK_ENTRIES", 200)
    assert path_statistics(CLOUD, CLOUD_WEIGHT, 60, num_sources=31).value == whole.value


def test_large_graphs_are_sampled():
    ring = torch.arange(2100)
    edge_index = torch.stack((ring, (ring + 1) % 2100))
    found = path_statistics(edge_index, None, 2100, directed=False)
    assert found.num_sources == 200
    # Every neuron of a ring is as far from the others as the next.
    assert found.path_length == pytest.approx(1050**2 / 2099, rel=1e-12)
    assert found.path_length_error == pytest.approx(0, abs=1e-9)
    assert path_statistics(edge_index[:, :9], None, 2000).num_sources == 2000


def test_one_source_has_no_error():
    found = path_statistics(CLOUD, None, 60, num_sources=1)
    assert math.isfinite(found.value)
    assert math.isnan(found.standard_error)
    assert math.isnan(found.path_length_error)


def test_a_single_neuron_has_none():
    found = path_statistics(torch.zeros(2, 1).long(), None, 1)
    assert math.isnan(found.value)
    assert found.reason == "a single neuron has no distances"


def test_sources_that_reach_nothing():
    found = path_statistics(NO_EDGES, None, 9, num_sources=4, threshold=0.25)
    assert (found.value, found.standard_error, found.reachable, found.threshold) == (0, 0, 0, 0.25)
    assert math.isnan(found.path_length)


@pytest.mark.parametrize("weights", [[1e-320, 1.0, 1e308], [1e-308] * 3, [1e308] * 3])
def test_weights_of_any_size(weights):
    found = path_statistics(PATH, torch.tensor(weights, dtype=torch.float64), 4, num_sources=3)
    assert found.value >= 0


def test_is_compared_with_random_graphs():
    found = path_statistics(RING, None, 12, directed=False, null=Nulls("erdos_renyi", 10))
    assert (found.null, found.num_nulls) == ("erdos_renyi", 10)
    assert math.isfinite(found.z)


def test_the_same_seed_gives_the_same():
    first, second, other = (path_statistics(CLOUD, None, 60, num_sources=9, rng=seed).value for seed in (1, 1, 2))
    assert first == second != other


BAD_ARGUMENTS = {
    "more sources than neurons": {"num_sources": 61},
    "no sources": {"num_sources": 0},
    "a negative threshold": {"threshold": -1.0},
    "no seed": {"rng": 0.5},
    "an unknown null": {"null": "cubic"},
}


@pytest.mark.parametrize("keywords", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects_arguments(keywords):
    with pytest.raises(ValueError, match=r"must .*got"):
        path_statistics(CLOUD, None, 60, **keywords)


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        path_statistics(edge_index, None, 3)
