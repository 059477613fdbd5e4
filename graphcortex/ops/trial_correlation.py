"""Correlations over trials: of what neurons answer on average, and of how they fluctuate around it."""

from __future__ import annotations

from typing import Any

import torch

from graphcortex._checks import as_real_tensor, check_finite
from graphcortex.ops.correlation import correlation


def signal_correlation(
    responses: torch.Tensor, conditions: Any = None, *, pairs: torch.Tensor | None = None
) -> torch.Tensor:
    r"""Compute the signal correlation of neurons: how alike their mean responses to the conditions are.

    With :math:`\bar r_i(s)` the mean response of neuron :math:`i` over the trials of condition :math:`s`,

    .. math::
        \rho^\text{signal}_{ij} = \operatorname{corr}_s \left( \bar r_i(s), \bar r_j(s) \right).

    A mean over few trials still holds noise, so that noise correlation leaks in, in proportion to one over the trials.

    Args:
        responses: Responses in any unit: shape ``(R, S, N)``, R trials of each of S conditions; or ``(K, N)``, one row
            per trial, with the condition of each.
        conditions: The condition of each trial, whole numbers, shape ``(K,)``; only with responses of shape ``(K, N)``.
        pairs: Pairs of neurons, int64, shape ``(2, P)``; nothing of size ``N * N`` is then made.

    Returns:
        Correlations, float64, in [-1, 1]: shape ``(N, N)``, or ``(P,)``. A neuron whose mean response is the same to
        all conditions gets 0 with all others, and 1 with itself.

    Raises:
        ValueError: If the shapes do not fit, a response is NaN or infinite, or there are fewer than two conditions.

    References:
        Cohen & Kohn (2011). Measuring and interpreting neuronal correlations. Nat. Neurosci. 14.
        https://doi.org/10.1038/nn.2842

    Example:
        >>> responses = torch.tensor([[0.0, 0.0], [2.0, 0.0], [5.0, 1.0], [7.0, 3.0], [9.0, 6.0], [7.0, 4.0]])
        >>> signal_correlation(responses, [0, 0, 1, 1, 2, 2], pairs=torch.tensor([[0], [1]]))
        tensor([0.9368], dtype=torch.float64)
    """
    trials, condition, size = _by_condition(responses, conditions)
    if size.numel() < 2:
        raise ValueError(f"responses must be to at least two conditions for signal correlation, got {size.numel()}.")
    return correlation(_means(trials, condition, size).T, pairs=pairs)


def noise_correlation(
    responses: torch.Tensor, conditions: Any = None, *, standardize: bool = True, pairs: torch.Tensor | None = None
) -> torch.Tensor:
    r"""Compute the noise correlation of neurons: how alike they fluctuate around their mean responses.

    With :math:`r_i(k)` the response of neuron :math:`i` in trial :math:`k` of condition :math:`s_k`, and with mean
    :math:`\bar r_i(s)` and standard deviation :math:`\sigma_i(s)` over the trials of a condition,

    .. math::
        \rho^\text{noise}_{ij} = \operatorname{corr}_k \left( z_i(k), z_j(k) \right), \qquad
        z_i(k) = \frac{r_i(k) - \bar r_i(s_k)}{\sigma_i(s_k)}.

    Args:
        responses: Responses in any unit: shape ``(R, S, N)``, R trials of each of S conditions; or ``(K, N)``, one row
            per trial, with the condition of each.
        conditions: The condition of each trial, whole numbers, shape ``(K,)``; only with responses of shape ``(K, N)``.
        standardize: Whether to divide by :math:`\sigma_i(s)`, so that conditions of great variance do not outweigh the
            others. A response that never varies within a condition has :math:`z = 0` there.
        pairs: Pairs of neurons, int64, shape ``(2, P)``; nothing of size ``N * N`` is then made.

    Returns:
        Correlations, float64, in [-1, 1]: shape ``(N, N)``, or ``(P,)``. A neuron that never fluctuates gets 0 with all
        others, and 1 with itself.

    Raises:
        ValueError: If the shapes do not fit, a response is NaN or infinite, or a condition has fewer than two trials.

    References:
        Cohen & Kohn (2011). Measuring and interpreting neuronal correlations. Nat. Neurosci. 14.
        https://doi.org/10.1038/nn.2842

    Example:
        >>> responses = torch.tensor([[0.0, 0.0], [2.0, 1.0], [7.0, 5.0], [5.0, 7.0], [6.0, 6.0]])
        >>> noise_correlation(responses, [0, 0, 1, 1, 1], pairs=torch.tensor([[0], [1]]))
        tensor([-0.2000], dtype=torch.float64)
    """
    trials, condition, size = _by_condition(responses, conditions)
    if int(size.min()) < 2:
        raise ValueError(
            f"each condition must have at least two trials, got {int((size < 2).sum())} of {size.numel()} conditions "
            "with a single one; drop these, since one trial does not fluctuate."
        )
    residual = trials - _means(trials, condition, size)[condition]
    if standardize:
        spread = _means(residual.square(), condition, size).sqrt()
        # A mean is exact only up to rounding: what varies by no more than that does not vary.
        largest = trials.abs().amax(0)
        spread = torch.where(spread > 1e-12 * largest, spread, torch.inf)
        residual = residual / spread[condition]
    return correlation(residual.T, pairs=pairs)


def _by_condition(responses: torch.Tensor, conditions: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return trials ``(K, N)`` in float64, the condition of each ``(K,)``, from 0, and the trials of each condition."""
    responses = as_real_tensor(responses, "responses").detach().cpu()
    if responses.dim() == 3 and conditions is None:
        repeats, num_conditions, _ = responses.shape
        trials = responses.flatten(0, 1)
        labels = torch.arange(num_conditions).repeat(repeats)
    elif responses.dim() == 2 and conditions is not None:
        trials, labels = responses, as_real_tensor(conditions, "conditions")
        if labels.shape != (len(trials),) or labels.is_floating_point():
            raise ValueError(
                f"conditions must hold a whole number for each of the {len(trials)} trials, got {labels.dtype} of shape "
                f"{tuple(labels.shape)}."
            )
    else:
        with_or_without = "without" if conditions is None else "with"
        raise ValueError(
            "responses must have shape (R, S, N), or (K, N) and come with the conditions of the K trials; got "
            f"{tuple(responses.shape)} {with_or_without} conditions."
        )
    if trials.size(1) < 1:
        raise ValueError(f"responses must be of at least one neuron, got {tuple(trials.shape)}.")
    trials = trials.double()
    check_finite(trials, "responses")
    found, condition, size = labels.unique(return_inverse=True, return_counts=True)
    if not found.numel():
        raise ValueError("responses must hold at least one trial, got none.")
    return trials, condition, size


def _means(trials: torch.Tensor, condition: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Return the mean over the trials of each condition, shape ``(S, N)``."""
    total = trials.new_zeros(size.numel(), trials.size(1)).index_add_(0, condition, trials)
    return total / size[:, None]
