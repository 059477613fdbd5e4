"""Parquet files read with a bound on the memory that they may ask for.

Text that repeats is stored once and becomes one copy for each row, and pages are packed, so that a few bytes can ask for any
memory. What a file asks for is therefore read from its footer and the headers of its pages, before anything is unpacked; they
are read here, since the accessors of Arrow end the process where a footer is damaged.

Format: https://parquet.apache.org/docs/file-format/ and https://github.com/apache/thrift, thrift-compact-protocol.md
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from graphcortex._bounded import UnfoldsTooFarError, check_unfolding

_MOST_ROWS_PER_BYTE, _FREE_ROWS = 64, 1_000_000  # no table with distinct ids packs more rows into a byte
_PROBED_ROWS = 64
_MOST_HEADER = 2**16  # a page header holds a few numbers, and the bounds of a page of text
_BYTE_ARRAY, _DELTAS = 6, {6, 7}


def read_parquet(source: str | os.PathLike[str] | bytes) -> pa.Table:
    """Read a Parquet file from a path or from memory.

    Raises:
        UnfoldsTooFarError: If the table would be too large for the file.
        ValueError: If the file is damaged; this includes the errors of Arrow.
        OSError: If it cannot be read.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        try:
            chunks = _chunks(file, size)
            _check_chunks(file, chunks, size)
        except (LookupError, TypeError, struct.error, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"its footer is damaged ({type(error).__name__})") from None
        encodings: dict[str, set[int]] = {}
        for chunk in chunks:
            if chunk[1] == _BYTE_ARRAY:
                encodings.setdefault(".".join(part.decode() for part in chunk[3]), set()).update(chunk[2])
        # Arrow reads texts of these encodings whole only. Their sizes are known when they are made, so some rows go at a time.
        whole = [name for name, used in encodings.items() if used & _DELTAS]
        if whole:
            with pq.ParquetFile(file) as probed:
                _check_batches(probed.iter_batches(_PROBED_ROWS, columns=whole), size)
        once = [name for name in encodings if name not in whole]
        if once:
            unfolded = 0
            with pq.ParquetFile(file, read_dictionary=once) as probed:
                for group in range(probed.num_row_groups):
                    columns = probed.read_row_group(group, columns=once).columns
                    unfolded += sum(_whole_bytes(part) for column in columns for part in column.chunks)
                    check_unfolding(size, unfolded)
        with pq.ParquetFile(file, page_checksum_verification=True) as read:
            return read.read()


def _whole_bytes(array: pa.Array) -> int:
    """Return the size of an array once each row has its own text."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(array.dictionary)
        return 8 * len(array) + (pc.sum(pc.take(lengths, array.indices).cast(pa.int64())).as_py() or 0)
    if pa.types.is_map(kind):
        return 8 * len(array) + _whole_bytes(array.keys) + _whole_bytes(array.items)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return 8 * len(array) + _whole_bytes(array.values)
    if pa.types.is_struct(kind):
        return sum(_whole_bytes(array.field(number)) for number in range(kind.num_fields))
    return array.nbytes


def _check_batches(batches: Iterable[pa.RecordBatch], size: int) -> None:
    unfolded = 0
    for batch in batches:
        unfolded += batch.nbytes
        check_unfolding(size, unfolded)


def _chunks(file: BinaryIO, size: int) -> list[dict[int, Any]]:
    """Return what the footer says of each chunk of a column: ``ColumnMetaData``, by the numbers of its fields."""
    file.seek(max(0, size - 8))
    end = file.read()
    length = int.from_bytes(end[:4], "little")
    if end[4:] != b"PAR1" or length > size - 8:
        raise ValueError("it does not end as a Parquet file")
    file.seek(size - 8 - length)
    footer = _Compact(file.read(length)).struct()
    if footer[3] > _MOST_ROWS_PER_BYTE * size + _FREE_ROWS:
        raise UnfoldsTooFarError(
            f"{size} bytes that unfold to {footer[3]} rows; refused, since at most {_MOST_ROWS_PER_BYTE} rows for each byte and "
            f"{_FREE_ROWS} are read"
        )
    return [column[3] for group in footer[4] for column in group[1]]


def _check_chunks(file: BinaryIO, chunks: list[dict[int, Any]], size: int) -> None:
    """Add up what the pages of all chunks unfold to, as their headers say."""
    unfolded = 0
    for chunk in chunks:
        offsets = [offset for offset in (chunk[9], chunk.get(11, 0)) if offset > 0]
        place = min(offsets, default=0)
        end = place + chunk[7] if offsets else 0  # a column of a table without rows may have no page
        values = 0
        while place < end and values < chunk[5]:
            file.seek(place)
            header = _Compact(file.read(min(_MOST_HEADER, end - place)))
            page = header.struct()
            # The data of a page of either version; a dictionary has values of its own.
            data = page.get(5) or page.get(8) or {}
            values += data.get(1, 0)
            unfolded += max(page[2], 8 * data.get(1, 0))
            check_unfolding(size, unfolded)
            if page[2] < 0 or page[3] < 0 or data.get(1, 0) < 0:
                raise ValueError("a page of negative size")
            place += header.place + page[3]
        unfolded += 8 * max(0, chunk[5] - values)
        check_unfolding(size, unfolded)


class _Compact:
    """Thrift's compact protocol: structs as dicts of the numbers of their fields."""

    def __init__(self, content: bytes):
        self._content, self.place = content, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > 32:
            raise ValueError("structs within structs")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            head = self._byte()
            length = head >> 4 if head >> 4 < 15 else self._varint()
            item = head & 15
            # In a list a truth value takes a byte.
            return [self._byte() if item in (1, 2) else self._value(item, depth) for _ in range(self._fitting(length))]
        if kind == 12:
            return self.struct(depth + 1)
        raise ValueError(f"a field of the unknown kind {kind}")

    def _byte(self) -> int:
        self.place += 1
        return self._content[self.place - 1]

    def _bytes(self, length: int) -> bytes:
        start, self.place = self.place, self.place + self._fitting(length)
        return self._content[start : self.place]

    def _fitting(self, length: int) -> int:
        if length > len(self._content) - self.place:
            raise ValueError("a field that is longer than what follows")
        return length

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def _signed(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
