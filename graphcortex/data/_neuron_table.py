"""A table of neurons: who they are, where they lie, and what is known of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from graphcortex.data._cells import is_missing
from graphcortex.data._columns import ColumnName, find_column, find_positions, is_called
from graphcortex.data._ids import NO_ID, are_numbers, distinct, name_ids, whole_ids
from graphcortex.data._more_columns import MORE, more_columns
from graphcortex.data._positions import positions_um
from graphcortex.data._read_table import Source
from graphcortex.data._unpickle import DataFileError

CODES = ("area", "layer", "cell_type")
IDS = ("nucleus_id", "unit_id")
NO_NAME = "unknown"
"""The area, layer or type of a neuron for which the table has none."""

_SEGMENT = 2**53
"""Segments of chunked volumes have ids above, and 0 is none of them."""


@dataclass
class Neurons:
    """What a table says of its neurons, one entry per neuron that is kept."""

    ids: np.ndarray
    """What the table of synapses calls them: int64, or text in an object array."""
    missing_id: int | None
    """The number that stands for no id, ``None`` if each number is one."""
    fields: dict[str, Any]
    """Arguments of ``Connectome.from_arrays``."""
    unit: str
    columns: dict[str, Any]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def named(self) -> bool:
        """Whether neurons have names rather than numbers."""
        return self.ids.dtype == object


def neurons_of(
    source: Source,
    columns: Mapping[str, ColumnName],
    more: Mapping[str, ColumnName],
    pos: str | Sequence[str] | None,
    voxel_nm: Sequence[float] | None,
    unit: str | None,
    missing_pos: str,
    duplicates: str,
    missing_id: int | str | None,
) -> Neurons:
    """Read the neurons of a table.

    Raises:
        DataFileError: If a column is missing, an id or position is wrong, or neurons have no position or several.
    """
    table = source.table
    if table.empty:
        raise DataFileError("the table of neurons must have rows, got none.")
    key = find_column(table, "neuron_id", columns["neuron_id"], "neurons", needed=True)
    found = {name: find_column(table, name, columns[name], "neurons") for name in (*IDS, *CODES)}
    found["root_id"] = find_column(table, "root_id", None, "neurons")
    places = find_positions(table, pos)
    numbers = are_numbers(table[key], key, names=is_called(key, "neuron_name"))
    ids = whole_ids(table[key], key, none=NO_ID) if numbers else name_ids(table[key], key)
    where, says = positions_um(table, places, voxel_nm, unit, source.decimal)
    read = pd.DataFrame({"id": ids, "x": where[:, 0], "y": where[:, 1], "z": where[:, 2]})
    for name in (*IDS, "root_id"):
        if found[name] is not None and found[name] != key:
            read[name] = whole_ids(table[found[name]], found[name])
            read.loc[read[name] == missing_id, name] = 0
    for name in CODES:
        if found[name] is not None:
            read[name] = _words(table[found[name]], found[name])
    values, also = more_columns(table, more, key, source.decimal)
    if not numbers and values.pop("neuron_name", None) is not None:
        also.pop("neuron_name")  # the ids are the names
    for name, column in values.items():
        read[name] = _words(column, also[name]) if MORE[name].kind == "code" else column
    counts = {"neuron_rows": len(table)}
    rows = numbers and _are_row_numbers(read)
    if missing_id == "guess":
        missing_id = None if rows else 0
        if numbers and not rows:
            _warn_of_neuron_0(read, key)
    without = (
        np.isin(ids, [NO_ID, missing_id]) if numbers and missing_id is not None else ids == (NO_ID if numbers else "")
    )
    if numbers and (ids[~without] < 0).any():
        raise DataFileError(
            f"{key} must hold ids of at least 0, got {ids[~without].min()}; if this number stands for no id, pass "
            f"missing_id={ids[~without].min()}."
        )
    rows = rows and not (ids[without] != NO_ID).any()
    counts["neurons_without_id"] = int(without.sum())
    read = _once(read[~without], key, duplicates, counts)
    read = _placed(read, key, places, missing_pos, counts)
    fields: dict[str, Any] = {"pos": read[["x", "y", "z"]].to_numpy()}
    names = {}
    for name in (*IDS, "root_id"):
        if name in read:
            fields[name] = read[name].to_numpy()
    for name in CODES:
        if name in read:
            fields[name], names[name] = _codes(read[name])
    for name in values:
        if MORE[name].kind == "code":
            fields[name], names[name] = _codes(read[name])
        else:
            fields[name] = read[name].to_numpy()
    kept = read["id"].to_numpy()
    if not numbers:
        fields["neuron_name"], names["neuron_name"] = np.arange(len(kept)), kept.tolist()
    elif not rows or (key in found.values()):
        fields.setdefault(next((name for name in (*IDS, "root_id") if found[name] == key), "root_id"), kept)
    if names:
        fields["names"] = names
    used = {"neuron_id": key, "pos": list(places), **{name: column for name, column in found.items() if column}, **also}
    return Neurons(kept, missing_id, fields, says, used, counts)


def _are_row_numbers(read: pd.DataFrame) -> bool:
    """Say whether the ids are the numbers 0 .. N - 1, each of one neuron; elsewhere 0 says that there is no id."""
    ids = read.drop_duplicates()["id"]
    ids = ids[ids != NO_ID]
    return len(ids) > 0 and ids.min() == 0 and ids.max() == len(ids) - 1 and ids.is_unique


def _warn_of_neuron_0(read: pd.DataFrame, key: str) -> None:
    """Warn of a table that may be numbered from 0, with gaps: one neuron is 0, and the others have short numbers."""
    ids = read.drop_duplicates()["id"]
    others = ids[ids > 0]
    if (ids == 0).sum() == 1 and len(others) and others.min() < _SEGMENT:
        warnings.warn(
            f"{key} is 0 in one row, and numbers from {others.min()} to {others.max()} in the others: 0 is read as 'no id', so "
            "this row is left out with its synapses. Pass missing_id=None if 0 is a neuron, or missing_id=0 if it is not.",
            stacklevel=4,
        )


def _words(column: pd.Series, label: str) -> np.ndarray:
    """Return what a column says as text, without a value as :data:`NO_NAME`."""
    codes, values = distinct(column, label)
    return np.array([*map(_word, values), NO_NAME], dtype=object)[codes]


def _word(value: Any) -> str:
    if is_missing(value):
        return NO_NAME
    # A column of whole numbers with gaps is one of floats.
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _codes(words: pd.Series) -> tuple[np.ndarray, list[str]]:
    names, codes = np.unique(words.to_numpy(dtype=str), return_inverse=True)
    return codes.astype(np.int64), [str(name) for name in names]


def _once(read: pd.DataFrame, key: str, duplicates: str, counts: dict[str, int]) -> pd.DataFrame:
    """Keep each neuron once."""
    again = read.duplicated()
    counts["neuron_rows_repeated"] = int(again.sum())
    read = read[~again]
    conflicting = read["id"].duplicated(keep=False)
    counts["neurons_with_conflicting_rows"] = int(read.loc[conflicting, "id"].nunique())
    if not conflicting.any():
        return read
    if duplicates == "first":
        return read[~read["id"].duplicated()]
    if duplicates == "drop":
        return read[~conflicting]
    first = read.loc[conflicting, "id"].iloc[0]
    rows = read[read["id"] == first]
    differ = [name for name in read.columns if rows[name].nunique(dropna=False) > 1]
    raise DataFileError(
        f"{key} must name each neuron once, got {counts['neurons_with_conflicting_rows']} that have several rows, such as "
        f"{first} with different {', '.join(differ)}. Two nuclei in one segment are a merge error, several units of one "
        "neuron are not: pass duplicates='drop' to leave such neurons out, or duplicates='first' to keep their first row."
    )


def _placed(
    read: pd.DataFrame, key: str, places: tuple[str, ...], missing_pos: str, counts: dict[str, int]
) -> pd.DataFrame:
    """Keep the neurons that have a position."""
    nowhere = read[["x", "y", "z"]].isna().any(axis=1)
    counts["neurons_without_position"] = int(nowhere.sum())
    if nowhere.any() and missing_pos == "error":
        some = ", ".join(map(str, read.loc[nowhere, "id"].iloc[:3]))
        raise DataFileError(
            f"each neuron must have a position, got none ({', '.join(places)}) for {int(nowhere.sum())} of {len(read)} "
            f"neurons ({key} {some}{', ...' if nowhere.sum() > 3 else ''}): fill them in, or pass missing_pos='drop' to "
            "leave out these neurons with their synapses."
        )
    read = read[~nowhere]
    if read.empty:
        raise DataFileError("the table of neurons must leave some with an id and a position, got none.")
    return read
