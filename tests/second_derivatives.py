"""Every road to a derivative of a gradient that PyTorch has, as a function of a scalar function and a leaf."""

import warnings

import torch
from torch.autograd import functional as F


def direction_of(x):
    return torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype, device=x.device).view(x.shape)


def leaf_of(x):
    return x.detach().clone().requires_grad_()


def first(function, x):
    return torch.autograd.grad(function(x), x, create_graph=True)[0]


def backward_twice(function, x):
    x = leaf_of(x)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Using backward\(\) with create_graph=True")
        function(x).backward(create_graph=True)
    gradient, x.grad = x.grad, None
    (gradient * direction_of(x)).sum().backward()
    return x.grad


def backward_to_inputs(function, x):
    x = leaf_of(x)
    (first(function, x) * direction_of(x)).sum().backward(inputs=[x])
    return x.grad


def grad_of_grad(function, x):
    x = leaf_of(x)
    return torch.autograd.grad((first(function, x) * direction_of(x)).sum(), x)[0]


def gradient_penalty(function, x):
    x = leaf_of(x)
    value = function(x)
    (gradient,) = torch.autograd.grad(value, x, create_graph=True)
    (value + gradient.square().sum()).backward()
    return x.grad


def maml(function, x):
    x = leaf_of(x)
    inner = x - 0.01 * first(function, x)
    inner = inner - 0.01 * torch.autograd.grad(function(inner), inner, create_graph=True)[0]
    return torch.autograd.grad(function(inner), x)[0]


ROADS = {
    "backward twice": backward_twice,
    "backward to inputs": backward_to_inputs,
    "grad of grad": grad_of_grad,
    "gradient penalty": gradient_penalty,
    "maml": maml,
    "hessian": F.hessian,
    "hvp": lambda function, x: F.hvp(function, x, direction_of(x))[1],
    "vhp": lambda function, x: F.vhp(function, x, direction_of(x))[1],
    "jacobian": lambda function, x: F.jacobian(lambda v: F.jacobian(function, v, create_graph=True), x),
    # The product with a direction is made of the derivative of the gradient in the gradient of the value.
    "jvp": lambda function, x: F.jvp(function, x, direction_of(x))[1],
}
NO_ROADS = {
    "func.hessian": lambda function, x: torch.func.hessian(function)(x),
    "func.grad": lambda function, x: torch.func.grad(function)(x),
    "func.jvp": lambda function, x: torch.func.jvp(function, (x,), (direction_of(x),)),
}
