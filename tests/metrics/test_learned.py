from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given

from graphcortex.metrics import (
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
