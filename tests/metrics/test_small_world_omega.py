from __future__ import annotations

import math
from dataclasses import replace

import networkx
import numpy as np
import pytest
import torch

from graphcortex.graphs import NullModel, SimpleGraph, simple_graph
from graphcortex.metrics import clustering, path_statistics, small_world_omega, strongest_edges
from graphcortex.metrics.clustering import mean_clustering
from graphcortex.metrics.ensemble import Nulls
from graphcortex.metrics.paths import path_statistics_of
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, STAR, clustered


def ring_lattice(graph: SimpleGraph, seed: int) -> SimpleGraph:
    """Link each neuron of a ring with the nearest, and lay the strongest weights on the nearest."""
    N, M = graph.num_nodes, graph.num_edges
    i, j = np.triu_indices(N, 1)
    nearest = np.lexsort((np.random.default_rng(seed).random(i.size), np.minimum(j - i, N - (j - i))))[:M]
    weight = None if graph.weight is None else np.sort(graph.weight)[::-1]
    order = np.argsort(i[nearest] * N + j[nearest])
    return replace(
        graph,
        source=i[nearest][order],
        target=j[nearest][order],
        weight=None if weight is None else weight[order],
    )


RING_LATTICE = NullModel("ring", ring_lattice, ("weights",))


def ring(num_nodes: int, reach: int) -> torch.Tensor:
    nodes = torch.arange(num_nodes)
    return torch.cat([torch.stack((nodes, (nodes + step) % num_nodes)) for step in range(1, reach + 1)], dim=1)


def path_length(graph):
    return path_statistics_of(graph).path_length


def test_matches_the_formula():
    pairs = strongest_edges(*clustered(50, 4))
    null, lattice = Nulls("degree", 7, rng=1), Nulls(RING_LATTICE, 3, rng=2)
    found = small_world_omega(pairs, None, 50, null=null, lattice=lattice)
    graph = simple_graph(pairs, None, 50, directed=False)
    L_random = null.distribution(path_length, graph).values.mean()
    C_lattice = lattice.distribution(mean_clustering, graph).values.mean()
    C, L = clustering(pairs, None, 50).value, path_statistics(pairs, None, 50, directed=False).path_length
    assert found.value == pytest.approx(L_random / L - C / C_lattice, rel=1e-12)
    assert (found.clustering, found.path_length) == (C, L)
    assert found.random_path_length == pytest.approx(L_random, rel=1e-12)
    assert found.lattice_clustering == pytest.approx(C_lattice, rel=1e-12)
    assert (found.null, found.num_nulls, found.lattice) == ("degree", 7, "ring")


def test_goes_from_lattice_to_random():
    rewired = [ring(80, 3)]
    for chance in (0.08, 1.0):
        graph = networkx.watts_strogatz_graph(80, 6, chance, seed=1)
        rewired.append(torch.tensor(list(graph.edges)).T)
    values = [
        small_world_omega(pairs, None, 80, null=Nulls("degree", 8), lattice=Nulls(RING_LATTICE, 2)).value
        for pairs in rewired
    ]
    assert -1 < values[0] < -0.5 < values[1] < 0.5 < values[2] < 1


def test_agrees_with_networkx_in_its_parts():
    graph = networkx.watts_strogatz_graph(60, 6, 0.1, seed=0)
    pairs = torch.tensor(list(graph.edges)).T
    found = small_world_omega(pairs, None, 60, null=Nulls("degree", 2), lattice=Nulls(RING_LATTICE, 2))
    assert found.clustering == pytest.approx(networkx.average_clustering(graph), abs=1e-9)
    assert found.path_length == pytest.approx(networkx.average_shortest_path_length(graph), abs=1e-9)
    assert found.lattice_clustering == pytest.approx(0.6, abs=1e-9)  # of a ring where each has six neighbours


@pytest.mark.parametrize("num_sources", [None, 15])
def test_the_standard_error_is_the_spread_over_ensembles_and_sources(num_sources):
    pairs = strongest_edges(*clustered(50, 4))
    runs = [
        small_world_omega(
            pairs,
            None,
            50,
            null=Nulls("degree", 6, rng=seed),
            lattice=Nulls(RING_LATTICE, 6, rng=seed),
            num_sources=num_sources,
            rng=seed,
        )
        for seed in range(40)
    ]
    spread = np.std([run.value for run in runs], ddof=1)
    assert np.mean([run.standard_error for run in runs]) == pytest.approx(spread, rel=4 / math.sqrt(80))


NONE = {
    "no edges": (NO_EDGES, 5, "no path leads from a neuron to another, so that there is no path length"),
    "one neuron": (NO_EDGES, 1, "a single neuron has no distances"),
    "one edge": (STAR[:, :1], 5, "none of the 2 lattices of 5 neurons has clustering"),
}


@pytest.mark.parametrize(("edge_index", "num_nodes", "reason"), NONE.values(), ids=NONE.keys())
def test_says_why_there_is_none(edge_index, num_nodes, reason):
    found = small_world_omega(
        edge_index, None, num_nodes, null=Nulls("degree", 2), lattice=Nulls(RING_LATTICE, 2), threshold=0.5
    )
    assert math.isnan(found.value)
    assert math.isnan(found.standard_error)
    assert (found.reason, found.threshold) == (reason, 0.5)


BAD_ARGUMENTS = {
    "an unknown null": {"null": "cubic"},
    "an unknown lattice": {"lattice": "cubic"},
    "too many sources": {"num_sources": 61},
    "no seed": {"rng": None},
}


@pytest.mark.parametrize("keywords", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects_arguments(keywords):
    with pytest.raises(ValueError, match=r"must .*got"):
        small_world_omega(
            ring(60, 2), None, 60, **{"null": Nulls("degree", 2), "lattice": Nulls(RING_LATTICE, 2)} | keywords
        )


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        small_world_omega(edge_index, None, 3)
