"""Read a table of neurons or synapses so that no id passes through a float: csv as text, parquet with nullable integers."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graphcortex.data._unpickle import DataFileError

Table = str | os.PathLike | pd.DataFrame

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_NULLABLE = {
    getattr(pa, f"{sign}int{bits}")(): getattr(pd, f"{sign.upper()}Int{bits}Dtype")()
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}

MOST_ROWS_PER_BYTE = 64
"""No table with distinct ids packs more rows into a byte; a file that says so would fill the memory."""

_FREE_ROWS = 1_000_000


def read_table(source: Table, what: str) -> tuple[pd.DataFrame, str]:
    """Return a table with text as column names, and a name for where it came from.

    Args:
        source: A ``.csv``, ``.tsv`` or ``.parquet`` file, or a DataFrame, whose named index becomes columns.
        what: What the table is of, for messages.

    Returns:
        The table (every cell of a csv is text, an empty one is ``""``), and the file name or ``"DataFrame"``.

    Raises:
        DataFileError: If there is no such file, or it is damaged or of another kind.
    """
    if isinstance(source, pd.DataFrame):
        named = any(name is not None for name in source.index.names)
        frame, name = (source.reset_index() if named else source.reset_index(drop=True)), "DataFrame"
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        frame, name = _read_file(path, what), path.name
    else:
        raise DataFileError(
            f"the table of {what} must be a .csv, .tsv or .parquet file or a DataFrame, got {type(source).__name__}."
        )
    frame.columns = [str(column).strip() for column in frame.columns]
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise DataFileError(f"the table of {what} must name each column once, got {repeated[0]!r} more than once.")
    return frame, name


def _read_file(path: Path, what: str) -> pd.DataFrame:
    suffix = path.suffix.lower()
    expected = f"{path}: expected a table of {what}"
    if suffix not in (*_SEPARATORS, ".parquet"):
        raise DataFileError(
            f"{expected} in a .csv, .tsv or .parquet file, got {suffix or 'no suffix'}; unpack it first, or read it into "
            "a DataFrame with ids as int64 or text."
        )
    if not path.is_file():
        raise DataFileError(f"{expected}, got no file; check the path.")
    try:
        return read_parquet(path) if suffix == ".parquet" else read_csv(path, _SEPARATORS[suffix])
    except DataFileError:
        raise
    except Exception as error:
        # A damaged file can fail in any way: neither reader promises a single kind of error.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataFileError(f"{expected}, got one that is damaged or of another kind ({reason}).") from None


def read_csv(path: Path, separator: str = ",") -> pd.DataFrame:
    """Return a csv with every cell as text."""
    with warnings.catch_warnings():
        # Rows longer than the header would be cut with no more than a warning.
        warnings.simplefilter("error")
        return pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, index_col=False, encoding="utf-8", low_memory=True
        ).fillna("")


def read_parquet(path: Path) -> pd.DataFrame:
    """Return a parquet file with whole numbers as nullable integers, and a stored index as plain columns."""
    with pq.ParquetFile(path) as file:
        rows, size = file.metadata.num_rows, path.stat().st_size
        if rows > MOST_ROWS_PER_BYTE * size + _FREE_ROWS:
            raise DataFileError(f"{path}: expected a table, got {size} bytes that unfold to {rows} rows; refused.")
        # Without its metadata for pandas, which would turn an index into no column, and integers with gaps into floats.
        return file.read().to_pandas(types_mapper=_NULLABLE.get, ignore_metadata=True)


def is_missing(value: Any) -> bool:
    """Say whether a cell holds nothing."""
    if isinstance(value, str):
        return value.strip() in MISSING_TEXT
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


MISSING_TEXT = frozenset({"", "nan", "NaN", "None", "null", "<NA>"})
"""What programs write for a cell without a value."""
