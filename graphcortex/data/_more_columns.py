"""What else a table of neurons may say of them: their recording, their proofreading, their names, their tuning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from graphcortex.data._cells import numbers
from graphcortex.data._columns import HABITS, ColumnName, find_column
from graphcortex.data._ids import whole_ids
from graphcortex.data._unpickle import DataFileError
from graphcortex.data.schema import Field, fields_of

_BY_ARGUMENT = ("pos", "root_id", "nucleus_id", "unit_id", "area", "layer", "cell_type")
_ANGLES = ("pref_ori", "pref_dir")
_OURS = ("neuron", "x_um", "y_um", "z_um")

MORE: dict[str, Field] = {name: field for name, field in fields_of("neuron").items() if name not in _BY_ARGUMENT}
"""The fields of neurons that ``from_tables`` has no argument of its own for."""


def more_columns(
    table: pd.DataFrame, given: Mapping[str, ColumnName], key: str, decimal: str | None
) -> tuple[dict[str, pd.Series | np.ndarray], dict[str, str]]:
    """Return what further columns hold, by field, and which they are; of codes, the columns themselves.

    A column that is named must hold what its field may hold. One that is guessed and does not is another thing of the same
    name, and is left unread. Angles have a unit, a zero and a sense of rotation, none of which a name tells: they are guessed
    only in a table of this library's own.

    Raises:
        DataFileError: If a column that is named is not there, or does not hold what its field may.
        ValueError: If there is no such field.
    """
    for name in given:
        if name not in MORE:
            raise ValueError(f"neuron_fields must name fields among {', '.join(MORE)}; got {name!r}.")
    ours = all(name in table.columns for name in _OURS)
    values: dict[str, pd.Series | np.ndarray] = {}
    used: dict[str, str] = {}
    for name, field in MORE.items():
        wanted = given.get(name)
        if wanted is None and name in _ANGLES and not ours:
            continue
        column = find_column(table, name, wanted, "neurons") if name in HABITS else _same_name(table, name, wanted)
        if column is None or (wanted is None and column == key):
            continue
        try:
            values[name] = table[column] if field.kind == "code" else _checked(table[column], column, field, decimal)
        except DataFileError:
            if wanted is not None:
                raise
            continue
        used[name] = column
    return values, used


def _same_name(table: pd.DataFrame, name: str, wanted: ColumnName) -> str | None:
    if isinstance(wanted, str):
        return find_column(table, name, wanted, "neurons")
    by_name = {column.lower(): column for column in reversed(table.columns)}
    return by_name.get(name) if wanted is None else None


def _checked(column: pd.Series, label: str, field: Field, decimal: str | None) -> np.ndarray:
    values = whole_ids(column, label) if field.kind == "id" else numbers(column, label, decimal)
    if field.kind != "id" and not field.gaps and np.isnan(values).any():
        raise DataFileError(f"{label} must hold a value of {field.name} for each neuron, got an empty cell.")
    low, high = (-np.inf if field.low is None else field.low), (np.inf if field.high is None else field.high)
    wrong = ~np.isnan(values) & ~((values >= low - 1e-6) & (values <= high + 1e-6) & np.isfinite(values))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataFileError(
            f"{label} must hold {field.name} from {low:g} to {high:g}{f' {field.unit}' if field.unit else ''}, got "
            f"{values[row]:g} in row {row}."
        )
    return values
