"""Packed files of others, read with a bound on the memory that they may ask for."""

from __future__ import annotations

import contextlib
import io
import math
import os
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

MOST_UNFOLDING = 256
"""How many bytes of memory a byte of a packed file may ask for, beyond :data:`FREE_BYTES`. No table of neurons and no archive of
measured values comes near."""

FREE_BYTES = 64 * 2**20
"""What any packed file may ask for, however small it is."""

_TENSOR_NAMES = {
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("collections", "OrderedDict"),
    ("torch", "Size"),
}

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class UnfoldsTooFarError(ValueError):
    """A file asks for far more memory than its size allows. Nothing of that size was made."""


def check_unfolding(size: int, unfolded: int) -> None:
    """Check that a file of some bytes does not ask for too much memory.

    Raises:
        UnfoldsTooFarError: If it does.
    """
    if unfolded > most_bytes(size):
        raise UnfoldsTooFarError(
            f"{size} bytes that unfold to {unfolded} bytes or more; refused, since at most {MOST_UNFOLDING} times the size of a "
            f"file and {FREE_BYTES // 2**20} MiB are read (one that can be trusted can be written anew without packing)"
        )


def most_bytes(size: int) -> int:
    """Return how many bytes of memory a file of some bytes may ask for."""
    return MOST_UNFOLDING * size + FREE_BYTES


def check_archive(archive: zipfile.ZipFile, size: int) -> None:
    """Check that the members of a zip archive do not unfold too far; no member is read beyond what it says.

    Raises:
        UnfoldsTooFarError: If they do.
    """
    check_unfolding(size, sum(member.file_size for member in archive.infolist()))


def load_tensors(path: str | os.PathLike, device: torch.device | str = "cpu") -> Any:
    """Read what ``torch.save`` wrote: tensors, numbers and text in lists and dicts. No code of the file is run.

    ``torch.save`` packs nothing and stores each tensor whole: a file with packed members, with a tensor that is larger than
    what is stored of it, or with a list that stands in many places is refused.

    Raises:
        UnfoldsTooFarError: If it asks for more memory than it has bytes.
        ValueError: If it is damaged or of another kind, or names anything but tensors.
        OSError: If it cannot be read.
    """
    size = Path(path).stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            unfolded = sum(member.file_size for member in members)
            if unfolded > size or any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise UnfoldsTooFarError(
                    f"{size} bytes that unfold to {unfolded} bytes; refused, since torch.save packs nothing"
                )
            pickles = [archive.read(member) for member in members if member.filename.endswith("data.pkl")]
        _check_names(pickles)
        loaded = torch.load(path, map_location=device, weights_only=True)
    except (UnfoldsTooFarError, OSError):
        raise
    except Exception as error:
        # What fails may be the archive, the pickle or a tensor, and has no error of its own. The text of torch is not passed
        # on: it advises to read the file in a way that would run what is in it.
        reason = str(error) if isinstance(error, _NameError) else type(error).__name__
        raise ValueError(f"it is damaged or holds objects that must be executed to be read ({reason})") from None
    _check_extent(loaded, size)
    return loaded


class _NameError(ValueError):
    pass


def _check_names(pickles: list[bytes]) -> None:
    """Check that a pickle names tensors only: a bytearray, for one, is made of a size that the pickle says."""
    if len(pickles) != 1:
        raise _NameError("no file of torch.save")
    for opcode, argument, _ in pickletools.genops(pickles[0]):
        if opcode.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):
            raise _NameError("no file of torch.save")
        if opcode.name == "GLOBAL":
            module, _, name = argument.partition(" ")
            storage = module == "torch" and name.endswith("Storage")
            if not storage and (module, name) not in _TENSOR_NAMES:
                raise _NameError(f"it asks for {module}.{name}"[:200])


def _check_extent(loaded: Any, size: int) -> None:
    """Check that what was loaded is no larger than its file: each item takes a byte there, unless one stands in many places."""
    items, characters, waiting = 0, 0, [loaded]
    while waiting:
        item = waiting.pop()
        items += 1
        if isinstance(item, torch.Tensor):
            stored = item.untyped_storage().nbytes()
            asked = item.numel() * item.element_size()
            if asked > stored or stored > size:
                raise UnfoldsTooFarError(
                    f"{size} bytes that unfold to a tensor of shape {tuple(item.shape)}, {asked} bytes, of which {stored} are "
                    "stored; refused, since a file should hold its tensors whole (call .contiguous() before torch.save)"
                )
        elif isinstance(item, str):
            characters += len(item)
        elif isinstance(item, Mapping):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple, set)):
            waiting += item
        if items + len(waiting) > size:
            raise UnfoldsTooFarError(
                f"{size} bytes that unfold to {items + len(waiting)} items or more; refused, since each takes a byte at least"
            )
    check_unfolding(size, characters)


def load_arrays(source: Path | io.BytesIO) -> dict[str, np.ndarray]:
    """Read the arrays of an ``.npz``, from a path or from memory. No pickle is read.

    Raises:
        UnfoldsTooFarError: If they would be too large for the file.
        ValueError: If an array is not as large as it says.
        Exception: If it is damaged in another way: neither zipfile nor NumPy has one error for that.
    """
    size = source.getbuffer().nbytes if isinstance(source, io.BytesIO) else source.stat().st_size
    with zipfile.ZipFile(source) as archive:
        check_archive(archive, size)
        for member in archive.infolist():
            with archive.open(member) as file:
                # NumPy makes an array as large as its header says before it reads what follows.
                header = _HEADERS[np.lib.format.read_magic(file)](file)
                said = math.prod(header[0]) * header[2].itemsize
                # Objects are refused below.
                if not header[2].hasobject and said != member.file_size - file.tell():
                    raise ValueError(
                        f"{member.filename} says that it has {said} bytes, got {member.file_size - file.tell()}"
                    )
    if isinstance(source, io.BytesIO):
        source.seek(0)
    # NumPy would leave a file open that it opened itself and cannot read.
    with contextlib.ExitStack() as stack:
        raw = source if isinstance(source, io.BytesIO) else stack.enter_context(source.open("rb"))
        return dict(stack.enter_context(np.load(raw, allow_pickle=False)))
