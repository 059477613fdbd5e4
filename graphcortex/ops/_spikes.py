"""Spike trains as every function of this room reads them: one sorted array of times per neuron."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from graphcortex._checks import as_real_tensor, check_number

SpikeTimes = Sequence["torch.Tensor | np.ndarray | Sequence[float]"]
"""One train per neuron: the times of its spikes in s, ascending, from the start of the recording at 0. Masked ones are left out."""

# A time that is a whole number of bins in decimals need not be one in binary (0.3 / 0.1 < 3).
ROUNDING = 4 * float(np.finfo(np.float64).eps)
"""Relative error of a time in float64, and of a bin or window that it is compared with."""

_LARGEST_TICK_S = 2.0**-20


def as_trains(spike_times: SpikeTimes) -> list[np.ndarray]:
    """Return one float64 array per neuron.

    Raises:
        ValueError: If there is no neuron, or a train is not one-dimensional, holds NaN or negative times, or is not
            strictly ascending.
    """
    trains = []
    for neuron, times in enumerate(spike_times):
        train = np.asarray(_as_array(times), dtype=np.float64)
        name = f"spike_times[{neuron}]"
        if train.ndim != 1:
            raise ValueError(f"{name} must be one-dimensional, the times of one neuron in s; got shape {train.shape}.")
        if not np.isfinite(train).all():
            raise ValueError(f"{name} must be finite, got {int((~np.isfinite(train)).sum())} NaN or infinite times.")
        if train.size and train.min() < 0:
            raise ValueError(f"{name} must count from the start of the recording at 0 s, got {train.min()} s.")
        step = np.diff(train)
        if step.size and step.min() <= 0:
            first = int(np.argmax(step <= 0))
            problem = "is repeated" if step[first] == 0 else "comes after a later one"
            raise ValueError(
                f"{name} must be strictly ascending, got {train[first + 1]} s at position {first + 1}, "
                f"which {problem}: sort the times and drop duplicates."
            )
        trains.append(train)
    if not trains:
        raise ValueError("spike_times must hold the train of at least one neuron, got none.")
    return trains


def last_spike(trains: list[np.ndarray]) -> float:
    """Return the time of the last spike of all trains, 0 if there is none."""
    return max((float(train[-1]) for train in trains if train.size), default=0.0)


def rounding_of(spike_times: SpikeTimes) -> float:
    r"""Return how far rounding may have moved a spike time before it came here, in s.

    Times of a clock that starts at :math:`t_0` are rounded to :math:`\varepsilon t_0`, and keep this error when
    :math:`t_0` is subtracted: the differences are whole multiples of the last binary digit of :math:`t_0`. So the largest
    power of 2 that divides all times shows their error. One above :math:`2^{-20}` s (1 us) is the tick of a clock, since
    no clock in s reaches the :math:`2^{33}` s that would be rounded so. Times in float32 or float16 are rounded in
    proportion to the latest of them.

    The result is four times that error, which covers the rounding of time, start and bin.
    """
    tick, coarse = np.inf, 0.0
    for times in map(_as_array, spike_times):
        if not times.size:
            continue
        if times.dtype.kind == "f" and times.dtype.itemsize < 8:
            coarse = max(coarse, float(np.finfo(times.dtype).eps) * float(np.abs(times).max()))
        else:
            tick = min(tick, _largest_divisor(times.astype(np.float64)))
    return 4 * max(coarse, tick if tick <= _LARGEST_TICK_S else 0.0)


def tolerance_of(spike_times: SpikeTimes, trains: list[np.ndarray], width_s: float, tolerance_s: float | None) -> float:
    """Return the tolerance of times for bins or windows of some width, in s: what was asked for, or else the rounding.

    It is never more than half a sample: half of the shortest interval between two spikes of one neuron, and half of the
    width. The rounding of float64 itself, in proportion to a time, comes on top.

    Raises:
        ValueError: If ``tolerance_s`` is negative, or not finite.
    """
    tolerance_s = (
        rounding_of(spike_times) if tolerance_s is None else check_number(tolerance_s, "tolerance_s", minimum=0.0)
    )
    sample = min((float(np.diff(train).min()) for train in trains if train.size > 1), default=np.inf)
    return min(tolerance_s, sample / 2, width_s / 2)


def check_within(trains: list[np.ndarray], duration: float, name: str, tolerance: float) -> None:
    """Check that the recording lasts until the last spike, but for a tolerance.

    Raises:
        ValueError: If it does not.
    """
    if last_spike(trains) > duration + tolerance:
        raise ValueError(
            f"{name} must reach the last spike, at {last_spike(trains)} s; got {duration} s. "
            "Are both in seconds? Cut the trains first if only a part is wanted."
        )


def _as_array(times: torch.Tensor | np.ndarray | Sequence[float]) -> np.ndarray:
    """Return the times of one neuron as an array; masked times are those of no spike."""
    if isinstance(times, torch.Tensor):
        return times.detach().cpu().numpy()
    return np.asarray(times.compressed() if isinstance(times, np.ma.MaskedArray) else times)


def _largest_divisor(times: np.ndarray) -> float:
    """Return the largest power of 2 that all times are whole multiples of; infinity where all are 0."""
    fraction, exponent = np.frexp(times[np.isfinite(times) & (times != 0)])
    digits = np.ldexp(fraction, 53).astype(np.int64)
    return float(np.ldexp((digits & -digits).astype(np.float64), exponent - 53).min(initial=np.inf))


def as_activity(activity: torch.Tensor, name: str = "activity", *, min_samples: int = 2) -> torch.Tensor:
    """Return traces or counts of any real dtype as a tensor of shape ``(N, T)`` on the CPU, not copied where it is one.

    Raises:
        ValueError: If it is not, or has no neuron, or fewer than ``min_samples`` samples.
    """
    activity = as_real_tensor(activity, name)
    if activity.dim() != 2 or activity.size(0) < 1 or activity.size(1) < min_samples:
        raise ValueError(
            f"{name} must have shape (N, T), one row per neuron, with at least one neuron and {min_samples} samples; "
            f"got {tuple(activity.shape)}."
        )
    return activity.detach().cpu()
