"""Correlation between neurons: of traces, and of spike counts in bins of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from graphcortex._checks import check_edge_index, check_finite, check_number
from graphcortex.kernels import GraphStructure
from graphcortex.kernels.products import sddmm
from graphcortex.ops._spikes import (
    ROUNDING,
    SpikeTimes,
    as_activity,
    as_trains,
    check_within,
    last_spike,
    tolerance_of,
)

# Values of a block of time: 128 MB in float64 for all pairs, 8 MB for given ones, whose rows should stay near the cache.
_ALL_PAIRS_VALUES, _GIVEN_PAIRS_VALUES, _MIN_WIDTH = 2**24, 2**20, 256

Block = Callable[[int, int], torch.Tensor]
"""Activity of all neurons from one sample to another, in any dtype, shape ``(N, last - first)``; it is not changed."""


def correlation(activity: torch.Tensor, *, pairs: torch.Tensor | None = None) -> torch.Tensor:
    r"""Compute the Pearson correlation of the activity of all pairs of neurons, or of given pairs.

    With :math:`x_i` the activity of neuron :math:`i`, centred on its mean over time,

    .. math::
        \rho_{ij} = \frac{x_i \cdot x_j}{\lVert x_i \rVert \, \lVert x_j \rVert}.

    A neuron whose activity never changes has no defined correlation; it gets 0 with all others, as a neuron that tells
    nothing about them, and 1 with itself. Time is walked in blocks, each in float64: besides the activity itself and
    the result, little memory is needed, whatever its length and dtype.

    Args:
        activity: Traces, or counts, of each neuron, shape ``(N, T)``, in any unit.
        pairs: Pairs of neurons, int64, shape ``(2, P)``; nothing of size ``N * N`` is then made.

    Returns:
        Correlations, float64, on the CPU, in [-1, 1]: shape ``(N, N)``, symmetric, with ones on the diagonal; or shape
        ``(P,)``.

    Raises:
        ValueError: If ``activity`` is not a finite, real matrix of at least one neuron and two samples, or ``pairs``
            name a neuron that is not there.

    Example:
        >>> traces = torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 1.0, 2.0]])
        >>> correlation(traces, pairs=torch.tensor([[0, 0], [1, 2]]))
        tensor([ 1.0000, -0.5000], dtype=torch.float64)
    """
    activity = as_activity(activity)
    return _correlate(lambda first, last: activity[:, first:last], *activity.shape, pairs)


def binned_counts(
    spike_times: SpikeTimes, *, bin_s: float, duration_s: float, tolerance_s: float | None = None
) -> torch.Tensor:
    r"""Count the spikes of every neuron in consecutive bins of time.

    Bin :math:`k` holds the spikes at :math:`k b \le t < (k + 1) b`. There are :math:`\lfloor T / b \rfloor` bins;
    spikes after the last whole bin are not counted.

    A spike that lies less than a tolerance before an edge belongs to the bin after it. Without this, rounding would choose
    the bins of spikes that come in frames: frames of .1 s that a camera's clock counts from 86,400 s are off by up to
    7e-12 s after the start was subtracted, half of them to the side of the bin before.

    Args:
        spike_times: Spike times of each neuron in s, ascending, counted from the start of the recording.
        bin_s: Width :math:`b` of a bin, in s.
        duration_s: Duration :math:`T` of the recording, in s.
        tolerance_s: How far a spike time may lie from its true value, in s; it is used up to half of the shortest interval
            between two spikes of one neuron, and up to half of a bin. If not given, it is read from the times: four
            times the last binary digit that they all share (of differences, that of the largest time before the start was
            subtracted), or four times the rounding of the latest time where they are float32. Give it where times were
            scaled after the subtraction, or written with few digits.

    Returns:
        Counts, int64, shape ``(N, floor(duration_s / bin_s))``.

    Raises:
        ValueError: If a train is not strictly ascending, or holds NaN or negative times; if the recording ends before
            the last spike, or is shorter than one bin.

    Example:
        >>> binned_counts([torch.tensor([0.1, 0.3, 0.5]), torch.tensor([0.7])], bin_s=0.2, duration_s=0.8)
        tensor([[1, 1, 1, 0],
                [0, 0, 0, 1]])
    """
    trains = as_trains(spike_times)
    bin_s = check_number(bin_s, "bin_s", above=0.0)
    bins, num_bins = _bins(trains, bin_s, duration_s, tolerance_of(spike_times, trains, bin_s, tolerance_s))
    return torch.from_numpy(_counts(bins, 0, num_bins))


def spike_correlation(
    spike_times: SpikeTimes,
    *,
    bin_s: float = 0.2,
    duration_s: float | None = None,
    tolerance_s: float | None = None,
    pairs: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""Compute the Pearson correlation of the spike counts of all pairs of neurons, or of given pairs.

    It is the :func:`correlation` of the counts of :func:`binned_counts`, but these are made block by block, so that
    they never lie in memory as a whole.

    Args:
        spike_times: Spike times of each neuron in s, ascending, counted from the start of the recording.
        bin_s: Width of a bin, in s. Of spikes read off frames it should be a whole number of frames, or their beat
            correlates all neurons (docs/coactivity.md).
        duration_s: Duration of the recording, in s. If not given, it ends half a bin after the last spike of all
            neurons, the choice of the MICrONS fields released with Shakiba et al. (2026).
        tolerance_s: How far a spike time may lie from its true value, in s; by default it is read from the times, as
            :func:`binned_counts` says.
        pairs: Pairs of neurons, int64, shape ``(2, P)``; nothing of size ``N * N`` is then made.

    Returns:
        Correlations, float64, in [-1, 1]: shape ``(N, N)``, symmetric, with ones on the diagonal; or shape ``(P,)``.

    Raises:
        ValueError: As :func:`binned_counts`; if ``pairs`` name a neuron that is not there.

    References:
        Shakiba, Rokni, Mohammadi & Dehghani (2026). Harnessing cortical geometry, wiring, and function as inductive
        biases for recurrent neural networks. https://arxiv.org/abs/2606.14975

    Example:
        >>> trains = [torch.tensor([0.1, 0.5]), torch.tensor([0.1, 0.7]), torch.tensor([])]
        >>> spike_correlation(trains, duration_s=0.8)
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 0., 1.]], dtype=torch.float64)
    """
    trains = as_trains(spike_times)
    bin_s = check_number(bin_s, "bin_s", above=0.0)
    if duration_s is None:
        # At least one bin, also for trains that end within the first half of it.
        duration_s = max(last_spike(trains) + bin_s / 2, bin_s)
    bins, num_bins = _bins(trains, bin_s, duration_s, tolerance_of(spike_times, trains, bin_s, tolerance_s))
    return _correlate(lambda first, last: torch.from_numpy(_counts(bins, first, last)), len(bins), num_bins, pairs)


def _bins(trains: list[np.ndarray], bin_s: float, duration_s: float, tolerance: float) -> tuple[list[np.ndarray], int]:
    """Return the bin of each spike that lies in a whole one, ascending, and the number of bins."""
    duration_s = check_number(duration_s, "duration_s", above=0.0)
    check_within(trains, duration_s, "duration_s", tolerance)
    num_bins = int((duration_s * (1 + ROUNDING) + tolerance) / bin_s)
    if num_bins < 1:
        raise ValueError(f"duration_s must be at least one bin of {bin_s} s, got {duration_s} s.")
    dtype = np.int32 if num_bins < 2**31 else np.int64
    bins = [((train * (1 + ROUNDING) + tolerance) / bin_s).astype(dtype) for train in trains]
    return [of_one[: np.searchsorted(of_one, num_bins)] for of_one in bins], num_bins


def _counts(bins: list[np.ndarray], first: int, last: int) -> np.ndarray:
    """Return the counts in the bins ``first .. last - 1``."""
    counts = np.empty((len(bins), last - first), dtype=np.int64)
    for row, of_one in zip(counts, bins, strict=True):
        low, high = np.searchsorted(of_one, (first, last))
        row[:] = np.bincount(of_one[low:high] - first, minlength=last - first)
    return counts


def _correlate(block: Block, num_neurons: int, num_samples: int, pairs: torch.Tensor | None) -> torch.Tensor:
    """Correlate activity that is made block by block."""
    if pairs is None:
        values = _ALL_PAIRS_VALUES
        dot = torch.zeros(num_neurons, num_neurons, dtype=torch.float64)
    else:
        check_edge_index(pairs, num_neurons, "pairs")
        pairs = pairs.cpu()
        values, structure = _GIVEN_PAIRS_VALUES, GraphStructure.build(pairs, num_neurons)
        dot = torch.zeros(pairs.size(1), dtype=torch.float64)
    width = max(_MIN_WIDTH, values // num_neurons)

    def blocks() -> Iterator[torch.Tensor]:
        for first in range(0, num_samples, width):
            yield block(first, min(first + width, num_samples))

    mean, peak = torch.zeros(2, num_neurons, 1, dtype=torch.float64)
    for part in blocks():
        total = part.sum(1, keepdim=True, dtype=torch.float64)
        if not bool(torch.isfinite(total).all()):
            check_finite(part, "activity")
        mean += total / num_samples
        low, high = torch.aminmax(part, dim=1, keepdim=True)
        peak = torch.maximum(peak, torch.maximum(high.double(), -low.double()))
    # In units of the peak no square overflows, and what is rounding does not depend on the unit of the activity.
    peak[peak == 0] = 1.0
    squares = torch.zeros(num_neurons, dtype=torch.float64)
    for part in blocks():
        part = (part - mean).div_(peak)
        squares += torch.linalg.vector_norm(part, dim=1).square_()
        if pairs is None:
            dot.addmm_(part, part.T)
        else:
            dot += sddmm(structure, [part], [part])
    norm = squares.sqrt()
    # The mean of a constant row is exact only up to rounding: compare with the rounding, not with 0.
    norm = torch.where(norm > 1e-12 * num_samples**0.5, norm, torch.inf)
    if pairs is None:
        dot /= norm[:, None]
        dot /= norm
        return ((dot + dot.T) / 2).clamp_(-1.0, 1.0).fill_diagonal_(1.0)
    dot /= norm[pairs[0]]
    dot /= norm[pairs[1]]
    return torch.where(pairs[0] == pairs[1], 1.0, dot.clamp_(-1.0, 1.0))
