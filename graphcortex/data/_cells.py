"""Cells of a table: empty ones, text that is stored as bytes, and numbers with a decimal point or comma."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from graphcortex.data._unpickle import DataFileError

MISSING_TEXT = frozenset({"", "nan", "NaN", "None", "null", "<NA>"})
"""What programs write for a cell without a value."""

_NO_NUMBER = MISSING_TEXT | {"NA", "N/A", "n/a", "#N/A", "NULL", "NaT", "-nan"}
"""The same among numbers. In a column of names, these are names: neurons are called NA and NULL."""

_SIGNS = re.compile(r"[+-]?[0-9.,]*[0-9][0-9.,]*([eE][+-]?[0-9]+)?")
_WITH_COMMA = re.compile(r"[+-]?([0-9]+,[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?")
_THOUSANDS = {sign: re.compile(rf"[+-]?[1-9][0-9]{{0,2}}(\{sign}[0-9]{{3}})+") for sign in ",."}
_SAMPLED_CELLS = 50_000


def is_missing(value: Any) -> bool:
    """Say whether a cell holds nothing."""
    if isinstance(value, str):
        return value.strip() in MISSING_TEXT
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def is_empty_number(value: Any) -> bool:
    """Say whether a cell of a column of numbers holds nothing: R and Excel write ``NA`` and ``#N/A``."""
    return value.strip() in _NO_NUMBER if isinstance(value, str) else is_missing(value)


def with_text(table: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return a table whose bytes are text.

    Raises:
        DataFileError: If bytes are not UTF-8.
    """
    decoded = {}
    for name, column in table.items():
        dtype = column.dtype
        values = column.cat.categories if isinstance(dtype, pd.CategoricalDtype) else column
        if values.dtype == object or str(values.dtype).endswith("[pyarrow]"):
            kind = pd.api.types.infer_dtype(values, skipna=True)
            if kind == "bytes" or (kind.startswith("mixed") and any(isinstance(value, bytes) for value in values)):
                decoded[name] = [_text(value, name, row, what) for row, value in enumerate(column)]
    return table.assign(**{name: pd.Series(v, index=table.index, dtype=object) for name, v in decoded.items()})


def _text(value: Any, name: str, row: int, what: str) -> Any:
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise DataFileError(
            f"the table of {what} must hold text in UTF-8, got {value[:40]!r} in column {name}, row {row}; decode the column "
            f"first, such as table[{name!r}].str.decode('cp1252')."
        ) from None


def decimal_sign(table: pd.DataFrame) -> str | None:
    """Return the sign before decimals of a csv, ``"."`` or ``","``, if one column proves it and none the other.

    ``1,5`` and ``0,500`` prove a decimal comma; ``1,500`` does not, since it may be a number of thousands.

    Args:
        table: Cells as text, of which the first rows are looked at.
    """
    proven = set()
    for _, column in table.head(_SAMPLED_CELLS // len(table.columns)).items():
        cells = [cell for cell in map(str.strip, column) if cell not in _NO_NUMBER]
        if all(_SIGNS.fullmatch(cell) for cell in cells):
            comma, point = (any(sign in cell for cell in cells) for sign in ",.")
            if comma and not point and _proves_comma(cells):
                proven.add(",")
            elif point and not comma and not all(_THOUSANDS["."].fullmatch(c) for c in cells if "." in c):
                proven.add(".")
    return proven.pop() if len(proven) == 1 else None


def _proves_comma(cells: list[str]) -> bool:
    cells = [cell for cell in cells if "," in cell]
    return all(map(_WITH_COMMA.fullmatch, cells)) and not all(map(_THOUSANDS[","].fullmatch, cells))


def numbers(column: pd.Series, label: str, decimal: str | None = None) -> np.ndarray:
    """Return a column as float64, NaN where a cell is empty.

    Args:
        column: Numbers, or numbers as text.
        label: What the column is, for messages.
        decimal: The sign before decimals, ``"."`` or ``","``; ``None`` for what the column itself proves.

    Raises:
        DataFileError: If a cell holds anything else than a number, or one that can be read in two ways.
    """
    if column.dtype.kind in "iuf":
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    column = _with_points(column.astype(object), label, decimal)
    empty = np.array([is_empty_number(value) for value in column], dtype=bool)
    parsed = pd.to_numeric(column.where(~empty, np.nan), errors="coerce")
    if parsed.dtype.kind not in "iuf":  # truth values, for one
        raise DataFileError(f"{label} must hold numbers, got {parsed.dtype}.")
    values = parsed.to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.isnan(values) & ~empty
    if wrong.any():
        row = int(wrong.argmax())
        raise DataFileError(f"{label} must hold numbers, got {str(column.iloc[row])[:80]!r} in row {row}.")
    # pandas rounds what it reads from text to about 15 digits; Python to the nearest number there is.
    return np.array(
        [
            float(cell) if isinstance(cell, str) and value == value else value
            for cell, value in zip(column, values, strict=True)
        ],
        dtype=np.float64,
    )


def _with_points(column: pd.Series, label: str, decimal: str | None) -> pd.Series:
    """Return a column of text with decimal points, if it is clear what its commas are."""
    texts = {row: cell.strip() for row, cell in enumerate(column) if isinstance(cell, str)}
    commas = [row for row, cell in texts.items() if "," in cell]
    points = [row for row, cell in texts.items() if "." in cell]
    if decimal == ",":
        wrong = [row for row in commas if not _WITH_COMMA.fullmatch(texts[row])]
        wrong += [row for row in points if _THOUSANDS["."].fullmatch(texts[row])]
    elif decimal == ".":
        wrong = commas
    else:
        wrong = [] if not commas or (not points and _proves_comma([texts[row] for row in commas])) else commas
    if wrong:
        row = wrong[0]
        means = {",": " in a table with decimal commas", ".": " in a table with decimal points"}.get(decimal, "")
        raise DataFileError(
            f"{label} must hold numbers, got {str(column.iloc[row])[:80]!r} in row {row}{means}: a comma or point before three "
            "digits may separate thousands or decimals. Write numbers without separators of thousands, and say decimal=',' if "
            "the comma separates decimals, decimal='.' if the point does."
        )
    if not commas:
        return column
    return pd.Series([texts[row].replace(",", ".") if row in texts else cell for row, cell in enumerate(column)])
