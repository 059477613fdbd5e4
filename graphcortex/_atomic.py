"""Files and folders that are written whole or not at all, also when a process is killed or the power fails."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

UNFINISHED = ".part"
"""The end of the names of files and folders that are still being written. One that no process writes can be deleted."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write a file or a folder under.

    When the block ends without an error, what was written goes to the disk and gets the name ``path``. A file that was there
    before is replaced and passes on its mode; of a symbolic link, the file that it leads to is replaced. When the block ends
    with an error, what was written is deleted and ``path`` is as it was.

    Args:
        path: The final name. Missing folders above it are made.

    Yields:
        The temporary name, in the folder of ``path``: a rename is atomic only within one file system.

    Raises:
        OSError: If something cannot be written, or if a folder with files has the name ``path`` already.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        yield unfinished
        _sync_contents(unfinished)
        with contextlib.suppress(FileNotFoundError):
            os.chmod(unfinished, stat.S_IMODE(path.stat().st_mode))
        os.replace(unfinished, path)
    except BaseException as error:
        _remove(unfinished)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)  # a full disk does not say of which file it is
        raise
    _sync_folder(path.parent)


def write_bytes(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Write a file whole, as :func:`replacing` does.

    Raises:
        OSError: If it cannot be written; what was there before is there still.
    """
    with replacing(path) as unfinished, unfinished.open("xb") as file:
        file.write(content)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file whole, in UTF-8, as :func:`replacing` does; half of a surrogate pair is written as an escape.

    Raises:
        OSError: If it cannot be written; what was there before is there still.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def save_with_torch(content: object, unfinished: Path) -> None:
    """Write what :func:`torch.save` can write, under a name that :func:`replacing` gave.

    Raises:
        OSError: If it cannot be written, as to a full disk, of which torch alone gives a RuntimeError of its own.
    """
    import torch

    with unfinished.open("xb") as file:
        stream = _Stream(file)
        try:
            torch.save(content, stream)
        except RuntimeError:
            if stream.error is None:
                raise
            raise stream.error from None


class _Stream:
    """A file for torch.save, which forgets the error of the system that stopped it."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            return self._file.write(content)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def remove_unfinished(folder: Path) -> None:
    """Delete what killed processes left half written in a folder and below."""
    for path in folder.rglob(f".*{UNFINISHED}"):
        _remove(path)


def _remove(path: Path) -> None:
    """Delete a file or folder if it is there; an error of its own must not hide the one that led here."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _sync_contents(path: Path) -> None:
    """Bring the content of a file, or of every file below a folder, to the disk."""
    for file in [path] if path.is_file() else filter(Path.is_file, path.rglob("*")):
        with file.open("rb") as written:
            os.fsync(written.fileno())


def _sync_folder(folder: Path) -> None:
    """Bring a new name to the disk too, where folders can be opened for that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
