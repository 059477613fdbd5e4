"""Eigenvalues outside the bulk: what learning wrote into the weights beyond their variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from graphcortex._checks import check_count, check_number
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.metrics._eigenvalues import leading_eigenvalues
from graphcortex.metrics._result import Result
from graphcortex.metrics._signed import signed_matrix

_LAST_COUNT = 128


@dataclass(frozen=True, eq=False, kw_only=True)
class EigenvalueOutliers(Result):
    """How many eigenvalues lie outside the bulk, and where.

    Attributes:
        eigenvalues: All eigenvalues, or the leading ones of a large graph, complex, those farthest from the center of the bulk
            first.
        bulk_center: Center of the bulk on the real axis, in the unit of the weights.
        bulk_radius: Radius of the bulk, in the unit of the weights.
        margin: An outlier is farther from the center than ``(1 + margin) * bulk_radius``.
        complete: Whether all outliers were found; if not, the value is a lower bound and ``reason`` says why.
        method: ``"dense"`` (all eigenvalues) or ``"arnoldi"`` (the leading ones).
    """

    eigenvalues: np.ndarray
    bulk_center: float
    bulk_radius: float
    margin: float
    complete: bool = True

    @property
    def outliers(self) -> np.ndarray:
        """The eigenvalues outside the bulk, complex, the farthest first."""
        return self.eigenvalues[: 0 if math.isnan(self.value) else int(self.value)]


def eigenvalue_outliers(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    margin: float | None = None,
    num_leading: int = 16,
    threshold: float = 0.0,
) -> EigenvalueOutliers:
    r"""Count the eigenvalues of the weights that lie outside the bulk that their variance predicts.

    The eigenvalues of a matrix of independent entries of variance :math:`\sigma^2` fill a disk of radius :math:`\sigma \sqrt N`
    (Girko's circular law), and a matrix of low rank added to it moves only a few of them out (Tao). Here

    .. math::
        W = c I + u 1^\top + 1 v^\top + J, \qquad R = \sigma \sqrt N,

    with the center :math:`c = \operatorname{tr} W / N`, a mean output of each source and a mean input of each target, as they
    differ between excitatory and inhibitory neurons (Rajan & Abbott), and a rest :math:`J` whose variance :math:`\sigma^2`
    is taken over all :math:`N^2` pairs, the missing edges being zeros, with :math:`(N - 1)^2` in the denominator. An
    eigenvalue is an outlier where :math:`|\lambda - c| > (1 + \text{margin}) R`.

    The weights keep their signs and self-connections. The count is at least 0, and changes neither when all weights are
    scaled, nor when all self-connections are shifted alike, nor when all edges are turned around.

    Up to 2,000 neurons on cycles all eigenvalues are computed. Above, those that are farthest from the center come from
    Arnoldi iterations that stop at a residual of 0.001: at first ``num_leading`` of them, and up to 128 while all lie outside.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for a weight of 1.
        num_nodes: Number of neurons :math:`N`.
        margin: How far beyond the radius an eigenvalue of the bulk may lie, at least 0. None takes
            :math:`\sqrt{\ln N / N}`, about what the edge of a finite bulk strays.
        num_leading: How many eigenvalues of a large graph are looked for at least.
        threshold: Edges that are not above it in size are no edges, in the unit of the weights.

    Returns:
        The number of outliers and the eigenvalues. NaN, with the reason, for a single neuron; a lower bound, with the reason,
        if the iterations did not reach the bulk.

    Raises:
        ValueError: If the arguments do not describe one graph, a weight is not finite, or an option is out of range.

    References:
        Girko (1985). Circular law. Theory Probab. Appl. 29. https://doi.org/10.1137/1129095

        Rajan & Abbott (2006). Eigenvalue spectra of random matrices for neural networks. Phys. Rev. Lett. 97.
        https://doi.org/10.1103/PhysRevLett.97.188104

        Tao (2013). Outliers in the spectrum of iid matrices with bounded rank perturbations. Probab. Theory Relat. Fields 155.
        https://doi.org/10.1007/s00440-011-0397-9

    Example:
        >>> import torch
        >>> nodes = torch.arange(50)
        >>> weight = torch.randn(2500, generator=torch.Generator().manual_seed(0)) + 0.5
        >>> found = eigenvalue_outliers(torch.cartesian_prod(nodes, nodes).T, weight, num_nodes=50)
        >>> found.value, round(found.bulk_radius, 1), f"{found.outliers[0].real:.0f}"
        (1.0, 7.1, '26')
    """
    if margin is not None:
        check_number(margin, "margin", minimum=0)
    W = signed_matrix(edge_index, edge_weight, num_nodes, threshold)
    # Squares of weights of an extreme size are out of range. A power of two as unit rounds nothing.
    unit = math.ldexp(1.0, max(math.frexp(np.abs(W.data).max(initial=0.0))[1] - 1, -1022))
    W = W * (1 / unit)
    center, radius = _bulk(W)
    width = math.sqrt(math.log(num_nodes) / num_nodes) if margin is None else float(margin)
    bulk = {"bulk_center": center * unit, "bulk_radius": radius * unit, "margin": width, "threshold": threshold}
    if num_nodes == 1:
        single = np.full(1, center * unit, dtype=complex)
        return EigenvalueOutliers(value=math.nan, reason="a single neuron has no bulk", eigenvalues=single, **bulk)
    count = check_count(num_leading, "num_leading")
    while True:
        found = leading_eigenvalues(W, center, count)
        distance = abs(found.eigenvalues - center)
        # Rounding moves eigenvalues of a bulk that is a point.
        outside = int(np.count_nonzero(distance > (1 + width) * radius + 1e-7))
        all_outside = not found.all and outside == distance.size
        if not (all_outside and found.converged and count < _LAST_COUNT):
            break
        count *= 2
    reason = ""
    if W.nnz == 0:
        reason = "there is no weight other than 0"
    elif all_outside:
        why = "lie outside the bulk" if found.converged else "converged"
        reason = f"no more than the {outside} leading eigenvalues {why}: there may be more outliers"
    method = "dense" if found.all else "arnoldi"
    return EigenvalueOutliers(
        value=float(outside),
        reason=reason,
        method=method,
        eigenvalues=found.eigenvalues * unit,
        complete=not all_outside,
        **bulk,
    )


def _bulk(W: scipy.sparse.csr_array) -> tuple[float, float]:
    """Return the center and the radius of the bulk."""
    N = W.shape[0]
    center = float(W.trace()) / N
    if N == 1:
        return center, math.nan
    outputs, inputs = W.sum(1) - center, W.sum(0) - center
    squares = W.data @ W.data - N * center**2
    rest = squares - (outputs @ outputs + inputs @ inputs) / N + outputs.sum() ** 2 / N**2
    # Below this the difference is rounding.
    variance = rest / (N - 1) ** 2 if rest > 1e-12 * (W.data @ W.data) else 0.0
    return center, math.sqrt(variance * N)
