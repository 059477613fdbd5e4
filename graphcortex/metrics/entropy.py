"""Entropy of the distribution of weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from graphcortex._checks import check_count
from graphcortex._typing import EdgeValues
from graphcortex.metrics._result import Result

_REACH = 9.0
"""Kernels are cut at this many bandwidths, where they have fallen to e^-40 and no longer change a float64 sum."""


@dataclass(frozen=True, eq=False, kw_only=True)
class WeightEntropy(Result):
    """The entropy of a weight distribution, in bits.

    Attributes:
        num_weights: How many weights the density was estimated from.
        num_points: Points of the grid.
        bandwidth: Standard deviation of the kernel, in the unit of the weights; NaN where there is no density.
    """

    num_weights: int
    num_points: int
    bandwidth: float = math.nan


def weight_entropy(edge_weight: EdgeValues, *, num_points: int = 100) -> WeightEntropy:
    r"""Compute the Shannon entropy of the density of the signed weights.

    The density is a sum of Gaussian kernels, taken at :math:`m` evenly spaced points :math:`x_j` from the smallest to
    the largest weight, and made to sum to 1,

    .. math::
        p_j \propto \sum_e \exp \left( - \frac{(x_j - w_e)^2}{2 h^2} \right), \qquad
        h = n^{-1/5} \, \operatorname{sd}(w), \qquad H = - \sum_j p_j \log_2 p_j,

    with Scott's bandwidth :math:`h` and the sample standard deviation (:math:`n - 1`). It lies in :math:`[0, \log_2
    m]`, and does not change when all weights are scaled or shifted. Weights that are all equal have 0. The numbers are
    those of ``scipy.stats.gaussian_kde``, with kernels cut where they fall below :math:`10^{-17}`.

    Only the weights that are given count: a sparse graph's missing edges are not zeros here.

    Args:
        edge_weight: Weights, floating point, of any shape and unit.
        num_points: Points of the grid, :math:`m`.

    Returns:
        The entropy in bits. NaN, with the reason, if there is no weight or one is not finite.

    Raises:
        ValueError: If ``edge_weight`` is not a floating point tensor, or ``num_points < 2``.

    References:
        Shannon (1948). A mathematical theory of communication. Bell Syst. Tech. J. 27.
        https://doi.org/10.1002/j.1538-7305.1948.tb01338.x

        Scott (1992). Multivariate Density Estimation. Wiley. https://doi.org/10.1002/9780470316849

    Example:
        >>> round(weight_entropy(torch.linspace(-1, 1, 1001)).value, 3)
        6.63
    """
    num_points = check_count(num_points, "num_points", minimum=2)
    if not isinstance(edge_weight, torch.Tensor) or not edge_weight.is_floating_point():
        got = getattr(edge_weight, "dtype", type(edge_weight).__name__)
        raise ValueError(f"edge_weight must be a floating point tensor, got {got}.")
    weights = edge_weight.detach().double().cpu().numpy().ravel()
    done: dict[str, Any] = {"num_weights": weights.size, "num_points": num_points}
    if weights.size == 0:
        return WeightEntropy(value=math.nan, reason="there are no weights", **done)
    not_finite = int(np.count_nonzero(~np.isfinite(weights)))
    if not_finite:
        return WeightEntropy(value=math.nan, reason=not_finite_reason(not_finite, weights.size), **done)

    # Clipped weights hold many equal zeros, so each distinct value is visited once. Scaling keeps squares in range.
    scale = float(np.abs(weights).max()) or 1.0
    values, counts = np.unique(weights / scale, return_counts=True)
    if values.size == 1:
        return WeightEntropy(value=0.0, reason="all weights are equal", **done)
    mean = np.average(values, weights=counts)
    spread = math.sqrt(((values - mean) ** 2 @ counts) / (weights.size - 1))
    bandwidth = spread * weights.size ** (-1 / 5)
    density = _density(values, counts, bandwidth, np.linspace(values[0], values[-1], num_points))
    probability = density[density > 0] / density.sum()
    entropy = max(float(-(probability @ np.log2(probability))), 0.0)
    return WeightEntropy(value=entropy, bandwidth=bandwidth * scale, **done)


def not_finite_reason(not_finite: int, total: int) -> str:
    """Say that weights are not finite, and what that means."""
    return f"{not_finite} of {total} weights are NaN or infinite: the network diverged"


def _density(values: np.ndarray, counts: np.ndarray, bandwidth: float, points: np.ndarray) -> np.ndarray:
    """Return the sum of kernels at each point; ``values`` ascend."""
    first = np.searchsorted(values, points - _REACH * bandwidth, side="left")
    last = np.searchsorted(values, points + _REACH * bandwidth, side="right")
    density = np.empty(points.size)
    for j, (point, start, stop) in enumerate(zip(points, first, last, strict=True)):
        distance = (values[start:stop] - point) / bandwidth
        density[j] = np.exp(-0.5 * distance**2) @ counts[start:stop]
    return density
