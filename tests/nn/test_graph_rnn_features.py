"""What GraphRNN does beyond the recurrence: parts of neurons, batches of graphs, checkpoints, precisions, tools of others."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrize
from torch.testing import assert_close
from torch_geometric.data import Batch, Data

from graphcortex.data import SyntheticCortex
from graphcortex.kernels import complete_edge_index, installed_backends, use_backend
from graphcortex.nn import Ensemble, GraphRNN, TaskClassifier
from graphcortex.testing.strategies import edges

FUSED = ("dense", "csr")


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_rnn(num_nodes=12, num_edges=50, input_size=2, seed=3, **options):
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=generator)
    rnn = GraphRNN(input_size, edge_index, num_nodes, **options).double()
    rnn.reset_parameters(rng=seed)
    return rnn


# --- input and output neurons


def test_input_nodes_are_as_input_weights_of_zero_elsewhere():
    part = random_rnn(input_nodes=[7, 2, 5])
    whole = random_rnn()
    with torch.no_grad():
        whole.input_weight.zero_()
        whole.input_weight[:, [7, 2, 5]] = part.input_weight
    x = randn(6, 3, 2)
    assert part.input_weight.shape == (2, 3)
    assert_close(part(x), whole(x))
    part(x)[0].square().sum().backward()
    whole(x)[0].square().sum().backward()
    assert_close(part.input_weight.grad, whole.input_weight.grad[:, [7, 2, 5]])
    assert_close(part.edge_weight.grad, whole.edge_weight.grad)
    assert_close(part.step(x[0], randn(3, 12)), whole.step(x[0], randn(3, 12)))


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("return_sequence", [False, True])
def test_output_nodes_are_a_part_of_the_states(batch_first, return_sequence):
    part, whole = (
        random_rnn(output_nodes=torch.tensor([3, 0]), batch_first=batch_first),
        random_rnn(batch_first=batch_first),
    )
    for x in (randn(6, 3, 2), randn(6, 2)):
        (output, h_n), (states, last) = (rnn(x, return_sequence=return_sequence) for rnn in (part, whole))
        assert_close(output, states[..., [3, 0]])
        assert_close(h_n, last)


BAD_NODES = {
    "none": [],
    "a neuron too many": [12],
    "a negative neuron": [-1],
    "one twice": [1, 1],
    "floats": [0.5],
    "a mask": [True, False],
    "a matrix": [[1, 2]],
}


@pytest.mark.parametrize("nodes", BAD_NODES.values(), ids=BAD_NODES.keys())
@pytest.mark.parametrize("name", ["input_nodes", "output_nodes"])
def test_rejects_nodes(name, nodes):
    with pytest.raises(ValueError, match=rf"{name} must .*got"):
        random_rnn(**{name: nodes})


# --- several graphs


def graphs():
    generator = torch.Generator().manual_seed(0)
    sizes = ((4, 9), (7, 20), (1, 0))
    return [
        Data(
            edge_index=torch.randint(n, (2, e), generator=generator),
            edge_weight=torch.randn(e, generator=generator),
            num_nodes=n,
        )
        for n, e in sizes
    ]


def test_a_batch_of_graphs_runs_as_each_alone():
    batch = GraphRNN.from_graph(3, Batch.from_data_list(graphs()))
    x = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(1))
    assert batch.num_graphs == 3
    states, weights = batch.split(batch(x)[0]), batch.split(batch.input_weight.detach())
    for graph, state, weight in zip(graphs(), states, weights, strict=True):
        alone = GraphRNN.from_graph(3, graph)
        assert alone.num_graphs == 1
        assert_close(alone.edge_weight.detach(), graph.edge_weight)
        with torch.no_grad():
            alone.input_weight.copy_(weight)
        assert_close(state, alone(x)[0])
        assert alone.split(alone(x)[0])[0].shape == state.shape


def test_an_ensemble_learns_what_its_members_learn_alone():
    """Two networks in one scan, and each alone: the same weights after five steps of Adam."""
    parts = [graph for graph in graphs() if graph.num_edges]
    ensemble = TaskClassifier(GraphRNN.from_graph(3, Batch.from_data_list(parts)), 2, rng=0)
    members = [TaskClassifier(GraphRNN.from_graph(3, graph), 2, rng=0) for graph in parts]
    with torch.no_grad():
        split = ensemble.rnn.split(ensemble.rnn.input_weight)
        for member, weight, readout in zip(members, split, ensemble.readout, strict=True):
            member.rnn.input_weight.copy_(weight)
            member.readout.load_state_dict(readout.state_dict())
    x = torch.randn(5, 8, 3, generator=torch.Generator().manual_seed(1))
    answers = torch.tensor([0, 1] * 4)
    for model in (ensemble, *members):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(5):
            optimizer.zero_grad()
            logits = model(x)
            if model is ensemble:
                assert logits.shape == (2, 8, 2)
                loss = sum(F.cross_entropy(one, answers) for one in logits)
            else:
                loss = F.cross_entropy(logits, answers)
            loss.backward()
            optimizer.step()
    learned = ensemble.rnn.edge_weight.split([graph.num_edges for graph in parts])
    for member, weight in zip(members, learned, strict=True):
        assert_close(weight, member.rnn.edge_weight, rtol=1e-4, atol=1e-6)


def test_a_connectome_is_a_graph_to_start_from():
    wiring = SyntheticCortex()[0].wiring()
    rnn = GraphRNN.from_graph(3, wiring)
    assert_close(rnn.edge_weight.detach(), wiring.edge_weight.float())


def test_a_readout_reads_the_output_neurons():
    rnn = GraphRNN(3, complete_edge_index(6), 6, output_nodes=[4, 1])
    assert TaskClassifier(rnn, 2, rng=0)(torch.zeros(5, 4, 3)).shape == (4, 2)


def test_rejects_what_is_no_graph_and_states_of_other_neurons():
    with pytest.raises(ValueError, match=r"graph must .*got Data"):
        GraphRNN.from_graph(1, Data(num_nodes=3))
    with pytest.raises(ValueError, match=r"states must end with all 12 neurons, got shape \(2, 3\)"):
        random_rnn().split(torch.zeros(2, 3))
    batch = GraphRNN.from_graph(3, Batch.from_data_list(graphs()), output_nodes=[0])
    with pytest.raises(ValueError, match=r"rnn must be one graph where it has output_nodes, got 3"):
        TaskClassifier(batch, 2, rng=0)


# --- no step


@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"checkpoint_every": 2}, {"backend": "reference"}])
@pytest.mark.parametrize("return_sequence", [False, True])
def test_no_step_gives_a_copy_of_the_initial_state(return_sequence, options):
    rnn, h0 = random_rnn(**options), randn(1, 3, 12).requires_grad_()
    x = randn(3, 0, 2) if rnn.batch_first else randn(0, 3, 2)
    output, h_n = rnn(x, h0, return_sequence=return_sequence)
    assert torch.equal(h_n, h0)
    states = (3, 0, 12) if rnn.batch_first else (0, 3, 12)
    assert output.shape == (states if return_sequence else (3, 12))
    (gradient,) = torch.autograd.grad(h_n.sum(), h0)
    assert torch.equal(gradient, torch.ones(1, 3, 12, dtype=torch.float64))
    before = h0.detach().clone()
    with torch.no_grad():
        h_n.zero_()
    assert torch.equal(h0, before)
    one = random_rnn()(randn(0, 2), before[:, 0])[1]
    one.zero_()
    assert bool((before[:, 0] != 0).all())


# --- checkpoints


@pytest.mark.parametrize("return_sequence", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 0.4])
@pytest.mark.parametrize("every", [1, 3, 7, 100])
def test_a_checkpointed_network_has_the_same_numbers(every, alpha, return_sequence):
    x, h0 = randn(7, 3, 2).requires_grad_(), randn(1, 3, 12).requires_grad_()
    results = []
    for rnn in (random_rnn(alpha=alpha, noise=0.3), random_rnn(alpha=alpha, noise=0.3, checkpoint_every=every)):
        generator = torch.Generator().manual_seed(5)
        output, h_n = rnn(x, h0, return_sequence=return_sequence, rng=generator)
        gradients = torch.autograd.grad((output.sin().sum() + h_n.sum()), [x, h0, *rnn.parameters()])
        results.append([output, h_n, *gradients, torch.rand((), generator=generator)])
    assert_close(results[1], results[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"output_nodes": [3, 0]}, {"backend": "reference"}], ids=["", "outputs", "reference"]
)
@pytest.mark.parametrize("return_sequence", [False, True])
def test_a_backward_pass_moves_no_generator_whatever_was_drawn_since(return_sequence, options):
    """Two forward passes, other draws, then the backward passes in the other order: the gradients are those without segments."""
    x, results = randn(7, 3, 2).requires_grad_(), []
    for every in (0, 2):
        rnn = random_rnn(noise=0.3, checkpoint_every=every, **options)
        source = torch.Generator().manual_seed(5)
        losses = [rnn(x, return_sequence=return_sequence, rng=source)[0].sin().sum() for _ in range(2)]
        torch.randn(100, generator=source)
        before, default = source.get_state(), torch.get_rng_state()
        gradients = [torch.autograd.grad(loss, [x, *rnn.parameters()]) for loss in reversed(losses)]
        assert torch.equal(source.get_state(), before)
        assert torch.equal(torch.get_rng_state(), default)
        results.append([*losses, gradients, torch.randn(3, generator=source)])
    assert not torch.equal(*results[0][:2])
    assert_close(results[1], results[0], rtol=1e-10, atol=1e-12)


def test_the_default_generator_of_torch_may_be_the_one_that_is_given():
    rnn = random_rnn(noise=0.3, checkpoint_every=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        loss = rnn(randn(7, 3, 2), rng=torch.default_generator)[0].sum()
        before = torch.get_rng_state()
        loss.backward()
        assert torch.equal(torch.get_rng_state(), before)


def test_noise_is_not_repeated_over_the_steps_of_training():
    """Every step of training draws noise that none before it had, with segments as without."""
    seen = []
    for every in (0, 2):
        rnn = random_rnn(noise=0.3, checkpoint_every=every, output_nodes=[3, 0])
        source = torch.Generator().manual_seed(5)
        optimizer = torch.optim.SGD(rnn.parameters(), lr=0.0)
        outputs = []
        for _ in range(4):
            optimizer.zero_grad()
            output = rnn(randn(7, 3, 2), rng=source)[0]
            output.square().sum().backward()
            optimizer.step()
            outputs.append(output.detach())
        seen.append(outputs)
    assert len({float(output.sum()) for output in seen[1]}) == 4
    assert_close(seen[1], seen[0])


def test_classifiers_and_ensembles_in_segments_draw_the_noise_that_they_draw_without():
    options, results = {"noise": 0.3, "output_nodes": [3, 0]}, []
    for every in (0, 2):
        models = [
            TaskClassifier(random_rnn(seed=s, checkpoint_every=every, **options), 2, input_noise=0.2, rng=s).double()
            for s in (0, 1)
        ]
        sources = [torch.Generator().manual_seed(s) for s in (5, 6)]
        ensemble, inputs = Ensemble(models), [randn(7, 3, 2), randn(7, 3, 2, seed=1)]
        losses = [sum(logits.sin().sum() for logits in ensemble(inputs, rngs=sources)) for _ in range(2)]
        before = [source.get_state() for source in sources]
        losses[0].backward()
        losses[1].backward()
        assert all(torch.equal(source.get_state(), state) for source, state in zip(sources, before, strict=True))
        results.append([*losses, [p.grad for model in models for p in model.parameters()]])
    assert_close(results[1], results[0], rtol=1e-9, atol=1e-11)


class Flickering(nn.Module):
    """A parametrization that is another one at each access."""

    def forward(self, weight):
        return weight * torch.rand(weight.shape, dtype=weight.dtype)


def test_segments_run_again_with_the_weights_the_edges_and_the_backend_of_the_first_time():
    with torch.random.fork_rng():
        results = []
        for every in (0, 2):
            torch.manual_seed(0)
            rnn = random_rnn(checkpoint_every=every)
            parametrize.register_parametrization(rnn, "edge_weight", Flickering())
            with use_backend("reference"):
                loss = rnn(randn(7, 3, 2))[0].sin().sum()
            rnn.set_edges(rnn.edge_index.flip(0))
            torch.rand(3)
            results.append([loss, *torch.autograd.grad(loss, list(rnn.parameters()))])
    assert_close(results[1], results[0])


@pytest.mark.parametrize("changed", ["x", "weight"])
def test_what_a_segment_reads_again_must_not_change_in_between(changed):
    rnn, x = random_rnn(checkpoint_every=2), randn(7, 3, 2)
    loss = rnn(x)[0].sum()
    with torch.no_grad():
        (x if changed == "x" else rnn.edge_weight).mul_(2)
    with pytest.raises(RuntimeError, match=r"must stay as they are.*changed in place|modified by an inplace operation"):
        loss.backward()


def test_a_checkpointed_network_keeps_fewer_states():
    """What autograd holds between the passes: every state, or one in ten."""

    def held(rnn):
        kept = {}

        def keep(tensor):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            rnn(randn(100, 50, 2), return_sequence=False)
        return sum(kept.values())

    state = 50 * 12 * 8
    assert held(random_rnn()) > 100 * state
    assert held(random_rnn(checkpoint_every=10)) < 30 * state


# --- precisions


@pytest.mark.parametrize("name", FUSED)
def test_bfloat16_is_float32_but_for_the_rounding_of_what_is_stored(name):
    rnn = random_rnn(200, 4000, backend=name).bfloat16()
    exact = copy.deepcopy(rnn).double()
    x = randn(5, 8, 2).bfloat16()
    output, expected = rnn(x)[0], exact(x.double())[0]
    assert output.dtype == torch.bfloat16
    assert_close(output.double(), expected, rtol=0, atol=0.03)
    output.float().square().sum().backward()
    expected.square().sum().backward()
    assert rnn.edge_weight.grad.dtype == torch.bfloat16
    cosine = F.cosine_similarity(rnn.edge_weight.grad.double(), exact.edge_weight.grad, dim=0)
    assert cosine > 0.999


def test_autocast_leaves_the_recurrence_in_the_precision_of_its_weights():
    rnn, x = random_rnn().float(), randn(5, 3, 2).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = rnn(x.bfloat16())
    assert output.dtype == torch.float32


# --- errors


def test_rejects_another_precision_or_device():
    with pytest.raises(ValueError, match=r"x must have the precision of the network, torch.float64; got torch.float32"):
        random_rnn()(randn(5, 3, 2).float())
    with pytest.raises(ValueError, match=r"h0 must have the precision"):
        random_rnn()(randn(5, 3, 2), randn(1, 3, 12).float())
    with pytest.raises(ValueError, match=r"x must be on the device of the network, cpu; got meta"):
        random_rnn()(randn(5, 3, 2).to("meta"))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_check_finds_what_is_not_finite(value):
    x, h0 = randn(5, 3, 2), randn(1, 3, 12)
    random_rnn()(x, h0, check=True)
    x[3, 1, 0] = value
    random_rnn()(x, h0)
    with pytest.raises(ValueError, match=r"x must be finite, got 1 of 30 .*first at \(3, 1, 0\)"):
        random_rnn()(x, h0, check=True)
    h0[0, 2, 5] = value
    with pytest.raises(ValueError, match=r"h0 must be finite"):
        random_rnn()(randn(5, 3, 2), h0, check=True)


def test_checkpoint_every_must_be_a_count():
    with pytest.raises(ValueError, match=r"checkpoint_every must .*got -1"):
        random_rnn(checkpoint_every=-1)


def test_repr_says_all_that_is_not_the_default():
    rnn = GraphRNN(3, complete_edge_index(40), 40, input_nodes=[1], output_nodes=[1, 2], noise=0.1, checkpoint_every=5)
    assert repr(rnn) == (
        "GraphRNN(3, 40 neurons, 1,600 edges (100 %), 1 input neurons, 2 output neurons, nonlinearity='tanh', alpha=1, "
        "backend='auto', noise=0.1, checkpoint_every=5)"
    )
    assert "12 neurons in 3 graphs" in repr(GraphRNN.from_graph(3, Batch.from_data_list(graphs())))


# --- laws


@given(graph=edges(), alpha=st.sampled_from([1.0, 0.5]), every=st.integers(0, 3))
def test_every_backend_and_checkpoint_gives_the_numbers_of_the_reference(graph, alpha, every):
    rnn = GraphRNN(2, graph.edge_index, graph.num_nodes, alpha=alpha, checkpoint_every=every).double()
    rnn.set_edge_weight(graph.edge_weight)
    x = randn(4, 2, 2)
    results = {}
    for name in installed_backends():
        with use_backend(name):
            output, _ = rnn(x)
            results[name] = [output, *torch.autograd.grad(output.square().sum(), list(rnn.parameters()))]
    for result in results.values():
        assert_close(result, results["reference"], rtol=1e-10, atol=1e-10)


# --- tools of others


# What dynamo itself does after any break in a graph.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("mode", ["eager", "aot_eager"])
def test_torch_compile_does_not_break_it(mode):
    rnn = random_rnn().float()
    readout = nn.Linear(12, 2)

    def loss(x):
        return readout(rnn(x.sin(), return_sequence=False)[0]).square().sum()

    x = randn(5, 3, 2).float()
    plain = torch.autograd.grad(loss(x), list(rnn.parameters()))
    compiled = torch.autograd.grad(torch.compile(loss, backend=mode)(x), list(rnn.parameters()))
    assert_close(compiled, plain)


def test_pyg_explains_which_edges_matter():
    """0 -> 1 -> 2 decides neuron 2 after two steps; 3 -> 4 has no part in it, and the explainer finds that."""
    from torch_geometric.explain import Explainer, GNNExplainer

    edge_index = torch.tensor([[0, 1, 3], [1, 2, 4]])
    rnn = GraphRNN(1, edge_index, 5, nonlinearity="identity", bias=False)
    rnn.set_edge_weight(torch.ones(3))

    class TwoSteps(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = rnn

        def forward(self, x, edge_index):
            h = x.t()  # neurons are the nodes, and their state is the one trial
            for _ in range(2):
                h = self.rnn.step(torch.zeros(1, 1), h)
            return h.t()

    torch.manual_seed(0)
    explainer = Explainer(
        TwoSteps(),
        GNNExplainer(epochs=100, lr=0.05),
        explanation_type="model",
        edge_mask_type="object",
        node_mask_type=None,
        model_config={"mode": "regression", "task_level": "node", "return_type": "raw"},
    )
    mask = explainer(torch.ones(5, 1), edge_index, index=2).edge_mask
    assert mask[:2].min() > 0.5
    assert mask[2] == 0
    assert_close(rnn.step(torch.zeros(1, 1), torch.ones(1, 5))[0], torch.tensor([0.0, 1, 1, 0, 1]))


# --- the order in memory


@pytest.mark.parametrize("options", [{}, {"input_nodes": [7, 2, 5], "output_nodes": [1]}, {"bias": False}])
@pytest.mark.parametrize("return_sequence", [False, True])
def test_the_order_of_a_large_network_is_invisible(return_sequence, options, monkeypatch):
    monkeypatch.setattr("graphcortex.nn.graph_rnn.ORDER_FROM", 1)
    pos = randn(12, 3, seed=4)
    plain, ordered = random_rnn(noise=0.2, **options), random_rnn(noise=0.2, pos=pos, **options)
    assert plain._order is None
    assert sorted(ordered._order.tolist()) == list(range(12))
    assert ordered._order.tolist() != list(range(12))
    assert plain.state_dict().keys() == ordered.state_dict().keys()
    x, h0 = randn(6, 3, 2).requires_grad_(), randn(1, 3, 12).requires_grad_()
    results = []
    for rnn in (plain, ordered):
        output, h_n = rnn(x, h0, return_sequence=return_sequence, rng=3)
        gradients = torch.autograd.grad(output.sin().sum() + h_n.sum(), [x, h0, *rnn.parameters()])
        results.append([output, h_n, rnn.step(x[0], h0[0], rng=3), *gradients])
    assert_close(results[1], results[0], rtol=1e-10, atol=1e-12)
    again = random_rnn(seed=9, pos=pos, **options)
    again.set_edges(ordered.edge_index)
    again.load_state_dict(ordered.state_dict())
    assert_close(again.eval()(x, h0)[1], ordered.eval()(x, h0)[1])


def test_a_small_network_keeps_the_order_of_its_caller():
    assert random_rnn(pos=randn(12, 3))._order is None


@pytest.mark.parametrize("pos", [randn(11, 3), randn(12), randn(12, 4), [0.0] * 12, torch.full((12, 3), torch.nan)])
def test_rejects_positions(pos):
    with pytest.raises(ValueError, match=r"pos must .*got"):
        random_rnn(pos=pos)
