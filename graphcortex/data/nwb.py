"""Recordings in NWB files of the layout of DANDI 000402, the two-photon data of MICrONS, read by their HDF5 paths."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphcortex._optional import require
from graphcortex.data import _hdf5 as hdf5
from graphcortex.data._field_files import FIELD_NAME, VOXEL_UM, field_key
from graphcortex.data._unpickle import DataFileError
from graphcortex.data.schema import MAX_COORDINATE_UM

FLUORESCENCE = "processing/ophys/Fluorescence"
SEGMENTATION = "processing/ophys/ImageSegmentation"
_SERIES = re.compile(r"RoiResponseSeries(\d+)")
_SCAN = re.compile(r"(\d+)-scan-(\d+)")
_LARGEST_EXACT = 2**53


@dataclass(frozen=True)
class Recording:
    """The activity of the units of one field, one imaging plane of one scan.

    Attributes:
        session: Session of the experiment.
        scan: Scan within the session.
        field: Field within the scan.
        traces: Fluorescence of each unit, in the unit of the file, its conversion and offset applied, float32, shape
            ``(N, T)``. NaN where the file has NaN: see :meth:`complete`.
        timestamps_s: Time of each frame in s, ascending, float64, shape ``(T,)``.
        unit_id: Unit within the scan, int64, shape ``(N,)``.
        nucleus_id: Nucleus of each unit, int64, 0 where the file names none, shape ``(N,)``.
        pos: Position of the nucleus in um, float32, NaN where the file names none, shape ``(N, 3)``.
        mask_type: What each mask was taken for (``"soma"``, ``"artifact"``), empty where the file does not say.
    """

    session: int
    scan: int
    field: int
    traces: Tensor
    timestamps_s: Tensor
    unit_id: Tensor
    nucleus_id: Tensor
    pos: Tensor
    mask_type: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``session_scan_field``, as :class:`~graphcortex.data.MicronsFields` names its fields."""
        return f"{self.session}_{self.scan}_{self.field}"

    @property
    def rate_hz(self) -> float:
        """Frames per second, on average; NaN for a single frame."""
        span = float(self.timestamps_s[-1] - self.timestamps_s[0])
        return (self.timestamps_s.numel() - 1) / span if span > 0 else float("nan")

    def select(self, unit_id: Tensor | Sequence[int]) -> Recording:
        """Return the recording of some units, in the order given; of the neurons of a connectome, say.

        Args:
            unit_id: The units wanted, whole numbers, shape ``(M,)``.

        Raises:
            DataFileError: If a unit was not recorded in this field.
        """
        wanted = torch.as_tensor(unit_id).cpu()
        if wanted.dim() != 1 or wanted.is_floating_point():
            raise DataFileError(
                f"unit_id must hold whole numbers in one row, got {wanted.dtype} {tuple(wanted.shape)}."
            )
        row = {int(unit): place for place, unit in enumerate(self.unit_id)}
        missing = [unit for unit in wanted.tolist() if unit not in row]
        if missing:
            raise DataFileError(
                f"unit_id must name units of field {self.name}, got {len(missing)} of {wanted.numel()} that are not "
                f"there, the first {missing[0]}; unit ids count within a scan, so check session, scan and field."
            )
        rows = torch.tensor([row[unit] for unit in wanted.tolist()], dtype=torch.int64)
        kinds = tuple(self.mask_type[place] for place in rows.tolist()) if self.mask_type else ()
        parts = {name: getattr(self, name)[rows] for name in ("traces", "unit_id", "nucleus_id", "pos")}
        return replace(self, mask_type=kinds, **parts)

    @property
    def missing_frames(self) -> Tensor:
        """Frames in which the trace of each unit is NaN, int64, shape ``(N,)``."""
        return self.traces.isnan().sum(1)

    def complete(self) -> Recording:
        """Return the recording without NaN.

        Units without any value are left out, then frames that no unit has a value in, and then the units that still
        have NaN.
        """
        missing = self.traces.isnan()
        units = ~missing.all(1)
        frames = ~missing[units].all(0)
        units &= ~missing[:, frames].any(1)
        chosen = self.select(self.unit_id[units])
        return replace(chosen, traces=chosen.traces[:, frames], timestamps_s=self.timestamps_s[frames])

    def __repr__(self) -> str:
        units, frames = self.traces.shape
        gaps = int((self.missing_frames > 0).sum())
        without = f", {gaps:,} units with NaN" if gaps else ""
        return f"Recording({self.name}: {units:,} units, {frames:,} frames at {self.rate_hz:.2f} Hz{without})"


class MicronsRecordings:
    """The NWB files of scans, each with the traces of its fields (extra ``[nwb]``).

    Of each file these paths are read: ``/processing/ophys/Fluorescence/RoiResponseSeries{field}`` (``data`` with its
    ``conversion`` and ``offset``, ``timestamps`` or ``starting_time``, ``rois``) and the table that ``rois`` refers to, or
    else ``/processing/ophys/ImageSegmentation/PlaneSegmentation{field}`` (``id``, which holds the unit ids, and where they
    are there ``nucleus_id``, with NaN or -1 for none, ``mask_type`` and the voxels ``pt_x_position``, ``pt_y_position``,
    ``pt_z_position``). Times are in s unless their ``unit`` says ms or us. The ``pt_root_id`` of the table
    is left alone: it is stored as float64, which cannot hold the 18 digits of a root id; look root ids up by nucleus id.

    Links and data that lie outside a file are not followed. A damaged file is a :class:`DataFileError`, but for one case
    that lies in the HDF5 library: it may never return from texts of variable length whose heap is damaged.

    Args:
        root: An NWB file, or a folder with some, at any depth, named as in the archive: ``..._ses-4-scan-7_....nwb``.

    Raises:
        DataFileError: If there is no such file or folder, or two files are of one scan.
        MissingDependencyError: If h5py is not installed.

    References:
        MICrONS Two Photon Functional Imaging, DANDI archive, https://doi.org/10.48324/dandi.000402/0.230307.2132

        The MICrONS Consortium (2025). Functional connectomics spanning multiple areas of mouse visual cortex. Nature
        640. https://doi.org/10.1038/s41586-025-08790-w
    """

    def __init__(self, root: str | os.PathLike):
        require("h5py", "nwb", "Reading NWB files")
        root = Path(root).expanduser()
        if root.is_dir():
            paths = sorted(root.rglob("*.nwb"))
        elif root.is_file():
            paths = [root]
        else:
            raise DataFileError(f"{root}: expected an NWB file or a folder with some, got nothing; check the path.")
        if not paths:
            raise DataFileError(f"{root}: expected a folder with NWB files, got one without any; check the path.")
        self.root = str(root)
        self._paths: dict[tuple[int, int], Path] = {}
        for path in paths:
            scan = _scan_of(path)
            if scan in self._paths:
                raise DataFileError(
                    f"{path}: expected one file per scan, got another of session {scan[0]}, scan {scan[1]}: "
                    f"{self._paths[scan]}; keep one of them."
                )
            self._paths[scan] = path

    @property
    def scans(self) -> tuple[tuple[int, int], ...]:
        """Session and scan of each file, in order."""
        return tuple(sorted(self._paths))

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of all files as ``session_scan_field``, in order; each file is opened for it.

        Raises:
            DataFileError: If a file is damaged, or not of this layout.
        """
        return tuple(
            f"{session}_{scan}_{field}" for session, scan in self.scans for field in self.fields(session, scan)
        )

    def fields(self, session: int, scan: int) -> tuple[int, ...]:
        """Return the fields of one scan, in order.

        Raises:
            DataFileError: If there is no file of this scan, or it is damaged or not of this layout.
        """
        with hdf5.opened(self._path(session, scan)) as file:
            return _fields(file)

    def read(self, session: int, scan: int, field: int) -> Recording:
        """Read one field.

        A unit whose trace holds NaN is read with the others, and a warning counts them; :meth:`Recording.complete` leaves
        them out.

        Raises:
            DataFileError: If there is no file of this scan, it is damaged or not of this layout, or it does not have
                this field.
        """
        with hdf5.opened(self._path(session, scan)) as file:
            return _read(file, session, scan, field)

    def __getitem__(self, name: str) -> Recording:
        """Read the field of this name, ``session_scan_field``."""
        if not isinstance(name, str) or not FIELD_NAME.fullmatch(name):
            raise DataFileError(f"a field must be named session_scan_field, such as '4_7_2'; got {name!r}.")
        return self.read(*field_key(name))

    def __repr__(self) -> str:
        return f"MicronsRecordings({len(self._paths)} scans in {self.root!r})"

    def _path(self, session: int, scan: int) -> Path:
        if (session, scan) not in self._paths:
            there = ", ".join(f"{a}_{b}" for a, b in self.scans)
            raise DataFileError(f"{self.root}: expected a file of scan {session}_{scan}, got files of {there}.")
        return self._paths[session, scan]


def _scan_of(path: Path) -> tuple[int, int]:
    """Return session and scan of a file, as it says itself, or else as it is called."""
    named = _SCAN.search(path.name)
    with hdf5.opened(path) as file:
        says = _SCAN.search(hdf5.text(file, "general/session_id") or "")
    if named and says and named.groups() != says.groups():
        raise DataFileError(
            f"{path}: expected session {says[1]}, scan {says[2]} in its name, as the file itself says, got {named[0]!r}; "
            "rename it."
        )
    found = says or named
    if found is None:
        raise DataFileError(
            f"{path}: expected the session and scan in /general/session_id or in the name, as ses-4-scan-7, got neither; "
            "is it a file of DANDI 000402?"
        )
    return int(found[1]), int(found[2])


def _fields(file: hdf5.File) -> tuple[int, ...]:
    found = [_SERIES.fullmatch(name) for name in hdf5.members(file, FLUORESCENCE)]
    return tuple(sorted(int(match[1]) for match in found if match))


def _read(file: hdf5.File, session: int, scan: int, field: int) -> Recording:
    there = _fields(file)
    if field not in there:
        raise DataFileError(
            f"{file.path}: expected /{FLUORESCENCE}/RoiResponseSeries{field}, got the fields "
            f"{', '.join(map(str, there)) or 'none'}."
        )
    series = f"{FLUORESCENCE}/RoiResponseSeries{field}"
    plane = _plane(file, series, field)
    traces = _traces(file, f"{series}/data")
    units, frames = traces.shape
    unit_id = hdf5.as_ids(file, f"{plane}/id", hdf5.numbers(file, f"{plane}/id", dimensions=1, whole=True))
    rows = _rows(file, series, plane, units, len(unit_id))
    columns = {"nucleus_id": np.zeros(units, dtype=np.int64), "pos": np.full((units, 3), np.nan)}
    if hdf5.holds(file, f"{plane}/nucleus_id"):
        columns["nucleus_id"] = _ids(file, f"{plane}/nucleus_id", len(unit_id))[rows]
    axes = [f"{plane}/pt_{axis}_position" for axis in "xyz"]
    if all(hdf5.holds(file, axis) for axis in axes):
        voxels = [_column(file, axis, len(unit_id)) for axis in axes]
        columns["pos"] = np.stack(voxels, axis=1)[rows] * VOXEL_UM
        if (np.abs(columns["pos"]) > MAX_COORDINATE_UM).any():
            raise DataFileError(
                f"{file.path}: expected positions in voxels of 4 x 4 x 40 nm in /{plane}, got some beyond "
                f"{MAX_COORDINATE_UM:.0f} um, which look like nm."
            )
    mask_type: tuple[str, ...] = ()
    if hdf5.holds(file, f"{plane}/mask_type"):
        kinds = hdf5.texts(file, f"{plane}/mask_type")
        if len(kinds) != len(unit_id):
            raise DataFileError(_lengths(file, f"{plane}/mask_type", len(kinds), len(unit_id)))
        mask_type = tuple(kinds[row] for row in rows)
    unit_id = unit_id[rows]
    if len(np.unique(unit_id)) != units:
        raise DataFileError(
            f"{file.path}: expected each unit once in /{plane}/id, got {units - len(np.unique(unit_id))} twice."
        )
    return Recording(
        session,
        scan,
        field,
        traces,
        torch.from_numpy(_timestamps(file, series, frames)),
        torch.from_numpy(unit_id),
        torch.from_numpy(columns["nucleus_id"]),
        torch.from_numpy(columns["pos"].astype(np.float32)),
        mask_type,
    )


def _plane(file: hdf5.File, series: str, field: int) -> str:
    """Return the path of the table of units that the traces of a field are of."""
    default = f"{SEGMENTATION}/PlaneSegmentation{field}"
    return hdf5.table_of(file, f"{series}/rois", default) if hdf5.holds(file, f"{series}/rois") else default


def _traces(file: hdf5.File, path: str) -> Tensor:
    """Return the traces, float32, shape ``(N, T)``, with NaN where a unit was not recorded."""
    stored = hdf5.scaled(file, path, hdf5.numbers(file, path, dimensions=2))
    with np.errstate(over="ignore"):
        traces = torch.from_numpy(np.array(stored.T, dtype=np.float32, order="C"))
    del stored
    missing = traces.isnan()
    infinite = int(traces.isinf().sum())
    if not traces.numel() or infinite or bool(missing.all()):
        raise DataFileError(
            f"{file.path}: expected finite traces in /{path}, got shape {tuple(traces.T.shape)} with {infinite} values that "
            f"are infinite or too large for float32 and {int(missing.sum())} that are NaN."
        )
    having = int(missing.any(1).sum())
    if having:
        warnings.warn(
            f"{file.path}: {having} of {len(traces)} units have NaN in /{path}, {int(missing.sum())} values; they are read as "
            "they are, and recording.complete() leaves them out.",
            stacklevel=5,
        )
    return traces


def _rows(file: hdf5.File, series: str, plane: str, units: int, table: int) -> np.ndarray:
    """Return the row of the table of units that each trace is of."""
    if not hdf5.holds(file, f"{series}/rois"):
        if units != table:
            raise DataFileError(_lengths(file, f"{plane}/id", table, units))
        return np.arange(units)
    rows = hdf5.numbers(file, f"{series}/rois", dimensions=1, whole=True)
    if len(rows) != units:
        raise DataFileError(_lengths(file, f"{series}/rois", len(rows), units))
    if rows.size and (rows.min() < 0 or rows.max() >= table):
        raise DataFileError(
            f"{file.path}: expected rows 0 .. {table - 1} of /{plane} in /{series}/rois, got {rows.min()} .. {rows.max()}."
        )
    return rows.astype(np.int64)


def _timestamps(file: hdf5.File, series: str, frames: int) -> np.ndarray:
    if hdf5.holds(file, f"{series}/timestamps"):
        path = f"{series}/timestamps"
        stored = hdf5.numbers(file, path, dimensions=1).astype(np.float64)
        times = hdf5.scaled(file, path, stored) * hdf5.seconds(file, path)
        if len(times) != frames:
            raise DataFileError(_lengths(file, f"{series}/timestamps", len(times), frames))
    else:
        start, rate = hdf5.start_and_rate(file, f"{series}/starting_time")
        times = start + np.arange(frames) / rate
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise DataFileError(
            f"{file.path}: expected ascending times in s of the frames of /{series}, got NaN or unordered."
        )
    return times


def _column(file: hdf5.File, path: str, rows: int) -> np.ndarray:
    values = hdf5.numbers(file, path, dimensions=1)
    if len(values) != rows:
        raise DataFileError(_lengths(file, path, len(values), rows))
    return values.astype(np.float64)


def _ids(file: hdf5.File, path: str, rows: int) -> np.ndarray:
    """Return ids that are stored as numbers with NaN or -1 where one is missing, as int64 with 0 there."""
    stored: Any = hdf5.numbers(file, path, dimensions=1)
    if len(stored) != rows:
        raise DataFileError(_lengths(file, path, len(stored), rows))
    if stored.dtype.kind in "iub":
        stored = np.where(stored == -1, 0, stored) if stored.dtype.kind == "i" else stored
        return hdf5.as_ids(file, path, stored)
    stored = np.where(np.isnan(stored) | (stored == -1), 0.0, stored)
    # Beyond 2^53 a float64 no longer holds every whole number (a float32 beyond 2^24): the last digits are lost.
    largest = _LARGEST_EXACT if stored.dtype.itemsize == 8 else 2**24
    if (stored != np.round(stored)).any() or np.abs(stored).max(initial=0.0) >= largest:
        raise DataFileError(
            f"{file.path}: expected whole ids in /{path}, got floats that do not hold them exactly; their digits are lost."
        )
    return hdf5.as_ids(file, path, stored)


def _lengths(file: hdf5.File, path: str, got: int, expected: int) -> str:
    return f"{file.path}: expected {expected} entries in /{path}, as many as its field has, got {got}."
