"""The files of one MICrONS field as they were released: read, and checked against each other."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from graphcortex.data._plain_counts import plain_counts
from graphcortex.data._unpickle import DataFileError, read_npy

VOXEL_UM = np.array([0.004, 0.004, 0.04])
"""Size of a voxel of the released positions, in um."""

MAX_VOXEL = np.array([1_000_000, 1_000_000, 100_000])
"""4 mm along each axis: beyond the imaged volume, and below its positions in nm."""

MIN_EXTENT_VOXEL = 20_000
"""The greatest coordinate of any field is above 10^5 voxels; in um it would be below 2,000."""

ASYMMETRY = 1e-6

FIELD_NAME = re.compile(r"\d+_\d+_\d+")


def field_key(name: str) -> tuple[int, ...]:
    """Return (session, scan, field), by which fields are ordered."""
    return tuple(int(part) for part in name.split("_"))


def needed_files(name: str) -> dict[str, str]:
    """Return the file of each array of a field, spike times left out (not every field has them)."""
    return {
        "positions": f"positions_{name}.npy",
        "connectome": f"connectome_{name}.csv",
        "correlation": "corr_matrix.npy",
        "sttc": "sttc_matrix.npy",
        "precision": "precision_matrix.npy",
        "root_id": f"root_ids_{name}.npy",
        "unit_id": f"unit_ids_{name}.npy",
        "nucleus_id": f"target_ids_{name}.npy",
    }


def spike_file(name: str) -> str:
    """Return the name of the file of spike times."""
    return f"spikes_{name}.npy"


def read_positions(path: Path) -> np.ndarray:
    """Return positions in um, shape ``(N, 3)``, float64, of a file that holds voxels of 4 x 4 x 40 nm."""
    stored = read_npy(path)
    rows = [np.asarray(row) for row in np.atleast_1d(stored)]
    shapes = sorted({row.shape for row in rows})
    if shapes != [(3,)]:
        raise DataFileError(f"{path}: expected three coordinates for each neuron, got rows of shape {shapes}.")
    try:
        voxels = np.stack(rows).astype(np.float64)
    except (TypeError, ValueError):
        raise DataFileError(f"{path}: expected positions that are numbers, got {rows[0]!r}.") from None
    _check_finite(voxels, path)
    low, high = voxels.min(axis=0), voxels.max(axis=0)
    found = f"values from {low.tolist()} to {high.tolist()}"
    remedy = "store voxels, or make the graph with Connectome.from_arrays, which takes um"
    if (voxels != np.round(voxels)).any() or high.max() < MIN_EXTENT_VOXEL:
        raise DataFileError(
            f"{path}: expected positions in whole voxels of 4 x 4 x 40 nm, the greatest at least {MIN_EXTENT_VOXEL}, "
            f"got {found}, which look like um; {remedy}."
        )
    if (low < 0).any() or (high > MAX_VOXEL).any():
        raise DataFileError(
            f"{path}: expected positions in voxels of 4 x 4 x 40 nm, within 0 .. {MAX_VOXEL.tolist()}, got {found}, "
            f"which look like nm or another volume; {remedy}."
        )
    return voxels * VOXEL_UM


def read_counts(path: Path, N: int, counted: Path) -> np.ndarray:
    """Return the synapse counts ``W[source, target]``, shape ``(N, N)``, int64, of a table with an index column."""
    try:
        content = path.read_bytes()
        plain = plain_counts(content, N)
        if plain is not None:
            return plain
        table = pd.read_csv(io.BytesIO(content), index_col=0, low_memory=False)
    except FileNotFoundError:
        raise DataFileError(f"{path}: expected a table of synapse counts, got no file; check the folder.") from None
    except (ValueError, OSError) as error:  # pandas' own errors and those of encodings are ValueErrors
        reason = " ".join(str(error).split())
        raise DataFileError(
            f"{path}: expected a table of synapse counts, got one that cannot be read ({reason})."
        ) from None
    _check_shape(table.shape, N, path, counted, " behind one header row and one index column")
    if any(dtype.kind not in "iuf" for dtype in table.dtypes):
        numbers = table.apply(pd.to_numeric, errors="coerce")
    else:
        numbers = table
    counts = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    # 2**53: the greatest count that float64 holds exactly; anything near it is no count of synapses.
    wrong = ~(np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts)) & (counts < 2**53))
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise DataFileError(
            f"{path}: expected whole synapse counts of at least 0, got {str(table.iat[row, column])!r} for neuron "
            f"{row} -> {column}."
        )
    return counts.astype(np.int64)


def read_ids(path: Path, N: int, counted: Path) -> np.ndarray:
    """Return ids, shape ``(N,)``, int64."""
    ids = read_npy(path)
    if ids.dtype.kind not in "iu":
        raise DataFileError(
            f"{path}: expected ids as int64, got {ids.dtype}: a float keeps 53 bits, so digits are lost; read them "
            "again from their source as whole numbers."
        )
    _check_shape(ids.shape, N, path, counted, dimensions=1)
    return ids


def read_matrix(path: Path, N: int, counted: Path, *, mirrored: bool = False, bounded: bool = False) -> np.ndarray:
    """Return a symmetric matrix, shape ``(N, N)``, float64.

    Args:
        path: The file.
        N: Number of neurons.
        counted: The file that gave ``N``.
        mirrored: Only the lower triangle is stored (the upper one is zero), and is mirrored up.
        bounded: Entries lie in [-1, 1].
    """
    matrix = read_npy(path)
    if matrix.dtype.kind != "f":
        raise DataFileError(f"{path}: expected floating point numbers, got {matrix.dtype}.")
    _check_shape(matrix.shape, N, path, counted)
    matrix = matrix.astype(np.float64, copy=False)
    _check_finite(matrix, path)
    if mirrored and not np.triu(matrix, 1).any():
        matrix = np.tril(matrix) + np.tril(matrix, -1).T
    distance = np.abs(matrix - matrix.T)
    if distance.size and distance.max() > ASYMMETRY:
        row, column = np.unravel_index(int(distance.argmax()), matrix.shape)
        raise DataFileError(
            f"{path}: expected a symmetric matrix{' or its lower triangle' if mirrored else ''}, got "
            f"{matrix[row, column]} at [{row}, {column}] and {matrix[column, row]} at [{column}, {row}]."
        )
    if bounded and np.abs(matrix).max(initial=0.0) > 1 + ASYMMETRY:
        raise DataFileError(f"{path}: expected values in [-1, 1], got {matrix.min()} .. {matrix.max()}.")
    return matrix


def read_spikes(path: Path, N: int, counted: Path) -> list[np.ndarray]:
    """Return the spike times of each neuron in s, ascending, float64."""
    stored = read_npy(path)
    _check_shape(stored.shape[:1], N, path, counted, dimensions=1)
    trains = [np.asarray(train, dtype=np.float64) for train in stored]
    for neuron, train in enumerate(trains):
        if train.ndim != 1:
            raise DataFileError(
                f"{path}: expected spike times in one row, got shape {train.shape} for neuron {neuron}."
            )
        if not np.isfinite(train).all() or (train < 0).any() or (np.diff(train) < 0).any():
            raise DataFileError(
                f"{path}: expected ascending spike times of at least 0 s, got NaN, negative or unordered times for "
                f"neuron {neuron}."
            )
    return trains


def _check_shape(
    got: tuple[int, ...], N: int, path: Path, counted: Path, where: str = "", *, dimensions: int = 2
) -> None:
    expected = (N,) * dimensions
    if tuple(got) != expected:
        raise DataFileError(
            f"{path}: expected shape {expected}{where}, for the {N} neurons of {counted.name}, got {tuple(got)}; the "
            "files of a field must be of the same neurons."
        )


def _check_finite(values: np.ndarray, path: Path) -> None:
    wrong = ~np.isfinite(values)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataFileError(
            f"{path}: expected finite numbers, got {int(wrong.sum())} that are NaN or infinite, the first at "
            f"{list(first)} ({values[first]})."
        )
