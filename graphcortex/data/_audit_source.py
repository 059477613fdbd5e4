"""The stored spikes of a field, for an audit."""

from __future__ import annotations

import numpy as np

from graphcortex.data import _field_files as files
from graphcortex.data._unpickle import DataFileError, read_npy
from graphcortex.data.source import ConnectomeSource


def stored_spikes(source: ConnectomeSource) -> list[np.ndarray] | None:
    """Read the spike times of a field as they are stored, even unsorted.

    Args:
        source: Where the connectome comes from.

    Returns:
        The spike times of each neuron in s; None for a connectome that is no field, and for a field without a file of spikes.

    Raises:
        DataFileError: If the file does not hold numbers.
    """
    if source.kind != "field":
        return None
    stored = source.fields().folder / source.name / files.spike_file(source.name)
    if not stored.is_file():
        return None
    try:
        return [np.asarray(train, dtype=np.float64).ravel() for train in read_npy(stored)]
    except (TypeError, ValueError) as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(
            f"{stored}: expected spike times of each neuron, got something that is no number."
        ) from None
