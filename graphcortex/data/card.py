"""What a connectome is, on one card: how large, how dense, in what unit, from where, and what is missing."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree
from torch_geometric.data import Batch

from graphcortex.data._validate import ConnectomeError
from graphcortex.data.schema import NEURON, STORES, fields_of

if TYPE_CHECKING:
    from graphcortex.data.connectome import Connectome

_ORIGIN = {
    "source": ("source",),
    "version": ("version", "materialization", "materialisation", "commit", "time_stamp"),
    "licence": ("licence", "license"),
    "citation": ("citation", "cite", "doi"),
}
_WIDTH = 110  # characters of a printed line
_LONGEST = 320  # characters of one entry of the provenance
_MOST_NAMES = 12  # of areas, layers and types on the printed card


@dataclass(frozen=True)
class Spread:
    """How values lie: their least, median, mean and greatest; all NaN where there are none."""

    low: float
    median: float
    mean: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> Spread:
        """Summarise values of any shape."""
        if values.size == 0:
            return cls(*[float("nan")] * 4)
        return cls(float(values.min()), float(np.median(values)), float(values.mean()), float(values.max()))

    def __str__(self) -> str:
        return f"median {self.median:.4g}, mean {self.mean:.4g}, {self.low:.4g} to {self.high:.4g}"


@dataclass(frozen=True)
class Card:
    """A description of one connectome; ``print`` it, or read its numbers.

    Attributes:
        num_neurons: Neurons.
        extent_um: Size of the box around all neurons along x, y and z, in um.
        nearest_um: Distance of each neuron to its nearest, in um.
        names: Neurons by area, layer, cell type, ...: ``{"cell_type": {"E": 80, "I": 20}}``, the largest first.
        num_pairs: Connected ordered pairs, self-connections among them.
        num_synapses: Synapses.
        num_self_connections: Neurons with a synapse onto themselves.
        density: Connected pairs of two neurons as a share of all such ordered pairs.
        reciprocity: Share of the connected pairs of two neurons that are connected in the other direction too.
        num_unconnected: Neurons without synapses to or from another.
        out_degree: Targets of each neuron, itself left out.
        in_degree: Sources of each neuron, itself left out.
        synapses_per_pair: Synapses of each connected pair.
        size_per_pair: Summed size of each pair's synapses, ``None`` where unknown.
        num_recorded_pairs: Ordered pairs with recorded activity.
        recorded: These as a share of all ordered pairs of two neurons.
        coactivity: Each measure of the recorded pairs.
        fields: The fields that are there, by level.
        missing: The fields that are not, by level.
        origin: Source, version, licence and citation, ``"not stated"`` where the provenance has none.
        provenance: What else the provenance says.
    """

    num_neurons: int
    extent_um: tuple[float, float, float]
    nearest_um: Spread
    names: dict[str, dict[str, int]]
    num_pairs: int
    num_synapses: int
    num_self_connections: int
    density: float
    reciprocity: float
    num_unconnected: int
    out_degree: Spread
    in_degree: Spread
    synapses_per_pair: Spread
    size_per_pair: Spread | None
    num_recorded_pairs: int
    recorded: float
    coactivity: dict[str, Spread]
    fields: dict[str, tuple[str, ...]]
    missing: dict[str, tuple[str, ...]]
    origin: dict[str, str]
    provenance: dict[str, Any] = field(repr=False, default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def describe(connectome: Connectome) -> Card:
    """Return the card of a connectome; see :meth:`Connectome.describe`.

    Raises:
        ConnectomeError: If it is not valid, or a batch.
    """
    if isinstance(connectome, Batch):
        raise ConnectomeError("a card is of one connectome, got a batch: describe each of batch.to_data_list().")
    connectome.validate()
    N = connectome.num_neurons
    pos = connectome.pos.cpu().double().numpy()
    source, target = connectome.synapses.edge_index.cpu().numpy()
    count = connectome.synapses["count"].cpu().numpy()
    others = source != target
    key, back = source[others] * N + target[others], target[others] * N + source[others]
    out_degree, in_degree = (np.bincount(ends[others], minlength=N) for ends in (source, target))
    pairs, wired = N * (N - 1), int(others.sum())
    size = connectome.synapses["size"].cpu().numpy() if "size" in connectome.synapses else None
    activity = connectome.coactivity if connectome.has_coactivity else {}
    recorded = connectome.coactivity.num_edges if connectome.has_coactivity else 0
    stores = {level: connectome[store] for level, store in STORES.items() if level != "coactivity" or activity}
    has = {level: tuple(n for n in fields_of(level) if n in stores.get(level, {})) for level in STORES}
    notes = dict(connectome.provenance) if "provenance" in connectome._global_store else {}
    told = {what: next((n for n in names if notes.get(n) not in (None, "")), None) for what, names in _ORIGIN.items()}
    origin = {what: "not stated" if name is None else str(notes[name]) for what, name in told.items()}
    return Card(
        num_neurons=N,
        extent_um=tuple(np.ptp(pos, axis=0).tolist()) if N else (0.0, 0.0, 0.0),
        nearest_um=Spread.of(cKDTree(pos).query(pos, k=2)[0][:, 1] if N > 1 else np.empty(0)),
        names=_counted(connectome),
        num_pairs=len(count),
        num_synapses=int(count.sum()),
        num_self_connections=len(count) - wired,
        density=wired / pairs if pairs else float("nan"),
        reciprocity=float(np.isin(key, back).mean()) if wired else float("nan"),
        num_unconnected=int((out_degree + in_degree == 0).sum()),
        out_degree=Spread.of(out_degree),
        in_degree=Spread.of(in_degree),
        synapses_per_pair=Spread.of(count),
        size_per_pair=None if size is None else Spread.of(size),
        num_recorded_pairs=recorded,
        recorded=recorded / pairs if pairs else float("nan"),
        coactivity={
            name: Spread.of(activity[name].cpu().numpy())
            for name in has["coactivity"]
            if fields_of("coactivity")[name].kind == "value"
        },
        fields=has,
        missing={level: tuple(name for name in fields_of(level) if name not in has[level]) for level in STORES},
        origin=origin,
        provenance={name: value for name, value in notes.items() if name not in told.values()},
    )


def _counted(connectome: Connectome) -> dict[str, dict[str, int]]:
    names = connectome.names if "names" in connectome._global_store else {}
    out = {}
    for level_field in fields_of("neuron").values():
        if level_field.kind == "code" and level_field.name != "neuron_name" and level_field.name in connectome[NEURON]:
            codes, counts = np.unique(connectome[NEURON][level_field.name].cpu().numpy(), return_counts=True)
            words = names.get(level_field.name)
            found = [(words[c] if words else f"code {c}", int(n)) for c, n in zip(codes, counts, strict=True)]
            tally: dict[str, int] = {}
            for word, n in sorted(found, key=lambda item: -item[1]):
                tally[word] = tally.get(word, 0) + n  # two codes may have one name
            out[level_field.name] = tally
    return out


def _lines(card: Card):
    x, y, z = card.extent_um
    yield f"Connectome of {card.num_neurons:,} neurons, {card.num_pairs:,} connected pairs, {card.num_synapses:,} synapses"
    yield from _section(
        "Neurons",
        {
            "extent": f"{x:.0f} x {y:.0f} x {z:.0f} um",
            "nearest neuron": f"{card.nearest_um} um" if card.num_neurons > 1 else "none",
            **{name.replace("_", " "): _tally(counts) for name, counts in card.names.items()},
        },
    )
    pairs = card.num_pairs > 0
    yield from _section(
        "Synapses",
        {
            "density": f"{card.density:.4g} of all ordered pairs",
            "reciprocal": f"{card.reciprocity:.1%} of connected pairs" if pairs else "none",
            "out-degree": card.out_degree,
            "in-degree": card.in_degree,
            "per pair": card.synapses_per_pair if pairs else "none",
            **({"size per pair": f"{card.size_per_pair} (unit as released)"} if card.size_per_pair and pairs else {}),
            "self-connections": f"{card.num_self_connections:,}",
            "unconnected": f"{card.num_unconnected:,} neurons",
        },
    )
    recorded = f"{card.num_recorded_pairs:,} ordered pairs, {card.recorded:.1%} of all"
    rows = {"recorded": recorded, **card.coactivity} if card.num_recorded_pairs else {"recorded": "none"}
    yield from _section("Co-activity", rows)
    units = {level: {f.name: f.unit for f in fields_of(level).values()} for level in STORES}
    there = {
        level: ", ".join(f"{name} ({units[level][name]})" if units[level][name] else name for name in names) or "none"
        for level, names in card.fields.items()
    }
    yield from _section("Fields", there)
    yield from _section("Missing", {level: ", ".join(names) for level, names in card.missing.items() if names})
    more = {name.replace("_", " "): value for name, value in card.provenance.items() if value not in ("", [], {}, ())}
    yield from _section("Origin", {**card.origin, **more})


def _section(title: str, rows: dict[str, Any]):
    if rows:
        yield title
        width = max(len(name) for name in rows)
        for name, value in rows.items():
            text = str(value) if isinstance(value, Spread) else _short(value)
            indent = " " * (width + 4)
            yield from textwrap.wrap(
                f"  {name:<{width}}  {text}", _WIDTH, subsequent_indent=indent, drop_whitespace=True
            )


def _tally(counts: dict[str, int]) -> str:
    shown = list(counts.items())[:_MOST_NAMES]
    rest = list(counts.values())[_MOST_NAMES:]
    text = ", ".join(f"{name} {number:,}" for name, number in shown)
    return text + (f", {len(rest)} more {sum(rest):,}" if rest else "")


def _short(value: Any) -> str:
    if isinstance(value, dict):
        # What was counted and is zero says little.
        value = (
            ", ".join(f"{name.replace('_', ' ')} {item}" for name, item in value.items() if item not in (0, None))
            or "none"
        )
    elif isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
