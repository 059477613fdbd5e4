from __future__ import annotations

import math
import random

import bct
import networkx
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from graphcortex.graphs import simple_graph
from graphcortex.metrics import modularity, strongest_edges
from graphcortex.metrics.ensemble import Nulls
from graphcortex.testing import assert_bounds, assert_invariant_to_edge_order
from graphcortex.testing.strategies import Edges, edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, PATH, RING, STAR, TRIANGLES, as_networkx, clustered

SEARCHES = [
    ("leiden", False),
    ("leiden", True),
    ("louvain", False),
    ("fast_greedy", False),
    ("infomap", False),
    ("infomap", True),
]


def dense(graph: Edges, *, directed: bool, weighted: bool = True) -> list[list[float]]:
    """Return the sizes of the summed weights without the diagonal, half of both directions where there is none."""
    N = graph.num_nodes
    W = [[0.0] * N for _ in range(N)]
    linked = [[0.0] * N for _ in range(N)]
    for (i, j), w in zip(graph.edge_index.T.tolist(), graph.edge_weight.tolist(), strict=True):
        if i != j:
            W[i][j] += w
            linked[i][j] = 1.0
    W = [[abs(w) for w in row] for row in W] if weighted else linked
    if directed:
        return W
    if not weighted:
        return [[max(W[i][j], W[j][i]) for j in range(N)] for i in range(N)]
    return [[(W[i][j] + W[j][i]) / 2 for j in range(N)] for i in range(N)]


def naive_modularity(W: list[list[float]], membership: list[int], resolution: float = 1.0) -> float:
    """Sum the formula over all pairs."""
    N = len(W)
    s_out = [sum(row) for row in W]
    s_in = [sum(W[i][j] for i in range(N)) for j in range(N)]
    m = sum(s_out)
    total = 0.0
    for i in range(N):
        for j in range(N):
            if membership[i] == membership[j]:
                total += W[i][j] - resolution * s_out[i] * s_in[j] / m
    return total / m


def partitions(num_nodes: int) -> list[list[int]]:
    """Return every way to divide neurons into modules."""
    found = [[]]
    for _ in range(num_nodes):
        found = [[*old, c] for old in found for c in range(max(old, default=-1) + 2)]
    return found


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("method", "directed"), SEARCHES)
@given(graph=edges(max_nodes=9))
def test_the_value_is_that_of_the_membership(method, directed, weighted, graph):
    weight = graph.edge_weight if weighted else None
    found = modularity(graph.edge_index, weight, graph.num_nodes, method=method, directed=directed)
    assert found.method == method
    assert found.membership.shape == (graph.num_nodes,)
    assert found.membership.dtype == torch.int64
    assert sorted(set(found.membership.tolist())) == list(range(found.num_modules))
    W = dense(graph, directed=directed, weighted=weighted)
    if math.isnan(found.value):
        assert sum(map(sum, W)) == 0
        assert found.reason == "no edge joins two neurons"
        assert found.num_modules == graph.num_nodes
    else:
        assert found.value == pytest.approx(naive_modularity(W, found.membership.tolist()), abs=1e-12)
        assert_bounds(found.value, -1 if directed else -0.5, 1, tolerance=1e-12)
        if method != "infomap":  # which does not look at the value
            assert found.value >= -1e-12


@pytest.mark.parametrize("resolution", [0.5, 1.0, 1.6])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("directed", [False, True])
def test_leiden_finds_the_best_of_all_partitions(directed, weighted, resolution):
    together = np.array([[[c == d for d in p] for c in p] for p in partitions(6)])
    rng = np.random.default_rng(7)
    below = 0
    for trial in range(25):
        linked = rng.random((6, 6)) < rng.uniform(0.2, 0.7)
        linked[0, 1] = True
        edge_index = torch.from_numpy(np.stack(np.nonzero(linked)))
        weight = torch.from_numpy(rng.integers(1, 9, edge_index.size(1)) / 8)
        graph = Edges(edge_index, weight, 6)
        W = np.array(dense(graph, directed=directed, weighted=weighted))
        m = W.sum()
        gain = (W - resolution * np.outer(W.sum(1), W.sum(0)) / m) / m
        best = (together * gain).sum((1, 2)).max()
        found = modularity(
            edge_index, weight if weighted else None, 6, directed=directed, resolution=resolution, rng=trial
        )
        assert found.value <= best + 1e-12
        assert found.value > best - 0.05
        below += found.value < best - 1e-12
    assert below <= 1  # a search may end at a partition that no single move improves


@pytest.mark.parametrize(("method", "directed"), SEARCHES)
@given(graph=edges(max_nodes=9))
@example(graph=Edges(STAR, torch.ones(4), 6))  # Infomap itself puts the lone neuron with the star
def test_no_module_spans_two_components(method, directed, graph):
    found = modularity(graph.edge_index, None, graph.num_nodes, method=method, directed=directed)
    component = {}
    for number, members in enumerate(networkx.connected_components(as_networkx(graph.edge_index, graph.num_nodes))):
        component.update(dict.fromkeys(members, number))
    for i in range(graph.num_nodes):
        for j in range(graph.num_nodes):
            if component[i] != component[j]:
                assert found.membership[i] != found.membership[j]


@pytest.mark.parametrize(("num_nodes", "num_modules"), [(60, 4), (120, 6), (312, 8), (312, 1)])
def test_greedy_merging_agrees_with_networkx(num_nodes, num_modules):
    graph = clustered(num_nodes, num_modules)
    pairs = strongest_edges(*graph)
    peer = as_networkx(pairs, num_nodes)
    theirs = networkx.community.modularity(peer, networkx.community.greedy_modularity_communities(peer))
    # Both merge greedily and break ties differently.
    found = modularity(pairs, None, num_nodes, method="fast_greedy")
    assert found.value == pytest.approx(theirs, abs=0.005)
    assert found.seed is None


@pytest.mark.parametrize("weighted", [False, True])
def test_searches_reach_what_networkx_reaches(weighted):
    graph = clustered(100, 5)
    weight = graph.edge_weight if weighted else None
    peer = networkx.Graph()
    simple = simple_graph(graph.edge_index, weight, 100, directed=False, threshold=3.0 if weighted else 0.0)
    if not weighted:
        pairs = strongest_edges(*graph)
        simple = simple_graph(pairs, None, 100, directed=False)
    values = np.ones(simple.num_edges) if simple.weight is None else simple.weight
    peer.add_weighted_edges_from(zip(simple.source.tolist(), simple.target.tolist(), values.tolist(), strict=True))
    theirs = max(
        networkx.community.modularity(peer, networkx.community.louvain_communities(peer, seed=seed))
        for seed in range(5)
    )
    for method in ("leiden", "louvain"):
        found = modularity(simple.edge_index, simple.edge_weight, 100, method=method)
        modules = [set(np.flatnonzero(found.membership == c).tolist()) & set(peer) for c in range(found.num_modules)]
        modules = [module for module in modules if module]
        assert found.value == pytest.approx(networkx.community.modularity(peer, modules), abs=1e-9)
        assert found.value > theirs - 0.005


@pytest.mark.parametrize("resolution", [0.6, 1.0, 1.7])
def test_the_value_is_that_of_bct_and_networkx_with_direction_and_weights(resolution):
    graph = clustered(40, 3)
    found = modularity(*graph, directed=True, threshold=1.0, resolution=resolution)
    assert found.threshold == 1.0
    assert found.resolution == resolution
    simple = simple_graph(*graph, directed=True, threshold=1.0)
    W = simple.matrix.toarray()
    modules = [set(np.flatnonzero(found.membership == c).tolist()) for c in range(found.num_modules)]
    peer = networkx.from_numpy_array(W, create_using=networkx.DiGraph)
    assert found.value == pytest.approx(networkx.community.modularity(peer, modules, resolution=resolution), abs=1e-9)
    _, theirs = bct.modularity_dir(W, gamma=resolution, kci=found.membership.numpy() + 1)
    assert found.value == pytest.approx(theirs, abs=1e-9)


KNOWN = {
    "two triangles": (TRIANGLES, 6, 0.5, 2),
    "two triangles and a lone neuron": (TRIANGLES, 7, 0.5, 3),
    "a path of four": (PATH, 4, 1 / 6, 2),
    "a star": (STAR, 5, 0.0, 1),
    "one edge": (torch.tensor([[0], [1]]), 2, 0.0, 1),
    "a ring of twelve": (RING, 12, 5 / 12, 3),
}


@pytest.mark.parametrize("method", ["leiden", "louvain", "fast_greedy"])
@pytest.mark.parametrize(("edge_index", "num_nodes", "value", "modules"), KNOWN.values(), ids=KNOWN.keys())
def test_known(edge_index, num_nodes, value, modules, method):
    found = modularity(edge_index, None, num_nodes, method=method)
    assert found.value == pytest.approx(value, abs=1e-12)
    if num_nodes != 12 or method == "fast_greedy":  # three and four modules have one value on the ring
        assert found.num_modules == modules
    assert found.reason == ""


def test_infomap_has_the_modularity_of_its_own_modules():
    block = torch.combinations(torch.arange(6)).T
    two = torch.cat([block, block + 6, torch.tensor([[0], [6]])], dim=1)
    found = modularity(two, None, 12, method="infomap")
    assert found.num_modules == 2
    assert found.value == pytest.approx(30 / 31 - 0.5, abs=1e-12)
    whole = modularity(block, None, 6, method="infomap")
    assert (whole.num_modules, whole.value) == (1, pytest.approx(0, abs=1e-12))


def test_direction_matters_where_it_is_kept():
    # Two groups that feed each other along a ring of sources and targets: without direction they are one cloud.
    edge_index = torch.tensor([[0, 1, 0, 1, 2, 3, 2, 3], [2, 3, 3, 2, 0, 1, 1, 0]])
    kept = torch.cat([edge_index, torch.tensor([[0, 4], [4, 1]])], dim=1)
    along, across = (modularity(kept, None, 5, directed=directed).value for directed in (True, False))
    assert along != across


def test_a_greater_resolution_gives_more_modules():
    pairs = strongest_edges(*clustered(100, 4))
    found = [modularity(pairs, None, 100, resolution=value).num_modules for value in (0.3, 1.0, 3.0)]
    assert found[0] < found[1] < found[2]


def test_direction_repetition_and_self_loops_are_ignored():
    plain = modularity(TRIANGLES, None, 6)
    loops = torch.arange(6).expand(2, 6)
    busy = modularity(torch.cat([TRIANGLES, TRIANGLES.flip(0), TRIANGLES, loops], dim=1), None, 6)
    assert busy.value == plain.value
    assert torch.equal(busy.membership, plain.membership)


@pytest.mark.parametrize("method", ["leiden", "fast_greedy", "infomap"])
@given(graph=edges(max_nodes=9), data=st.data())
def test_neither_the_order_nor_the_unit_of_weights_matters(method, graph, data):
    def value(*graph):
        return modularity(*graph, method=method).value

    order = data.draw(st.permutations(range(graph.edge_index.size(1))))
    assert_invariant_to_edge_order(value, graph, order)
    for factor in (0.125, 1e-300, 1e300):
        scaled = value(graph.edge_index, factor * graph.edge_weight, graph.num_nodes)
        assert scaled == pytest.approx(value(*graph), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(("method", "directed"), SEARCHES)
@pytest.mark.parametrize("weights", [[5e-324, 1e308, 1.0], [0.1, 0.1, 0.1], [1e-320, 1e-320, 3e-320]])
def test_weights_of_any_size_are_searched(method, directed, weights):
    found = modularity(
        torch.tensor([[0, 1, 3], [1, 2, 4]]),
        torch.tensor(weights, dtype=torch.float64),
        5,
        method=method,
        directed=directed,
    )
    assert math.isfinite(found.value)


def test_the_same_seed_gives_the_same_and_global_generators_are_left_alone():
    pairs = torch.randint(0, 40, (2, 200), generator=torch.Generator().manual_seed(3))
    random.seed(5)
    before = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first = modularity(pairs, None, 40, num_starts=1, rng=4)
    second = modularity(pairs, None, 40, num_starts=1, rng=4)
    assert torch.equal(first.membership, second.membership)
    assert first.seed == 4
    others = [modularity(pairs, None, 40, num_starts=1, rng=seed).membership.tolist() for seed in range(8)]
    assert any(other != others[0] for other in others)
    drawn = modularity(pairs, None, 40, num_starts=1, rng=torch.Generator().manual_seed(0))
    again = modularity(pairs, None, 40, num_starts=1, rng=drawn.seed)
    assert torch.equal(drawn.membership, again.membership)
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert np.random.get_state()[1].tolist() == before[2]  # noqa: NPY002


def test_more_starts_are_never_worse():
    pairs = torch.randint(0, 60, (2, 240), generator=torch.Generator().manual_seed(1))
    values = [modularity(pairs, None, 60, num_starts=starts).value for starts in (1, 3, 20)]
    assert values == sorted(values)
    assert values[0] < values[2]


def test_is_compared_with_random_graphs():
    pairs = strongest_edges(*clustered(60, 4))
    found = modularity(pairs, None, 60, null=Nulls("degree", 8))
    assert (found.null, found.num_nulls) == ("degree", 8)
    assert 0 < found.null_mean < found.value
    assert found.z > 5
    random_graph = torch.randint(0, 60, (2, 300), generator=torch.Generator().manual_seed(0))
    assert abs(modularity(random_graph, None, 60, null=Nulls("degree", 20)).z) < 4


@pytest.mark.parametrize("num_nodes", [1, 4])
def test_without_edges_there_is_none(num_nodes):
    found = modularity(NO_EDGES, None, num_nodes)
    assert math.isnan(found.value)
    assert found.reason == "no edge joins two neurons"


def test_nothing_above_the_threshold_is_no_edge():
    found = modularity(TRIANGLES, torch.ones(6), 6, threshold=1.0)
    assert math.isnan(found.value)
    assert found.threshold == 1.0


BAD_ARGUMENTS = {
    "an unknown method": {"method": "newman"},
    "direction with greedy merging": {"method": "fast_greedy", "directed": True},
    "direction with Louvain": {"method": "louvain", "directed": True},
    "resolution with Infomap": {"method": "infomap", "resolution": 2.0},
    "resolution with greedy merging": {"method": "fast_greedy", "resolution": 2.0},
    "no resolution": {"resolution": 0.0},
    "no starts": {"num_starts": 0},
    "a negative threshold": {"threshold": -1.0},
    "no seed": {"rng": None},
    "an unknown null": {"null": "cubic"},
    "no null": {"null": 3},
}


@pytest.mark.parametrize("keywords", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects_arguments(keywords):
    with pytest.raises(ValueError, match=r"must .*got"):
        modularity(TRIANGLES, None, 6, **keywords)


def test_rejects_weights_that_are_not_finite():
    with pytest.raises(ValueError, match=r"must .*got"):
        modularity(TRIANGLES, torch.tensor([1, 1, math.nan, 1, 1, 1]), 6)


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        modularity(edge_index, None, 3)
