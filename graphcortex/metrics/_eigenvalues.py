"""The eigenvalues of a weight matrix that lie farthest from a point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from graphcortex.metrics._signed import DENSE_UP_TO
from graphcortex.ops.spectrum import on_cycles

# Eigenvalues at the edge of a bulk are dense: to tell them apart to rounding would take far more products than these.
_TOLERANCE = 1e-3
_MOST_PRODUCTS = 3000


class Leading(NamedTuple):
    """Some eigenvalues, and whether they are all there are or all that were asked for."""

    eigenvalues: np.ndarray
    all: bool
    converged: bool


def leading_eigenvalues(W: scipy.sparse.csr_array, center: float, count: int) -> Leading:
    """Return the ``count`` eigenvalues that lie farthest from ``center``, complex, the farthest first; all, if they are cheap."""
    core = on_cycles(W.copy())
    # Neurons that lie on no cycle have an eigenvalue of 0 each.
    aside = np.zeros(W.shape[0] - core.shape[0], dtype=complex)
    if core.shape[0] <= DENSE_UP_TO:
        found = np.concatenate((np.linalg.eigvals(core.toarray()), aside)) if core.shape[0] else aside
        return Leading(_farthest_first(found, center), all=True, converged=True)
    shifted = core - center * scipy.sparse.eye_array(core.shape[0], format="csr")
    start = np.random.default_rng(0).standard_normal(core.shape[0])
    kept, converged = 2 * count + 16, True
    try:
        found = scipy.sparse.linalg.eigs(
            shifted,
            k=count,
            which="LM",
            v0=start,
            ncv=kept,
            tol=_TOLERANCE,
            maxiter=max(1, _MOST_PRODUCTS // (kept - count)),
            return_eigenvectors=False,
        )
    except scipy.sparse.linalg.ArpackNoConvergence as some:
        found, converged = some.eigenvalues, False
    found = _farthest_first(np.concatenate((found + center, aside[:count])), center)[:count]
    return Leading(found, all=False, converged=converged)


def _farthest_first(eigenvalues: np.ndarray, center: float) -> np.ndarray:
    return eigenvalues[np.argsort(-abs(eigenvalues - center), kind="stable")]
