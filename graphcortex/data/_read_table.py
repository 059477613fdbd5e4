"""Read a table of neurons or synapses so that no id passes through a float: csv as text, parquet with nullable integers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from graphcortex import _parquet
from graphcortex._bounded import UnfoldsTooFarError
from graphcortex.data._cells import decimal_sign, with_text
from graphcortex.data._csv import read_csv
from graphcortex.data._unpickle import DataFileError

Table = str | os.PathLike | pd.DataFrame

_CSV = (".csv", ".tsv", ".txt", ".tab")
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
_NULLABLE = {
    getattr(pa, f"{sign}int{bits}")(): getattr(pd, f"{sign.upper()}Int{bits}Dtype")()
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}


@dataclass(frozen=True)
class Source:
    """A table as it was read.

    Attributes:
        table: The cells, under column names that are text. Every cell of a csv is text, an empty one is ``""``.
        name: The name of the file, or ``"DataFrame"``.
        decimal: The sign before decimals in numbers that are text, ``"."`` or ``","``; ``None`` if it is not known.
    """

    table: pd.DataFrame
    name: str
    decimal: str | None


def read_table(
    source: Table, what: str, *, separator: str | None = None, decimal: str | None = None, encoding: str | None = None
) -> Source:
    """Read a table.

    Args:
        source: A ``.csv``, ``.tsv``, ``.txt`` (each also packed, ``.csv.gz``) or ``.parquet`` file, or a DataFrame, whose
            named index becomes columns.
        what: What the table is of, for messages.
        separator: What separates the cells of a csv; ``None`` to detect it.
        decimal: The sign before decimals; ``None`` to detect it.
        encoding: Encoding of a csv that is not UTF-8 and has no byte order mark.

    Raises:
        DataFileError: If there is no such file, it is damaged or of another kind, or it holds bytes that are not UTF-8.
    """
    if isinstance(source, pd.DataFrame):
        named = any(name is not None for name in source.index.names)
        frame, name = (source.reset_index() if named else source.reset_index(drop=True)), "DataFrame"
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        frame, name = _read_file(path, what, separator, encoding), path.name
        if decimal is None and not path.name.lower().endswith(".parquet"):
            decimal = decimal_sign(frame)
    else:
        raise DataFileError(
            f"the table of {what} must be a .csv, .tsv or .parquet file or a DataFrame, got {type(source).__name__}."
        )
    try:
        names = [column.decode("utf-8") if isinstance(column, bytes) else str(column) for column in frame.columns]
    except UnicodeDecodeError as error:
        raise DataFileError(f"the table of {what} must have names of columns in UTF-8, got {error.object!r}.") from None
    frame.columns = [column.strip() for column in names]
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise DataFileError(f"the table of {what} must name each column once, got {repeated[0]!r} more than once.")
    return Source(with_text(frame, what), name, decimal)


def _read_file(path: Path, what: str, separator: str | None, encoding: str | None) -> pd.DataFrame:
    suffix = path.suffix.lower()
    if suffix == ".gz" and path.with_suffix("").suffix.lower() in _CSV:
        suffix = path.with_suffix("").suffix.lower()
    expected = f"{path}: expected a table of {what}"
    if suffix not in (*_CSV, ".parquet"):
        raise DataFileError(
            f"{expected} in a .csv, .tsv or .parquet file, got {suffix or 'no suffix'}; {_remedy(suffix)}."
        )
    if not path.is_file():
        raise DataFileError(f"{expected}, got no file; check the path.")
    try:
        return read_parquet(path) if suffix == ".parquet" else read_csv(path, separator, encoding)
    except DataFileError:
        raise
    except Exception as error:
        # A damaged file can fail in any way: neither reader promises a single kind of error.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataFileError(f"{expected}, got one that is damaged or of another kind ({reason}).") from None


def _remedy(suffix: str) -> str:
    if suffix in _SPREADSHEETS:
        return "save it as 'CSV UTF-8' with ids as text, since a spreadsheet keeps 15 digits of a number"
    if suffix in (".feather", ".arrow"):
        return "read it with pandas.read_feather and pass the DataFrame, in which ids stay int64"
    return "unpack it first, or read it into a DataFrame with ids as int64 or text"


def read_parquet(path: Path) -> pd.DataFrame:
    """Return a parquet file with whole numbers as nullable integers, and a stored index as plain columns."""
    try:
        table = _parquet.read_parquet(path)
    except UnfoldsTooFarError as error:
        raise DataFileError(f"{path}: expected a table, got {error}.") from None
    # Without its metadata for pandas, which would turn an index into no column, and integers with gaps into floats.
    return table.to_pandas(types_mapper=_NULLABLE.get, ignore_metadata=True)
