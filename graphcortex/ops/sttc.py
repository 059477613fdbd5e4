"""Spike time tiling coefficient: how often two neurons fire together, whatever their rates."""

from __future__ import annotations

import numpy as np
import torch

from graphcortex._checks import check_edge_index, check_number
from graphcortex.ops._spikes import ROUNDING, SpikeTimes, as_trains, check_within, last_spike, tolerance_of

# Spikes, or coefficients, that are worked on at once; spikes that are looked up in one train at once.
_BLOCK, _LOOKUPS = 2**17, 2**22


def sttc(
    spike_times: SpikeTimes,
    *,
    window: float = 0.1,
    duration: float | None = None,
    tolerance_s: float | None = None,
    pairs: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""Compute the spike time tiling coefficient of all pairs of neurons, or of given pairs.

    For trains :math:`A` and :math:`B`, with :math:`P_A` the proportion of spikes of :math:`A` that lie at most a window
    away from a spike of :math:`B`, and :math:`T_A` the proportion of the recording that lies at most a window away from
    a spike of :math:`A`,

    .. math::
        \text{STTC} = \frac12 \left( \frac{P_A - T_B}{1 - P_A T_B} + \frac{P_B - T_A}{1 - P_B T_A} \right).

    It is computed from the events, without bins. The window is closed: spikes exactly one window apart are together,
    and so are those that are further apart by no more than a tolerance, so that rounding does not decide where times come
    in frames. A silent neuron gets 0 with all others, and 1 with itself. A term whose :math:`P` and :math:`T` are both 1
    is 1.

    All pairs take one sweep over the spikes of all neurons for each neuron, so the time goes with the coincidences; the
    memory is that of the result, half as much again, and some 40 bytes per spike. Given pairs take one look-up per spike.

    Args:
        spike_times: Spike times of each neuron in s, ascending, counted from the start of the recording.
        window: Largest distance of two spikes that are together, in s.
        duration: Duration of the recording in s. If not given, it ends one window after the last spike of all neurons,
            the choice of the MICrONS fields released with Shakiba et al. (2026).
        tolerance_s: How far a spike time may lie from its true value, in s; by default it is read from the times, as
            :func:`graphcortex.ops.binned_counts` says. The rounding of float64, 9e-16 of the last spike, comes on top.
        pairs: Pairs of neurons, int64, shape ``(2, P)``; nothing of size ``N * N`` is then made.

    Returns:
        Coefficients, float64, in [-1, 1]: shape ``(N, N)``, symmetric, with ones on the diagonal; or shape ``(P,)``.

    Raises:
        ValueError: If a train is not strictly ascending, or holds NaN or negative times; if the recording ends before
            the last spike, the window is not positive, or ``pairs`` name a neuron that is not there.

    References:
        Cutts & Eglen (2014). Detecting pairwise correlations in spike trains: an objective comparison of methods and
        application to the study of retinal waves. J. Neurosci. 34. https://doi.org/10.1523/JNEUROSCI.2767-14.2014

    Example:
        >>> trains = [torch.tensor([1.0, 4.0]), torch.tensor([1.05, 7.0])]
        >>> sttc(trains, window=0.1, duration=10.0, pairs=torch.tensor([[0], [1]]))
        tensor([0.4694], dtype=torch.float64)
    """
    trains = as_trains(spike_times)
    window = check_number(window, "window", above=0.0)
    if duration is None:
        duration = last_spike(trains) + window
    duration = check_number(duration, "duration", above=0.0)
    tolerance = tolerance_of(spike_times, trains, window, tolerance_s)
    check_within(trains, duration, "duration", tolerance)
    if pairs is not None:
        check_edge_index(pairs, len(trains), "pairs")

    size = np.array([train.size for train in trains])
    tiled = np.array([_tiled(train, window, duration) for train in trains])
    reach = window + tolerance + ROUNDING * last_spike(trains)
    if pairs is not None:
        a, b = pairs.cpu().numpy()
        of_a, of_b = _together_pairs(trains, a, b, reach), _together_pairs(trains, b, a, reach)
        return torch.from_numpy(_coefficient(a, b, of_a, of_b, size, tiled))
    together = _together_all(trains, reach)
    coefficient = np.empty(together.shape)
    rows = max(1, _BLOCK // len(trains))
    for first in range(0, len(trains), rows):
        a, b = np.ix_(range(first, min(first + rows, len(trains))), range(len(trains)))
        block = slice(first, first + rows)
        coefficient[block] = _coefficient(a, b, together[:, block].T, together[block], size, tiled)
    return torch.from_numpy(coefficient)


def _coefficient(
    a: np.ndarray, b: np.ndarray, of_a: np.ndarray, of_b: np.ndarray, size: np.ndarray, tiled: np.ndarray
) -> np.ndarray:
    """Return the coefficients of neurons ``a`` and ``b``, of whose spikes ``of_a`` and ``of_b`` are together."""
    # Silent neurons are set apart below; a divisor of 1 keeps their terms finite until then.
    p_a, p_b = of_a / np.maximum(size[a], 1), of_b / np.maximum(size[b], 1)
    coefficient = (_term(p_a, tiled[b]) + _term(p_b, tiled[a])) / 2
    coefficient[(size[a] == 0) | (size[b] == 0)] = 0.0
    coefficient[a == b] = 1.0
    return coefficient


def _term(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    both = p * t >= 1
    return np.where(both, 1.0, (p - t) / np.where(both, 1.0, 1 - p * t))


def _tiled(train: np.ndarray, window: float, duration: float) -> float:
    """Return the proportion of the recording within a window of a spike."""
    if not train.size:
        return 0.0
    covered = np.minimum(np.diff(train), 2 * window).sum()
    covered += min(train[0], window) + min(max(duration - train[-1], 0.0), window)
    return min(float(covered) / duration, 1.0)


def _together_all(trains: list[np.ndarray], reach: float) -> np.ndarray:
    """Count, for row j and column i, the spikes of neuron i that are together with a spike of neuron j."""
    N = len(trains)
    times = np.concatenate(trains)
    order = np.argsort(times, kind="stable")
    neuron = np.repeat(np.arange(N, dtype=np.int32), [train.size for train in trains])[order]
    times = times[order]
    del order
    # Spikes of all neurons at one time are looked up once: on frames there are many.
    start = np.flatnonzero(np.diff(times, prepend=-np.inf) > 0)
    moments = np.concatenate(([-np.inf], times[start], [np.inf]))
    start = np.append(start, times.size)
    del times
    together = np.zeros((N, N), dtype=np.int32)
    for row, train in zip(together, trains, strict=True):
        if not train.size:
            continue
        low, high = _within(moments, train, reach)
        # Windows of one train may overlap; each spike counts once, so a window begins where the last one ended.
        low = np.maximum(low, np.concatenate(([0], np.maximum.accumulate(high)[:-1])))
        low, high = start[low], start[np.maximum(high, low)]
        # Some windows at a time, so that the spikes in them stay in the cache.
        found = np.cumsum(high - low)
        cuts = np.unique(np.append(np.searchsorted(found, np.arange(0, found[-1], _BLOCK)), low.size))
        for first, last in zip(np.append(0, cuts[:-1]), cuts, strict=True):
            if last > first:
                row += np.bincount(neuron[_ranges(low[first:last], high[first:last])], minlength=N).astype(np.int32)
    return together


def _within(padded: np.ndarray, train: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return, for every spike, the range of ascending, distinct moments, ``padded`` by infinities, at most that far away."""
    moments = padded[1:-1]
    low = np.searchsorted(moments, train - reach, side="left")
    high = np.searchsorted(moments, train + reach, side="right")
    # train - reach is rounded, so that a moment at the very edge may fall on the wrong side: the distance decides, as
    # in the formula, and alike for both neurons of a pair. (Rounding train + reach never loses a moment that is near enough.)
    low -= np.abs(padded[low] - train) <= reach
    low += np.abs(padded[low + 1] - train) > reach
    high -= np.abs(padded[high] - train) > reach
    return low, high


def _ranges(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Concatenate the ranges ``low[k] .. high[k] - 1``."""
    length = high - low
    end = np.cumsum(length)
    return np.arange(end[-1]) + np.repeat(low - (end - length), length)


def _together_pairs(trains: list[np.ndarray], a: np.ndarray, b: np.ndarray, reach: float) -> np.ndarray:
    """Count, for every pair, the spikes of its neuron ``a`` that are together with a spike of its neuron ``b``."""
    together = np.zeros(a.size, dtype=np.int64)
    size = np.array([train.size for train in trains])
    # All pairs that share b are looked up at once, or as many of them as fit into a block.
    by_b = np.argsort(b, kind="stable")
    spikes = np.cumsum(size[a[by_b]])
    new = np.flatnonzero(np.diff(b[by_b])) + 1
    for same in np.split(by_b, np.union1d(new, np.flatnonzero(np.diff(spikes // _LOOKUPS)) + 1)):
        if not same.size or not size[b[same[0]]]:
            continue
        other = trains[b[same[0]]]
        times = np.concatenate([trains[neuron] for neuron in a[same]])
        after = np.searchsorted(other, times)
        near = np.abs(times - other[np.minimum(after, other.size - 1)]) <= reach
        near |= np.abs(times - other[np.maximum(after - 1, 0)]) <= reach
        counted = np.concatenate(([0], np.cumsum(near)))
        together[same] = np.diff(counted[np.cumsum(np.append(0, size[a[same]]))])
    return together
