"""From a recording to co-activity: the measures of this room, computed together, for all pairs or for given ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from graphcortex._checks import check_choice
from graphcortex.ops._spikes import SpikeTimes, as_activity, as_trains, last_spike, rounding_of
from graphcortex.ops.correlation import binned_counts, correlation, spike_correlation
from graphcortex.ops.precision import precision
from graphcortex.ops.sttc import sttc

MEASURES = ("correlation", "sttc", "precision")


def coactivity(
    *,
    spike_times: SpikeTimes | None = None,
    traces: torch.Tensor | None = None,
    measures: Sequence[str] = ("correlation",),
    pairs: torch.Tensor | None = None,
    bin_s: float = 0.2,
    window_s: float = 0.1,
    duration_s: float | None = None,
    tolerance_s: float | None = None,
    precision_method: str = "shrinkage",
) -> dict[str, torch.Tensor]:
    """Compute several measures of co-activity of one recording.

    It is :func:`~graphcortex.ops.spike_correlation` or :func:`~graphcortex.ops.correlation`,
    :func:`~graphcortex.ops.sttc`, and :func:`~graphcortex.ops.precision` of the traces or of the binned counts.

    Args:
        spike_times: Spike times of each neuron in s, ascending, from the start of the recording; or else
        traces: The activity of each neuron, shape ``(N, T)``, in any unit.
        measures: Some of ``"correlation"``, ``"sttc"`` (spikes only) and ``"precision"`` (all pairs only).
        pairs: Pairs of neurons, int64, shape ``(2, P)``; by default all.
        bin_s: Width of a bin for correlation and precision of spikes, in s.
        window_s: Window of the spike time tiling coefficient, in s.
        duration_s: Duration of the recording, in s. If not given, it ends half a bin after the last spike for
            correlation and precision, and one window after it for STTC, as for the released MICrONS fields.
        tolerance_s: How far a spike time may lie from its true value, in s; by default it is read from the times, as
            :func:`~graphcortex.ops.binned_counts` says.
        precision_method: ``"shrinkage"``, ``"graphical-lasso"`` or ``"auto"``.

    Returns:
        Each measure by its name, float64: shape ``(N, N)``, or ``(P,)`` for given pairs.

    Raises:
        ValueError: If there is not one recording, a measure is none of these or cannot be had of it, or something else
            does not fit; see the functions above.

    Example:
        >>> trains = [[1.0, 4.05], [1.05, 4.1, 7.0]]
        >>> found = coactivity(spike_times=trains, measures=["correlation", "sttc"], pairs=torch.tensor([[0], [1]]))
        >>> {name: round(float(values), 3) for name, values in found.items()}
        {'correlation': 1.0, 'sttc': 0.817}
    """
    measures = check_measures(measures, spike_times is not None, traces is not None, pairs is not None)
    found = {}
    if spike_times is not None:
        if tolerance_s is None:
            tolerance_s = rounding_of(spike_times)  # before the dtype is lost
        spike_times = as_trains(spike_times)
    else:
        traces = as_activity(traces, "traces")
    for name in measures:
        if name == "sttc":
            found[name] = sttc(spike_times, window=window_s, duration=duration_s, tolerance_s=tolerance_s, pairs=pairs)
        elif name == "precision":
            activity = traces if spike_times is None else _counts(spike_times, bin_s, duration_s, tolerance_s)
            found[name] = precision(activity, method=precision_method)
        elif spike_times is not None:
            found[name] = spike_correlation(
                spike_times, bin_s=bin_s, duration_s=duration_s, tolerance_s=tolerance_s, pairs=pairs
            )
        else:
            found[name] = correlation(traces, pairs=pairs)
    return found


def check_measures(measures: Sequence[str], spikes: bool, traces: bool, given_pairs: bool) -> tuple[str, ...]:
    """Return the measures wanted, once each, if they can be had of the recording that is there.

    Raises:
        ValueError: If they cannot.
    """
    if spikes == traces:
        got = "both" if spikes else "neither"
        raise ValueError(f"a recording must be given as either spike_times or traces, got {got}.")
    measures = (measures,) if isinstance(measures, str) else tuple(dict.fromkeys(measures))
    if not measures:
        raise ValueError(f"measures must name at least one of {', '.join(MEASURES)}, got none.")
    for name in measures:
        check_choice(name, "measures", MEASURES)
    if "sttc" in measures and traces:
        raise ValueError("measures of traces must be correlation or precision, got 'sttc': it needs spike_times.")
    if "precision" in measures and given_pairs:
        raise ValueError(
            "measures of given pairs must be correlation or sttc, got 'precision': it is the inverse of the whole "
            "covariance, an N x N matrix; ask for all pairs and keep those you want."
        )
    return measures


def _counts(trains: SpikeTimes, bin_s: float, duration_s: float | None, tolerance_s: float) -> torch.Tensor:
    if duration_s is None:
        duration_s = max(last_spike(trains) + bin_s / 2, bin_s)
    return binned_counts(trains, bin_s=bin_s, duration_s=duration_s, tolerance_s=tolerance_s)
