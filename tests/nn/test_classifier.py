import pytest
import torch
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index
from graphcortex.nn import GraphRNN, TaskClassifier


def make(*, input_noise=0.0, noise=0.0, seed=0, num_classes=3, num_nodes=20):
    rnn = GraphRNN(2, complete_edge_index(num_nodes), num_nodes, noise=noise)
    return TaskClassifier(rnn, num_classes, input_noise=input_noise, rng=seed)


@pytest.fixture
def inputs():
    return torch.randn(6, 4, 2, generator=torch.Generator().manual_seed(0))


def test_reads_the_last_state(inputs):
    model = make()
    output, _ = model.rnn(inputs)
    logits = model(inputs)
    expected = torch.zeros(4, 3)
    for b in range(4):
        for c in range(3):
            expected[b, c] = (output[-1, b] * model.readout.weight[c]).sum() + model.readout.bias[c]
    assert_close(logits, expected, rtol=1e-5, atol=1e-6)


def test_readout_is_glorot_uniform_with_a_bias_of_zero():
    model = make(num_classes=10, num_nodes=90)
    bound = (6 / 100) ** 0.5
    weight = model.readout.weight
    assert 0.99 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)  # 900 draws
    assert (model.readout.bias == 0).all()


def test_readout_depends_on_rng_alone():
    before = torch.random.get_rng_state()
    first = make(seed=1).readout.weight
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, make(seed=1).readout.weight)
    assert not torch.equal(first, make(seed=2).readout.weight)


def test_input_noise_has_its_size_and_leaves_the_inputs_alone():
    model = make(input_noise=0.05)
    seen = []
    model.rnn.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    inputs = torch.ones(50, 200, 2)
    model(inputs, rng=0)
    noise = seen[0] - inputs
    assert (inputs == 1).all()
    assert noise.std().item() == pytest.approx(0.05, rel=0.03)  # 20,000 draws: 6 standard errors
    assert noise.mean().item() == pytest.approx(0, abs=0.002)


def test_noise_comes_in_training_only_and_from_rng_only(inputs):
    model, silent = make(input_noise=0.3), make()
    with pytest.raises(ValueError, match=r"rng must .*input_noise is 0.3"):
        model(inputs)
    before = torch.random.get_rng_state()
    first, again, other = model(inputs, rng=1), model(inputs, rng=1), model(inputs, rng=2)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert_close(model.eval()(inputs), silent(inputs))


def test_a_seed_draws_the_two_noises_apart():
    """With one seed for each the noise of the neurons would repeat that of the inputs."""
    num_nodes = 2
    rnn = GraphRNN(2, torch.zeros(2, 0).long(), num_nodes, nonlinearity="identity", noise=1.0)
    with torch.no_grad():
        rnn.input_weight.copy_(torch.eye(2))
    model = TaskClassifier(rnn, 2, input_noise=1.0, rng=0)
    with torch.no_grad():
        model.readout.weight.copy_(torch.eye(2))
    logits = model(torch.zeros(1, 5000, 2), rng=0)
    assert logits.std().item() == pytest.approx(2**0.5, rel=0.05)  # twice the same noise would give 2


def test_gradients_reach_every_parameter(inputs):
    model = make()
    torch.nn.functional.cross_entropy(model(inputs), torch.tensor([0, 1, 2, 0])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_rejects():
    rnn = GraphRNN(2, complete_edge_index(3), 3)
    with pytest.raises(ValueError, match=r"batch_first=False.*got"):
        TaskClassifier(GraphRNN(2, complete_edge_index(3), 3, batch_first=True), 2, rng=0)
    with pytest.raises(ValueError, match=r"num_classes must .*got"):
        TaskClassifier(rnn, 0, rng=0)
    with pytest.raises(ValueError, match=r"input_noise must .*got"):
        TaskClassifier(rnn, 2, input_noise=-0.1, rng=0)
    with pytest.raises(ValueError, match=r"rng must .*got"):
        TaskClassifier(rnn, 2, rng="seed")
