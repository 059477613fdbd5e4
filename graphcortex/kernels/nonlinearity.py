"""The nonlinearities of the scan, each with its derivative as a function of its own output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from graphcortex._checks import check_choice


@dataclass(frozen=True)
class Nonlinearity:
    """A function of the pre-activation, and how a gradient passes it. It pickles by its name.

    Attributes:
        name: Its name among the nonlinearities.
        forward: The function, differentiable by autograd.
        forward_: The same in place, without autograd.
        backward: ``(grad_output, output) -> grad_input``; the output alone decides the derivative.
    """

    name: str
    forward: Callable[[torch.Tensor], torch.Tensor]
    forward_: Callable[[torch.Tensor], torch.Tensor]
    backward: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def __reduce__(self):
        """Return the name alone: lambdas and operators of torch do not pickle."""
        return get_nonlinearity, (self.name,)


NONLINEARITIES = {
    f.name: f
    for f in (
        Nonlinearity("relu", torch.relu, torch.relu_, lambda g, y: torch.ops.aten.threshold_backward(g, y, 0)),
        Nonlinearity("tanh", torch.tanh, torch.tanh_, torch.ops.aten.tanh_backward),
        # y = log(1 + e^x), so dy/dx = e^x / (1 + e^x) = 1 - e^-y
        Nonlinearity("softplus", F.softplus, lambda x: x.copy_(F.softplus(x)), lambda g, y: g * -torch.expm1(-y)),
        Nonlinearity("identity", lambda x: x, lambda x: x, lambda g, y: g.clone()),
    )
}


def get_nonlinearity(name: str) -> Nonlinearity:
    """Return a nonlinearity by name: relu, tanh, softplus or identity.

    Raises:
        ValueError: If there is none of that name.
    """
    return NONLINEARITIES[check_choice(name, "nonlinearity", NONLINEARITIES)]
