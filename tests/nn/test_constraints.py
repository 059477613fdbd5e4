import copy

import pytest
import torch
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index
from graphcortex.nn import (
    Dale,
    GraphRNN,
    NonNegative,
    constrain_dale,
    constrain_nonnegative,
    learn_change,
    learn_gain,
    project_nonnegative,
)


@pytest.fixture
def x():
    return torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(0))


each_map = pytest.mark.parametrize("map", ["clamp", "softplus", "exponential"])


def constrained(seed=1):
    rnn = GraphRNN(2, complete_edge_index(4), 4)
    rnn.reset_parameters(rng=seed)
    return constrain_nonnegative(rnn)


@each_map
def test_the_magnitude_stays_and_nothing_is_silent(map):
    rnn = GraphRNN(2, complete_edge_index(4), 4)
    rnn.reset_parameters(rng=1)
    before = rnn.edge_weight.detach().clone()
    assert (before < 0).any()
    assert constrain_nonnegative(rnn, map=map) is rnn
    assert_close(rnn.edge_weight.detach(), before.abs())
    rnn.reset_parameters(rng=1)
    assert_close(rnn.edge_weight.detach(), before.abs())


def test_weights_stay_non_negative_and_learn(x):
    rnn = constrained()
    optimizer = torch.optim.SGD(rnn.parameters(), lr=0.5)
    before = rnn.edge_weight.detach().clone()
    for _ in range(5):
        optimizer.zero_grad()
        rnn(x)[0].sum().backward()
        assert rnn.parametrizations.edge_weight.original.grad.abs().sum() > 0
        optimizer.step()
        assert (rnn.edge_weight >= 0).all()
    assert not torch.equal(rnn.edge_weight, before)
    assert (rnn.edge_weight == 0).any()


def test_gradient_is_that_of_the_weight_where_it_is_positive(x):
    rnn, free = constrained(), GraphRNN(2, complete_edge_index(4), 4)
    free.load_state_dict(
        {**{k: v for k, v in rnn.state_dict().items() if "param" not in k}, "edge_weight": rnn.edge_weight.detach()}
    )
    assert_close(rnn(x), free(x))
    rnn(x)[0].sum().backward()
    free(x)[0].sum().backward()
    expected = free.edge_weight.grad * (free.edge_weight > 0)
    assert_close(rnn.parametrizations.edge_weight.original.grad, expected)


def test_state_and_copies_carry_the_constraint(x):
    rnn, other = constrained(), constrained(seed=2)
    other.load_state_dict(rnn.state_dict())
    assert_close(other(x), rnn(x))
    assert_close(copy.deepcopy(rnn)(x), rnn(x))
    assert_close(rnn.step(x[0], torch.zeros(3, 4)), rnn(x)[0][0])


def test_a_value_is_inverted_to_one_that_gives_it_back():
    value = torch.tensor([0.0, 0.5, 3.0])
    assert_close(NonNegative()(NonNegative().right_inverse(value)), value)


def test_projection_keeps_what_is_not_negative_and_shows_nan(device, dtype):
    values = [-2.0, -0.0, 0.0, 3.0, float("nan"), float("inf"), -float("inf")]
    weight = torch.nn.Parameter(torch.tensor(values, device=device, dtype=dtype))
    assert project_nonnegative(weight) is None
    expected = torch.tensor([0.0, 0.0, 0.0, 3.0, float("nan"), float("inf"), 0.0], device=device, dtype=dtype)
    assert_close(weight.detach(), expected, equal_nan=True)
    assert weight.requires_grad


SIGNS = torch.tensor([1, -1, 1, -1])


@each_map
def test_dale_gives_every_edge_the_sign_of_its_source(x, map):
    rnn = GraphRNN(2, complete_edge_index(4), 4)
    rnn.reset_parameters(rng=1)
    before = rnn.edge_weight.detach().clone()
    assert constrain_dale(rnn, SIGNS, map=map) is rnn
    sign = SIGNS[rnn.edge_index[0]]
    assert_close(rnn.edge_weight.detach(), before.abs() * sign)
    rnn(x)[0].sum().backward()
    assert bool((rnn.parametrizations.edge_weight.original.grad != 0).all())
    rnn.reset_parameters(rng=1)
    assert_close(rnn.edge_weight.detach(), before.abs() * sign)
    optimizer = torch.optim.SGD(rnn.parameters(), lr=0.5)
    for _ in range(5):
        optimizer.zero_grad()
        rnn(x)[0].sum().backward()
        optimizer.step()
        assert bool((rnn.edge_weight * sign >= 0).all())
    assert not torch.equal(rnn.edge_weight, before)


@each_map
def test_dale_shows_in_the_jacobian(map):
    """Structure: the derivative of a state by an earlier one has the sign of the neuron that sends."""
    rnn = GraphRNN(2, complete_edge_index(4), 4).double()
    rnn.set_edge_weight(SIGNS.double().repeat_interleave(4) * (1 + torch.rand(16, dtype=torch.double)))
    constrain_dale(rnn, SIGNS, map=map)
    zeros = torch.zeros(1, 2, dtype=torch.double)
    jacobian = torch.autograd.functional.jacobian(
        lambda h: rnn.step(zeros, h[None])[0], torch.zeros(4, dtype=torch.double)
    )
    assert torch.equal(jacobian.T.sign(), SIGNS.double()[:, None].expand(4, 4))


def test_a_learned_gain_leaves_the_counts_alone(x):
    counts = torch.arange(1.0, 17)
    rnn = learn_gain(GraphRNN(2, complete_edge_index(4), 4), counts)
    assert_close(rnn.edge_weight.detach(), counts)
    free = GraphRNN(2, complete_edge_index(4), 4)
    free.set_edge_weight(counts)
    rnn(x)[0].sum().backward()
    free(x)[0].sum().backward()
    assert_close(rnn.parametrizations.edge_weight.original.grad, free.edge_weight.grad * counts)
    rnn.set_edge_weight(counts * 3)
    assert_close(rnn.parametrizations.edge_weight.original.detach(), torch.full((16,), 3.0))
    counts.zero_()
    assert bool((rnn.edge_weight != 0).all())


def test_a_learned_change_decays_to_the_offset():
    offset = torch.linspace(-1, 1, 16)
    rnn = learn_change(GraphRNN(2, complete_edge_index(4), 4), offset)
    assert_close(rnn.edge_weight.detach(), offset)
    rnn.set_edge_weight(torch.zeros(16))
    assert_close(rnn.parametrizations.edge_weight.original.detach(), -offset)
    optimizer = torch.optim.SGD([rnn.parametrizations.edge_weight.original], lr=1.0, weight_decay=0.5)
    rnn.parametrizations.edge_weight.original.grad = torch.zeros(16)
    for _ in range(40):
        optimizer.step()
    assert_close(rnn.edge_weight.detach(), offset, rtol=0, atol=1e-6)


def test_constraints_stack():
    rnn = learn_gain(GraphRNN(2, complete_edge_index(4), 4), torch.full((16,), 2.0))
    constrain_nonnegative(rnn)
    rnn.set_edge_weight(torch.linspace(-1, 1, 16))
    assert_close(rnn.edge_weight.detach(), torch.linspace(-1, 1, 16).abs())


@each_map
def test_a_constraint_on_top_of_another_keeps_the_magnitudes(map):
    scale = torch.linspace(-4, 4, 16)
    rnn = constrain_dale(learn_gain(GraphRNN(2, complete_edge_index(4), 4), scale), SIGNS, map=map)
    assert_close(rnn.edge_weight.detach(), scale.abs() * SIGNS.repeat_interleave(4))


@each_map
@pytest.mark.parametrize("learn", [learn_gain, learn_change])
def test_what_is_learned_on_top_of_another_constraint_starts_at_what_is_fixed(learn, map):
    fixed = SIGNS.repeat_interleave(4) * torch.linspace(1, 4, 16)
    rnn = learn(constrain_dale(GraphRNN(2, complete_edge_index(4), 4), SIGNS, map=map), fixed.abs())
    expected = fixed if learn is learn_gain else fixed.abs()
    assert_close(rnn.edge_weight.detach(), expected, rtol=0, atol=2e-3)


@each_map
@pytest.mark.parametrize(
    "make", [lambda map: NonNegative(map), lambda map: Dale(torch.tensor([1.0, -1.0] * 3), None, map)]
)
def test_weights_go_through_the_free_parameter_and_back(make, map):
    constraint = make(map).double()
    weight = torch.tensor([1e-6, -1e-3, 0.5, -1.0, 30.0, -500.0], dtype=torch.float64)
    free = constraint.right_inverse(weight)
    assert_close(constraint(free).abs(), weight.abs(), rtol=1e-9, atol=0)
    assert_close(constraint.right_inverse(constraint(free)), free)
    assert torch.autograd.gradcheck(constraint, free.clamp(min=0.1).requires_grad_())


@pytest.mark.parametrize("map", ["softplus", "exponential"])
def test_a_silent_weight_has_a_gradient_where_the_map_has_no_zero(map):
    weight = torch.tensor([0.0, 2.0, -4.0, 0.0])
    free = NonNegative(map).right_inverse(weight).requires_grad_()
    raised = NonNegative(map)(free)
    assert_close(raised.detach(), torch.tensor([0.003, 2.0, 4.0, 0.003]))
    (gradient,) = torch.autograd.grad(raised.sum(), free)
    assert bool((gradient > 1e-3).all())
    assert_close(NonNegative(map)(NonNegative(map).right_inverse(torch.zeros(3))), torch.full((3,), 1e-3))


def learn_sums(rnn, steps=200):
    """Train a network and a readout on the sums of its inputs; return the gradients of the last step."""
    generator = torch.Generator().manual_seed(0)
    readout = torch.nn.Linear(rnn.num_nodes, 2)
    with torch.no_grad():
        readout.weight.copy_(torch.randn(readout.weight.shape, generator=generator) / 4)
    optimizer = torch.optim.Adam([*rnn.parameters(), *readout.parameters()], lr=0.01)
    for _ in range(steps):
        x = torch.randn(6, 16, 2, generator=generator)
        optimizer.zero_grad()
        (readout(rnn(x)[0][-1]) - x.sum(0)).square().mean().backward()
        optimizer.step()
    return rnn.parametrizations.edge_weight.original.grad


@each_map
def test_only_the_clamp_silences_synapses_for_good(map):
    signs = torch.tensor([1.0] * 16 + [-1.0] * 4)
    rnn = constrain_dale(GraphRNN(2, complete_edge_index(20), 20, nonlinearity="relu"), signs, map=map)
    assert bool((rnn.edge_weight != 0).all())
    gradient = learn_sums(rnn)
    silent = rnn.edge_weight == 0
    assert bool(((gradient != 0) | silent).float().mean() > 0.9)
    assert bool(silent.any()) == (map == "clamp")
    assert bool((gradient[silent] == 0).all())


def test_the_state_of_a_constrained_network_carries_what_is_fixed():
    first = learn_gain(GraphRNN(2, complete_edge_index(4), 4), torch.arange(1.0, 17))
    other = learn_gain(GraphRNN(2, complete_edge_index(4), 4), torch.ones(16))
    other.load_state_dict(first.state_dict())
    assert_close(other.edge_weight, first.edge_weight)


BAD = {
    "a sign too few": (constrain_dale, torch.ones(3)),
    "a sign of zero": (constrain_dale, torch.tensor([1, 0, 1, 1])),
    "a scale too few": (learn_gain, torch.ones(15)),
    "a scale of zero": (learn_gain, torch.arange(16.0)),
    "a scale of NaN": (learn_gain, torch.full((16,), torch.nan)),
    "an offset by column": (learn_change, torch.ones(16, 1)),
    "an infinite offset": (learn_change, torch.full((16,), torch.inf)),
    "another map of Dale": (lambda rnn, map: constrain_dale(rnn, SIGNS, map=map), "square"),
    "another map": (lambda rnn, map: constrain_nonnegative(rnn, map=map), "square"),
}


@pytest.mark.parametrize(("function", "value"), BAD.values(), ids=BAD.keys())
def test_rejects(function, value):
    with pytest.raises(ValueError, match=r"must .*got"):
        function(GraphRNN(2, complete_edge_index(4), 4), value)
