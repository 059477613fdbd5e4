"""Tables of a CAVE service on this machine: a small made-up cortex with every peculiarity of the real one, or real wiring."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

VOXEL_NM = (4.0, 4.0, 40.0)
ROOT = 864691134000000000
TWIN, BCM = "digital_twin_properties_bcm_coreg_v4", "functional_properties_v3_bcm"


def small_tables(seed: int = 0, nuclei: int = 60, synapses: int = 900) -> dict[str, pd.DataFrame]:
    """Make the tables of a small cortex, with every peculiarity of the real ones."""
    rng = np.random.default_rng(seed)
    ids = 200_000 + 7 * np.arange(nuclei)
    roots = ROOT + rng.permutation(10 * nuclei)[:nuclei] * 1_000_003 + 1
    roots[rng.choice(nuclei, 3, replace=False)] = 0  # no segment
    merged = rng.choice(np.nonzero(roots)[0], 2, replace=False)
    roots[merged[1]] = roots[merged[0]]  # two nuclei in one segment
    position = rng.integers((100_000, 80_000, 15_000), (300_000, 200_000, 25_000), (nuclei, 3))
    nucleus = pd.DataFrame({"id": ids, "volume": rng.uniform(100, 400, nuclei), "pt_root_id": roots})
    for axis, name in enumerate("xyz"):
        nucleus[f"pt_position_{name}"] = position[:, axis]
    kinds = np.array(["23P", "4P", "5P-IT", "5P-ET", "6P-CT", "BC", "MC", "astrocyte"])
    kind = kinds[rng.choice(8, nuclei, p=[0.3, 0.25, 0.1, 0.05, 0.15, 0.05, 0.05, 0.05])]
    system = np.where(np.isin(kind, ["BC", "MC"]), "inhibitory_neuron", "excitatory_neuron")
    system = np.where(kind == "astrocyte", "nonneuron", system)
    types = _reference(ids, 9_000, classification_system=system, cell_type=kind)
    types = types.drop(index=rng.choice(nuclei, 2, replace=False))  # nuclei without a type
    areas = _reference(ids, 1_000, tag=np.array(["V1", "AL", "RL", "LM"])[rng.choice(4, nuclei)], value=1.0)
    rows = np.sort(np.concatenate([np.arange(nuclei)[: nuclei * 4 // 5], rng.choice(nuclei * 4 // 5, nuclei // 4)]))
    M = len(rows)
    units = _reference(
        ids[rows],
        50_000,
        session=rng.choice([4, 6, 9], M),
        scan_idx=rng.choice([2, 7], M),
        unit_id=rng.permutation(max(9_000, M))[:M] + 1,
        field=rng.integers(1, 5, M),
        residual=rng.uniform(0, 12, M),
        score=rng.uniform(-5, 20, M),
    )
    tuned = units[rng.uniform(size=M) < 0.8]
    T = len(tuned)
    unit = {name: tuned[name].to_numpy() for name in ("session", "scan_idx", "unit_id")}
    index = {name: rng.uniform(0, 1, T) for name in ("OSI", "DSI", "gOSI", "gDSI", "cc_abs", "cc_max")}
    direction = rng.uniform(0, 360, T)
    twin = _reference(
        tuned["target_id"], 70_000, **unit, **index, pref_ori=direction % 180, pref_dir=direction,
        readout_loc_x=rng.uniform(-1, 1, T), readout_loc_y=rng.uniform(-1, 1, T),
    )  # fmt: skip
    clock = np.mod(np.pi / 2 - np.deg2rad(direction), 2 * np.pi)
    bcm = _reference(
        tuned["target_id"], 80_000, **unit, pref_ori=clock % np.pi, pref_dir=clock,
        **{name: index[name] for name in ("gOSI", "gDSI", "cc_abs")},
    )  # fmt: skip
    status = pd.DataFrame({"id": np.arange(20) + 1, "valid_id": roots[:20]})
    status["pt_root_id"] = status["valid_id"].replace(roots[5], roots[5] + 4)  # edited since it was judged
    status["status_axon"] = np.where(rng.uniform(size=20) < 0.5, "t", "f")
    status["status_dendrite"] = "t"
    status["strategy_axon"] = "axon_fully_extended"
    ends = rng.choice(np.append(roots, [0, ROOT + 5]), (2, synapses))
    ends[1, :9] = ends[0, :9]  # autapses
    return {
        "nucleus_detection_v0": nullable(nucleus),
        "aibs_metamodel_celltypes_v661": nullable(types),
        "nucleus_functional_area_assignment": nullable(areas),
        "coregistration_manual_v4": nullable(units),
        "coregistration_auto_phase3_fwd_apl_vess_combined_v2": nullable(units.iloc[::2]),
        TWIN: nullable(twin),
        BCM: nullable(bcm),
        "proofreading_status_and_strategy": nullable(status),
        "synapses_pni_2": _synapses(ends[0], ends[1], rng.integers(20, 30_000, synapses), rng),
    }


def real_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Make tables from the real wiring of minnie65-functional-graph. Its nuclei have no ids there, and get some."""
    nodes = pd.read_csv(folder / "nodes.csv", dtype={"root_id": "int64"})
    wiring = pd.read_parquet(folder / "synapses.parquet")
    ids = 200_000 + np.arange(len(nodes))
    nucleus = pd.DataFrame({"id": ids, "volume": 300.0, "pt_root_id": nodes["root_id"]})
    for name, size in zip("xyz", VOXEL_NM, strict=True):
        nucleus[f"pt_position_{name}"] = (nodes[f"{name}_nm"] / size).round().astype("int64")
    typed = nodes["cell_type"].notna().to_numpy()
    types = _reference(ids[typed], 1, classification_system="excitatory_neuron", cell_type=nodes["cell_type"][typed])
    placed = nodes["area"].notna().to_numpy()
    # Scan and unit are not known of all that were matched: those are given scan 1_1 and the row as unit.
    matched = (nodes["coregistered"].eq(1) | nodes["unit_id"].ne(0)).to_numpy()
    known = nodes["unit_id"].ne(0).to_numpy()[matched]
    there = nodes[matched]
    units = _reference(
        ids[matched],
        1,
        session=np.where(known, there["session"], 1),
        scan_idx=np.where(known, there["scan_idx"], 1),
        unit_id=np.where(known, there["unit_id"], np.arange(len(there)) + 1),
        field=1,
        residual=1.0,
        score=1.0,
    )
    tuned = there["pref_ori_rad"].notna().to_numpy()
    bcm = _reference(
        units["target_id"][tuned],
        1,
        **{name: units[name].to_numpy()[tuned] for name in ("session", "scan_idx", "unit_id")},
        **{
            name: there[column].to_numpy()[tuned]
            for name, column in (
                ("pref_ori", "pref_ori_rad"),
                ("pref_dir", "pref_dir_rad"),
                ("gOSI", "gOSI"),
                ("gDSI", "gDSI"),
                ("cc_abs", "cc_abs"),
            )
        },
    )
    read = nodes[nodes["proofread_axon"].eq(1)]
    status = pd.DataFrame({"id": np.arange(len(read)) + 1, "valid_id": read["root_id"].to_numpy()})
    status["status_axon"], status["status_dendrite"] = "t", "f"
    rows = wiring[["synapse_id", "pre", "post"]].sort_values("synapse_id")
    synapses = pd.DataFrame({"id": rows["synapse_id"], "pre_pt_root_id": rows["pre"], "post_pt_root_id": rows["post"]})
    synapses["size"] = pd.array([None] * len(synapses), "Int64")  # not in this source
    return {
        "nucleus_detection_v0": nullable(nucleus),
        "aibs_metamodel_celltypes_v661": nullable(types),
        "nucleus_functional_area_assignment": nullable(
            _reference(ids[placed], 1, tag=nodes["area"][placed], value=1.0)
        ),
        "coregistration_manual_v4": nullable(units),
        BCM: nullable(bcm),
        "proofreading_status_and_strategy": nullable(status),
        "synapses_pni_2": nullable(synapses),
    }


def _reference(targets: Iterable[int], first: int, **columns) -> pd.DataFrame:
    """Return a table that refers to nuclei; its own ids are others, from ``first`` on."""
    targets = np.asarray(targets)
    columns = {name: np.broadcast_to(np.asarray(value), len(targets)) for name, value in columns.items()}
    return pd.DataFrame({"id": first + np.arange(len(targets)), "target_id": targets, **columns})


def _synapses(pre: np.ndarray, post: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    ids = np.sort(rng.choice(337_312_429, len(pre), replace=False)) + 1
    table = pd.DataFrame({"id": ids, "pre_pt_root_id": pre, "post_pt_root_id": post, "size": size})
    for name in "xyz":
        table[f"ctr_pt_position_{name}"] = rng.integers(10_000, 300_000, len(pre))
    return nullable(table)


def nullable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the nullable columns that the service sends."""
    whole = {name: "Int64" for name, kind in frame.dtypes.items() if kind.kind == "i"}
    return frame.astype(whole).reset_index(drop=True)
