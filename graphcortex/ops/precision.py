"""Partial co-activity: the inverse of a covariance that was shrunk, or made sparse."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from scipy import linalg

from graphcortex._checks import check_choice, check_finite, check_number
from graphcortex._optional import require
from graphcortex.ops._spikes import as_activity

LASSO_NEURONS = 300
"""Neurons up to which ``method="auto"`` takes the graphical lasso: about 1 s there, and 10 s at twice as many."""

_SHRINKAGES = ("oas", "ledoit-wolf")


def precision(
    activity: torch.Tensor, *, method: str = "shrinkage", shrinkage: str | float = "oas", alpha: float = 0.05
) -> torch.Tensor:
    r"""Compute the precision matrix of neurons: the inverse of their covariance, estimated so that it can be inverted.

    A positive partial correlation of two neurons shows as a negative entry. With :math:`S` the covariance of :math:`N`
    neurons over :math:`T` samples, there are two estimates.

    ``"shrinkage"`` draws it towards a multiple of the identity, at any size,

    .. math::
        \Sigma = (1 - \rho) S + \rho \mu I, \qquad \mu = \operatorname{tr}(S) / N,

    by the oracle approximating shrinkage of Chen et al. (2010, equation 23) without its terms in :math:`2 / N`, or by
    that of Ledoit and Wolf (2004),

    .. math::
        \rho_\text{OAS} = \min\left(1, \frac{\operatorname{tr}(S^2) + \operatorname{tr}(S)^2}
        {(T + 1) \left(\operatorname{tr}(S^2) - \operatorname{tr}(S)^2 / N\right)}\right), \qquad
        \rho_\text{LW} = \min\left(1, \frac{\sum_t \lVert x_t x_t^\top - S \rVert^2}
        {T^2 \left(\operatorname{tr}(S^2) - \operatorname{tr}(S)^2 / N\right)}\right),

    as scikit-learn computes both. ``"graphical-lasso"`` (scikit-learn; Friedman et al. 2008) makes it sparse: with
    :math:`C` the correlation matrix and :math:`\sigma` the standard deviations,

    .. math::
        \Theta = \arg\min_{K \succ 0} \operatorname{tr}(C K) - \log \det K + \alpha \sum_{i \ne j} |K_{ij}|, \qquad
        P_{ij} = \Theta_{ij} / (\sigma_i \sigma_j).

    ``"auto"`` is the graphical lasso up to 300 neurons and the shrinkage above.

    Args:
        activity: Spike counts or traces, shape ``(N, T)``, in any unit ``u``.
        method: ``"shrinkage"``, ``"graphical-lasso"`` or ``"auto"``.
        shrinkage: ``"oas"``, ``"ledoit-wolf"``, or :math:`\rho` itself, in [0, 1].
        alpha: Penalty of the graphical lasso, in (0, 1): correlations of at most that size are set to 0 first of all.

    Returns:
        Precision, float64, shape ``(N, N)``, symmetric and positive definite, in ``u^-2``.

    Raises:
        ValueError: If ``activity`` is not a finite matrix of at least one neuron and two samples, an option is none of
            these, or the covariance cannot be inverted (no neuron varies, or too little shrinkage; for the graphical
            lasso, one that does not vary, or no convergence).
        MissingDependencyError: If the graphical lasso is wanted, and scikit-learn is not installed.

    References:
        Chen, Wiesel, Eldar & Hero (2010). Shrinkage algorithms for MMSE covariance estimation. IEEE Trans. Signal
        Process. 58. https://doi.org/10.1109/TSP.2010.2053029

        Ledoit & Wolf (2004). A well-conditioned estimator for large-dimensional covariance matrices. J. Multivar. Anal.
        88. https://doi.org/10.1016/S0047-259X(03)00096-4

        Friedman, Hastie & Tibshirani (2008). Sparse inverse covariance estimation with the graphical lasso.
        Biostatistics 9. https://doi.org/10.1093/biostatistics/kxm045

    Example:
        >>> precision(torch.tensor([[1.0, -1.0, 1.0, -1.0], [2.0, 2.0, -2.0, -2.0]]), shrinkage=0.0)
        tensor([[1.0000, 0.0000],
                [0.0000, 0.2500]], dtype=torch.float64)
    """
    check_choice(method, "method", ("shrinkage", "graphical-lasso", "auto"))
    if isinstance(shrinkage, str):
        if shrinkage not in _SHRINKAGES:
            raise ValueError(f"shrinkage must be 'oas', 'ledoit-wolf' or a number in [0, 1], got {shrinkage!r}.")
    else:
        shrinkage = check_number(shrinkage, "shrinkage", minimum=0.0, maximum=1.0)
    activity = as_activity(activity).double()
    check_finite(activity, "activity")
    samples = (activity - activity.mean(1, keepdim=True)).numpy()
    if method == "graphical-lasso" or (method == "auto" and len(samples) <= LASSO_NEURONS):
        inverse = _lasso(samples, check_number(alpha, "alpha", above=0.0, maximum=1.0))
    else:
        inverse = _shrunk(samples, shrinkage)
    return torch.from_numpy((inverse + inverse.T) / 2)


def _shrunk(samples: np.ndarray, shrinkage: str | float) -> np.ndarray:
    num_neurons, num_samples = samples.shape
    covariance = samples @ samples.T / num_samples
    mean_variance = float(np.trace(covariance)) / num_neurons
    if mean_variance <= 0:
        raise ValueError("activity must vary in at least one neuron, got a constant row for each.")
    amount = _amount(samples, covariance, shrinkage) if isinstance(shrinkage, str) else shrinkage
    # Scaled by the mean variance, so that whether it can be inverted does not depend on the unit of the activity.
    shrunk = (1 - amount) * covariance / mean_variance + amount * np.eye(num_neurons)
    try:
        factor = linalg.cholesky(shrunk, lower=True)
    except linalg.LinAlgError:
        factor = None
    if factor is None or np.diag(factor).min() ** 2 < 1e-14:
        raise ValueError(
            f"activity must have a covariance that can be inverted, got one of {num_neurons} neurons and {num_samples} "
            f"samples that is singular at a shrinkage of {amount}; use shrinkage='oas' or drop silent neurons."
        )
    return linalg.cho_solve((factor, True), np.eye(num_neurons)) / mean_variance


def _amount(samples: np.ndarray, covariance: np.ndarray, shrinkage: str) -> float:
    """Return the shrinkage of Chen et al., or of Ledoit and Wolf."""
    num_neurons, num_samples = samples.shape
    of_square, of_trace = float(np.sum(covariance**2)), float(np.trace(covariance)) ** 2
    spread = of_square - of_trace / num_neurons
    if spread <= 0:
        return 1.0  # The covariance already is a multiple of the identity, and any shrinkage gives the same.
    if shrinkage == "oas":
        return min(1.0, (of_square + of_trace) / ((num_samples + 1) * spread))
    # The sum over samples of |x x' - S|^2 is that of |x|^4 less T |S|^2.
    noise = float(np.sum(np.sum(samples**2, axis=0) ** 2)) / num_samples - of_square
    return min(1.0, max(0.0, noise) / num_samples / spread)


def _lasso(samples: np.ndarray, alpha: float) -> np.ndarray:
    covariance = require("sklearn.covariance", "functional", "The graphical lasso")
    not_converged = require("sklearn.exceptions", "functional", "The graphical lasso").ConvergenceWarning
    deviation = samples.std(axis=1)
    silent = np.flatnonzero(deviation <= 1e-12 * np.abs(samples).max(initial=1e-300))
    if silent.size:
        raise ValueError(
            f"activity must vary in every neuron for the graphical lasso, got {silent.size} that do not, the first "
            f"{silent[0]}; drop them, or use method='shrinkage'."
        )
    standard = samples / deviation[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error", not_converged)
        try:
            found = covariance.graphical_lasso(standard @ standard.T / samples.shape[1], alpha, max_iter=500)[1]
        except (not_converged, FloatingPointError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"activity must have a graphical lasso that converges, got one of {len(samples)} neurons and "
                f"{samples.shape[1]} samples that does not at alpha={alpha} ({reason}); use a greater alpha, or "
                "method='shrinkage'."
            ) from None
    return found / np.outer(deviation, deviation)
