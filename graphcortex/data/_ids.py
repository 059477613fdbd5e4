"""Ids of neurons, as int64 or as names, read without a float in between."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from graphcortex.data._cells import is_empty_number, is_missing
from graphcortex.data._unpickle import DataFileError

NO_ID = -(2**63)
"""Stands for a cell without an id, where 0 may be one."""

UNKNOWN = NO_ID + 1
"""Stands for an end of a synapse that is no id of the kind that the neurons have."""

_DECIMAL = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
_SHORT = 3
"""So many digits before an exponent are written in full: R writes 100000 as 1e+05, and no program rounds to so few."""

_UNLIKELY = 1e-6
"""Chance below which ids are not taken to be round by accident."""


_LONG = 10**15
"""The smallest id that a spreadsheet cannot hold. Shorter ones may be round on purpose, and are left to the audit."""


@dataclass(frozen=True)
class Rounding:
    """Ids that look as if they had passed through a type that cannot hold them.

    Attributes:
        through: The type: ``"float32"``, ``"float64"`` or ``"a spreadsheet (15 digits)"``.
        rounded: Number of ids that are multiples of what the type cuts off.
        of: Number of ids that the type cannot hold in full.
        expected: Number of such multiples that is expected by chance.
        example: One of them.
    """

    through: str
    rounded: int
    of: int
    expected: float
    example: int


def rounding_of(ids: np.ndarray) -> Rounding | None:
    """Return how ids were rounded: more of them than chance allows are what a float, or a spreadsheet, makes of an id.

    The number of round ids is held against a binomial distribution, whose rate follows from the length of the ids.

    Args:
        ids: Distinct ids, int64; those below 1 are left out.
    """
    ids = ids[ids > 0]
    bits = np.floor(np.log2(np.maximum(ids, 1).astype(np.longdouble))).astype(int) + 1
    digits = np.array([len(str(value)) for value in ids.tolist()], dtype=int)
    # The greatest whole numbers are 24 bits, 53 bits and 15 digits long; beyond, a number is a multiple of what was cut off.
    kinds = (
        ("float32", np.power(2.0, 24 - bits), bits > 24, _exact(ids, np.float32)),
        ("float64", np.power(2.0, 53 - bits), bits > 53, _exact(ids, np.float64)),
        ("a spreadsheet (15 digits)", np.power(10.0, 15 - digits), digits > 15, _multiple(ids, digits - 15)),
    )
    roundings = []
    for through, chance, long, exact in kinds:
        n, k = int(long.sum()), int((long & exact).sum())
        rate = float(chance[long].mean()) if n else 0.0
        if k and k > 3 * n * rate and stats.binom.sf(k - 1, n, rate) < _UNLIKELY:
            roundings.append(Rounding(through, k, n, n * rate, int(ids[long & exact][0])))
    # A multiple of 1000 is one of 8, which one type makes of some ids and the other of all.
    return max(roundings, key=lambda rounding: rounding.rounded / rounding.of, default=None)


def _exact(ids: np.ndarray, dtype: type) -> np.ndarray:
    back = ids.astype(dtype).astype(np.longdouble)
    return back == ids.astype(np.longdouble)


def _multiple(ids: np.ndarray, powers: np.ndarray) -> np.ndarray:
    return ids % np.power(10, np.clip(powers, 0, 18)) == 0


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


def are_numbers(column: pd.Series, label: str, *, names: bool = False) -> bool:
    """Say whether ids are numbers rather than names: no cell with a value holds other text.

    Args:
        column: The ids.
        label: What the column is, for messages.
        names: Whether the column is one of names, of which some may look like numbers.

    Raises:
        DataFileError: If most ids are numbers and a few cells hold other text, such as a row of totals.
    """
    if column.dtype.kind in "iuf":
        return True
    codes, values = distinct(column, label)
    values = pd.Series(values, dtype=object)
    empty = values.map(is_missing).to_numpy(dtype=bool)
    texts = ~empty & ~values.map(lambda value: not isinstance(value, str) or _is_number(value)).to_numpy(dtype=bool)
    others = ~empty & ~texts
    if not names and others.any():
        texts &= ~values.map(is_empty_number).to_numpy(dtype=bool)  # NA among numbers, but not among names
        if 0 < texts.sum() < others.sum():
            row = int(np.isin(codes, np.flatnonzero(texts)).argmax())
            raise DataFileError(
                f"{label} must hold numbers or names, got {others.sum()} numbers and {texts.sum()} other texts, such as "
                f"{values[codes[row]][:40]!r} in row {row}: leave out rows of totals and of comments. If all are names, call the "
                "column 'neuron_name'."
            )
    return not texts.any()


def _is_number(text: str) -> bool:
    return _DECIMAL.fullmatch(text.strip()) is not None


def whole_ids(column: pd.Series, label: str, *, others: bool = False, none: int = 0) -> np.ndarray:
    """Return ids as int64, shape ``(rows,)``.

    Args:
        column: Whole numbers of any integer type, decimal numbers without a fraction, or either as text.
        label: What the column is, for messages.
        others: Text that is no number becomes :data:`UNKNOWN`; an error if not.
        none: What stands for a cell without an id.

    Raises:
        DataFileError: If an id is no whole number within int64, or ids lost digits in a float or a spreadsheet.
    """
    codes, values = distinct(column, label)
    parsed = [_whole_id(value, label, others, none, _limit(column.dtype)) for value in values]
    ids = np.array([*parsed, none], dtype=np.int64)[codes]  # a missing value has code -1: the last
    _refuse_rounded(np.unique(ids), label)
    return ids


def name_ids(column: pd.Series, label: str) -> np.ndarray:
    """Return ids as names, an object array of text; ``""`` where there is none."""
    codes, values = distinct(column, label)
    names = ["" if is_missing(value) else str(value).strip() for value in values]
    return np.array([*names, ""], dtype=object)[codes]


def _limit(dtype: Any) -> int:
    return 2**24 if str(dtype).lower() == "float32" else 2**53


def _whole_id(value: Any, label: str, others: bool, none: int, limit: int) -> int:
    if is_empty_number(value):
        return none
    if isinstance(value, (bool, np.bool_)):
        raise DataFileError(f"{label} must hold ids, got {value!r}.")
    if isinstance(value, (int, np.integer)):
        return _within_int64(int(value), label)
    if isinstance(value, (float, np.floating)):
        return _from_float(value, label, limit)
    text = str(value).strip()
    if _is_number(text):
        return _from_digits(text, label)
    if others:
        return UNKNOWN
    raise DataFileError(f"{label} must hold whole numbers, got {text[:80]!r}.")


def _from_float(value: Any, label: str, limit: int) -> int:
    number = float(value)
    if abs(number) >= limit:
        raise DataFileError(
            f"{label} must hold whole numbers, got {str(value)!r}: this id passed through a float, which keeps "
            f"{limit.bit_length() - 1} bits, so its last digits are lost; read ids again from their source as "
            "int64 or text."
        )
    if number != int(number):
        raise DataFileError(f"{label} must hold whole numbers, got {str(value)!r}.")
    return int(number)


def _from_digits(text: str, label: str) -> int:
    """Return the whole number that a text spells out, digit by digit."""
    spelled = Decimal(text)
    if spelled.adjusted() > 18:  # before an exponent of 9999 is written out
        raise DataFileError(f"{label} must fit into int64 (at most 2**63 - 1), got {text[:80]!r}.")
    if spelled != spelled.to_integral_value():
        raise DataFileError(f"{label} must hold whole numbers, got {text[:80]!r}.")
    number = int(spelled)
    length, written = len(str(abs(number))), len(spelled.as_tuple().digits)
    if written < length and (written > _SHORT or abs(number) >= 2**53):
        raise DataFileError(
            f"{label} must hold ids in full, got {text!r}, which has {written} of {length} digits: the last ones are lost; "
            "read ids again from their source as int64 or text."
        )
    return _within_int64(number, label)


def _within_int64(value: int, label: str) -> int:
    if not UNKNOWN < value < 2**63:
        raise DataFileError(f"{label} must fit into int64 (at most 2**63 - 1), got {value}.")
    return value


def _refuse_rounded(ids: np.ndarray, label: str) -> None:
    """Refuse long ids that are whole numbers again after they had been floats, or the cells of a spreadsheet."""
    long = ids[ids >= _LONG]
    rounding = rounding_of(long) if len(long) else None
    if rounding is not None:
        raise DataFileError(
            f"{label} must hold ids as they were released, got {rounding.rounded} of {rounding.of} long ones rounded as by "
            f"{rounding.through}, such as {rounding.example} ({rounding.expected:.2g} expected by chance): their last digits "
            "are lost; read ids again from their source as int64 or text."
        )
