"""A connectome as named arrays and one text, which every file format writes, and back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Batch

from graphcortex.data._digest import digest_of
from graphcortex.data._notes import Notes
from graphcortex.data._unpickle import DataFileError
from graphcortex.data._validate import ConnectomeError
from graphcortex.data.connectome import Connectome
from graphcortex.data.schema import NEURON, STORES, Field, fields_of

_FORMAT = "graphcortex.Connectome"
_VERSION = 2

Levels = dict[str, dict[str, np.ndarray]]
"""Arrays by level (``"neuron"``, ``"synapse"``, ``"coactivity"``) and field."""


def to_levels(connectome: Connectome) -> Levels:
    """Return the arrays of a valid connectome.

    Raises:
        ConnectomeError: If it is not valid, or a batch.
    """
    if isinstance(connectome, Batch):
        raise ConnectomeError("a file holds one connectome, got a batch: write each of batch.to_data_list().")
    connectome.validate()
    there = (*connectome.node_types, *connectome.edge_types)
    return {
        level: {name: value.detach().cpu().numpy() for name, value in connectome[store].items()}
        for level, store in STORES.items()
        if store in there
    }


def to_text(connectome: Connectome, **more: Any) -> str:
    """Return what the arrays do not say, as JSON in ASCII: which fields there are, names, provenance, and a checksum of all."""
    graph = connectome._global_store
    levels = to_levels(connectome)
    record = {"format": _FORMAT, "version": _VERSION, **more}
    record["fields"] = {level: list(arrays) for level, arrays in levels.items()}
    if "names" in graph:
        record["names"] = {field: list(names) for field, names in connectome.names.items()}
    if "provenance" in graph:
        record["provenance"] = _pack(connectome.provenance)
    record["sha256"] = _digest(levels, record)
    return json.dumps(record, indent=1)


def from_text(text: str | bytes, where: str) -> dict[str, Any]:
    """Read what :func:`to_text` wrote.

    Raises:
        DataFileError: If it is something else.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise DataFileError(
            f"{where}: expected a connectome written by graphcortex, got something else or damaged text."
        )
    if record.get("version") != _VERSION:
        raise DataFileError(f"{where}: expected version {_VERSION}, got {record.get('version')!r}; update graphcortex.")
    fields = record.get("fields")
    known = isinstance(fields, dict) and all(
        level in STORES and isinstance(names, list) and all(isinstance(n, str) and n in fields_of(level) for n in names)
        for level, names in fields.items()
    )
    if not known:
        raise DataFileError(
            f"{where}: expected the fields of a connectome, got {str(fields)[:200]}; update graphcortex."
        )
    return record


def to_connectome(levels: Levels, record: Mapping[str, Any], where: str | os.PathLike) -> Connectome:
    """Make the connectome that :func:`to_levels` and :func:`to_text` took apart, and validate it.

    Raises:
        DataFileError: If an array is missing or has another type, or anything is not as it was written.
        ConnectomeError: If the arrays are no valid connectome.
    """
    out = Connectome()
    for level, names in record["fields"].items():
        for name in names:
            array, dtype = levels.get(level, {}).get(name), numpy_type(fields_of(level)[name])
            if array is None or array.dtype != dtype:
                got = "none" if array is None else array.dtype
                raise DataFileError(f"{where}: expected {level} {name} as {dtype}, got {got}; it is damaged.")
            out[STORES[level]][name] = torch.from_numpy(np.array(array, order="C"))
    try:
        for name in ("names", "provenance"):
            if name in record:
                setattr(out, name, record[name] if name == "names" else _unpack(record[name]))
        out.validate()
    except (ValueError, TypeError, RecursionError) as error:
        raise ConnectomeError(f"{where}: {error}") from None
    # What is not valid has been named; the rest would pass for another connectome.
    if record.get("sha256") != _digest({level: levels.get(level, {}) for level in record["fields"]}, record):
        raise DataFileError(
            f"{where}: expected the connectome that was written, got another: it is damaged, or somebody changed it. Write it "
            "again; tables that were changed on purpose are read with from_tables."
        )
    return out


def _digest(levels: Levels, record: Mapping[str, Any]) -> str:
    written = {
        level: {name: array for name, array in arrays.items() if name in record["fields"][level]}
        for level, arrays in levels.items()
    }
    return digest_of(written, json.dumps({name: record[name] for name in sorted(record) if name != "sha256"}))


def numpy_type(field: Field) -> np.dtype:
    """Return the dtype that a field has in NumPy."""
    return np.dtype(str(field.dtype).removeprefix("torch."))


def columns_of(field: Field) -> tuple[str, ...]:
    """Return the columns that hold a field in a table: one, two for edges, or one per coordinate."""
    if field.kind == "edges":
        return "pre", "post"
    if field.name == "pos":
        return "x_um", "y_um", "z_um"
    if len(field.shape) == 2:
        return tuple(f"{field.name}_{i}" for i in range(int(field.shape[1])))
    return (field.name,)


def to_columns(arrays: Mapping[str, np.ndarray], level: str) -> dict[str, np.ndarray]:
    """Return the arrays of one level as columns, one value per neuron or edge."""
    out = {}
    for name, array in arrays.items():
        field = fields_of(level)[name]
        columns = columns_of(field)
        parts = [array] if len(columns) == 1 else array if field.kind == "edges" else array.T
        out.update(zip(columns, parts, strict=True))
    return out


def from_columns(columns: Mapping[str, np.ndarray], level: str, names: list[str]) -> dict[str, np.ndarray]:
    """Return columns as the arrays of one level, the opposite of :func:`to_columns`."""
    out = {}
    for name in names:
        field = fields_of(level)[name]
        parts = [columns[column] for column in columns_of(field)]
        out[name] = parts[0] if len(parts) == 1 else np.stack(parts, axis=0 if field.kind == "edges" else 1)
    return out


def readable_names(connectome: Connectome) -> dict[str, list[str]]:
    """Return the area, layer, type and name of each neuron as text, for those who open a file without this library."""
    names = connectome.names if "names" in connectome._global_store else {}
    return {
        "name" if field == "neuron_name" else f"{field}_name": [
            values[code] for code in connectome[NEURON][field].tolist()
        ]
        for field, values in names.items()
        if field in connectome[NEURON]  # the names of recordings are of edges
    }


def _pack(value: Any) -> Any:
    """Return plain values as JSON knows them; tuples, which it does not, are marked."""
    if isinstance(value, tuple):
        return {"$tuple": [_pack(item) for item in value]}
    if isinstance(value, list):
        return [_pack(item) for item in value]
    if isinstance(value, (dict, Notes)):
        packed = {key: _pack(item) for key, item in value.items()}
        return {"$dict": packed} if any(key.startswith("$") for key in packed) else packed
    return value


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {"$tuple"} and isinstance(value["$tuple"], list):
            return tuple(_unpack(item) for item in value["$tuple"])
        if set(value) == {"$dict"} and isinstance(value["$dict"], dict):
            value = value["$dict"]
        return {key: _unpack(item) for key, item in value.items()}
    return value
