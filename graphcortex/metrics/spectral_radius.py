"""Spectral radius: how fast the linear dynamics of a network grow or fade."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from graphcortex import ops
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.metrics._eigenvalues import leading_eigenvalues
from graphcortex.metrics._result import Result
from graphcortex.metrics._signed import signed_matrix

_NUM_LEADING = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectralRadius(Result):
    """The largest absolute eigenvalue of the weights, in their unit.

    Attributes:
        method: ``"exact"`` (to rounding), or ``"approximate"`` (to about 1 %).
    """


def spectral_radius(
    edge_index: EdgeIndex, edge_weight: EdgeValues | None, num_nodes: int, *, threshold: float = 0.0
) -> SpectralRadius:
    r"""Compute the spectral radius :math:`\rho(W) = \max_k |\lambda_k|` of the signed weights, self-connections included.

    It is at least 0, and grows as the weights do. Linear dynamics :math:`h_{t+1} = h_t W` fade where it is below 1. The value is
    that of :func:`graphcortex.ops.spectral_radius`. Where a graph has more than 5,000 neurons and so many eigenvalues of
    nearly one size that these are not told apart, as with random signed weights, it comes from Arnoldi iterations that
    stop at a residual of 0.001, and is right to about 1 %.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for a weight of 1.
        num_nodes: Number of neurons.
        threshold: Edges that are not above it in size are no edges, in the unit of the weights.

    Returns:
        The spectral radius; 0, with the reason, for a graph without cycles. NaN, with the reason, if even the loose iterations
        find no eigenvalue.

    Raises:
        ValueError: If the arguments do not describe one graph, a weight is not finite, or the threshold is negative.

    References:
        Rajan & Abbott (2006). Eigenvalue spectra of random matrices for neural networks. Phys. Rev. Lett. 97.
        https://doi.org/10.1103/PhysRevLett.97.188104

    Example:
        >>> round(spectral_radius(torch.tensor([[0, 1], [1, 0]]), torch.tensor([4.0, -1.0]), 2).value, 6)
        2.0
    """
    W = signed_matrix(edge_index, edge_weight, num_nodes, threshold)
    entries = W.tocoo()
    pairs = torch.from_numpy(entries.coords[0].astype("int64")), torch.from_numpy(entries.coords[1].astype("int64"))
    try:
        value = ops.spectral_radius(torch.stack(pairs), torch.from_numpy(entries.data), num_nodes)
    except ops.SpectrumNotFoundError as missed:
        found = leading_eigenvalues(W, 0.0, _NUM_LEADING).eigenvalues
        if found.size == 0:
            return SpectralRadius(value=math.nan, reason=str(missed), method="approximate", threshold=threshold)
        return SpectralRadius(value=float(abs(found).max()), method="approximate", threshold=threshold)
    reason = "the graph has no cycle" if value == 0 else ""
    return SpectralRadius(value=value, reason=reason, method="exact", threshold=threshold)
