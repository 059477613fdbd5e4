"""A connectome as a folder of tables that any program opens, and back without loss."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graphcortex._checks import check_choice
from graphcortex.data._read_table import read_parquet
from graphcortex.data._record import (
    columns_of,
    from_columns,
    from_text,
    numpy_type,
    readable_names,
    to_columns,
    to_connectome,
    to_levels,
    to_text,
)
from graphcortex.data._save import whole
from graphcortex.data._unpickle import DataFileError
from graphcortex.data._validate import ConnectomeError
from graphcortex.data.connectome import Connectome
from graphcortex.data.schema import fields_of

_TABLES = {"neuron": "neurons", "synapse": "synapses", "coactivity": "coactivity"}
_NOTES = "connectome.json"
_FORMATS = ("parquet", "csv")


def to_tables(connectome: Connectome, folder: str | os.PathLike, *, format: str = "parquet") -> Path:
    """Write a connectome as a folder of tables, whole or not at all.

    ``neurons`` has one row per neuron: ``neuron`` (its number, from 0), ``x_um``, ``y_um``, ``z_um``, ids, codes and,
    where codes have names, these as text (``cell_type_name``). ``synapses`` and, where activity was recorded,
    ``coactivity`` have one row per pair: ``pre`` and ``post`` (numbers of neurons) and its values. ``connectome.json`` has
    the names of codes and the provenance.

    Args:
        connectome: What to write.
        folder: A folder that is not there yet, or is empty.
        format: ``"parquet"``, or ``"csv"``, which is larger and slower and opens anywhere. Neither loses a digit.

    Returns:
        The folder.

    Raises:
        ConnectomeError: If the connectome is not valid, or the folder holds something.
        ValueError: If the format is another.

    Example:
        >>> import tempfile
        >>> from graphcortex.data import SyntheticCortex
        >>> cortex = SyntheticCortex(num_neurons=10, num_graphs=1, duration_s=60.0)[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = to_tables(cortex, f"{folder}/cortex")
        ...     sorted(path.name for path in written.iterdir()), read_tables(written).num_neurons
        (['coactivity.parquet', 'connectome.json', 'neurons.parquet', 'synapses.parquet'], 10)
    """
    check_choice(format, "format", _FORMATS)
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConnectomeError(
            f"{folder}: expected a folder that is not there yet, got one; choose another, or remove it."
        )
    levels = to_levels(connectome)
    with whole(folder) as part:
        part.mkdir()
        for level, arrays in levels.items():
            columns = to_columns(arrays, level)
            if level == "neuron":
                columns = {"neuron": np.arange(connectome.num_neurons), **columns}
                # For reading by eye: what a file cannot hold is replaced, since the codes are what is read back.
                columns |= {name: list(map(_printable, words)) for name, words in readable_names(connectome).items()}
            elif "recording" in arrays and "recording" in connectome._global_store.get("names", {}):
                words = [_printable(word) for word in connectome.names["recording"]]
                columns["recording_name"] = [words[code] for code in arrays["recording"].tolist()]
            path = part / f"{_TABLES[level]}.{format}"
            if format == "parquet":
                pq.write_table(pa.table(columns), path)
            else:
                _write_csv(columns, path)
        (part / _NOTES).write_text(to_text(connectome, tables=format), encoding="ascii")
    return folder


def read_tables(folder: str | os.PathLike) -> Connectome:
    """Read a connectome that :func:`to_tables` wrote: the same fields, to the last bit.

    For tables from elsewhere see :func:`from_tables`.

    Raises:
        DataFileError: If a file is missing or damaged, or holds something else.
        ConnectomeError: If the tables are no valid connectome.
    """
    folder = Path(folder)
    try:
        text = (folder / _NOTES).read_bytes()
    except OSError as error:
        raise DataFileError(
            f"{folder}: expected a folder written by to_tables, got no {_NOTES} in it ({error.strerror}); read tables from "
            "elsewhere with from_tables."
        ) from None
    record = from_text(text, str(folder / _NOTES))
    format = record.get("tables")
    if format not in _FORMATS:
        raise DataFileError(f"{folder / _NOTES}: expected tables in {' or '.join(_FORMATS)}, got {str(format)[:40]}.")
    levels = {}
    for level, names in record["fields"].items():
        types = {
            column: numpy_type(fields_of(level)[name])
            for name in names
            for column in columns_of(fields_of(level)[name])
        }
        columns = _read_columns(folder / f"{_TABLES[level]}.{format}", types)
        levels[level] = from_columns(columns, level, names)
    return to_connectome(levels, record, folder)


def _read_columns(path: Path, types: dict[str, np.dtype]) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataFileError(f"{path}: expected a table written by to_tables, got no file; the folder is incomplete.")
    try:
        if path.suffix == ".parquet":
            table = read_parquet(path)
        else:
            # A float32 is written as the float64 that it is, and comes back exactly.
            wide = {name: np.float64 if dtype.kind == "f" else dtype for name, dtype in types.items()}
            table = pd.read_csv(
                path, dtype=wide, usecols=list(wide), float_precision="round_trip", encoding="utf-8", index_col=False
            )
        return {name: _exact(table[name], dtype) for name, dtype in types.items()}
    except DataFileError:
        raise
    except Exception as error:
        # A damaged file can fail in any way: neither reader promises a single kind of error.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataFileError(f"{path}: expected a table written by to_tables, got a damaged one ({reason}).") from None


def _exact(column: pd.Series, dtype: np.dtype) -> np.ndarray:
    # A NaN stays one where a field may have gaps; validation names it elsewhere.
    if column.dtype.kind != dtype.kind or (dtype.kind == "i" and column.isna().any()):
        raise ValueError(f"{column.name} must be {dtype} without gaps, got {column.dtype}")
    with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, which validation names
        return column.to_numpy(dtype=dtype)


def _write_csv(columns: dict, path: Path) -> None:
    wide = {
        name: values.astype(np.float64) if isinstance(values, np.ndarray) and values.dtype.kind == "f" else values
        for name, values in columns.items()
    }
    pd.DataFrame(wide).to_csv(path, index=False)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
