import copy
import io

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index, edges_to_matrix, installed_backends, use_backend
from graphcortex.kernels.nonlinearity import NONLINEARITIES
from graphcortex.nn import GraphRNN, constrain_nonnegative
from graphcortex.testing.strategies import Edges, edges


def make(graph, input_size=2, seed=3, **options):
    """Build a network with the weights of a graph and a bias that is not 0."""
    rnn = GraphRNN(input_size, graph.edge_index, graph.num_nodes, **options).double()
    rnn.reset_parameters(rng=seed)
    rnn.set_edge_weight(graph.edge_weight)
    if rnn.bias is not None:
        with torch.no_grad():
            rnn.bias.copy_(randn(graph.num_nodes, seed=seed))
    return rnn


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SPARSE = Edges(torch.tensor([[3, 0, 1, 0, 1], [0, 1, 2, 1, 1]]), randn(5, seed=9), 4)


def as_torch_rnn(rnn):
    """Copy a network on the complete graph into torch.nn.RNN, whose matrices are W[post, pre]."""
    other = torch.nn.RNN(
        rnn.input_size,
        rnn.hidden_size,
        nonlinearity=rnn.nonlinearity,
        bias=rnn.bias is not None,
        batch_first=rnn.batch_first,
        dtype=torch.float64,
    )
    with torch.no_grad():
        other.weight_ih_l0.copy_(rnn.input_weight.T)
        other.weight_hh_l0.copy_(rnn.edge_weight.view(rnn.num_nodes, rnn.num_nodes).T)
        if rnn.bias is not None:
            other.bias_ih_l0.copy_(rnn.bias)
            other.bias_hh_l0.zero_()
    return other


@pytest.mark.parametrize("with_h0", [False, True], ids=["zero h0", "h0"])
@pytest.mark.parametrize("layout", ["time first", "batch first", "unbatched", "unbatched, batch first"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_equals_torch_rnn_on_the_complete_graph(nonlinearity, bias, layout, with_h0):
    graph = Edges(complete_edge_index(4), randn(16), 4)
    rnn = make(graph, 3, nonlinearity=nonlinearity, bias=bias, batch_first="batch first" in layout)
    other = as_torch_rnn(rnn)
    x = randn(5, 3) if "unbatched" in layout else randn(5, 2, 3)
    trials = 5 if layout == "batch first" else 2
    h0 = (randn(1, 4) if "unbatched" in layout else randn(1, trials, 4)) if with_h0 else None
    inputs, same = x.clone().requires_grad_(), x.clone().requires_grad_()
    (output, h_n), (expected, expected_h) = rnn(inputs, h0), other(same, h0)
    assert_close((output, h_n), (expected, expected_h), rtol=1e-12, atol=1e-12)
    (output.square().sum() + h_n.sum()).backward()
    (expected.square().sum() + expected_h.sum()).backward()
    assert_close(inputs.grad, same.grad, rtol=1e-10, atol=1e-12)
    assert_close(rnn.edge_weight.grad.view(4, 4), other.weight_hh_l0.grad.T, rtol=1e-10, atol=1e-12)
    assert_close(rnn.input_weight.grad, other.weight_ih_l0.grad.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("backend", [*installed_backends(), "auto"])
@pytest.mark.parametrize("alpha", [1.0, 0.3])
@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_step_equals_forward(nonlinearity, alpha, backend):
    rnn = make(SPARSE, nonlinearity=nonlinearity, alpha=alpha, backend=backend)
    x, h = randn(6, 3, 2), randn(1, 3, 4)
    output, h_n = rnn(x, h)
    state = h[0]
    for t in range(6):
        state = rnn.step(x[t], state)
        assert_close(output[t], state, rtol=1e-12, atol=1e-12)
    assert_close(h_n[0], state, rtol=1e-12, atol=1e-12)
    by_step = torch.autograd.grad(state.sum(), list(rnn.parameters()))
    at_once = torch.autograd.grad(h_n.sum(), list(rnn.parameters()))
    # Above 20 torch takes softplus for the identity, and its slope for 1: it is 1 - 2e-9.
    assert_close(by_step, at_once, rtol=1e-8 if nonlinearity == "softplus" else 1e-10, atol=1e-12)


@given(graph=edges())
def test_step_equals_forward_on_degenerate_graphs(graph):
    rnn = make(graph)
    x, h = randn(1, 3, 2), randn(1, 3, graph.num_nodes)
    for name in installed_backends():
        with use_backend(name):
            assert_close(rnn(x, h)[1][0], rnn.step(x[0], h[0]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", installed_backends())
@pytest.mark.parametrize("num_steps", [1, 2, 3])
@given(graph=edges(max_nodes=4, repeated=False))  # repeats may cancel up to rounding: a path and none
def test_jacobian_is_zero_where_no_path_of_that_length_runs(num_steps, backend, graph):
    rnn = make(graph, nonlinearity="tanh", backend=backend)
    x = randn(num_steps, 1, 2)
    jacobian = torch.autograd.functional.jacobian(
        lambda h: rnn(x, h[None, None], return_sequence=False)[0][0], randn(graph.num_nodes)
    )
    paths = torch.eye(graph.num_nodes)
    reach = (edges_to_matrix(*graph).detach() != 0).float()
    for _ in range(num_steps):
        paths = paths @ reach
    assert (jacobian.T[paths == 0] == 0).all()
    if num_steps == 1:
        assert (jacobian.T[paths != 0] != 0).all()


def test_one_step_jacobian_has_the_sign_of_the_edge():
    rnn = make(SPARSE._replace(edge_weight=torch.tensor([1.0, -1.0, 2.0, -1.0, 0.5]).double()))
    jacobian = torch.autograd.functional.jacobian(lambda h: rnn.step(randn(1, 2), h[None])[0], randn(4))
    expected = torch.zeros(4, 4)
    for i, j, sign in [(3, 0, 1), (0, 1, -1), (1, 2, 1), (1, 1, 1)]:
        expected[i, j] = sign
    assert_close(jacobian.T.sign(), expected.double())


def run(graph, x, input_weight, bias, **options):
    rnn = make(graph, x.size(-1), **options)
    with torch.no_grad():
        rnn.input_weight.copy_(input_weight)
        rnn.bias.copy_(bias)
    return rnn(x)[0].detach()


def inputs_for(num_nodes):
    return randn(4, 2, 2), randn(2, num_nodes, seed=1), randn(num_nodes, seed=2)


@given(graph=edges(), data=st.data())
def test_renaming_neurons_renames_states(graph, data):
    names = torch.tensor(data.draw(st.permutations(range(graph.num_nodes))))
    x, input_weight, bias = inputs_for(graph.num_nodes)
    where = torch.argsort(names)
    renamed = run(graph._replace(edge_index=names[graph.edge_index]), x, input_weight[:, where], bias[where])
    assert_close(renamed[..., names], run(graph, x, input_weight, bias))


@given(graph=edges(), data=st.data())
def test_the_order_of_edges_does_not_matter(graph, data):
    order = torch.tensor(data.draw(st.permutations(range(graph.edge_index.size(1)))), dtype=torch.long)
    shuffled = Edges(graph.edge_index[:, order], graph.edge_weight[order], graph.num_nodes)
    arguments = inputs_for(graph.num_nodes)
    assert_close(run(shuffled, *arguments), run(graph, *arguments))


@given(first=edges(max_nodes=4), second=edges(max_nodes=4))
def test_a_disjoint_union_runs_as_its_parts(first, second):
    union = Edges(
        torch.cat([first.edge_index, second.edge_index + first.num_nodes], dim=1),
        torch.cat([first.edge_weight, second.edge_weight]),
        first.num_nodes + second.num_nodes,
    )
    x, input_weight, bias = inputs_for(union.num_nodes)
    n = first.num_nodes
    parts = [run(first, x, input_weight[:, :n], bias[:n]), run(second, x, input_weight[:, n:], bias[n:])]
    assert_close(run(union, x, input_weight, bias), torch.cat(parts, dim=-1))


@given(graph=edges())
def test_doubling_every_edge_doubles_the_weights(graph):
    doubled = Edges(graph.edge_index.repeat(1, 2), graph.edge_weight.repeat(2), graph.num_nodes)
    arguments = inputs_for(graph.num_nodes)
    assert_close(run(doubled, *arguments), run(graph._replace(edge_weight=2 * graph.edge_weight), *arguments))


@given(graph=edges())
def test_a_weight_of_zero_is_no_edge(graph):
    kept = graph.edge_weight != 0
    arguments = inputs_for(graph.num_nodes)
    pruned = Edges(graph.edge_index[:, kept], graph.edge_weight[kept], graph.num_nodes)
    assert_close(run(pruned, *arguments), run(graph, *arguments))


def test_return_sequence_false_gives_the_last_state_in_every_layout():
    for batch_first, shape in [(False, (5, 3, 2)), (True, (3, 5, 2)), (False, (5, 2)), (True, (5, 2))]:
        rnn = make(SPARSE, batch_first=batch_first)
        output, h_n = rnn(randn(*shape))
        last, same = rnn(randn(*shape), return_sequence=False)
        expected = output[:, -1] if batch_first and len(shape) == 3 else output[-1]
        assert_close(last, expected)
        assert_close(same, h_n)
        assert_close(h_n[0], last)


@pytest.mark.parametrize("return_sequence", [True, False])
def test_no_steps_and_no_trials(return_sequence):
    rnn = make(SPARSE)
    h0 = randn(1, 3, 4)
    output, h_n = rnn(randn(0, 3, 2), h0, return_sequence=return_sequence)
    assert output.shape == ((0, 3, 4) if return_sequence else (3, 4))
    assert_close(h_n, h0)
    output, h_n = rnn(randn(5, 0, 2), return_sequence=return_sequence)
    assert output.shape == ((5, 0, 4) if return_sequence else (0, 4))
    assert h_n.shape == (1, 0, 4)


def test_noise_comes_in_training_only_and_from_rng_only():
    rnn, silent = make(SPARSE, noise=0.5), make(SPARSE)
    x = randn(5, 3, 2)
    with pytest.raises(ValueError, match=r"rng must .*noise is 0.5"):
        rnn(x)
    before = torch.random.get_rng_state()
    first, again, other = rnn(x, rng=1)[0], rnn(x, rng=1)[0], rnn(x, rng=2)[0]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert_close(rnn.eval()(x), silent(x))
    assert_close(rnn(x, rng=1), silent(x))


def test_noise_enters_the_pre_activation_with_its_standard_deviation():
    rnn = make(Edges(torch.zeros(2, 0).long(), torch.zeros(0).double(), 200), nonlinearity="identity", noise=0.5)
    x = randn(1, 500, 2)
    difference = rnn(x, rng=0)[0] - rnn.eval()(x)[0]
    assert difference.std().item() == pytest.approx(0.5, rel=0.02)  # 100,000 draws: 9 standard errors
    assert difference.mean().item() == pytest.approx(0, abs=0.01)
    assert_close(rnn.train().step(x[0], torch.zeros(500, 200).double(), rng=0), rnn(x, rng=0)[0][0])


def test_a_generator_goes_on_and_a_seed_begins_anew():
    rnn, x = make(SPARSE, noise=0.5), randn(5, 3, 2)
    generator = torch.Generator().manual_seed(1)
    first, second = rnn(x, rng=generator)[0], rnn(x, rng=generator)[0]
    assert_close(first, rnn(x, rng=1)[0])
    assert not torch.allclose(first, second)


def test_reset_draws_within_its_bounds_and_depends_on_rng_alone():
    rnn = GraphRNN(3, complete_edge_index(50), 50)
    before = torch.random.get_rng_state()
    rnn.reset_parameters(rng=1)
    first = copy.deepcopy(rnn.state_dict())
    rnn.reset_parameters(rng=2)
    assert not torch.equal(first["edge_weight"], rnn.edge_weight)
    rnn.reset_parameters(rng=1)
    assert all(torch.equal(value, rnn.state_dict()[name]) for name, value in first.items())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert 0.99 / 50**0.5 < rnn.edge_weight.abs().max() <= 1 / 50**0.5
    assert 0.9 * (6 / 53) ** 0.5 < rnn.input_weight.abs().max() <= (6 / 53) ** 0.5
    assert (rnn.bias == 0).all()


def test_set_edge_weight_casts_and_also_reaches_a_constrained_network():
    rnn = GraphRNN(2, SPARSE.edge_index, 4)
    rnn.set_edge_weight(SPARSE.edge_weight)
    assert rnn.edge_weight.dtype == torch.float32
    assert_close(rnn.edge_weight.detach(), SPARSE.edge_weight.float())
    constrain_nonnegative(rnn)
    wanted = torch.tensor([5.0, 4.0, 3.0, -2.0, 1.0]).double()
    rnn.set_edge_weight(wanted)
    assert_close(rnn.edge_weight.detach(), wanted.abs().float())
    rnn.reset_parameters(rng=7)
    assert not torch.equal(rnn.edge_weight, wanted.abs().float())


def test_state_dict_round_trip_without_pickle():
    rnn, other = make(SPARSE), make(SPARSE._replace(edge_weight=randn(5)), seed=8)
    buffer = io.BytesIO()
    torch.save(rnn.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert_close(other(randn(5, 3, 2)), rnn(randn(5, 3, 2)), rtol=0, atol=0)
    assert sorted(rnn.state_dict()) == ["bias", "edge_index", "edge_weight", "input_weight"]


@pytest.mark.parametrize("backend", installed_backends())
def test_edges_that_moved_are_set_before_a_state_is_loaded_and_the_callers_stay(backend):
    mine = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 0]])
    before = mine.clone()
    other = make(Edges(mine, randn(5), 4), backend=backend)
    rnn = make(SPARSE, backend=backend)
    other.set_edges(rnn.state_dict()["edge_index"])
    other.load_state_dict(rnn.state_dict())
    assert_close(other(randn(5, 3, 2)), rnn(randn(5, 3, 2)), rtol=0, atol=0)
    assert_close(other.step(randn(3, 2), randn(3, 4)), rnn.step(randn(3, 2), randn(3, 4)), rtol=0, atol=0)
    assert torch.equal(mine, before)


def test_a_loaded_state_with_other_edges_must_fit():
    with pytest.raises(RuntimeError, match="size mismatch"):
        make(SPARSE).load_state_dict(make(Edges(torch.zeros(2, 1).long(), randn(1), 4)).state_dict())


def test_copies_are_independent():
    rnn = make(SPARSE)
    twin = copy.deepcopy(rnn)
    assert_close(twin(randn(5, 3, 2)), rnn(randn(5, 3, 2)), rtol=0, atol=0)
    with torch.no_grad():
        twin.edge_weight.zero_()
    assert not torch.allclose(twin(randn(5, 3, 2))[0], rnn(randn(5, 3, 2))[0])


def test_moves_between_precisions_and_devices(device):
    rnn = make(SPARSE)
    exact = rnn(randn(5, 3, 2))[0]
    moved = rnn.float().to(device)
    output, _ = moved(randn(5, 3, 2).float().to(device))
    assert output.dtype == torch.float32
    assert output.device.type == device.type
    assert moved.edge_index.dtype == torch.int64
    assert moved.structure.edge_index.device.type == device.type
    assert_close(output.cpu().double(), exact, rtol=0, atol=1e-6)


def test_hooks_of_message_passing_work_on_step():
    rnn = make(SPARSE)
    x, h = randn(3, 2), randn(3, 4)
    expected = rnn.step(x, h)
    seen = []
    handle = rnn.register_message_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    assert_close(rnn.step(x, h), expected)
    assert seen == [(5, 3)]
    handle.remove()
    handle = rnn.register_message_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    assert_close(rnn.step(x, h), torch.tanh(x @ rnn.input_weight + rnn.bias))
    handle.remove()
    assert_close(rnn.step(x, h), expected)


def test_a_step_of_sgd_lowers_the_loss():
    rnn = make(SPARSE)
    optimizer = torch.optim.SGD(rnn.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = rnn(randn(5, 3, 2))[0].square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


def test_repr_says_what_it_is():
    assert repr(GraphRNN(3, complete_edge_index(40), 40, alpha=0.5)) == (
        "GraphRNN(3, 40 neurons, 1,600 edges (100 %), nonlinearity='tanh', alpha=0.5, backend='auto')"
    )
    assert "5 edges (31.2 %)" in repr(make(SPARSE))
    assert GraphRNN(3, SPARSE.edge_index, 4).hidden_size == 4


BAD_ARGUMENTS = {
    "no inputs": {"input_size": 0},
    "no neurons": {"num_nodes": 0},
    "too few neurons": {"num_nodes": 3},
    "floats as edges": {"edge_index": SPARSE.edge_index.float()},
    "edges by row": {"edge_index": SPARSE.edge_index.T},
    "unknown nonlinearity": {"nonlinearity": "sigmoid"},
    "alpha of 0": {"alpha": 0.0},
    "alpha above 1": {"alpha": 1.1},
    "alpha of NaN": {"alpha": float("nan")},
    "negative noise": {"noise": -0.1},
    "unknown backend": {"backend": "cuda"},
}


@pytest.mark.parametrize("wrong", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(wrong):
    with pytest.raises(ValueError, match=r"must .*got"):
        GraphRNN(**{"input_size": 2, "edge_index": SPARSE.edge_index, "num_nodes": 4, **wrong})


BAD_CALLS = {
    "three inputs": (randn(5, 3, 3), None),
    "one number": (randn(2), None),
    "four dimensions": (randn(1, 5, 3, 2), None),
    "h0 without its first dimension": (randn(5, 3, 2), randn(3, 4)),
    "h0 of another batch": (randn(5, 3, 2), randn(1, 2, 4)),
    "h0 of other neurons": (randn(5, 3, 2), randn(1, 3, 5)),
    "batched h0 without a batch": (randn(5, 2), randn(1, 3, 4)),
}


@pytest.mark.parametrize("call", BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_rejects_shapes(call):
    with pytest.raises(ValueError, match=r"(x|h0) must .*got"):
        make(SPARSE)(*call)


@pytest.mark.parametrize(
    "weight", [torch.ones(4), torch.ones(5, 1), torch.ones(5).long()], ids=["few", "column", "int"]
)
def test_set_edge_weight_rejects(weight):
    with pytest.raises(ValueError, match=r"edge_weight must .*got"):
        make(SPARSE).set_edge_weight(weight)
