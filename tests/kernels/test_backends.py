import sys

import pytest
import torch
from hypothesis import given
from torch.testing import assert_close

from graphcortex._optional import MissingDependencyError
from graphcortex.kernels import (
    BACKENDS,
    GraphStructure,
    choose_backend,
    complete_edge_index,
    installed_backends,
    use_backend,
)
from graphcortex.kernels.backends import (
    CsrProduct,
    DenseProduct,
    reference_propagate,
    scatter_propagate,
)
from graphcortex.testing.strategies import edges
from tests.kernels.naive import naive_sddmm, naive_spmm

FUSED = {"dense": DenseProduct, "csr": CsrProduct}


def random_states(graph, trials=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(graph.num_nodes, trials, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("product", FUSED.values(), ids=FUSED.keys())
@given(graph=edges())
def test_fused_products_match_naive(product, graph):
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    made = product(structure, graph.edge_weight)
    h, delta = random_states(graph), random_states(graph, seed=1)
    drive = random_states(graph, seed=2)
    assert_close(made.add_propagated(drive.clone(), h), drive + naive_spmm(graph, h), rtol=1e-12, atol=1e-12)
    transposed = graph._replace(edge_index=graph.edge_index.flip(0))
    assert_close(made.propagate_back(delta), naive_spmm(transposed, delta), rtol=1e-12, atol=1e-12)
    assert_close(
        made.edge_gradient([h, delta], [delta, h]), naive_sddmm(graph, [h, delta], [delta, h]), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("product", FUSED.values(), ids=FUSED.keys())
def test_fused_products_on_the_complete_sorted_graph(product):
    structure = GraphStructure.build(complete_edge_index(3), 3)
    weight = torch.arange(9, dtype=torch.float64)
    h = torch.eye(3, dtype=torch.float64)
    made = product(structure, weight)
    assert_close(made.add_propagated(torch.zeros_like(h), h), weight.view(3, 3).T)
    assert_close(made.propagate_back(h), weight.view(3, 3))
    assert_close(made.edge_gradient([h], [weight.view(3, 3).T]), weight)


@given(graph=edges())
def test_reference_matches_naive(graph):
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    h = random_states(graph)
    assert_close(reference_propagate(structure, graph.edge_weight, h), naive_spmm(graph, h))


@given(graph=edges())
def test_scatter_matches_naive(graph):
    pytest.importorskip("torch_scatter")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    h = random_states(graph)
    assert_close(scatter_propagate(structure, graph.edge_weight, h), naive_spmm(graph, h))


def test_scatter_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_scatter", None)  # imports as if it were not installed
    structure = GraphStructure.build(complete_edge_index(2), 2)
    with pytest.raises(MissingDependencyError, match=r"scatter.*pip install 'graphcortex-rnn\[scatter\]'"):
        scatter_propagate(structure, torch.zeros(4), torch.zeros(2, 1))


def test_all_backends_but_scatter_are_always_installed(monkeypatch):
    assert set(BACKENDS) - {"scatter"} <= set(installed_backends()) <= set(BACKENDS)
    monkeypatch.setattr("graphcortex.kernels.backends.is_installed", lambda module: False)
    assert installed_backends() == ("dense", "csr", "reference")


def structure_of(num_edges, num_nodes=300):
    return GraphStructure.build(complete_edge_index(num_nodes)[:, :num_edges], num_nodes)


# Neurons, trials, density, and what is faster by benchmarks/results/bench_backends.json.
FASTER = [
    (50, 32, 0.1, "dense"),
    (200, 128, 0.2, "csr"),
    (200, 128, 0.7, "dense"),
    (200, 8, 0.7, "csr"),
    (400, 32, 0.5, "csr"),
    (400, 32, 0.9, "dense"),
    (400, 128, 0.2, "csr"),
    (400, 128, 0.6, "dense"),
    (1000, 8, 0.9, "csr"),
    (3000, 128, 0.3, "csr"),
]


@pytest.mark.parametrize(("num_nodes", "num_trials", "density", "name"), FASTER)
def test_auto_takes_what_is_faster(num_nodes, num_trials, density, name):
    edge_index = complete_edge_index(num_nodes)[:, : int(density * num_nodes**2)]
    assert choose_backend("auto", GraphStructure.build(edge_index, num_nodes), num_trials) == name


@pytest.mark.parametrize("num_nodes", [2, 300])
@pytest.mark.parametrize("num_trials", [0, 1, 128])
def test_auto_takes_weights_that_are_a_matrix_as_one(num_nodes, num_trials):
    structure = GraphStructure.build(complete_edge_index(num_nodes), num_nodes)
    assert choose_backend("auto", structure, num_trials) == "dense"


def test_auto_takes_no_matrix_for_a_graph_without_edges():
    assert choose_backend("auto", GraphStructure.build(torch.zeros(2, 0).long(), 300), 8) == "csr"


@pytest.mark.parametrize("name", BACKENDS)
def test_a_named_backend_is_taken_and_a_forced_one_goes_before_it(name):
    structure = structure_of(5)
    assert choose_backend(name, structure, 8) == name
    with use_backend(name):
        assert choose_backend("auto", structure, 8) == choose_backend("dense", structure, 8) == name
    assert choose_backend("auto", structure, 8) == "csr"


def test_use_backend_nests_and_restores_after_an_exception():
    structure = structure_of(5)

    def fail_within(name):
        with use_backend(name):
            assert choose_backend("auto", structure, 8) == name
            raise KeyError(name)

    with use_backend("reference"):
        with pytest.raises(KeyError):
            fail_within("dense")
        assert choose_backend("auto", structure, 8) == "reference"
    assert choose_backend("auto", structure, 8) == "csr"


def test_rejects_an_unknown_backend():
    with pytest.raises(ValueError, match=r"backend must be one of 'auto', 'dense'.*got 'cuda'"):
        choose_backend("cuda", structure_of(5), 8)
    with pytest.raises(ValueError, match=r"backend must be one of 'dense'.*got 'auto'"), use_backend("auto"):
        pass
    assert choose_backend("auto", structure_of(5), 8) == "csr"
