"""The released MICrONS fields: each a part of visual cortex with wiring, positions and recorded activity."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from graphcortex.data import _field_files as files
from graphcortex.data._download import BASE_URL, RELEASE, fetch, released_files, sha256_of
from graphcortex.data._named import NamedDataset
from graphcortex.data._unpickle import DataFileError
from graphcortex.data._validate import ConnectomeError
from graphcortex.data.connectome import Connectome

LAYOUTS = ("Model/DATA/info", "info", ".")
"""Where the folders of the fields may lie below the root: as in the released repository, or in less of it."""


class MicronsFields(NamedDataset):
    """The preprocessed MICrONS fields, each a :class:`~graphcortex.data.Connectome`.

    A field is one imaging plane of one scan, named ``session_scan_field``. 56 were released with arXiv 2606.14975 (MIT
    licence). Positions become um, ids int64, and every ordered pair of neurons one co-activity edge with its
    correlation, STTC and precision; the diagonals of these matrices become ``self_correlation``, ``self_sttc`` and
    ``self_precision`` of the neurons. Row ``i``, column ``j`` of the synapse table is taken as ``i -> j``.

    Fields are ordered by (session, scan, field), and read each time they are asked for. Nothing but missing files is
    ever written into the root. ``provenance`` has the licence, version and citation of the release for a field of a
    released name; whether its files are the released ones, :meth:`verify` says.

    Args:
        root: A folder that holds ``<field>/``, ``info/<field>/`` or ``Model/DATA/info/<field>/``.
        names: The fields wanted. By default those that lie in the root or, if none does, all 56.
        download: Whether to fetch missing files of the released fields when they are asked for. Each is checked against
            the SHA-256 in the manifest of this package.
        base_url: Where the files are fetched from.
        progress: Whether to show a bar while files are fetched.
        transform: Applied to each field as it is read.

    Raises:
        DataFileError: If the root holds no field and nothing may be fetched, or a name is not known.

    Example:
        >>> fields = MicronsFields("data", names=["6_6_2", "4_7_2"])  # fetches nothing yet
        >>> fields.names
        ('4_7_2', '6_6_2')
    """

    def __init__(
        self,
        root: str | os.PathLike,
        names: Sequence[str] | str | None = None,
        *,
        download: bool = True,
        base_url: str = BASE_URL,
        progress: bool = True,
        transform: Callable[[Connectome], Any] | None = None,
    ):
        # PyG would download and process into the root if `download` and `process` were methods; here they are not.
        super().__init__(str(root), transform=transform)
        self.root = str(Path(root).expanduser())
        self._may_download, self._base_url, self._progress = download, base_url, progress
        local, self._folder = _find_fields(Path(self.root))
        if not local and _holds_field_files(Path(self.root)):
            raise DataFileError(_nothing_found(Path(self.root)))
        released = released_files() if download else {}
        if names is None:
            names = local or released
            if not names:
                raise DataFileError(_nothing_found(Path(self.root)))
        names = [names] if isinstance(names, str) else list(names)
        there = sorted({*local, *released}, key=files.field_key)
        for name in names:
            if name not in there:
                raise DataFileError(f"unknown field {name!r}; {_listed(there, self.root)}.")
        self._names = tuple(sorted(set(names), key=files.field_key))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields, in order."""
        return tuple(self._names[i] for i in self.indices())

    @property
    def folder(self) -> Path:
        """The folder that holds the folders of the fields."""
        return self._folder

    def len(self) -> int:
        """Return the number of fields of the whole dataset; ``len(fields)`` counts a selection."""
        return len(self._names)

    def get(self, idx: int) -> Connectome:
        """Read the field of this number in the whole dataset."""
        name = self._names[idx]
        needed = files.needed_files(name)
        folder = self._complete(name, needed.values())
        at = {key: folder / file for key, file in needed.items()}
        pos = files.read_positions(at["positions"])
        N, counted = len(pos), at["positions"]
        W = files.read_counts(at["connectome"], N, counted)
        source, target = np.nonzero(W)
        others = ~np.eye(N, dtype=bool)
        pairs = np.stack([np.repeat(np.arange(N), max(N - 1, 0)), np.broadcast_to(np.arange(N), (N, N))[others]])
        measures: dict[str, np.ndarray] = {}
        for key in ("correlation", "sttc", "precision"):
            matrix = files.read_matrix(at[key], N, counted, mirrored=key == "sttc", bounded=key != "precision")
            measures[key] = matrix[others]
            measures[f"self_{key}"] = matrix.diagonal()
        ids = {key: files.read_ids(at[key], N, counted) for key in ("root_id", "unit_id", "nucleus_id")}
        session, scan, field = files.field_key(name)
        provenance = {"source": "MICrONS", "field": name, "session": session, "scan": scan, "plane": field}
        if name in released_files():
            provenance |= RELEASE
        try:
            return Connectome.from_arrays(
                pos,
                np.stack([source, target]),
                W[source, target],
                coactivity_index=pairs,
                provenance=provenance,
                **measures,
                **ids,
            )
        except ConnectomeError as error:
            raise DataFileError(f"{folder}: {error}") from None

    def spike_times(self, name: str) -> list[Tensor]:
        """Read the spike times of a field.

        Args:
            name: The field.

        Returns:
            For each neuron, in the order of the field, its spike times in s, ascending, float64.

        Raises:
            DataFileError: If the field was released without spikes, or the file does not hold spike times.
            DownloadError: If the file is missing and cannot be fetched.
        """
        self._position(name)
        file = files.spike_file(name)
        if not (self._folder / name / file).is_file() and file not in released_files().get(name, {}):
            having = [field for field in self.names if self._has_spikes(field)]
            raise DataFileError(
                f"{self._folder / name / file}: field {name} has no spike times; of these fields, "
                f"{', '.join(having) or 'none'} has."
            )
        counted = files.needed_files(name)["positions"]
        folder = self._complete(name, [counted, file])
        N = len(files.read_positions(folder / counted))
        return [torch.from_numpy(train.copy()) for train in files.read_spikes(folder / file, N, folder / counted)]

    def verify(self) -> pd.DataFrame:
        """Compare the files of the fields with the released ones, byte for byte.

        Returns:
            One row per file of these fields: ``field``, ``file``, ``status`` (``"released"``, ``"altered"``,
            ``"missing"``, or ``"not released"`` for one that the manifest does not list), ``bytes`` and ``sha256`` as
            found, ``expected_sha256``.
        """
        rows = []
        for name in self.names:
            known, folder = released_files().get(name, {}), self._folder / name
            found = {path.name: path for path in folder.iterdir() if path.is_file()} if folder.is_dir() else {}
            for file in sorted({*known, *found}):
                path, expected = found.get(file), known[file].sha256 if file in known else None
                got = sha256_of(path) if path is not None else None
                if path is None:
                    status = "missing"
                elif expected is None:
                    status = "not released"
                else:
                    status = "released" if got == expected else "altered"
                rows.append((name, file, status, path.stat().st_size if path else 0, got, expected))
        return pd.DataFrame(rows, columns=["field", "file", "status", "bytes", "sha256", "expected_sha256"])

    def __repr__(self) -> str:
        return f"MicronsFields({len(self)} fields in {self.root!r}: {_shortened(self.names)})"

    def _position(self, name: str) -> int:
        if name not in self.names:
            raise DataFileError(f"unknown field {name!r}; {_listed(self.names, self.root)}.")
        return self.names.index(name)

    def _has_spikes(self, name: str) -> bool:
        file = files.spike_file(name)
        fetchable = self._may_download and file in released_files().get(name, {})
        return fetchable or (self._folder / name / file).is_file()

    def _complete(self, name: str, needed: Any) -> Path:
        """Return the folder of a field once the needed files are in it."""
        folder, known = self._folder / name, released_files().get(name, {})
        missing = [file for file in needed if not (folder / file).is_file()]
        wanted = [known[file] for file in missing if file in known] if self._may_download else []
        if len(wanted) < len(missing):
            lost = next(file for file in missing if file not in {file.name for file in wanted})
            remedy = "allow download=True to fetch it" if lost in known else "it is not one of the released files"
            raise DataFileError(f"{folder / lost}: expected a file of field {name}, got no file; {remedy}.")
        if wanted:
            fetch(wanted, folder, base_url=self._base_url, progress=self._progress, label=name)
        return folder


def _find_fields(root: Path) -> tuple[list[str], Path]:
    """Return the fields that lie in a root, and the folder that holds (or would hold) theirs."""
    for layout in LAYOUTS:
        folder = root / layout
        if folder.is_dir():
            # A folder without any file of a field, such as an interrupted download leaves, is no field.
            found = [
                path.name
                for path in folder.iterdir()
                if files.FIELD_NAME.fullmatch(path.name)
                and any((path / file).is_file() for file in files.needed_files(path.name).values())
            ]
            if found:
                return sorted(found, key=files.field_key), folder
    return [], root / "info"


def _holds_field_files(root: Path) -> bool:
    """Say whether a root is the folder of one field itself."""
    return bool(files.FIELD_NAME.fullmatch(root.name)) and any(
        (root / file).is_file() for file in files.needed_files(root.name).values()
    )


def _nothing_found(root: Path) -> str:
    expected = "a folder with <field>/, info/<field>/ or Model/DATA/info/<field>/"
    if not root.is_dir():
        return f"{root}: expected {expected}, got no folder; check the path, or allow download=True."
    if files.FIELD_NAME.fullmatch(root.name):
        return f"{root}: expected {expected}, got the folder of one field; pass the folder above it, {root.parent}."
    return f"{root}: expected {expected}, got a folder without fields; check the path, or allow download=True."


def _listed(names: Sequence[str], root: str) -> str:
    return f"the fields of {root} are {', '.join(names)}" if names else f"no field is in {root}"


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])}, ..., {names[-1]}"
