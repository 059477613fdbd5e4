"""The tables of minnie65 that make neurons: their columns, and what of two releases' habits becomes one."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

import numpy as np
import pandas as pd

NUCLEUS = "nucleus_detection_v0"
CELL_TYPES = "aibs_metamodel_celltypes_v661"
AREAS = "nucleus_functional_area_assignment"
PROOFREADINGS = ("proofreading_status_and_strategy", "proofreading_status_public_release")
"""Tables of proofreading, the newest first; the older one serves up to version 943."""
SYNAPSES = "synapses_pni_2"

COREGISTRATIONS = {
    "manual": ("coregistration_manual_v4", "coregistration_manual_v3"),
    "auto": (
        "coregistration_auto_phase3_fwd_apl_vess_combined_v2",
        "coregistration_auto_phase3_fwd_apl_vess_combined",
        "apl_functional_coreg_vess_fwd",
        "apl_functional_coreg_forward_v5",
    ),
}
"""Tables that match units with nuclei, the newest first: the first that a version has is used."""

_UNIT = (("target_id", "whole"), ("session", "whole"), ("scan_idx", "whole"), ("unit_id", "whole"))

COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "nucleus": (
        ("pt_root_id", "whole"),
        ("pt_position_x", "number"),
        ("pt_position_y", "number"),
        ("pt_position_z", "number"),
    ),
    "cell_type": (("target_id", "whole"), ("classification_system", "text"), ("cell_type", "text")),
    "area": (("target_id", "whole"), ("tag", "text")),
    "proofreading": (("valid_id", "whole"), ("status_axon", "flag"), ("status_dendrite", "flag")),
    "coregistration": (*_UNIT, ("field", "whole"), ("residual", "number"), ("score", "number")),
    "synapses": (("pre_pt_root_id", "whole"), ("post_pt_root_id", "whole"), ("size", "whole")),
}
"""Columns by what they are needed for. In a table that refers to nuclei, only ``target_id`` is surely the nucleus."""


@dataclass(frozen=True)
class Tuning:
    """A table of tuning: its columns by the names of the schema, and how it counts angles.

    Attributes:
        table: Its name.
        columns: Names in the table by names in the schema.
        turn: How many of the table's units make a full turn.
        zero: The direction of motion (counter-clockwise from rightward) that the table calls 0, in rad.
        sign: 1 if angles grow counter-clockwise, -1 if clockwise.
    """

    table: str
    columns: tuple[tuple[str, str], ...]
    turn: float
    zero: float
    sign: int

    @property
    def query_columns(self) -> tuple[tuple[str, str], ...]:
        """Name and kind of each column to ask for."""
        return (*_UNIT, *((theirs, "number") for theirs, _ in self.columns))

    def in_our_terms(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the tuning of units: angles in rad, 0 is motion to the right (a vertical bar), counter-clockwise."""
        out = frame.rename(columns=dict(self.columns))
        for name, period in (("pref_ori", np.pi), ("pref_dir", 2 * np.pi)):
            angle = self.zero + self.sign * out[name] * (2 * np.pi / self.turn)
            angle = np.mod(angle, period)
            out[name] = np.where(angle >= period, 0.0, angle)  # rounding may reach the period itself
        return out


_TWIN_COLUMNS = (
    ("pref_ori", "pref_ori"),
    ("pref_dir", "pref_dir"),
    ("OSI", "osi"),
    ("DSI", "dsi"),
    ("gOSI", "gosi"),
    ("gDSI", "gdsi"),
    ("cc_abs", "cc_abs"),
    ("cc_max", "cc_max"),
    ("readout_loc_x", "readout_x"),
    ("readout_loc_y", "readout_y"),
)


def _twin(matches: str) -> Tuning:
    """Return the table of the digital twin for one way of matching units with nuclei."""
    # Degrees; 0 is a vertical bar that moves to the right; counter-clockwise.
    return Tuning(f"digital_twin_properties_bcm_{matches}", _TWIN_COLUMNS, turn=360.0, zero=0.0, sign=1)


_MANUAL_TWIN, _FIDUCIAL_TWIN, _VESSEL_TWIN = map(_twin, ("coreg_v4", "coreg_auto_phase3_fwd_v2", "coreg_apl_vess_fwd"))

_OLDER = Tuning(
    # Radians; 0 is a horizontal bar that moves upward; clockwise.
    "functional_properties_v3_bcm",
    (
        ("pref_ori", "pref_ori"),
        ("pref_dir", "pref_dir"),
        ("gOSI", "gosi"),
        ("gDSI", "gdsi"),
        ("cc_abs", "cc_abs"),
    ),
    turn=2 * np.pi,
    zero=np.pi / 2,
    sign=-1,
)

TUNINGS = {tuning.table: tuning for tuning in (_MANUAL_TWIN, _FIDUCIAL_TWIN, _VESSEL_TWIN, _OLDER)}
"""Tables of tuning, by name."""

_TWINS = {
    "coregistration_manual_v4": (_MANUAL_TWIN,),
    "coregistration_auto_phase3_fwd_v2": (_FIDUCIAL_TWIN,),
    "apl_functional_coreg_vess_fwd": (_VESSEL_TWIN,),
    "coregistration_auto_phase3_fwd_apl_vess_combined_v2": (_FIDUCIAL_TWIN, _VESSEL_TWIN),
}
"""A match of this table has its tuning in one of these. The combined table reconciles the matches of two others."""


KNOWN = frozenset(
    {CELL_TYPES, AREAS, *TUNINGS, *COREGISTRATIONS["manual"], *COREGISTRATIONS["auto"], *(name for name in _TWINS)}
)
"""Tables whose ``target_id`` is known to be a nucleus."""


def tunings_of(coregistration: str, there: Container[str]) -> tuple[str, ...]:
    """Return the tables of tuning for the matches of one table: those of the digital twin, or else the older one.

    Args:
        coregistration: The table that matches units with nuclei.
        there: The tables of the version.

    Returns:
        Their names; none if the version has none. A table of matches that has no twin of its own is looked up in all.

    Example:
        >>> tunings_of("apl_functional_coreg_vess_fwd", {"digital_twin_properties_bcm_coreg_apl_vess_fwd"})
        ('digital_twin_properties_bcm_coreg_apl_vess_fwd',)
    """
    twins = _TWINS.get(coregistration, (_MANUAL_TWIN, _FIDUCIAL_TWIN, _VESSEL_TWIN))
    names = tuple(twin.table for twin in twins if twin.table in there)
    return names or ((_OLDER.table,) if _OLDER.table in there else ())


LAYERS = ("unknown", "L2/3", "L4", "L5", "L6")

_LAYER = re.compile(r"L?(23|2/3|[2-6])")


def layer_code(cell_type: str) -> int:
    """Return the layer that the name of a cell type implies, as a place in ``LAYERS``.

    Example:
        >>> [LAYERS[layer_code(name)] for name in ("23P", "5P-ET", "L3b", "BC")]
        ['L2/3', 'L5', 'L2/3', 'unknown']
    """
    found = _LAYER.match(cell_type)
    return {"2": 1, "3": 1, "4": 2, "5": 3, "6": 4}[found[1][0]] if found else 0


_NONNEURONS = ("opc", "astrocyte", "microglia", "pericyte", "oligo")
_INHIBITORY = ("BC", "BPC", "MC", "NMC", "NGC", "ChC", "PTC", "DTC", "STC", "ITC", "INH", "Martinotti")
_EXCITATORY = re.compile(r"(L?(1|2|3|4|5|6|23|2/3))(?![0-9])|PT\b")


def neuron_class(system: str, cell_type: str) -> str:
    """Return what kind of cell a row of a table of cell types is of.

    Most tables say so in ``classification_system``, each in its own way; others leave it to the name of the type.

    Args:
        system: ``classification_system`` of the row.
        cell_type: ``cell_type`` of the row.

    Returns:
        ``"excitatory"``, ``"inhibitory"``, ``"nonneuron"``, or ``""`` where the row does not say.

    Example:
        >>> neuron_class("excitatory_neuron", "23P"), neuron_class("aibs_coarse_inhibitory", "Unsure")
        ('excitatory', 'inhibitory')
        >>> neuron_class("baylor_log_reg_cell_type_coarse", "excitatory"), neuron_class("aibs_neuronal", "5P_IT")
        ('excitatory', 'excitatory')
    """
    for text in (system.lower(), cell_type.lower()):
        if re.search(r"non[-_]?neuron|not[-_ ]neuron", text):
            return "nonneuron"
        for name in ("excitatory", "inhibitory"):
            if name in text:
                return name
    if cell_type.lower().startswith(_NONNEURONS):
        return "nonneuron"
    if cell_type in _INHIBITORY:
        return "inhibitory"
    return "excitatory" if _EXCITATORY.match(cell_type) else ""


def unit_columns() -> list[str]:
    """Return the columns that name one recorded unit of one nucleus."""
    return [name for name, _ in _UNIT]
