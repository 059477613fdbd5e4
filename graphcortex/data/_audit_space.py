"""Checks of positions: their unit, whether their axes are mixed, and whether distance means anything."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from scipy.spatial import cKDTree
from torch import Tensor

from graphcortex._ties import rank
from graphcortex.data._finding import Finding
from graphcortex.data.connectome import Connectome

_MIXED = 1e-12
"""Chance of all three axes together, below which their interleaved parts are taken to differ; each must be below 1e-2."""

_NUCLEUS_UM = 2.0
"""Nuclei are 5 um wide or more, so that no two centres are nearer; half of all neurons are never that near to another."""

_EXTENT_UM = 5_000.0
"""Volumes imaged at the resolution of synapses are smaller."""

_PERMUTATIONS = 100
_MAX_PAIRS = 100_000
_FALL = 0.25
"""The least fall of co-activity with distance (correlation with log distance) that is expected: the five fields have .45 to .61."""


def check_units(graph: Connectome) -> list[Finding]:
    """Check that positions look like um: not voxels or nm, nor mm, nor scaled to [0, 1]."""
    pos = graph.pos.cpu().double().numpy()
    if len(pos) < 4:
        return [Finding("units", "skipped", f"needs at least 4 neurons, got {len(pos)}")]
    extent = float((pos.max(0) - pos.min(0)).max())
    nearest = float(np.median(cKDTree(pos).query(pos, k=2)[0][:, 1]))
    whole = bool((pos == np.round(pos)).all())
    evidence = {"greatest extent (um)": extent, "median distance to the nearest (um)": nearest}
    _, times = np.unique(pos, axis=0, return_counts=True)
    found = []
    if extent > _EXTENT_UM and (whole or extent > 4 * _EXTENT_UM):
        remedy = "multiply voxels by their size in um (MICrONS: 0.004, 0.004, 0.04), or nm by 0.001"
        found.append(Finding("units", "error", "positions look like voxels or nm, not um", evidence, remedy))
    elif extent > _EXTENT_UM:
        found.append(Finding("units", "warning", "positions span more than 5 mm", evidence, "check their unit"))
    elif nearest < _NUCLEUS_UM and (times > 1).mean() < 0.5:
        remedy = "give positions in um: undo the scaling to [0, 1], or multiply mm by 1000"
        found.append(
            Finding("units", "error", "neurons are nearer to each other than nuclei are wide", evidence, remedy)
        )
    elif whole:
        remedy = "check that these are um, not voxels of a coarse grid"
        found.append(Finding("units", "warning", "all positions are whole numbers, as voxels are", evidence, remedy))
    if (times > 1).any():
        found.append(
            Finding(
                "units",
                "warning",
                "several neurons share one position",
                {"neurons": int(times[times > 1].sum())},
                "look whether neurons are repeated, or positions missing",
            )
        )
    return found or [Finding("units", "passed", "positions look like um", evidence)]


def check_axes(graph: Connectome) -> list[Finding]:
    """Check that no axis holds numbers of several axes, as after a reshape where a transpose was due."""
    pos = graph.pos.cpu().double().numpy()
    N = len(pos)
    if N < 12:
        return [Finding("axes", "skipped", f"needs at least 12 neurons, got {N}")]
    # (N, 3) read as (3, N): every axis goes x, y, z, x, y, z, ..., so that its three interleaved parts differ.
    thirds = np.arange(N) % 3
    interleaved = [_differ(pos[:, axis], thirds) for axis in range(3)]
    # Recordings of three planes, listed in turn, differ so along the one axis of their depth, but not along all three.
    if max(interleaved) < 1e-2 and np.prod(interleaved) < _MIXED:
        undone = pos.T.reshape(N, 3)
        if np.median([_differ(undone[:, axis], thirds) for axis in range(3)]) > max(interleaved):
            return [
                Finding(
                    "axes",
                    "error",
                    "every axis interleaves x, y and z: an (N, 3) array was reshaped to (3, N) where a transpose was due",
                    {"greatest p of three axes": max(interleaved), "their product": float(np.prod(interleaved))},
                    "read the positions again and transpose them; in place, pos.T.reshape(N, 3) undoes it if no axis was rescaled",
                )
            ]
    # (3, N) read as (N, 3): the first third of the rows holds x alone, the next y, the last z.
    part = (np.arange(3 * N) // N).reshape(N, 3)
    blocks = _differ(pos.ravel(), part.ravel())
    if blocks < 1e-6:
        centred = pos.copy()
        for k in range(3):
            centred[part == k] -= pos[part == k].mean()
        columns = _differ(centred.ravel(), np.tile(np.arange(3), N))
        if columns > 1e-3:
            return [
                Finding(
                    "axes",
                    "error",
                    "the rows hold one axis after the other: a (3, N) array was reshaped to (N, 3) where a transpose was due",
                    {"p of thirds of the rows": blocks, "p of the axes": columns},
                    "read the positions again and transpose them; in place, pos.reshape(3, N).T undoes it",
                )
            ]
    return [Finding("axes", "passed", "no axis is mixed with another", {"greatest p of three axes": max(interleaved)})]


def _differ(values: np.ndarray, group: np.ndarray) -> float:
    """Return the chance that groups of one distribution differ so much in mean or in spread (analysis of variance)."""
    spread = np.abs(values - np.median(values))
    return min(_anova(values, group), _anova(spread, group))


def _anova(values: np.ndarray, group: np.ndarray) -> float:
    parts = [values[group == k] for k in np.unique(group)]
    total = values.mean()
    between = sum(len(part) * (part.mean() - total) ** 2 for part in parts) / (len(parts) - 1)
    within = sum(((part - part.mean()) ** 2).sum() for part in parts) / (len(values) - len(parts))
    if within <= 1e-12 * (between + 1e-300):
        return 1.0 if between == 0 else 0.0
    return float(stats.f.sf(between / within, len(parts) - 1, len(values) - len(parts)))


def check_distance(graph: Connectome, rng: np.random.Generator) -> list[Finding]:
    """Check that near neurons are more alike in their activity, against positions shuffled among neurons."""
    measures = [name for name in ("correlation", "sttc") if graph.has_coactivity and name in graph.coactivity]
    if not measures:
        return [Finding("distance", "skipped", "no correlation or STTC is there")]
    source, target = graph.coactivity.edge_index.cpu().numpy()
    kept = np.flatnonzero(source < target)
    if len(kept) > _MAX_PAIRS:
        kept = np.sort(rng.choice(kept, _MAX_PAIRS, replace=False))
    if len(kept) < 100:
        return [Finding("distance", "skipped", f"needs at least 100 recorded pairs, got {len(kept)}")]
    values = graph.coactivity[measures[0]].cpu().numpy()[kept]
    r, mean, sd = _against_shuffled(graph.pos, source[kept], target[kept], rank(values), rng)
    if not sd > 0:
        return [Finding("distance", "skipped", "co-activity or distances are all alike", {"pairs": len(kept)})]
    evidence = {"r with log distance": r, "z against shuffled positions": (r - mean) / sd, "pairs": len(kept)}
    name = measures[0]
    if r - mean < -4 * sd:
        if r < -0.1:
            return [Finding("distance", "passed", f"{name} falls with distance", evidence)]
        text, remedy = f"{name} falls with distance less than it should", "check the order of the positions"
        return [Finding("distance", "warning", text, evidence, remedy)]
    if sd * 6 > _FALL:
        return [
            Finding("distance", "skipped", "too few pairs to tell whether co-activity falls with distance", evidence)
        ]
    return [
        Finding(
            "distance",
            "error",
            f"{name} does not fall with distance, as if positions were of other neurons",
            evidence,
            "check that positions and activity list the neurons in one order, and that no axis was reshaped; in a short or "
            "noisy recording it may be hidden",
        )
    ]


def check_wiring_distance(graph: Connectome, rng: np.random.Generator) -> list[Finding]:
    """Check that connections do not become more likely with distance."""
    N = graph.num_neurons
    source, target = graph.synapses.edge_index.cpu().numpy()
    source, target = source[source != target], target[source != target]
    if len(source) < 100 or N < 12:
        return [Finding("wiring", "skipped", f"needs at least 100 connected pairs, got {len(source)}")]
    # All pairs of a sample, in one direction or the other.
    others = min(_MAX_PAIRS, N * (N - 1) // 2)
    one = rng.integers(0, N, others)
    other = (one + rng.integers(1, N, others)) % N
    ends = np.concatenate([source, one]), np.concatenate([target, other])
    wired = np.concatenate([np.ones(len(source)), np.zeros(others)])
    # As many votes for the wired as for the others: what is compared is two distributions of distance.
    r, mean, sd = _against_shuffled(graph.pos, *ends, wired, rng)
    z = (r - mean) / sd if sd > 0 else 0.0
    evidence = {"r with log distance": r, "z against shuffled positions": z, "connected pairs": len(source)}
    if z > 4:
        text, remedy = "connections become more likely with distance", "check the order and the unit of the positions"
        return [Finding("wiring", "warning", text, evidence, remedy)]
    if z > -3:
        text = "connections do not become rare with distance (within an imaging plane of proofread axons they may not)"
        return [Finding("wiring", "note", text, evidence)]
    return [Finding("wiring", "passed", "connections become rare with distance", evidence)]


def _against_shuffled(
    pos: Tensor, source: np.ndarray, target: np.ndarray, values: np.ndarray, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the correlation of values with log distance, and its mean and deviation where positions are shuffled."""
    at = pos.cpu().double().numpy()
    values = values - values.mean()
    scale = np.sqrt((values**2).sum())
    offset = None

    def relation(at: np.ndarray) -> float:
        nonlocal offset
        lengths = np.sqrt(((at[source] - at[target]) ** 2).sum(1))
        if offset is None:
            # So that the nearest pairs, whose logarithm would be far out, do not decide alone; in any unit.
            offset = 0.05 * np.median(lengths)
        if not offset > 0 or not scale > 0:
            return 0.0
        logs = np.log(lengths + offset)
        logs -= logs.mean()
        norm = np.sqrt((logs**2).sum())
        return float(logs @ values / (norm * scale)) if norm > 0 else 0.0

    observed = relation(at)
    shuffled = [relation(at[rng.permutation(len(at))]) for _ in range(_PERMUTATIONS)]
    return observed, float(np.mean(shuffled)), float(np.std(shuffled, ddof=1))


def check_lengths(graph: Connectome, lengths: Tensor, rng: np.random.Generator) -> list[Finding]:
    """Compare distances that a model used, of all ordered pairs, with those of the positions."""
    N = graph.num_neurons
    given = torch.as_tensor(lengths).detach().cpu().double().numpy()
    if given.size != N * N:
        return [
            Finding(
                "lengths", "error", f"lengths must be of all {N * N} ordered pairs, got {given.size}", {"neurons": N}
            )
        ]
    if N < 3:
        return [Finding("lengths", "skipped", f"needs at least 3 neurons, got {N}")]
    given, pos = given.reshape(N, N), graph.pos.cpu().double().numpy()
    one = rng.integers(0, N, _MAX_PAIRS)
    other = (one + rng.integers(1, N, _MAX_PAIRS)) % N
    true = np.sqrt(((pos[one] - pos[other]) ** 2).sum(1))
    if not (np.isfinite(given).all() and np.ptp(given[one, other]) > 0 and np.ptp(true) > 0):
        return [Finding("lengths", "skipped", "lengths are all alike, or not finite")]
    r = float(np.corrcoef(given[one, other], true)[0, 1])
    if r > 0.9:
        return [Finding("lengths", "passed", "lengths follow the positions", {"r": r})]
    return [
        Finding(
            "lengths",
            "error" if r < 0.5 else "warning",
            "lengths do not follow the positions",
            {"r": r},
            "compute them from pos of shape (N, 3), in um: graphcortex.ops.edge_length(edge_index, connectome.pos)",
        )
    ]
