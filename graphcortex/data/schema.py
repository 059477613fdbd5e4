"""The fields of a connectome, in one table: where each lives, its dtype, shape, unit, bounds and meaning."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

import torch

NEURON = "neuron"
SYNAPSE = (NEURON, "synapse", NEURON)
COACTIVITY = (NEURON, "coactivity", NEURON)

STORES: dict[str, str | tuple[str, str, str]] = {"neuron": NEURON, "synapse": SYNAPSE, "coactivity": COACTIVITY}
"""The node or edge type of PyG that holds each level but ``"graph"``."""

BOUND_TOLERANCE = 1e-6
"""How far a correlation may leave [-1, 1]: rounding does, an error goes further."""

MAX_COORDINATE_UM = 20_000.0
"""No coordinate of a brain region that is imaged by electron microscopy reaches 2 cm; nm and voxels do."""


@dataclass(frozen=True)
class Field:
    """One field of a connectome.

    Attributes:
        name: Its name in the store.
        level: What it describes: ``"neuron"``, ``"synapse"``, ``"coactivity"`` (kinds of edges) or ``"graph"``.
        kind: ``"value"`` (floating point), ``"count"``, ``"id"`` (0 is a missing one), ``"code"`` (its names stand in
            ``names``), ``"edges"`` or ``"notes"`` (a plain mapping).
        dtype: The dtype of the tensor, ``None`` for notes.
        shape: The shape: ``"N"`` neurons, ``"E"`` edges of its kind, or a number.
        unit: The unit, ``""`` where there is none.
        meaning: One sentence.
        required: Whether every connectome has it.
        low: Smallest value allowed.
        high: Greatest value allowed.
        unique: Whether no value but 0 may repeat.
        gaps: Whether NaN may stand for a value that was not measured.
    """

    name: str
    level: str
    kind: str
    dtype: torch.dtype | None
    shape: tuple[str | int, ...]
    unit: str
    meaning: str
    required: bool = False
    low: float | None = None
    high: float | None = None
    unique: bool = False
    gaps: bool = False


def _value(name: str, level: str, meaning: str, *, unit: str = "", dtype=torch.float64, low=None, high=None) -> Field:
    shape = ("N",) if level == "neuron" else ("E",)
    return Field(name, level, "value", dtype, shape, unit, meaning, low=low, high=high)


def _tuning(name: str, meaning: str, *, unit: str = "", low=None, high=None) -> Field:
    return Field(name, "neuron", "value", torch.float64, ("N",), unit, meaning, low=low, high=high, gaps=True)


def _whole(name: str, kind: str, meaning: str, *, unique: bool = False) -> Field:
    return Field(name, "neuron", kind, torch.int64, ("N",), "", meaning, low=0, unique=unique)


_EDGES = ("edges", torch.int64, (2, "E"), "")

SCHEMA: tuple[Field, ...] = (
    Field("pos", "neuron", "value", torch.float32, ("N", 3), "um", "Position of the nucleus.", required=True),
    _whole("root_id", "id", "Segment of the reconstruction at one materialisation.", unique=True),
    _whole("nucleus_id", "id", "Nucleus; stays when the segment is proofread.", unique=True),
    _whole("unit_id", "id", "Functional unit within its scan."),
    _whole("session", "id", "Session of the recording that holds the unit."),
    _whole("scan", "id", "Scan within its session."),
    _whole("field", "id", "Imaging plane within its scan."),
    _whole("area", "code", "Cortical area."),
    _whole("layer", "code", "Cortical layer."),
    _whole("cell_type", "code", "Cell type."),
    _whole("neuron_name", "code", "Name of the neuron, where neurons have names rather than ids."),
    _whole("proofread_axon", "code", "Whether the axon was proofread."),
    _whole("proofread_dendrite", "code", "Whether the dendrite was proofread."),
    # Directions are those in which a preferred stimulus moves: 0 to the right, counter-clockwise, as on paper. The
    # orientation is that of the bar which moves so, named by its motion: 0 is a vertical bar.
    _tuning("pref_ori", "Preferred orientation.", unit="rad", low=0, high=math.pi),
    _tuning("pref_dir", "Preferred direction.", unit="rad", low=0, high=2 * math.pi),
    _tuning("osi", "Orientation selectivity index."),
    _tuning("dsi", "Direction selectivity index."),
    _tuning("gosi", "Global orientation selectivity index."),
    _tuning("gdsi", "Global direction selectivity index."),
    _tuning("cc_abs", "Correlation of a model's prediction with the response.", low=-1, high=1),
    _tuning("cc_max", "Greatest correlation that a model could reach, given the noise."),
    _tuning("readout_x", "Receptive field centre, from left (-1) to right (1) of the screen."),
    _tuning("readout_y", "Receptive field centre, from bottom (-1) to top (1) of the screen."),
    _value("self_correlation", "neuron", "Diagonal of the correlation matrix.", low=-1, high=1),
    _value("self_sttc", "neuron", "Diagonal of the STTC matrix.", low=-1, high=1),
    _value("self_precision", "neuron", "Diagonal of the precision matrix."),
    Field("edge_index", "synapse", *_EDGES, "Presynaptic (row 0) and postsynaptic neuron (row 1).", required=True),
    Field("count", "synapse", "count", torch.int64, ("E",), "", "Synapses of the pair.", required=True, low=1),
    _value("size", "synapse", "Summed size of the pair's synapses.", unit="as released", dtype=torch.float32, low=0),
    Field("edge_index", "coactivity", *_EDGES, "The two neurons of a recorded pair.", required=True),
    _value("correlation", "coactivity", "Pearson correlation of the binned activity.", low=-1, high=1),
    _value("sttc", "coactivity", "Spike time tiling coefficient.", low=-1, high=1),
    _value("precision", "coactivity", "Entry of the inverse covariance matrix."),
    Field("recording", "coactivity", "code", torch.int64, ("E",), "", "Recording that the values are of.", low=0),
    Field(
        "names",
        "graph",
        "notes",
        None,
        (),
        "",
        "The names behind the codes of area, layer, cell type, proofreading and recording.",
    ),
    Field("provenance", "graph", "notes", None, (), "", "Where the connectome came from."),
)


def fields_of(level: str) -> dict[str, Field]:
    """Return the fields of one level by name.

    Example:
        >>> list(fields_of("coactivity"))
        ['edge_index', 'correlation', 'sttc', 'precision', 'recording']
    """
    return {field.name: field for field in SCHEMA if field.level == level}


def suggestion(name: str, level: str) -> str:
    """Say which fields a level has, and the one that ``name`` was probably meant to be."""
    known = fields_of(level)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}the fields of level {level!r} are {', '.join(known)}"
