"""Files that are there whole or not at all, also after a power cut, and a folder that one process at a time writes to."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

PART = ".part"
"""How the names of files end that are being written; whoever finds one with nobody writing may delete it."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole: to a temporary name beside it, to the disk, then renamed. Missing folders are made.

    Raises:
        OSError: If it cannot be written; what was there before is there still.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, as :func:`write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def remove_parts(folder: Path) -> None:
    """Delete what killed processes left half written in a folder and below."""
    for path in folder.rglob(f".*{PART}"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[bool]:
    """Hold a folder for this process until the block ends, or the process does, however it ends.

    Yields:
        Whether it is held. Where the file system has no locks, it counts as held: files are renamed into place, so two processes
        that write the same study do the same work twice and harm nothing.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:
            pass
        yield True
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk too, where folders can be opened for that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
