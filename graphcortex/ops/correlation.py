"""Spike counts in bins of time, and their correlation between neurons."""

from __future__ import annotations

import numpy as np
import torch

from graphcortex._checks import check_number
from graphcortex.ops._spikes import SpikeTimes, as_trains, check_within, last_spike

# A time that is a whole number of bins in decimals need not be one in binary (0.3 / 0.1 < 3): a few units in the last
# place are forgiven, so that the bin of a spike does not depend on whether times are in s or in ms.
_ROUNDING = 1 + 4 * np.finfo(np.float64).eps


def binned_counts(spike_times: SpikeTimes, *, bin_s: float, duration_s: float) -> torch.Tensor:
    r"""Count the spikes of every neuron in consecutive bins of time.

    Bin :math:`k` holds the spikes at :math:`k b \le t < (k + 1) b`. There are :math:`\lfloor T / b \rfloor` bins;
    spikes after the last whole bin are not counted.

    Args:
        spike_times: Spike times of each neuron in s, ascending, counted from the start of the recording.
        bin_s: Width :math:`b` of a bin, in s.
        duration_s: Duration :math:`T` of the recording, in s.

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
    duration_s = check_number(duration_s, "duration_s", above=0.0)
    check_within(trains, duration_s, "duration_s")
    num_bins = int(duration_s / bin_s * _ROUNDING)
    if num_bins < 1:
        raise ValueError(f"duration_s must be at least one bin of {bin_s} s, got {duration_s} s.")
    counts = np.zeros((len(trains), num_bins), dtype=np.int64)
    for row, train in zip(counts, trains, strict=True):
        bins = (train / bin_s * _ROUNDING).astype(np.int64)
        row += np.bincount(bins[bins < num_bins], minlength=num_bins)
    return torch.from_numpy(counts)


def spike_correlation(spike_times: SpikeTimes, *, bin_s: float = 0.2, duration_s: float | None = None) -> torch.Tensor:
    r"""Compute the Pearson correlation of the spike counts of all pairs of neurons.

    With :math:`n_i` the counts of :func:`binned_counts`, centred on their mean,

    .. math::
        \rho_{ij} = \frac{n_i \cdot n_j}{\lVert n_i \rVert \, \lVert n_j \rVert}.

    A neuron whose count never changes (it is silent) has no defined correlation; it gets 0 with all others, as a neuron
    that tells nothing about them, and 1 with itself.

    Args:
        spike_times: Spike times of each neuron in s, ascending, counted from the start of the recording.
        bin_s: Width of a bin, in s.
        duration_s: Duration of the recording, in s. If not given, it ends half a bin after the last spike of all
            neurons, the choice of the MICrONS fields released with Shakiba et al. (2026).

    Returns:
        Correlations, float64, shape ``(N, N)``, symmetric, in [-1, 1], with ones on the diagonal.

    Raises:
        ValueError: As :func:`binned_counts`.

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
    bin_s = check_number(bin_s, "bin_s", above=0.0)
    if duration_s is None:
        # At least one bin, also for trains that end within the first half of it.
        duration_s = max(last_spike(as_trains(spike_times)) + bin_s / 2, bin_s)
    counts = binned_counts(spike_times, bin_s=bin_s, duration_s=duration_s).double()
    counts -= counts.mean(1, keepdim=True)
    norm = counts.norm(dim=1, keepdim=True)
    # The mean of a constant row is exact only up to rounding: compare with the rounding, not with 0.
    varies = norm > 1e-12 * counts.size(1) ** 0.5
    counts /= torch.where(varies, norm, torch.inf)
    correlation = (counts @ counts.T).clamp_(-1.0, 1.0)
    correlation = (correlation + correlation.T) / 2
    return correlation.fill_diagonal_(1.0)
