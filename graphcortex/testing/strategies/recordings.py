"""Recordings: when each of a few neurons fired."""

from __future__ import annotations

import torch

from graphcortex._checks import check_count, check_number
from graphcortex.testing.strategies._hypothesis import st

_EIGHTH = 8


def spike_trains(
    min_neurons: int = 1, max_neurons: int = 5, *, max_spikes: int = 8, max_time: float = 16.0, silent: bool = True
):
    """Draw a recording: the ascending spike times of each neuron in s, as float64 tensors.

    Times are whole eighths of a second: differences of them are exact, and neurons often fire at the same time or
    exactly one window apart. Neurons may be silent.

    Args:
        min_neurons: Fewest neurons.
        max_neurons: Most neurons.
        max_spikes: Most spikes of one neuron.
        max_time: Latest possible spike, in s, at least 1.
        silent: Whether a neuron may have no spikes.

    Returns:
        A strategy of ``list[torch.Tensor]``, as ``sttc`` and ``spike_correlation`` take them.

    Raises:
        ValueError: If the numbers of neurons are not ``1 <= min_neurons <= max_neurons``, ``max_spikes < 1`` or
            ``max_time < 1``.
    """
    check_count(min_neurons, "min_neurons")
    check_count(max_neurons, "max_neurons", minimum=min_neurons)
    check_count(max_spikes, "max_spikes")
    last = int(check_number(max_time, "max_time", minimum=1.0) * _EIGHTH)
    train = st.sets(st.integers(0, last), min_size=0 if silent else 1, max_size=min(max_spikes, last + 1)).map(
        lambda times: torch.tensor(sorted(times), dtype=torch.float64) / _EIGHTH
    )
    return st.lists(train, min_size=min_neurons, max_size=max_neurons)
