"""Checks of ids: repeated, or passed through a type that cannot hold them."""

from __future__ import annotations

import numpy as np
import torch

from graphcortex.data._finding import Finding
from graphcortex.data._ids import rounding_of
from graphcortex.data.connectome import Connectome
from graphcortex.data.schema import NEURON

_SEGMENT = 2**53
"""Segment ids of chunked volumes are above, nucleus ids far below."""


def check_ids(graph: Connectome) -> list[Finding]:
    """Check the ids of the neurons one kind after the other, and then with each other."""
    store = graph[NEURON]
    found, there = [], {}
    for name in ("root_id", "nucleus_id", "unit_id"):
        ids = store.get(name)
        if ids is None:
            continue
        if ids.is_floating_point():
            found.append(
                Finding(
                    "ids",
                    "error",
                    f"{name} must be int64, got {ids.dtype}",
                    {"neurons": ids.numel()},
                    "read ids as int64 from their source: the lost digits cannot be brought back",
                )
            )
            continue
        there[name] = ids.cpu().numpy().astype(np.int64)
        found += _rounded(name, there[name])
        if name != "unit_id":
            found += _repeated(name, there[name])
    if "unit_id" in there and {"session", "scan"} <= set(store.keys()):
        found += _repeated_units(graph)
    found += _mismatched(there)
    if found:
        return found
    if not there:
        return [Finding("ids", "skipped", "no ids are there")]
    return [Finding("ids", "passed", f"{', '.join(there)} are whole and not repeated", {"neurons": graph.num_neurons})]


def _rounded(name: str, ids: np.ndarray) -> list[Finding]:
    """Say whether more ids than chance allows are what a float, or a spreadsheet, would have made of them."""
    rounding = rounding_of(ids)
    if rounding is None:
        return []
    return [
        Finding(
            "ids",
            "error",
            f"{name} looks as if it had passed through {rounding.through}: its last digits are gone",
            {"rounded ids": rounding.rounded, "of": rounding.of, "expected by chance": rounding.expected},
            "read ids as int64 (or text) from their source: the lost digits cannot be brought back",
        )
    ]


def _repeated(name: str, ids: np.ndarray) -> list[Finding]:
    values, times = np.unique(ids[ids != 0], return_counts=True)
    if not (times > 1).any():
        return []
    return [
        Finding(
            "ids",
            "error",
            f"{name} must name each neuron once, got {int(values[times > 1][0])} more than once",
            {"repeated ids": int((times > 1).sum()), "neurons": int(times[times > 1].sum())},
            "merge the repeated neurons, or stitch recordings with MicronsVolume",
        )
    ]


def _repeated_units(graph: Connectome) -> list[Finding]:
    rows = torch.stack([graph[NEURON][name] for name in ("session", "scan", "unit_id")], dim=1)
    rows = rows[rows[:, 2] != 0]
    _, times = rows.unique(dim=0, return_counts=True)
    if not bool((times > 1).any()):
        return []
    return [
        Finding(
            "ids",
            "error",
            "a unit must be of one neuron within its scan, got units that several neurons have",
            {"repeated units": int((times > 1).sum())},
            "keep the match with the better score, or drop both",
        )
    ]


def _mismatched(ids: dict[str, np.ndarray]) -> list[Finding]:
    if not {"root_id", "nucleus_id"} <= set(ids):
        return []
    root, nucleus = ids["root_id"], ids["nucleus_id"]
    found = []
    if (nucleus > _SEGMENT).any():
        found.append(
            Finding(
                "ids",
                "error",
                "nucleus_id must hold nuclei, got numbers as great as segments have",
                {"neurons": int((nucleus > _SEGMENT).sum())},
                "look whether root_id and nucleus_id are swapped",
            )
        )
    half = int(((root == 0) != (nucleus == 0)).sum())
    if half:
        found.append(
            Finding("ids", "note", "some neurons have a nucleus but no segment, or the reverse", {"neurons": half})
        )
    return found
