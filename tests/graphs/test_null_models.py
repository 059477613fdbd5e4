from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import NULL_MODELS, SimpleGraph, get_null_model, simple_graph
from graphcortex.graphs.rewiring import LENGTH_BINS, LengthBins
from graphcortex.graphs.strengths import STRENGTH_TOLERANCE
from graphcortex.testing.strategies import edges

MODELS = pytest.mark.parametrize("name", NULL_MODELS)
DIRECTIONS = pytest.mark.parametrize("directed", [True, False])

KEEPS = {
    "erdos_renyi": {"weights", "pos"},
    "degree": {"weights", "pos", "degrees"},
    "degree_length": {"weights", "pos", "degrees", "lengths", "weights by length"},
    "weights": {"weights", "pos", "degrees", "lengths", "edges"},
    "positions": {"weights", "degrees", "edges", "weight of each edge"},
    "lattice": {"weights", "pos"},
    "degree_lattice": {"weights", "pos", "degrees"},
    "signed_strength": {"pos", "degrees", "signed degrees"},
}
"""What each model keeps, to the last edge, besides the numbers of neurons and edges."""


def measured(graph: SimpleGraph, bins_of: SimpleGraph) -> dict[str, object]:
    """Everything that a null model may keep. Lengths are counted in the bins of the graph that was given."""
    pairs = list(zip(graph.source.tolist(), graph.target.tolist(), strict=True))
    signs = [1] * len(pairs) if graph.sign is None else graph.sign.tolist()
    # A pair without direction of which each direction has another sign is told by 0.
    weights = list(zip([1.0] * len(pairs) if graph.weight is None else graph.weight.tolist(), signs, strict=True))
    signed = Counter((i, sign, "out") for (i, _), sign in zip(pairs, signs, strict=True))
    signed += Counter((j, sign, "in" if graph.directed else "out") for (_, j), sign in zip(pairs, signs, strict=True))
    longest = max((dist(bins_of, i, j) for i, j in zip(bins_of.source, bins_of.target, strict=True)), default=0.0)
    binned = [int(dist(graph, i, j) / longest * LENGTH_BINS * (1 - 1e-9)) if longest else 0 for i, j in pairs]
    return {
        "weights": sorted(weights),
        "pos": graph.pos.tolist(),
        "degrees": (graph.out_degree.tolist(), graph.in_degree.tolist()),
        "signed degrees": signed,
        "lengths": sorted(binned),
        "weights by length": sorted(zip(binned, weights, strict=True)),
        "edges": pairs,
        "weight of each edge": sorted(zip(pairs, weights, strict=True)),
    }


def dist(graph: SimpleGraph, i: int, j: int) -> float:
    return float(np.sqrt(sum((graph.pos[i, k] - graph.pos[j, k]) ** 2 for k in range(3))))


def random_graph(N=60, density=0.1, *, directed=True, weighted=True, signed=False, seed=0, reach=200.0) -> SimpleGraph:
    """A graph in space, of near pairs above all, many of them both ways; no two weights are alike."""
    rng = np.random.default_rng(seed)
    pos = rng.random((N, 3)) * 500
    apart = np.linalg.norm(pos[:, None] - pos[None], axis=-1)
    draw = rng.random((N, N))
    draw = np.where(rng.random((N, N)) < 0.5, draw, draw.T)
    score = np.log(draw) * np.exp(apart / reach)
    np.fill_diagonal(score, -np.inf)
    kept = np.argsort(-score, axis=None)[: int(density * N * (N - 1))]
    edge_index = torch.from_numpy(np.array(np.divmod(kept, N)))
    weight = torch.from_numpy(rng.random(kept.size) + 0.5) if weighted else None
    if signed:
        weight = weight * torch.from_numpy(np.where(rng.random(kept.size) < 0.3, -1.0, 1.0))
    return simple_graph(edge_index, weight, N, directed=directed, pos=torch.from_numpy(pos))


def complete(N: int, directed: bool) -> SimpleGraph:
    return random_graph(N, 1.0, directed=directed)


def same(a: SimpleGraph, b: SimpleGraph) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("source", "target", "weight", "sign", "pos")
    )


def assert_simple(graph: SimpleGraph) -> None:
    key = graph.source * graph.num_nodes + graph.target
    assert (np.diff(key) > 0).all()
    assert graph.source.dtype == graph.target.dtype == np.int64
    assert ((graph.source >= 0) & (graph.target < graph.num_nodes)).all()
    assert (graph.source != graph.target).all() if graph.directed else (graph.source < graph.target).all()


def check(name: str, given_graph: SimpleGraph, seed: int) -> None:
    before = measured(given_graph, given_graph)
    drawn = NULL_MODELS[name].draw(given_graph, seed)
    assert_simple(drawn)
    assert (drawn.num_nodes, drawn.num_edges, drawn.directed) == (
        given_graph.num_nodes,
        given_graph.num_edges,
        given_graph.directed,
    )
    assert (drawn.weight is None) == (given_graph.weight is None)
    found = measured(drawn, given_graph)
    for kept in KEEPS[name]:
        assert found[kept] == before[kept], kept
    assert measured(given_graph, given_graph) == before
    assert same(NULL_MODELS[name].draw(given_graph, seed), drawn)


def test_each_model_says_what_it_keeps():
    assert KEEPS.keys() == NULL_MODELS.keys()
    assert all(model.name == name for name, model in NULL_MODELS.items())


@MODELS
@given(graph=edges(max_nodes=7), directed=st.booleans(), weighted=st.booleans(), seed=st.integers(0, 2**62 - 1))
def test_keeps_what_it_says_on_degenerate_graphs(name, graph, directed, weighted, seed):
    pos = torch.from_numpy(np.random.default_rng(seed).integers(0, 4, (graph.num_nodes, 3)) * 10.0)
    weight = graph.edge_weight if weighted else None
    check(name, simple_graph(graph.edge_index, weight, graph.num_nodes, directed=directed, pos=pos), seed)


@MODELS
@DIRECTIONS
@pytest.mark.parametrize("density", [0.02, 0.2, 0.7, 0.97])
def test_keeps_what_it_says(name, directed, density):
    check(name, random_graph(50, density, directed=directed), 3)
    check(name, random_graph(50, density, directed=directed, weighted=False), 4)
    check(name, random_graph(50, density, directed=directed, signed=True), 5)


@DIRECTIONS
@pytest.mark.parametrize("name", ["degree", "degree_length", "degree_lattice"])
def test_sorted_edges_give_the_same_graphs_as_a_table(name, directed, monkeypatch):
    graph = random_graph(60, 0.15, directed=directed)
    with_table = NULL_MODELS[name].draw(graph, 5)
    monkeypatch.setattr("graphcortex.graphs.swaps._TABLE_NODES", 0)
    assert same(NULL_MODELS[name].draw(graph, 5), with_table)


@MODELS
def test_seeds_give_different_graphs_and_the_global_generators_are_left_alone(name):
    graph = random_graph()
    state, torch_state = random.getstate(), torch.get_rng_state()
    one, two = (NULL_MODELS[name].draw(graph, seed) for seed in (1, 2))
    assert not same(one, two)
    assert random.getstate() == state
    assert torch.equal(torch.get_rng_state(), torch_state)


# --- it mixes ---------------------------------------------------------------------------------------


def fingerprint(graph: SimpleGraph, first: SimpleGraph) -> tuple[float, float, float]:
    """Overlap with the first graph, reciprocity (or 1), clustering of the graph without direction."""
    N = graph.num_nodes
    key = graph.source * N + graph.target
    overlap = np.isin(key, first.source * N + first.target).mean()
    back = np.isin(graph.target * N + graph.source, key).mean()
    A = (graph.undirected().matrix.toarray() > 0).astype(float)
    return float(overlap), float(back), float(np.trace(A @ A @ A) / (A @ A).sum())


@DIRECTIONS
@pytest.mark.parametrize(
    ("name", "density"),
    [("degree", 0.03), ("degree", 0.12), ("degree", 0.4), ("degree_length", 0.03), ("degree_length", 0.12)],
)
def test_it_mixes(name, density, directed, monkeypatch):
    graph = random_graph(70, density, directed=directed, weighted=False)
    short = [fingerprint(NULL_MODELS[name].draw(graph, seed), graph) for seed in range(12)]
    monkeypatch.setattr("graphcortex.graphs.rewiring.SWAPS_PER_EDGE", 40)
    monkeypatch.setattr("graphcortex.graphs.rewiring.MAX_ROUNDS", 3000)
    long = [fingerprint(NULL_MODELS[name].draw(graph, seed), graph) for seed in range(100, 104)]
    start = np.array(fingerprint(graph, graph))
    drift = np.abs(np.mean(short, axis=0) - np.mean(long, axis=0))
    error = np.std(short, axis=0) * np.sqrt(1 / 12 + 1 / 4)
    # What a longer run would still change is noise, or little of the way that was gone.
    assert (drift <= np.maximum(3.5 * error, 0.02 * np.abs(start - np.mean(long, axis=0))) + 1e-12).all()


def test_every_graph_of_the_degrees_is_as_probable():
    # Each of 0, 1, 2 to two of 3, 4, 5, whom two reach: six graphs, three of them an odd number of exchanges away.
    pairs = [(i, 3 + j) for i in range(3) for j in range(3) if i != j]
    graph = simple_graph(torch.tensor(pairs).T, None, 6)
    seen = Counter(NULL_MODELS["degree"].draw(graph, seed).target.tobytes() for seed in range(600))
    assert len(seen) == number_of_graphs(graph)
    assert (
        sum((count - 100) ** 2 / 100 for count in seen.values()) < 20.5
    )  # chi-squared of 5 degrees of freedom, p = .001


def number_of_graphs(graph: SimpleGraph) -> int:
    """Count the simple directed graphs with the same degrees, one row after another."""
    N, outs, ins = graph.num_nodes, graph.out_degree.tolist(), graph.in_degree.tolist()

    def count(i: int, left: tuple[int, ...]) -> int:
        if i == N:
            return int(not any(left))
        total = 0
        for chosen in combinations([j for j in range(N) if j != i and left[j]], outs[i]):
            total += count(i + 1, tuple(left[j] - (j in chosen) for j in range(N)))
        return total

    return count(0, tuple(ins))


def test_two_edges_end_up_either_way():
    graph = simple_graph(torch.tensor([[0, 1], [2, 3]]), None, 4)
    crossed = sum(NULL_MODELS["degree"].draw(graph, seed).target.tolist() == [3, 2] for seed in range(200))
    assert 70 < crossed < 130


# --- where there is nothing to draw -----------------------------------------------------------------

FROZEN = {
    "a star": ([(0, i) for i in range(1, 6)], 6),
    "one edge": ([(0, 1)], 2),
    "one edge and lone neurons": ([(0, 1)], 5),
    "none": ([], 4),
    "one neuron": ([], 1),
}


@DIRECTIONS
@pytest.mark.parametrize("case", FROZEN.values(), ids=FROZEN.keys())
@pytest.mark.parametrize("name", ["degree", "degree_length", "degree_lattice"])
def test_where_no_exchange_is_possible_the_graph_stays(name, case, directed):
    pairs, N = case
    edge_index = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
    graph = simple_graph(edge_index, None, N, directed=directed, pos=torch.rand(N, 3))
    assert same(NULL_MODELS[name].draw(graph, 0), graph)


@MODELS
@DIRECTIONS
@pytest.mark.parametrize("N", [2, 3, 30])
def test_of_a_complete_graph_the_links_stay(name, directed, N):
    graph = complete(N, directed)
    drawn = NULL_MODELS[name].draw(graph, 1)
    assert np.array_equal(drawn.source, graph.source)
    assert np.array_equal(drawn.target, graph.target)


@pytest.mark.parametrize("name", ["degree_length", "positions"])
def test_positions_must_be_there(name):
    graph = simple_graph(torch.tensor([[0], [1]]), None, 2)
    with pytest.raises(ValueError, match=r"pos must .*got None; give pos"):
        NULL_MODELS[name].draw(graph, 0)


@pytest.mark.parametrize("num_bins", [0, 27, 2.5])
def test_bins_must_be_few(num_bins):
    with pytest.raises(ValueError, match=r"num_bins must be .*got"):
        LengthBins(random_graph(), num_bins)


def test_a_model_must_exist():
    with pytest.raises(ValueError, match="null must be"):
        get_null_model("degrees")


# --- what each is for -------------------------------------------------------------------------------


@pytest.mark.parametrize(("directed", "slots"), [(True, 30), (False, 15)])
@pytest.mark.parametrize("M", [1, 7, 12])
def test_erdos_renyi_draws_all_pairs_alike(directed, slots, M):
    pairs = [(i, j) for i in range(6) for j in range(6) if i < j or (directed and i != j)][:M]
    graph = simple_graph(torch.tensor(pairs).T, None, 6, directed=directed)
    count = np.zeros((6, 6))
    for seed in range(600):
        drawn = NULL_MODELS["erdos_renyi"].draw(graph, seed)
        count[drawn.source, drawn.target] += 1
    count = count[count > 0]
    expected = 600 * M / slots
    assert count.size == slots
    assert np.abs(count - expected).max() < 4.5 * np.sqrt(expected * (1 - M / slots))


@DIRECTIONS
@given(N=st.integers(1, 9), data=st.data())
def test_a_lattice_links_the_nearest_on_the_ring(directed, N, data):
    slots = [(i, j) for i in range(N) for j in range(N) if i < j or (directed and i != j)]
    M = data.draw(st.integers(0, len(slots)))
    edge_index = torch.tensor(slots[:M], dtype=torch.int64).reshape(-1, 2).T
    graph = simple_graph(edge_index, torch.arange(1.0, M + 1), N, directed=directed)
    drawn = NULL_MODELS["lattice"].draw(graph, data.draw(st.integers(0, 99)))
    ring = {(i, j): min((i - j) % N, (j - i) % N) for i, j in slots}
    found = [ring[pair] for pair in zip(drawn.source.tolist(), drawn.target.tolist(), strict=True)]
    assert sorted(found) == sorted(ring.values())[:M]
    by_strength = [d for _, d in sorted(zip(-drawn.weight, found, strict=True))]
    assert by_strength == sorted(found)


def test_a_lattice_of_full_rings_has_no_chance_in_it():
    ring = simple_graph(torch.randint(20, (2, 500), generator=torch.Generator().manual_seed(0)), None, 20)
    M = 20 * 2 * 5
    graph = simple_graph(ring.edge_index[:, :M], None, 20)
    assert same(NULL_MODELS["lattice"].draw(graph, 0), NULL_MODELS["lattice"].draw(graph, 1))


@DIRECTIONS
def test_a_degree_lattice_is_clustered(directed):
    graph = random_graph(150, 0.05, directed=directed, weighted=False, reach=1e9)
    lattice, rewired = (
        fingerprint(NULL_MODELS[name].draw(graph, 0), graph)[2] for name in ("degree_lattice", "degree")
    )
    assert lattice > 4 * rewired


def test_a_degree_lattice_is_as_clustered_as_that_of_bctpy():
    import bct

    graph = random_graph(60, 0.12, weighted=False, reach=1e9)
    theirs = bct.latmio_dir(graph.matrix.toarray(), 10, seed=0)[0]
    peer = simple_graph(torch.from_numpy(np.array(theirs.nonzero())), None, 60)
    ours = np.mean([fingerprint(NULL_MODELS["degree_lattice"].draw(graph, seed), graph)[2] for seed in range(3)])
    assert ours > 0.9 * fingerprint(peer, graph)[2]


def test_strong_edges_of_a_degree_lattice_are_short():
    graph = random_graph(100, 0.1)
    drawn = NULL_MODELS["degree_lattice"].draw(graph, 0)
    # The ring is not known here; but the sources keep their weights.
    assert np.allclose(drawn.out_strength, graph.out_strength)


@DIRECTIONS
def test_lengths_are_kept_while_rewiring_alone_would_not(directed):
    graph = random_graph(100, 0.05, directed=directed, reach=60.0)

    def mean(g):
        return float(np.mean([dist(g, i, j) for i, j in zip(g.source, g.target, strict=True)]))

    kept, lost = (mean(NULL_MODELS[name].draw(graph, 0)) for name in ("degree_length", "degree"))
    assert kept == pytest.approx(mean(graph), rel=0.05)
    assert lost > 1.2 * mean(graph)


# --- signs and strengths ----------------------------------------------------------------------------


def strengths(graph: SimpleGraph) -> np.ndarray:
    """Sum rows and columns of the matrix of each sign: shape (3, 2, N), for -1, 0 and +1; both are one without direction."""
    sums = np.zeros((3, 2, graph.num_nodes))
    signs = np.ones(graph.num_edges, dtype=int) if graph.sign is None else graph.sign
    for i, j, w, sign in zip(graph.source, graph.target, graph.weight, signs, strict=True):
        sums[sign + 1, 0, i] += w
        sums[sign + 1, 1, j] += w
    return sums if graph.directed else sums.sum(1, keepdims=True)


@given(
    graph=edges(max_nodes=8),
    directed=st.booleans(),
    scale=st.sampled_from([1e-30, 1.0, 1e30]),
    seed=st.integers(0, 2**62 - 1),
)
def test_signed_strengths_are_kept_on_degenerate_graphs(graph, directed, scale, seed):
    sign = torch.from_numpy(np.random.default_rng(seed).choice([-1.0, 1.0], graph.edge_index.size(1)))
    weight = (graph.edge_weight.double() + 0.1) * sign * scale
    given_graph = simple_graph(graph.edge_index, weight, graph.num_nodes, directed=directed)
    drawn = NULL_MODELS["signed_strength"].draw(given_graph, seed)
    np.testing.assert_allclose(strengths(drawn), strengths(given_graph), rtol=STRENGTH_TOLERANCE)
    assert drawn.num_edges == 0 or (drawn.weight > 0).all()


@DIRECTIONS
@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("heavy", [False, True])
def test_signed_strengths_are_kept(directed, density, heavy):
    graph = random_graph(50, density, directed=directed, signed=True)
    if heavy:  # weights over six orders of magnitude
        graph = replace(graph, weight=10 ** (6 * graph.weight))
    drawn = NULL_MODELS["signed_strength"].draw(graph, 7)
    assert drawn.sign is not None
    np.testing.assert_allclose(strengths(drawn), strengths(graph), rtol=STRENGTH_TOLERANCE)
    degrees = [strengths(replace(g, weight=np.ones(g.num_edges))) for g in (drawn, graph)]
    np.testing.assert_array_equal(*degrees)


@DIRECTIONS
@pytest.mark.parametrize("density", [0.3, 1.0])
def test_signed_strengths_leave_no_more_of_a_graph_than_chance(directed, density):
    graph = random_graph(24, density, directed=directed, signed=True, reach=1e9)
    draws = [NULL_MODELS["signed_strength"].draw(graph, seed) for seed in range(6)]

    def overlap(one: SimpleGraph, other: SimpleGraph) -> float:
        sets = [set(zip(g.source.tolist(), g.target.tolist(), g.sign.tolist(), strict=True)) for g in (one, other)]
        return len(sets[0] & sets[1]) / graph.num_edges

    with_graph = np.mean([overlap(graph, drawn) for drawn in draws])
    among = np.mean([overlap(one, other) for one, other in combinations(draws, 2)])
    assert with_graph < among + 0.05 < 0.8


def test_every_pattern_of_signs_is_as_probable():
    """Of all nine edges between three neurons and three others, one of each row and column is negative: six patterns."""
    pairs = torch.tensor([(i, 3 + j) for i in range(3) for j in range(3)]).T
    weight = torch.where(pairs[0] + 3 == pairs[1], -1.0, 1.0)
    graph = simple_graph(pairs, weight, 6)
    seen = Counter(NULL_MODELS["signed_strength"].draw(graph, seed).sign.tobytes() for seed in range(600))
    assert len(seen) == 6
    assert (
        sum((count - 100) ** 2 / 100 for count in seen.values()) < 20.5
    )  # chi-squared, 5 degrees of freedom, p = .001


@pytest.mark.parametrize("name", sorted(set(NULL_MODELS) - {"signed_strength"}))
@DIRECTIONS
def test_signs_go_with_their_weights_and_change_no_draw(name, directed):
    signed = random_graph(30, 0.2, directed=directed, signed=True)
    drawn = NULL_MODELS[name].draw(signed, 2)
    positive = NULL_MODELS[name].draw(replace(signed, sign=None), 2)
    assert positive.sign is None
    assert same(replace(drawn, sign=None), positive)
    # No two weights are alike, so each tells its sign.
    sign_of = dict(zip(signed.weight.tolist(), signed.sign.tolist(), strict=True))
    assert drawn.sign.tolist() == [sign_of[w] for w in drawn.weight.tolist()]


def test_a_pair_without_direction_has_the_sign_of_both_directions():
    edge_index = torch.tensor([[0, 1, 1, 2, 2], [1, 0, 2, 1, 0]])
    graph = simple_graph(edge_index, torch.tensor([-1.0, -2.0, 3.0, -3.0, -4.0]), 3, directed=False)
    assert graph.edge_index.T.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert graph.sign.tolist() == [-1, -1, 0]
    assert graph.weight.tolist() == [1.5, 2.0, 3.0]
    assert simple_graph(edge_index, torch.ones(5), 3).sign is None
