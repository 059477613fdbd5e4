from __future__ import annotations

import math

import bct
import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.metrics import assortativity, strongest_edges
from graphcortex.metrics.ensemble import Nulls
from graphcortex.testing import assert_bounds, assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, PATH, RING, STAR, TRIANGLES, as_matrix, as_networkx, clustered
from tests.metrics.naive import naive_matrix, networkx_of


def naive_assortativity(edge_index: torch.Tensor, num_nodes: int) -> float:
    """Correlate the degrees at both ends, each edge in both directions."""
    A = as_matrix(edge_index, num_nodes).numpy()
    k = A.sum(0)
    ends = [(k[i], k[j]) for i in range(num_nodes) for j in range(num_nodes) if A[i, j]]
    if len({degree for pair in ends for degree in pair}) < 2:
        return math.nan
    first, second = np.array(ends).T
    return float(np.mean((first - first.mean()) * (second - second.mean())) / first.var())


@given(graph=edges(max_nodes=9))
def test_matches_naive(graph):
    found = assortativity(graph.edge_index, None, graph.num_nodes)
    naive = naive_assortativity(graph.edge_index, graph.num_nodes)
    assert found.value == pytest.approx(naive, abs=1e-9, nan_ok=True)
    assert bool(found.reason) == math.isnan(naive)
    assert math.isnan(naive) or -1 - 1e-9 <= found.value <= 1 + 1e-9


@given(graph=edges(max_nodes=9), data=st.data())
def test_does_not_depend_on_the_names_of_neurons(graph, data):
    names = torch.tensor(data.draw(st.permutations(range(graph.num_nodes))))
    renamed = assortativity(names[graph.edge_index], None, graph.num_nodes).value
    assert renamed == pytest.approx(assortativity(graph.edge_index, None, graph.num_nodes).value, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(("num_nodes", "num_modules"), [(60, 4), (312, 8)])
def test_agrees_with_networkx(num_nodes, num_modules):
    pairs = strongest_edges(*clustered(num_nodes, num_modules))
    theirs = networkx.degree_assortativity_coefficient(as_networkx(pairs, num_nodes))
    assert assortativity(pairs, None, num_nodes).value == pytest.approx(theirs, abs=1e-9)
    assert assortativity(pairs, None, num_nodes).num_pairs == pairs.size(1)


WAYS = {
    "undirected": (False, ("out", "in")),
    "out-in": (True, ("out", "in")),
    "out-out": (True, ("out", "out")),
    "in-out": (True, ("in", "out")),
    "in-in": (True, ("in", "in")),
}


def ends_of_edges(graph, directed: bool) -> tuple[np.ndarray, list[tuple[int, int]], list[float]]:
    """Return the matrix, the edges (in both directions, where there is none), and their weights."""
    W = naive_matrix(graph, directed=directed)
    pairs = [(i, j) for i in range(graph.num_nodes) for j in range(graph.num_nodes) if W[i, j] > 0]
    return W, pairs, [W[i, j] for i, j in pairs]


def naive_correlation(x: list[float], y: list[float], weights: list[float]) -> float:
    """Follow the formula."""
    total = sum(weights)
    if not x or max(x) - min(x) < 1e-9 or max(y) - min(y) < 1e-9:
        return math.nan
    mean_x = sum(p * a for p, a in zip(weights, x, strict=True)) / total
    mean_y = sum(p * b for p, b in zip(weights, y, strict=True)) / total
    covariance = sum(p * (a - mean_x) * (b - mean_y) for p, a, b in zip(weights, x, y, strict=True))
    variance_x = sum(p * (a - mean_x) ** 2 for p, a in zip(weights, x, strict=True))
    variance_y = sum(p * (b - mean_y) ** 2 for p, b in zip(weights, y, strict=True))
    return covariance / math.sqrt(variance_x * variance_y)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("by", ["degree", "strength"])
@pytest.mark.parametrize(("directed", "ends"), WAYS.values(), ids=WAYS.keys())
@given(graph=edges())
def test_degrees_and_strengths_match_naive(directed, ends, by, weighted, graph):
    found = assortativity(*graph, by=by, directed=directed, ends=ends, weighted=weighted)
    W, pairs, weights = ends_of_edges(graph, directed)
    counted = W if by == "strength" else (W > 0).astype(float)
    sums = {"out": counted.sum(1), "in": counted.sum(0)}
    naive = naive_correlation(
        [sums[ends[0]][i] for i, _ in pairs],
        [sums[ends[1]][j] for _, j in pairs],
        weights if weighted else [1.0] * len(pairs),
    )
    assert found.value == pytest.approx(naive, abs=1e-9, nan_ok=True)
    assert bool(found.reason) == math.isnan(naive)
    assert found.ends == (ends if directed else ())
    assert found.num_pairs == len(pairs) / (1 if directed else 2)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("directed", [False, True])
@given(graph=edges(), data=st.data())
def test_attributes_match_naive(directed, weighted, graph, data):
    attribute = data.draw(st.lists(st.integers(-8, 8), min_size=graph.num_nodes, max_size=graph.num_nodes))
    values = torch.tensor(attribute) / 4
    found = assortativity(*graph, by="attribute", attribute=values, directed=directed, weighted=weighted)
    _, pairs, weights = ends_of_edges(graph, directed)
    x, y = ([float(values[pair[end]]) for pair in pairs] for end in (0, 1))
    naive = naive_correlation(x, y, weights if weighted else [1.0] * len(pairs))
    assert found.value == pytest.approx(naive, abs=1e-9, nan_ok=True)
    assert bool(found.reason) == math.isnan(naive)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("directed", [False, True])
@given(graph=edges(), data=st.data())
def test_categories_match_naive(directed, weighted, graph, data):
    category = data.draw(st.lists(st.integers(-1, 2), min_size=graph.num_nodes, max_size=graph.num_nodes))
    codes = torch.tensor(category, dtype=torch.int32)
    found = assortativity(*graph, by="category", attribute=codes, directed=directed, weighted=weighted)
    _, pairs, weights = ends_of_edges(graph, directed)
    part = [w / sum(weights) if weighted else 1 / len(pairs) for w in weights]
    kinds = sorted(set(category))
    e = [[0.0] * len(kinds) for _ in kinds]
    for (i, j), p in zip(pairs, part, strict=True):
        e[kinds.index(category[i])][kinds.index(category[j])] += p
    expected = sum(sum(e[c]) * sum(row[c] for row in e) for c in range(len(kinds)))
    if not pairs or expected > 1 - 1e-12:
        assert math.isnan(found.value)
        assert found.reason
    else:
        naive = (sum(e[c][c] for c in range(len(kinds))) - expected) / (1 - expected)
        assert found.value == pytest.approx(naive, abs=1e-9)
        assert_bounds(found.value, -1, 1, tolerance=1e-12)


@pytest.mark.parametrize(("directed", "ends"), WAYS.values(), ids=WAYS.keys())
def test_every_kind_agrees_with_networkx(directed, ends):
    graph = clustered(60, 4)
    W = naive_matrix(graph, directed=directed)
    peer = networkx_of(W * (W > 2), directed=directed)
    x, y = ends if directed else ("out", "in")
    how = {"directed": directed, "threshold": 2.0}
    theirs = networkx.degree_assortativity_coefficient(peer, x=x, y=y)
    assert assortativity(*graph, **how, ends=ends).value == pytest.approx(theirs, abs=1e-9)
    module = torch.arange(60) * 4 // 60
    size = torch.rand(60, generator=torch.Generator().manual_seed(1))
    networkx.set_node_attributes(peer, dict(enumerate(module.tolist())), "module")
    networkx.set_node_attributes(peer, dict(enumerate(size.tolist())), "size")
    theirs = networkx.attribute_assortativity_coefficient(peer, "module")
    found = assortativity(*graph, **how, by="category", attribute=module)
    assert found.value == pytest.approx(theirs, abs=1e-9)
    assert found.value > 0.1
    theirs = networkx.numeric_assortativity_coefficient(peer, "size")
    assert assortativity(*graph, **how, by="attribute", attribute=size).value == pytest.approx(theirs, abs=1e-9)


def test_strength_agrees_with_bctpy():
    W = naive_matrix(clustered(60, 4), directed=False)
    found = assortativity(*clustered(60, 4), by="strength", threshold=2.0)
    assert found.value == pytest.approx(bct.assortativity_wei(W * (W > 2), flag=0), abs=1e-9)


def test_strength_in_directed_graphs_agrees_with_networkx():
    graph = clustered(20, 2)
    whole = (graph.edge_weight.abs() * 2).ceil()  # networkx wants strengths that are whole numbers
    W = naive_matrix(graph._replace(edge_weight=whole), directed=True).astype(int)
    theirs = networkx.degree_assortativity_coefficient(networkx_of(W, directed=True), x="in", y="out", weight="weight")
    found = assortativity(graph.edge_index, whole, 20, by="strength", directed=True, ends=("in", "out"))
    assert found.value == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("how", [{"by": "strength"}, {"weighted": True}, {"by": "strength", "directed": True}], ids=str)
@given(graph=edges(), data=st.data())
def test_names_order_and_scale_do_not_matter(how, graph, data):
    def value(edge_index, edge_weight, num_nodes):
        return assortativity(edge_index, edge_weight, num_nodes, **how).value

    assert_invariant_to_relabelling(value, graph, data.draw(st.permutations(range(graph.num_nodes))))
    assert_invariant_to_edge_order(value, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))))
    for factor in (2.0**-300, 2.0**300):
        scaled = value(graph.edge_index, graph.edge_weight * factor, graph.num_nodes)
        assert scaled == pytest.approx(value(*graph), abs=1e-9, nan_ok=True)


def test_an_attribute_may_be_moved_and_stretched():
    graph = clustered(40, 2)
    size = torch.rand(40, generator=torch.Generator().manual_seed(1)).double()
    how = {"by": "attribute", "threshold": 2.0}
    plain = assortativity(*graph, **how, attribute=size).value
    assert assortativity(*graph, **how, attribute=1e-200 * size).value == pytest.approx(plain, abs=1e-9)
    assert assortativity(*graph, **how, attribute=-7 * size + 1000).value == pytest.approx(plain, abs=1e-9)


def test_modules_are_compared_with_random_graphs():
    graph = clustered(60, 4)
    module = torch.arange(60) * 4 // 60
    found = assortativity(*graph, by="category", attribute=module, threshold=3.0, null=Nulls("degree", num=20, rng=5))
    assert (found.null, found.num_nulls, found.threshold, found.by) == ("degree", 20, 3.0, "category")
    assert abs(found.null_mean) < 0.1
    assert found.z > 5


def test_weights_that_differ_by_rounding_alone_are_alike():
    weight = torch.tensor([0.3, 0.1 + 0.2, 0.3, 0.3] * 3).double()
    found = assortativity(RING, weight, 12, by="strength")
    assert math.isnan(found.value)
    assert found.reason.startswith("all linked neurons have strength")


def test_known():
    assert assortativity(STAR, None, 5).value == pytest.approx(-1)
    assert assortativity(PATH, None, 4).value == pytest.approx(-0.5)
    # An edge and a triangle apart: every neuron is linked to neurons of its own degree.
    assert assortativity(torch.tensor([[0, 1, 2, 3], [1, 2, 0, 4]]), None, 5).value == pytest.approx(1)


UNDEFINED = {
    "no edges": (NO_EDGES, 4, "no edge joins two neurons"),
    "one neuron": (torch.tensor([[0], [0]]), 1, "no edge joins two neurons"),
    "a ring": (RING, 12, "all linked neurons have degree 2"),
    "triangles and a lone neuron": (TRIANGLES, 7, "all linked neurons have degree 2"),
}


@pytest.mark.parametrize(("edge_index", "num_nodes", "reason"), UNDEFINED.values(), ids=UNDEFINED.keys())
def test_undefined(edge_index, num_nodes, reason):
    found = assortativity(edge_index, None, num_nodes)
    assert math.isnan(found.value)
    assert found.reason == reason


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        assortativity(edge_index, None, 3)


DIRECTED_UNDEFINED = {
    "a star outwards": (STAR, {}, "all sources of edges have out-degree 4"),
    "a tree outwards": (torch.tensor([[0, 0, 1], [2, 3, 4]]), {}, "all targets of edges have in-degree 1"),
    "one value": (PATH, {"by": "attribute", "attribute": torch.tensor([2.5, 2.5, 2.5, 2.5, 9.0])}, "attribute 2.5"),
    "one category": (PATH, {"by": "category", "attribute": torch.tensor([3, 3, 3, 3, 1])}, "of one category"),
}


@pytest.mark.parametrize(("edge_index", "how", "reason"), DIRECTED_UNDEFINED.values(), ids=DIRECTED_UNDEFINED.keys())
def test_undefined_in_directed_graphs(edge_index, how, reason):
    found = assortativity(edge_index, None, 5, directed=True, **how, null="degree")
    assert math.isnan(found.value)
    assert reason in found.reason
    assert not found.null


BAD_ARGUMENTS = {
    "unknown kind": {"by": "fame"},
    "no attribute": {"by": "attribute"},
    "an attribute that is not used": {"attribute": torch.ones(12)},
    "an attribute of other neurons": {"by": "attribute", "attribute": torch.ones(11)},
    "an attribute that is a list": {"by": "attribute", "attribute": [1.0] * 12},
    "an attribute that is NaN": {"by": "attribute", "attribute": torch.full((12,), math.nan)},
    "categories that are no codes": {"by": "category", "attribute": torch.ones(12)},
    "one end": {"ends": ("out",)},
    "unknown end": {"ends": ("out", "up")},
    "a name for both ends": {"ends": "io"},
    "negative threshold": {"threshold": -1.0},
    "unknown null": {"by": "attribute", "attribute": torch.arange(12), "null": "chance"},
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects_arguments(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        assortativity(RING, None, 12, **arguments)
