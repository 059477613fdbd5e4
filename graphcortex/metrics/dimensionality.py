"""How many dimensions the states of a network fill."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from graphcortex._checks import check_number
from graphcortex.metrics._result import Result
from graphcortex.metrics._states import check_states

_BLOCK = 4096  # neurons or samples on each side of a product that is in memory at a time
_ENTRIES = 2**24  # of the states, in float64 at a time: 128 MiB
_MOST_FOR_SPECTRUM = 2**14


@dataclass(frozen=True, eq=False, kw_only=True)
class ParticipationRatio(Result):
    """The participation ratio of states.

    Attributes:
        num_samples: Number of samples, steps times trials.
        num_neurons: Number of neurons.
    """

    num_samples: int
    num_neurons: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Dimensionality(Result):
    """How many principal components hold a share of the variance of states.

    Attributes:
        variance: That share.
        spectrum: Variance along each principal component, descending, float64, shape ``(min(N, T * B),)``, in the squared
            unit of the states, on the CPU (``T * B - 1`` in the denominator). Zeros, where there is no variance.
        num_samples: Number of samples, steps times trials.
        num_neurons: Number of neurons.
    """

    variance: float
    spectrum: torch.Tensor
    num_samples: int
    num_neurons: int

    @property
    def explained(self) -> torch.Tensor:
        """Share of the variance in the first 1, 2, ... components, float64, shape ``(min(N, T * B),)``; NaN without any."""
        return self.spectrum.cumsum(0) / self.spectrum.sum()


def participation_ratio(states: torch.Tensor) -> ParticipationRatio:
    r"""Compute how many dimensions the states fill, each counted by its share of the variance.

    .. math::
        D = \frac{\left( \sum_k \lambda_k \right)^2}{\sum_k \lambda_k^2} = \frac{(\operatorname{tr} C)^2}{\operatorname{tr} C^2},

    with the eigenvalues :math:`\lambda` of the covariance :math:`C` of the neurons over all steps and trials. It is N if all
    directions vary alike, and 1 if a single one varies; it lies in :math:`[1, \min(N, T B - 1)]`. Few samples bias it down.

    The second form needs no eigenvalues, and of the products between neurons or between samples, whichever are fewer, only
    blocks are in memory.

    Args:
        states: Recorded states, floating point, shape ``(T, B, N)`` (steps, trials, neurons), as :class:`torch.nn.RNN` returns
            them, in any unit; on any device. With ``batch_first`` the first two may be exchanged: all samples count alike.

    Returns:
        The participation ratio, computed in float64. NaN, with the reason, if no neuron varies.

    Raises:
        ValueError: If ``states`` are not finite floating point numbers of that shape.

    References:
        Gao, Trautmann, Yu, Santhanam, Ryu, Shenoy & Ganguli (2017). A theory of multineuronal dimensionality, dynamics and
        measurement. bioRxiv. https://doi.org/10.1101/214262

    Example:
        >>> circle = torch.linspace(0, 2 * torch.pi, 101)[:-1]
        >>> states = torch.stack([circle.sin(), circle.cos(), torch.zeros(100)], dim=-1).unsqueeze(1)
        >>> round(participation_ratio(states).value, 6)
        2.0
    """
    states = check_states(states)
    done = {"num_samples": states[..., 0].numel(), "num_neurons": states.size(-1)}
    mean, scale = _centre(states)
    if scale == 0:
        return ParticipationRatio(value=math.nan, reason=_no_variance(states), **done)
    trace, trace_of_square = 0.0, 0.0
    for first, second, block in _gram_blocks(states, mean, scale):
        if first == second:
            trace += float(block.trace())
        trace_of_square += float(block.square().sum()) * (1 if first == second else 2)
    return ParticipationRatio(value=trace**2 / trace_of_square, **done)


def dimensionality(states: torch.Tensor, *, variance: float = 0.9) -> Dimensionality:
    r"""Count the principal components that hold a share of the variance of the states.

    .. math::
        D = \min \left\{ k : \sum_{j \le k} \lambda_j \ge v \sum_j \lambda_j \right\},

    with the eigenvalues :math:`\lambda_1 \ge \lambda_2 \ge \dots` of the covariance of the neurons over all steps and trials. It
    lies in 1 .. min(N, T B - 1).

    Args:
        states: Recorded states, floating point, shape ``(T, B, N)`` (steps, trials, neurons), as :class:`torch.nn.RNN` returns
            them, in any unit; on any device. The smaller of N and T * B decides about the time, with its third power.
        variance: Share of the variance :math:`v`, greater than 0 and at most 1.

    Returns:
        The number of components, with the spectrum. NaN, with the reason, if no neuron varies.

    Raises:
        ValueError: If ``states`` are not finite floating point numbers of that shape, both N and T * B exceed 16,384, or
            ``variance`` is out of range.

    References:
        Jolliffe (2002). Principal Component Analysis. Springer. https://doi.org/10.1007/b98835

    Example:
        >>> circle = torch.linspace(0, 2 * torch.pi, 101)[:-1]
        >>> states = torch.stack([3 * circle.sin(), circle.cos(), torch.zeros(100)], dim=-1).unsqueeze(1)
        >>> found = dimensionality(states, variance=0.95)
        >>> found.value, [round(share, 3) for share in found.explained.tolist()]
        (2.0, [0.9, 1.0, 1.0])
    """
    states = check_states(states)
    variance = check_number(variance, "variance", above=0, maximum=1)
    num_samples, num_neurons = states[..., 0].numel(), states.size(-1)
    size = min(num_samples, num_neurons)
    if size > _MOST_FOR_SPECTRUM:
        raise ValueError(
            f"states must have at most {_MOST_FOR_SPECTRUM} neurons, or as many samples (T * B), for a spectrum, got "
            f"{num_neurons} and {num_samples}; take fewer steps or trials, or participation_ratio."
        )
    done = {"variance": variance, "num_samples": num_samples, "num_neurons": num_neurons}
    mean, scale = _centre(states)
    if scale == 0:
        nothing = torch.zeros(size, dtype=torch.float64)
        return Dimensionality(value=math.nan, reason=_no_variance(states), spectrum=nothing, **done)
    gram = torch.zeros(size, size, dtype=torch.float64, device=states.device)
    for first, second, block in _gram_blocks(states, mean, scale):
        gram[second : second + block.size(1), first : first + block.size(0)] = block.T  # eigvalsh reads the lower part
    spectrum = torch.linalg.eigvalsh(gram).flip(0).clamp(min=0).cpu()
    explained = spectrum.cumsum(0) / spectrum.sum()
    # Rounding must not ask for one more component, nor for all of them where the whole variance is wanted.
    count = int((explained < variance - 1e-12).sum()) + 1
    spectrum = spectrum / (num_samples - 1) * scale * scale
    return Dimensionality(value=float(count), spectrum=spectrum, **done)


def _no_variance(states: torch.Tensor) -> str:
    return "a single sample has no variance" if states[..., 0].numel() == 1 else "the states do not vary"


def _slices(length: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, length)) for first in range(0, length, size)]


def _centre(states: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return the mean of each neuron, float64 of shape ``(N,)``, and the largest distance from it, 0 if none varies."""
    T, B, N = states.shape
    steps = _slices(T, max(1, _ENTRIES // (B * N)))
    # Counted from the first sample, a neuron that does not vary has exactly its value as mean.
    shift = states[0, 0].double()
    mean = shift + sum((states[part].double() - shift).sum((0, 1)) for part in steps) / (T * B)
    return mean, max(float((states[part].double() - mean).abs().max()) for part in steps)


def _gram_blocks(states: torch.Tensor, mean: torch.Tensor, scale: float) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Go through the upper blocks of the products between neurons, or between samples if these are fewer.

    Yields:
        The first row and the first column of a block, and the block, float64. All have the same eigenvalues other than 0.
    """
    T, B, N = states.shape

    def samples(steps: slice, neurons: slice) -> torch.Tensor:
        found = (states[steps, :, neurons].double() - mean[neurons]) / scale
        return found.reshape(-1, found.size(-1))

    if N <= T * B:
        sides, parts = _slices(N, _BLOCK), _slices(T, max(1, _ENTRIES // (B * min(N, _BLOCK))))
        rows, per_side = lambda side, part: samples(part, side).T, 1
    else:
        steps = max(1, _BLOCK // B)
        sides, parts = _slices(T, steps), _slices(N, max(1, _ENTRIES // (B * min(T, steps))))
        rows, per_side = samples, B
    for i, left in enumerate(sides):
        for right in sides[i:]:
            block = sum(_outer(rows(left, part), None if left == right else rows(right, part)) for part in parts)
            yield left.start * per_side, right.start * per_side, block


def _outer(left: torch.Tensor, right: torch.Tensor | None) -> torch.Tensor:
    return left @ (left if right is None else right).T
