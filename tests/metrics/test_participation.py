from __future__ import annotations

import math

import bct
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.metrics import modularity, participation
from graphcortex.metrics.ensemble import Nulls
from graphcortex.testing import assert_bounds
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, RING, TRIANGLES, clustered
from tests.metrics.naive import naive_matrix

WAYS = [(False, "all"), (True, "all"), (True, "out"), (True, "in")]


def oriented(W: np.ndarray, directed: bool, counted: str) -> np.ndarray:
    """Return what each neuron (row) shares with each other."""
    return W if not directed or counted == "out" else W.T if counted == "in" else W + W.T


def naive_participation(W: np.ndarray, module: list[int]) -> tuple[list[float], list[float]]:
    """Follow both formulas neuron by neuron."""
    N = len(W)
    kappa = [[sum(W[i][j] for j in range(N) if module[j] == m) for m in range(max(module) + 1)] for i in range(N)]
    coefficient, z = [], []
    for i in range(N):
        k = sum(kappa[i])
        coefficient.append(1 - sum((part / k) ** 2 for part in kappa[i]) if k else 0.0)
        fellows = [kappa[j][module[i]] for j in range(N) if module[j] == module[i]]
        mean = sum(fellows) / len(fellows)
        sd = math.sqrt(sum((f - mean) ** 2 for f in fellows) / len(fellows))
        z.append((kappa[i][module[i]] - mean) / sd if sd > 1e-9 else 0.0)
    return coefficient, z


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("directed", "counted"), WAYS)
@given(graph=edges(), data=st.data())
def test_matches_naive(directed, counted, weighted, graph, data):
    module = data.draw(st.lists(st.integers(0, 3), min_size=graph.num_nodes, max_size=graph.num_nodes))
    found = participation(
        *graph, membership=torch.tensor(module), directed=directed, counted=counted, weighted=weighted
    )
    W = oriented(naive_matrix(graph, directed=directed, weighted=weighted), directed, counted)
    coefficient, z = naive_participation(W.tolist(), module)
    assert found.coefficient.tolist() == pytest.approx(coefficient, abs=1e-9)
    assert found.within_module_z.tolist() == pytest.approx(z, abs=1e-7)
    linked = W.sum(1) > 0
    assert found.num_linked == linked.sum()
    mean = float(np.array(coefficient)[linked].mean()) if linked.any() else math.nan
    assert found.value == pytest.approx(mean, abs=1e-9, nan_ok=True)
    assert_bounds(found.coefficient, 0, 1 - 1 / len(set(module)), tolerance=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@given(graph=edges(), data=st.data())
def test_names_of_neurons_and_modules_order_and_scale_do_not_matter(weighted, graph, data):
    N = graph.num_nodes
    module = torch.tensor(data.draw(st.lists(st.integers(0, 2), min_size=N, max_size=N)))
    names = torch.tensor(data.draw(st.permutations(range(N))))
    order = torch.tensor(data.draw(st.permutations(range(graph.edge_index.size(1)))), dtype=torch.int64)
    expected = participation(*graph, membership=module, weighted=weighted)
    moved = torch.empty_like(module)
    moved[names] = module * 7 - 5
    found = participation(
        names[graph.edge_index[:, order]], graph.edge_weight[order] * 2.0**-300, N, membership=moved, weighted=weighted
    )
    assert torch.allclose(found.coefficient[names], expected.coefficient)
    assert torch.allclose(found.within_module_z[names], expected.within_module_z)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("directed", "counted", "degree", "flag"),
    [
        (False, "all", "undirected", 0),
        (True, "out", "out", 1),
        (True, "in", "in", 2),
        (True, "all", "undirected", 3),
    ],
)
def test_agrees_with_bctpy(directed, counted, degree, flag, weighted):
    graph = clustered(60, 4)
    module = modularity(graph.edge_index[:, graph.edge_weight.abs() > 3], None, 60).membership
    W = naive_matrix(graph, directed=directed)
    W = W * (W > 2) if weighted else (W > 2).astype(float)
    found = participation(
        *graph, membership=module, directed=directed, counted=counted, weighted=weighted, threshold=2.0
    )
    codes = module.numpy() + 1
    with np.errstate(
        invalid="ignore"
    ):  # for neurons without edges, and modules whose neurons are alike, they divide by 0
        z = bct.module_degree_zscore(W, codes, flag=flag)
        coefficient = bct.participation_coef(W + W.T if flag == 3 else W, codes, degree=degree)
    assert found.within_module_z.numpy() == pytest.approx(z, abs=1e-9)
    assert found.coefficient.numpy() == pytest.approx(coefficient, abs=1e-9)


def test_known():
    # Each neuron of a ring has its two neighbours in two of three modules, or both in one of two.
    assert participation(RING, None, 12, membership=torch.arange(12) % 3).coefficient.tolist() == [0.5] * 12
    assert participation(RING, None, 12, membership=torch.arange(12) % 2).coefficient.tolist() == [0] * 12
    assert participation(RING, None, 12, membership=torch.zeros(12).long()).value == 0
    assert participation(TRIANGLES, None, 7, membership=torch.arange(7) // 3).num_linked == 6


def test_is_compared_with_random_graphs():
    modules = torch.arange(60) // 15
    inside = torch.combinations(torch.arange(15)).T
    cliques = torch.cat([inside + 15 * m for m in range(4)], 1)
    found = participation(cliques, None, 60, membership=modules, null=Nulls("degree", num=10, rng=0))
    assert found.value == 0
    assert found.null_mean == pytest.approx(0.7, abs=0.05)  # nearly as even as four modules admit
    assert found.z < -10


@pytest.mark.parametrize("num_nodes", [1, 4])
def test_without_edges_there_is_none(num_nodes):
    found = participation(NO_EDGES, None, num_nodes, membership=torch.zeros(num_nodes).long(), null="degree")
    assert math.isnan(found.value)
    assert found.reason == "no neuron has edges that count"
    assert found.coefficient.tolist() == found.within_module_z.tolist() == [0] * num_nodes


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects_edges(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        participation(edge_index, None, 3, membership=torch.zeros(3).long())


BAD_ARGUMENTS = {
    "modules that are floats": {"membership": torch.zeros(12)},
    "a module is missing": {"membership": torch.zeros(11).long()},
    "modules as a list": {"membership": [0] * 12},
    "unknown count": {"counted": "both"},
    "unknown null": {"null": "chance"},
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        participation(RING, None, 12, **{"membership": torch.arange(12) % 3, **arguments})
