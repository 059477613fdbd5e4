from __future__ import annotations

import math
import random

import bct
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.metrics import random_null, random_null_statistics
from graphcortex.metrics.random_null import _clustering_and_efficiency, _draw, _draw_upper, _happens


def all_drawn(num_nodes: int, num_nulls: int, threshold: float, seed: int) -> np.ndarray:
    starts = range(0, num_nulls, random_null._batch_size(num_nodes))
    return np.concatenate([_draw(num_nodes, num_nulls, threshold, seed, start) for start in starts])


def bct_statistics(graph: np.ndarray) -> tuple[float, float]:
    matrix = graph.astype(float)
    return bct.clustering_coef_bu(matrix).mean(), bct.efficiency_bin(matrix)


@st.composite
def symmetric_graphs(draw) -> np.ndarray:
    """Draw a batch of symmetric graphs with self-loops, (b, N, N), long paths and separate parts among them."""
    num_nodes = draw(st.integers(2, 9))
    graphs = np.zeros((draw(st.integers(1, 3)), num_nodes, num_nodes), dtype=bool)
    node = st.integers(0, num_nodes - 1)
    for graph in graphs:
        for i, j in draw(st.lists(st.tuples(node, node), max_size=2 * num_nodes)):
            graph[i, j] = graph[j, i] = True
    return graphs


@given(graphs=symmetric_graphs())
def test_matches_bct_on_any_symmetric_graph(graphs):
    clustering, efficiency = _clustering_and_efficiency(graphs)
    expected = np.array([bct_statistics(graph) for graph in graphs]).T
    np.testing.assert_allclose(clustering, expected[0], rtol=0, atol=1e-6)  # float32 within
    np.testing.assert_allclose(efficiency, expected[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("density", [0.02, 0.5, 0.97])
def test_counts_are_exact_in_either_precision(monkeypatch, fast, density):
    """At the highest density neurons share more neighbours than bfloat16 counts, and float32 takes over."""
    monkeypatch.setattr(random_null, "_has_fast_bfloat16", lambda: fast)
    graphs = _draw(330, 1, 1 - (density / 2) ** 0.5 if density < 0.5 else ((1 - density) / 2) ** 0.5, 0, 0)
    expected = bct_statistics(graphs[0])
    clustering, efficiency = _clustering_and_efficiency(graphs)
    assert clustering[0] == pytest.approx(expected[0], abs=1e-12)
    assert efficiency[0] == pytest.approx(expected[1], abs=1e-12)


@pytest.mark.parametrize("num_nodes", [1, 2, 3, 8, 9])
def test_each_pair_of_a_triangle_gets_a_draw_of_its_own(num_nodes):
    rng = np.random.default_rng(0)
    assert np.array_equal(_draw_upper(rng, 1, num_nodes, 1.0)[0], np.triu(np.ones((num_nodes, num_nodes), bool), 1))
    drawn = _draw_upper(rng, 40_000, num_nodes, 0.3)[(slice(None), *np.triu_indices(num_nodes, 1))]
    covariance = np.atleast_2d(np.cov(drawn.T)) if drawn.shape[1] else np.zeros((0, 0))
    np.testing.assert_allclose(covariance, 0.21 * np.eye(len(covariance)), atol=0.01)


@pytest.mark.parametrize("chance", [0.0, 1e-5, 0.18, 0.5, 1.0])
def test_events_have_their_chance(chance):
    n = 2_000_001
    happened = int(_happens(np.random.default_rng(3), (n,), chance).sum())
    assert happened == pytest.approx(n * chance, abs=4 * math.sqrt(n * chance * (1 - chance)) + 1e-9)


@pytest.mark.parametrize("num_nodes", [2, 10, 312])
def test_efficiency_of_a_line_sums_over_every_distance(num_nodes):
    line = np.eye(num_nodes, k=1, dtype=bool) | np.eye(num_nodes, k=-1, dtype=bool)
    expected = sum(2 * (num_nodes - d) / d for d in range(1, num_nodes)) / (num_nodes * (num_nodes - 1))
    _, efficiency = _clustering_and_efficiency(line[None])
    assert efficiency[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("num_nodes", [6, 40])
def test_statistics_are_those_of_bct_on_the_graphs_drawn(num_nodes):
    null = random_null_statistics(num_nodes, num_nulls=30, rng=5)
    graphs = all_drawn(num_nodes, 30, 0.7, 5)
    assert graphs.shape == (30, num_nodes, num_nodes)
    clustering, efficiency = np.array([bct_statistics(graph) for graph in graphs]).T
    assert null.clustering == pytest.approx(clustering.mean(), abs=1e-6)
    assert null.clustering_sd == pytest.approx(clustering.std(), abs=1e-6)
    assert null.efficiency == pytest.approx(efficiency.mean(), abs=1e-9)
    assert null.efficiency_sd == pytest.approx(efficiency.std(), abs=1e-9)
    assert (null.num_nodes, null.num_nulls, null.threshold, null.seed) == (num_nodes, 30, 0.7, 5)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.7, 0.9])
def test_edges_are_as_frequent_as_in_the_rule_followed_literally(threshold):
    rng = np.random.default_rng(1)
    U = rng.random((400, 20, 20))
    literal = (U + U.transpose(0, 2, 1)) / 2 > threshold
    drawn = all_drawn(20, 400, threshold, 0)
    assert np.array_equal(drawn, drawn.transpose(0, 2, 1))
    upper = np.triu_indices(20, 1)
    for pick in (lambda graphs: graphs[:, upper[0], upper[1]], lambda graphs: np.einsum("bii->bi", graphs)):
        ours, theirs = pick(drawn), pick(literal)
        error = 5 * math.sqrt(2 * 0.25 / ours.size)
        assert ours.mean() == pytest.approx(theirs.mean(), abs=error)


def test_the_ensemble_of_the_paper():
    null = random_null_statistics(312, num_nulls=100)
    assert null.clustering == pytest.approx(0.1944, abs=0.001)
    assert null.efficiency == pytest.approx(0.5900, abs=0.0005)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_neither_the_numbers_nor_the_settings(threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        random_null._cached_statistics.cache_clear()
        alone = random_null_statistics(300, num_nulls=9, rng=2)
        torch.set_num_threads(threads)
        random_null._cached_statistics.cache_clear()
        assert random_null_statistics(300, num_nulls=9, rng=2) == alone
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_statistics_are_kept():
    first = random_null_statistics(15, num_nulls=7, rng=3)
    assert random_null_statistics(15, num_nulls=7, rng=3) is first
    assert random_null_statistics(15, num_nulls=7, rng=np.int64(3)) is first
    assert random_null_statistics(15, num_nulls=7, rng=4) != first
    assert random_null_statistics(15, num_nulls=7, threshold=0.6, rng=3) != first
    assert random_null_statistics(15, num_nulls=8, rng=3) != first


def test_a_generator_gives_an_ensemble_of_its_own():
    one, same = (random_null_statistics(15, num_nulls=7, rng=torch.Generator().manual_seed(1)) for _ in range(2))
    assert one == same
    generator = torch.Generator().manual_seed(1)
    random_null_statistics(15, num_nulls=7, rng=generator)
    assert random_null_statistics(15, num_nulls=7, rng=generator) != one


def test_global_generators_are_left_alone():
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    random_null_statistics(11, num_nulls=3)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    assert before == after


def test_extreme_thresholds():
    everything = random_null_statistics(6, num_nulls=3, threshold=0.0)
    assert everything.efficiency == pytest.approx(1)
    assert everything.clustering == pytest.approx(36 / 30)  # six neighbours, itself among them: 36 ends for 30 pairs
    nothing = random_null_statistics(6, num_nulls=3, threshold=1.0)
    assert (nothing.clustering, nothing.efficiency) == (0, 0)


def test_a_single_neuron_has_no_efficiency():
    null = random_null_statistics(1, num_nulls=3)
    assert null.clustering == 0
    assert math.isnan(null.efficiency)


BAD_ARGUMENTS = {
    "no neurons": (0, {}),
    "no graphs": (5, {"num_nulls": 0}),
    "a threshold above 1": (5, {"threshold": 1.5}),
    "a negative seed": (5, {"rng": -1}),
    "no seed": (5, {"rng": None}),
}


@pytest.mark.parametrize(("num_nodes", "keywords"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(num_nodes, keywords):
    with pytest.raises(ValueError, match=r"must .*got"):
        random_null_statistics(num_nodes, **keywords)
