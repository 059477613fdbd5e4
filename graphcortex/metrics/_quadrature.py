"""The trace of a function of a large symmetric matrix, from products with it alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphcortex._random import numpy_generator
from graphcortex._typing import RandomSource

NUM_CAPTURED = 8
NUM_PROBES = 24
NUM_STEPS = 64


def estimate_traces(
    product: Callable[[np.ndarray], np.ndarray],
    size: int,
    functions: Callable[[np.ndarray], np.ndarray],
    rng: RandomSource,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Estimate :math:`\operatorname{tr} f(A)` of a positive semidefinite matrix for some functions.

    The trace is split as in Hutch++: over an orthonormal basis :math:`Q` of what a random block is sent to, which catches
    the largest eigenvalues, and over probes :math:`g` across it,

    .. math::
        \operatorname{tr} f(A) = \operatorname{tr}(Q^\top f(A) Q) + \mathbb E \, (P g)^\top f(A) \, P g, \qquad P = I - Q Q^\top.

    Each form :math:`v^\top f(A) v` is a Gauss quadrature on the eigenvalues of the tridiagonal matrix of Lanczos steps from
    :math:`v`. The steps are not made orthogonal again: that repeats eigenvalues which are found already, and shares their
    weight among the copies. What half of the steps would give says how far the quadrature has come: where a function is
    steep at 0, that is the larger error.

    Args:
        product: From ``(size, B)`` to :math:`A` times it.
        size: Rows of the matrix.
        functions: From eigenvalues of any shape to the values of K functions, stacked in front.
        rng: A generator, or an int seed.

    Returns:
        The traces, shape ``(K,)``, and the covariance of their errors, shape ``(K, K)``: that of the probes, and the last change
        of the quadrature.

    References:
        Ubaru, Chen & Saad (2017). Fast estimation of tr(f(A)) via stochastic Lanczos quadrature. SIAM J. Matrix Anal. Appl.
        38. https://doi.org/10.1137/16M1104974

        Meyer, Musco, Musco & Woodruff (2021). Hutch++: Optimal stochastic trace estimation. SOSA.
        https://doi.org/10.1137/1.9781611976496.16
    """
    generator = numpy_generator(rng)
    Q, _ = np.linalg.qr(product(_signs(generator, size, NUM_CAPTURED)))  # of the whole space, where it is smaller
    probes = _signs(generator, size, NUM_PROBES)
    probes -= Q @ (Q.T @ probes)
    forms, at_half = _quadratic_forms(product, np.concatenate((Q, probes), axis=1), functions)
    share = np.repeat((1.0, 1 / NUM_PROBES), (Q.shape[1], NUM_PROBES))
    change = (forms - at_half) @ share
    return forms @ share, np.cov(forms[:, Q.shape[1] :]) / NUM_PROBES + np.outer(change, change)


def _signs(generator: np.random.Generator, size: int, count: int) -> np.ndarray:
    return 2.0 * generator.integers(2, size=(size, count)) - 1.0


def _quadratic_forms(
    product: Callable[[np.ndarray], np.ndarray], start: np.ndarray, functions: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return :math:`v^T f(A) v` for the columns of ``start``, after all steps and after half of them, each shape ``(K, B)``."""
    steps = min(NUM_STEPS, len(start))
    tridiagonal = np.zeros((start.shape[1], steps, steps))
    norm = np.linalg.norm(start, axis=0)
    v, before, beta = _divide(start, norm), np.zeros_like(start), np.zeros_like(norm)
    for k in range(steps):
        ahead = product(v)
        ahead -= beta * before
        alpha = np.einsum("ib,ib->b", v, ahead)
        ahead -= alpha * v
        tridiagonal[:, k, k] = alpha
        beta = np.linalg.norm(ahead, axis=0)
        # Where a start lies in a small invariant space the steps end: what is left is rounding, and must not go on.
        beta[beta <= 1e-13 * np.abs(tridiagonal).max(axis=(1, 2))] = 0.0
        if k + 1 < steps:
            tridiagonal[:, k, k + 1] = tridiagonal[:, k + 1, k] = beta
        before, v = v, _divide(ahead, beta)
    half = max(steps // 2, 1)
    return tuple(_quadrature(T, functions) * norm**2 for T in (tridiagonal, tridiagonal[:, :half, :half]))


def _quadrature(tridiagonal: np.ndarray, functions: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    nodes, vectors = np.linalg.eigh(tridiagonal)
    return (vectors[:, 0, :] ** 2 * functions(np.maximum(nodes, 0.0))).sum(-1)


def _divide(columns: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Return the columns at length 1; those of length 0 stay 0."""
    return columns * np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)


def entropy_by_quadrature(
    product: Callable[[np.ndarray], np.ndarray], size: int, rng: RandomSource
) -> tuple[float, float]:
    r"""Estimate the entropy :math:`-\operatorname{tr} A \log_2 A`, in bits, of a matrix of trace 1; and its standard error.

    It is estimated as a ratio to the trace, which is known: what the probes get wrong in both then cancels.
    """
    (entropy, trace), covariance = estimate_traces(product, size, lambda p: np.stack((minus_xlogx(p), p)), rng)
    value = entropy / trace
    slope = np.array([1.0, -value]) / trace
    return max(float(value), 0.0), float(np.sqrt(max(slope @ covariance @ slope, 0.0)))


def minus_xlogx(p: np.ndarray) -> np.ndarray:
    """Return :math:`-p log_2 p`; 0 at 0, and where rounding made a 0 negative."""
    return -p * np.log2(np.where(p > 0, p, 1.0))
