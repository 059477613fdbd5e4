"""Penalties on the edges of a network: what its weights and its wire cost.

Each is a module, ``penalty(rnn) -> scalar``, for any network with ``edge_index``, ``edge_weight`` and ``num_nodes``.
"""

from __future__ import annotations

import torch
from torch import nn

from graphcortex._checks import check_number
from graphcortex._typing import EdgeValues


class Penalty(nn.Module):
    """Hold the strength that every penalty has."""

    def __init__(self, strength: float):
        super().__init__()
        self.strength = check_number(strength, "strength", minimum=0)

    def extra_repr(self) -> str:
        """Say the strength in the printed form."""
        return f"strength={self.strength:g}"


class L1Penalty(Penalty):
    r"""Absolute weight, :math:`\lambda \sum_e |w_e|`.

    Args:
        strength: :math:`\lambda`, not negative.

    Raises:
        ValueError: If the strength is negative or not finite.
    """

    def __init__(self, strength: float = 0.3):
        super().__init__(strength)

    def forward(self, rnn: nn.Module) -> torch.Tensor:
        """Return the penalty of a network, a scalar."""
        return self.strength * rnn.edge_weight.abs().sum()


class LengthPenalty(Penalty):
    r"""Absolute weight times length, :math:`\lambda \sum_e |w_e| \, d_e`.

    Args:
        edge_length: Length :math:`d_e` of each edge of the network, shape ``(E,)``, not negative.
        strength: :math:`\lambda`, not negative.

    Raises:
        ValueError: If a length is negative or NaN, the strength is out of range, or (when called) the lengths do not fit the edges.
    """

    def __init__(self, edge_length: EdgeValues, *, strength: float = 0.3):
        super().__init__(strength)
        if edge_length.dim() != 1 or not bool((edge_length >= 0).all()):
            raise ValueError(
                f"edge_length must hold one number of at least 0 per edge, got shape {tuple(edge_length.shape)}"
                + (f" and a smallest value of {float(edge_length.min())}." if edge_length.numel() else ".")
            )
        self.register_buffer("edge_length", edge_length)

    def forward(self, rnn: nn.Module) -> torch.Tensor:
        """Return the penalty of a network, a scalar."""
        self._check(rnn)
        return self.strength * torch.dot(rnn.edge_weight.abs(), self.edge_length.to(rnn.edge_weight.dtype))

    def _check(self, rnn: nn.Module) -> None:
        if rnn.edge_weight.shape != self.edge_length.shape:
            raise ValueError(
                f"edge_length must hold one value per edge of the network: expected shape {tuple(rnn.edge_weight.shape)}, got "
                f"{tuple(self.edge_length.shape)}."
            )
