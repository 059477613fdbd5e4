"""HDF5 files from elsewhere: opened read-only, read by path, nothing outside the file followed, each failure named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphcortex._bounded import check_unfolding
from graphcortex._optional import require
from graphcortex.data._unpickle import DataFileError, UnsafeFileError

MAX_RATIO = 1100
"""Deflate makes at most 1,032 bytes of one. A data set that would fill more memory was never written."""

_SECONDS = {
    **dict.fromkeys(("seconds", "second", "sec", "s"), 1.0),
    **dict.fromkeys(("milliseconds", "millisecond", "msec", "ms"), 1e-3),
    **dict.fromkeys(("microseconds", "microsecond", "usec", "us"), 1e-6),
}


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
    kinds = "iu" if whole else "fiub"
    if found.dtype.kind not in kinds or len(found.shape) != dimensions:
        what = "whole numbers" if whole else "numbers"
        raise DataFileError(
            f"{file.path}: expected {what} in {dimensions} dimension{'s' * (dimensions > 1)} in /{path}, got "
            f"{found.dtype} of shape {found.shape}."
        )
    return found[...]


def as_ids(file: File, path: str, stored: np.ndarray) -> np.ndarray:
    """Return the whole numbers of a data set as ids, int64, of at least 0."""
    low, high = (int(stored.min()), int(stored.max())) if stored.size else (0, 0)
    if low < 0 or high >= 2**63:
        raise DataFileError(
            f"{file.path}: expected ids from 0 to 2**63 - 1 in /{path}, got values from {low} to {high}."
        )
    return stored.astype(np.int64)


def scaled(file: File, path: str, values: np.ndarray) -> np.ndarray:
    """Apply the ``conversion`` and ``offset`` that a data set of NWB may have: values x conversion + offset, in float64."""
    factors = {name: _number(file, path, name, default) for name, default in (("conversion", 1.0), ("offset", 0.0))}
    if factors == {"conversion": 1.0, "offset": 0.0}:
        return values
    if factors["conversion"] == 0:
        raise DataFileError(f"{file.path}: expected a conversion of /{path} other than 0, got 0: it leaves nothing.")
    return values.astype(np.float64) * factors["conversion"] + factors["offset"]


def seconds(file: File, path: str) -> float:
    """Return how many seconds the unit of a data set of times has; NWB knows only seconds, and so do files without a unit."""
    unit = _dataset(file, path).attrs.get("unit", "seconds")
    unit = unit.decode("utf-8") if isinstance(unit, bytes) else str(unit)
    if unit.strip().lower() not in _SECONDS:
        raise DataFileError(
            f"{file.path}: expected times in one of {', '.join(_SECONDS)} in /{path}, got the unit {unit!r}; store seconds."
        )
    return _SECONDS[unit.strip().lower()]


def table_of(file: File, path: str, default: str) -> str:
    """Return the path of the table whose rows a data set names, as its attribute ``table`` says, or else the default."""
    h5py = require("h5py", "nwb", "Reading NWB files")
    reference = _dataset(file, path).attrs.get("table")
    if reference is None:
        return default
    try:
        name = file.handle[reference].name.strip("/")
        found = _find(file, name)
    except (AttributeError, KeyError, TypeError, ValueError):  # it leads to nothing, to nothing with a name, or is none
        found = None
    if not isinstance(found, h5py.Group):
        _required(file, f"{default}/id")
        raise DataFileError(
            f"{file.path}: expected the attribute table of /{path} to refer to a table of this file, such as /{default}, got "
            f"{reference!r}, which leads to none."
        )
    return name


def texts(file: File, path: str) -> list[str]:
    """Read a data set of texts in one dimension."""
    found = _dataset(file, path)
    if found.dtype.kind not in "OS" or len(found.shape) != 1:
        raise DataFileError(f"{file.path}: expected texts in /{path}, got {found.dtype} of shape {found.shape}.")
    size, unfolded, read = file.path.stat().st_size, 0, []
    for row in range(len(found)):
        # Many rows may refer to one long text, and each becomes a text of its own.
        value = found[row]
        unfolded += len(value) if isinstance(value, (bytes, str)) else 0
        check_unfolding(size, unfolded)
        read.append(_text(file, f"/{path}, row {row}", value))
    return read


def text(file: File, path: str) -> str | None:
    """Read a single text, None where there is none."""
    if not holds(file, path):
        return None
    found = _dataset(file, path)
    if found.dtype.kind not in "OS" or found.shape != ():
        return None
    return _text(file, f"/{path}", found[()])


def _text(file: File, where: str, value: Any) -> str:
    try:
        value = value.decode("utf-8") if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise DataFileError(f"{file.path}: expected text in UTF-8 in {where}, got {value[:40]!r}.") from None
    if not isinstance(value, str):
        raise DataFileError(f"{file.path}: expected text in {where}, got {type(value).__name__}.")
    return str(value)


def start_and_rate(file: File, path: str) -> tuple[float, float]:
    """Read the time of the first frame in s, and the frames per second."""
    found = _dataset(file, path)
    start = float(np.asarray(found[()]).reshape(-1)[0]) * seconds(file, path)
    rate = _number(file, path, "rate", float("nan"))
    if not (np.isfinite(start) and np.isfinite(rate) and rate > 0):
        raise DataFileError(
            f"{file.path}: expected a start and a rate above 0 Hz in /{path}, got {start} s and {rate} Hz."
        )
    return start, rate


def _number(file: File, path: str, name: str, default: float) -> float:
    """Return a number that stands as an attribute of a data set, or a default."""
    value = _dataset(file, path).attrs.get(name)
    if value is None:
        return default
    try:
        number = float(np.asarray(value).reshape(-1)[0])
    except (TypeError, ValueError, IndexError):
        number = float("nan")
    if not np.isfinite(number):
        raise DataFileError(f"{file.path}: expected a finite number as the attribute {name} of /{path}, got {value!r}.")
    return number


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
