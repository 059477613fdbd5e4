"""Penalties on the edges of a network: what its weights, its wire and its communication cost.

Each is a module, ``penalty(rnn) -> scalar``, for any network with ``edge_index``, ``edge_weight`` and ``num_nodes``.
"""

from __future__ import annotations

import torch
from torch import nn

from graphcortex._checks import check_choice, check_number
from graphcortex._typing import EdgeValues
from graphcortex.ops import communicability_matrix, spatial_communicability, wasserstein_1d
from graphcortex.ops.communicability import NORMALIZATIONS


class _Penalty(nn.Module):
    """Hold the strength that every penalty has."""

    def __init__(self, strength: float):
        super().__init__()
        self.strength = check_number(strength, "strength", minimum=0)

    def extra_repr(self) -> str:
        """Say the strength in the printed form."""
        return f"strength={self.strength:g}"


class L1Penalty(_Penalty):
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


class LengthPenalty(_Penalty):
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


class LengthCommunicabilityPenalty(LengthPenalty):
    r"""Absolute weight times length times communicability, :math:`\lambda \sum_e |w_e| \, d_e \, C_{i_e j_e}`.

    The gradient runs through :math:`C` as well.

    Args:
        edge_length: Length :math:`d_e` of each edge of the network, shape ``(E,)``, not negative.
        strength: :math:`\lambda`, not negative.
        normalization: ``"both"`` or ``"source"`` (published), see :func:`graphcortex.ops.communicability_matrix`.

    Raises:
        ValueError: As :class:`LengthPenalty`, or for an unknown normalization.
    """

    def __init__(self, edge_length: EdgeValues, *, strength: float = 0.3, normalization: str = "both"):
        super().__init__(edge_length, strength=strength)
        self.normalization = check_choice(normalization, "normalization", NORMALIZATIONS)

    def forward(self, rnn: nn.Module) -> torch.Tensor:
        """Return the penalty of a network, a scalar."""
        self._check(rnn)
        return self.strength * spatial_communicability(
            rnn.edge_index,
            rnn.edge_weight,
            self.edge_length.to(rnn.edge_weight.dtype),
            rnn.num_nodes,
            normalization=self.normalization,
        )

    def extra_repr(self) -> str:
        """Say the strength and the normalization in the printed form."""
        return f"{super().extra_repr()}, normalization={self.normalization!r}"


class CommunicabilityEMD(_Penalty):
    r"""Distance between the communicabilities of the network and of the anatomy.

    .. math::
        \lambda \, \frac1{N^2} \sum_k \left| C^\text{anatomy}_{(k)} - C_{(k)} \right|

    over the sorted entries of both matrices, the diagonals set to 0: the earth mover's distance of the two distributions.

    Args:
        reference: Communicability matrix of the anatomy, shape ``(N, N)``; its diagonal is ignored.
        strength: :math:`\lambda`, not negative.
        normalization: ``"both"`` or ``"source"`` (published); the reference should be computed with the same.

    Raises:
        ValueError: If the reference is not square or holds NaN, or an argument is out of range.
    """

    def __init__(self, reference: torch.Tensor, *, strength: float = 0.1, normalization: str = "both"):
        super().__init__(strength)
        if reference.dim() != 2 or reference.size(0) != reference.size(1) or bool(reference.isnan().any()):
            raise ValueError(f"reference must be a square matrix without NaN, got shape {tuple(reference.shape)}.")
        self.normalization = check_choice(normalization, "normalization", NORMALIZATIONS)
        self.register_buffer("reference", _without_diagonal(reference).flatten().sort().values)

    def forward(self, rnn: nn.Module) -> torch.Tensor:
        """Return the penalty of a network, a scalar."""
        if rnn.num_nodes**2 != self.reference.numel():
            raise ValueError(
                f"reference must be the matrix of {rnn.num_nodes} neurons, got {self.reference.numel()} entries."
            )
        matrix = communicability_matrix(
            rnn.edge_index, rnn.edge_weight, rnn.num_nodes, normalization=self.normalization
        )
        return self.strength * wasserstein_1d(_without_diagonal(matrix), self.reference.to(matrix.dtype))

    def extra_repr(self) -> str:
        """Say the strength and the normalization in the printed form."""
        return f"{super().extra_repr()}, normalization={self.normalization!r}"


def _without_diagonal(matrix: torch.Tensor) -> torch.Tensor:
    return matrix - torch.diag(matrix.diagonal())
