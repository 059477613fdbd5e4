"""Which neurons tell one kind of trial from another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from graphcortex._checks import check_choice, check_count, check_number
from graphcortex._random import as_generator, as_seed
from graphcortex._ties import ROUNDING, at_least, rank
from graphcortex._typing import NodeValues, RandomSource
from graphcortex.metrics._multiple_tests import benjamini_hochberg, holm
from graphcortex.metrics._result import Result
from graphcortex.metrics._states import check_labels, check_states

Measure = Callable[[torch.Tensor], torch.Tensor]
_ENTRIES = 2**23  # of float64 at a time: 64 MiB


@dataclass(frozen=True, eq=False, kw_only=True)
class Selectivity(Result):
    """How well each neuron alone tells the labels of trials apart.

    ``value`` is the mean of ``size`` over neurons; where labels were permuted, ``null_mean`` and ``null_sd`` are of that mean.

    Attributes:
        per_neuron: The measure of each neuron, float64, shape ``(N,)``, on the CPU.
        p_value: Share of the permutations in which the neuron has as large a size, float64, shape ``(N,)``, corrected for the
            number of neurons; None without permutations.
        correction: How p-values were corrected.
        alpha: Level at which a neuron counts as selective.
        classes: The labels, int64, ascending, shape ``(K,)``.
    """

    per_neuron: NodeValues
    p_value: NodeValues | None = None
    correction: str
    alpha: float
    classes: torch.Tensor

    @property
    def size(self) -> NodeValues:
        """The measure without its sign, shape ``(N,)``: of d' the absolute value, of an AUC the larger of it and its complement."""
        return _SIZES[self.method](self.per_neuron)

    @property
    def significant(self) -> torch.Tensor | None:
        """Which neurons are selective, bool, shape ``(N,)``; None without permutations."""
        return None if self.p_value is None else self.p_value <= self.alpha

    @property
    def share_significant(self) -> float:
        """Share of the neurons that are selective; NaN without permutations."""
        return math.nan if self.p_value is None else float(self.significant.double().mean())


def selectivity(
    states: torch.Tensor,
    labels: Any,
    *,
    window: tuple[int, int] | None = None,
    method: str = "eta_squared",
    num_permutations: int = 0,
    alpha: float = 0.05,
    correction: str = "fdr",
    rng: RandomSource = 0,
) -> Selectivity:
    r"""Compute how well each neuron alone tells the labels of trials apart.

    A neuron's activity :math:`x_i` in trial :math:`i` is the mean of its states over a window of steps. ``method`` is

    - ``"eta_squared"``, the share of the variance that lies between the labels, in [0, 1] (one-way analysis of variance),

      .. math:: \eta^2 = \frac{\sum_k n_k (\bar x_k - \bar x)^2}{\sum_i (x_i - \bar x)^2};

    - ``"dprime"``, for two labels, positive where the second has more activity (unbiased variances),

      .. math:: d' = \frac{\bar x_2 - \bar x_1}{\sqrt{(s_1^2 + s_2^2) / 2}};

    - ``"auc"``, for two labels, the probability in [0, 1] that a trial of the second has more activity than one of the first
      (ties count half), the area under the ROC curve.

    A neuron whose activity does not vary tells nothing: its :math:`\eta^2` and :math:`d'` are 0, its AUC is 1/2.

    Args:
        states: Recorded states, floating point, shape ``(T, B, N)`` (steps, trials, neurons), as :class:`torch.nn.RNN` returns
            them, in any unit; on any device. Or activities of shape ``(B, N)``.
        labels: Label of each trial, whole numbers, shape ``(B,)``.
        window: First step, and the one after the last, counted from 0; all steps if None.
        method: The measure.
        num_permutations: How often labels are permuted for the p-values.
        alpha: Level at which a neuron counts as selective, in 0 to 1.
        correction: How p-values are corrected for the number of neurons: ``"fdr"`` (Benjamini and Hochberg: few of the neurons
            called selective are not), ``"holm"`` (with probability ``1 - alpha`` none is called so wrongly; takes N / alpha
            permutations), ``"max"`` (the same, by the largest size of all neurons in each permutation; takes few) or
            ``"none"``.
        rng: A generator, or an int seed, for the permutations.

    Returns:
        The measure of each neuron, computed in float64, and the mean of its size. NaN, with the reason, if all trials have one
        label, or a label has a single trial, of which :math:`d'` needs two.

    Raises:
        ValueError: If ``states`` are not finite floating point numbers of such a shape, ``labels`` are not one whole number per
            trial, d' or AUC meet more than two labels, or an option is out of range; with ``"holm"`` also if there are too
            few permutations for any neuron to be significant.

    References:
        Cohen (1988). Statistical Power Analysis for the Behavioral Sciences. Routledge.
        https://doi.org/10.4324/9780203771587

        Green & Swets (1966). Signal Detection Theory and Psychophysics. Wiley.

        Westfall & Young (1993). Resampling-Based Multiple Testing. Wiley.

        Hanley & McNeil (1982). The meaning and use of the area under a receiver operating characteristic (ROC) curve. Radiology
        143. https://doi.org/10.1148/radiology.143.1.7063747

    Example:
        >>> labels = torch.tensor([0, 0, 1, 1])
        >>> activity = torch.tensor([[1.0, 5.0], [2.0, 6.0], [3.0, 6.0], [4.0, 5.0]])
        >>> selectivity(activity, labels).per_neuron.numpy().round(3).tolist()
        [0.8, 0.0]
        >>> selectivity(activity, labels, method="auc").per_neuron.tolist()
        [1.0, 0.5]
    """
    activity = _activity(states, window)
    B, N = activity.shape
    codes, classes = check_labels(labels, B)
    check_choice(method, "method", tuple(_MEASURES))
    check_choice(correction, "correction", tuple(_CORRECTIONS))
    num_permutations = check_count(num_permutations, "num_permutations", minimum=0)
    alpha = check_number(alpha, "alpha", minimum=0, maximum=1)
    seed = as_seed(rng)
    if method != "eta_squared" and len(classes) > 2:
        raise ValueError(f"labels must be of two kinds for method={method!r}, got {len(classes)}; use 'eta_squared'.")
    if correction == "holm" and num_permutations > 0 and num_permutations + 1 < N / max(alpha, 1e-300):
        raise ValueError(
            f"num_permutations must be at least {math.ceil(N / max(alpha, 1e-300)) - 1} for one of {N} neurons to be significant "
            f"after Holm's correction, got {num_permutations}; use more, or correction='max'."
        )
    done: dict[str, Any] = {"method": method, "correction": correction, "alpha": alpha, "classes": classes}
    done |= {"seed": seed if num_permutations else None}
    count = codes.bincount()
    reason = ""
    if len(classes) == 1:
        reason = "all trials have the same label"
    elif method == "dprime" and int(count.min()) == 1:
        reason = f"the label {int(classes[count.argmin()])} has a single trial, and no variance"
    if reason:
        unknown = torch.full((N,), math.nan, dtype=torch.float64)
        return Selectivity(value=math.nan, reason=reason, per_neuron=unknown, **done)
    measure, size = _MEASURES[method](activity, count.to(activity)), _SIZES[method]
    observed = measure(codes[None].to(activity.device))[0]
    value = float(size(observed).mean())
    if math.isinf(value):
        reason = f"the activity of {int(observed.isinf().sum())} neurons is the same in all trials of a label"
    if num_permutations:
        p_value, means = _permute(measure, size, observed, codes, num_permutations, correction, seed)
        null_sd = float(means.std()) if num_permutations > 1 and bool(means.isfinite().all()) else math.nan
        done |= {"null": "permuted labels", "num_nulls": num_permutations, "null_mean": float(means.mean())}
        done |= {"null_sd": null_sd, "p_value": p_value.cpu()}
    return Selectivity(value=value, reason=reason, per_neuron=observed.cpu(), **done)


def _activity(states: torch.Tensor, window: tuple[int, int] | None) -> torch.Tensor:
    """Return how far each neuron is from its activity in the first trial, float64 of shape ``(B, N)``."""
    if isinstance(states, torch.Tensor) and states.dim() == 2:
        states = states.unsqueeze(0)
    states = check_states(states)
    T = states.size(0)
    if window is not None and (not isinstance(window, (tuple, list)) or len(window) != 2):
        raise ValueError(f"window must be the first step and the one after the last, got {window!r}.")
    first, last = (0, T) if window is None else (check_count(edge, "window", minimum=0) for edge in window)
    if not first < last <= T:
        raise ValueError(f"window must be two steps with 0 <= first < last <= {T}, got {window!r}.")
    # A sum over steps, each counted from the first trial: a neuron that is the same in all trials is exactly 0.
    total = torch.zeros(states.shape[1:], dtype=torch.float64, device=states.device)
    for step in states[first:last]:
        total += step.double() - step[:1].double()
    return total / (last - first)


def _permute(
    measure: Measure,
    size: Callable[[torch.Tensor], torch.Tensor],
    observed: torch.Tensor,
    codes: torch.Tensor,
    num_permutations: int,
    correction: str,
    seed: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the corrected p-value of each neuron, shape ``(N,)``, and the mean size in each permutation, shape ``(P,)``."""
    generator = as_generator(seed)
    bound = size(observed)
    reached = torch.zeros_like(observed, dtype=torch.int64)
    means = []
    chunk = max(1, _ENTRIES // (len(codes) * (int(codes.max()) + 1) + 8 * len(observed)))
    for first in range(0, num_permutations, chunk):
        drawn = torch.rand(min(chunk, num_permutations - first), len(codes), generator=generator, dtype=torch.float64)
        sizes = size(measure(codes[drawn.argsort(1)].to(observed.device)))
        largest = sizes.amax(1, keepdim=True) if correction == "max" else sizes
        reached += at_least(largest, bound, bound).sum(0)
        means.append(sizes.mean(1))
    p_value = (reached + 1).double() / (num_permutations + 1)
    return _CORRECTIONS[correction](p_value), torch.cat(means)


# Each takes the activity, float64 of shape (B, N), and the number of trials of each label, shape (K,), and returns a function
# from labellings, 0 .. K - 1 of shape (P, B), to the measure of each neuron, shape (P, N).


def _eta_squared(activity: torch.Tensor, count: torch.Tensor) -> Measure:
    X = _standardised(activity)

    def measure(labellings: torch.Tensor) -> torch.Tensor:
        return (_sums(labellings, X, len(count)).square() / count[:, None]).sum(1).clamp(max=1)

    return measure


def _dprime(activity: torch.Tensor, count: torch.Tensor) -> Measure:
    X = _standardised(activity)

    def measure(labellings: torch.Tensor) -> torch.Tensor:
        mean = _sums(labellings, X, 2) / count[:, None]
        within = _sums(labellings, X.square(), 2) - count[:, None] * mean.square()
        variance = (within / (count[:, None] - 1)).mean(1)
        # A difference of sums of squares that add up to 1 knows nothing below this: the labels have no variance of their own.
        variance = torch.where(variance > 1e-14, variance, 0.0)
        apart = mean[:, 1] - mean[:, 0]
        return torch.where(apart == 0, 0.0, apart / variance.sqrt())

    return measure


def _auc(activity: torch.Tensor, count: torch.Tensor) -> Measure:
    columns = activity.T.cpu().numpy()
    rounding = ROUNDING * np.abs(columns).max(axis=1, keepdims=True, initial=0.0)
    ranks = torch.from_numpy(rank(columns, rounding).T).to(activity.device)

    def measure(labellings: torch.Tensor) -> torch.Tensor:
        second = _sums(labellings, ranks, 2)[:, 1]
        return (second - count[1] * (count[1] + 1) / 2) / (count[0] * count[1])

    return measure


def _standardised(activity: torch.Tensor) -> torch.Tensor:
    """Return activity with mean 0 and squares that sum to 1, for each neuron; zeros where it does not vary."""
    X = activity - activity.mean(0)
    largest = X.abs().amax(0)
    X = X / torch.where(largest > 0, largest, 1.0)
    norm = X.square().sum(0).sqrt()
    return X / torch.where(norm > 0, norm, 1.0)


def _sums(labellings: torch.Tensor, values: torch.Tensor, K: int) -> torch.Tensor:
    """Sum values of shape ``(B, N)`` over the trials of each label, shape ``(P, K, N)``."""
    member = F.one_hot(labellings, K).to(values.dtype).transpose(1, 2)
    return (member.reshape(-1, member.size(2)) @ values).view(len(labellings), K, -1)


_MEASURES = {"eta_squared": _eta_squared, "dprime": _dprime, "auc": _auc}
_SIZES = {"eta_squared": torch.clone, "dprime": torch.abs, "auc": lambda area: torch.maximum(area, 1 - area)}
_CORRECTIONS = {"fdr": benjamini_hochberg, "holm": holm, "max": torch.clone, "none": torch.clone}
