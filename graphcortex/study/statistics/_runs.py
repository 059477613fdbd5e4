"""Tables of runs as the statistics take them: labels in one form, a group at a time, and a row for each pairing of runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graphcortex._frames import numpy_columns

PAIRING = ("connectome", "protocol", "recurrence", "task", "seed")
"""Runs that agree in these columns share their trials and draws, and are paired over variants."""

_TEXT = ("connectome", "protocol", "recurrence", "task", "variant")


def as_runs(runs: pd.DataFrame, needed: Sequence[str] = ()) -> pd.DataFrame:
    """Return a table of runs in which labels are alike, however they were stored: names are text, and seeds are whole numbers.

    Args:
        runs: A row per run. It is not changed.
        needed: Columns that it must have.

    Raises:
        ValueError: If it is no table, or has not these columns.
    """
    if not isinstance(runs, pd.DataFrame):
        raise ValueError(f"runs must be a pandas.DataFrame, got {type(runs).__name__}.")
    absent = [column for column in needed if column not in runs.columns]
    if absent:
        raise ValueError(f"runs must have the columns {', '.join(needed)}; missing: {', '.join(absent)}.")
    table = numpy_columns(runs)
    labels = {name: table[name].map(str, na_action="ignore").astype(object) for name in _TEXT if name in table}
    return table.assign(**labels, **({"seed": whole_numbers(table["seed"])} if "seed" in table else {}))


def whole_numbers(column: pd.Series) -> pd.Series:
    """Return a column as int64 where each of its values, number or text, is a whole number; as it is otherwise."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.dtype.kind in "iu" or (np.isfinite(numbers).all() and (numbers % 1 == 0).all()):
        return numbers.astype("int64")
    return column


def groups_of(runs: pd.DataFrame, by: Sequence[str]) -> list[tuple[dict[str, object], pd.DataFrame]]:
    """Return each group of runs with the values of its columns, in the order they come; one group if there are no columns."""
    if not by:
        return [({}, runs)]
    return [(dict(zip(by, key, strict=True)), part) for key, part in runs.groupby(list(by), sort=False, dropna=False)]


def values_of(runs: pd.DataFrame, metric: str, *, over: Sequence[str] = PAIRING) -> pd.DataFrame:
    """Return a column per variant and a row per pairing of the runs; NaN where a run is missing, diverged or has no finite value.

    Args:
        runs: What :func:`as_runs` returned.
        metric: Column of the values.
        over: Columns that pair the runs; those that the table lacks are left out.

    Raises:
        ValueError: If two runs claim one place.
    """
    keys = [column for column in over if column in runs.columns]
    values = finite_values(runs, metric)
    places = runs[[*keys, "variant"]]
    if places.duplicated().any():
        twice = places[places.duplicated()].iloc[0]
        where = ", ".join(f"{key} {twice[key]}" for key in keys)
        raise ValueError(
            f"each run must be there once: variant {twice['variant']} has several runs at {where}; drop duplicates."
        )
    values.index = pd.MultiIndex.from_frame(places)
    return values.unstack("variant")[list(dict.fromkeys(places["variant"]))]


def finite_values(runs: pd.DataFrame, metric: str) -> pd.Series:
    """Return a metric of each run, floating point; NaN where the run diverged or its value is not finite."""
    values = runs[metric] if runs[metric].dtype == np.float32 else runs[metric].astype(float)
    values = values.where(np.isfinite(values))
    return values.where(runs["diverged_epoch"].isna()) if "diverged_epoch" in runs.columns else values
