import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index
from graphcortex.ops import communicability, communicability_matrix, spatial_communicability
from graphcortex.testing.strategies import Edges, edges

E = math.e
NORMALIZATIONS = ("both", "source")
each_normalization = pytest.mark.parametrize("normalization", NORMALIZATIONS)


def naive_absolute(graph) -> np.ndarray:
    W = np.zeros((graph.num_nodes, graph.num_nodes))
    for i, j, w in zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), strict=True):
        W[i, j] += w
    return np.abs(W)


def naive_communicability(graph, normalization, epsilon=1e-10) -> np.ndarray:
    """Follow the formula line by line, with dense matrices and explicit loops."""
    W, N = naive_absolute(graph), graph.num_nodes
    S_out = [sum(W[i, j] for j in range(N)) for i in range(N)]
    S_in = [sum(W[i, j] for i in range(N)) for j in range(N)]
    A = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            if normalization == "source":
                A[i, j] = W[i, j] / math.sqrt(S_out[i] + epsilon) / math.sqrt(S_out[j] + epsilon)
            elif W[i, j] > 0:
                A[i, j] = W[i, j] / math.sqrt(S_out[i] * S_in[j])
    return scipy.linalg.expm(A)


def graph_of(pairs, num_nodes, weight=None, dtype=torch.float64):
    edge_index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T.contiguous()
    weight = torch.ones(len(pairs), dtype=dtype) if weight is None else torch.tensor(weight, dtype=dtype)
    return Edges(edge_index, weight, num_nodes)


def random_graph(num_nodes, num_edges, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=generator)
    return Edges(edge_index, torch.randn(num_edges, generator=generator, dtype=dtype), num_nodes)


@given(graph=edges())
def test_both_matches_naive_on_degenerate_graphs(graph):
    expected = naive_communicability(graph, "both")
    assert_close(communicability_matrix(*graph).numpy(), expected, rtol=1e-12, atol=1e-12)


@given(graph=edges())
def test_source_matches_naive_where_the_naive_form_can_be_computed(graph):
    """An epsilon of 1 keeps scipy's norm small; the published 1e-10 is checked on graphs whose neurons all have outputs."""
    expected = naive_communicability(graph, "source", epsilon=1.0)
    result = communicability_matrix(*graph, normalization="source", epsilon=1.0)
    assert_close(result.numpy(), expected, rtol=1e-12, atol=1e-12)


@given(graph=edges(min_nodes=2, signed=False))
def test_source_matches_naive_at_the_published_epsilon(graph):
    ring = torch.arange(graph.num_nodes)
    edge_index = torch.cat([graph.edge_index, torch.stack([ring, ring.roll(1)])], dim=1)
    full = Edges(edge_index, torch.cat([graph.edge_weight, torch.ones_like(ring).double()]), graph.num_nodes)
    result = communicability_matrix(*full, normalization="source")
    assert_close(result.numpy(), naive_communicability(full, "source"), rtol=1e-12, atol=1e-12)


@each_normalization
@pytest.mark.parametrize("num_edges", [300, 3000], ids=["sparse", "dense"])
def test_matches_scipy_on_a_larger_graph_in_both_precisions(normalization, num_edges, device):
    graph = random_graph(60, num_edges)
    expected = torch.from_numpy(naive_communicability(graph, normalization))
    arguments = (graph.edge_index.to(device), graph.edge_weight.to(device), 60)
    exact = communicability_matrix(*arguments, normalization=normalization)
    assert float(((exact.cpu() - expected) / expected.abs().clamp(min=1)).abs().max()) <= 1e-12
    short = communicability_matrix(arguments[0], arguments[1].float(), 60, normalization=normalization)
    assert short.dtype == torch.float32
    assert float(((short.cpu() - expected) / expected.abs().clamp(min=1)).abs().max()) <= 1e-5


@each_normalization
@pytest.mark.parametrize("num_nodes", [1, 2, 5])
def test_complete_graph(normalization, num_nodes):
    """A is 1/N everywhere, so A^k = A and e^A = I + (e - 1) A."""
    graph = Edges(complete_edge_index(num_nodes), torch.full((num_nodes**2,), -2.5, dtype=torch.float64), num_nodes)
    expected = torch.eye(num_nodes, dtype=torch.float64) + (E - 1) / num_nodes
    tolerance = 1e-14 if normalization == "both" else 1e-9  # the published form adds 1e-10 to a strength
    assert_close(communicability_matrix(*graph, normalization=normalization), expected, rtol=tolerance, atol=0)


@each_normalization
def test_reciprocal_pair(normalization):
    """A swaps the two: even walks return, odd walks cross."""
    graph = graph_of([(0, 1), (1, 0)], 2, [3.0, 3.0])
    expected = torch.tensor([[math.cosh(1), math.sinh(1)], [math.sinh(1), math.cosh(1)]], dtype=torch.float64)
    assert_close(communicability_matrix(*graph, normalization=normalization), expected, rtol=1e-9, atol=0)


def test_star_that_sends():
    """A = 1/sqrt(n) from the hub to each of n leaves, and no walk is longer."""
    graph = graph_of([(0, leaf) for leaf in range(1, 5)], 5)
    assert_close(communicability(*graph), torch.full((4,), 0.5, dtype=torch.float64))


def test_star_that_sends_and_receives():
    """A has one singular pair: hub and mean leaf, each way 1. So e^A has cosh 1 at the hub and sinh 1 / sqrt(n) at its edges."""
    pairs = [(0, leaf) for leaf in range(1, 5)]
    matrix = communicability_matrix(*graph_of(pairs + [(j, i) for i, j in pairs], 5))
    assert matrix[0, 0].item() == pytest.approx(math.cosh(1))
    assert matrix[0, 1:].tolist() == pytest.approx([math.sinh(1) / 2] * 4)
    assert matrix[1, 2].item() == pytest.approx((math.cosh(1) - 1) / 4)


def test_chain_counts_each_walk_over_its_factorial():
    matrix = communicability_matrix(*graph_of([(0, 1), (1, 2), (2, 3)], 4, [0.5, 4.0, -1.0]))
    expected = [[1, 1, 1 / 2, 1 / 6], [0, 1, 1, 1 / 2], [0, 0, 1, 1], [0, 0, 0, 1]]
    assert_close(matrix, torch.tensor(expected, dtype=torch.float64))


@given(graph=edges())
def test_both_lies_between_0_and_e(graph):
    matrix = communicability_matrix(*graph)
    assert float(matrix.min()) >= 0
    assert float(matrix.max()) <= E * (1 + 1e-14)
    assert float(matrix.diagonal().min()) >= 1


def test_the_bound_e_is_reached():
    assert communicability(*graph_of([(0, 0)], 1)).item() == pytest.approx(E)


@each_normalization
@given(graph=edges())
def test_value_and_gradient_are_finite_even_at_zero_strength(normalization, graph):
    weight = graph.edge_weight.clone().requires_grad_()
    matrix = communicability_matrix(graph.edge_index, weight, graph.num_nodes, normalization=normalization)
    matrix.sum().backward()
    assert matrix.isfinite().all()
    assert weight.grad.isfinite().all()


@each_normalization
def test_isolated_and_sink_neurons(normalization):
    """0 -> 1; 2 is alone. The sink makes a large column in the published form, and a plain one in the other."""
    matrix = communicability_matrix(*graph_of([(0, 1)], 3, [4.0]), normalization=normalization)
    large = 1.0 if normalization == "both" else 4 / math.sqrt(4 * 1e-10)
    expected = torch.tensor([[1, large, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    assert_close(matrix, expected, rtol=1e-9, atol=0)


@each_normalization
@given(graph=edges(), data=st.data())
def test_does_not_depend_on_the_order_of_edges(normalization, graph, data):
    order = torch.tensor(data.draw(st.permutations(range(graph.edge_index.size(1)))), dtype=torch.long)
    shuffled = communicability(
        graph.edge_index[:, order], graph.edge_weight[order], graph.num_nodes, normalization=normalization
    )
    assert_close(shuffled, communicability(*graph, normalization=normalization)[order])


@each_normalization
@given(graph=edges(), data=st.data())
def test_does_not_depend_on_the_names_of_nodes(normalization, graph, data):
    names = torch.tensor(data.draw(st.permutations(range(graph.num_nodes))))
    renamed = communicability(names[graph.edge_index], graph.edge_weight, graph.num_nodes, normalization=normalization)
    expected = communicability(*graph, normalization=normalization)
    # A sink's column scales with 1 / sqrt(epsilon) = 1e5.
    assert_close(renamed, expected, rtol=1e-9, atol=1e-9)


# Repeated edges may cancel, and 2 - 1.875 - .125 is no longer 0 once each is rounded to millionths: where edges are repeated, the
# factors are powers of two, which round nothing.
EXACTLY_SCALED = st.tuples(edges(), st.sampled_from([-1.0, 2.0**-20, -4.0, 2.0**20]))
SCALED = st.tuples(edges(repeated=False), st.sampled_from([1e-6, -3.0, 1e6]))


@given(drawn=EXACTLY_SCALED | SCALED)
def test_does_not_depend_on_unit_and_sign_of_all_weights(drawn):
    graph, factor = drawn
    scaled = communicability(graph.edge_index, factor * graph.edge_weight, graph.num_nodes)
    assert_close(scaled, communicability(*graph), rtol=1e-10, atol=1e-12)


@given(graph=edges(repeated=False), data=st.data())
def test_does_not_depend_on_the_sign_of_any_weight(graph, data):
    size = graph.edge_index.size(1)
    sign = torch.tensor(data.draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=size, max_size=size)))
    assert_close(
        communicability(graph.edge_index, graph.edge_weight * sign.double(), graph.num_nodes), communicability(*graph)
    )


@each_normalization
@given(first=edges(max_nodes=4), second=edges(max_nodes=4))
def test_a_disjoint_union_keeps_its_parts(normalization, first, second):
    both = Edges(
        torch.cat([first.edge_index, second.edge_index + first.num_nodes], dim=1),
        torch.cat([first.edge_weight, second.edge_weight]),
        first.num_nodes + second.num_nodes,
    )
    parts = [communicability_matrix(*graph, normalization=normalization) for graph in (first, second)]
    union = communicability_matrix(*both, normalization=normalization)
    assert_close(union, torch.block_diag(*parts), rtol=1e-9, atol=1e-9)


@given(graph=edges(), parts=st.sampled_from([(0.5, 0.5), (2.0, -1.0), (1.0, 0.0)]))
def test_repeated_edges_are_summed_before_their_sign_is_dropped(graph, parts):
    a, b = parts
    split = Edges(
        graph.edge_index.repeat(1, 2), torch.cat([a * graph.edge_weight, b * graph.edge_weight]), graph.num_nodes
    )
    assert_close(communicability_matrix(*split), communicability_matrix(*graph))


def test_both_normalizations_are_one_for_a_symmetric_matrix():
    graph = random_graph(8, 30)
    symmetric = Edges(torch.cat([graph.edge_index, graph.edge_index.flip(0)], 1), graph.edge_weight.repeat(2), 8)
    both, source = (communicability_matrix(*symmetric, normalization=name) for name in NORMALIZATIONS)
    assert_close(both, source, rtol=1e-8, atol=1e-8)
    assert_close(both, both.T)


@each_normalization
def test_gradcheck(normalization):
    graph = graph_of([(0, 1), (1, 2), (2, 0), (0, 2), (3, 3), (0, 1)], 4, [0.5, -1.5, 2.0, 1.0, -0.7, 0.3])
    epsilon = 1e-10 if normalization == "both" else 1e-2
    assert torch.autograd.gradcheck(
        lambda w: communicability_matrix(graph.edge_index, w, 4, normalization=normalization, epsilon=epsilon),
        graph.edge_weight.requires_grad_(),
    )


@given(graph=edges(), seed=st.integers(0, 3))
@each_normalization
def test_spatial_matches_naive(normalization, graph, seed):
    lengths = torch.rand(graph.num_nodes, graph.num_nodes, generator=torch.Generator().manual_seed(seed)).double()
    W, C = naive_absolute(graph), naive_communicability(graph, normalization, epsilon=1.0)
    expected = 0.0
    for i in range(graph.num_nodes):
        for j in range(graph.num_nodes):
            expected += W[i, j] * float(lengths[i, j]) * C[i, j]
    result = spatial_communicability(
        graph.edge_index,
        graph.edge_weight,
        lengths[graph.edge_index[0], graph.edge_index[1]],
        graph.num_nodes,
        normalization=normalization,
        epsilon=1.0,
    )
    assert result.shape == ()
    assert result.item() == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_spatial_takes_the_complete_graph_without_a_copy_and_the_same_otherwise():
    weight, lengths = (torch.randn(2, 9, generator=torch.Generator().manual_seed(0)).double()).abs().unbind()
    complete = complete_edge_index(3)
    expected = spatial_communicability(complete, weight, lengths, 3)
    assert_close(spatial_communicability(complete.flip(1), weight.flip(0), lengths.flip(0), 3), expected)


def test_spatial_gradient_runs_through_the_communicability():
    graph = graph_of([(0, 1), (1, 2), (2, 0), (0, 2)], 3, [0.5, -1.5, 2.0, 1.0])
    lengths = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda w: spatial_communicability(graph.edge_index, w, lengths, 3), graph.edge_weight.requires_grad_()
    )


def test_spatial_without_edges_is_zero_and_differentiable():
    weight = torch.zeros(0, dtype=torch.float64, requires_grad=True)
    total = spatial_communicability(torch.zeros(2, 0).long(), weight, torch.zeros(0, dtype=torch.float64), 3)
    total.backward()
    assert total.item() == 0


METHODS = ("exact-dense", "exact-blocked")


@each_normalization
@given(graph=edges(), data=st.data())
def test_pairs_are_entries_of_the_matrix_and_need_not_be_edges(normalization, graph, data):
    node = st.integers(0, graph.num_nodes - 1)
    drawn = data.draw(st.lists(st.tuples(node, node), max_size=8))
    pairs = torch.tensor(drawn, dtype=torch.long).reshape(-1, 2).t()
    matrix = communicability_matrix(*graph, normalization=normalization)
    for method in METHODS:
        found = communicability(*graph, pairs=pairs, method=method, normalization=normalization)
        assert_close(found, matrix[pairs[0], pairs[1]], rtol=1e-12, atol=1e-12)


@each_normalization
@given(graph=edges())
def test_blocked_edges_are_those_of_the_matrix(normalization, graph):
    found, expected = (communicability(*graph, method=m, normalization=normalization) for m in METHODS[::-1])
    assert_close(found, expected, rtol=1e-12, atol=1e-12)


@each_normalization
@pytest.mark.parametrize("pairs", [None, [(0, 3), (3, 0), (0, 3), (4, 4), (1, 2)]], ids=["edges", "pairs"])
def test_gradcheck_in_blocks(normalization, pairs):
    """The pairs hold one twice, one that no walk joins, and the diagonal of an isolated neuron."""
    graph = graph_of([(0, 1), (1, 2), (2, 0), (0, 2), (3, 3), (0, 1), (2, 3)], 5, [0.5, -1.5, 2.0, 1.0, -0.7, 0.3, 0.2])
    options = {"pairs": None if pairs is None else torch.tensor(pairs).t(), "method": "exact-blocked"}
    options |= {"normalization": normalization, "epsilon": 1e-10 if normalization == "both" else 1e-2}
    assert torch.autograd.gradcheck(
        lambda w: communicability(graph.edge_index, w, 5, **options), graph.edge_weight.requires_grad_()
    )


def test_blocked_makes_no_square_array(monkeypatch):
    """20,000 neurons: a square array would take 1.6 GB; what is made is blocks of the columns that are asked for."""
    from graphcortex.ops import _blocked, _walks

    widths = []

    def watched(structure, values, right, *rest, **options):
        widths.append(right.size(1))
        return _walks.walk_sum(structure, values, right, *rest, **options)

    monkeypatch.setattr(_blocked, "walk_sum", watched)
    graph = random_graph(20_000, 40_000, dtype=torch.float32)
    pairs = torch.stack([torch.arange(100), torch.arange(100) // 2])
    weight = graph.edge_weight.requires_grad_()
    communicability(graph.edge_index, weight, 20_000, pairs=pairs).sum().backward()
    assert weight.grad.isfinite().all()
    assert sum(widths) == 2 * 50  # each different target once, for the value and for the gradient
    assert max(widths) * 20_000 <= _blocked.BLOCK_VALUES


PAIR = torch.tensor([[0, 1], [1, 0]])
BAD_ARGUMENTS = {
    "one weight is missing": (PAIR, torch.ones(1), 2),
    "weights in a column": (PAIR, torch.ones(2, 1), 2),
    "whole weights": (PAIR, torch.ones(2).long(), 2),
    "weights in a list": (PAIR, [1.0, 1.0], 2),
    "no neurons": (PAIR[:, :0], torch.ones(0), 0),
    "a neuron too many": (PAIR, torch.ones(2), 1),
    "edges by row": (torch.zeros(5, 2).long(), torch.ones(5), 2),
    "half precision": (PAIR, torch.ones(2).half(), 2),
    "a NaN weight": (PAIR, torch.tensor([math.nan, 1.0]), 2),
    "an infinite weight": (PAIR, torch.tensor([math.inf, 1.0]), 2),
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        communicability(*arguments)


BAD_OPTIONS = {
    "unknown normalization": {"normalization": "target"},
    "zero epsilon": {"normalization": "source", "epsilon": 0.0},
    "infinite epsilon": {"normalization": "source", "epsilon": math.inf},
    "a random method": {"method": "stochastic"},
    "pairs of a neuron that is not there": {"pairs": torch.tensor([[0], [2]])},
    "pairs by row": {"pairs": torch.zeros(5, 3).long()},
}


@pytest.mark.parametrize("options", BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_rejects_options(options):
    with pytest.raises(ValueError, match=r"must .*got"):
        communicability(PAIR, torch.ones(2), 2, **options)


BAD_LENGTHS = {
    "negative": torch.tensor([1.0, -1.0]),
    "NaN": torch.tensor([1.0, math.nan]),
    "too few": torch.ones(1),
    "whole numbers": torch.ones(2).long(),
}


@pytest.mark.parametrize("lengths", BAD_LENGTHS.values(), ids=BAD_LENGTHS.keys())
def test_spatial_rejects(lengths):
    with pytest.raises(ValueError, match=r"edge_length must .*got"):
        spatial_communicability(PAIR, torch.ones(2), lengths, 2)
