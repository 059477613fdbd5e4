"""Signs of the recurrent weights: as a parametrisation, or as a projection after the optimiser's step."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize


class NonNegative(nn.Module):
    """Keep a parameter at or above 0: the parameter is the positive part of a free one.

    A weight that is pushed below 0 stays at 0 and gets no more gradient; :func:`project_nonnegative` lets it come back.

    Example:
        >>> from graphcortex.nn import GraphRNN
        >>> rnn = GraphRNN(1, torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> _ = constrain_nonnegative(rnn)
        >>> bool((rnn.edge_weight >= 0).all())
        True
    """

    def forward(self, free: torch.Tensor) -> torch.Tensor:
        """Return the positive part."""
        return free.relu()

    def right_inverse(self, value: torch.Tensor) -> torch.Tensor:
        """Return the free parameter of a given one; negative entries are set to 0."""
        return value.relu()


def constrain_nonnegative(module: nn.Module, name: str = "edge_weight") -> nn.Module:
    """Register :class:`NonNegative` on one parameter of ``module``, and return the module."""
    return parametrize.register_parametrization(module, name, NonNegative())


@torch.no_grad()
def project_nonnegative(parameter: torch.Tensor) -> None:
    """Set the negative entries to 0, in place: the projection that is due after each step of the optimiser.

    NaN stays NaN, so that a diverged network is seen.

    Args:
        parameter: Weights, any shape.

    Example:
        >>> weight = torch.tensor([-1.0, 2.0])
        >>> project_nonnegative(weight)
        >>> weight
        tensor([0., 2.])
    """
    parameter.clamp_(min=0)
