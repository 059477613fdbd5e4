from __future__ import annotations

import math
from functools import partial

import bct
import networkx
import numpy as np
import pytest
import torch
from hypothesis import given

from graphcortex.graphs import simple_graph
from graphcortex.metrics import small_world_propensity
from graphcortex.metrics._clustering_and_path import clustering_and_path
from graphcortex.metrics.clustering import mean_clustering
from graphcortex.metrics.ensemble import Nulls
from graphcortex.testing import assert_bounds
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, clustered
from tests.metrics.test_small_world_omega import RING_LATTICE, path_length, ring

FEW = {"null": Nulls("erdos_renyi", 6, rng=1), "lattice": Nulls(RING_LATTICE, 3, rng=2)}


def watts_strogatz(chance: float, seed: int = 1, num_nodes: int = 80) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return a ring whose nearest neighbours are linked strongest, some of its edges rewired."""
    graph = networkx.watts_strogatz_graph(num_nodes, 6, chance, seed=seed)
    edge_index = torch.tensor(list(graph.edges)).T
    apart = (edge_index[0] - edge_index[1]).abs()
    apart = torch.minimum(apart, num_nodes - apart)
    # An edge that is rewired keeps its weight.
    anyhow = torch.randint(1, 4, apart.shape, generator=torch.Generator().manual_seed(seed))
    return edge_index, 1 / torch.where(apart > 3, anyhow, apart).double(), num_nodes


@pytest.mark.parametrize("weighted", [False, True])
def test_matches_the_formula(weighted):
    edge_index, edge_weight, N = watts_strogatz(0.1)
    weight = edge_weight if weighted else None
    found = small_world_propensity(edge_index, weight, N, **FEW)
    graph = simple_graph(edge_index, weight, N, directed=False)
    C, L = mean_clustering(graph), path_length(graph)
    (C_random, C_lattice), (L_random, L_lattice) = (
        [FEW[which].distribution(statistic, graph).values.mean() for which in ("null", "lattice")]
        for statistic in (mean_clustering, path_length)
    )
    deficit = min(max((C_lattice - C) / (C_lattice - C_random), 0), 1)
    excess = min(max((L - L_random) / (L_lattice - L_random), 0), 1)
    assert 0 < deficit < 1
    assert 0 < excess < 1
    assert (found.clustering_deficit, found.path_excess) == pytest.approx((deficit, excess), rel=1e-9)
    assert found.value == pytest.approx(1 - math.sqrt((deficit**2 + excess**2) / 2), rel=1e-9)
    assert (found.random, found.ordered) == (
        pytest.approx((C_random, L_random)),
        pytest.approx((C_lattice, L_lattice)),
    )
    assert (found.null, found.num_nulls, found.lattice) == ("erdos_renyi", 6, "ring")
    W = graph.matrix.toarray()
    if weighted:
        assert found.clustering == pytest.approx(bct.clustering_coef_wu(W / W.max()).mean(), abs=1e-9)
        lengths = np.divide(1, W, out=np.zeros_like(W), where=W > 0)
        with np.errstate(divide="ignore"):
            theirs = bct.charpath(bct.distance_wei(lengths)[0], include_infinite=False)[0]
        assert found.path_length == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_small_world_has_more_than_a_lattice_and_a_random_graph(weighted):
    values = []
    for chance in (0.0, 0.1, 1.0):
        edge_index, weight, N = watts_strogatz(chance)
        values.append(small_world_propensity(edge_index, weight if weighted else None, N, **FEW).value)
    lattice, small_world, random = values
    assert small_world > 0.6
    # Each of the two ends lacks one of the two properties altogether.
    assert lattice == pytest.approx(1 - math.sqrt(0.5), abs=0.1)
    assert random == pytest.approx(1 - math.sqrt(0.5), abs=0.1)


@given(graph=edges(max_nodes=7))
def test_lies_in_its_bounds_or_says_why_not(graph):
    found = small_world_propensity(*graph, null=Nulls("erdos_renyi", 2), lattice=Nulls(RING_LATTICE, 2))
    if math.isnan(found.value):
        assert found.reason
    else:
        assert_bounds([found.value, found.clustering_deficit, found.path_excess], 0, 1)
        assert found.standard_error >= 0


def test_does_not_depend_on_the_unit_of_weights():
    edge_index, weight, N = watts_strogatz(0.1)
    one, ten = (small_world_propensity(edge_index, factor * weight, N, **FEW).value for factor in (1, 10))
    assert ten == pytest.approx(one, rel=1e-9)


@pytest.mark.parametrize("num_sources", [None, 20])
def test_the_standard_error_is_the_spread_over_ensembles_and_sources(num_sources):
    graph = watts_strogatz(0.1, num_nodes=50)
    runs = [
        small_world_propensity(
            *graph,
            null=Nulls("erdos_renyi", 6, rng=seed),
            lattice=Nulls(RING_LATTICE, 6, rng=seed),
            num_sources=num_sources,
            rng=seed,
        )
        for seed in range(40)
    ]
    spread = np.std([run.value for run in runs], ddof=1)
    assert np.mean([run.standard_error for run in runs]) == pytest.approx(spread, rel=4 / math.sqrt(80))


def test_the_standard_error_is_that_of_the_first_order():
    edge_index, weight, N = watts_strogatz(0.1, num_nodes=50)
    edge_index, weight = edge_index[:, ::3], weight[::3]  # lattices that do not fill their last round vary
    edge_index, weight = (
        torch.cat([edge_index, ring(50, 2)], dim=1),
        torch.cat([weight, torch.linspace(0.5, 1, 100).double()]),
    )
    found = small_world_propensity(edge_index, weight, N, num_sources=20, rng=3, **FEW)
    graph = simple_graph(edge_index, weight, N, directed=False)
    own, *nulls = (
        np.atleast_2d(values)
        for values in (
            clustering_and_path(graph, num_sources=20, seed=3),
            *(
                FEW[which].distribution(partial(clustering_and_path, num_sources=20, seed=3), graph).values
                for which in ("null", "lattice")
            ),
        )
    )
    at = np.concatenate([values[:, :2].mean(0) for values in (own, *nulls)])

    def phi(x):
        C, L, C_random, L_random, C_lattice, L_lattice = x
        deficit, excess = (C_lattice - C) / (C_lattice - C_random), (L - L_random) / (L_lattice - L_random)
        return 1 - math.sqrt((deficit**2 + excess**2) / 2)

    slope = np.array([(phi(at + step) - phi(at - step)) / 2e-6 for step in 1e-6 * np.eye(6)])
    moves = sum(slope[2 * k + 1] * values[:, 2:].mean(0) for k, values in enumerate((own, *nulls)))
    variance = (1 - 20 / 50) * moves.var(ddof=1) / 20
    for k, values in enumerate(nulls, start=1):
        variance += (values[:, :2] @ slope[2 * k : 2 * k + 2]).var(ddof=1) / len(values)
    assert found.value == pytest.approx(phi(at), rel=1e-9)
    assert found.standard_error == pytest.approx(math.sqrt(variance), rel=1e-4)


NONE = {
    "no edges": (NO_EDGES, 5, "no path leads"),
    "one neuron": (NO_EDGES, 1, "a single neuron has no distances"),
    "one edge": (torch.tensor([[0], [1]]), 5, "lattices are no more clustered"),
    "all linked": (torch.combinations(torch.arange(6)).T, 6, "lattices are no more clustered"),
}


@pytest.mark.parametrize(("edge_index", "num_nodes", "reason"), NONE.values(), ids=NONE.keys())
def test_says_why_there_is_none(edge_index, num_nodes, reason):
    found = small_world_propensity(edge_index, None, num_nodes, threshold=0.5, **FEW)
    assert math.isnan(found.value)
    assert math.isnan(found.standard_error)
    assert found.reason.startswith(reason)
    assert found.threshold == 0.5


def test_lattices_whose_paths_are_short_say_so():
    found = small_world_propensity(
        *clustered(30, 3), threshold=1.0, null=Nulls(RING_LATTICE, 1), lattice=Nulls("erdos_renyi", 1)
    )
    assert found.reason.startswith("lattices are no more clustered")
    # A dense lattice of few neurons: its paths are those of any graph of its density.
    dense = small_world_propensity(ring(12, 5), None, 12, null=Nulls("erdos_renyi", 9), lattice=Nulls(RING_LATTICE, 1))
    assert dense.reason.startswith(("paths are no longer", "lattices are no more"))


BAD_ARGUMENTS = {
    "an unknown null": {"null": "cubic"},
    "an unknown lattice": {"lattice": "cubic"},
    "too many sources": {"num_sources": 61},
    "no seed": {"rng": None},
}


@pytest.mark.parametrize("keywords", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects_arguments(keywords):
    with pytest.raises(ValueError, match=r"must .*got"):
        small_world_propensity(ring(60, 2), None, 60, **FEW | keywords)


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        small_world_propensity(edge_index, None, 3)
