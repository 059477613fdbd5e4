"""Queries to CAVE, and their answers on disk: each whole under its name, or not there."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from graphcortex._atomic import UNFINISHED, write_bytes
from graphcortex._parquet import read_parquet

KINDS = {"whole": pa.int64(), "number": pa.float64(), "text": pa.string(), "flag": pa.bool_()}
"""What a column may hold. Whole numbers are never floats on their way: ids have more digits than a float."""

_FORMAT = 3
_DIGEST = b"sha256"
_STALE_S = 3600.0
_RANGES = ((0, 2**20), (2**20, 2**31), (2**31, 2**63 - 1))


@dataclass(frozen=True)
class Query:
    """Some columns of some rows of one table at one version.

    Attributes:
        datastack: Name of the datastack.
        version: Its materialisation.
        table: Name of the table.
        columns: Name and kind (see ``KINDS``) of each column of the answer. All answers have ``id`` besides.
        within: Columns with the values that rows must have one of, sorted; the first is halved first.
        ids: The half-open range of ``id``, where not all.
    """

    datastack: str
    version: int
    table: str
    columns: tuple[tuple[str, str], ...]
    within: tuple[tuple[str, tuple[int, ...]], ...] = ()
    ids: tuple[int, int] | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns of the answer."""
        return pa.schema([("id", pa.int64()), *((name, KINDS[kind]) for name, kind in self.columns)])

    @functools.cached_property
    def key(self) -> str:
        """A hash of all that the answer depends on."""
        asked = [_FORMAT, self.datastack, self.version, self.table, self.columns, self.within, self.ids]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]

    def halves(self) -> tuple[Query, ...]:
        """Return queries of fewer rows each whose answers together are that of this one; none if it is of one row."""
        for place, (name, values) in enumerate(self.within):
            if len(values) > 1:
                middle = len(values) // 2
                parts = (values[:middle], values[middle:])
                return tuple(
                    replace(self, within=(*self.within[:place], (name, part), *self.within[place + 1 :]))
                    for part in parts
                )
        if self.ids is None:
            return tuple(replace(self, ids=ids) for ids in _RANGES)
        low, high = self.ids
        middle = (low + high) // 2
        return () if high - low < 2 else (replace(self, ids=(low, middle)), replace(self, ids=(middle, high)))

    def __str__(self) -> str:
        chosen = [f"{len(values):,} values of {name}" for name, values in self.within]
        chosen += [f"id from {self.ids[0]} to below {self.ids[1]}"] if self.ids else []
        return f"query of {self.table} at version {self.version} ({', '.join(chosen) or 'all rows'})"


def each_row_once(table: pa.Table) -> pa.Table:
    """Return the rows of a table sorted by ``id``, each once."""
    ids = table["id"].to_numpy()
    if (ids[1:] > ids[:-1]).all():
        return table
    table = table.take(pc.sort_indices(table, [("id", "ascending")])).combine_chunks()
    ids = table["id"].to_numpy()
    first = np.ones(len(ids), dtype=bool)
    first[1:] = ids[1:] != ids[:-1]
    return table.filter(pa.array(first))


def _digest(table: pa.Table) -> bytes:
    """Return a hash of the content of a table: pages have checksums of their own, but what says where they lie has none."""
    digest = hashlib.sha256(str(table.num_rows).encode())
    for name, column in zip(table.column_names, table.itercolumns(), strict=True):
        if column.null_count:
            raise ValueError(f"{name} has gaps")
        if pa.types.is_string(column.type):
            values = [text.encode() for text in column.to_pylist()]
            digest.update(np.array([len(value) for value in values], dtype="<i8").data)
            digest.update(b"".join(values))
        else:
            digest.update(np.ascontiguousarray(column.to_numpy()).data)
    return digest.hexdigest().encode()


def _digest_of_facts(facts: dict) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Parts:
    """A folder of answers. Several processes may share it: all write the same bytes under a name."""

    def __init__(self, folder: Path):
        self._folder = folder

    def read(self, query: Query) -> pa.Table | None:
        """Return the answer to a query, or None where it is missing or damaged."""
        try:
            table = read_parquet(self._path(query, "parquet"))
        except Exception:  # damage has no one error, and to fetch it anew mends it
            return None
        if not table.schema.equals(query.schema):
            return None
        try:
            whole = (table.schema.metadata or {}).get(_DIGEST) == _digest(table)
        except (ValueError, pa.ArrowException):  # text that is none
            return None
        return table.replace_schema_metadata() if whole else None

    def write(self, query: Query, table: pa.Table) -> pa.Table:
        """Store an answer, sorted by id and each row once, and return it so."""
        table = each_row_once(table)
        buffer = io.BytesIO()
        # Ids hardly repeat: a dictionary of them, and their bounds, would take as long as the rest.
        plain = {"use_dictionary": False, "write_statistics": False}
        marked = table.combine_chunks().replace_schema_metadata({_DIGEST: _digest(table)})
        pq.write_table(marked, buffer, compression="zstd", write_page_checksum=True, **plain)
        write_bytes(self._path(query, "parquet"), buffer.getbuffer())
        return table

    def is_split(self, query: Query) -> bool:
        """Say whether the answer was found too long for the server."""
        return self._path(query, "split").is_file()

    def split(self, query: Query) -> None:
        """Remember that the answer is too long for the server."""
        write_bytes(self._path(query, "split"), b"")

    def read_facts(self) -> dict | None:
        """Return what was noted of the version, or None."""
        try:
            facts = json.loads((self._folder / "version.json").read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(facts, dict) or facts.pop("sha256", None) != _digest_of_facts(facts):
            return None
        return facts if facts.get("format") == _FORMAT else None

    def write_facts(self, facts: dict) -> None:
        """Note plain facts of the version."""
        facts = {"format": _FORMAT, **facts}
        facts["sha256"] = _digest_of_facts(facts)
        write_bytes(self._folder / "version.json", json.dumps(facts, indent=2, sort_keys=True).encode())

    def sweep(self) -> None:
        """Remove what killed processes left half written, once no living one can still be at it."""
        with contextlib.suppress(OSError):  # another process may sweep too
            ages = {path: path.stat().st_mtime for path in self._folder.glob(f".*{UNFINISHED}")}
            if ages:
                now = self._now()
                for path, age in ages.items():
                    if now - age > _STALE_S:
                        path.unlink()

    def _now(self) -> float:
        """Return the time in s by the clock that dates the files here: that of the disk, which may be another machine's."""
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".now.", suffix=UNFINISHED) as file:
            return os.stat(file.name).st_mtime

    def _path(self, query: Query, ending: str) -> Path:
        return self._folder / f"{query.table}-{query.key}.{ending}"
