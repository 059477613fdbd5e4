"""Read the members of a zip archive into memory, and nothing else: no path is followed, no bomb unfolds."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from graphcortex._bounded import UnfoldsTooFarError, check_unfolding
from graphcortex.data._unpickle import DataFileError, UnsafeFileError

_ENCRYPTED = 0x1


def read_archive(path: Path, known: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the content of each member by name.

    Args:
        path: A zip archive.
        known: Says which names may be in it.

    Raises:
        UnsafeFileError: If a name leads out of the archive, or the members are far larger than the file.
        DataFileError: If the file is missing, damaged or no archive, or holds a member of another name, or one twice.
    """
    expected = f"{path}: expected an archive written by graphcortex"
    if not path.is_file():
        raise DataFileError(f"{expected}, got no file; check the path.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check(members, known, expected, path.stat().st_size)
            return {member.filename: _content(archive, member) for member in members}
    except DataFileError:
        raise
    except Exception as error:
        # zipfile promises no single error for a damaged archive: it may fail in its own way, in zlib's or in struct's.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataFileError(f"{expected}, got one that is damaged or of another kind ({reason}).") from None


def _check(members: list[zipfile.ZipInfo], known: Callable[[str], bool], expected: str, size: int) -> None:
    names = [member.filename for member in members]
    for name in names:
        if "/" in name or "\\" in name or ".." in name or ":" in name:
            raise UnsafeFileError(
                f"{expected}, got one with a path in it, {name[:80]!r}; it was refused, nothing was read."
            )
        if not known(name):
            raise DataFileError(f"{expected}, got one with {name[:80]!r} in it, which it does not write.")
    if len(set(names)) != len(names):
        raise DataFileError(f"{expected}, got one that holds a member twice.")
    try:
        check_unfolding(size, sum(member.file_size for member in members))
    except UnfoldsTooFarError as error:
        raise UnsafeFileError(f"{expected}, got {error}; refused as a zip bomb, nothing was unfolded.") from None


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.flag_bits & _ENCRYPTED or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is encrypted or packed in an unusual way")
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise ValueError(f"{member.filename} has another size than it says")
    return content
