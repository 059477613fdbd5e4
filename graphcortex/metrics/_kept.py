"""Statistics of finished random graphs, kept in memory and, if asked, in a folder.

A kept ensemble is its first members, in order. A folder holds one file per ensemble, which is written beside its place and
then given its name, so no reader ever sees half of one, and the longer one stays where two processes wrote at once.
"""

from __future__ import annotations

import os
import secrets
import threading
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np

from graphcortex._atomic import replacing
from graphcortex._bounded import load_arrays

_MAX_BYTES = 64 * 2**20
_MEMORY: OrderedDict[str, np.ndarray] = OrderedDict()
_LOCK = threading.Lock()


def recall(key: str, folder: Path | None) -> np.ndarray | None:
    """Return the members that are kept, float64 of shape ``(n, K)``, the longer of memory and folder; None if there are none."""
    with _LOCK:
        found = _MEMORY.get(key)
        if found is not None:
            _MEMORY.move_to_end(key)
    stored = None if folder is None else _read(_path(folder, key), key)
    if found is None or (stored is not None and len(stored) > len(found)):
        return stored
    return found


def keep(key: str, values: np.ndarray, folder: Path | None) -> None:
    """Keep the first members of an ensemble, unless more of them are kept already."""
    values = values.copy()
    values.setflags(write=False)
    with _LOCK:
        if len(_MEMORY.get(key, ())) < len(values):
            _MEMORY[key] = values
        _MEMORY.move_to_end(key)
        while len(_MEMORY) > 1 and sum(kept.nbytes for kept in _MEMORY.values()) > _MAX_BYTES:
            _MEMORY.popitem(last=False)
    if folder is not None:
        _write(_path(folder, key), key, values)


def forget() -> None:
    """Let go of all that is kept in memory."""
    with _LOCK:
        _MEMORY.clear()


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.npz"


def _read(path: Path, key: str) -> np.ndarray | None:
    try:
        arrays = load_arrays(path)
        values, name = arrays["values"], str(arrays["key"])
    except FileNotFoundError:
        return None
    except Exception as error:
        # A flipped bit may ask for a password or for a compression that nobody knows: zipfile has no one error for it.
        return _set_aside(path, f"{type(error).__name__}: {error}")
    if name != key or values.ndim != 2 or values.dtype != np.float64 or not len(values):
        return _set_aside(path, "it holds something else")
    return values


def _set_aside(path: Path, why: str) -> None:
    aside = path.with_name(f"{path.stem}.{secrets.token_hex(4)}.damaged")
    try:
        os.replace(path, aside)
    except OSError:
        aside = path
    warnings.warn(
        f"{path} must be a kept ensemble, got a damaged file ({why}): set aside as {aside.name}.", stacklevel=6
    )


def _write(path: Path, key: str, values: np.ndarray) -> None:
    stored = _read(path, key)
    if stored is not None and len(stored) >= len(values):
        return
    with replacing(path) as unfinished, unfinished.open("xb") as file:
        np.savez(file, values=values, key=np.array(key))
