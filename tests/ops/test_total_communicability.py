import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.ops import communicability_matrix, edge_traffic, total_communicability
from graphcortex.testing import assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import Edges, edges

each_normalization = pytest.mark.parametrize("normalization", ["both", "source"])


def chain(num_nodes):
    nodes = torch.arange(num_nodes)
    return Edges(torch.stack([nodes[:-1], nodes[1:]]), torch.ones(num_nodes - 1, dtype=torch.float64), num_nodes)


def naive_traffic(num_edges):
    """Count in a chain of unit weights every walk over the factorial of its length, once for every edge that it uses."""
    traffic = [0.0] * num_edges
    for begin in range(num_edges):
        for end in range(begin, num_edges):
            for e in range(begin, end + 1):
                traffic[e] += 1 / math.factorial(end - begin + 1)
    return traffic


@each_normalization
@given(graph=edges())
def test_total_is_the_row_sum_of_the_matrix(normalization, graph):
    expected = communicability_matrix(*graph, normalization=normalization).sum(1)
    assert_close(total_communicability(*graph, normalization=normalization), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("num_edges", [1, 2, 5])
def test_traffic_of_a_chain_counts_the_walks_through_each_edge(num_edges):
    assert edge_traffic(*chain(num_edges + 1)).tolist() == pytest.approx(naive_traffic(num_edges))


def test_traffic_of_a_star_and_of_an_edge_that_leads_nowhere():
    """The hub passes on what two others send it; the edge between two neurons apart has only its own walk."""
    edge_index = torch.tensor([[0, 1, 2, 2, 5], [2, 2, 3, 4, 6]])
    traffic = edge_traffic(edge_index, torch.ones(5, dtype=torch.float64), 7)
    half = 0.5**0.5
    assert traffic.tolist() == pytest.approx([half + 0.5, half + 0.5, half + 0.5, half + 0.5, 1.0])


@each_normalization
@given(graph=edges())
def test_traffic_is_the_derivative_in_the_logarithm_of_the_normalised_weight(normalization, graph):
    """Summed over all edges, it is each walk times its length: the derivative of the sum of exp(s A) in s at 1."""
    options = {"normalization": normalization, "epsilon": 1.0}
    N = graph.num_nodes
    # Each pair once: a repeated edge has the traffic of all.
    merged = torch.zeros(N, N, dtype=torch.float64).index_put(
        tuple(graph.edge_index), graph.edge_weight, accumulate=True
    )
    pairs = merged.nonzero().t()
    simple = Edges(pairs, merged[pairs[0], pairs[1]], N)
    absolute = merged.abs()
    out, into = absolute.sum(1), absolute.sum(0)
    if normalization == "source":
        A = absolute / ((out + 1)[:, None] * (out + 1)).sqrt()
    else:
        A = torch.where(absolute > 0, absolute / (out[:, None] * into).sqrt(), 0.0)
    h = 1e-5
    slope = (torch.linalg.matrix_exp((1 + h) * A) - torch.linalg.matrix_exp((1 - h) * A)).sum() / (2 * h)
    traffic = edge_traffic(*simple, **options)
    assert (traffic >= 0).all()
    assert traffic.sum().item() == pytest.approx(slope.item(), rel=1e-7, abs=1e-8)


@given(graph=edges(), data=st.data())
def test_depends_on_neither_order_nor_names(graph, data):
    order = data.draw(st.permutations(range(graph.edge_index.size(1))))
    names = data.draw(st.permutations(range(graph.num_nodes)))
    assert_invariant_to_edge_order(edge_traffic, graph, order, of="edge")
    assert_invariant_to_relabelling(edge_traffic, graph, names, of="edge")
    assert_invariant_to_edge_order(total_communicability, graph, order, of="node")
    assert_invariant_to_relabelling(total_communicability, graph, names, of="node")


@each_normalization
def test_gradcheck_of_the_total(normalization):
    edge_index = torch.tensor([[0, 1, 2, 0, 2, 0], [1, 2, 0, 2, 3, 1]])
    weight = torch.tensor([0.5, -1.5, 2.0, 1.0, -0.7, 0.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda w: total_communicability(edge_index, w, 5, normalization=normalization, epsilon=1e-2), weight
    )


@pytest.mark.parametrize("function", [total_communicability, edge_traffic])
def test_rejects(function):
    graph = chain(3)
    for weight in (graph.edge_weight[:1], graph.edge_weight * math.nan, graph.edge_weight.half()):
        with pytest.raises(ValueError, match=r"edge_weight must .*got"):
            function(graph.edge_index, weight, 3)
    with pytest.raises(ValueError, match=r"normalization must .*got"):
        function(*graph, normalization="target")
