import importlib
import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.kernels import GraphStructure, complete_edge_index
from graphcortex.ops import _blocked, _stochastic, spatial_communicability
from graphcortex.testing import assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import Edges, edges

# The function of the same name hides its module.
module = importlib.import_module("graphcortex.ops.communicability")
NORMALIZATIONS = ("both", "source")
each_normalization = pytest.mark.parametrize("normalization", NORMALIZATIONS)
# Each is (edge_index, edge_weight, edge_length, num_nodes, **options); a new method adds a line and inherits every law below.
METHODS = {
    "exact-dense": {"method": "exact-dense"},
    "exact-blocked": {"method": "exact-blocked"},
    "stochastic": {"method": "stochastic", "rng": 0, "probes": 4},
}
EXACT = ("exact-dense", "exact-blocked")
each_method = pytest.mark.parametrize("method", METHODS)
each_exact = pytest.mark.parametrize("method", EXACT)


def cost_of(graph, lengths, method, **options):
    return spatial_communicability(
        graph.edge_index, graph.edge_weight, lengths, graph.num_nodes, **{**METHODS.get(method, {}), **options}
    )


def lengths_of(graph, seed=0):
    D = torch.rand(graph.num_nodes, graph.num_nodes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return D[graph.edge_index[0], graph.edge_index[1]]


def naive_cost(graph, lengths, normalization, exponent=1.0, epsilon=1e-10) -> float:
    """Follow the formula line by line, with dense matrices and explicit loops."""
    N = graph.num_nodes
    W, D = np.zeros((2, N, N))
    for i, j, w, d in zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), lengths.tolist(), strict=True):
        W[i, j] += w
        D[i, j] = d
    W = np.abs(W)
    A = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            if normalization == "source":
                A[i, j] = W[i, j] / math.sqrt((W[i].sum() + epsilon) * (W[j].sum() + epsilon))
            elif W[i, j] > 0:
                A[i, j] = W[i, j] / math.sqrt(W[i].sum() * W[:, j].sum())
    C = scipy.linalg.expm(A)
    return sum(W[i, j] * D[i, j] * max(C[i, j], 0) ** exponent for i in range(N) for j in range(N))


def random_graph(num_nodes=9, num_edges=30, seed=0, dtype=torch.float64):
    rng = torch.Generator().manual_seed(seed)
    key = torch.randperm(num_nodes**2, generator=rng)[:num_edges]
    weight = torch.randn(num_edges, generator=rng, dtype=torch.float64).to(dtype)
    return Edges(torch.stack([key // num_nodes, key % num_nodes]), weight, num_nodes)


@each_exact
@each_normalization
@pytest.mark.parametrize("exponent", [1.0, 0.5, 2.0])
@given(graph=edges())
@settings(max_examples=20)
def test_exact_matches_naive_on_degenerate_graphs(method, normalization, exponent, graph):
    lengths = lengths_of(graph)
    found = cost_of(graph, lengths, method, normalization=normalization, exponent=exponent, epsilon=1.0)
    expected = naive_cost(graph, lengths, normalization, exponent, epsilon=1.0)
    assert found.shape == ()
    assert found.item() == pytest.approx(expected, rel=1e-11, abs=1e-12)


@each_exact
@each_normalization
def test_exact_matches_scipy_on_a_larger_graph_in_both_precisions(method, normalization, device):
    graph = random_graph(60, 900)
    lengths = lengths_of(graph)
    expected = naive_cost(graph, lengths, normalization)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        there = Edges(graph.edge_index.to(device), graph.edge_weight.to(device, dtype), 60)
        found = cost_of(there, lengths.to(device, dtype), method, normalization=normalization)
        assert found.dtype == dtype
        assert found.item() == pytest.approx(expected, rel=tolerance)


@each_exact
@each_normalization
@pytest.mark.parametrize("exponent", [1.0, 0.7, 3.0])
def test_gradcheck_in_weights_and_lengths(method, normalization, exponent):
    """With a self-connection, a repeated edge, a sink and an isolated neuron."""
    pairs = torch.tensor([(0, 1), (1, 2), (2, 0), (0, 2), (2, 2), (0, 1), (1, 3)]).t()
    weight = torch.tensor([0.5, -1.5, 2.0, 1.0, -0.7, 0.3, 0.9], dtype=torch.float64)
    # Repeated edges are equally long, so the two of them are moved together.
    free = torch.tensor([1.0, 2.0, 0.5, 3.0, 0.25, 1.25], dtype=torch.float64)
    position = torch.tensor([0, 1, 2, 3, 4, 0, 5])
    epsilon = 1e-2  # a sink's column grows with its inverse root, beyond what differences resolve

    def call(w, d):
        options = {"normalization": normalization, "exponent": exponent, "epsilon": epsilon}
        return spatial_communicability(pairs, w, d[position], 5, method=method, **options)

    assert torch.autograd.gradcheck(call, (weight.requires_grad_(), free.requires_grad_()))


@each_normalization
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_the_gradients_of_the_exact_methods_are_one(normalization, dtype):
    """Blocks narrower than the graph, so that several are added up."""
    graph = random_graph(40, 400, dtype=dtype)
    lengths = lengths_of(graph).to(dtype)
    found = []
    for method in EXACT:
        weight = graph.edge_weight.clone().requires_grad_()
        cost_of(graph._replace(edge_weight=weight), lengths, method, normalization=normalization).backward()
        found.append(weight.grad)
    tolerance = 1e-12 if dtype is torch.float64 else 3e-6
    assert float((found[0] - found[1]).norm() / found[0].norm()) < tolerance


def test_many_narrow_blocks_make_what_one_does(monkeypatch):
    graph = random_graph(20, 150)
    lengths = lengths_of(graph)

    def both():
        weight = graph.edge_weight.clone().requires_grad_()
        value = cost_of(graph._replace(edge_weight=weight), lengths, "exact-blocked")
        value.backward()
        return value.detach(), weight.grad

    whole = both()
    monkeypatch.setattr(_blocked, "BLOCK_VALUES", 60)  # three columns at a time
    assert_close(both(), whole)


# The mean over *all* sign vectors is the expectation itself: what is unbiased is exact then, and no draw of luck decides.
@each_normalization
@pytest.mark.parametrize("num_edges", [20, 64], ids=["sparse, with self-connections", "complete"])
def test_value_and_gradient_are_unbiased_by_enumeration(normalization, num_edges, monkeypatch):
    graph = random_graph(8, num_edges, seed=3)
    lengths = lengths_of(graph)
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 8).t()
    drawn = []

    def every(num_nodes, count, like, generator):
        drawn.append(count)
        return signs[:, sum(drawn) - count : sum(drawn)].contiguous()

    monkeypatch.setattr(_stochastic, "rademacher", every)
    found = []
    for options in ({"method": "stochastic", "rng": 0, "probes": 256}, {"method": "exact-dense"}):
        weight = graph.edge_weight.clone().requires_grad_()
        length = lengths.clone().requires_grad_()
        value = spatial_communicability(
            graph.edge_index, weight, length, 8, normalization=normalization, epsilon=1e-3, **options
        )
        value.backward()
        found.append((value.detach(), weight.grad, length.grad))
    assert sum(drawn) == 256
    assert len(drawn) > 1  # more probes than are walked together
    assert_close(*found, rtol=1e-11, atol=1e-11)


@each_normalization
def test_value_and_gradient_are_unbiased_by_draws(normalization):
    """400 draws; the value and four projections of the gradient within 4.5 standard errors: a false alarm in 1 of 29,000 runs."""
    graph = random_graph(30, 200, seed=1)
    lengths = lengths_of(graph)
    options = {"normalization": normalization, "epsilon": 1e-3}
    directions = torch.randn(200, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)

    def sample(method, **more):
        weight = graph.edge_weight.clone().requires_grad_()
        value = spatial_communicability(graph.edge_index, weight, lengths, 30, method=method, **options, **more)
        value.backward()
        return torch.cat([value.detach()[None], weight.grad @ directions])

    draws = torch.stack([sample("stochastic", rng=seed, probes=2) for seed in range(400)])
    z = (draws.mean(0) - sample("exact-dense")) / (draws.std(0) / 20)
    assert draws.std(0).min() > 0
    assert z.abs().max() < 4.5


def test_the_standard_error_is_the_spread_of_the_value():
    graph = random_graph(30, 200, seed=1)
    found = [
        cost_of(graph, lengths_of(graph), "stochastic", rng=seed, probes=8, return_standard_error=True)
        for seed in range(300)
    ]
    value, error = (torch.stack(part) for part in zip(*found, strict=True))
    assert not error.requires_grad
    # The relative spread of a standard deviation of 300 normal values is 4 %; 25 % is beyond six of it.
    assert float(error.square().mean().sqrt() / value.std()) == pytest.approx(1, rel=0.25)


def test_more_probes_narrow_the_spread_and_a_tolerance_asks_for_them():
    graph = random_graph(40, 300, seed=2)
    lengths = lengths_of(graph)

    def relative_error(**options):
        value, error = cost_of(graph, lengths, "stochastic", probes=None, return_standard_error=True, **options)
        return float(error / value)

    wide, narrow = ([relative_error(tolerance=t, rng=seed) for seed in range(20)] for t in (1e-2, 1e-3))
    for tolerance, errors in ((1e-2, wide), (1e-3, narrow)):
        # The pilot of 8 probes misjudges the spread now and then; mostly what is asked for is reached, and not by far.
        assert sum(e <= tolerance for e in errors) >= 12
        assert np.median(errors) > tolerance / 20


def test_exact_methods_have_no_error_and_one_probe_cannot_tell_it():
    graph = random_graph()
    for method in EXACT:
        assert cost_of(graph, lengths_of(graph), method, return_standard_error=True)[1].item() == 0
    value, error = cost_of(graph, lengths_of(graph), "stochastic", probes=1, return_standard_error=True)
    assert value.isfinite()
    assert error.isnan()


def test_the_same_seed_draws_the_same_probes_and_a_generator_goes_on():
    graph = random_graph()
    lengths = lengths_of(graph)
    state = torch.get_rng_state()
    assert torch.equal(*(cost_of(graph, lengths, "stochastic", rng=3) for _ in range(2)))
    generator = torch.Generator().manual_seed(3)
    first, second = (cost_of(graph, lengths, "stochastic", rng=generator) for _ in range(2))
    assert torch.equal(first, cost_of(graph, lengths, "stochastic", rng=3))
    assert first != second
    assert torch.equal(state, torch.get_rng_state())


def test_star_pair_chain_and_complete_graph_by_hand():
    """What is random in a star that only sends is zero, and in a complete graph along the known direction: one probe is exact."""

    def unit(pairs, num_nodes):
        edge_index = torch.tensor(pairs).t()
        return Edges(edge_index, torch.ones(edge_index.size(1), dtype=torch.float64), num_nodes)

    pair = unit([(0, 1), (1, 0)], 2)
    ring = complete_edge_index(4)
    full = Edges(ring, torch.full((16,), 2.0, dtype=torch.float64), 4)
    cases = {
        "star": (unit([(0, leaf) for leaf in range(1, 5)], 5), 4 * 0.5),
        "chain": (unit([(0, 1), (1, 2), (2, 3)], 4), 3.0),
        "pair": (pair, 2 * math.sinh(1)),
        "complete": (full, 2.0 * (4 + 16 * (math.e - 1) / 4)),
    }
    for name, (graph, expected) in cases.items():
        ones = torch.ones(graph.edge_index.size(1), dtype=torch.float64)
        for method in METHODS:
            found = cost_of(graph, ones, method)
            if method != "stochastic" or name in ("star", "complete"):
                assert found.item() == pytest.approx(expected, rel=1e-12), (name, method)
        draws = [cost_of(graph, ones, "stochastic", rng=seed, probes=1).item() for seed in range(64)]
        assert np.mean(draws) == pytest.approx(expected, rel=0.3)


@each_method
@each_normalization
@given(graph=edges())
@settings(max_examples=25)
def test_is_finite_not_negative_and_has_a_finite_gradient(method, normalization, graph):
    """Isolated neurons, sinks, weights of 0, self-connections. (A random tail may be negative; exact values are not.)"""
    weight = graph.edge_weight.clone().requires_grad_()
    lengths = lengths_of(graph).requires_grad_()
    value = cost_of(graph._replace(edge_weight=weight), lengths, method, normalization=normalization)
    value.backward()
    assert value.isfinite()
    assert weight.grad.isfinite().all()
    assert lengths.grad.isfinite().all()
    if method in EXACT:
        assert value >= 0


@each_exact
@given(graph=edges())
def test_lies_between_the_length_and_e_times_the_length(method, graph):
    """C lies between 0 and e, and on the diagonal above 1."""
    lengths = lengths_of(graph)
    merged = {}
    for i, j, w in zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), strict=True):
        merged[i, j] = merged.get((i, j), 0.0) + w
    length = dict(zip(zip(*graph.edge_index.tolist(), strict=True), lengths.tolist(), strict=True))
    total = sum(abs(w) * length[pair] for pair, w in merged.items())
    assert 0 <= cost_of(graph, lengths, method).item() <= math.e * total * (1 + 1e-12)


@each_exact
@each_normalization
@given(graph=edges(), data=st.data())
@settings(max_examples=20)
def test_depends_on_neither_the_order_of_edges_nor_the_names_of_neurons(method, normalization, graph, data):
    def function(edge_index, edge_weight, num_nodes):
        lengths = torch.ones(edge_weight.numel(), dtype=edge_weight.dtype)
        options = {"method": method, "normalization": normalization}
        return spatial_communicability(edge_index, edge_weight, lengths, num_nodes, **options)

    order = data.draw(st.permutations(range(graph.edge_index.size(1))))
    names = data.draw(st.permutations(range(graph.num_nodes)))
    assert_invariant_to_edge_order(function, graph, order, atol=1e-9)
    assert_invariant_to_relabelling(function, graph, names, atol=1e-9)


@given(graph=edges(), data=st.data())
@settings(max_examples=20)
def test_probes_belong_to_neurons_and_not_to_edges(graph, data):
    order = torch.tensor(data.draw(st.permutations(range(graph.edge_index.size(1)))), dtype=torch.long)
    lengths = lengths_of(graph)
    shuffled = Edges(graph.edge_index[:, order], graph.edge_weight[order], graph.num_nodes)
    assert_close(cost_of(shuffled, lengths[order], "stochastic"), cost_of(graph, lengths, "stochastic"))


@each_method
@given(graph=edges(), factor=st.sampled_from([-1.0, 1e-6, -3.0, 1e6]), unit=st.sampled_from([1.0, 1e-3]))
@settings(max_examples=20)
def test_scales_with_the_units_of_weight_and_length(method, graph, factor, unit):
    lengths = lengths_of(graph)
    scaled = cost_of(graph._replace(edge_weight=factor * graph.edge_weight), unit * lengths, method)
    expected = abs(factor) * unit * cost_of(graph, lengths, method)
    assert scaled.item() == pytest.approx(expected.item(), rel=1e-9, abs=1e-12 * abs(factor) * unit)


@each_method
@given(graph=edges(), parts=st.sampled_from([(0.5, 0.5), (2.0, -1.0), (1.0, 0.0)]))
@settings(max_examples=20)
def test_repeated_edges_add(method, graph, parts):
    a, b = parts
    lengths = lengths_of(graph)
    split = Edges(
        graph.edge_index.repeat(1, 2), torch.cat([a * graph.edge_weight, b * graph.edge_weight]), graph.num_nodes
    )
    assert_close(cost_of(split, lengths.repeat(2), method), cost_of(graph, lengths, method), rtol=1e-9, atol=1e-12)


@each_exact
@each_normalization
@given(first=edges(max_nodes=4), second=edges(max_nodes=4))
@settings(max_examples=20)
def test_a_disjoint_union_adds(method, normalization, first, second):
    union = Edges(
        torch.cat([first.edge_index, second.edge_index + first.num_nodes], 1),
        torch.cat([first.edge_weight, second.edge_weight]),
        first.num_nodes + second.num_nodes,
    )
    lengths = [lengths_of(first, 0), lengths_of(second, 1)]
    parts = [
        cost_of(graph, d, method, normalization=normalization)
        for graph, d in zip((first, second), lengths, strict=True)
    ]
    whole = cost_of(union, torch.cat(lengths), method, normalization=normalization)
    assert whole.item() == pytest.approx(sum(part.item() for part in parts), rel=1e-9, abs=1e-9)


@each_method
def test_without_edges_it_costs_nothing_and_can_be_differentiated(method):
    weight = torch.zeros(0, dtype=torch.float64, requires_grad=True)
    value = spatial_communicability(torch.zeros(2, 0).long(), weight, weight.detach(), 3, **METHODS[method])
    value.backward()
    assert value.item() == 0
    assert weight.grad.shape == (0,)


@each_method
def test_without_a_gradient_none_is_made(method, monkeypatch):
    """Nothing walks backward where nobody asks."""
    from graphcortex.ops import _walks

    monkeypatch.setattr(_walks, "sddmm", None)
    monkeypatch.setattr(_stochastic, "sddmm", None)
    graph = random_graph()
    with torch.no_grad():
        assert cost_of(graph, lengths_of(graph), method).isfinite()


@each_method
def test_a_structure_gives_the_same_and_is_sorted_once(method):
    graph = random_graph(12, 40)
    doubled = Edges(graph.edge_index.repeat(1, 2), graph.edge_weight.repeat(2), 12)
    for any_graph in (graph, doubled):
        lengths = lengths_of(any_graph)
        structure = GraphStructure.build(any_graph.edge_index, 12)
        first, second = (cost_of(any_graph, lengths, method, structure=structure) for _ in range(2))
        assert_close(first, cost_of(any_graph, lengths, method))
        assert torch.equal(first, second)
    if method != "exact-dense":
        from graphcortex.ops._edges import merge_repeats

        assert merge_repeats(structure) is merge_repeats(structure)


def test_what_is_merged_goes_with_its_structure():
    import gc

    from graphcortex.ops import _edges

    before = len(_edges._MERGED)
    structure = GraphStructure.build(torch.tensor([[0, 0], [1, 1]]), 2)
    _edges.merge_repeats(structure)
    assert len(_edges._MERGED) == before + 1
    del structure
    gc.collect()
    assert len(_edges._MERGED) == before


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ("complete 312", {}, "exact-dense"),
        ("sparse 2000", {}, "exact-blocked"),
        ("sparse 2000", {"rng": 0}, "stochastic"),
        ("complete 312", {"rng": 0}, "exact-dense"),
        ("sparse 2000", {"rng": 0, "exponent": 2.0}, "exact-blocked"),
    ],
)
def test_auto_goes_by_size_and_is_random_only_with_an_rng(size, options, expected):
    n = 312 if size.startswith("complete") else 2000
    edge_index = complete_edge_index(n) if n == 312 else torch.randint(n, (2, 20 * n))
    structure = GraphStructure.build(edge_index, n)
    assert module._choose(structure, "auto", options.get("exponent", 1.0), options.get("rng")) == expected


def test_auto_turns_exact_where_the_tolerance_asks_for_more_probes_than_columns(monkeypatch):
    monkeypatch.setattr(module, "_STOCHASTIC_NODES", 10)
    graph = random_graph(40, 300)
    lengths = lengths_of(graph)
    value, error = cost_of(graph, lengths, "auto", rng=0, tolerance=1e-9, return_standard_error=True)
    assert error.item() == 0
    assert value.item() == pytest.approx(cost_of(graph, lengths, "exact-dense").item(), rel=1e-12)
    _, error = cost_of(graph, lengths, "auto", rng=0, tolerance=0.1, return_standard_error=True)
    assert error.item() > 0


PAIR = torch.tensor([[0, 1], [1, 0]])
ONES = torch.ones(2)
BAD_ARGUMENTS = {
    "one weight is missing": ((PAIR, torch.ones(1), ONES, 2), {}),
    "one length is missing": ((PAIR, ONES, torch.ones(1), 2), {}),
    "a negative length": ((PAIR, ONES, torch.tensor([1.0, -1.0]), 2), {}),
    "a NaN length": ((PAIR, ONES, torch.tensor([1.0, math.nan]), 2), {}),
    "an infinite length": ((PAIR, ONES, torch.tensor([1.0, math.inf]), 2), {}),
    "no neurons": ((PAIR[:, :0], torch.ones(0), torch.ones(0), 0), {}),
    "a neuron too many": ((PAIR, ONES, ONES, 1), {}),
    "a NaN weight": ((PAIR, torch.tensor([1.0, math.nan]), ONES, 2), {}),
    "an infinite weight": ((PAIR, torch.tensor([1.0, math.inf]), ONES, 2), {}),
    "half precision": ((PAIR, ONES.half(), ONES.half(), 2), {}),
    "unknown method": ((PAIR, ONES, ONES, 2), {"method": "exact"}),
    "unknown normalization": ((PAIR, ONES, ONES, 2), {"normalization": "target"}),
    "no probes": ((PAIR, ONES, ONES, 2), {"method": "stochastic", "probes": 0, "rng": 0}),
    "half a probe": ((PAIR, ONES, ONES, 2), {"method": "stochastic", "probes": 1.5, "rng": 0}),
    "no generator": ((PAIR, ONES, ONES, 2), {"method": "stochastic"}),
    "a generator in words": ((PAIR, ONES, ONES, 2), {"method": "stochastic", "rng": "random"}),
    "a power of a random value": ((PAIR, ONES, ONES, 2), {"method": "stochastic", "exponent": 2.0, "rng": 0}),
    "exponent 0": ((PAIR, ONES, ONES, 2), {"exponent": 0.0}),
    "tolerance 0": ((PAIR, ONES, ONES, 2), {"tolerance": 0.0}),
    "epsilon 0": ((PAIR, ONES, ONES, 2), {"normalization": "source", "epsilon": 0.0}),
    "the structure of another graph": ((PAIR, ONES, ONES, 2), {"structure": GraphStructure.build(PAIR.flip(1), 2)}),
}


@pytest.mark.parametrize(("arguments", "options"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        spatial_communicability(*arguments, **options)


def test_probes_and_tolerance_exclude_each_other():
    with pytest.raises(ValueError, match="tolerance must not be given together with probes"):
        spatial_communicability(PAIR, ONES, ONES, 2, method="stochastic", probes=4, tolerance=0.1, rng=0)
