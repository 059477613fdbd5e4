"""Several processes on this machine, started as a user would start them, give the numbers of one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy
from torch.nn.utils.parametrize import register_parametrization
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index
from graphcortex.nn import GraphRNN, PartitionedClassifier, PartitionedRNN, TaskClassifier, constrain_nonnegative
from tests.nn._ranks import CONSTRAINTS, learn, trials, whole_model
from tests.second_derivatives import ROADS

ROOT = Path(__file__).resolve().parents[2]


def torchrun(case: str, out: Path, ranks: int = 2, timeout_s: int = 200) -> subprocess.CompletedProcess:
    # --standalone finds a free port of the loopback by itself.
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    command += ["-m", "tests.nn._ranks", case, str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout_s)


@pytest.fixture
def one_rank(tmp_path):
    """A process group of this process alone."""
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("ranks", [2, 3])
def test_neurons_on_several_ranks_learn_as_on_one(tmp_path, ranks):
    done = torchrun("free", tmp_path, ranks)
    assert done.returncode == 0, done.stderr[-2000:]
    model, (x, answers) = whole_model(alpha=0.5), trials()
    x.requires_grad_()
    loss = learn(model, x, answers)
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(ranks)]
    assert [part["neurons"] for part in parts] == [[31 * r // ranks, 31 * (r + 1) // ranks] for r in range(ranks)]
    target = model.rnn.edge_index[1]
    for part in parts:
        first, last = part["neurons"]
        assert part["loss"] == pytest.approx(loss, rel=1e-9)
        assert_close(part["x_grad"], x.grad, rtol=1e-7, atol=1e-12)
        weights = part["weights"]
        assert_close(weights["rnn.edge_weight"], model.rnn.edge_weight.detach()[(target >= first) & (target < last)])
        assert_close(weights["rnn.input_weight"], model.rnn.input_weight.detach()[:, first:last])
        assert_close(weights["rnn.bias"], model.rnn.bias.detach()[first:last])
        assert_close(weights["weight"], model.readout.weight.detach()[:, first:last])
        assert_close(weights["bias"], model.readout.bias.detach())


def test_neurons_on_two_ranks_learn_under_dale_as_on_one(tmp_path):
    done = torchrun("dale, softplus", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    model, (x, answers) = whole_model(alpha=0.5, constraint="dale, softplus"), trials()
    loss = learn(model, x, answers)
    target, free = model.rnn.edge_index[1], "parametrizations.edge_weight.original"
    for rank in range(2):
        part = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        first, last = part["neurons"]
        assert part["loss"] == pytest.approx(loss, rel=1e-9)
        mine = (target >= first) & (target < last)
        assert_close(part["weights"][f"rnn.{free}"], model.rnn.get_parameter(free).detach()[mine])


def test_data_on_two_ranks_learn_as_on_one(tmp_path):
    done = torchrun("data", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    model = whole_model()
    learn(model, *trials())
    for rank in range(2):
        weights = torch.load(tmp_path / f"{rank}.pt", weights_only=True)["weights"]
        for name, value in model.named_parameters():
            assert_close(weights[name], value.detach(), rtol=1e-7, atol=1e-9)


def test_a_rank_that_dies_ends_the_job_with_an_error(tmp_path):
    done = torchrun("death", tmp_path, timeout_s=120)
    assert done.returncode != 0
    assert "exitcode  : 7" in done.stderr or "exitcode: 7" in done.stderr


# --- one rank: what needs no second process


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("return_sequence", [True, False])
def test_one_rank_holds_the_whole_network(one_rank, return_sequence, bias):
    model = whole_model(bias=bias)
    part = PartitionedRNN(model.rnn)
    x, _ = trials()
    h0 = torch.randn(1, 8, 31, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for start in (None, h0):
        got, expected = (
            part(x, start, return_sequence=return_sequence),
            model.rnn(x, start, return_sequence=return_sequence),
        )
        assert_close(got, expected)
    assert "neurons 0 to 30 of 31, 200 edges" in repr(part)
    assert_close(PartitionedClassifier(model)(x), model(x))


def test_the_loss_and_its_gradient_are_those_of_the_whole(one_rank):
    model, (x, answers) = whole_model(), trials()
    part = PartitionedClassifier(model)
    assert learn(part, x, answers) == pytest.approx(learn(model, x, answers), rel=1e-9)
    assert_close(part.rnn.edge_weight, model.rnn.edge_weight)


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS.keys())
@pytest.mark.parametrize("wanted", ["rnn.edge_weight", "rnn.input_weight", "rnn.bias", "weight", "x"])
def test_a_second_derivative_is_refused_and_not_wrong(one_rank, wanted, road):
    part = PartitionedClassifier(whole_model())
    x, answers = trials()

    def loss(tensor):
        options = {} if wanted == "x" else {wanted: tensor}
        inputs = tensor if wanted == "x" else x
        return cross_entropy(torch.func.functional_call(part, options, (inputs,)), answers)

    with pytest.raises(
        RuntimeError, match=r"spread over processes must be differentiated only once, got .*in one process"
    ):
        road(loss, x if wanted == "x" else dict(part.named_parameters())[wanted])


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_constraints_stay_on_what_is_spread(one_rank, constraint):
    model, (x, answers) = whole_model(constraint=constraint), trials()
    with torch.no_grad():  # a free parameter below 0 is another than 0, though the weights are the same
        next(p for name, p in model.named_parameters() if "edge_weight" in name)[::7] -= 1
    part = PartitionedClassifier(model)
    assert_close(part(x), model(x))
    names = [name for name, _ in model.rnn.named_parameters()]
    assert sorted(name for name, _ in part.rnn.named_parameters()) == sorted(names)
    learn(part, x, answers)
    learn(model, x, answers)
    for name in names:
        assert_close(part.rnn.get_parameter(name), model.rnn.get_parameter(name))
    assert_close(part.rnn.edge_weight, model.rnn.edge_weight)


def test_constraints_of_the_readout_and_frozen_parameters_stay(one_rank):
    model, (x, answers) = whole_model(), trials()
    constrain_nonnegative(model.readout, "weight")
    model.rnn.edge_weight.requires_grad_(False)
    part = PartitionedClassifier(model)
    before = part.rnn.edge_weight.detach().clone()
    learn(part, x, answers, steps=30)
    assert torch.equal(part.rnn.edge_weight, before)
    assert bool((part.weight >= 0).all())


def test_a_state_of_another_graph_is_refused_on_a_rank(one_rank):
    model = whole_model()
    part, other = PartitionedClassifier(model), whole_model()
    other.rnn.set_edges(other.rnn.edge_index.roll(1, 1))
    before = {name: value.clone() for name, value in part.state_dict().items()}
    with pytest.raises(
        RuntimeError, match=r"edge_index must be that of the network, got another one in \d+ of 200 places"
    ):
        part.load_state_dict(PartitionedClassifier(other).state_dict())
    assert all(torch.equal(value, before[name]) for name, value in part.state_dict().items())
    part.load_state_dict(PartitionedClassifier(model).state_dict())


class Twice(torch.nn.Module):
    def forward(self, weight):
        return 2 * weight


def make(**options):
    return GraphRNN(3, complete_edge_index(4), 4, **options)


BAD = {
    "a constraint that is not ours": lambda: PartitionedRNN(register_parametrization(make(), "bias", Twice())),
    "noise": lambda: PartitionedRNN(make(noise=0.1)),
    "input nodes": lambda: PartitionedRNN(make(input_nodes=[1])),
    "output nodes": lambda: PartitionedRNN(make(output_nodes=[1])),
    "batch first": lambda: PartitionedRNN(make(batch_first=True)),
    "input noise": lambda: PartitionedClassifier(TaskClassifier(make(), 2, input_noise=0.1, rng=0)),
    "two inputs": lambda: PartitionedRNN(make())(torch.zeros(5, 2, 2)),
    "h0 of other neurons": lambda: PartitionedRNN(make())(torch.zeros(5, 2, 3), torch.zeros(1, 2, 3)),
    "plain backend": lambda: PartitionedRNN(make(backend="reference"))(torch.zeros(5, 2, 3)),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD.keys())
def test_rejects(one_rank, call):
    with pytest.raises(ValueError, match=r"must .*got"):
        call()


def test_without_a_process_group_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"start the script with torchrun.*init_process_group"):
        PartitionedRNN(make())
