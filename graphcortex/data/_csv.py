"""A csv in any of the forms that programs write: its encoding, separator and first line are detected, every cell is text.

What a file says itself decides: a byte order mark, Excel's ``sep=;``, the separator of its header. Where two readings are
possible, the error says which argument chooses.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import itertools
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from graphcortex.data._unpickle import DataFileError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What separates cells, and how a message calls it."""

MOST_BYTES_PER_BYTE = 200
"""No csv of a connectome is packed further by gzip; a file that unfolds to more would fill the memory."""

_FREE_BYTES = 1 << 26
_BLOCK = 1 << 20
_SAMPLED_ROWS = 200
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_EXCEL = re.compile(r'"?sep=(.)\1*"?\s*', re.IGNORECASE)
_NUMBER = re.compile(r"\s*[+-]?[0-9.,]*[0-9][0-9.,]*([eE][+-]?[0-9]+)?\s*")


def read_csv(path: Path, separator: str | None = None, encoding: str | None = None) -> pd.DataFrame:
    """Return a csv with every cell as text, an empty one as ``""``.

    Args:
        path: The file, as it is or packed by gzip, whatever its name says.
        separator: What separates cells, where the header has it; else, what a line ``sep=;`` or the header says.
        encoding: Encoding of a file that has no byte order mark and is not UTF-8, such as ``"cp1252"``.

    Raises:
        DataFileError: If the encoding or the separator is not known, rows do not fit the header, or there is no header.
    """
    codec = _codec(path, encoding)
    with _text(path, codec) as file:
        sample = _sample(file)
    skipped, declared, header = _beginning(sample, path)
    if separator is None or len(_rows([header], separator)[0]) < 2:
        separator = declared or _separator(sample[skipped:], path)
    names = [name.strip() for name in next(csv.reader([header], delimiter=separator)) if name.strip()]
    if all(_NUMBER.fullmatch(name) for name in names):
        raise DataFileError(
            f"{path}: expected the names of the columns in the first line that does not begin with '#', got numbers "
            f"({header.strip()[:60]!r}): write the names of the columns there."
        )
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise DataFileError(f"{path}: expected each column to be named once, got {repeated[0][:80]!r} more than once.")
    with _text(path, codec) as file, warnings.catch_warnings():
        for _ in range(skipped):
            file.readline()
        # Rows longer than the header would be cut with no more than a warning.
        warnings.simplefilter("error")
        try:
            return pd.read_csv(
                file, sep=separator, dtype=str, keep_default_na=False, index_col=False, low_memory=True
            ).fillna("")
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            reason = " ".join(str(error).split())[:160]
            raise DataFileError(
                f"{path}: expected rows as long as the header, which has its cells separated by "
                f"{SEPARATORS.get(separator, repr(separator))}, got longer ones ({reason}): decimal commas need another "
                "separator than the comma, each column needs a name, and text with a separator in it needs quotes."
            ) from None


def _codec(path: Path, encoding: str | None) -> str:
    """Return how the bytes of a file become text: as its mark says, or UTF-8 if all of it is, or as the user says."""
    decoder, offset = codecs.getincrementaldecoder("utf-8")(), 0
    with _bytes(path) as file:
        block = file.read(_BLOCK)
        for mark, codec in _MARKS:
            if block.startswith(mark):
                return codec
        while True:
            begun = len(decoder.getstate()[0])  # bytes of a letter that the block before ended in
            wrong = block.find(b"\0")
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                wrong = error.start - begun
            if wrong != -1:
                break
            if not block:
                return "utf-8"
            offset += len(block)
            block = file.read(_BLOCK)
    if encoding is not None:
        return encoding
    with _bytes(path) as file:
        before = file.read(offset + wrong + 1)
    line = len(re.findall(rb"\r\n?|\n", before[:-1])) + 1
    raise DataFileError(
        f"{path}: expected text in UTF-8, or in UTF-16 with a byte order mark, got {before[-30:]!r} in line {line}; say which "
        "encoding it is (encoding='cp1252' for a csv of Excel in Western Europe, 'mac_roman', 'utf-16-le', ...), or save it "
        "as 'CSV UTF-8'."
    )


def _sample(file: io.TextIOWrapper) -> list[str]:
    """Return the first lines with comments, and no more than a block of text."""
    lines, size = [], 0
    for line in itertools.islice(iter(lambda: file.readline(_BLOCK), ""), 10 * _SAMPLED_ROWS):
        lines.append(line)
        size += len(line)
        if size > _BLOCK:
            break
    return lines


def _beginning(lines: list[str], path: Path) -> tuple[int, str | None, str]:
    """Return how many lines precede the header, the separator that Excel declares in them, and the header."""
    declared = None
    for number, line in enumerate(lines):
        if match := _EXCEL.fullmatch(line):
            declared = match[1]
        elif line.strip() and not (line.startswith("#") and line[1:2] not in SEPARATORS):
            return number, declared, line
    raise DataFileError(f"{path}: expected a header and rows, got {'comments alone' if lines else 'an empty file'}.")


def _separator(lines: list[str], path: Path) -> str:
    """Return the separator of the header; where it may be several, the one by which all rows are as long as the header."""
    rows = {separator: _rows(lines, separator) for separator in SEPARATORS}
    candidates = [separator for separator in SEPARATORS if len(rows[separator][0]) > 1]
    if len(candidates) > 1:
        even = [separator for separator in candidates if len(rows[separator]) > 1 and _even(rows[separator])]
        if len(even) != 1:
            names = [SEPARATORS[separator] for separator in (even or candidates)]
            raise DataFileError(
                f"{path}: expected one separator in the header, got {' and '.join(names)} in {lines[0].strip()[:80]!r}, and "
                f"the rows {'fit each of them' if even else 'do not decide'}; say which it is: separator={candidates[0]!r} or "
                f"separator={candidates[1]!r}."
            )
        candidates = even
    return candidates[0] if candidates else ","


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    rows = []
    with contextlib.suppress(csv.Error):
        for row in csv.reader(lines, delimiter=separator):
            if row:
                rows.append(row)
            if len(rows) > _SAMPLED_ROWS:
                break
    return rows or [[]]


def _even(rows: list[list[str]]) -> bool:
    return all(len(row) >= len(rows[0]) and not any(row[len(rows[0]) :]) for row in rows)


@contextlib.contextmanager
def _text(path: Path, codec: str) -> Iterator[io.TextIOWrapper]:
    with _bytes(path) as file, io.TextIOWrapper(file, encoding=codec, newline="") as text:
        yield text


@contextlib.contextmanager
def _bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file, and unpack it if it is packed."""
    with path.open("rb") as file:
        begins = file.read(4)
        file.seek(0)
        if begins == _ZIP:
            raise DataFileError(
                f"{path}: expected text, got a zip archive or a workbook of Excel; unpack it, or save it as 'CSV UTF-8' with "
                "ids as text (a spreadsheet keeps 15 digits of a number)."
            )
        if not begins.startswith(_GZIP):
            yield file
            return
        with _Unpacked(path, file) as unpacked:
            yield unpacked


class _Unpacked(gzip.GzipFile):
    """A packed file that is refused as soon as it unfolds beyond reason."""

    def __init__(self, path: Path, file: BinaryIO):
        super().__init__(fileobj=file, mode="rb")
        self._path, self._left = path, max(_FREE_BYTES, MOST_BYTES_PER_BYTE * path.stat().st_size)

    def read(self, size: int | None = -1) -> bytes:
        return self._counted(super().read(size))

    def read1(self, size: int = -1) -> bytes:
        return self._counted(super().read1(size))

    def _counted(self, content: bytes) -> bytes:
        self._left -= len(content)
        if self._left < 0:
            raise DataFileError(
                f"{self._path}: expected a packed table, got one that unfolds to more than {MOST_BYTES_PER_BYTE} times its "
                "size; refused. Unpack it first if it is right."
            )
        return content
