import pytest
import torch
from torch.testing import assert_close

from graphcortex.kernels.nonlinearity import NONLINEARITIES, get_nonlinearity
from tests.kernels.naive import SCALARS

POINTS = [-30.0, -3.0, -0.5, -1e-9, 1e-9, 0.25, 2.0, 30.0]


def test_every_nonlinearity_has_an_oracle():
    assert SCALARS.keys() == NONLINEARITIES.keys()


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_matches_its_formula_in_and_out_of_place(name, device):
    f, (scalar, _) = get_nonlinearity(name), SCALARS[name]
    x = torch.tensor(POINTS, dtype=torch.float64, device=device)
    expected = torch.tensor([scalar(a) for a in POINTS], dtype=torch.float64, device=device)
    assert_close(f.forward(x), expected, rtol=1e-14, atol=0)
    place = x.clone()
    assert f.forward_(place) is place
    assert_close(place, expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_derivative_from_the_output_is_the_formula(name, device):
    f, (_, slope) = get_nonlinearity(name), SCALARS[name]
    x = torch.tensor(POINTS, dtype=torch.float64, device=device)
    grad = torch.linspace(-2, 2, x.numel(), dtype=torch.float64, device=device)
    expected = grad * torch.tensor([slope(a) for a in POINTS], dtype=torch.float64, device=device)
    assert_close(f.backward(grad, f.forward(x)), expected, rtol=1e-6, atol=1e-13)
    assert f.backward(grad, f.forward(x)).data_ptr() != grad.data_ptr()


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_derivative_agrees_with_autograd(name, device):
    f = get_nonlinearity(name)
    x = torch.tensor([*POINTS, 0.0], dtype=torch.float64, device=device, requires_grad=True)
    y = f.forward(x)
    (expected,) = torch.autograd.grad(y.sum(), x)
    assert_close(f.backward(torch.ones_like(y), y.detach()), expected, rtol=1e-6, atol=1e-13)


def test_rejects_an_unknown_name():
    with pytest.raises(ValueError, match=r"nonlinearity must be one of 'relu', 'tanh'.*got 'sigmoid'"):
        get_nonlinearity("sigmoid")
