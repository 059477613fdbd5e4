"""HDF5 files from elsewhere: opened read-only, read by path, nothing outside the file followed, each failure named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphcortex._optional import require
from graphcortex.data._unpickle import DataFileError, UnsafeFileError

MAX_RATIO = 1100
"""Deflate makes at most 1,032 bytes of one. A data set that would fill more memory was never written."""


@dataclass(frozen=True)
class File:
    """An open file and where it lies."""

    handle: Any
    path: Path


@contextmanager
def opened(path: Path) -> Iterator[File]:
    """Open a file, and turn whatever HDF5 raises on a damaged one into a :class:`DataFileError`."""
    h5py = require("h5py", "nwb", "Reading NWB files")
    try:
        with h5py.File(path, "r") as handle:
            yield File(handle, path)
    except DataFileError:
        raise
    except FileNotFoundError:
        raise DataFileError(f"{path}: expected an NWB file, got no file; check the folder.") from None
    except Exception as error:
        # A damaged file can fail in any way, wherever it is read.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataFileError(
            f"{path}: expected a whole NWB (HDF5) file, got one that is truncated, damaged or of another kind ({reason}); "
            "fetch it again."
        ) from None


def holds(file: File, path: str) -> bool:
    """Say whether there is something at a path."""
    return _find(file, path) is not None


def members(file: File, path: str) -> list[str]:
    """Return the names in a group."""
    return list(_group(file, path).keys())


def numbers(file: File, path: str, *, dimensions: int, whole: bool = False) -> np.ndarray:
    """Read a data set of numbers."""
    found = _dataset(file, path)
    kinds = "iu" if whole else "fiu"
    if found.dtype.kind not in kinds or len(found.shape) != dimensions:
        what = "whole numbers" if whole else "numbers"
        raise DataFileError(
            f"{file.path}: expected {what} in {dimensions} dimension{'s' * (dimensions > 1)} in /{path}, got "
            f"{found.dtype} of shape {found.shape}."
        )
    return found[...]


def texts(file: File, path: str) -> list[str]:
    """Read a data set of texts in one dimension."""
    found = _dataset(file, path)
    if found.dtype.kind not in "OS" or len(found.shape) != 1:
        raise DataFileError(f"{file.path}: expected texts in /{path}, got {found.dtype} of shape {found.shape}.")
    return [value.decode() if isinstance(value, bytes) else str(value) for value in found[...]]


def text(file: File, path: str) -> str | None:
    """Read a single text, None where there is none."""
    if not holds(file, path):
        return None
    found = _dataset(file, path)
    if found.dtype.kind not in "OS" or found.shape != ():
        return None
    value = found[()]
    return value.decode() if isinstance(value, bytes) else str(value)


def start_and_rate(file: File, path: str) -> tuple[float, float]:
    """Read the time of the first frame in s, and the frames per second."""
    found = _dataset(file, path)
    start, rate = found[()], found.attrs.get("rate")
    start, rate = float(np.asarray(start).reshape(-1)[0]), float("nan") if rate is None else float(rate)
    if not (np.isfinite(start) and np.isfinite(rate) and rate > 0):
        raise DataFileError(
            f"{file.path}: expected a start and a rate above 0 Hz in /{path}, got {start} s and {rate} Hz."
        )
    return start, rate


def _dataset(file: File, path: str) -> Any:
    h5py = require("h5py", "nwb", "Reading NWB files")
    found = _required(file, path)
    if not isinstance(found, h5py.Dataset):
        raise DataFileError(f"{file.path}: expected a data set at /{path}, got a group.")
    if found.external or found.is_virtual:
        raise UnsafeFileError(
            f"{file.path}: expected the data of /{path} in the file, got data that lie in another; refused."
        )
    # Data that were never written are read as zeros: a few bytes can ask for all memory there is.
    stored = found.id.get_storage_size()
    if found.size and found.nbytes > MAX_RATIO * stored and found.nbytes > 2**20:
        raise DataFileError(
            f"{file.path}: expected the data of /{path} in the file, got {stored} bytes for {found.nbytes} of shape "
            f"{found.shape}; it was not written to its end."
        )
    return found


def _group(file: File, path: str) -> Any:
    h5py = require("h5py", "nwb", "Reading NWB files")
    found = _required(file, path)
    if not isinstance(found, h5py.Group):
        raise DataFileError(f"{file.path}: expected a group at /{path}, got a data set.")
    return found


def _required(file: File, path: str) -> Any:
    found = _find(file, path)
    if found is not None:
        return found
    parts = path.split("/")
    while parts and _find(file, "/".join(parts)) is None:
        parts.pop()
    last = _find(file, "/".join(parts)) if parts else file.handle
    there = ", ".join(sorted(last.keys())[:12]) if hasattr(last, "keys") else ""
    raise DataFileError(
        f"{file.path}: expected /{path}, as in the files of DANDI 000402, got {'/' + '/'.join(parts)} with "
        f"{there or 'nothing in it'}; is it such a file?"
    )


def _find(file: File, path: str) -> Any:
    """Walk a path link by link, and stop at a link that leaves the file."""
    h5py = require("h5py", "nwb", "Reading NWB files")
    here = file.handle
    for part in path.split("/"):
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise UnsafeFileError(
                f"{file.path}: expected /{path} in the file, got a link to another file, {link.filename!r}; refused."
            )
        if isinstance(link, h5py.SoftLink):
            raise DataFileError(
                f"{file.path}: expected /{path} itself, got a link to {link.path!r}; it is not followed."
            )
        here = here[part]
    return here
