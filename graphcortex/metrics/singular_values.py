"""Over how many directions the weights spread: the entropy of the singular values, and effective dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse

from graphcortex._checks import check_choice
from graphcortex._random import as_seed
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.metrics._quadrature import entropy_by_quadrature, estimate_traces, minus_xlogx
from graphcortex.metrics._result import Result
from graphcortex.metrics._signed import DENSE_UP_TO, signed_matrix, unit_scale

DIMENSIONS = ("participation", "entropy", "effective_rank")

_BLOCK_ENTRIES = 1 << 24  # entries of a block of W W^T: 200 MB
_LEAST_HUB = 2000  # inputs from which on a neuron may count as a hub


@dataclass(frozen=True, eq=False, kw_only=True)
class SingularValueEntropy(Result):
    """The entropy of the singular values, in bits.

    Attributes:
        method: ``"dense"`` (all singular values) or ``"quadrature"`` (estimated from products with the weights).
        standard_error: Standard error of an estimate, in bits; 0 where all singular values were computed.
    """

    standard_error: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class EffectiveDimension(Result):
    """A number of dimensions.

    Attributes:
        method: Which one it is.
        standard_error: Standard error of an estimate; 0 where the number is exact.
    """

    standard_error: float = 0.0


def singular_value_entropy(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    threshold: float = 0.0,
    rng: RandomSource = 0,
) -> SingularValueEntropy:
    r"""Compute the entropy of the squared singular values of the weight matrix.

    .. math:: H = - \sum_k p_k \log_2 p_k, \qquad p_k = \frac{s_k^2}{\sum_l s_l^2},

    where :math:`s_k` are the singular values of the signed :math:`W`, self-connections included. It lies in :math:`[0, \log_2
    N]`: 0 for a matrix of rank one, the upper bound for an orthogonal one. It changes neither when all weights are scaled, nor
    when the matrix is turned.

    Up to 2,000 neurons, or where senders times receivers are at most 4 million, all singular values are computed. Above, the
    entropy is estimated from random probes by stochastic Lanczos quadrature, with a standard error.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for a weight of 1.
        num_nodes: Number of neurons :math:`N`.
        threshold: Edges that are not above it in size are no edges, in the unit of the weights.
        rng: A generator, or an int seed, for the probes of a large matrix.

    Returns:
        The entropy in bits. NaN, with the reason, if there is no weight other than 0.

    Raises:
        ValueError: If the arguments do not describe one graph, a weight is not finite, or the threshold is negative.

    References:
        Alter, Brown & Botstein (2000). Singular value decomposition for genome-wide expression data processing and modeling.
        PNAS 97. https://doi.org/10.1073/pnas.97.18.10101

    Example:
        >>> import torch
        >>> ring = torch.stack((torch.arange(8), (torch.arange(8) + 1) % 8))
        >>> round(singular_value_entropy(ring, None, num_nodes=8).value, 6)
        3.0
    """
    W = _without_zeros(unit_scale(signed_matrix(edge_index, edge_weight, num_nodes, threshold)))
    if W.nnz == 0:
        return SingularValueEntropy(value=math.nan, reason="there is no weight other than 0", threshold=threshold)
    if _is_small(W):
        value = _entropy(np.linalg.svd(W.toarray(), compute_uv=False) ** 2)
        return SingularValueEntropy(value=value, method="dense", threshold=threshold)
    seed = as_seed(rng)
    value, error = entropy_by_quadrature(*_squared(W), seed)
    return SingularValueEntropy(value=value, standard_error=error, method="quadrature", threshold=threshold, seed=seed)


def effective_dimension(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    method: str = "participation",
    threshold: float = 0.0,
    rng: RandomSource = 0,
) -> EffectiveDimension:
    r"""Compute over how many dimensions the weight matrix spreads.

    Of the singular values :math:`s_k` of the signed :math:`W`, self-connections included,

    .. math::
        D_\text{participation} = \frac{(\sum_k s_k^2)^2}{\sum_k s_k^4}, \qquad D_\text{entropy} = 2^H, \qquad
        D_\text{rank} = \exp \left( - \sum_k q_k \ln q_k \right), \; q_k = \frac{s_k}{\sum_l s_l},

    with :math:`H` of :func:`singular_value_entropy`; the last is the effective rank of Roy & Vetterli. Each lies between 1
    (a matrix of rank one) and the rank of :math:`W` (all singular values equal), and :math:`D_\text{participation} \le
    D_\text{entropy} \le D_\text{rank}`.

    The participation ratio is :math:`\lVert W \rVert_F^4 / \lVert W W^\top \rVert_F^2`, and exact for any size. The others are
    estimated above 2,000 neurons, with a standard error, unless senders times receivers are at most 4 million.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for a weight of 1.
        num_nodes: Number of neurons.
        method: ``"participation"``, ``"entropy"`` or ``"effective_rank"``.
        threshold: Edges that are not above it in size are no edges, in the unit of the weights.
        rng: A generator, or an int seed, for the probes of a large matrix.

    Returns:
        The dimension. NaN, with the reason, if there is no weight other than 0.

    Raises:
        ValueError: If the arguments do not describe one graph, a weight is not finite, or an option is out of range.

    References:
        Roy & Vetterli (2007). The effective rank: a measure of effective dimensionality. EUSIPCO.
        https://ieeexplore.ieee.org/document/7098875

        Gao et al. (2017). A theory of multineuronal dimensionality, dynamics and measurement. bioRxiv.
        https://doi.org/10.1101/214262

    Example:
        >>> import torch
        >>> ring = torch.stack((torch.arange(8), (torch.arange(8) + 1) % 8))
        >>> round(effective_dimension(ring, None, num_nodes=8).value, 6)
        8.0
    """
    check_choice(method, "method", DIMENSIONS)
    W = _without_zeros(unit_scale(signed_matrix(edge_index, edge_weight, num_nodes, threshold)))
    done: dict[str, Any] = {"method": method, "threshold": threshold}
    if W.nnz == 0:
        return EffectiveDimension(value=math.nan, reason="there is no weight other than 0", **done)
    if method == "participation":
        return EffectiveDimension(value=max(float(W.data @ W.data) ** 2 / _sum_of_fourth_powers(W), 1.0), **done)
    if _is_small(W):
        s = np.linalg.svd(W.toarray(), compute_uv=False)
        return EffectiveDimension(value=2 ** _entropy(s**2 if method == "entropy" else s), **done)
    seed = as_seed(rng)
    if method == "entropy":
        bits, error = entropy_by_quadrature(*_squared(W), seed)
    else:
        bits, error = _effective_bits(W, seed)
    value = 2**bits
    return EffectiveDimension(value=value, standard_error=value * math.log(2) * error, seed=seed, **done)


def _entropy(amounts: np.ndarray) -> float:
    return max(float(minus_xlogx(amounts / amounts.sum()).sum()), 0.0)


def _effective_bits(W: scipy.sparse.csr_array, seed: int) -> tuple[float, float]:
    """Estimate the entropy of the singular values themselves, in bits, and its standard error."""
    (T, U), covariance = estimate_traces(*_squared(W), lambda p: np.stack((np.sqrt(p), minus_xlogx(np.sqrt(p)))), seed)
    # The entropy of s / T, with T = sum s and U = -sum s log s, is log T + U / T.
    slope = np.array([1 / (T * math.log(2)) - U / T**2, 1 / T])
    return max(float(math.log2(T) + U / T), 0.0), math.sqrt(max(slope @ covariance @ slope, 0.0))


def _without_zeros(W: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return the rows of neurons that send and the columns of those that receive: the others add singular values of 0."""
    W = W[np.diff(W.indptr) > 0]
    return W[:, np.unique(W.indices)]


def _is_small(W: scipy.sparse.csr_array) -> bool:
    return W.shape[0] * W.shape[1] <= DENSE_UP_TO**2


def _squared(W: scipy.sparse.csr_array) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """Return products with :math:`W W^T`, or :math:`W^T W` where that is smaller, scaled to trace 1; and its size."""
    W = W / math.sqrt(W.data @ W.data)
    back = W.T.tocsr()
    if W.shape[0] > W.shape[1]:
        W, back = back, W
    return lambda x: W @ (back @ x), W.shape[0]


def _sum_of_fourth_powers(W: scipy.sparse.csr_array) -> float:
    r"""Return :math:`\sum_k s_k^4 = \lVert W W^\top \rVert_F^2`.

    A neuron that receives from n others fills :math:`n^2` entries of the product. With the columns of such hubs as :math:`H` and
    the others as :math:`R`, the sum is :math:`\lVert R R^\top \rVert^2 + 2 \lVert H^\top R \rVert^2 + \lVert H^\top H \rVert^2`,
    which takes at most some :math:`E^{3/2}` multiplications.
    """
    is_hub = np.bincount(W.indices, minlength=W.shape[1]) > max(math.sqrt(W.nnz), _LEAST_HUB)
    if not is_hub.any():
        return _squared_norm(W, W.T.tocsr())
    R, H = W[:, ~is_hub], W[:, is_hub]
    back = H.T.tocsr()
    return _squared_norm(R, R.T.tocsr()) + 2 * _squared_norm(back, R) + _squared_norm(back, H)


def _squared_norm(left: scipy.sparse.csr_array, right: scipy.sparse.csr_array) -> float:
    """Return the sum of squares of the product of two sparse matrices, a block of rows at a time."""
    # A row of the product has at most as many entries as the rows of the right that it adds up have together.
    added = np.concatenate(([0], np.cumsum(np.diff(right.indptr)[left.indices])))
    entries = np.minimum(np.diff(added[left.indptr]), right.shape[1])
    block = np.cumsum(entries) // _BLOCK_ENTRIES
    begins = np.append(np.flatnonzero(np.diff(block, prepend=-1)), left.shape[0])
    total = 0.0
    for begin, end in pairwise(begins):
        product = left[begin:end] @ right
        total += float(product.data @ product.data)
    return total
