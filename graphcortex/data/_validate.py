"""What a connectome must satisfy: each check walks the schema and says expected, got and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from graphcortex._checks import check_edge_index, check_finite
from graphcortex.data._notes import Notes, is_plain
from graphcortex.data.schema import BOUND_TOLERANCE, MAX_COORDINATE_UM, STORES, Field, fields_of, suggestion

if TYPE_CHECKING:
    from graphcortex.data.connectome import Connectome


class ConnectomeError(ValueError):
    """Something is not a valid connectome, or a connectome lacks what was asked of it."""


_TO_UM = "multiply voxels by their size in um (MICrONS: 0.004, 0.004, 0.04), or nm by 0.001"
_WHOLE = {
    "id": "read ids as int64 from the start: a float keeps 53 bits, so the last digits are already lost",
    "count": "convert them with .astype('int64') if they are whole numbers",
    "code": "give whole numbers from 0, and their names in names",
    "edges": "convert it with .astype('int64') if it holds whole numbers",
}


def as_tensor(value: Any, field: Field, label: str) -> Tensor:
    """Return a tensor or array as a tensor of the dtype of ``field``, where no digit is lost.

    Raises:
        ConnectomeError: If the values are of the wrong kind, such as ids stored as floats.
    """
    if value is None:
        raise ConnectomeError(f"{label} must be given, got None.")
    if isinstance(value, np.ma.MaskedArray):
        value = _unmasked(value, field, label)
    if isinstance(value, Tensor) and value.dtype in (torch.uint16, torch.uint32, torch.uint64):
        value = value.detach().cpu().numpy()
    if isinstance(value, Tensor):
        value = value.detach()
        kind = "f" if value.is_floating_point() else "b" if value.dtype == torch.bool else "i"
        kind, got = ("c" if value.is_complex() else kind), str(value.dtype)
    else:
        try:
            value = np.asarray(value)
        except ValueError:
            raise ConnectomeError(f"{label} must be an array of numbers, got rows of different lengths.") from None
        kind, got = value.dtype.kind, str(value.dtype)
        if value.size == 0 and field.kind != "value":
            value, kind = value.astype(np.int64), "i"
        if kind == "u":
            if value.size and int(value.max()) > np.iinfo(np.int64).max:
                raise ConnectomeError(f"{label} must fit into int64 (at most 2**63 - 1), got {int(value.max())}.")
            value, kind = value.astype(np.int64), "i"
    if kind not in "fi":
        raise ConnectomeError(f"{label} must hold numbers within int64 or float64, got an array of {got}.")
    if field.kind != "value" and kind != "i":
        raise ConnectomeError(f"{label} must hold whole numbers (int64), got {got}; {_WHOLE[field.kind]}.")
    if field.name == "pos" and kind != "f":
        raise ConnectomeError(
            f"pos must be floating point, in um, got {got}: whole numbers look like voxels or nm; {_TO_UM}."
        )
    if not isinstance(value, Tensor):
        # A copy: byte order and read-only memory (of a file, say) are not carried into the tensor.
        value = torch.from_numpy(np.array(value, dtype=np.float64 if kind == "f" else np.int64, order="C"))
    return value.to(field.dtype)


def _unmasked(value: np.ma.MaskedArray, field: Field, label: str) -> np.ndarray:
    """Return the array behind a mask; what is masked is missing: NaN, or id 0, in a field that may have gaps."""
    if not np.ma.is_masked(value):
        return value.data
    if field.gaps:
        return value.astype(np.float64).filled(np.nan)
    if field.kind == "id":
        return value.filled(0)
    raise ConnectomeError(
        f"{label} must have a value everywhere, got {int(value.mask.sum())} that are masked; fill them first."
    )


def check_connectome(graph: Connectome) -> None:
    """Check one connectome (not a batch) against the schema.

    Raises:
        ConnectomeError: At the first thing that does not fit.
    """
    for key in (*graph.node_types, *graph.edge_types):
        if key not in STORES.values():
            raise ConnectomeError(f"a connectome holds {', '.join(map(repr, STORES.values()))}; got {key!r}.")
    stores = {level: graph[key] for level, key in STORES.items() if key in (*graph.node_types, *graph.edge_types)}
    stores["graph"] = graph._global_store
    for level in (*STORES, "graph"):
        if level not in stores:
            if level in ("neuron", "synapse"):
                raise ConnectomeError(
                    f"a connectome must hold {STORES[level]!r}, got none; see Connectome.from_arrays."
                )
            continue
        known = fields_of(level)
        for name in stores[level].keys():
            if name not in known:
                raise ConnectomeError(f"unknown field {name!r} of level {level!r}; {suggestion(name, level)}.")
        for name, field in known.items():
            if field.required and name not in stores[level]:
                raise ConnectomeError(f"field {name!r} of level {level!r} must be there, got none.")
    pos = stores["neuron"]["pos"]
    if not isinstance(pos, Tensor) or pos.dim() != 2:
        got = tuple(pos.shape) if isinstance(pos, Tensor) else type(pos).__name__
        raise ConnectomeError(f"pos must be a tensor of shape (N, 3), in um, got {got}.")
    for level in STORES:
        for name, field in fields_of(level).items():
            if name in stores.get(level, {}):
                label = f"{level}_index" if name == "edge_index" else name
                _check_tensor(stores[level][name], field, label, len(pos), stores[level], pos.device)
    for name, notes in stores["graph"].items():
        if not isinstance(notes, Notes):
            raise ConnectomeError(
                f"{name} must be a mapping, got {type(notes).__name__}; set connectome.{name} = {{...}}."
            )
    _check_names(graph)
    if "provenance" in stores["graph"] and not is_plain(graph.provenance):
        raise ConnectomeError(
            f"provenance must map text to plain values (text, numbers, lists and dicts of them), got "
            f"{graph.provenance!r}; write anything else as text."
        )


def _check_tensor(value: Any, field: Field, label: str, N: int, store: Any, device: torch.device) -> None:
    if not isinstance(value, Tensor):
        raise ConnectomeError(f"{label} must be a tensor, got {type(value).__name__}; see Connectome.from_arrays.")
    if field.name == "pos" and not value.is_floating_point():
        raise ConnectomeError(f"pos must be float32, in um, got {value.dtype}, as voxels or nm have; {_TO_UM}.")
    if value.dtype != field.dtype:
        reason = f"; {_WHOLE['id']}" if field.kind == "id" and value.is_floating_point() else ""
        raise ConnectomeError(f"{label} must be {field.dtype}, got {value.dtype}{reason}.")
    if value.device != device:
        raise ConnectomeError(f"{label} must be on the device of pos, {device}, got {value.device}.")
    try:
        if field.kind == "edges":
            check_edge_index(value, N, label)
            return _check_pairs(value, label, N, field.level, store.get("recording"))
        edges = store["edge_index"].size(-1) if "E" in field.shape else 0
        shape = tuple({"N": N, "E": edges}.get(part, part) for part in field.shape)
        if tuple(value.shape) != shape:
            what = "edge" if "E" in field.shape else "neuron"
            raise ConnectomeError(f"{label} must have shape {shape}, one row per {what}; got {tuple(value.shape)}.")
        if value.is_floating_point():
            if field.gaps:
                value = value[~value.isnan()]
            check_finite(value, label)
    except ConnectomeError:
        raise
    except ValueError as error:
        raise ConnectomeError(str(error)) from None
    if value.numel():
        _check_bounds(value, field, label)
    return None


def _check_bounds(value: Tensor, field: Field, label: str) -> None:
    low, high = (v.item() for v in torch.aminmax(value))
    slack = BOUND_TOLERANCE if value.is_floating_point() and field.high is not None else 0
    if (field.low is not None and low < field.low - slack) or (field.high is not None and high > field.high + slack):
        expected = f"at least {field.low}" + (f" and at most {field.high}" if field.high is not None else "")
        raise ConnectomeError(f"{label} must be {expected}, got values from {low} to {high}.")
    if field.name == "pos" and max(-low, high) > MAX_COORDINATE_UM:
        raise ConnectomeError(
            f"pos must be in um, within {MAX_COORDINATE_UM:.0f} um (2 cm) of the origin, got values from {low:g} to "
            f"{high:g}, which look like voxels or nm; {_TO_UM}."
        )
    if field.unique:
        ids, times = value[value != 0].unique(return_counts=True)
        if bool((times > 1).any()):
            raise ConnectomeError(
                f"{label} must name each neuron once (0 where it is missing), got {int(ids[times > 1][0])} more than "
                "once; merge or drop the repeated neurons."
            )


def _check_pairs(edge_index: Tensor, label: str, N: int, level: str, recording: Any = None) -> None:
    keys = edge_index[0] * N + edge_index[1]
    # A recording of another shape or dtype is refused when its own turn comes.
    known = isinstance(recording, Tensor) and recording.shape == keys.shape and recording.dtype == torch.int64
    if known:
        keys = keys + recording * (N * N)
    # Ascending keys do not repeat, and need no sorting to know it: half of what it takes to read a field.
    ascending = bool((keys[1:] > keys[:-1]).all())
    values, times = (keys, keys) if ascending else keys.unique(return_counts=True)
    if values.numel() != keys.numel():
        pair = divmod(int(values[times > 1][0]) % (N * N), N)
        remedy = "merge repeated pairs (torch_geometric.utils.coalesce sums their counts)"
        raise ConnectomeError(
            f"{label} must hold each ordered pair once{' per recording' if known else ''}, got {pair[0]} -> {pair[1]} "
            f"more than once; {remedy}."
        )
    loops = edge_index[0] == edge_index[1]
    if level == "coactivity" and bool(loops.any()):
        neuron = int(edge_index[0][loops][0])
        raise ConnectomeError(
            f"{label} must not pair a neuron with itself, got {neuron} -> {neuron}; the diagonal of a matrix goes to "
            "self_correlation, self_sttc and self_precision."
        )


def _check_names(graph: Connectome) -> None:
    # No two codes have one name, whatever they are of.
    codes = {name: level for level in STORES for name, field in fields_of(level).items() if field.kind == "code"}
    names = graph.names if "names" in graph._global_store else {}
    for name, values in names.items():
        if name not in codes:
            raise ConnectomeError(f"names must be those of {', '.join(codes)}; got names of {name!r}.")
        store = graph[STORES[codes[name]]] if STORES[codes[name]] in (*graph.node_types, *graph.edge_types) else {}
        if name not in store:
            raise ConnectomeError(f"names of {name!r} need its codes, got none; pass {name}= to from_arrays.")
        if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
            raise ConnectomeError(f"the names of {name!r} must be a list of text, got {values!r}.")
        code = store[name]
        if code.numel() and int(code.max()) >= len(values):
            raise ConnectomeError(
                f"the names of {name!r} must cover its codes 0 .. {int(code.max())}, got {len(values)}: {values!r}."
            )
