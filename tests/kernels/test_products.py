import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.kernels import GraphStructure, sddmm, spmm
from graphcortex.testing.strategies import Edges, edges
from tests.kernels.naive import naive_sddmm, naive_spmm

NEAR = {"rtol": 1e-12, "atol": 1e-12}


def random_states(num_nodes, trials=3, seed=0):
    return torch.randn(num_nodes, trials, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_graph(num_nodes, num_edges, seed=0):
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=generator)
    return Edges(edge_index, torch.randn(num_edges, generator=generator, dtype=torch.float64), num_nodes)


@given(graph=edges(), trials=st.integers(0, 4))
def test_spmm_matches_naive(graph, trials):
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    h = random_states(graph.num_nodes, trials)
    incoming = structure.incoming
    assert_close(spmm(incoming, incoming.arrange(graph.edge_weight), h), naive_spmm(graph, h), **NEAR)


@pytest.mark.parametrize("trials", [1, 2, 7, 16, 33])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_spmm_of_less_precision_is_near_the_exact_sum(dtype, trials):
    graph = random_graph(50, 700)
    structure = GraphStructure.build(graph.edge_index, 50)
    h = random_states(50, trials).to(dtype)
    weight = graph.edge_weight.to(dtype)
    exact = naive_spmm(graph._replace(edge_weight=weight.double()), h.double())
    found = spmm(structure.incoming, structure.incoming.arrange(weight), h)
    assert found.dtype == dtype
    # One rounding of the result, and in float32 one of each term.
    eps = torch.finfo(dtype).eps
    assert_close(found.double(), exact, rtol=eps, atol=40 * torch.finfo(torch.float32).eps)


def test_half_precision_is_summed_in_float32():
    """4,096 ones are 4,096; a sum in bfloat16 would stop at 256, where adding 1 changes nothing."""
    structure = GraphStructure.build(torch.stack([torch.arange(4096), torch.zeros(4096).long()]), 4096)
    ones = torch.ones(4096, dtype=torch.bfloat16)
    assert spmm(structure.incoming, ones, ones[:, None])[0].item() == 4096
    assert sddmm(structure, [ones[:1].expand(4096, 4096)], [ones[:1].expand(4096, 4096)])[0].item() == 4096


@pytest.mark.parametrize("columns", [1, 4, 1000])
@pytest.mark.parametrize("steps", [0, 1, 5])
@given(graph=edges())
def test_sddmm_matches_naive_however_the_steps_are_cut(columns, steps, graph):
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    h = [random_states(graph.num_nodes, seed=t) for t in range(steps)]
    delta = [random_states(graph.num_nodes, seed=10 + t) for t in range(steps)]
    found = sddmm(structure, h, delta, columns=columns)
    expected = naive_sddmm(graph, h, delta) if steps else torch.zeros(structure.num_edges)
    assert_close(found, expected, **NEAR)


@given(graph=edges(), nodes=st.integers(1, 4))
def test_sddmm_matches_naive_in_blocks_of_sources(graph, nodes):
    h, delta = [[random_states(graph.num_nodes, seed=s + t) for t in range(2)] for s in (0, 7)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphcortex.kernels.structure.BLOCK_NODES", nodes)
        patch.setattr("graphcortex.kernels.structure.BLOCK_EDGES_PER_ROW", 1e-9)
        found = sddmm(GraphStructure.build(graph.edge_index, graph.num_nodes), h, delta)
    assert_close(found, naive_sddmm(graph, h, delta), **NEAR)


@given(graph=edges())
def test_sddmm_without_trials_is_zero(graph):
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    nothing = [random_states(graph.num_nodes, 0)]
    assert sddmm(structure, nothing, nothing).tolist() == [0] * structure.num_edges


def test_products_are_adjoint_on_a_graph_of_several_blocks():
    """<W^T h, d> = <w, sddmm(h, d)> = <h, W d>, at a size where the blocks are real."""
    graph = random_graph(13000, 260000)
    structure = GraphStructure.build(graph.edge_index, 13000)
    assert len(structure.blocks) == 3
    h, delta = random_states(13000), random_states(13000, seed=1)
    forward = (spmm(structure.incoming, structure.incoming.arrange(graph.edge_weight), h) * delta).sum()
    back = (spmm(structure.outgoing, structure.outgoing.arrange(graph.edge_weight), delta) * h).sum()
    sampled = graph.edge_weight @ sddmm(structure, [h], [delta])
    assert_close(back, forward, rtol=1e-10, atol=0)
    assert_close(sampled, forward, rtol=1e-10, atol=0)
