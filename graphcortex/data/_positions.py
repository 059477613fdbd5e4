"""Positions of a table, in um: what unit they are in is said by the user or by the names of the columns, never guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from graphcortex._checks import check_choice, check_number
from graphcortex.data._cells import is_empty_number, numbers
from graphcortex.data._columns import unit_of_names
from graphcortex.data._unpickle import DataFileError
from graphcortex.data.schema import MAX_COORDINATE_UM

UNITS = {"um": 1.0, "nm": 1e-3, "mm": 1e3}
"""How many um each unit has."""

SMALLEST_EXTENT_UM = 1.0
"""Nuclei are larger than this, so neurons that are nearer than this all together are in another unit."""

_SAY = "say which: unit='um', unit='nm', unit='mm', or voxel_nm=(4, 4, 40) for voxels of that size"


def positions_um(
    table: pd.DataFrame, names: tuple[str, ...], voxel_nm: Sequence[float] | None, unit: str | None, decimal: str | None
) -> tuple[np.ndarray, str]:
    """Return positions in um, shape ``(rows, 3)``, float64, NaN where a coordinate is missing; and their unit in words.

    Raises:
        DataFileError: If a position is no number, or the unit is unknown or cannot be right.
    """
    given = _coordinates(table, names, decimal)
    there = ~np.isnan(given).any(axis=1)
    if np.isinf(given).any():
        raise DataFileError(f"{', '.join(names)} must be finite, got an infinite coordinate.")
    scale, says = _scale(given[there], names, voxel_nm, unit)
    pos = given * scale
    if there.sum() > 1:
        extent = float(np.ptp(pos[there], axis=0).max())
        if 0 < extent < SMALLEST_EXTENT_UM:
            raise DataFileError(
                f"positions ({', '.join(names)}, {says}) must lie further apart than a nucleus is wide, got an extent of "
                f"{extent:.3g} um over all neurons: they are in another unit; {_SAY}."
            )
    furthest = float(np.abs(pos[there]).max(initial=0.0))
    if furthest > MAX_COORDINATE_UM:
        raise DataFileError(
            f"positions ({', '.join(names)}, {says}) must lie within {MAX_COORDINATE_UM:.0f} um (2 cm) of the origin, "
            f"got a coordinate of {furthest:g} um: they are in another unit; {_SAY}."
        )
    return pos, says


def _scale(
    given: np.ndarray, names: tuple[str, ...], voxel_nm: Sequence[float] | None, unit: str | None
) -> tuple[np.ndarray, str]:
    named = unit_of_names(names)
    if voxel_nm is not None:
        if unit is not None:
            raise DataFileError(f"positions have one unit, got voxel_nm={voxel_nm!r} and unit={unit!r}; give one.")
        if named is not None:
            raise DataFileError(
                f"{', '.join(names)} say that they are in {named}, got voxel_nm={voxel_nm!r}; drop one."
            )
        try:
            sizes = [check_number(size, "each of voxel_nm", above=0) for size in voxel_nm]
        except TypeError:
            sizes = []
        if len(sizes) != 3:
            raise DataFileError(f"voxel_nm must be the size of a voxel in nm along x, y and z, got {voxel_nm!r}.")
        return np.array(sizes) * UNITS["nm"], f"voxels of {sizes[0]:g} x {sizes[1]:g} x {sizes[2]:g} nm"
    if unit is not None:
        check_choice(unit, "unit", UNITS)
        if named not in (None, unit):
            raise DataFileError(f"{', '.join(names)} say that they are in {named}, got unit={unit!r}; drop one.")
        return np.full(3, UNITS[unit]), unit
    if named is not None:
        return np.full(3, UNITS[named]), named
    whole = given.size > 0 and (given == np.round(given)).all() and given.any()
    if whole or np.abs(given).max(initial=0.0) > MAX_COORDINATE_UM:
        low, high = given.min(axis=0).tolist(), given.max(axis=0).tolist()
        raise DataFileError(
            f"positions ({', '.join(names)}) must be in a known unit, got {'whole numbers' if whole else 'values'} from "
            f"{low} to {high}, which look like voxels or nm; {_SAY}."
        )
    return np.ones(3), "um (nobody said; they look like it)"


def _coordinates(table: pd.DataFrame, names: tuple[str, ...], decimal: str | None) -> np.ndarray:
    if len(names) == 3:
        return np.column_stack([numbers(table[name], name, decimal) for name in names])
    rows = [_three(value, names[0]) for value in table[names[0]]]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_BRACKETS = re.compile(rf"[\[(]?\s*({_NUMBER})[\s,;]+({_NUMBER})[\s,;]+({_NUMBER})\s*[\])]?")


def _three(value: Any, name: str) -> list[float]:
    if isinstance(value, str):
        if is_empty_number(value):
            return [np.nan] * 3
        match = _BRACKETS.fullmatch(value.strip()) if len(value) < 300 else None
        if match is None:
            raise DataFileError(f"{name} must hold positions such as '[x y z]', got {value[:80]!r}.")
        return [float(part) for part in match.groups()]
    if isinstance(value, dict):
        value = value.get("coordinates", [value.get(axis) for axis in "xyz"])
    if isinstance(value, (list, tuple, np.ndarray)):
        try:
            row = [np.nan if is_empty_number(part) else float(part) for part in value]
        except (TypeError, ValueError):
            row = []
        if len(row) == 3:
            return row
    elif is_empty_number(value):
        return [np.nan] * 3
    raise DataFileError(f"{name} must hold three coordinates, got {str(value)[:80]!r}.")
