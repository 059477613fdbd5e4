"""A table of synapses, or of pairs of neurons, between known neurons."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from graphcortex.data._cells import is_empty_number, numbers
from graphcortex.data._columns import ColumnName, find_column
from graphcortex.data._ids import NO_ID, name_ids, whole_ids
from graphcortex.data._neuron_table import Neurons
from graphcortex.data._read_table import Source
from graphcortex.data._synapse_types import SynapseType, find_types, of_types
from graphcortex.data._unpickle import DataFileError

MEASURES = ("correlation", "sttc", "precision")
_ASYMMETRY = 1e-6
_ROW_NUMBERS = re.compile(r"|index|level_0|Unnamed: [0-9]+")
"""Names of columns that number the rows: they make each row differ from the others, and say nothing of it."""


def synapses_of(
    source: Source,
    neurons: Neurons,
    columns: Mapping[str, ColumnName],
    autapses: str,
    duplicates: str,
    chosen: SynapseType,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, int], list[str] | None]:
    """Return the synapses among the neurons as arguments of ``from_arrays``, the columns read, what was counted, and types.

    Raises:
        DataFileError: If a column is missing or wrong, no synapse joins two of the neurons, or rows have several types of which
            none was chosen.
    """
    table = source.table
    pre, post = (find_column(table, name, columns[name], "synapses", needed=True) for name in ("pre", "post"))
    used = {name: find_column(table, name, columns[name], "synapses") for name in ("count", "size", "synapse_id")}
    used["synapse_type"] = find_types(table, columns["synapse_type_column"])
    if chosen is not None and used["synapse_type"] is None:
        raise DataFileError(
            f"synapse_type={chosen!r} needs a column of types, got the columns {', '.join(table.columns)}. Name it: "
            "synapse_type_column='...'."
        )
    counts = {"synapse_rows": len(table)}
    table = _without_repeats(table, used, duplicates, counts)
    _check_ids(table, used["synapse_id"], pre, post)
    ends, joined = _ends(table, neurons, (pre, post), "synapses", counts)
    read = pd.DataFrame({"pre": ends[0], "post": ends[1]})
    read["count"] = _whole_counts(table[used["count"]], used["count"], source.decimal) if used["count"] else 1
    if used["size"]:
        read["size"] = numbers(table[used["size"]], used["size"], source.decimal)
    counts["pairs_without_synapses"] = int((joined & (read["count"] == 0)).sum())
    connected = joined & (read["count"] > 0).to_numpy()
    read, kinds = read[connected], None
    if used["synapse_type"]:
        types = table[used["synapse_type"]][connected]
        read, kinds, counted = of_types(read, types, chosen, neurons.ids)
        counts |= counted
    if used["size"] and (read["size"].isna().any() or not (read["size"] >= 0).all()):
        raise DataFileError(
            f"{used['size']} must hold a size of at least 0 for each synapse, got {int(read['size'].isna().sum())} of "
            f"{len(read)} without one and {int((read['size'] < 0).sum())} below 0; drop these rows, or pass size=False."
        )
    loops = read["pre"] == read["post"]
    counts["autapse_synapses"] = int(read.loc[loops, "count"].sum())
    if autapses == "drop":
        read = read[~loops]
    pairs = read.groupby(["pre", "post"], sort=True)
    fields: dict[str, Any] = {"count": pairs["count"].sum().to_numpy(dtype=np.int64)}
    index = pairs["count"].sum().index
    fields["synapse_index"] = np.array([index.get_level_values(i) for i in (0, 1)], dtype=np.int64).reshape(2, -1)
    if used["size"]:
        fields["size"] = pairs["size"].sum().to_numpy(dtype=np.float64)
    counts["synapses"] = int(fields["count"].sum())
    counts["pairs"] = len(fields["count"])
    used = {"pre": pre, "post": post, **{name: column for name, column in used.items() if column}}
    return fields, used, counts, kinds


def coactivity_of(
    source: Source, neurons: Neurons, columns: Mapping[str, ColumnName]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, int]]:
    """Return the co-activity of pairs of the neurons, both directions, as arguments of ``from_arrays``.

    Raises:
        DataFileError: If a column is missing or wrong, or both directions of a pair differ.
    """
    table = source.table
    used = {name: find_column(table, name, columns[name], "coactivity") for name in MEASURES}
    used = {name: column for name, column in used.items() if column}
    if not used:
        raise DataFileError(
            f"the table of coactivity must have a column of {', '.join(MEASURES)}, got the columns "
            f"{', '.join(table.columns)}. Name it: correlation='...'."
        )
    # The names of ends that the user gives are those of the synapses; here they hold where they are there.
    given = {name: columns[name] if columns[name] in table.columns else None for name in ("pre", "post")}
    pre, post = (find_column(table, name, given[name], "coactivity", needed=True) for name in ("pre", "post"))
    recording = next((name for name in ("recording_name", "recording") if name in table.columns), None)
    counts = {"coactivity_rows": len(table)}
    ends, joined = _ends(table, neurons, (pre, post), "coactivity", counts)
    read = pd.DataFrame({"pre": ends[0], "post": ends[1]})
    for name, column in used.items():
        read[name] = numbers(table[column], column, source.decimal)
    keys = ["pre", "post"]
    if recording:
        read["recording"], recordings = pd.factorize(table[recording].astype(str), sort=True)
        keys.append("recording")
    read = read[joined]
    known = read.notna().all(axis=1) & (read["pre"] != read["post"])
    counts["coactivity_rows_without_value_or_of_one_neuron"] = int((~known).sum())
    read = read[known]
    both = pd.concat([read, read.rename(columns={"pre": "post", "post": "pre"})[read.columns]])
    pairs = both.groupby(keys, sort=True)
    spread = (pairs.max() - pairs.min())[list(used)]
    if spread.size and float(spread.to_numpy().max()) > _ASYMMETRY:
        name = spread.max().idxmax()
        i, j, *_ = spread[name].idxmax()
        raise DataFileError(
            f"{used[name]} must be one value for each pair and recording, whatever the direction, got several for "
            f"{neurons.ids[i]} and {neurons.ids[j]}; keep one of them."
        )
    values = pairs.first()
    index = np.array([values.index.get_level_values(i) for i in (0, 1)], dtype=np.int64).reshape(2, -1)
    fields = {"coactivity_index": index, **{name: values[name].to_numpy(dtype=np.float64) for name in used}}
    if recording:
        fields["recording"] = values.index.get_level_values(2).to_numpy(dtype=np.int64)
        fields["names"] = {"recording": [str(name) for name in recordings]}
        used["recording"] = recording
    counts["coactivity_pairs"] = index.shape[1]
    return fields, used, counts


def _without_repeats(
    table: pd.DataFrame, used: Mapping[str, str | None], duplicates: str, counts: dict[str, int]
) -> pd.DataFrame:
    """Leave out rows that repeat another in every column, if an id proves it or the user says so."""
    rows = table[[name for name in table.columns if not _ROW_NUMBERS.fullmatch(name)]]
    again = (_repeated(rows) if len(rows) else pd.Series(dtype=bool)).to_numpy(dtype=bool)
    proven = np.zeros(len(table), dtype=bool)
    # A connector may have several targets that are one neuron: it proves nothing.
    if used["synapse_id"] and not _is_connector(used["synapse_id"]):
        proven[again] = ~_without_id(table[used["synapse_id"]][again])
    unclear = int((again & ~proven).sum())
    counts["synapse_rows_repeated"] = int(again.sum())
    # Where a row is one synapse and holds nothing but its ends, rows that are alike are the rule.
    if unclear and duplicates == "warn" and (used["count"] or used["size"]):
        warnings.warn(
            f"{unclear} of {len(table)} rows of synapses repeat another in every column, and no id of a synapse proves that they "
            "are the same: they are summed, as rows per region whose column of regions was cut off must be. Pass "
            "duplicate_synapses='sum' if this is right, or 'drop' if rows were entered twice.",
            stacklevel=4,
        )
    if unclear and duplicates == "error":
        row = int((again & ~proven).argmax())
        raise DataFileError(
            f"the table of synapses must have rows that differ, got {unclear} of {len(table)} that repeat another, such as row "
            f"{row}; pass duplicate_synapses='sum' if they are several synapses of one pair, or 'drop' if they were entered twice."
        )
    dropped = again if duplicates == "drop" else proven
    counts["synapse_rows_dropped_as_repeats"] = int(dropped.sum())
    return table[~dropped]


def _repeated(table: pd.DataFrame) -> pd.Series:
    try:
        return table.duplicated()
    except TypeError:  # a list in a cell cannot be hashed
        return table.astype(str).duplicated()


def _without_id(ids: pd.Series) -> np.ndarray:
    return ids.map(lambda value: is_empty_number(value) or str(value).strip() in ("0", "0.0")).to_numpy(dtype=bool)


def _ends(
    table: pd.DataFrame, neurons: Neurons, names: tuple[str, str], what: str, counts: dict[str, int]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the numbers of both neurons of each row, and a mask of the rows where both are among the neurons."""
    index = pd.Index(neurons.ids)
    none = [""] if neurons.named else [NO_ID] if neurons.missing_id is None else [NO_ID, neurons.missing_id]
    found, missing = [], np.zeros(len(table), dtype=bool)
    for name in names:
        ids = name_ids(table[name], name) if neurons.named else whole_ids(table[name], name, others=True, none=NO_ID)
        place = index.get_indexer(ids)
        missing |= np.isin(ids, none)
        found.append(place)
    joined = (found[0] >= 0) & (found[1] >= 0)
    counts[f"{what}_rows_without_an_end"] = int(missing.sum())
    counts[f"{what}_rows_of_other_neurons"] = int((~joined & ~missing).sum())
    if len(table) and not joined.any():
        raise DataFileError(
            f"the table of {what} must join neurons of the table of neurons, got none of {len(table)} rows that does: ends "
            f"are {_some(table[names[0]])} ({names[0]}) and {_some(table[names[1]])} ({names[1]}), neurons are "
            f"{_some(neurons.ids)}; both must be of one version, and neuron_id, pre and post the right columns."
        )
    return found, joined


def _some(values: Any) -> str:
    return ", ".join(str(value) for value in list(values[:3])) + (", ..." if len(values) > 3 else "")


def _check_ids(table: pd.DataFrame, name: str | None, pre: str, post: str) -> None:
    """Refuse one id of two synapses. A connector of CATMAID has one presynaptic side and many postsynaptic ones."""
    if name is None:
        return
    ids = table[name]
    again = ids.duplicated(keep=False)
    if not again.any():
        return
    again &= ~_without_id(ids)
    if _is_connector(name):
        again &= table.groupby(name)[pre].transform("nunique") > 1
    if again.any():
        raise DataFileError(
            f"{name} must name each synapse once, got {ids[again].iloc[0]} in rows that differ: tables of two versions may "
            "be mixed; keep one, or pass synapse_id=False if this is no id of a synapse."
        )


def _is_connector(name: str) -> bool:
    """Say whether ids are those of connectors of CATMAID, which have one presynaptic side and several targets."""
    return name.lower().replace("_", "").replace(" ", "") == "connectorid"


def _whole_counts(column: pd.Series, name: str, decimal: str | None) -> np.ndarray:
    values = numbers(column, name, decimal)
    wrong = ~(np.isfinite(values) & (values >= 0) & (values == np.floor(values)) & (values < 2**53))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataFileError(
            f"{name} must hold whole counts of synapses, got {str(column.iloc[row])!r} in row {row}; if it is a size or "
            f"strength, pass size={name!r} and count=False."
        )
    return values.astype(np.int64)
