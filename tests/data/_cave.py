"""What the tests of CAVE share: a client that waits for nothing, and a graph made the slow and plain way."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from graphcortex.data import CaveRetries, Connectome, MicronsCAVE
from tests.cave_server import Service
from tests.cave_tables import BCM, TWIN

TOKEN = "0123456789abcdef0123456789abcdef"
LAYERS = {"23P": "L2/3", "4P": "L4", "5P-IT": "L5", "5P-ET": "L5", "6P-CT": "L6"}


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Keep the client from the user's files, proxies and browser."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("webbrowser.open", lambda *_: pytest.fail("a browser was opened"))
    yield
    assert not list(home.iterdir()), "something was written into the home folder"


def dataset(service: Service, root: Path, version: int = 1300, **options) -> MicronsCAVE:
    """Return a dataset of a service that never sleeps."""
    options = {"retries": CaveRetries(sleep=lambda _: None), "rng": 0, "token": TOKEN, "progress": False, **options}
    return MicronsCAVE(root, version, server_address=service.address, **options)


def content(graph: Connectome, path: Path) -> bytes:
    """Return the bytes that a graph is saved as."""
    graph.save(path)
    return path.read_bytes()


def naive_neurons(tables: dict[str, pd.DataFrame]) -> dict[int, dict]:
    """Follow the description of the dataset neuron by neuron."""
    rows = {name: frame.to_dict("records") for name, frame in tables.items()}
    neurons = {}
    roots = [row["pt_root_id"] for row in rows["nucleus_detection_v0"]]
    for nucleus in rows["nucleus_detection_v0"]:
        types = [r for r in rows["aibs_metamodel_celltypes_v661"] if r["target_id"] == nucleus["id"]]
        units = [r for r in rows["coregistration_manual_v4"] if r["target_id"] == nucleus["id"]]
        root = nucleus["pt_root_id"]
        if not types or types[0]["classification_system"] != "excitatory_neuron" or not units:
            continue
        if root == 0 or roots.count(root) > 1:
            continue
        best, best_tuning = None, None
        for unit in units:
            tuning = None
            for row in rows.get(TWIN, rows.get(BCM, [])):
                if all(row[name] == unit[name] for name in ("target_id", "session", "scan_idx", "unit_id")):
                    tuning = row
            order = (-tuning["cc_abs"] if tuning else math.inf, unit["residual"])
            if best is None or order < best[0]:
                best, best_tuning = (order, unit), tuning
        unit = best[1]
        status = [r for r in rows["proofreading_status_and_strategy"] if r["valid_id"] == root]
        neurons[nucleus["id"]] = {
            "root_id": root,
            "pos": tuple(nucleus[f"pt_position_{x}"] * s / 1000 for x, s in zip("xyz", (4, 4, 40), strict=True)),
            "session": unit["session"],
            "scan": unit["scan_idx"],
            "field": unit["field"],
            "unit_id": unit["unit_id"],
            "cell_type": types[0]["cell_type"],
            "layer": LAYERS[types[0]["cell_type"]],
            "area": next(
                r["tag"] for r in rows["nucleus_functional_area_assignment"] if r["target_id"] == nucleus["id"]
            ),
            "proofread_axon": "yes" if status and status[0]["status_axon"] == "t" else "no",
            "proofread_dendrite": "yes" if status and status[0]["status_dendrite"] == "t" else "no",
            "tuning": best_tuning,
        }
    return neurons


def naive_pairs(tables: dict[str, pd.DataFrame], neurons: dict[int, dict]) -> dict[tuple[int, int], list[int]]:
    """Return the sizes of the synapses of each pair of nuclei."""
    nucleus = {neuron["root_id"]: name for name, neuron in neurons.items()}
    pairs: dict[tuple[int, int], list[int]] = {}
    for row in tables["synapses_pni_2"].to_dict("records"):
        pre, post = row["pre_pt_root_id"], row["post_pt_root_id"]
        if pre in nucleus and post in nucleus and pre != post:
            pairs.setdefault((nucleus[pre], nucleus[post]), []).append(row["size"])
    return pairs
