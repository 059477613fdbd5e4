from __future__ import annotations

import math
from functools import partial

import bct
import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import simple_graph
from graphcortex.metrics import rich_club
from graphcortex.metrics.ensemble import Nulls
from graphcortex.testing import assert_bounds, assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, RING, STAR, clustered
from tests.metrics.naive import naive_matrix, networkx_of

WAYS = [(directed, weighted) for directed in (False, True) for weighted in (False, True)]


def naive_curve(W: np.ndarray, directed: bool, weighted: bool) -> tuple[list[int], list[float]]:
    """Form the club of every level, and look at all its pairs."""
    N = len(W)
    A = W > 0
    degree = A.sum(0) + A.sum(1) if directed else A.sum(0)
    links = [(i, j) for i in range(N) for j in range(N) if A[i, j] and (directed or i < j)]
    strongest = sorted((W[i, j] for i, j in links), reverse=True)
    sizes, phi = [], []
    for k in range(max(degree)):
        club = [i for i in range(N) if degree[i] > k]
        inside = [(i, j) for i, j in links if i in club and j in club]
        pairs = len(club) * (len(club) - 1) / (1 if directed else 2)
        sizes.append(len(club))
        if weighted:
            bottom = sum(strongest[: len(inside)])
            phi.append(sum(W[i, j] for i, j in inside) / bottom if inside else math.nan)
        else:
            phi.append(len(inside) / pairs if pairs else math.nan)
    return sizes, phi


@pytest.mark.parametrize(("directed", "weighted"), WAYS)
@given(graph=edges())
def test_matches_naive(directed, weighted, graph):
    found = rich_club(*graph, directed=directed, weighted=weighted)
    sizes, phi = naive_curve(naive_matrix(graph, directed=directed), directed, weighted)
    assert found.k.tolist() == list(range(len(sizes)))
    assert found.club_size.tolist() == sizes
    assert found.phi.tolist() == pytest.approx(phi, abs=1e-9, nan_ok=True)
    assert_bounds(found.phi[~found.phi.isnan()], 0, 1)


@pytest.mark.parametrize(("directed", "weighted"), WAYS)
@given(graph=edges(), data=st.data())
def test_names_order_and_scale_do_not_matter(directed, weighted, graph, data):
    def curve(edge_index, edge_weight, num_nodes):
        return rich_club(edge_index, edge_weight, num_nodes, directed=directed, weighted=weighted).phi

    assert_invariant_to_relabelling(curve, graph, data.draw(st.permutations(range(graph.num_nodes))))
    assert_invariant_to_edge_order(curve, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))))
    scaled = curve(graph.edge_index, graph.edge_weight * 2.0**-300, graph.num_nodes)
    assert torch.allclose(scaled, curve(*graph), equal_nan=True)


@pytest.mark.parametrize(("directed", "weighted"), WAYS)
def test_agrees_with_bctpy_and_networkx(directed, weighted):
    graph = clustered(60, 4)
    W = naive_matrix(graph, directed=directed)
    W = W * (W > 2)
    found = rich_club(*graph, directed=directed, weighted=weighted, threshold=2.0)
    with np.errstate(invalid="ignore"):  # where no edge is left, they divide by 0
        if weighted:
            theirs = (bct.rich_club_wd if directed else bct.rich_club_wu)(W)  # its k-th entry is of degrees above k
        else:
            theirs = (bct.rich_club_bd if directed else bct.rich_club_bu)((W > 0).astype(float))[0]  # above k + 1
            theirs = np.concatenate((found.phi[:1].numpy(), theirs))
    known = ~np.isnan(theirs[: len(found.phi)])
    assert found.phi.numpy()[known] == pytest.approx(theirs[: len(found.phi)][known], abs=1e-9)
    assert known.sum() > 10
    if not directed and not weighted:
        curve = networkx.rich_club_coefficient(networkx_of(W, directed=False), normalized=False)
        assert found.phi.tolist()[: len(curve)] == pytest.approx(list(curve.values()), abs=1e-12)


def test_known():
    assert rich_club(RING, None, 12).phi.tolist() == pytest.approx([2 / 11, 2 / 11])
    star = rich_club(STAR, None, 5)
    assert star.phi.tolist() == pytest.approx([0.4, math.nan, math.nan, math.nan], nan_ok=True)
    assert star.club_size.tolist() == [5, 1, 1, 1]
    assert "null" in star.reason
    assert math.isnan(star.value)


def hubs_that_meet() -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return twelve hubs, all linked with large weights, each with leaves that are linked in a ring."""
    hubs = torch.combinations(torch.arange(12)).T
    leaves = torch.arange(12, 132)
    spokes = torch.stack((torch.arange(12).repeat(10), leaves))
    ring = torch.stack((leaves, leaves.roll(1)))
    edge_index = torch.cat([hubs, spokes, ring], 1)
    edge_weight = torch.ones(edge_index.size(1)).double()
    edge_weight[: hubs.size(1)] = 5.0
    return edge_index, edge_weight, 132


@pytest.mark.parametrize(("directed", "weighted"), WAYS)
def test_hubs_that_meet_are_a_club(directed, weighted):
    nulls = Nulls("degree", num=12, rng=4)
    found = rich_club(*hubs_that_meet(), directed=directed, weighted=weighted, null=nulls)
    assert (found.null, found.num_nulls, found.min_size, found.weighted) == ("degree", 12, 10, weighted)
    assert int(found.club_size[found.level]) == 12
    assert float(found.phi[found.level]) == (1.0 if weighted or not directed else 0.5)
    assert found.value == pytest.approx(float(found.phi_norm[found.level]))
    assert found.value > 1.3
    assert found.z > 3
    at = found.level
    assert float(found.phi_norm[at]) == pytest.approx(float(found.phi[at] / found.phi_null_mean[at]))
    assert float(found.phi_null_sd[at]) > 0
    # The first club is the whole graph, whose density random graphs share.
    if not weighted:
        assert float(found.phi_norm[0]) == pytest.approx(1)
        assert found.null_mean >= 1
    again = rich_club(*hubs_that_meet(), directed=directed, weighted=weighted, null=nulls)
    assert torch.equal(again.phi_null_mean, found.phi_null_mean)


def naive_phi(graph, *, num_levels: int) -> list[float]:
    W = graph.matrix.toarray()
    return naive_curve(W, directed=False, weighted=False)[1][:num_levels]


def test_the_null_of_the_value_is_the_largest_of_each_random_graph():
    nulls = Nulls("degree", num=5, rng=4)
    found = rich_club(*hubs_that_meet(), null=nulls)
    graph = simple_graph(hubs_that_meet()[0], None, 132, directed=False)
    phi = nulls.distribution(partial(naive_phi, num_levels=len(found.k)), graph).values
    assert found.phi_null_mean.numpy() == pytest.approx(phi.mean(0))
    assert found.phi_null_sd.numpy() == pytest.approx(phi.std(0, ddof=1))
    large = found.club_size.numpy() >= 10
    most = (phi / phi.mean(0))[:, large].max(1)
    assert found.null_mean == pytest.approx(most.mean())
    assert found.null_sd == pytest.approx(most.std(ddof=1))
    assert found.value == pytest.approx(float(found.phi_norm[large].max()))


def test_levels_that_random_graphs_lack_are_not_compared():
    found = rich_club(STAR, None, 5, min_size=2, null=Nulls("erdos_renyi", num=6))
    assert bool(found.phi_norm[3:].isnan().all())
    assert bool(found.phi_null_mean[3:].isnan().all())
    assert found.level == 0
    assert found.value == pytest.approx(float(found.phi_norm[0]))


def test_small_clubs_have_no_value():
    found = rich_club(STAR, None, 5, null=Nulls("degree", num=2))
    assert math.isnan(found.value)
    assert found.reason == "no club of 10 neurons can be compared; the largest has 5"
    assert found.level == -1
    assert float(found.phi_norm[0]) == 1


def test_one_random_graph_has_no_deviation():
    found = rich_club(RING, None, 12, null=Nulls(num=1))
    assert found.value == pytest.approx(1)
    assert math.isnan(found.null_sd)
    assert math.isnan(found.z)


@pytest.mark.parametrize("num_nodes", [1, 4])
def test_without_edges_there_is_none(num_nodes):
    found = rich_club(NO_EDGES, None, num_nodes, null="degree")
    assert math.isnan(found.value)
    assert found.reason == "no edge joins two neurons"
    assert found.phi.shape == found.phi_norm.shape == (0,)


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects_edges(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        rich_club(edge_index, None, 3)


BAD_ARGUMENTS = {"a club of one": {"min_size": 1}, "unknown null": {"null": "chance"}, "threshold": {"threshold": -1.0}}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        rich_club(RING, None, 12, **arguments)
