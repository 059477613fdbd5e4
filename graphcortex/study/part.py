"""One run as the bytes of a Parquet file, and back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graphcortex._parquet import read_parquet
from graphcortex.study.key import RunKey
from graphcortex.study.run import RunResult

_KEY = ("connectome", "protocol", "recurrence", "task", "variant", "seed")
_FACTS = tuple(field.name for field in fields(RunResult) if field.name not in ("key", "history", "weights"))
_WEIGHTS = "weights_sha256"
_COLUMNS = (*_KEY, *_FACTS, "history", _WEIGHTS)
_DIGEST = b"graphcortex.sha256"


class PartError(ValueError):
    """Bytes that are no run, or were altered."""


def encode(result: RunResult, weights_sha256: str | None) -> bytes:
    """Return a run as a Parquet file of one row: its key, its numbers, its history; not its weights.

    Args:
        result: The run.
        weights_sha256: SHA-256 of the file of its weights, or None where they are not kept.
    """
    columns: dict[str, pa.Array] = {
        name: pa.array([str(getattr(result.key, name)) if name == "variant" else getattr(result.key, name)])
        for name in _KEY
    }
    columns |= {name: _fact(getattr(result, name)) for name in _FACTS}
    epochs = pa.Table.from_pandas(result.history, preserve_index=False).replace_schema_metadata(None)
    structs = epochs.to_struct_array().combine_chunks()
    columns["history"] = pa.ListArray.from_arrays(pa.array([0, len(structs)], pa.int32()), structs)
    columns[_WEIGHTS] = pa.array([weights_sha256], pa.string())
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    table = table.replace_schema_metadata({_DIGEST: _digest(table).encode()})
    pq.write_table(table, sink, write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def decode(content: bytes, key: RunKey) -> tuple[RunResult, str | None]:
    """Return the run that :func:`encode` wrote, without weights, and the SHA-256 of the file of its weights.

    Raises:
        PartError: If the bytes are not a run, not this one, or not as they were written.
    """
    try:
        table = read_parquet(content)
        digest = (table.schema.metadata or {}).get(_DIGEST, b"").decode()
        if tuple(table.column_names) != _COLUMNS or len(table) != 1:
            raise PartError(f"expected one row of {', '.join(_COLUMNS)}; got {len(table)} of {table.column_names}")
        if digest != _digest(table):
            raise PartError("its checksum does not match: it was altered after it was written")
        row = {name: table[name][0].as_py() for name in _COLUMNS if name != "history"}
        if RunKey(**{name: row[name] for name in _KEY}) != key:
            raise PartError(f"expected the run {key}, got another")
        history = pa.Table.from_struct_array(table["history"].combine_chunks()[0].values).to_pandas()
    except PartError:
        raise
    except Exception as error:  # damage shows in ways of Arrow, Thrift and Python
        raise PartError(" ".join(f"{type(error).__name__}: {error}".split())[:300]) from error
    facts = {name: dict(row[name]) if isinstance(row[name], list) else row[name] for name in _FACTS}
    return RunResult(key=key, history=_as_written(history), weights={}, **facts), row[_WEIGHTS]


def _fact(value: Any) -> pa.Array:
    if isinstance(value, dict):
        kind = pa.float64() if value and all(not isinstance(item, str) for item in value.values()) else pa.string()
        return pa.array([list(value.items())], pa.map_(pa.string(), kind))
    return pa.array([value], pa.int64() if value is None else None)


def _digest(table: pa.Table) -> str:
    return hashlib.sha256(json.dumps(table.to_pylist(), sort_keys=True).encode()).hexdigest()


def _as_written(history: pd.DataFrame) -> pd.DataFrame:
    """Return the history with NaN where it had NaN: a column of nothing but NaN comes back as objects."""
    return history.apply(lambda column: column.astype(float) if column.isna().all() else column)
