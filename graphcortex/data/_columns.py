"""Which column is what: the habits of MICrONS, FlyWire, neuPrint and tables of C. elegans."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

import pandas as pd

from graphcortex.data._unpickle import DataFileError

ColumnName = str | bool | None
"""A name; ``None`` to guess it; ``False`` to leave the column out."""

HABITS: dict[str, tuple[str, ...]] = {
    "neuron_id": (
        "neuron", "pt_root_id", "root_id", "body_id", "skeleton_id", "neuron_id", "cell_id", "name", "neuron_name", "id",
    ),
    "root_id": ("pt_root_id", "root_id"),
    "nucleus_id": ("nucleus_id", "target_id"),
    "unit_id": ("unit_id",),
    "session": ("session",),
    "scan": ("scan", "scan_idx"),
    "neuron_name": ("name", "neuron_name"),
    "proofread_axon": ("proofread_axon_name", "proofread_axon"),
    "proofread_dendrite": ("proofread_dendrite_name", "proofread_dendrite"),
    "area": ("area_name", "area", "brain_area", "visual_area", "region"),
    "layer": ("layer_name", "layer", "cortical_layer"),
    "cell_type": ("cell_type_name", "cell_type", "type", "primary_type"),
    "pre": (
        "pre", "pre_pt_root_id", "pre_root_id", "body_id_pre", "pre_id", "source", "presynaptic", "neuron_1", "from",
    ),
    "post": (
        "post", "post_pt_root_id", "post_root_id", "body_id_post", "post_id", "target", "postsynaptic", "neuron_2", "to",
    ),
    "count": ("count", "n_syn", "syn_count", "synapses", "synapse_count", "num_synapses", "n_synapses", "nbr", "weight"),
    "size": ("size", "synapse_size", "psd_area_um2"),
    "synapse_id": ("synapse_id", "connector_id", "id"),
    "synapse_type": ("synapse_type", "syn_type", "type", "edge_type", "connection_type", "kind"),
    "correlation": ("correlation",),
    "sttc": ("sttc",),
    "precision": ("precision",),
}  # fmt: skip
"""The names a column goes by, the likeliest first; case, spaces and underscores do not matter."""

_PREFIXES = ("", "pt_position_", "pt_", "pos_", "position_", "soma_", "soma_position_", "nucleus_", "soma_location_")
_SUFFIXES = ("_um", "_nm", "_mm", "")
_TRIPLES = ("pt_position", "position", "pos", "soma_location", "soma_position", "nucleus_position")


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_called(column: str, field: str) -> bool:
    """Say whether a column has one of the names that a field goes by."""
    return _bare(column) in map(_bare, HABITS[field])


def find_column(table: pd.DataFrame, field: str, given: ColumnName, what: str, *, needed: bool = False) -> str | None:
    """Return the column of a field, as the user says or as it is usually called; ``None`` if there is none.

    Raises:
        DataFileError: If the column that the user names is not there, or a needed one cannot be guessed.
    """
    if isinstance(given, str):
        if given not in table.columns:
            raise DataFileError(
                f"{field}={given!r} must be a column of the table of {what}{_nearest(given, table.columns)}"
            )
        return given
    if given is None:
        by_name = _by_bare_name(table.columns)
        for habit in HABITS[field]:
            if _bare(habit) in by_name:
                return by_name[_bare(habit)]
    if needed:
        raise DataFileError(
            f"the table of {what} must have a column for {field}, such as {', '.join(HABITS[field][:4])}; got the "
            f"columns {', '.join(table.columns)}. Name it: {field}='...'."
        )
    return None


def find_positions(table: pd.DataFrame, given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the column of positions, or the three columns of x, y and z.

    Raises:
        DataFileError: If those that the user names are not there, or none can be guessed.
    """
    if given is not None:
        names = (given,) if isinstance(given, str) else tuple(given)
        if len(names) not in (1, 3):
            raise DataFileError(f"pos must name one column, or the three of x, y and z; got {given!r}.")
        for name in names:
            if name not in table.columns:
                raise DataFileError(
                    f"pos={name!r} must be a column of the table of neurons{_nearest(name, table.columns)}"
                )
        return names
    by_name = _by_bare_name(table.columns)
    for suffix in _SUFFIXES:
        for prefix in _PREFIXES:
            names = [_bare(f"{prefix}{axis}{suffix}") for axis in "xyz"]
            if all(name in by_name for name in names):
                return tuple(by_name[name] for name in names)
    for name in (f"{triple}{suffix}" for suffix in _SUFFIXES for triple in _TRIPLES):
        if _bare(name) in by_name:
            return (by_name[_bare(name)],)
    raise DataFileError(
        "the table of neurons must have positions, such as x_um, y_um, z_um or pt_position; got the columns "
        f"{', '.join(table.columns)}. Name them: pos=('...', '...', '...')."
    )


def unit_of_names(names: Iterable[str]) -> str | None:
    """Return the unit that the names of position columns end in, ``"um"``, ``"nm"`` or ``"mm"``, or ``None``."""
    found = {match[1] if (match := re.search(r"_(um|nm|mm)$", name.lower())) else None for name in names}
    return found.pop() if len(found) == 1 else None


def _by_bare_name(columns: Iterable[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    for column in columns:
        out.setdefault(_bare(column), column)
    return out


def _nearest(name: str, columns: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(columns), n=1)
    return f"; did you mean {close[0]!r}? It has {', '.join(columns)}." if close else f"; it has {', '.join(columns)}."
