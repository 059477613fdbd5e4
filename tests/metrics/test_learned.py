from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given

from graphcortex.metrics import (
    Nulls,
    assortativity,
    learned_graph_metrics,
    modularity,
    small_worldness,
    strongest_edges,
    weight_entropy,
)
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import clustered, complete

NAMES = ["entropy", "modularity", "assortativity", "small_worldness"]


def test_puts_together_what_the_parts_give():
    graph = clustered(50, 4)
    found = learned_graph_metrics(*graph, quantile=0.8, num_nulls=10, rng=3)
    pairs = strongest_edges(*graph, quantile=0.8)
    assert torch.equal(found.edge_index, pairs)
    assert found.values() == {
        "entropy": weight_entropy(graph.edge_weight).value,
        "modularity": modularity(pairs, None, 50, method="fast_greedy").value,
        "assortativity": assortativity(pairs, None, 50).value,
        "small_worldness": small_worldness(pairs, None, 50, num_nulls=10, rng=3).value,
    }
    assert found.reasons() == {}
    assert found.quantile == 0.8


def test_the_defaults_are_those_of_the_study():
    graph = complete(20)
    found = learned_graph_metrics(*graph)
    assert found.edge_index.size(1) == strongest_edges(*graph, quantile=0.9).size(1)
    assert found.small_worldness.null_statistics.num_nulls == 1000
    assert found.small_worldness.null_statistics.threshold == 0.7
    assert found.entropy.num_points == 100


@given(graph=edges(max_nodes=9))
def test_every_graph_has_each_value_or_a_reason(graph):
    found = learned_graph_metrics(*graph, num_nulls=10)
    assert list(found.values()) == NAMES
    for name, value in found.values().items():
        assert math.isfinite(value) or (math.isnan(value) and found.reasons()[name])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_diverged_network_has_no_metrics_and_says_why(bad):
    graph = complete(6)
    graph.edge_weight[[3, 7]] = bad
    found = learned_graph_metrics(*graph)
    assert all(math.isnan(value) for value in found.values().values())
    assert found.reasons() == dict.fromkeys(NAMES, "2 of 36 weights are NaN or infinite: the network diverged")
    assert found.edge_index.shape == (2, 0)
    assert found.modularity.membership.shape == (6,)


def test_equal_weights_leave_no_graph():
    graph = complete(6)
    found = learned_graph_metrics(graph.edge_index, torch.zeros(36), 6, num_nulls=10)
    assert found.values()["entropy"] == 0
    assert found.values()["small_worldness"] == 0
    assert math.isnan(found.values()["modularity"])
    assert list(found.reasons()) == NAMES


def test_takes_the_parameter_of_a_network_as_it_is(device):
    graph = complete(12, dtype=torch.float32)
    weight = torch.nn.Parameter(graph.edge_weight.to(device))
    found = learned_graph_metrics(graph.edge_index.to(device), weight, 12, num_nulls=10)
    assert found.values() == learned_graph_metrics(*graph, num_nulls=10).values()


BAD_ARGUMENTS = {
    "one weight is missing": ((torch.zeros(2, 4).long(), torch.ones(3), 3), {}),
    "no neurons": ((torch.zeros(2, 0).long(), torch.ones(0), 0), {}),
    "percent": ((torch.zeros(2, 1).long(), torch.ones(1), 3), {"quantile": 90}),
    "no graphs": ((torch.zeros(2, 1).long(), torch.ones(1), 3), {"num_nulls": 0}),
    "no seed": ((torch.zeros(2, 1).long(), torch.ones(1), 3), {"rng": None}),
}


@pytest.mark.parametrize(("arguments", "keywords"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments, keywords):
    with pytest.raises(ValueError, match=r"must .*got"):
        learned_graph_metrics(*arguments, **keywords)


@pytest.mark.parametrize("null", ["erdos_renyi", "degree", "lattice"])
def test_a_null_model_replaces_the_random_graphs_of_small_worldness_alone(null):
    graph = clustered(50, 4)
    published = learned_graph_metrics(*graph, num_nulls=10)
    found = learned_graph_metrics(*graph, null=null, num_nulls=7, rng=2)
    expected = small_worldness(found.edge_index, None, 50, method="matched", null=Nulls(null, 7, 2))
    assert found.small_worldness.value == expected.value
    assert (found.small_worldness.null, found.small_worldness.num_nulls) == (null, 7)
    assert found.small_worldness.value != published.small_worldness.value
    assert {**found.values(), "small_worldness": 0} == {**published.values(), "small_worldness": 0}


def test_a_graph_that_is_its_own_null_has_a_small_worldness_of_one():
    """A ring of even degree is the only lattice of its density; a random graph is like those of its density."""
    ring = torch.arange(30)
    near = torch.cat([torch.stack((ring, (ring + step) % 30)) for step in (1, 2, 3)], dim=1)
    found = learned_graph_metrics(near, torch.arange(1.0, 91.0), 30, quantile=0, null="lattice", num_nulls=3)
    assert found.edge_index.size(1) == 90  # all of them: the weakest too
    assert found.small_worldness.value == pytest.approx(1, abs=0.05)
    random = complete(60)
    found = learned_graph_metrics(*random, null="erdos_renyi", num_nulls=30)
    assert found.small_worldness.value == pytest.approx(1, abs=0.1)


def test_of_all_pairs_a_sparse_network_keeps_its_edges():
    ring = torch.stack((torch.arange(20), (torch.arange(20) + 1) % 20))
    weight = torch.linspace(-1, 1, 20)
    assert learned_graph_metrics(ring, weight, 20, num_nulls=5).edge_index.size(1) == 2
    found = learned_graph_metrics(ring, weight, 20, over="pairs", num_nulls=5)
    assert found.edge_index.size(1) == 20
    assert found.entropy.value == weight_entropy(weight).value


def test_a_diverged_network_says_by_which_method_it_has_no_small_worldness():
    graph = complete(6)
    graph.edge_weight[2] = math.nan
    assert learned_graph_metrics(*graph, null="degree").small_worldness.method == "matched"
    with pytest.raises(ValueError, match=r"null must be one of .*got 'moon'"):
        learned_graph_metrics(*complete(6), null="moon")
