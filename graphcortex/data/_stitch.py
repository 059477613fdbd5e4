"""How fields become one graph: which neurons are one, which edges are one, and what becomes of their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graphcortex.data._validate import ConnectomeError
from graphcortex.data.connectome import Connectome
from graphcortex.data.schema import NEURON, fields_of

PER_RECORDING = (
    "unit_id", "session", "scan", "field", "pref_ori", "pref_dir", "osi", "dsi", "gosi", "gdsi", "cc_abs", "cc_max",
    "readout_x", "readout_y", "self_correlation", "self_sttc", "self_precision",
)  # fmt: skip
"""What a neuron has anew in each recording; all else is of the cell."""


class VolumeError(ConnectomeError):
    """Fields contradict each other, so that they are not parts of one volume."""


@dataclass(frozen=True)
class Members:
    """Which entries of the fields, one after the other, are which neuron.

    Attributes:
        number: Neuron of each entry, shape ``(M,)``.
        first: First entry of each neuron, shape ``(N,)``.
        start: Where each field's entries start, and their end, of length fields + 1.
    """

    number: Tensor
    first: Tensor
    start: list[int]

    @property
    def num_neurons(self) -> int:
        """Distinct neurons."""
        return self.first.numel()

    @property
    def times(self) -> Tensor:
        """Entries of each neuron, shape ``(N,)``."""
        return torch.bincount(self.number, minlength=self.num_neurons)

    def of(self, field: int) -> Tensor:
        """Return the neuron of each entry of a field."""
        return self.number[self.start[field] : self.start[field + 1]]


def match_neurons(graphs: Sequence[Connectome]) -> Members:
    """Say which entries are one neuron: those of one nucleus id. Entries without one (0) are neurons of their own."""
    nucleus = torch.cat([ids_of(graph) for graph in graphs])
    M = nucleus.numel()
    entry = torch.arange(M)
    known = nucleus != 0
    _, group = nucleus[known].unique(return_inverse=True)
    groups = int(group.max()) + 1 if group.numel() else 0
    earliest = torch.full((groups,), M).scatter_reduce(0, group, entry[known], "amin")
    leader = entry.clone()
    leader[known] = earliest[group]
    is_first = leader == entry
    number = (is_first.cumsum(0) - 1)[leader]
    start = [0]
    for graph in graphs:
        start.append(start[-1] + graph.num_neurons)
    return Members(number, is_first.nonzero().flatten(), start)


def ids_of(graph: Connectome) -> Tensor:
    """Return the nucleus ids of a field, 0 where there are none."""
    return graph[NEURON].get("nucleus_id", torch.zeros(graph.num_neurons, dtype=torch.int64))


def position_errors(graphs: Sequence[Connectome], members: Members, names: Sequence[str], tolerance_um: float) -> float:
    """Return the greatest distance, in um, between an entry and the first entry of its neuron.

    Raises:
        VolumeError: If it is above the tolerance.
    """
    pos = torch.cat([graph.pos for graph in graphs]).double()
    apart = (pos - pos[members.first[members.number]]).norm(dim=1)
    if not apart.numel() or float(apart.max()) <= tolerance_um:
        return float(apart.max()) if apart.numel() else 0.0
    worst = int(apart.argmax())
    first = int(members.first[members.number[worst]])
    one, other = (names[sum(start <= entry for start in members.start) - 1] for entry in (first, worst))
    nucleus = int(torch.cat([ids_of(graph) for graph in graphs])[worst])
    raise VolumeError(
        f"a neuron must have one position: expected nucleus {nucleus} within {tolerance_um:g} um in all fields, got "
        f"{_triple(pos[first])} um in {one} and {_triple(pos[worst])} um in {other}, {float(apart[worst]):g} um apart "
        f"({int((apart > tolerance_um).sum())} entries are too far); check the ids and units of both, or raise "
        "tolerance_um."
    )


def _triple(row: Tensor) -> str:
    return f"({', '.join(f'{value:.2f}' for value in row.tolist())})"


def merge_neuron_field(
    name: str, columns: Sequence[Tensor | None], members: Members, home: Tensor
) -> tuple[Tensor | None, int]:
    """Merge one field of the neurons.

    Args:
        name: The field.
        columns: Its values in each field, None where it has none. Codes are those of the volume, -1 unknown.
        members: Which entry is which neuron.
        home: The entry that a neuron's values of one recording come from, shape ``(N,)``.

    Returns:
        The values of the neurons, None where some are unknown and the schema has no way to say so; and how many neurons have
        two known values that differ, for what is of the cell.
    """
    field = fields_of("neuron")[name]
    if field.kind == "value" and not field.gaps and any(column is None for column in columns):
        return None, 0
    blank = {"value": torch.nan, "code": -1}.get(field.kind, 0)
    parts = [
        torch.full((members.start[k + 1] - members.start[k],), blank, dtype=field.dtype) if column is None else column
        for k, column in enumerate(columns)
    ]
    values = torch.cat(parts)
    if name in PER_RECORDING:
        return values[home], 0
    known = values != blank
    source = first_where(known, members)
    merged = values[source]
    differs = known & (values != merged[members.number])
    return merged, int(members.number[differs].unique().numel())


def first_where(wanted: Tensor, members: Members) -> Tensor:
    """Return the first wanted entry of each neuron, or its first entry where none is wanted, shape ``(N,)``."""
    M = wanted.numel()
    entry = torch.where(wanted, torch.arange(M), M)
    found = torch.full((members.num_neurons,), M).scatter_reduce(0, members.number, entry, "amin")
    return torch.where(found < M, found, members.first)


@dataclass(frozen=True)
class MergedSynapses:
    """The connected pairs of a volume, each once.

    Attributes:
        edge_index: Shape ``(2, E)``.
        count: The greatest count of each pair, shape ``(E,)``.
        size: The greatest size of each pair, shape ``(E,)``; None where a field has none.
        seen_twice: Pairs seen in two fields or more.
        other_count: Those whose counts differ.
        unseen: Pairs that a field holds both neurons of, but does not connect, while another does.
    """

    edge_index: Tensor
    count: Tensor
    size: Tensor | None
    seen_twice: int
    other_count: int
    unseen: int


def merge_synapses(graphs: Sequence[Connectome], members: Members) -> MergedSynapses:
    """Merge the connected pairs of all fields."""
    N = members.num_neurons
    edges = torch.cat([members.of(k)[graph.synapses.edge_index] for k, graph in enumerate(graphs)], dim=1)
    keys, where = (edges[0] * N + edges[1]).unique(return_inverse=True)
    counts = torch.cat([graph.synapses["count"] for graph in graphs])
    most, least = (_reduced(counts, where, keys.numel(), how) for how in ("amax", "amin"))
    times = torch.bincount(where, minlength=keys.numel())
    edge_index = torch.stack([keys // max(N, 1), keys % max(N, 1)])
    chances = torch.zeros_like(times)
    for k in range(len(graphs)):
        held = torch.zeros(N, dtype=torch.bool)
        held[members.of(k)] = True
        chances += held[edge_index[0]] & held[edge_index[1]]
    sizes = [graph.synapses.get("size") for graph in graphs]
    size = None if any(part is None for part in sizes) else _reduced(torch.cat(sizes), where, keys.numel(), "amax")
    return MergedSynapses(
        edge_index, most, size, int((times > 1).sum()), int((most != least).sum()), int((chances > times).sum())
    )


def _reduced(values: Tensor, where: Tensor, length: int, how: str) -> Tensor:
    return torch.zeros(length, dtype=values.dtype).scatter_reduce(0, where, values, how, include_self=False)


def distinct_pairs(groups: Sequence[Tensor], num_neurons: int) -> int:
    """Count the unordered pairs of neurons that stand together in one group at least; only repeated neurons can share more."""
    times = torch.bincount(torch.cat(list(groups)), minlength=num_neurons) if groups else torch.zeros(0)
    pairs, shared, repeated = 0, [], 0
    for group in groups:
        twice = group[times[group] > 1].sort().values
        rows = torch.triu_indices(twice.numel(), twice.numel(), 1)
        shared.append(twice[rows[0]] * num_neurons + twice[rows[1]])
        pairs += group.numel() * (group.numel() - 1) // 2
        repeated += rows.size(1)
    return pairs - repeated + (torch.cat(shared).unique().numel() if shared else 0)
