"""Write a small field in the released layout: not real data, but every kind of file that the real ones have."""

from __future__ import annotations

from pathlib import Path

import numpy as np

N = 5


def tiny_arrays(N: int = N, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    positions = np.empty(N, dtype=object)
    for i in range(N):
        positions[i] = np.array([130_000 + 4_000 * i, 90_000 + 16 * i, 15_000 + i])
    spikes = np.empty(N, dtype=object)
    for i in range(N):
        spikes[i] = np.sort(rng.uniform(0, 60, 3 * i))
    counts = rng.integers(0, 3, (N, N)) * (1 - np.eye(N, dtype=int))
    corr = np.corrcoef(rng.normal(size=(N, 40)))
    precision = np.linalg.inv(corr + 0.1 * np.eye(N))
    return {
        "positions": positions,
        "connectome": counts,
        "corr": corr,
        "sttc": np.tril(np.corrcoef(rng.normal(size=(N, 40)))),
        "precision": (precision + precision.T) / 2,
        "root_ids": 864690000000000066 + np.arange(N),
        "unit_ids": 30 + np.arange(N),
        "target_ids": 20 + np.arange(N),
        "spikes": spikes,
    }


def file_name(key: str, name: str) -> str:
    if key in ("corr", "sttc", "precision"):
        return f"{key}_matrix.npy"
    return f"{key}_{name}.{'csv' if key == 'connectome' else 'npy'}"


def write_table(path: Path, counts) -> None:
    counts = np.asarray(counts, dtype=object)
    lines = ["," + ",".join(map(str, range(counts.shape[1])))]
    lines += [f"{i}," + ",".join(map(str, row)) for i, row in enumerate(counts)]
    path.write_text("\n".join(lines) + "\n")


def write_field(folder: Path, name: str, *, without: tuple[str, ...] = (), **changed) -> Path:
    """Write ``folder/name``; ``changed`` replaces arrays by key."""
    arrays = {**tiny_arrays(), **changed}
    (folder / name).mkdir(parents=True, exist_ok=True)
    for key, array in arrays.items():
        path = folder / name / file_name(key, name)
        if key in without:
            continue
        if key == "connectome":
            write_table(path, array)
        else:
            np.save(path, array, allow_pickle=True)
    return folder / name
