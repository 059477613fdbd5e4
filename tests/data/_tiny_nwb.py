"""Write small files in the layout of DANDI 000402: not real data, but every path that the real ones have and we read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

T, UNITS, FIELDS = 60, {1: [1, 2, 3, 4], 2: [5, 6, 7]}, (1, 2)
FLUORESCENCE, SEGMENTATION = "processing/ophys/Fluorescence", "processing/ophys/ImageSegmentation"


def traces_of(field: int) -> np.ndarray:
    """Return traces, shape ``(T, N)`` as in the file."""
    return np.random.default_rng(field).gamma(2.0, 50.0, (T, len(UNITS[field]))).astype(np.float32)


def nuclei_of(field: int) -> np.ndarray:
    """Return nucleus ids as the archive has them: float64, NaN for a unit that was not found."""
    return np.array([np.nan if unit % 3 == 0 else 100_000.0 + unit for unit in UNITS[field]])


def write_scan(path: Path, session: int = 4, scan: int = 7, *, change=None) -> Path:
    """Write one scan; ``change(file)`` alters it before it is closed."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        file["general/session_id"] = f"{session}-scan-{scan}"
        for field in FIELDS:
            units = UNITS[field]
            plane = file.create_group(f"{SEGMENTATION}/PlaneSegmentation{field}")
            plane.attrs["neurodata_type"] = "PlaneSegmentation"
            plane["id"] = np.array(units)
            plane["image_mask"] = np.zeros((len(units), 3, 4), dtype=np.float32)
            plane["mask_type"] = np.array(["soma", "artifact", "soma", "soma"][: len(units)], dtype=object)
            plane["nucleus_id"] = nuclei_of(field)
            plane["pt_root_id"] = np.where(np.isnan(nuclei_of(field)), np.nan, 864691135000000066.0)
            for axis, size in zip("xyz", (200_000.0, 100_000.0, 20_000.0), strict=True):
                plane[f"pt_{axis}_position"] = np.where(np.isnan(nuclei_of(field)), np.nan, size + np.array(units))
            series = file.create_group(f"{FLUORESCENCE}/RoiResponseSeries{field}")
            series.attrs["neurodata_type"] = "RoiResponseSeries"
            series.create_dataset("data", data=traces_of(field), compression="gzip")
            series.create_dataset("timestamps", data=5.0 + np.arange(T) / 6.25, compression="gzip")
            series["rois"] = np.arange(len(units))
            series["rois"].attrs["table"] = plane.ref
        if change is not None:
            change(file)
    return path


def scan_name(session: int = 4, scan: int = 7) -> str:
    return f"sub-17797_ses-{session}-scan-{scan}_behavior+image+ophys.nwb"
