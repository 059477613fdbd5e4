"""Neurons of a table of matches: one row per nucleus, and a count of each that is left out, by why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from graphcortex.data import _cave_tables as tables
from graphcortex.data._cave_retry import CaveError

Rows = Callable[..., pd.DataFrame]
"""``rows(table, columns, **within)`` returns rows of a table: all, or those whose column is one of some ids."""


class Tally:
    """Numbers of neurons, matches and synapses that came in, and of those that were dropped.

    Attributes:
        input: How many came in, by what they are.
        dropped: How many were dropped, by what they are and why. What came in is what goes out and all that was dropped.
    """

    def __init__(self) -> None:
        self.input: dict[str, int] = {}
        self.dropped: dict[str, dict[str, int]] = {}

    def add(self, kind: str, number: int) -> None:
        """Note how many came in."""
        self.input[kind] = int(number)
        self.dropped[kind] = {}

    def drop(self, kind: str, why: str, number: int) -> None:
        """Note how many were dropped for one reason."""
        self.dropped[kind][why] = int(number)

    def keep(self, kind: str, why: str, frame: pd.DataFrame, keep: pd.Series | np.ndarray) -> pd.DataFrame:
        """Return the rows to keep, and note how many are dropped."""
        rest = frame[np.asarray(keep, dtype=bool)]
        self.drop(kind, why, len(frame) - len(rest))
        return rest


def choose_neurons(
    names: dict[str, Any], filters: dict[str, Any], rows: Rows, tally: Tally, *, neuron_class: str = "excitatory"
) -> pd.DataFrame:
    """Return the neurons that were asked for, sorted by nucleus, each with the unit that represents it.

    Args:
        names: The tables to use, by role (see :class:`~graphcortex.data.MicronsCAVE`).
        filters: What was asked for, by the names of its arguments.
        rows: What reads a table.
        tally: Takes the numbers.
        neuron_class: The class of the neurons.

    Raises:
        CaveError: If no neuron is left, a table does not tell classes apart, or a nucleus has no position.
    """
    units = rows(names["coregistration"], tables.COLUMNS["coregistration"])
    tally.add("matches", len(units))
    units = tally.keep("matches", "without nucleus", units, units["target_id"] != 0)
    tally.add("neurons", units["target_id"].nunique())
    fitting = tally.keep("matches", "excluded by scans, min_score or max_residual", units, _fitting(units, filters))
    out = pd.DataFrame({"nucleus_id": np.sort(units["target_id"].unique())})
    why = "with no match that scans, min_score and max_residual allow"
    out = tally.keep("neurons", why, out, out["nucleus_id"].isin(fitting["target_id"]))
    _require(out, "co-registered unit", "scans, min_score and max_residual")

    out = _typed(out, names["cell_type"], filters["cell_types"], rows, tally, neuron_class)
    if "area" in names:
        out["area"] = _areas(out["nucleus_id"], names["area"], rows)
        if filters["areas"] is not None:
            out = tally.keep("neurons", "in another area", out, out["area"].isin(filters["areas"]))
    _require(out, "neuron", "areas")

    out = _placed(out, names["nucleus"], rows, tally)
    if "proofreading" in names:
        out = _proofread(out, names["proofreading"], filters["proofread"], rows, tally)
    _require(out, "neuron", "proofread, or another version")
    lost = out[~np.isfinite(out[["x", "y", "z"]]).all(axis=1)]
    if len(lost):
        others = f" and {len(lost) - 1:,} others" if len(lost) > 1 else ""
        raise CaveError(
            f"CAVE, {names['nucleus']}: expected a position of every nucleus, got {lost[['x', 'y', 'z']].iloc[0].tolist()} "
            f"for nucleus {lost['nucleus_id'].iloc[0]}{others}; choose scans, cell_types or areas without it, or another "
            "version."
        )
    return out.merge(_best_units(fitting, names["tuning"], out["nucleus_id"], rows, tally), on="nucleus_id")


def _fitting(units: pd.DataFrame, filters: dict[str, Any]) -> pd.Series:
    """Return which matches of units with nuclei were asked for."""
    keep = pd.Series(True, index=units.index)
    if filters["min_score"] is not None:
        keep &= units["score"] >= filters["min_score"]
    if filters["max_residual"] is not None:
        keep &= units["residual"] <= filters["max_residual"]
    if filters["scans"] is not None:
        scan = units["session"].astype(str) + "_" + units["scan_idx"].astype(str)
        keep &= scan.isin(filters["scans"]) | (scan + "_" + units["field"].astype(str)).isin(filters["scans"])
    return keep


def _typed(
    out: pd.DataFrame, table: str, cell_types: list[str] | None, rows: Rows, tally: Tally, neuron_class: str
) -> pd.DataFrame:
    """Return the neurons of one class, with their cell type."""
    types = rows(table, tables.COLUMNS["cell_type"], target_id=out["nucleus_id"])
    pairs = types[["classification_system", "cell_type"]].drop_duplicates()
    pairs["class"] = [tables.neuron_class(*pair) for pair in pairs.itertuples(index=False)]
    if len(pairs) and not pairs["class"].any():
        system, name = pairs.iloc[0, :2]
        raise CaveError(
            f"CAVE, {table}: expected a table that tells excitatory neurons from others, got classification_system "
            f"{system!r} with cell_type {name!r}; choose another cell_type_table."
        )
    types = types.merge(pairs).drop_duplicates(["target_id", "class", "cell_type"])
    ambiguous = types.loc[types["target_id"].duplicated(), "target_id"]
    types = types.drop_duplicates("target_id").set_index("target_id")
    out = tally.keep("neurons", "without a cell type", out, out["nucleus_id"].isin(types.index))
    out = tally.keep("neurons", "with two cell types", out, ~out["nucleus_id"].isin(ambiguous)).copy()
    out[["class", "cell_type"]] = types.loc[out["nucleus_id"], ["class", "cell_type"]].to_numpy()
    out = tally.keep("neurons", "of an unknown class", out, out["class"] != "")
    out = tally.keep("neurons", f"not {neuron_class}", out, out["class"] == neuron_class).drop(columns="class")
    if cell_types is not None:
        out = tally.keep("neurons", "of another cell type", out, out["cell_type"].isin(cell_types))
    _require(out, f"{neuron_class} neuron", "cell_types")
    return out


def _areas(nuclei: pd.Series, table: str, rows: Rows) -> pd.Series:
    """Return the area of each nucleus; nothing where there is none, or where two rows name different ones."""
    areas = rows(table, tables.COLUMNS["area"], target_id=nuclei).drop_duplicates(["target_id", "tag"])
    areas = areas.drop_duplicates("target_id", keep=False)
    return nuclei.map(areas.set_index("target_id")["tag"]).fillna("")


def _placed(out: pd.DataFrame, table: str, rows: Rows, tally: Tally) -> pd.DataFrame:
    """Return the neurons with their segment and position, without those whose segment is none or a merger."""
    columns = tables.COLUMNS["nucleus"]
    nucleus = rows(table, columns, id=out["nucleus_id"])
    nucleus.columns = ["nucleus_id", "root_id", "x", "y", "z"]
    out = tally.keep("neurons", "missing in the table of nuclei", out, out["nucleus_id"].isin(nucleus["nucleus_id"]))
    out = out.merge(nucleus, on="nucleus_id")
    out = tally.keep("neurons", "without segment", out, out["root_id"] != 0)
    sharing = rows(table, columns, pt_root_id=out["root_id"])["pt_root_id"].value_counts()
    alone = out["root_id"].map(sharing).to_numpy() == 1
    return tally.keep("neurons", "in a segment with several nuclei", out, alone).copy()


def _proofread(out: pd.DataFrame, table: str, wanted: str | None, rows: Rows, tally: Tally) -> pd.DataFrame:
    """Return the neurons with what of them was proofread, those that fit if something must have been."""
    columns = [name for name, kind in tables.COLUMNS["proofreading"] if kind == "flag"]
    # The id at which the segment was judged: after a later edit it is another segment.
    status = rows(table, tables.COLUMNS["proofreading"]).groupby("valid_id")[columns].any()
    for name in columns:
        out[name.replace("status", "proofread")] = out["root_id"].isin(status.index[status[name]])
    for end in {"both": ("axon", "dendrite"), None: ()}.get(wanted, (wanted,)):
        out = tally.keep("neurons", f"whose {end} was not proofread", out, out[f"proofread_{end}"])
    return out


def _best_units(
    units: pd.DataFrame, tuning_tables: Iterable[str], nuclei: pd.Series, rows: Rows, tally: Tally
) -> pd.DataFrame:
    """Return one unit of each nucleus, with its tuning."""
    units = tally.keep("matches", "of neurons that were dropped", units, units["target_id"].isin(nuclei))
    units = units.drop(columns="id")
    order, ascending = ["residual"], [True]
    frames = []
    for name in tuning_tables:
        tuning = tables.TUNINGS[name]
        frames.append(tuning.in_our_terms(rows(name, tuning.query_columns, target_id=nuclei).drop(columns="id")))
    if frames:
        key = tables.unit_columns()
        units = units.merge(pd.concat(frames).drop_duplicates(key), on=key, how="left")
        order, ascending = ["cc_abs", "residual"], [False, True]
    place = ["session", "scan_idx", "unit_id", "field"]
    units = units.sort_values([*order, *place], ascending=[*ascending, *[True] * 4], kind="stable")
    units = tally.keep("matches", "further units of the same neuron", units, ~units.duplicated("target_id"))
    units = units.drop(columns=["residual", "score"])
    return units.rename(columns={"target_id": "nucleus_id", "scan_idx": "scan"})


def _require(neurons: pd.DataFrame, what: str, remedy: str) -> None:
    if neurons.empty:
        raise CaveError(f"CAVE: expected at least one {what}, got none; check {remedy}.")
