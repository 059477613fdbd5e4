"""A connectome from tables of neurons and synapses, whoever made them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from graphcortex._checks import check_choice
from graphcortex.data._columns import ColumnName
from graphcortex.data._neuron_table import neurons_of
from graphcortex.data._pair_table import coactivity_of, synapses_of
from graphcortex.data._read_table import Table, read_table
from graphcortex.data._synapse_types import SynapseType
from graphcortex.data.connectome import Connectome


def from_tables(
    neurons: Table,
    synapses: Table,
    *,
    coactivity: Table | None = None,
    neuron_id: str | None = None,
    pos: str | Sequence[str] | None = None,
    voxel_nm: Sequence[float] | None = None,
    unit: str | None = None,
    pre: str | None = None,
    post: str | None = None,
    count: ColumnName = None,
    size: ColumnName = None,
    synapse_id: ColumnName = None,
    nucleus_id: ColumnName = None,
    unit_id: ColumnName = None,
    area: ColumnName = None,
    layer: ColumnName = None,
    cell_type: ColumnName = None,
    neuron_fields: Mapping[str, ColumnName] | None = None,
    correlation: ColumnName = None,
    sttc: ColumnName = None,
    precision: ColumnName = None,
    missing_pos: str = "error",
    missing_id: int | str | None = "guess",
    duplicates: str = "error",
    duplicate_synapses: str = "warn",
    synapse_type: SynapseType = None,
    synapse_type_column: ColumnName = None,
    autapses: str = "keep",
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Connectome:
    r"""Make a connectome from a table of neurons and a table of synapses.

    Each table is a ``.csv``, ``.tsv``, ``.txt`` (also packed, ``.csv.gz``) or ``.parquet`` file or a DataFrame. Columns that
    are not named are guessed from the habits of MICrONS (``pt_root_id``, ``pre_pt_root_id``, ``pt_position``), FlyWire and
    neuPrint (``root_id``, ``bodyId``, ``bodyId_pre``, ``somaLocation``, ``syn_count``, ``weight``) and tables of C. elegans
    (names instead of ids); a column is ``False`` to be left out. What was guessed, and how many rows were dropped and why, is
    written into ``provenance``.

    Rows of synapses are single synapses, or pairs where there is a count; rows of one pair are summed, and a synapse
    whose ends are not both among the neurons is left out and counted. A row that repeats another in every column is dropped
    where an id of a synapse proves that they are the same; elsewhere ``duplicate_synapses`` decides. Ids never pass through a
    float: those that did, or lost digits in a spreadsheet, are refused. Bytes are text in UTF-8.

    Args:
        neurons: One row per neuron: id or name, position, and what else is known.
        synapses: One row per synapse, or per pair with a count. Filter it first if not all rows are wanted.
        coactivity: Where given, one row per recorded pair, in either direction; both are made of it. A column ``recording``
            keeps apart what was recorded when.
        neuron_id: Column of the ids or names that the other tables use. Whole numbers become ``root_id`` (or the field
            of the column's name), names ``neuron_name``.
        pos: Column of positions (``"[x y z]"``, lists or arrays), or three columns of x, y and z.
        voxel_nm: Size of a voxel in nm along x, y and z, where positions are in voxels: ``(4, 4, 40)``.
        unit: Unit of positions that are not in voxels: ``"um"``, ``"nm"`` or ``"mm"``. Not needed where column names end
            in ``_um``, ``_nm`` or ``_mm``.
        pre: Column of the presynaptic neuron.
        post: Column of the postsynaptic neuron.
        count: Column of the number of synapses of a row; a row of 0 is no connection.
        size: Column of the size of a synapse (or of those of a pair), summed over a pair.
        synapse_id: Column of the ids of synapses. No two rows that differ may have one, except targets of one
            ``connector_id``.
        nucleus_id: Column of nucleus ids.
        unit_id: Column of functional units.
        area: Column of areas.
        layer: Column of layers.
        cell_type: Column of cell types.
        neuron_fields: Columns of further fields of the neurons: ``{"pref_ori": "ori_rad", "osi": False}``. The fields are
            ``session``, ``scan``, ``field``, ``proofread_axon``, ``proofread_dendrite``, ``neuron_name``, those of tuning and
            the diagonals of co-activity, as :data:`~graphcortex.data.SCHEMA` lists them. Those that are not named are guessed
            by name, preferred angles excepted: their zero, sense and unit must be those of the schema, which no name tells.
        correlation: Column of correlations in ``coactivity``.
        sttc: Column of spike time tiling coefficients in ``coactivity``.
        precision: Column of entries of the inverse covariance in ``coactivity``.
        missing_pos: What to do about a neuron without position: ``"error"``, or ``"drop"`` it with its synapses.
        missing_id: The id that stands for none, such as 0 or -1; ``None`` if each number is an id. ``"guess"`` takes 0, unless
            the ids are the numbers 0 .. N - 1, and warns where 0 may be a neuron. An empty cell is a missing id in any case.
        duplicates: What to do about a neuron with several rows that differ: ``"error"``, ``"drop"`` it, or keep the
            ``"first"`` row. Rows that do not differ are merged.
        duplicate_synapses: What to do about a row of synapses that repeats another in every column, where no id of a synapse
            proves that they are the same: ``"sum"`` them, ``"drop"`` the repeats, or ``"error"``. ``"warn"`` sums them, with a
            warning where rows have a count or a size. Columns that number the rows are not compared.
        synapse_type: Types of synapses to keep, where a table tells them apart: ``"chemical"``, ``"electrical"``, words of the
            column of types (``("S", "Sp")``), or ``"all"`` to sum all types. ``None`` if there is one type. Received rows (R,
            Rp) are turned around, or left out where they repeat the sent ones (S, Sp). Electrical synapses that are listed once
            are added in the other direction.
        synapse_type_column: Column of the types of synapses. Guessed where it tells chemical from electrical synapses.
        autapses: Whether to ``"keep"`` or ``"drop"`` synapses of a neuron onto itself; they are counted in any case.
        separator: What separates the cells of a csv, where its header has several such signs: ``","``, ``";"``, ``"\t"`` or
            ``"|"``. A single one is detected, and a line ``sep=;`` obeyed.
        decimal: The sign before decimals in numbers that are text, ``"."`` or ``","``, where the table does not prove it.
        encoding: Encoding of csv files that are not UTF-8 and have no byte order mark: ``"cp1252"``.
        provenance: More to write into ``provenance``: ``{"licence": ..., "version": ..., "citation": ...}``.

    Returns:
        The connectome: positions in um, synapses by presynaptic and postsynaptic neuron in the order of the table of
        neurons, ``count`` and, where known, summed ``size``.

    Raises:
        DataFileError: If a table cannot be read or can be read in two ways, a column is missing, an id lost digits, positions
            look like voxels or nm and no unit was said, a neuron has no position, no synapse joins two of the neurons, or there
            are several types of synapses and none was chosen.
        ConnectomeError: If what the tables say is not a valid connectome.
        ValueError: If a choice is unknown.

    Example:
        >>> import pandas as pd
        >>> neurons = pd.DataFrame({"name": ["AVAL", "AVAR"], "pos": ["[0 0 0]", "[8 4 30]"], "type": ["inter", "inter"]})
        >>> synapses = pd.DataFrame({"pre": ["AVAL", "AVAL", "AVAL"], "post": ["AVAR", "AVAR", "muscle"]})
        >>> worm = from_tables(neurons, synapses, voxel_nm=(500, 500, 50))
        >>> worm.pos.tolist()
        [[0.0, 0.0, 0.0], [4.0, 2.0, 1.5]]
        >>> worm.synapses["count"], worm.provenance["counts"]["synapses_rows_of_other_neurons"]
        (tensor([2]), 1)
    """
    check_choice(missing_pos, "missing_pos", ("error", "drop"))
    check_choice(duplicates, "duplicates", ("error", "drop", "first"))
    check_choice(duplicate_synapses, "duplicate_synapses", ("warn", "sum", "drop", "error"))
    check_choice(autapses, "autapses", ("keep", "drop"))
    _check_ids_and_types(missing_id, synapse_type)
    _check_csv(separator, decimal, encoding)
    columns: dict[str, Any] = {
        "neuron_id": neuron_id, "nucleus_id": nucleus_id, "unit_id": unit_id, "area": area, "layer": layer,
        "cell_type": cell_type, "pre": pre, "post": post, "count": count, "size": size, "synapse_id": synapse_id,
        "synapse_type_column": synapse_type_column, "correlation": correlation, "sttc": sttc, "precision": precision,
    }  # fmt: skip
    for name, column in {**columns, **(neuron_fields or {})}.items():
        if not (column is None or column is False or isinstance(column, str)):
            raise ValueError(f"{name} must be the name of a column, None to guess it, or False; got {column!r}.")
    form = {"separator": separator, "decimal": decimal, "encoding": encoding}
    cells = read_table(neurons, "neurons", **form)
    read = neurons_of(cells, columns, neuron_fields or {}, pos, voxel_nm, unit, missing_pos, duplicates, missing_id)
    wiring = read_table(synapses, "synapses", **form)
    fields, used, counts, types = synapses_of(wiring, read, columns, autapses, duplicate_synapses, synapse_type)
    notes: dict[str, Any] = {"source": "tables", "neurons": cells.name, "synapses": wiring.name}
    fields = {**read.fields, **fields}
    used, counts = {**read.columns, **used}, {**read.counts, "neurons": len(read.ids), **counts}
    if coactivity is not None:
        activity = read_table(coactivity, "coactivity", **form)
        notes["coactivity"] = activity.name
        more = coactivity_of(activity, read, columns)
        names = {**fields.get("names", {}), **more[0].pop("names", {})}
        fields |= {"names": names} if names else {}
        fields, used, counts = {**fields, **more[0]}, {**used, **more[1]}, {**counts, **more[2]}
    notes |= {"synapse_types": types} if types is not None else {}
    notes |= {
        "unit": read.unit,
        "autapses": autapses,
        "columns": used,
        "columns_not_read": _not_read(cells.table, wiring.table, used),
        "counts": counts,
    }
    return Connectome.from_arrays(**fields, provenance={**notes, **(provenance or {})})


def _check_ids_and_types(missing_id: Any, synapse_type: Any) -> None:
    whole = isinstance(missing_id, int) and not isinstance(missing_id, bool)
    if not (missing_id is None or whole or missing_id == "guess"):
        raise ValueError(f"missing_id must be a whole number, None, or 'guess'; got {missing_id!r}.")
    listed = isinstance(synapse_type, Sequence) and len(synapse_type) and all(isinstance(t, str) for t in synapse_type)
    if not (synapse_type is None or listed):
        raise ValueError(f"synapse_type must be a type, a list of types, 'all' or None; got {synapse_type!r}.")


def _check_csv(separator: Any, decimal: Any, encoding: Any) -> None:
    if separator is not None and not (isinstance(separator, str) and re.fullmatch(r"[^\w\r\n\"'.+-]", separator)):
        raise ValueError(f"separator must be one sign, such as ';' or '\\t', or None to detect it; got {separator!r}.")
    if decimal is not None:
        check_choice(decimal, "decimal", (".", ","))
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except (LookupError, TypeError):
            raise ValueError(f"encoding must be one that Python knows, such as 'cp1252', got {encoding!r}.") from None


def _not_read(cells: pd.DataFrame, wiring: pd.DataFrame, used: Mapping[str, Any]) -> list[str]:
    names = {name for column in used.values() for name in ([column] if isinstance(column, str) else column)}
    return [str(column) for table in (cells, wiring) for column in table.columns if column not in names]
