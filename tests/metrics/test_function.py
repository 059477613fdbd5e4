from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import roc_auc_score

from graphcortex.graphs import simple_graph
from graphcortex.metrics import anatomy_auc, graph_overlap, like_to_like
from graphcortex.metrics._pairs import EdgeLookup
from graphcortex.metrics.ensemble import Nulls
from graphcortex.testing import assert_bounds, assert_invariant_to_edge_order
from graphcortex.testing.strategies import Edges, edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, RING, complete
from tests.metrics.permutation_laws import assert_reproducible, assert_uniform
from tests.metrics.test_space import random_graph, simple

FEW = {"num_permutations": 9}
PAIRS = importlib.import_module("graphcortex.metrics._pairs")


def matrix(num_nodes: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(num_nodes, num_nodes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_pairs(num_nodes: int, directed: bool) -> list[tuple[int, int]]:
    return [(i, j) for i in range(num_nodes) for j in range(num_nodes) if (i != j if directed else i < j)]


# Like to like


@given(graph=edges(min_nodes=2, max_nodes=7), directed=st.booleans(), method=st.sampled_from(["spearman", "pearson"]))
def test_like_to_like_of_weights_matches_scipy(graph, directed, method):
    S = matrix(graph.num_nodes)
    found = like_to_like(*graph, similarity=S, directed=directed, method=method, **FEW)
    pairs = simple(graph, directed)
    alike = [float(S[i, j] if directed else (S[i, j] + S[j, i]) / 2) for i, j in pairs]
    if len(set(pairs.values())) < 2:
        assert math.isnan(found.value)
        assert found.reason
        return
    expected = (spearmanr if method == "spearman" else pearsonr)(list(pairs.values()), alike).statistic
    assert found.value == pytest.approx(expected, abs=1e-9)
    assert found.mean_linked == pytest.approx(np.mean(alike))


@given(graph=edges(min_nodes=2, max_nodes=7), directed=st.booleans())
def test_like_to_like_of_presence_matches_naive(graph, directed):
    S = matrix(graph.num_nodes)
    found = like_to_like(*graph, similarity=S, relation="presence", directed=directed, **FEW)
    linked, unlinked = [], []
    for i, j in all_pairs(graph.num_nodes, directed):
        alike = float(S[i, j] if directed else (S[i, j] + S[j, i]) / 2)
        (linked if (i, j) in simple(graph, directed) else unlinked).append(alike)
    if not linked or not unlinked:
        assert math.isnan(found.value)
        assert found.reason == ("every pair is linked" if linked else "no edge joins two neurons")
        return
    assert found.value == pytest.approx(np.mean(linked) - np.mean(unlinked), abs=1e-9)
    assert found.mean_unlinked == pytest.approx(np.mean(unlinked))


def naive_similarity(features: torch.Tensor, measure: str) -> torch.Tensor:
    N = len(features)
    S = torch.zeros(N, N, dtype=torch.float64)
    for i in range(N):
        for j in range(N):
            a, b = features[i], features[j]
            if measure == "correlation":
                S[i, j] = np.corrcoef(a, b)[0, 1]
            elif measure == "cosine":
                S[i, j] = a @ b / (a.norm() * b.norm())
            else:
                S[i, j] = math.cos((2 if measure == "orientation" else 1) * float(a - b))
    return S


@pytest.mark.parametrize("relation", ["weight", "presence"])
@pytest.mark.parametrize("measure", ["correlation", "cosine", "orientation", "direction"])
def test_features_give_what_their_matrix_gives(measure, relation):
    graph = random_graph(12, 50, 0)
    features = matrix(12)[:, :5] if measure in ("correlation", "cosine") else matrix(12)[0]
    options = {"relation": relation, "method": "pearson", "num_permutations": 50}
    direct = like_to_like(*graph, features=features, measure=measure, **options)
    by_matrix = like_to_like(*graph, similarity=naive_similarity(features, measure), **options)
    for field in ("value", "null_mean", "null_sd", "p_value", "mean_linked", "mean_unlinked"):
        assert getattr(direct, field) == pytest.approx(getattr(by_matrix, field), abs=1e-9)


def test_the_permuted_neurons_are_those_of_the_similarity():
    """Of three neurons and one edge, the edge falls on each pair as often as on any other."""
    S = torch.tensor([[0, 1, 4], [1, 0, 9], [4, 9, 0]], dtype=torch.float64)
    one = torch.tensor([[0], [1]])
    found = like_to_like(one, None, 3, similarity=S, relation="presence", directed=False, num_permutations=3000)
    by_pair = [1 - 13 / 2, 4 - 10 / 2, 9 - 5 / 2]
    assert found.value == pytest.approx(by_pair[0])
    assert found.null_mean == pytest.approx(np.mean(by_pair), abs=0.5)
    assert found.null_sd == pytest.approx(np.std(by_pair), abs=0.3)


# Overlap


@given(graph=edges(min_nodes=2), directed=st.booleans(), data=st.data())
def test_overlap_matches_sets(graph, directed, data):
    other = data.draw(edges(min_nodes=graph.num_nodes, max_nodes=graph.num_nodes))
    found = graph_overlap(*graph, other.edge_index, other.edge_weight, directed=directed, **FEW)
    mine, theirs = simple(graph, directed), simple(other, directed)
    shared = sorted(mine.keys() & theirs.keys())
    assert found.num_shared == len(shared)
    if not mine and not theirs:
        assert math.isnan(found.value)
        assert found.reason == "neither graph has an edge between two neurons"
        return
    assert found.value == pytest.approx(len(shared) / len(mine.keys() | theirs.keys()))
    assert found.share_of_first == pytest.approx(len(shared) / len(mine) if mine else math.nan, nan_ok=True)
    assert found.share_of_second == pytest.approx(len(shared) / len(theirs) if theirs else math.nan, nan_ok=True)
    a, b = [mine[pair] for pair in shared], [theirs[pair] for pair in shared]
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert found.weight_correlation.value == pytest.approx(pearsonr(a, b).statistic, abs=1e-9)
    else:
        assert found.weight_correlation.reason
    turned = graph_overlap(other.edge_index, other.edge_weight, graph.num_nodes, *graph[:2], directed=directed, **FEW)
    assert turned.value == found.value


def test_a_graph_overlaps_with_itself_and_not_with_its_complement():
    same = graph_overlap(RING, torch.rand(12), 12, RING, torch.rand(12), num_permutations=99)
    assert (same.value, same.num_shared) == (1, 12)
    assert same.p_value == 0.01
    nodes = torch.arange(12)
    other = graph_overlap(RING, None, 12, torch.stack((nodes, (nodes + 2) % 12)), num_permutations=99)
    assert (other.value, other.share_of_first) == (0, 0)
    assert other.weight_correlation.reason == "a graph has no weights"


@pytest.mark.parametrize("directed", [True, False])
def test_degree_preserving_graphs_overlap_more_where_hubs_are_shared(directed):
    hubs = torch.tensor([[0] * 20 + [1] * 20, [*range(2, 22), *range(2, 22)]])
    options = {"num_permutations": 60, "directed": directed}
    renamed = graph_overlap(hubs, None, 24, hubs[:, :35], null="relabelling", **options)
    rewired = graph_overlap(hubs, None, 24, hubs[:, :35], null="degree", **options)
    assert renamed.value == rewired.value == pytest.approx(35 / 40)
    assert rewired.null_mean > 0.7 > renamed.null_mean
    assert (renamed.null, rewired.null) == ("relabelling", "degree")
    assert renamed.p_value < 0.05
    given_nulls = graph_overlap(hubs, None, 24, hubs[:, :35], null=Nulls("degree", num=7, rng=1), directed=directed)
    assert (given_nulls.num_nulls, given_nulls.seed) == (7, 1)


# Anatomy


def judged_pairs(learned: Edges, anatomy: Edges, pairs: list[tuple[int, int]], directed: bool):
    weight, real = (
        simple(learned, directed),
        simple(anatomy._replace(edge_weight=torch.ones_like(anatomy[1])), directed),
    )
    return [pair in real for pair in pairs], [weight.get(pair, 0.0) for pair in pairs]


@given(learned=edges(min_nodes=2), directed=st.booleans(), null=st.sampled_from(["neurons", "pairs"]), data=st.data())
def test_auc_matches_scikit_learn(learned, directed, null, data):
    N = learned.num_nodes
    anatomy = data.draw(edges(min_nodes=N, max_nodes=N))
    found = anatomy_auc(*learned, anatomy.edge_index, directed=directed, null=null, **FEW)
    label, score = judged_pairs(learned, anatomy, all_pairs(N, directed), directed)
    assert (found.num_pairs, found.num_anatomical) == (len(label), sum(label))
    if len(set(label)) == 1:
        assert math.isnan(found.value)
        assert found.reason.endswith("is an anatomical edge")
    else:
        assert found.value == pytest.approx(roc_auc_score(label, score), abs=1e-12)
        assert_bounds([found.value, found.null_mean], 0, 1)


@given(learned=edges(min_nodes=2), directed=st.booleans(), data=st.data())
def test_auc_of_candidates_matches_scikit_learn(learned, directed, data):
    N = learned.num_nodes
    anatomy, candidates = (data.draw(edges(min_nodes=N, max_nodes=N)) for _ in range(2))
    found = anatomy_auc(*learned, anatomy.edge_index, candidates=candidates.edge_index, directed=directed, **FEW)
    ones = candidates._replace(edge_weight=torch.ones_like(candidates.edge_weight))
    label, score = judged_pairs(learned, anatomy, list(simple(ones, directed)), directed)
    assert (found.num_pairs, found.num_anatomical) == (len(label), sum(label))
    if len(set(label)) < 2:
        assert math.isnan(found.value)
    else:
        assert found.value == pytest.approx(roc_auc_score(label, score), abs=1e-12)
        assert found.null == "pairs"


@pytest.mark.parametrize(("sign", "value"), [(1.0, 1.0), (-1.0, 0.0)])
def test_perfect_and_inverted_weights(sign, value):
    graph = complete(12)
    real = graph.edge_weight > 0.8
    weight = torch.exp(sign * graph.edge_weight)
    for null in ("neurons", "pairs"):
        found = anatomy_auc(graph.edge_index, weight, 12, graph.edge_index[:, real], null=null, num_permutations=199)
        assert found.value == value
        assert found.p_value == 1 / 200


def test_equal_weights_know_nothing():
    found = anatomy_auc(complete(9).edge_index, None, 9, RING[:, :8], **FEW)
    assert (found.value, found.p_value, found.null_sd) == (0.5, 1, 0)
    assert anatomy_auc(NO_EDGES, None, 12, RING, **FEW).value == 0.5


def test_shuffled_pairs_vary_as_mann_and_whitney_say():
    graph = complete(20)
    real = complete(20, seed=1).edge_weight > 1
    found = anatomy_auc(*graph, graph.edge_index[:, real], null="pairs", num_permutations=4000)
    a, b = found.num_anatomical, found.num_pairs - found.num_anatomical
    assert found.null_mean == pytest.approx(0.5, abs=4 * found.null_sd / math.sqrt(4000))
    assert found.null_sd == pytest.approx(math.sqrt((a + b + 1) / (12 * a * b)), rel=0.05)


def test_pairs_beyond_what_numpy_draws_at_once_are_drawn_one_by_one(monkeypatch):
    graph = random_graph(30, 200, 0)
    anatomy = random_graph(30, 60, 1).edge_index
    options = {"null": "pairs", "num_permutations": 2000}
    whole = anatomy_auc(*graph, anatomy, **options)
    monkeypatch.setattr(importlib.import_module("graphcortex.metrics.anatomy_auc"), "_MOST_HYPERGEOMETRIC", 1)
    single = anatomy_auc(*graph, anatomy, **options)
    assert single.value == whole.value
    assert single.null_mean == pytest.approx(whole.null_mean, abs=6 * whole.null_sd / math.sqrt(2000))
    assert single.null_sd == pytest.approx(whole.null_sd, rel=0.1)


# What all share


def relations(num_nodes: int, seed: int):
    """Return each function with random arguments, to be called with options."""
    graph, other = random_graph(num_nodes, 40, seed), random_graph(num_nodes, 40, seed + 1000)
    S = matrix(num_nodes, seed)
    return {
        "like to like": lambda g=graph, **options: like_to_like(*g, similarity=S, **options),
        "like to like, presence": lambda g=graph, **options: like_to_like(
            *g, similarity=S, relation="presence", **options
        ),
        "overlap": lambda g=graph, **options: graph_overlap(*g, other.edge_index, other.edge_weight, **options),
        "anatomy": lambda g=graph, **options: anatomy_auc(*g, other.edge_index, **options),
        "anatomy, pairs": lambda g=graph, **options: anatomy_auc(*g, other.edge_index, null="pairs", **options),
    }


NAMES = list(relations(5, 0))


@pytest.mark.parametrize("name", NAMES)
def test_p_values_are_uniform_where_nothing_is_planted(name):
    found = [relations(12, s)[name](num_permutations=19, rng=s) for s in range(250)]
    if name == "overlap":
        assert_uniform([one.weight_correlation.p_value for one in found if one.num_shared > 5], 19)
        # Few counts of shared edges occur, and ties make the test cautious.
        assert np.mean([one.p_value <= 0.1 for one in found]) < 0.15
    else:
        assert_uniform([one.p_value for one in found], 19)


@pytest.mark.parametrize("name", NAMES)
def test_rng_decides(name):
    function = relations(12, 0)[name]
    assert_reproducible(lambda rng: function(num_permutations=20, rng=rng))


@pytest.mark.parametrize("name", NAMES)
def test_values_do_not_depend_on_order_or_unit(name):
    function, graph = relations(12, 0)[name], random_graph(12, 40, 0)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    assert_invariant_to_edge_order(lambda *g: function(Edges(*g), **FEW).value, graph, order)
    scaled = function(Edges(graph.edge_index, -5 * graph.edge_weight, 12), **FEW)
    assert scaled.value == pytest.approx(function(**FEW).value)


def test_relabelling_all_that_belongs_to_the_neurons_changes_nothing():
    graph, other, S = random_graph(12, 40, 0), random_graph(12, 40, 1), matrix(12)
    names = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    back = torch.argsort(names)
    renamed = Edges(names[graph.edge_index], graph.edge_weight, 12)
    theirs = names[other.edge_index]
    for before, after in (
        (like_to_like(*graph, similarity=S, **FEW), like_to_like(*renamed, similarity=S[back][:, back], **FEW)),
        (graph_overlap(*graph, other.edge_index, **FEW), graph_overlap(*renamed, theirs, **FEW)),
        (anatomy_auc(*graph, other.edge_index, **FEW), anatomy_auc(*renamed, theirs, **FEW)),
    ):
        assert after.value == pytest.approx(before.value)


def test_planted_relations_are_found():
    N = 60
    angle = torch.rand(N, generator=torch.Generator().manual_seed(0)) * torch.pi
    graph = random_graph(N, 900, 0)
    alike = torch.cos(2 * (angle[graph.edge_index[0]] - angle[graph.edge_index[1]]))
    weight = (0.5 * alike).exp() * (0.5 + graph.edge_weight)
    options = {"features": angle, "measure": "orientation", "num_permutations": 199}
    assert like_to_like(graph.edge_index, weight, N, **options).z > 4
    some = like_to_like(graph.edge_index[:, alike > 0], None, N, relation="presence", **options)
    assert some.z > 4
    assert some.p_value == 1 / 200
    assert anatomy_auc(graph.edge_index, weight, N, graph.edge_index[:, alike > 0.3], num_permutations=199).z > 4
    assert graph_overlap(*graph, graph.edge_index[:, :300], num_permutations=199).z > 4


@given(graph=edges(min_nodes=2, max_nodes=7), directed=st.booleans(), table=st.booleans())
def test_lookup_finds_each_edge(graph, directed, table):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PAIRS, "_TABLE_UP_TO", 10 if table else 0)
        one = simple_graph(*graph, directed=directed)
        find = EdgeLookup(one)
    nodes = np.arange(graph.num_nodes)
    found = find(nodes[:, None] + 0 * nodes, nodes + 0 * nodes[:, None])
    place = {pair: e for e, pair in enumerate(zip(one.source.tolist(), one.target.tolist(), strict=True))}
    for i in nodes.tolist():
        for j in nodes.tolist():
            pair = (i, j) if directed else (min(i, j), max(i, j))
            assert found[i, j] == place.get(pair, -1)


S3, F3 = torch.rand(3, 3), torch.rand(3, 4)
ONE = torch.tensor([[0], [1]])
BAD_ARGUMENTS = {
    "no similarity": (like_to_like, (ONE, None, 3), {}),
    "both": (like_to_like, (ONE, None, 3), {"similarity": S3, "features": F3}),
    "small matrix": (like_to_like, (ONE, None, 3), {"similarity": S3[:2]}),
    "NaN in the matrix": (like_to_like, (ONE, None, 3), {"similarity": S3 * math.nan}),
    "features of whole numbers": (like_to_like, (ONE, None, 3), {"features": torch.ones(3, 4).long()}),
    "features of a matrix for angles": (like_to_like, (ONE, None, 3), {"features": F3, "measure": "orientation"}),
    "a silent neuron": (like_to_like, (ONE, None, 3), {"features": torch.ones(3, 4)}),
    "unknown measure": (like_to_like, (ONE, None, 3), {"features": F3, "measure": "distance"}),
    "unknown relation": (like_to_like, (ONE, None, 3), {"similarity": S3, "relation": "size"}),
    "unknown method": (like_to_like, (ONE, None, 3), {"similarity": S3, "method": "kendall"}),
    "no permutations": (like_to_like, (ONE, None, 3), {"similarity": S3, "num_permutations": 0}),
    "other graph too large": (graph_overlap, (ONE, None, 3, torch.tensor([[0], [5]])), {}),
    "unknown null": (graph_overlap, (ONE, None, 3, ONE), {"null": "chance"}),
    "negative threshold": (graph_overlap, (ONE, torch.ones(1), 3, ONE), {"other_threshold": -1}),
    "unknown null of an area": (anatomy_auc, (ONE, None, 3, ONE), {"null": "degree"}),
    "candidates and neurons": (anatomy_auc, (ONE, None, 3, ONE), {"null": "neurons", "candidates": ONE}),
    "NaN": (anatomy_auc, (ONE, torch.tensor([math.nan]), 3, ONE), {}),
} | {f"anatomy of {name}": (anatomy_auc, (ONE, None, 3, index), {}) for name, index in BAD_EDGES.items()}


@pytest.mark.parametrize(("function", "arguments", "options"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(function, arguments, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        function(*arguments, **options)
