import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index
from graphcortex.nn.initializers import functional, log_normal, orthogonal, synaptic
from graphcortex.ops import spectral_radius
from graphcortex.testing.strategies import edges

N = 12
COMPLETE = complete_edge_index(N)


def relation(seed, edge_index=COMPLETE):
    return torch.rand(edge_index.size(1), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.3


COUNT = torch.randint(0, 5, (N * N,), generator=torch.Generator().manual_seed(4))

# Each takes (rng, **options) on the complete graph of N neurons; a new one adds a line and inherits every law below.
INITIALIZERS = {
    "orthogonal": lambda rng: orthogonal(COMPLETE, N, rng=rng),
    "log_normal": lambda rng, **o: log_normal(COMPLETE, N, rng=rng, **o),
    "synaptic": lambda rng, **o: synaptic(COMPLETE, N, count=COUNT, **o),
    "functional": lambda rng, **o: functional(COMPLETE, N, relations=[relation(0), relation(1)], rng=rng, **o),
    "functional, one relation": lambda rng, **o: functional(COMPLETE, N, relations=[relation(2)], rng=rng, **o),
}
RANDOM = [name for name in INITIALIZERS if name != "synaptic"]
POSITIVE = [name for name in INITIALIZERS if name != "orthogonal"]


@pytest.mark.parametrize("name", INITIALIZERS)
def test_one_float32_weight_per_edge_that_depends_on_rng_alone(name):
    before = torch.random.get_rng_state()
    weight = INITIALIZERS[name](3)
    assert weight.shape == (N * N,)
    assert weight.dtype == torch.float32
    assert weight.isfinite().all()
    assert not weight.requires_grad
    assert torch.equal(INITIALIZERS[name](3), weight)
    assert torch.equal(INITIALIZERS[name](torch.Generator().manual_seed(3)), weight)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", RANDOM)
def test_other_seeds_give_other_weights_and_a_generator_goes_on(name):
    generator = torch.Generator().manual_seed(3)
    draws = [INITIALIZERS[name](generator), INITIALIZERS[name](generator), INITIALIZERS[name](4)]
    assert not torch.allclose(draws[0], draws[1])
    assert not torch.allclose(draws[0], draws[2])


@pytest.mark.parametrize("name", RANDOM)
def test_rng_must_be_one(name):
    with pytest.raises(ValueError, match=r"rng must .*got"):
        INITIALIZERS[name](-1)


@pytest.mark.parametrize("radius", [0.5, 0.95, 1.7])
@pytest.mark.parametrize("name", POSITIVE)
def test_spectral_radius_is_as_asked_and_a_factor_alone(name, radius):
    weight, free = INITIALIZERS[name](3, radius=radius), INITIALIZERS[name](3, radius=None)
    assert spectral_radius(COMPLETE, weight, N) == pytest.approx(radius, rel=1e-5)
    ratio = weight[free > 0] / free[free > 0]
    assert_close(ratio, ratio[:1].expand_as(ratio))


@pytest.mark.parametrize("name", POSITIVE)
def test_default_radius_is_that_of_the_study(name):
    assert spectral_radius(COMPLETE, INITIALIZERS[name](3), N) == pytest.approx(0.95, rel=1e-5)


@pytest.mark.parametrize("name", POSITIVE)
def test_weights_are_not_negative(name):
    assert (INITIALIZERS[name](3) >= 0).all()


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_orthogonal_rows_and_columns(gain):
    W = orthogonal(COMPLETE, N, gain=gain, rng=0).view(N, N).double()
    identity = gain**2 * torch.eye(N, dtype=torch.float64)
    assert_close(W @ W.T, identity, rtol=0, atol=1e-6)
    assert_close(W.T @ W, identity, rtol=0, atol=1e-6)


INCOMPLETE = {"one edge less": COMPLETE[:, 1:], "another order": COMPLETE.flip(1), "no edges": COMPLETE[:, :0]}


@pytest.mark.parametrize("edge_index", INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_orthogonal_rejects_what_is_no_full_matrix(edge_index):
    with pytest.raises(ValueError, match=r"edge_index must hold all 144 ordered pairs.*got"):
        orthogonal(edge_index, N, rng=0)


def test_log_normal_has_its_moments():
    edge_index = complete_edge_index(250)
    logs = log_normal(edge_index, 250, mu=-0.7, sigma=0.3, radius=None, rng=0).double().log()
    # 62,500 draws: the standard errors are .0012 and .0008.
    assert logs.mean().item() == pytest.approx(-0.7, abs=0.006)
    assert logs.std().item() == pytest.approx(0.3, abs=0.004)
    assert (logs - logs.mean()).pow(3).mean().item() == pytest.approx(0, abs=0.002)


def test_log_normal_without_spread_is_constant():
    weight = log_normal(COMPLETE, N, mu=0.5, sigma=0.0, radius=None, rng=0)
    assert_close(weight, torch.full_like(weight, np.exp(0.5)))


@given(graph=edges(signed=False), data=st.data())
def test_synaptic_follows_the_order_of_edges(graph, data):
    order = torch.tensor(data.draw(st.permutations(range(graph.edge_index.size(1)))), dtype=torch.long)
    assume(spectral_radius(*graph) > 0)
    expected = synaptic(graph.edge_index, graph.num_nodes, count=graph.edge_weight)
    shuffled = synaptic(graph.edge_index[:, order], graph.num_nodes, count=graph.edge_weight[order])
    assert_close(shuffled, expected[order], rtol=1e-5, atol=1e-6)
    assert_close(
        synaptic(graph.edge_index, graph.num_nodes, count=7 * graph.edge_weight), expected, rtol=1e-5, atol=1e-6
    )
    unscaled = synaptic(graph.edge_index, graph.num_nodes, count=graph.edge_weight, radius=None)
    assert_close(unscaled, graph.edge_weight.float())


def naive_functional(relations, draws, mean, floor, radius):
    """Follow section "Initial W" of the study line by line, with explicit loops."""
    size = int(len(draws) ** 0.5)
    W = np.array(draws).reshape(size, size)
    for values in relations:
        matrix = np.array(values).reshape(size, size)
        low, high = min(values), max(values)
        for i in range(size):
            for j in range(size):
                W[i, j] *= (matrix[i, j] - low) / (high - low)
    W = W * (mean / (sum(W.flatten()) / size**2))
    for i in range(size):
        for j in range(size):
            if W[i, j] != 0:
                W[i, j] = max(W[i, j], floor)
    if radius is None:
        return W.flatten()
    return (W / max(abs(np.linalg.eigvals(W))) * radius).flatten()


@pytest.mark.parametrize("radius", [0.95, None], ids=["radius", "no radius"])
@pytest.mark.parametrize("num_relations", [1, 2, 3])
def test_functional_follows_the_study(num_relations, radius):
    relations = [relation(seed) for seed in range(num_relations)]
    options = {"mu": -0.4, "sigma": 0.6, "mean": 0.1, "floor": 0.04, "radius": radius}
    weight = functional(COMPLETE, N, relations=relations, rng=9, **options)
    draws = torch.randn(N * N, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    draws = np.exp(-0.4 + 0.6 * draws.numpy())
    expected = naive_functional([r.tolist() for r in relations], draws, 0.1, 0.04, radius)
    assert (expected == np.min(expected[expected > 0])).sum() > 3  # the floor is reached
    assert (expected == 0).sum() == num_relations  # and the lowest pair of each relation has no weight
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-6)


def test_functional_defaults_are_those_of_the_study():
    relations = [relation(0), relation(1)]
    explicit = functional(
        COMPLETE, N, relations=relations, mu=-0.5, sigma=0.5, mean=0.1, floor=0.01, radius=0.95, rng=1
    )
    assert torch.equal(functional(COMPLETE, N, relations=relations, rng=1), explicit)


@given(scale=st.sampled_from([0.1, 3.0]), shift=st.sampled_from([-1.0, 10.0]))
def test_functional_does_not_depend_on_unit_and_origin_of_a_relation(scale, shift):
    expected = functional(COMPLETE, N, relations=[relation(0), relation(1)], rng=1)
    other = functional(COMPLETE, N, relations=[scale * relation(0) + shift, relation(1)], rng=1)
    assert_close(other, expected, rtol=1e-5, atol=1e-7)
    assert_close(functional(COMPLETE, N, relations=[relation(1), relation(0)], rng=1), expected)


def test_functional_is_equivariant_to_the_names_of_neurons_where_nothing_is_drawn():
    names = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    first = functional(COMPLETE, N, relations=[relation(0)], sigma=0.0, rng=0).view(N, N)
    renamed = relation(0).view(N, N)[names][:, names].reshape(-1)
    second = functional(COMPLETE, N, relations=[renamed], sigma=0.0, rng=0).view(N, N)
    assert_close(second, first[names][:, names], rtol=1e-5, atol=1e-7)


def test_functional_works_on_a_sparse_graph():
    edge_index = COMPLETE[:, ::3]
    weight = functional(edge_index, N, relations=[relation(0, edge_index)], rng=0)
    assert weight.shape == (48,)
    assert spectral_radius(edge_index, weight, N) == pytest.approx(0.95, rel=1e-5)


CHAIN = torch.tensor([[0, 1], [1, 2]])
ONES = torch.ones(N * N)
HALF = torch.zeros(N * N).index_fill_(0, torch.arange(9), 1.0)
BAD_CALLS = {
    "log_normal: a chain has no radius": lambda: log_normal(CHAIN, 3, rng=0),
    "log_normal: NaN mu": lambda: log_normal(CHAIN, 3, mu=float("nan"), rng=0),
    "log_normal: negative sigma": lambda: log_normal(CHAIN, 3, sigma=-1.0, rng=0),
    "log_normal: a neuron too many": lambda: log_normal(CHAIN, 2, rng=0),
    "log_normal: no neurons": lambda: log_normal(CHAIN, 0, rng=0),
    "synaptic: a chain has no radius": lambda: synaptic(CHAIN, 3, count=torch.ones(2)),
    "synaptic: no synapse": lambda: synaptic(COMPLETE, N, count=0 * ONES),
    "synaptic: negative count": lambda: synaptic(CHAIN, 3, count=torch.tensor([1, -1])),
    "synaptic: NaN": lambda: synaptic(CHAIN, 3, count=torch.tensor([1, float("nan")])),
    "synaptic: a count is missing": lambda: synaptic(CHAIN, 3, count=torch.ones(1)),
    "functional: no relation": lambda: functional(COMPLETE, N, relations=[], rng=0),
    "functional: no edges": lambda: functional(CHAIN[:, :0], 3, relations=[torch.zeros(0)], rng=0),
    "functional: constant": lambda: functional(COMPLETE, N, relations=[ONES], rng=0),
    "functional: NaN": lambda: functional(COMPLETE, N, relations=[relation(0) / 0 * 0], rng=0),
    "functional: a value is missing": lambda: functional(COMPLETE, N, relations=[ONES[1:]], rng=0),
    "functional: whole numbers": lambda: functional(COMPLETE, N, relations=[ONES.long()], rng=0),
    "functional: mean of 0": lambda: functional(COMPLETE, N, relations=[relation(0)], mean=0.0, rng=0),
    "functional: negative floor": lambda: functional(COMPLETE, N, relations=[relation(0)], floor=-1.0, rng=0),
}


@pytest.mark.parametrize("call", BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_rejects(call):
    with pytest.raises(ValueError, match=r"must .*got"):
        call()


def test_functional_rejects_relations_that_do_not_overlap():
    with pytest.raises(ValueError, match="relations must overlap"):
        functional(COMPLETE, N, relations=[HALF, 1 - HALF], rng=0)
