"""Types of synapses: chemical and electrical rows of a table are told apart, and rows that show a synapse from its other side."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from graphcortex.data._cells import is_missing
from graphcortex.data._columns import HABITS, ColumnName, find_column, is_called
from graphcortex.data._ids import distinct
from graphcortex.data._unpickle import DataFileError

SynapseType = str | Sequence[str] | None
"""``"chemical"``, ``"electrical"``, words of the column of types, or ``"all"``; ``None`` if rows have one type."""

_SENT = {"s", "sp", "send", "sendpoly"}
_RECEIVED = {"r", "rp", "receive", "receivepoly"}
_CHEMICAL = {"chemical", "chem", "chemicalsynapse", "chemicalsynapses"}
_ELECTRICAL = {
    "electrical", "electric", "elec", "electricalsynapse", "electricalsynapses", "electricaljunction", "electricjunction", "ej",
    "gap", "gj", "gapjunction", "gapjunctions",
}  # fmt: skip
_SIDES = _SENT | _RECEIVED | _ELECTRICAL | {"nmj"}
"""Words of White et al. (1986), https://doi.org/10.1098/rstb.1986.0056, as on WormAtlas; elsewhere S and R have other meanings."""


def find_types(table: pd.DataFrame, given: ColumnName) -> str | None:
    """Return the column of types: the one that is named, or one of a usual name that tells chemical from electrical rows."""
    if given is not None:
        return find_column(table, "synapse_type", given, "synapses")
    for habit in HABITS["synapse_type"]:
        for column in table.columns:
            if is_called(column, "synapse_type") and _bare(column) == _bare(habit) and _tells_types(table[column]):
                return column
    return None


def _tells_types(column: pd.Series) -> bool:
    try:
        words = {_bare(value) for value in distinct(column, str(column.name))[1] if not is_missing(value)}
    except DataFileError:
        return False
    return bool(words & (_CHEMICAL | _ELECTRICAL)) or (bool(words & (_SENT | _RECEIVED)) and words <= _SIDES)


def _bare(value: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(value).lower())


def _kind(word: str, sides: bool) -> str:
    bare = _bare(word)
    if bare in _ELECTRICAL:
        return "electrical"
    return "chemical" if bare in _CHEMICAL or (sides and bare in _SIDES) else word


def of_types(
    rows: pd.DataFrame, column: pd.Series, chosen: SynapseType, names: Sequence
) -> tuple[pd.DataFrame, list[str], dict[str, int]]:
    """Return the synapses of the chosen types, each once and from the sending to the receiving neuron.

    Received rows (R, Rp) are turned around; where they repeat what is sent, they are left out. Electrical synapses conduct both
    ways: where each pair is listed once, the other direction is added.

    Args:
        rows: ``pre`` and ``post`` (numbers of neurons), ``count`` and perhaps ``size``, one row per row of the table.
        column: The type of each row.
        chosen: What to keep.
        names: What the table calls each neuron, for messages.

    Returns:
        The rows, the types that they have, and what was counted.

    Raises:
        DataFileError: If there are several types and none was chosen, there is none of the chosen, or directions disagree.
    """
    label = str(column.name)
    codes, values = distinct(column, label)
    words = np.array([*("unknown" if is_missing(v) else str(v).strip() for v in values), "unknown"], dtype=object)[
        codes
    ]
    sides = {_bare(value) for value in values if not is_missing(value)} <= _SIDES
    kinds = np.array([_kind(word, sides) for word in words], dtype=object)
    wanted = _wanted(words, kinds, chosen, label)
    rows = rows.assign(word=[_bare(word) for word in words], kind=kinds)[wanted]
    counts = {"synapse_rows_of_other_types": int((~wanted).sum())}
    if sides:
        rows, counts["synapse_rows_seen_from_the_other_side"] = _each_once(rows, label, names)
    rows, counts["electrical_rows_added"] = _both_ways(rows, label, names)
    return rows.drop(columns=["word", "kind"]), sorted(set(kinds[wanted])), counts


def _wanted(words: np.ndarray, kinds: np.ndarray, chosen: SynapseType, label: str) -> np.ndarray:
    there = ", ".join(f"{kind} ({(kinds == kind).sum()} rows)" for kind in sorted(set(kinds)))
    if chosen is None:
        if len(set(kinds)) > 1:
            raise DataFileError(
                f"{label} must be one type of synapse, or synapse_type must choose, got {there}: pass synapse_type='chemical', "
                "'electrical' or words of the column to keep these rows, synapse_type='all' to sum all of them."
            )
        return np.ones(len(words), dtype=bool)
    if isinstance(chosen, str) and chosen == "all":
        return np.ones(len(words), dtype=bool)
    wanted = np.zeros(len(words), dtype=bool)
    for choice in [chosen] if isinstance(chosen, str) else chosen:
        rows = (kinds == choice) | (words == choice)
        if len(words) and not rows.any():
            raise DataFileError(
                f"synapse_type must name types in {label}, got {choice!r}; there are {there}, as "
                f"{', '.join(sorted(set(words))[:10])}."
            )
        wanted |= rows
    return wanted


def _each_once(rows: pd.DataFrame, label: str, names: Sequence) -> tuple[pd.DataFrame, int]:
    """Turn received rows around, and leave them out where they repeat the sent ones."""
    received = rows["word"].isin(_RECEIVED)
    if not received.any():
        return rows, 0
    turned = _turned(rows[received])
    sent = rows[rows["word"].isin(_SENT)]
    both = pd.concat({"sent": _totals(sent), "received": _totals(turned)}, axis=1)
    if both["sent"].isna().all() or not both.notna().all(axis=1).any():
        return pd.concat([rows[~received], turned]), int(received.sum())
    differ = both[both["sent"] != both["received"]]
    if differ.empty:
        return rows[~received], int(received.sum())
    i, j = differ.index[0]
    first = differ.fillna(0).astype(int).iloc[0]
    raise DataFileError(
        f"{label} must list each synapse as sent (S), as received (R), or as both with equal counts, got {len(differ)} of "
        f"{len(both)} pairs that differ, such as {names[i]} to {names[j]}: {first['sent']} sent, {first['received']} received. "
        "Choose one side by its words: synapse_type=('S', 'Sp')."
    )


def _both_ways(rows: pd.DataFrame, label: str, names: Sequence) -> tuple[pd.DataFrame, int]:
    """Return electrical synapses in both directions."""
    electrical = rows[(rows["kind"] == "electrical") & (rows["pre"] != rows["post"])]
    if electrical.empty:
        return rows, 0
    turned = _turned(electrical)
    both = pd.concat({"there": _totals(electrical), "back": _totals(turned)}, axis=1)
    mirrored = both.notna().all(axis=1)
    if not mirrored.any():
        return pd.concat([rows, turned]), len(turned)
    differ = both[both["there"] != both["back"]]
    if differ.empty:
        return rows, 0
    i, j = differ.index[0]
    first = differ.fillna(0).astype(int).iloc[0]
    raise DataFileError(
        f"{label} must list each electrical synapse once, or in both directions with equal counts, got "
        f"{len(differ) // 2} of {len(both) // 2} pairs that do neither, such as {names[i]} and {names[j]}: {first['there']} one "
        f"way, {first['back']} the other. Correct them; or keep the electrical rows alone, and pass synapse_type_column=False to "
        "read them as directed."
    )


def _turned(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.rename(columns={"pre": "post", "post": "pre"})[rows.columns]


def _totals(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby(["pre", "post"])["count"].sum()
