"""Where the command line finds what it audits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from graphcortex.data import _field_files as files
from graphcortex.data._unpickle import DataFileError, read_npy
from graphcortex.data.connectome import Connectome
from graphcortex.data.fields import MicronsFields


def load_for_audit(path: str | os.PathLike) -> tuple[Connectome, list[np.ndarray] | None]:
    """Read a saved connectome, or the folder of one field with its spikes as they are stored, even unsorted.

    Args:
        path: A file written by :meth:`Connectome.save`, or a folder named as a field.

    Returns:
        The connectome, and the spike times of each neuron in s where the folder has them.

    Raises:
        ConnectomeError: If the file is not a connectome.
        DataFileError: If the path is neither, or a file of the field is missing or wrong.
    """
    path = Path(path).expanduser().absolute()
    if path.is_file():
        return Connectome.load(path), None
    if not path.is_dir() or not files.FIELD_NAME.fullmatch(path.name):
        got = "another folder" if path.is_dir() else "no such file or folder"
        raise DataFileError(
            f"{path}: expected a file written by Connectome.save, or the folder of a field such as 6_6_2; got {got}."
        )
    connectome = MicronsFields(path.parent, names=[path.name], download=False)[path.name]
    stored = path / files.spike_file(path.name)
    if not stored.is_file():
        return connectome, None
    try:
        trains = [np.asarray(train, dtype=np.float64).ravel() for train in read_npy(stored)]
    except (TypeError, ValueError) as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(
            f"{stored}: expected spike times of each neuron, got something that is no number."
        ) from None
    return connectome, trains
