"""Fields of one volume, stitched into one connectome."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from graphcortex._checks import check_number
from graphcortex.data import _stitch as stitch
from graphcortex.data._named import NamedDataset
from graphcortex.data._stitch import PER_RECORDING, VolumeError
from graphcortex.data._volume_report import FieldCounts, VolumeReport
from graphcortex.data.connectome import Connectome
from graphcortex.data.fields import MicronsFields
from graphcortex.data.schema import NEURON, fields_of

_FROM_NOTES = {"session": "session", "scan": "scan", "field": "plane"}
"""Where :class:`MicronsFields` notes what the entries of a field share."""

_CODES = [name for name, field in fields_of("neuron").items() if field.kind == "code"]


class MicronsVolume(NamedDataset):
    """Fields stitched into one :class:`~graphcortex.data.Connectome` by nucleus id: a dataset of one graph, ``"volume"``.

    - **Neurons.** Entries of one nucleus id are one neuron; entries without one (0) stay apart. Neurons keep the order in which
      they first appear. Position, root id, area, layer, type and proofreading are of the cell: the first known value is kept.
      Unit, session, scan, field, tuning and the diagonals are of a recording: those of the first recording that has a unit are
      kept, and all units of a neuron that was recorded more than once are listed in ``provenance["units"]``, by nucleus id
      (which stays when the graph is cut or its neurons are renamed).
    - **Synapses.** A pair seen in several fields is one edge, its count the greatest seen (fields are queries of one wiring, so
      a smaller count has missed some, and a sum would count twice), and so is its size.
    - **Co-activity** stays per recording: ``coactivity.recording`` is the code of each edge's field, whose names are
      ``names["recording"]``, and a pair recorded in two fields has an edge for each. Pairs that were never recorded together
      have no edge: they are unknown, not zero.

    What was repeated, merged, contradictory or missing is in :attr:`report`, and its numbers in ``provenance["volume"]``.

    Args:
        fields: Connectomes, such as a :class:`MicronsFields`; or names of fields in ``root``.
        root: Folder of the fields, for names.
        tolerance_um: How far the positions of one nucleus may lie apart, in um.
        transform: Applied to the volume each time it is asked for.

    Raises:
        VolumeError: If there is no field; or, when the volume is asked for, if two fields have one name, are volumes already, or
            contradict each other in the position of a nucleus, in root ids, or in having names for codes.

    Example:
        >>> from graphcortex.data import SyntheticCortex
        >>> volume = MicronsVolume(SyntheticCortex(12, 2, duration_s=60, rng=0))
        >>> volume[0].num_neurons, volume.report.unknown_nuclei
        (24, 24)
    """

    def __init__(
        self,
        fields: Iterable[Connectome] | Sequence[str],
        *,
        root: str | os.PathLike | None = None,
        tolerance_um: float = 1.0,
        transform: Callable[[Connectome], Any] | None = None,
    ):
        super().__init__(None, transform=transform)
        self.tolerance_um = check_number(tolerance_um, "tolerance_um", minimum=0.0)
        if isinstance(fields, (str, Connectome)):
            fields = [fields]
        if not isinstance(fields, MicronsFields):
            fields = list(fields)
            if fields and all(isinstance(item, str) for item in fields):
                if root is None:
                    raise VolumeError("names of fields need root, the folder that holds them; got None.")
                fields = MicronsFields(root, names=fields)
        if len(fields) == 0:
            raise VolumeError("a volume must have at least one field, got none.")
        self._fields = fields
        self._made: tuple[Connectome, VolumeReport] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the one graph."""
        return ("volume",)

    @property
    def report(self) -> VolumeReport:
        """What was repeated, merged, contradictory or missing; printable."""
        return self._stitched()[1]

    def len(self) -> int:
        """Return the number of graphs, 1."""
        return 1

    def get(self, idx: int) -> Connectome:
        """Return the volume; it is stitched when it is first asked for."""
        return self._stitched()[0].clone()

    def _position(self, name: str) -> int:
        if name != "volume":
            raise VolumeError(f"name must be 'volume', got {name!r}.")
        return 0

    def _stitched(self) -> tuple[Connectome, VolumeReport]:
        if self._made is None:
            self._made = stitch_fields(list(self._fields), self.tolerance_um)
        return self._made

    def __repr__(self) -> str:
        return f"MicronsVolume({len(self._fields)} fields, tolerance {self.tolerance_um:g} um)"


def stitch_fields(graphs: Sequence[Connectome], tolerance_um: float) -> tuple[Connectome, VolumeReport]:
    """Stitch fields into one connectome; see :class:`MicronsVolume`.

    Args:
        graphs: The fields.
        tolerance_um: How far the positions of one nucleus may lie apart, in um.

    Returns:
        The connectome and its report.

    Raises:
        VolumeError: If the fields are not parts of one volume.
    """
    names = _field_names(graphs)
    members = stitch.match_neurons(graphs)
    apart = stitch.position_errors(graphs, members, names, tolerance_um)
    N = members.num_neurons
    columns = {name: [_column(graph, name) for graph in graphs] for name in fields_of("neuron") if name != "pos"}
    columns = {name: column for name, column in columns.items() if any(part is not None for part in column)}
    code_names = _common_codes(graphs, columns, names)
    home = members.first
    if "unit_id" in columns:
        home = stitch.first_where(torch.cat(_filled(columns["unit_id"], graphs)) != 0, members)
    arrays: dict[str, Any] = {"pos": torch.cat([graph.pos for graph in graphs])[members.first]}
    missing, conflicts = [], {}
    for name, column in columns.items():
        arrays[name], differing = stitch.merge_neuron_field(name, column, members, home)
        lacking = [field for field, part in zip(names, column, strict=True) if part is None]
        if lacking:
            kept = "left out" if arrays[name] is None else "unknown there"
            missing.append(f"{name} of {', '.join(lacking)} ({kept})")
        if differing:
            conflicts[name] = differing
    _name_unknown(arrays, code_names)
    _check_roots(arrays)
    synapses = stitch.merge_synapses(graphs, members)
    if synapses.size is None and any("size" in graph.synapses for graph in graphs):
        lacking = [name for name, graph in zip(names, graphs, strict=True) if "size" not in graph.synapses]
        missing.append(f"size of the synapses of {', '.join(lacking)} (left out)")
    coactivity, lacking = _coactivity(graphs, members, names)
    missing += lacking
    if coactivity:
        code_names["recording"] = names
    repeated = members.times > 1
    recorded = [_recorded_pairs(graph, members.of(k), N) for k, graph in enumerate(graphs)]
    together, times = torch.cat(recorded).unique(return_counts=True)
    report = VolumeReport(
        fields=tuple(
            FieldCounts(
                name,
                graph.num_neurons,
                int(repeated[members.of(k)].sum()),
                graph.synapses.num_edges,
                recorded[k].numel(),
            )
            for k, (name, graph) in enumerate(zip(names, graphs, strict=True))
        ),
        neurons=N,
        repeated_neurons=int(repeated.sum()),
        unknown_nuclei=int((arrays["nucleus_id"] == 0).sum()) if "nucleus_id" in arrays else N,
        greatest_distance_um=apart,
        tolerance_um=tolerance_um,
        connected_pairs=synapses.count.numel(),
        merged_pairs=synapses.seen_twice,
        other_counts=synapses.other_count,
        unseen_pairs=synapses.unseen,
        recorded_pairs=together.numel(),
        rerecorded_pairs=int((times > 1).sum()),
        pairs_in_no_field=N * (N - 1) // 2 - stitch.distinct_pairs([members.of(k) for k in range(len(graphs))], N),
        conflicts=conflicts,
        missing=tuple(missing),
    )
    connectome = Connectome.from_arrays(
        synapse_index=synapses.edge_index,
        count=synapses.count,
        size=synapses.size,
        names=code_names or None,
        provenance={
            "source": "MicronsVolume",
            **_common(graphs),
            "fields": list(names),
            "recordings": [_notes(graph) for graph in graphs],
            "units": _units(names, columns, members, arrays, graphs),
            "volume": report.to_dict(),
        },
        **arrays,
        **coactivity,
    )
    return connectome, report


def _notes(graph: Connectome) -> dict[str, Any]:
    return dict(graph.provenance) if "provenance" in graph._global_store else {}


def _common(graphs: Sequence[Connectome]) -> dict[str, Any]:
    """Return the licence, version and citation that all fields have in common."""
    notes = [_notes(graph) for graph in graphs]
    return {
        name: notes[0][name]
        for name in ("licence", "version", "citation")
        if all(name in other and other[name] == notes[0][name] for other in notes)
    }


def _field_names(graphs: Sequence[Connectome]) -> list[str]:
    names = []
    for number, graph in enumerate(graphs):
        if not isinstance(graph, Connectome):
            raise VolumeError(f"fields must be connectomes (or all of them names), got {type(graph).__name__}.")
        graph.validate()
        if graph.has_coactivity and "recording" in graph.coactivity:
            raise VolumeError(
                f"field {number} must be one recording, got a volume already; stitch all its fields at once."
            )
        names.append(str(_notes(graph).get("field", f"field_{number}")))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise VolumeError(
            f"each field must have a name of its own, got {repeated[0]!r} more than once; give it once, or set "
            'provenance["field"].'
        )
    return names


def _column(graph: Connectome, name: str) -> Tensor | None:
    """Return one field of the neurons; of session, scan and imaging plane, what the notes of MicronsFields say."""
    value = graph[NEURON].get(name)
    notes = _notes(graph)
    if value is None and name in _FROM_NOTES and notes.get("source") == "MICrONS":
        value = torch.full((graph.num_neurons,), int(notes[_FROM_NOTES[name]]))
    return value


def _filled(column: list[Tensor | None], graphs: Sequence[Connectome]) -> list[Tensor]:
    pairs = zip(column, graphs, strict=True)
    return [torch.zeros(g.num_neurons, dtype=torch.int64) if part is None else part for part, g in pairs]


def _common_codes(graphs: Sequence[Connectome], columns: dict[str, list], fields: list[str]) -> dict[str, list[str]]:
    """Turn the codes of each field into codes of the volume, in place, and return the names of these."""
    common: dict[str, list[str]] = {}
    for name in [name for name in _CODES if name in columns]:
        named = [graph.names.get(name) if "names" in graph._global_store else None for graph in graphs]
        having = [k for k, part in enumerate(columns[name]) if part is not None]
        if all(named[k] is None for k in having):
            continue
        lacking = [fields[k] for k in having if named[k] is None]
        if lacking:
            raise VolumeError(
                f"codes of {name} must have names in every field that has them, got none in {', '.join(lacking)}; "
                f"set names[{name!r}]."
            )
        common[name] = list(dict.fromkeys(text for k in having for text in named[k]))
        for k in having:
            table = torch.tensor([common[name].index(text) for text in named[k]], dtype=torch.int64)
            columns[name][k] = table[columns[name][k]]
    return common


def _name_unknown(arrays: dict[str, Any], code_names: dict[str, list[str]]) -> None:
    """Give the code -1, of what is not known, a name."""
    for name in _CODES:
        if name in arrays and bool((arrays[name] < 0).any()):
            if name not in code_names:
                raise VolumeError(
                    f"codes of {name} must have names where some fields lack them, got none; set names[{name!r}]."
                )
            if "unknown" not in code_names[name]:
                code_names[name].append("unknown")
            arrays[name] = arrays[name].where(arrays[name] >= 0, code_names[name].index("unknown"))


def _check_roots(arrays: dict[str, Any]) -> None:
    roots = arrays.get("root_id")
    if roots is None:
        return
    values, times = roots[roots != 0].unique(return_counts=True)
    if bool((times > 1).any()):
        root = int(values[times > 1][0])
        which = (roots == root).nonzero().flatten()
        nuclei = arrays["nucleus_id"][which].tolist() if "nucleus_id" in arrays else [0] * which.numel()
        raise VolumeError(
            f"a root id must be of one neuron: expected one nucleus for root {root}, got nuclei {nuclei} (0 is unknown); "
            "the fields are of different versions, or lack nucleus ids."
        )


def _coactivity(
    graphs: Sequence[Connectome], members: stitch.Members, names: list[str]
) -> tuple[dict[str, Tensor], list[str]]:
    """Put the recorded pairs of all fields one after the other, and say what is missing."""
    having = [k for k, graph in enumerate(graphs) if graph.has_coactivity]
    if not having:
        return {}, ["co-activity of every field"]
    missing = [f"co-activity of {names[k]}" for k in range(len(graphs)) if k not in having]
    arrays = {
        "coactivity_index": torch.cat([members.of(k)[graphs[k].coactivity.edge_index] for k in having], dim=1),
        "recording": torch.cat([torch.full((graphs[k].coactivity.num_edges,), k) for k in having]),
    }
    for name in ("correlation", "sttc", "precision"):
        lacking = [names[k] for k in having if name not in graphs[k].coactivity]
        if not lacking:
            arrays[name] = torch.cat([graphs[k].coactivity[name] for k in having])
        elif len(lacking) < len(having):
            missing.append(f"{name} of {', '.join(lacking)} (left out)")
    return arrays, missing


def _recorded_pairs(graph: Connectome, number: Tensor, num_neurons: int) -> Tensor:
    """Return a key of each unordered pair that a field has co-activity of, each once."""
    if not graph.has_coactivity:
        return torch.empty(0, dtype=torch.int64)
    one, other = number[graph.coactivity.edge_index]
    return (torch.minimum(one, other) * num_neurons + torch.maximum(one, other)).unique()


def _units(
    names: list[str],
    columns: dict[str, list],
    members: stitch.Members,
    arrays: dict[str, Any],
    graphs: Sequence[Connectome],
) -> dict[str, list[dict[str, Any]]]:
    """List every recording of each neuron that was recorded more than once, by nucleus id."""
    units: dict[str, list[dict[str, Any]]] = {}
    repeated = members.times > 1
    kept = [name for name in PER_RECORDING if name in columns]
    for k in range(len(graphs)):
        numbers = members.of(k)
        rows = repeated[numbers].nonzero().flatten()
        values = {name: columns[name][k][rows].tolist() for name in kept if columns[name][k] is not None}
        for i, nucleus in enumerate(arrays["nucleus_id"][numbers[rows]].tolist() if rows.numel() else []):
            entry = {"recording": names[k]} | {name: column[i] for name, column in values.items()}
            units.setdefault(str(nucleus), []).append(entry)
    return units
