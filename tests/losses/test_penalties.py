import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index
from graphcortex.losses import (
    CommunicabilityEMD,
    L1Penalty,
    LengthCommunicabilityPenalty,
    LengthPenalty,
    SampledCommunicabilityEMD,
)
from graphcortex.nn import GraphRNN
from graphcortex.ops import quantile_function, sample_communicability
from graphcortex.testing.strategies import Edges, edges

NORMALIZATIONS = ("both", "source")
each_normalization = pytest.mark.parametrize("normalization", NORMALIZATIONS)


class Network(nn.Module):
    """The least that a penalty asks of a network."""

    def __init__(self, graph):
        super().__init__()
        self.edge_index, self.num_nodes = graph.edge_index, graph.num_nodes
        self.edge_weight = nn.Parameter(graph.edge_weight.clone())


class Fixed(nn.Module):
    """A random penalty with the same draws at every call."""

    def __init__(self, penalty):
        super().__init__()
        self.penalty = penalty

    def forward(self, network):
        return self.penalty(network, rng=0)


def lengths_of(graph, seed=0):
    D = torch.rand(graph.num_nodes, graph.num_nodes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return D[graph.edge_index[0], graph.edge_index[1]]


def reference_of(num_nodes, seed=1):
    return torch.rand(num_nodes, num_nodes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def full_graph(num_nodes=6, seed=2):
    weight = torch.randn(num_nodes**2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Edges(complete_edge_index(num_nodes), weight, num_nodes)


def naive_matrices(graph, lengths):
    """Return |W| and D; repeated edges add in W, and are equally long in D."""
    W, D = np.zeros((2, graph.num_nodes, graph.num_nodes))
    for i, j, w, d in zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), lengths.tolist(), strict=True):
        W[i, j] += w
        D[i, j] = d
    return np.abs(W), D


def naive_communicability(W, normalization):
    """The table of the study: C = expm(S^-1/2 |W| S^-1/2) with its diagonal zeroed, 1e-10 added to the strengths."""
    size = len(W)
    out, into = W.sum(1), W.sum(0)
    A = np.zeros_like(W)
    for i in range(size):
        for j in range(size):
            if normalization == "source":
                A[i, j] = W[i, j] / math.sqrt((out[i] + 1e-10) * (out[j] + 1e-10))
            elif W[i, j] > 0:
                A[i, j] = W[i, j] / math.sqrt(out[i] * into[j])
    C = scipy.linalg.expm(A)
    for i in range(size):
        C[i, i] = 0
    return C


def naive_length_communicability(graph, lengths, normalization, strength):
    W, D = naive_matrices(graph, lengths)
    D = D * (1 - np.eye(len(D)))  # the study's D is 0 on the diagonal, and so is its C
    C = naive_communicability(W, normalization)
    return strength * sum(W[i, j] * D[i, j] * C[i, j] for i in range(len(W)) for j in range(len(W)))


def naive_emd(graph, reference, normalization, strength):
    W, _ = naive_matrices(graph, torch.zeros(graph.edge_index.size(1)))
    C = sorted(naive_communicability(W, normalization).flatten())
    anatomy = np.array(reference)
    np.fill_diagonal(anatomy, 0)
    return strength * np.mean([abs(a - c) for a, c in zip(sorted(anatomy.flatten()), C, strict=True)])


@given(graph=edges())
def test_l1_matches_naive(graph):
    expected = 0.7 * sum(abs(w) for w in graph.edge_weight.tolist())
    assert L1Penalty(0.7)(Network(graph)).item() == pytest.approx(expected)


@given(graph=edges())
def test_length_matches_naive(graph):
    lengths = lengths_of(graph)
    expected = 0.7 * sum(abs(w) * d for w, d in zip(graph.edge_weight.tolist(), lengths.tolist(), strict=True))
    assert LengthPenalty(lengths, strength=0.7)(Network(graph)).item() == pytest.approx(expected, rel=1e-12)


@given(graph=edges(self_loops=False))
def test_length_communicability_matches_naive(graph):
    lengths = lengths_of(graph)
    penalty = LengthCommunicabilityPenalty(lengths, strength=0.7)
    expected = naive_length_communicability(graph, lengths, "both", 0.7)
    assert penalty(Network(graph)).item() == pytest.approx(expected, rel=1e-11, abs=1e-13)


@given(graph=edges())
def test_emd_matches_naive(graph):
    reference = reference_of(graph.num_nodes)
    expected = naive_emd(graph, reference.tolist(), "both", 0.7)
    assert CommunicabilityEMD(reference, strength=0.7)(Network(graph)).item() == pytest.approx(expected, rel=1e-11)


@each_normalization
@pytest.mark.parametrize("seed", range(3))
def test_published_table_on_a_full_matrix(normalization, seed):
    """W full and signed, D zero on its diagonal: C of the study, 1e-10 and all."""
    graph = full_graph(8, seed)
    lengths = lengths_of(graph, seed) * (graph.edge_index[0] != graph.edge_index[1])
    network = Network(graph)
    spatial = LengthCommunicabilityPenalty(lengths, normalization=normalization)
    expected = naive_length_communicability(graph, lengths, normalization, 0.3)
    assert spatial(network).item() == pytest.approx(expected, rel=1e-12)
    reference = reference_of(8, seed)
    emd = CommunicabilityEMD(reference, normalization=normalization)
    assert emd(network).item() == pytest.approx(naive_emd(graph, reference.tolist(), normalization, 0.1), rel=1e-12)


def test_default_strengths_are_those_of_the_study():
    lengths = torch.ones(1)
    assert [p.strength for p in (L1Penalty(), LengthPenalty(lengths), LengthCommunicabilityPenalty(lengths))] == [
        0.3
    ] * 3
    assert CommunicabilityEMD(torch.ones(2, 2)).strength == 0.1


# Each is (graph, strength) -> penalty; a new penalty adds a line and inherits every law below.
PENALTIES = {
    "L1": lambda graph, strength: L1Penalty(strength),
    "length": lambda graph, strength: LengthPenalty(lengths_of(graph), strength=strength),
    **{
        f"length x communicability, {name}": lambda graph, strength, name=name: LengthCommunicabilityPenalty(
            lengths_of(graph), strength=strength, normalization=name
        )
        for name in NORMALIZATIONS
    },
    **{
        f"length x communicability, {options['method']}, {name}": lambda graph, strength, name=name, options=options: (
            LengthCommunicabilityPenalty(lengths_of(graph), strength=strength, normalization=name, **options)
        )
        for name in NORMALIZATIONS
        for options in ({"method": "exact-blocked", "exponent": 2.0}, {"method": "exact-dense", "exponent": 0.5})
    },
    **{
        f"sampled communicability EMD, {pairs}, {name}": lambda graph, strength, name=name, pairs=pairs: Fixed(
            SampledCommunicabilityEMD(
                reference_of(graph.num_nodes)[0].sort().values,
                strength=strength,
                normalization=name,
                num_targets=3,
                pairs=pairs,
            )
        )
        for name in NORMALIZATIONS
        for pairs in ("all", "edges")
    },
    **{
        f"communicability EMD, {name}": lambda graph, strength, name=name: CommunicabilityEMD(
            reference_of(graph.num_nodes), strength=strength, normalization=name
        )
        for name in NORMALIZATIONS
    },
}
each_penalty = pytest.mark.parametrize("make", PENALTIES.values(), ids=PENALTIES.keys())


@each_penalty
@given(graph=edges())
def test_is_a_finite_scalar_not_negative_with_a_finite_gradient(make, graph):
    network = Network(graph)
    value = make(graph, 0.7)(network)
    value.backward()
    assert value.shape == ()
    assert value.isfinite()
    assert value >= 0
    assert network.edge_weight.grad.isfinite().all()


@each_penalty
@given(graph=edges(), factor=st.sampled_from([0.0, 2.0, 10.0]))
def test_scales_with_its_strength(make, graph, factor):
    network = Network(graph)
    assert make(graph, factor * 0.3)(network).item() == pytest.approx(factor * make(graph, 0.3)(network).item())


@each_penalty
@given(graph=edges())
def test_does_not_see_the_sign_of_the_whole(make, graph):
    mirrored = graph._replace(edge_weight=-graph.edge_weight)
    assert_close(make(graph, 0.3)(Network(mirrored)), make(graph, 0.3)(Network(graph)))


@each_penalty
def test_gradcheck(make):
    graph = full_graph(4)
    penalty = make(graph, 0.7)

    def call(weight):
        network = nn.Module()
        network.edge_index, network.num_nodes, network.edge_weight = graph.edge_index, 4, weight
        return penalty(network)

    assert torch.autograd.gradcheck(call, graph.edge_weight.requires_grad_())


@each_penalty
def test_descent_lowers_it(make):
    graph = full_graph(5)
    network, penalty = Network(graph), make(graph, 0.7)
    before = penalty(network)
    (gradient,) = torch.autograd.grad(before, network.edge_weight)
    assert gradient.norm() > 0
    with torch.no_grad():
        network.edge_weight -= 1e-4 * gradient / gradient.norm()
    assert penalty(network) < before


@each_penalty
def test_takes_a_network_of_either_precision(make):
    graph = full_graph(5)
    rnn = GraphRNN(1, graph.edge_index, 5)
    rnn.set_edge_weight(graph.edge_weight)
    short, exact = make(graph, 0.7)(rnn), make(graph, 0.7)(Network(graph))
    assert short.dtype == torch.float32
    assert short.item() == pytest.approx(exact.item(), rel=1e-5)


@each_penalty
def test_state_and_device_carry_the_buffers(make, device):
    graph, other = full_graph(5), full_graph(5, seed=7)
    penalty = make(graph, 0.7).to(device)
    assert all(buffer.device.type == device.type for buffer in penalty.buffers())
    network = Network(other).to(device)
    network.edge_index = other.edge_index.to(device)
    assert penalty(network).device.type == device.type
    blank = make(graph, 0.7)
    for buffer in blank.buffers():
        buffer.zero_()
    blank.load_state_dict(penalty.state_dict())
    assert blank(Network(other)).item() == pytest.approx(penalty(network).item(), rel=1e-12)
    assert not any(buffer.requires_grad for buffer in penalty.buffers())
    assert list(penalty.parameters()) == []


@each_penalty
def test_repr_says_the_strength(make):
    assert "strength=0.7" in repr(make(full_graph(3), 0.7))


@each_penalty
def test_nan_is_not_hidden(make):
    graph = full_graph(3)
    graph.edge_weight[1] = math.nan
    assert make(graph, 0.7)(Network(graph)).isnan()


def test_the_gradient_runs_through_the_communicability():
    graph = full_graph(5)
    lengths = lengths_of(graph)
    network = Network(graph)
    penalty = LengthCommunicabilityPenalty(lengths)
    (gradient,) = torch.autograd.grad(penalty(network), network.edge_weight)
    C = torch.from_numpy(scipy.linalg.expm(naive_exponent(graph)))
    frozen = 0.3 * graph.edge_weight.sign() * lengths * C.flatten()
    assert not torch.allclose(gradient, frozen, rtol=1e-2)


def naive_exponent(graph):
    W, _ = naive_matrices(graph, torch.zeros(graph.edge_index.size(1)))
    return W / np.sqrt(W.sum(1)[:, None] * W.sum(0)[None])


@each_normalization
def test_emd_is_zero_for_the_same_anatomy_whatever_its_diagonal_and_names(normalization):
    graph = full_graph(6)
    W, _ = naive_matrices(graph, torch.zeros(36))
    reference = torch.from_numpy(naive_communicability(W, normalization))
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    renamed = reference[order][:, order] + torch.diag(torch.arange(6.0))
    for same in (reference, renamed):
        value = CommunicabilityEMD(same, normalization=normalization)(Network(graph))
        assert value.item() == pytest.approx(0, abs=1e-14)


@each_normalization
def test_the_sampled_emd_of_all_targets_is_the_dense_one(normalization):
    graph, reference = full_graph(7), reference_of(7)
    off = (reference - torch.diag(reference.diagonal())).flatten().sort().values
    networks = [Network(graph) for _ in range(2)]
    dense = CommunicabilityEMD(reference, normalization=normalization)(networks[0])
    sampled = SampledCommunicabilityEMD(off, normalization=normalization, rng=0)(networks[1])
    assert sampled.item() == pytest.approx(dense.item(), rel=1e-12)
    dense.backward()
    sampled.backward()
    assert_close(networks[1].edge_weight.grad, networks[0].edge_weight.grad, rtol=1e-10, atol=1e-13)


def test_the_sampled_emd_comes_down_to_the_dense_one_as_the_sample_grows():
    """Against the network's own distribution: 0 when all is seen, and above it by what a sample misses."""
    graph = full_graph(40)
    reference = quantile_function(sample_communicability(*graph, num_targets=40, rng=0), num_levels=1600)
    means = []
    for count in (1, 4, 16, 40):
        penalty = SampledCommunicabilityEMD(reference, num_targets=count, strength=1.0)
        means.append(sum(penalty(Network(graph), rng=seed).item() for seed in range(20)) / 20)
    assert means[0] > means[1] > means[2] > means[3]
    assert means[3] == pytest.approx(0, abs=1e-12)


def test_the_sampled_emd_of_neurons_that_nobody_sends_to_is_zero():
    network = Network(Edges(torch.zeros(2, 0).long(), torch.zeros(0, dtype=torch.float64), 3))
    value = SampledCommunicabilityEMD(torch.ones(4), pairs="edges", rng=0)(network)
    value.backward()
    assert value.item() == 0


@pytest.mark.parametrize("exponent", [0.5, 2.0])
def test_length_communicability_takes_the_power_of_c(exponent):
    graph = full_graph(5)
    lengths = lengths_of(graph)
    C = torch.from_numpy(scipy.linalg.expm(naive_exponent(graph))).flatten()
    expected = 0.3 * (graph.edge_weight.abs() * lengths * C**exponent).sum()
    for method in ("exact-dense", "exact-blocked"):
        penalty = LengthCommunicabilityPenalty(lengths, method=method, exponent=exponent)
        assert penalty(Network(graph)).item() == pytest.approx(expected.item(), rel=1e-12)


class TestRandomPenalties:
    """What draws probes or targets: fresh ones at each call, from the module's generator or the call's."""

    def make(self, kind, **options):
        graph = full_graph(8)
        if kind == "stochastic":
            penalty = LengthCommunicabilityPenalty(lengths_of(graph), method="stochastic", probes=2, **options)
        else:
            penalty = SampledCommunicabilityEMD(reference_of(8)[0].sort().values, num_targets=2, **options)
        return penalty, Network(graph)

    @pytest.mark.parametrize("kind", ["stochastic", "sampled"])
    def test_each_call_draws_anew_and_a_seed_fixes_the_stream(self, kind):
        penalty, network = self.make(kind, rng=7)
        stream = [penalty(network).item() for _ in range(3)]
        assert len(set(stream)) == 3
        again, network = self.make(kind, rng=7)
        assert [again(network).item() for _ in range(3)] == stream
        own, network = self.make(kind)
        assert own(network, rng=torch.Generator().manual_seed(7)).item() == stream[0]

    @pytest.mark.parametrize("kind", ["stochastic", "sampled"])
    def test_without_a_generator_it_says_so(self, kind):
        penalty, network = self.make(kind)
        with pytest.raises(ValueError, match=r"rng must .*got None"):
            penalty(network)

    def test_the_mean_of_many_is_the_exact_one(self):
        """400 draws of 2 probes, within 4.5 standard errors: a false alarm in 1 of 147,000 runs; the seed is fixed."""
        penalty, network = self.make("stochastic", rng=0)
        draws = torch.stack([penalty(network).detach() for _ in range(400)])
        exact = LengthCommunicabilityPenalty(penalty.edge_length, method="exact-dense")(network)
        assert abs(draws.mean() - exact) < 4.5 * draws.std() / 20


def test_no_step_of_training_sorts_edges(monkeypatch):
    """Neither for a GraphRNN, which has its structure, nor for a network that has none."""
    from graphcortex.kernels import structure as module

    graph = full_graph(6)
    shuffled = Edges(graph.edge_index.flip(1), graph.edge_weight.flip(0), 6)
    rnn = GraphRNN(1, shuffled.edge_index, 6)
    for network in (rnn, Network(shuffled)):
        penalties = [
            LengthCommunicabilityPenalty(torch.ones(36), method="exact-blocked"),
            LengthCommunicabilityPenalty(torch.ones(36), method="stochastic", rng=0),
            CommunicabilityEMD(reference_of(6)),
        ]
        for penalty in penalties:
            penalty(network).backward()
        with monkeypatch.context() as patch:
            # compress() also groups the pairs of a block by their targets; those of all edges are sorted in argsort.
            patch.setattr(module.GraphStructure, "build", None)
            for penalty in penalties:
                penalty(network).backward()


def test_edges_that_changed_are_seen():
    graph = full_graph(4)
    network, penalty = Network(graph), LengthCommunicabilityPenalty(torch.ones(16, dtype=torch.float64))
    penalty(network)
    network.edge_index = graph.edge_index.clone()
    network.edge_index[:, 0] = torch.tensor([0, 1])  # now twice
    value = penalty(network)
    network.edge_index[:, 0] = torch.tensor([0, 0])
    assert penalty(network).item() == pytest.approx(penalty(Network(graph)).item())
    assert value.item() != pytest.approx(penalty(network).item())


def test_emd_leaves_the_reference_as_it_was():
    reference = reference_of(4)
    before = reference.clone()
    CommunicabilityEMD(reference)(Network(full_graph(4)))
    assert torch.equal(reference, before)


BAD_ARGUMENTS = {
    "negative L1": lambda: L1Penalty(-0.1),
    "NaN strength": lambda: L1Penalty(math.nan),
    "strength in words": lambda: L1Penalty("strong"),
    "negative length": lambda: LengthPenalty(torch.tensor([1.0, -1.0])),
    "NaN length": lambda: LengthPenalty(torch.tensor([1.0, math.nan])),
    "lengths as a matrix": lambda: LengthPenalty(torch.ones(2, 2)),
    "negative strength": lambda: LengthPenalty(torch.ones(2), strength=-1),
    "unknown normalization": lambda: LengthCommunicabilityPenalty(torch.ones(2), normalization="target"),
    "unknown method": lambda: LengthCommunicabilityPenalty(torch.ones(2), method="fast"),
    "no probes": lambda: LengthCommunicabilityPenalty(torch.ones(2), probes=0),
    "tolerance 0": lambda: LengthCommunicabilityPenalty(torch.ones(2), tolerance=0),
    "negative exponent": lambda: LengthCommunicabilityPenalty(torch.ones(2), exponent=-1),
    "a power of a random value": lambda: LengthCommunicabilityPenalty(torch.ones(2), method="stochastic", exponent=2),
    "descending quantiles": lambda: SampledCommunicabilityEMD(torch.tensor([2.0, 1.0])),
    "NaN quantile": lambda: SampledCommunicabilityEMD(torch.tensor([math.nan])),
    "no quantiles": lambda: SampledCommunicabilityEMD(torch.ones(0)),
    "no targets": lambda: SampledCommunicabilityEMD(torch.ones(2), num_targets=0),
    "unknown pairs": lambda: SampledCommunicabilityEMD(torch.ones(2), pairs="some"),
    "oblong reference": lambda: CommunicabilityEMD(torch.ones(2, 3)),
    "flat reference": lambda: CommunicabilityEMD(torch.ones(4)),
    "NaN reference": lambda: CommunicabilityEMD(torch.full((2, 2), math.nan)),
    "unknown normalization of the EMD": lambda: CommunicabilityEMD(torch.ones(2, 2), normalization="target"),
    "lengths of another network": lambda: LengthPenalty(torch.ones(3))(Network(full_graph(2))),
    "lengths of another network, with C": lambda: LengthCommunicabilityPenalty(torch.ones(3))(Network(full_graph(2))),
    "reference of another network": lambda: CommunicabilityEMD(torch.ones(3, 3))(Network(full_graph(2))),
}


@pytest.mark.parametrize("call", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(call):
    with pytest.raises(ValueError, match=r"must .*got"):
        call()


def test_a_network_that_keeps_its_neurons_in_an_order_of_its_own_pays_the_same(monkeypatch):
    monkeypatch.setattr("graphcortex.nn.graph_rnn.ORDER_FROM", 1)
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(9, (2, 30), generator=generator)
    pos, weight = torch.rand(9, 3, generator=generator), torch.randn(30, generator=generator)
    lengths = (pos[edge_index[0]] - pos[edge_index[1]]).norm(dim=1)
    reference = torch.linspace(0, 1, 81).view(9, 9)
    penalties = [
        LengthCommunicabilityPenalty(lengths, method="exact-dense"),
        LengthCommunicabilityPenalty(lengths, method="exact-blocked"),
        CommunicabilityEMD(reference),
    ]
    for penalty in penalties:
        results = []
        for options in ({}, {"pos": pos}):
            rnn = GraphRNN(1, edge_index, 9, **options)
            rnn.set_edge_weight(weight)
            assert (rnn._order is None) == (not options)
            value = penalty(rnn)
            results.append((value, *torch.autograd.grad(value, [rnn.edge_weight])))
        assert_close(results[1], results[0])
