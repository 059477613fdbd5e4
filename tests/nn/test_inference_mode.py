"""A network or a penalty that is first run in inference mode trains afterwards as one that was not."""

import pytest
import torch
from torch.testing import assert_close

from graphcortex.kernels import GraphStructure, installed_backends, use_backend
from graphcortex.losses import (
    CommunicabilityEMD,
    LengthCommunicabilityPenalty,
    LengthPenalty,
    SampledCommunicabilityEMD,
)
from graphcortex.nn import Ensemble, GraphRNN, TaskClassifier
from graphcortex.ops import communicability, total_communicability

# One pair is joined twice, and the edges are not sorted.
EDGES = torch.tensor([[3, 0, 1, 2, 0, 2, 0, 1], [0, 1, 2, 3, 2, 0, 1, 1]])
X = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([3.0, 1.0, 2.0, 4.0, 0.5, 2.5, 1.0, 0.0])


class OfAnother(torch.nn.Module):
    """A network of somebody else, which has edges, and no structure."""

    def __init__(self):
        super().__init__()
        self.register_buffer("edge_index", EDGES.clone())
        self.num_nodes = 4
        self.edge_weight = torch.nn.Parameter(torch.linspace(-1, 1, EDGES.size(1)))


def make_rnn():
    return GraphRNN(2, EDGES, 4, nonlinearity="tanh")


def of_penalty(penalty, make=make_rnn):
    def build():
        rnn = make()
        return rnn, lambda: penalty(rnn)

    return build


def of_network(backend, **options):
    def build():
        rnn = GraphRNN(2, EDGES, 4, nonlinearity="tanh", **options)

        def run():
            with use_backend(backend):
                return rnn(X)[0].square().sum()

        return rnn, run

    return build


def of_ensemble(backend):
    def build():
        members = [TaskClassifier(make_rnn(), 2, rng=seed) for seed in range(2)]
        ensemble = Ensemble(members)

        def run():
            with use_backend(backend):
                return sum(logits.square().sum() for logits in ensemble([X, X]))

        return torch.nn.ModuleList(members), run

    return build


def of_function(function):
    def build():
        rnn = make_rnn()
        return rnn, lambda: function(rnn)

    return build


def of_moved_edges():
    rnn = make_rnn()

    def run():
        if torch.is_inference_mode_enabled():
            rnn.set_edges(EDGES)
        return rnn.step(X[0], torch.ones(3, 4)).sum() + LengthCommunicabilityPenalty(LENGTHS)(rnn)

    return rnn, run


PENALTIES = {
    "length": LengthPenalty(LENGTHS),
    **{
        f"length and communicability, {method}": LengthCommunicabilityPenalty(LENGTHS, method=method)
        for method in ("exact-dense", "exact-blocked")
    },
    "distance": CommunicabilityEMD(torch.rand(4, 4, generator=torch.Generator().manual_seed(1))),
}
SEEDED = {
    "by probes": lambda rnn: LengthCommunicabilityPenalty(LENGTHS, method="stochastic", rng=0)(rnn, rng=1),
    "sampled distance": lambda rnn: SampledCommunicabilityEMD(torch.linspace(0, 2, 9))(rnn, rng=1),
    "communicability": lambda rnn: communicability(
        rnn.edge_index, rnn.edge_weight, 4, method="exact-blocked", structure=rnn.structure
    ).sum(),
    "total communicability": lambda rnn: (
        total_communicability(rnn.edge_index, rnn.edge_weight, 4, structure=rnn.structure).square().sum()
    ),
}
# Each makes a module and a function of no argument, which returns a loss of it.
CLIENTS = {
    **{name: of_penalty(penalty) for name, penalty in PENALTIES.items()},
    **{f"{name}, another's network": of_penalty(penalty, OfAnother) for name, penalty in PENALTIES.items()},
    **{name: of_function(function) for name, function in SEEDED.items()},
    **{f"network, {name}": of_network(name) for name in installed_backends()},
    "network in segments": of_network("csr", checkpoint_every=2),
    **{f"ensemble, {name}": of_ensemble(name) for name in installed_backends()},
    "moved edges": of_moved_edges,
}


@pytest.mark.parametrize("outside", [torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
def test_training_after_a_first_run_in_inference_mode(client, outside):
    fresh, run_fresh = client()
    run_fresh().backward()
    module, run = client()
    with outside():
        value = run()
    loss = run()
    loss.backward()
    assert_close(loss.detach(), value.clone())
    gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    assert gradients.keys() == {name for name, p in fresh.named_parameters() if p.grad is not None}
    for name, parameter in fresh.named_parameters():
        if parameter.grad is not None:
            assert_close(gradients[name], parameter.grad)


def test_a_structure_holds_no_tensor_of_inference_mode():
    with torch.inference_mode():
        structure = GraphStructure.build(EDGES.clone(), 4)
        every = [structure.edge_index, structure.place_in_blocks, structure.self_connections]
        for edges in (structure.incoming, structure.outgoing, *(block for *_, block in structure.blocks)):
            every += [edges.ptr, edges.index, edges.order]
    assert not any(tensor.is_inference() for tensor in every if tensor is not None)


def test_edges_of_inference_mode_are_seen_to_change():
    """A tensor that was made in inference mode has no count of what was written into it."""
    rnn = OfAnother()
    penalty = LengthCommunicabilityPenalty(LENGTHS)
    with torch.inference_mode():
        rnn.edge_index = EDGES.clone()
        first = penalty(rnn).clone()
        rnn.edge_index[1, 0] = 1
        second = penalty(rnn).clone()
    assert not torch.equal(first, second)


@pytest.mark.parametrize("transform", ["grad", "vmap"])
def test_a_structure_that_is_first_used_within_a_transform_serves_after_it(transform):
    rnn = make_rnn()
    structure = rnn.structure

    def run(w):
        structure.incoming, structure.outgoing, structure.place_in_blocks, structure.has_repeats  # noqa: B018
        return w.square().sum()

    w = rnn.edge_weight.detach()
    torch.func.grad(run)(w) if transform == "grad" else torch.func.vmap(run)(w[None])
    with use_backend("csr"):
        rnn(X)[0].sum().backward()
    assert rnn.edge_weight.grad.isfinite().all()
    LengthCommunicabilityPenalty(LENGTHS, method="exact-blocked")(rnn).backward()
