"""Spike trains as every function of this room reads them: one sorted array of times per neuron."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

SpikeTimes = Sequence["torch.Tensor | np.ndarray | Sequence[float]"]
"""One train per neuron: the times of its spikes in s, ascending, from the start of the recording at 0."""


def as_trains(spike_times: SpikeTimes) -> list[np.ndarray]:
    """Return one float64 array per neuron.

    Raises:
        ValueError: If there is no neuron, or a train is not one-dimensional, holds NaN or negative times, or is not
            strictly ascending.
    """
    trains = []
    for neuron, times in enumerate(spike_times):
        if isinstance(times, torch.Tensor):
            times = times.detach().cpu().numpy()
        train = np.asarray(times, dtype=np.float64)
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


def check_within(trains: list[np.ndarray], duration: float, name: str) -> None:
    """Check that the recording lasts until the last spike.

    Raises:
        ValueError: If it does not.
    """
    if last_spike(trains) > duration:
        raise ValueError(
            f"{name} must reach the last spike, at {last_spike(trains)} s; got {duration} s. "
            "Are both in seconds? Cut the trains first if only a part is wanted."
        )


def as_activity(activity: torch.Tensor, name: str = "activity", *, min_samples: int = 2) -> torch.Tensor:
    """Return traces or counts as a real tensor of shape ``(N, T)`` on the CPU, not copied where it is one.

    Raises:
        ValueError: If it is not, or has no neuron, or fewer than ``min_samples`` samples.
    """
    activity = torch.as_tensor(activity)
    if activity.dim() != 2 or activity.size(0) < 1 or activity.size(1) < min_samples:
        raise ValueError(
            f"{name} must have shape (N, T), one row per neuron, with at least one neuron and {min_samples} samples; "
            f"got {tuple(activity.shape)}."
        )
    if activity.is_complex():
        raise ValueError(f"{name} must be real, got {activity.dtype}.")
    return activity.detach().cpu()
