import copy

import pytest
import torch
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index
from graphcortex.nn import GraphRNN, NonNegative, constrain_nonnegative, project_nonnegative


@pytest.fixture
def x():
    return torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(0))


def constrained(seed=1):
    rnn = GraphRNN(2, complete_edge_index(4), 4)
    rnn.reset_parameters(rng=seed)
    return constrain_nonnegative(rnn)


def test_the_positive_part_is_kept():
    rnn = GraphRNN(2, complete_edge_index(4), 4)
    rnn.reset_parameters(rng=1)
    before = rnn.edge_weight.detach().clone()
    assert (before < 0).any()
    assert constrain_nonnegative(rnn) is rnn
    assert_close(rnn.edge_weight.detach(), before.clamp(min=0))


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
