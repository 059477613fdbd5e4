"""The tables of minnie65 that make neurons: their columns, and what of two releases' habits becomes one."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

NUCLEUS = "nucleus_detection_v0"
CELL_TYPES = "aibs_metamodel_celltypes_v661"
AREAS = "nucleus_functional_area_assignment"
PROOFREADING = "proofreading_status_and_strategy"
SYNAPSES = "synapses_pni_2"

COREGISTRATIONS = {
    "manual": "coregistration_manual_v4",
    "auto": "coregistration_auto_phase3_fwd_apl_vess_combined_v2",
}

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


TUNINGS = (
    # Degrees; 0 is a vertical bar that moves to the right; counter-clockwise.
    Tuning(
        "digital_twin_properties_bcm_coreg_v4",
        (
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
        ),
        turn=360.0,
        zero=0.0,
        sign=1,
    ),
    # Radians; 0 is a horizontal bar that moves upward; clockwise.
    Tuning(
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
    ),
)
"""Tables of tuning, the newest first: the first that a version has is used."""

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


def unit_columns() -> list[str]:
    """Return the columns that name one recorded unit of one nucleus."""
    return [name for name, _ in _UNIT]
