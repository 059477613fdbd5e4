"""Ids of neurons, as int64 or as names, read without a float in between."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from graphcortex.data._read_table import is_missing
from graphcortex.data._unpickle import DataFileError

UNKNOWN = -1
"""Stands for an end of a synapse that is no id of the kind that the neurons have."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,25}")
_DECIMAL = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
_FEW = 4  # so many ids of 18 digits are all multiples of 128 by chance once in 10^8 tables


def distinct(column: pd.Series, label: str) -> tuple[np.ndarray, list]:
    """Return the place of each cell's value in a list of the distinct ones, -1 where there is none; and that list.

    Raises:
        DataFileError: If cells hold lists or the like.
    """
    try:
        codes, values = pd.factorize(column, use_na_sentinel=True)
    except TypeError:
        raise DataFileError(f"{label} must hold one number or text in a cell, got lists or the like.") from None
    return codes, values.tolist()


def are_numbers(column: pd.Series, label: str) -> bool:
    """Say whether ids are numbers rather than names: no cell with a value holds other text."""
    if column.dtype.kind in "iuf":
        return True
    return all(
        not isinstance(value, str) or is_missing(value) or _DECIMAL.fullmatch(value.strip())
        for value in distinct(column, label)[1]
    )


def whole_ids(column: pd.Series, label: str, *, others: bool = False) -> np.ndarray:
    """Return ids as int64, shape ``(rows,)``; 0 where there is none.

    Args:
        column: Whole numbers of any integer type, or as text.
        label: What the column is, for messages.
        others: Text that is no number becomes :data:`UNKNOWN`; an error if not.

    Raises:
        DataFileError: If an id is no whole number within int64, or has lost digits as a float.
    """
    codes, values = distinct(column, label)
    parsed = [_whole_id(value, label, others, _limit(column.dtype)) for value in values]
    ids = np.array([*parsed, 0], dtype=np.int64)[codes]  # a missing value has code -1: the last
    _refuse_rounded(ids, label)
    return ids


def name_ids(column: pd.Series, label: str) -> np.ndarray:
    """Return ids as names, an object array of text; ``""`` where there is none."""
    codes, values = distinct(column, label)
    names = ["" if is_missing(value) else str(value).strip() for value in values]
    return np.array([*names, ""], dtype=object)[codes]


def _limit(dtype: Any) -> int:
    return 2**24 if str(dtype).lower() == "float32" else 2**53


def _whole_id(value: Any, label: str, others: bool, limit: int) -> int:
    if is_missing(value):
        return 0
    if isinstance(value, (bool, np.bool_)):
        raise DataFileError(f"{label} must hold ids, got {value!r}.")
    if isinstance(value, (int, np.integer)):
        return _within_int64(int(value), label)
    text = value.strip() if isinstance(value, str) else str(value)
    if isinstance(value, str) and _WHOLE.fullmatch(text):
        return _within_int64(int(text), label)
    if isinstance(value, (float, np.floating)) or _DECIMAL.fullmatch(text):
        number = float(text)
        if abs(number) >= limit:
            raise DataFileError(
                f"{label} must hold whole numbers, got {text!r}: this id passed through a float, which keeps "
                f"{limit.bit_length() - 1} bits, so its last digits are lost; read ids again from their source as "
                "int64 or text."
            )
        if number != int(number):
            raise DataFileError(f"{label} must hold whole numbers, got {text!r}.")
        return int(number)
    if others:
        return UNKNOWN
    raise DataFileError(f"{label} must hold whole numbers, got {text!r}.")


def _within_int64(value: int, label: str) -> int:
    if not -(2**63) <= value < 2**63:
        raise DataFileError(f"{label} must fit into int64 (at most 2**63 - 1), got {value}.")
    return value


def _refuse_rounded(ids: np.ndarray, label: str) -> None:
    """Refuse long ids that are all exact floats: written as whole numbers again after they had been floats."""
    long = np.unique(ids[np.abs(ids) > 2**53])
    if len(long) >= _FEW and all(int(float(value)) == value for value in long.tolist()):
        raise DataFileError(
            f"{label} must hold ids as they were released, got {len(long)} that are all rounded to what a float can "
            f"hold (such as {long[0]}): their last digits are lost; read ids again from their source as int64 or text."
        )
