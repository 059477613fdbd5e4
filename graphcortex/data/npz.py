"""A connectome as one ``.npz`` that SciPy opens as a sparse matrix, and back without loss."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from scipy import sparse

from graphcortex.data._archive import read_archive
from graphcortex.data._record import from_text, to_connectome, to_levels, to_text
from graphcortex.data._save import whole
from graphcortex.data._unpickle import DataFileError, read_npy_numbers
from graphcortex.data.connectome import Connectome
from graphcortex.data.schema import STORES, fields_of

_MATRIX = ("format", "shape", "data", "indices", "indptr")
_ORDER = "order"
_NOTES = "connectome"


def to_npz(connectome: Connectome, path: str | os.PathLike) -> Path:
    """Write a connectome as an ``.npz`` file of plain arrays, whole or not at all.

    ``scipy.sparse.load_npz(path)`` gives the synapse counts ``W[source, target]`` as a CSR matrix. Beside its arrays stand
    those of all fields (``neuron.pos``, ``synapse.size``, ``coactivity.correlation``, ...), the place of each entry of the
    matrix in the list of edges (``order``), and names and provenance as JSON (``connectome``, in bytes).

    Args:
        connectome: What to write.
        path: The file, which ends in ``.npz``. It is replaced if it is there.

    Returns:
        The path.

    Raises:
        ConnectomeError: If the connectome is not valid, or there is no such folder.
        DataFileError: If the path has another suffix.

    Example:
        >>> import tempfile
        >>> from scipy import sparse
        >>> from graphcortex.data import SyntheticCortex
        >>> cortex = SyntheticCortex(num_neurons=10, num_graphs=1, duration_s=60.0)[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = to_npz(cortex, f"{folder}/cortex.npz")
        ...     sparse.load_npz(path).shape, read_npz(path).num_neurons
        ((10, 10), 10)
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise DataFileError(f"{path}: expected a path that ends in .npz, got {path.suffix or 'no suffix'}.")
    levels, N = to_levels(connectome), connectome.num_neurons
    source, target = levels["synapse"]["edge_index"]
    order = np.lexsort((target, source))
    matrix = sparse.csr_array(
        (levels["synapse"]["count"][order], target[order], np.searchsorted(source[order], np.arange(N + 1))),
        shape=(N, N),
    )
    arrays = {
        "format": np.array(b"csr"),
        "shape": np.array(matrix.shape),
        "data": matrix.data,
        "indices": matrix.indices.astype(np.int64),
        "indptr": matrix.indptr.astype(np.int64),
        _ORDER: order,
        _NOTES: np.frombuffer(to_text(connectome).encode("ascii"), dtype=np.uint8),
    }
    for level, fields in levels.items():
        for name, array in fields.items():
            if (level, name) not in (("synapse", "edge_index"), ("synapse", "count")):  # these are the matrix
                arrays[f"{level}.{name}"] = array
    with whole(path) as part, part.open("xb") as file:
        # Not packed: measured values hardly shrink, and a reader may then refuse what unfolds too far.
        np.savez(file, **arrays)
    return path


def read_npz(path: str | os.PathLike) -> Connectome:
    """Read a connectome that :func:`to_npz` wrote: the same fields, to the last bit.

    No pickle is read, no path of the archive is followed, and an archive that unfolds beyond reason is refused.

    Raises:
        UnsafeFileError: If the file asks for any of these. Nothing of it ran.
        DataFileError: If it is missing, damaged or something else.
        ConnectomeError: If the arrays are no valid connectome.
    """
    path = Path(path)
    members = read_archive(path, _is_member)
    if not members.pop("format.npy", b"").endswith(b"csr"):
        raise DataFileError(f"{path}: expected a file written by to_npz, got one without a CSR matrix.")
    arrays = {name[:-4]: read_npy_numbers(content, f"{path}: {name}") for name, content in members.items()}
    missing = [name for name in (*_MATRIX[1:], _ORDER, _NOTES) if name not in arrays]
    if missing:
        raise DataFileError(f"{path}: expected a file written by to_npz, got one without {', '.join(missing)}.")
    if arrays[_NOTES].dtype != np.uint8:
        raise DataFileError(f"{path}: expected its notes as bytes, got {arrays[_NOTES].dtype}.")
    record = from_text(arrays[_NOTES].tobytes(), str(path))
    levels: dict[str, dict[str, np.ndarray]] = {level: {} for level in STORES}
    for name, array in arrays.items():
        level, _, field = name.partition(".")
        if field:
            levels[level][field] = array
    levels["synapse"] |= _edges(arrays, path)
    return to_connectome(levels, record, path)


def _is_member(name: str) -> bool:
    stem, suffix = name[:-4], name[-4:]
    level, _, field = stem.partition(".")
    return suffix == ".npy" and (stem in (*_MATRIX, _ORDER, _NOTES) or (level in STORES and field in fields_of(level)))


def _edges(arrays: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """Return edges and counts in the order in which the connectome had them."""
    count, indices, indptr, order = (arrays[name] for name in ("data", "indices", "indptr", _ORDER))
    E, N = len(np.atleast_1d(count)), len(np.atleast_1d(indptr)) - 1
    fits = (
        all(array.ndim == 1 and array.dtype == np.int64 for array in (count, indices, indptr, order))
        and arrays["shape"].tolist() == [N, N]
        and len(indices) == len(order) == E
        and indptr[0] == 0
        and indptr[-1] == E
        and (np.diff(indptr) >= 0).all()
        and np.array_equal(np.sort(order), np.arange(E))
    )
    if not fits:
        raise DataFileError(f"{path}: expected a CSR matrix and the order of its entries, got arrays that do not fit.")
    place = np.argsort(order)
    source = np.repeat(np.arange(N), np.diff(indptr))
    return {"edge_index": np.stack([source, indices])[:, place], "count": count[place]}
