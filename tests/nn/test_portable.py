"""Networks on the move: pickled, copied, sent to other processes, and loaded from a state."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import cloudpickle
import joblib
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.testing import assert_close
from torch_geometric.data import Batch, Data

from graphcortex.kernels import use_backend
from graphcortex.kernels.nonlinearity import NONLINEARITIES, get_nonlinearity
from graphcortex.losses import (
    CommunicabilityEMD,
    L1Penalty,
    LengthCommunicabilityPenalty,
    LengthPenalty,
    SampledCommunicabilityEMD,
)
from graphcortex.nn import (
    Ensemble,
    GraphRNN,
    StructuralPlasticity,
    TaskClassifier,
    constrain_dale,
    constrain_nonnegative,
    learn_change,
    learn_gain,
)

ROOT = Path(__file__).resolve().parents[2]
EDGES = torch.tensor([[0, 1, 2, 3, 0, 2], [1, 2, 3, 0, 2, 1]])
X = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(0))


def network(seed: int = 1, edges: torch.Tensor = EDGES, **options) -> GraphRNN:
    rnn = GraphRNN(2, edges, 4, **options)
    rnn.reset_parameters(rng=seed)
    return rnn


SIGNS = torch.tensor([1.0, -1.0, 1.0, -1.0])
CONSTRAINTS = {
    "free": lambda rnn: rnn,
    "nonnegative": constrain_nonnegative,
    "dale": lambda rnn: constrain_dale(rnn, SIGNS, map="softplus"),
    "gain": lambda rnn: learn_gain(rnn, torch.arange(1.0, 7)),
    "change": lambda rnn: learn_change(rnn, torch.linspace(-1, 1, 6)),
    "two": lambda rnn: constrain_nonnegative(learn_gain(rnn, torch.arange(1.0, 7))),
    "of other parameters": lambda rnn: constrain_nonnegative(constrain_nonnegative(rnn, "input_weight"), "bias"),
}


def through(dump, load):
    def carry(thing):
        stream = io.BytesIO()
        dump(thing, stream)
        stream.seek(0)
        return load(stream)

    return carry


ROADS = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "torch.save": through(torch.save, lambda stream: torch.load(stream, weights_only=False)),
    "cloudpickle": lambda thing: cloudpickle.loads(cloudpickle.dumps(thing)),
    "joblib": through(joblib.dump, joblib.load),
    "deepcopy": copy.deepcopy,
}
each_road = pytest.mark.parametrize("carry", ROADS.values(), ids=ROADS.keys())


def assert_same_and_apart(first: nn.Module, second: nn.Module, run) -> None:
    """Alike in class, state and numbers, and without memory in common."""
    assert [name for name, _ in first.named_parameters()] == [name for name, _ in second.named_parameters()]
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    expected = run(first).detach().clone()
    assert torch.equal(run(second), expected)
    run(second).sum().backward()
    assert all(parameter.grad is not None for parameter in second.parameters())
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.add_(1.0)
    assert torch.equal(run(first), expected)


@each_road
@pytest.mark.parametrize("constrain", CONSTRAINTS.values(), ids=CONSTRAINTS.keys())
def test_a_network_pickles_with_its_constraints(constrain, carry):
    rnn = constrain(network(alpha=0.5))
    rnn(X)  # what is sorted for it stays behind
    rnn.register_buffer("of_the_user", torch.ones(2))
    other = carry(rnn)
    assert repr(other) == repr(rnn)
    assert isinstance(other, GraphRNN)
    for name in ("edge_weight", "input_weight", "bias"):
        assert parametrize.is_parametrized(other, name) == parametrize.is_parametrized(rnn, name)
    assert_same_and_apart(rnn, other, lambda module: module(X)[0])
    other.set_edge_weight(torch.linspace(0.5, 1, 6) * rnn.edge_weight.detach().sign())
    assert other.step(X[0], torch.zeros(3, 4)).shape == (3, 4)


@each_road
@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_a_network_pickles_with_every_nonlinearity(nonlinearity, carry):
    rnn = network(nonlinearity=nonlinearity)
    assert_same_and_apart(rnn, carry(rnn), lambda module: module(X)[0])


@each_road
def test_options_and_nodes_pickle(carry):
    rnn = (
        network(input_nodes=[0, 2], output_nodes=[1], checkpoint_every=2, noise=0.1, backend="csr", bias=False)
        .double()
        .eval()
    )
    other = carry(rnn)
    assert repr(other) == repr(rnn)
    assert not other.training
    assert_close(other(X.double()), rnn(X.double()), rtol=0, atol=0)
    other.train()
    assert_close(other(X.double(), rng=0), rnn.train()(X.double(), rng=0), rtol=0, atol=0)


@each_road
@pytest.mark.parametrize("constrain", CONSTRAINTS.values(), ids=CONSTRAINTS.keys())
def test_a_classifier_pickles_with_its_optimizer_and_trains_on(constrain, carry):
    model = TaskClassifier(constrain(network()), 2, rng=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)

    def learn(model, optimizer):
        optimizer.zero_grad()
        model(X).square().sum().backward()
        optimizer.step()

    learn(model, optimizer)
    other, again = carry((model, optimizer))
    for pair in ((model, optimizer), (other, again)):
        learn(*pair)
    assert_same_and_apart(model, other, lambda module: module(X))


@each_road
def test_an_ensemble_and_a_plasticity_pickle(carry):
    models = [TaskClassifier(constrain_dale(network(seed, backend="csr"), SIGNS), 2, rng=seed) for seed in range(3)]
    ensemble = Ensemble(models)
    expected = ensemble([X] * 3)
    other = carry(ensemble)
    assert all(torch.equal(a, b) for a, b in zip(other([X] * 3), expected, strict=True))
    other.members[1].rnn.set_edges(EDGES.flip(1))
    assert_close(other([X] * 3)[1], other.members[1](X))
    plasticity = StructuralPlasticity(network(), fraction=0.5)
    twin = carry(plasticity)
    for one in (plasticity, twin):
        one.step(None, rng=0)
    assert torch.equal(twin.rnn.edge_index, plasticity.rnn.edge_index)
    assert torch.equal(twin.rnn.edge_weight, plasticity.rnn.edge_weight)


PENALTIES = {
    "l1": L1Penalty,
    "length": lambda: LengthPenalty(torch.arange(6.0)),
    "length and communicability": lambda: LengthCommunicabilityPenalty(torch.arange(6.0)),
    "probes": lambda: LengthCommunicabilityPenalty(torch.arange(6.0), method="stochastic", probes=4, rng=3),
    "distance": lambda: CommunicabilityEMD(torch.rand(4, 4, generator=torch.Generator().manual_seed(0))),
    "sampled distance": lambda: SampledCommunicabilityEMD(torch.linspace(0, 1, 5), num_targets=2, rng=3),
}


class Wires:
    """Edges and weights without sorted edges, as a network that is not ours may be."""

    def __init__(self):
        self.edge_index, self.edge_weight, self.num_nodes = EDGES.clone(), torch.arange(1.0, 7), 4


@each_road
@pytest.mark.parametrize("make", PENALTIES.values(), ids=PENALTIES.keys())
def test_a_penalty_pickles_and_its_draws_go_on(make, carry):
    for net in (network(), Wires()):
        penalty = make()
        penalty(net)
        other = carry(penalty)
        assert_close([other(net) for _ in range(3)], [penalty(net) for _ in range(3)], rtol=0, atol=0)


@each_road
def test_a_penalty_that_was_carried_sees_edges_that_changed_before(carry):
    net, penalty = Wires(), LengthCommunicabilityPenalty(torch.arange(6.0))
    penalty(net)
    net.edge_index.copy_(EDGES.flip(0))
    net, other = carry((net, penalty))
    assert_close(other(net), LengthCommunicabilityPenalty(torch.arange(6.0))(net))


@each_road
@pytest.mark.parametrize("name", NONLINEARITIES)
def test_a_nonlinearity_pickles_by_its_name(name, carry):
    assert carry(get_nonlinearity(name)) is get_nonlinearity(name) or carry is copy.deepcopy
    assert carry(get_nonlinearity(name)).name == name


def test_what_is_sorted_for_the_kernels_is_not_pickled():
    rnn = network(backend="csr")
    size = len(pickle.dumps(rnn.structure))
    rnn(X)[0].sum().backward()
    assert len(pickle.dumps(rnn.structure)) == size


SPAWN = """
import pickle, sys
import torch
import torch.multiprocessing as mp
from graphcortex.kernels import complete_edge_index
from graphcortex.losses import LengthPenalty
from graphcortex.nn import GraphRNN, TaskClassifier, constrain_dale

def work(rank, model, penalty, x, folder):
    torch.manual_seed(0)
    step = model.rnn.step(x[0], torch.zeros(3, 4))
    loss = model(x).square().sum() + penalty(model.rnn) + step.sum()
    loss.backward()
    torch.save([loss.detach(), *(p.grad for p in model.parameters())], f"{folder}/{rank}.pt")

if __name__ == "__main__":
    folder = sys.argv[1]
    rnn = constrain_dale(GraphRNN(2, complete_edge_index(4), 4, nonlinearity="softplus"), torch.tensor([1, -1, 1, -1]))
    model, x = TaskClassifier(rnn, 2, rng=0), torch.linspace(-1, 1, 30).view(5, 3, 2)
    penalty = LengthPenalty(torch.arange(16.0))
    mp.spawn(work, (model, penalty, x, folder), nprocs=2)
    work("here", model, penalty, x, folder)
"""


def test_spawned_processes_get_the_network(tmp_path):
    """What ``strategy="ddp_spawn"`` of Lightning does: the model is pickled for each process."""
    script = tmp_path / "script.py"
    script.write_text(SPAWN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script, tmp_path], env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    here, *others = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in ("here", 0, 1))
    for other in others:
        assert_close(other, here)


def test_a_pickled_network_is_refused_where_only_weights_may_be_loaded():
    stream = io.BytesIO()
    torch.save(network(), stream)
    stream.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(stream, weights_only=True)


# --- states


def state_of(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def classifier(seed: int = 1, edges: torch.Tensor = EDGES, constrain="dale", **options) -> TaskClassifier:
    return TaskClassifier(CONSTRAINTS[constrain](network(seed, edges, **options)), 2, rng=seed)


def missing(state):
    del state["readout.bias"]


def extra(state):
    state["other"] = torch.zeros(1)


def another_shape(state):
    state["readout.weight"] = torch.zeros(3, 4)


def no_tensor(state):
    state["readout.weight"] = "weights"


def another_graph(state):
    state["rnn.edge_index"] = EDGES.flip(1)


def edges_out_of_range(state):
    state["rnn.edge_index"] = EDGES + 100


def edges_as_floats(state):
    state["rnn.edge_index"] = EDGES.float()


def other_inputs(state):
    state["rnn.input_nodes"] = torch.tensor([1, 3])


UNFIT = (missing, extra, another_shape, no_tensor, another_graph, edges_out_of_range, edges_as_floats, other_inputs)


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("constrain", ["free", "dale", "two"])
@pytest.mark.parametrize("spoil", UNFIT)
def test_a_state_that_is_refused_changes_nothing(spoil, constrain, assign):
    model, other = (classifier(seed, constrain=constrain, input_nodes=[0, 2]) for seed in (1, 2))
    answers, before = model(X).detach(), state_of(model)
    tensors = dict(model.state_dict(keep_vars=True))
    state = state_of(other)
    spoil(state)
    given = dict(state)
    with pytest.raises(RuntimeError, match="loading state_dict for TaskClassifier"):
        model.load_state_dict(state, assign=assign)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(value is tensors[name] for name, value in model.state_dict(keep_vars=True).items())
    assert torch.equal(model(X), answers)
    assert state == given
    model.load_state_dict(other.state_dict(), assign=assign)
    assert torch.equal(model(X), other(X))


@pytest.mark.parametrize("spoil", [another_graph, edges_out_of_range, edges_as_floats, other_inputs])
def test_the_error_says_which_and_what_to_do(spoil):
    model = classifier(input_nodes=[0, 2])
    state = state_of(model)
    spoil(state)
    with pytest.raises(RuntimeError, match=r"(edge_index|input_nodes) must be .*got "):
        model.load_state_dict(state)
    if spoil is another_graph:
        with pytest.raises(
            RuntimeError, match=r"got another one in 6 of 6 places .*set_edges\(state\['edge_index'\]\)"
        ):
            model.load_state_dict(state)


def test_a_network_within_a_module_of_others_takes_nothing_of_another_graph():
    outer = nn.Sequential(classifier(), nn.Linear(2, 2))
    before, state = state_of(outer), state_of(nn.Sequential(classifier(2, EDGES.flip(1)), nn.Linear(2, 2)))
    with pytest.raises(RuntimeError, match="edge_index must be that of the network"):
        outer.load_state_dict(state)
    assert all(torch.equal(v, before[name]) for name, v in outer.state_dict().items() if name.startswith("0.rnn"))


def test_the_graphs_of_a_batch_are_compared():
    def rnn(sizes):
        parts = [Data(edge_index=torch.tensor([[0], [1]]), num_nodes=size) for size in sizes]
        return GraphRNN.from_graph(2, Batch.from_data_list(parts))

    with pytest.raises(RuntimeError, match="graph_ptr must be that of the network"):
        rnn((2, 3)).load_state_dict({**rnn((2, 3)).state_dict(), "graph_ptr": torch.tensor([0, 3, 5])})


def test_a_rewired_state_keeps_the_signs_of_dale_and_those_of_new_edges():
    """The signs of the neurons are in the state: what grows after loading has the sign of its neuron."""
    first, other = (constrain_dale(network(), SIGNS * sign) for sign in (1, -1))
    StructuralPlasticity(first, fraction=0.5).step(None, rng=0)
    other.set_edges(first.edge_index)
    other.load_state_dict(first.state_dict())
    assert "parametrizations.edge_weight.0.neuron_sign" in first.state_dict()
    change = StructuralPlasticity(other, fraction=1.0).step(None, rng=1)
    assert torch.equal(other.edge_weight.sign(), SIGNS[other.edge_index[0]])
    assert change.edges.numel() == 6
    with use_backend("reference"):
        other(X)
