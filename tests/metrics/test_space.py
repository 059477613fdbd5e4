from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp, pearsonr, spearmanr, wasserstein_distance

from graphcortex.graphs import simple_graph
from graphcortex.metrics import PermutationResult, length_distribution, weight_length_correlation, wiring_length
from graphcortex.metrics.length_distribution import length_distribution_of
from graphcortex.testing import assert_invariant_to_edge_order
from graphcortex.testing.strategies import Edges, edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, RING, complete
from tests.metrics.permutation_laws import assert_reproducible, assert_uniform

FEW = {"num_permutations": 9}
FUNCTIONS = {
    "wiring_length": wiring_length,
    "length_distribution": length_distribution,
    "weight_length_correlation": weight_length_correlation,
}


def places(num_nodes: int, seed: int = 0) -> torch.Tensor:
    return 100 * torch.rand(num_nodes, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def simple(graph: Edges, directed: bool) -> dict[tuple[int, int], float]:
    """Sum repeated edges, drop self-connections and zeros, and join both directions, one edge at a time."""
    total: dict[tuple[int, int], float] = {}
    for (i, j), w in zip(graph.edge_index.T.tolist(), graph.edge_weight.tolist(), strict=True):
        if i != j:
            total[i, j] = total.get((i, j), 0.0) + w
    if not directed:
        both: dict[tuple[int, int], float] = {}
        for (i, j), w in total.items():
            pair = (min(i, j), max(i, j))
            both[pair] = both.get(pair, 0.0) + abs(w) / 2
        total = both
    return {pair: abs(w) for pair, w in total.items() if w != 0}


def distance(pos: torch.Tensor, i: int, j: int) -> float:
    return math.dist(pos[i].tolist(), pos[j].tolist())


@given(graph=edges(max_nodes=7), directed=st.booleans(), weighted=st.booleans())
def test_wiring_length_matches_naive(graph, directed, weighted):
    pos = places(graph.num_nodes)
    found = wiring_length(*graph, pos, weighted=weighted, directed=directed, **FEW)
    total = amount = 0.0
    pairs = simple(graph, directed)
    for (i, j), w in pairs.items():
        total += (w if weighted else 1) * distance(pos, i, j)
        amount += w if weighted else 1
    assert found.total == pytest.approx(total)
    assert found.num_edges == len(pairs)
    assert found.value == pytest.approx(total / amount if pairs else math.nan, nan_ok=True)
    assert math.isnan(found.value) == (found.reason == "no edge joins two neurons")


@given(graph=edges(min_nodes=2, max_nodes=7), directed=st.booleans())
def test_length_distribution_matches_scipy(graph, directed):
    pos = places(graph.num_nodes)
    found = length_distribution(*graph, pos, directed=directed, **FEW)
    mine = [distance(pos, i, j) for i, j in simple(graph, directed)]
    everyone = [distance(pos, i, j) for i in range(graph.num_nodes) for j in range(i)]
    if not mine:
        assert math.isnan(found.value)
        assert found.reason == found.ks.reason == "no edge joins two neurons"
        return
    assert found.value == pytest.approx(wasserstein_distance(mine, everyone), abs=1e-9)
    assert found.ks.value == pytest.approx(ks_2samp(mine, everyone).statistic, abs=1e-9)
    assert found.mean_of_edges == pytest.approx(np.mean(mine))
    assert found.mean_of_pairs == pytest.approx(np.mean(everyone))
    assert found.method == "all_pairs"


@given(graph=edges(min_nodes=3, max_nodes=7), directed=st.booleans())
def test_weight_length_correlation_matches_scipy(graph, directed):
    pos = places(graph.num_nodes)
    found = weight_length_correlation(*graph, pos, directed=directed, **FEW)
    pairs = simple(graph, directed)
    weight, length = list(pairs.values()), [distance(pos, i, j) for i, j in pairs]
    assert found.num_edges == len(pairs)
    if len(pairs) < 2 or len(set(weight)) == 1 or np.ptp(length) < 1e-9:
        assert math.isnan(found.value)
        assert found.reason
        assert found.pearson.reason == found.reason
        return
    # The distance of a pair is the same in both directions, and so are their ranks.
    length = [round(d, 9) for d in length]
    assert found.value == pytest.approx(spearmanr(weight, length).statistic, abs=1e-9)
    assert found.pearson.value == pytest.approx(pearsonr(weight, length).statistic, abs=1e-7)


@given(graph=edges(min_nodes=2), data=st.data())
def test_values_do_not_depend_on_names_order_or_moves_of_the_tissue(graph, data):
    pos = places(graph.num_nodes)
    names = torch.tensor(data.draw(st.permutations(range(graph.num_nodes))))
    renamed = torch.empty_like(pos)
    renamed[names] = pos
    turn = torch.linalg.qr(places(3, seed=1))[0]
    for function in FUNCTIONS.values():

        def value(*g, function=function):
            return function(*g, pos, **FEW).value

        assert_invariant_to_edge_order(value, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))))
        for moved in (
            function(names[graph.edge_index], graph.edge_weight, graph.num_nodes, renamed, **FEW),
            function(*graph, pos @ turn + 5, **FEW),
            function(graph.edge_index, -4 * graph.edge_weight, graph.num_nodes, pos, **FEW),
        ):
            assert moved.value == pytest.approx(value(*graph), abs=1e-9, nan_ok=True)


def test_lengths_are_in_the_unit_of_the_positions():
    graph, pos = complete(8), places(8)
    assert wiring_length(*graph, 3 * pos, **FEW).value == pytest.approx(3 * wiring_length(*graph, pos, **FEW).value)
    sparse = Edges(RING, torch.rand(12), 12)
    near, far = (length_distribution(*sparse, scale * places(12), **FEW) for scale in (1, 3))
    assert far.value == pytest.approx(3 * near.value)
    assert far.ks.value == pytest.approx(near.ks.value)


def test_sampled_pairs_stay_within_the_resolution(monkeypatch):
    N = 1100
    pos = places(N)
    edge_index = torch.randint(N, (2, 4000), generator=torch.Generator().manual_seed(1))
    near = (pos[edge_index[0]] - pos[edge_index[1]]).norm(dim=1) < 60
    graph = simple_graph(edge_index[:, near], None, N, pos=pos)
    sampled = length_distribution_of(graph, **FEW)
    monkeypatch.setitem(length_distribution_of.__globals__, "_ALL_PAIRS_UP_TO", N)
    exact = length_distribution_of(graph, num_permutations=2)
    assert (sampled.method, exact.method) == ("sampled", "all_pairs")
    assert 0 < sampled.resolution < 0.02
    # Half a bin, and the error of a mean over four million pairs of a standard deviation of 25 um.
    assert sampled.value == pytest.approx(exact.value, abs=sampled.resolution + 4 * 25 / 2000)
    assert sampled.ks.value == pytest.approx(exact.ks.value, abs=0.003)
    assert sampled.mean_of_pairs == pytest.approx(exact.mean_of_pairs, abs=0.1)


def random_graph(num_nodes: int, num_edges: int, seed: int) -> Edges:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.rand(num_edges, generator=generator, dtype=torch.float64)
    return Edges(torch.randint(num_nodes, (2, num_edges), generator=generator), weight, num_nodes)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_p_values_are_uniform_where_nothing_is_planted(name):
    found = [FUNCTIONS[name](*random_graph(12, 30, s), places(12, s), num_permutations=19, rng=s) for s in range(300)]
    assert_uniform([one.p_value for one in found], 19)
    second = {"length_distribution": "ks", "weight_length_correlation": "pearson"}.get(name)
    if second:
        assert_uniform([getattr(one, second).p_value for one in found], 19)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_planted_relation_is_found(name):
    pos = places(60)
    graph = random_graph(60, 900, 0)
    length = (pos[graph.edge_index[0]] - pos[graph.edge_index[1]]).norm(dim=1)
    near = length < 50
    weight = (torch.exp(-length / 30) + 0.1 * graph.edge_weight)[near]
    found = FUNCTIONS[name](graph.edge_index[:, near], weight, 60, pos, num_permutations=199)
    assert found.p_value == 1 / 200
    assert found.z > 4 if name == "length_distribution" else found.z < -4
    assert isinstance(found, PermutationResult)
    if name == "wiring_length":
        heavy = wiring_length(graph.edge_index[:, near], weight, 60, pos, weighted=True, num_permutations=199)
        assert heavy.value < found.value


def test_the_mean_over_permutations_is_that_of_all_pairs():
    graph, pos = random_graph(15, 60, 0), places(15)
    found = wiring_length(*graph, pos, num_permutations=4000)
    mean = np.mean([distance(pos, i, j) for i in range(15) for j in range(i)])
    assert found.null_mean == pytest.approx(mean, abs=4 * found.null_sd / math.sqrt(4000))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rng_decides(name):
    graph, pos = random_graph(12, 40, 0), places(12)
    assert_reproducible(lambda rng: FUNCTIONS[name](*graph, pos, num_permutations=20, rng=rng))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_degenerate_graphs(name):
    function = FUNCTIONS[name]
    for N in (1, 4):
        assert math.isnan(function(NO_EDGES, None, N, places(N), **FEW).value)
    equal = function(complete(6).edge_index, None, 6, places(6), **FEW)
    if name == "weight_length_correlation":
        assert equal.reason == "all weights are equal"
    else:
        assert equal.p_value == 1  # every permutation of a complete graph is the graph
        assert math.isnan(equal.z)
    at_one_place = function(*random_graph(12, 40, 0), torch.ones(12, 3), **FEW)
    if name == "weight_length_correlation":
        assert at_one_place.reason == "all lengths are equal"
    else:
        assert at_one_place.value == 0


def test_many_neurons_at_one_place():
    graph = simple_graph(*random_graph(1100, 2000, 0), pos=torch.zeros(1100, 3))
    found = length_distribution_of(graph, **FEW)
    assert (found.value, found.ks.value, found.p_value) == (0, 0, 1)


def test_the_threshold_leaves_strong_edges():
    graph, pos = random_graph(12, 40, 0), places(12)
    strong = simple_graph(*graph, threshold=0.5)
    assert 0 < strong.num_edges < simple_graph(*graph).num_edges
    found = wiring_length(*graph, pos, threshold=0.5, **FEW)
    assert (found.num_edges, found.threshold) == (strong.num_edges, 0.5)


BAD_ARGUMENTS = {name: ((index, None, 3, torch.rand(3, 3)), {}) for name, index in BAD_EDGES.items()} | {
    "flat positions": ((RING, None, 12, torch.rand(12, 2)), {}),
    "positions of voxels": ((RING, None, 12, torch.ones(12, 3).long()), {}),
    "NaN positions": ((RING, None, 12, torch.full((12, 3), math.nan)), {}),
    "NaN weights": ((RING, torch.full((12,), math.nan), 12, torch.rand(12, 3)), {}),
    "no permutations": ((RING, torch.rand(12), 12, torch.rand(12, 3)), {"num_permutations": 0}),
    "negative threshold": ((RING, torch.rand(12), 12, torch.rand(12, 3)), {"threshold": -1}),
    "bad seed": ((RING, torch.rand(12), 12, torch.rand(12, 3)), {"rng": -1}),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
@pytest.mark.parametrize(("arguments", "options"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(function, arguments, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        function(*arguments, **options)
