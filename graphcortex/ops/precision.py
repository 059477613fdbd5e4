"""Partial co-activity: the inverse of a shrunk covariance."""

from __future__ import annotations

import numpy as np
import torch
from scipy import linalg

from graphcortex._checks import check_finite, check_number


def precision(activity: torch.Tensor, *, shrinkage: str | float = "oas") -> torch.Tensor:
    r"""Compute the precision matrix of neurons: the inverse of their shrunk covariance.

    The covariance :math:`S` of :math:`N` neurons over :math:`T` samples is drawn towards a multiple of the identity, so
    that it can be inverted also when there are few samples or when a neuron is silent,

    .. math::
        \Sigma = (1 - \rho) S + \rho \mu I, \qquad \mu = \operatorname{tr}(S) / N, \qquad
        \rho = \min\left(1, \frac{\operatorname{tr}(S^2) + \operatorname{tr}(S)^2}
        {(T + 1) \left(\operatorname{tr}(S^2) - \operatorname{tr}(S)^2 / N\right)}\right).

    This is the oracle approximating shrinkage of Chen et al. (2010, equation 23) without its terms in :math:`2 / N`, as
    scikit-learn computes it. A positive correlation shows as a negative entry of the precision.

    Args:
        activity: Spike counts or traces, shape ``(N, T)``, in any unit ``u``.
        shrinkage: ``"oas"``, or :math:`\rho` itself, in [0, 1].

    Returns:
        Precision, float64, shape ``(N, N)``, symmetric and positive definite, in ``u^-2``.

    Raises:
        ValueError: If ``activity`` is not a finite matrix of at least one neuron and two samples, ``shrinkage`` is
            neither, or the covariance cannot be inverted (no neuron varies, or too little shrinkage).

    References:
        Chen, Wiesel, Eldar & Hero (2010). Shrinkage algorithms for MMSE covariance estimation. IEEE Trans. Signal
        Process. 58. https://doi.org/10.1109/TSP.2010.2053029

    Example:
        >>> precision(torch.tensor([[1.0, -1.0, 1.0, -1.0], [2.0, 2.0, -2.0, -2.0]]), shrinkage=0.0)
        tensor([[1.0000, 0.0000],
                [0.0000, 0.2500]], dtype=torch.float64)
    """
    activity = torch.as_tensor(activity)
    if activity.dim() != 2 or activity.size(0) < 1 or activity.size(1) < 2:
        raise ValueError(
            "activity must have shape (N, T), one row per neuron, with at least one neuron and two samples; "
            f"got {tuple(activity.shape)}."
        )
    if activity.is_complex():
        raise ValueError(f"activity must be real, got {activity.dtype}.")
    activity = activity.detach().cpu().double()
    check_finite(activity, "activity")
    samples = activity - activity.mean(1, keepdim=True)
    num_neurons, num_samples = samples.shape
    covariance = (samples @ samples.T / num_samples).numpy()
    mean_variance = float(np.trace(covariance)) / num_neurons
    if mean_variance <= 0:
        raise ValueError("activity must vary in at least one neuron, got a constant row for each.")
    amount = _oas(covariance, num_samples) if isinstance(shrinkage, str) else shrinkage
    if isinstance(shrinkage, str) and shrinkage != "oas":
        raise ValueError(f"shrinkage must be 'oas' or a number in [0, 1], got {shrinkage!r}.")
    amount = check_number(amount, "shrinkage", minimum=0.0, maximum=1.0)
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
    inverse = linalg.cho_solve((factor, True), np.eye(num_neurons)) / mean_variance
    return torch.from_numpy((inverse + inverse.T) / 2)


def _oas(covariance: np.ndarray, num_samples: int) -> float:
    """Return the shrinkage of Chen et al. for a covariance estimated from ``num_samples`` samples."""
    num_neurons = len(covariance)
    of_square, of_trace = float(np.sum(covariance**2)), float(np.trace(covariance)) ** 2
    spread = (num_samples + 1) * (of_square - of_trace / num_neurons)
    # No spread: the covariance already is a multiple of the identity, and any shrinkage gives the same.
    return min(1.0, (of_square + of_trace) / spread) if spread > 0 else 1.0
