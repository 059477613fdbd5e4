"""Results on disk: one folder per run, written whole or not at all, and never over those of another study."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from graphcortex.study.key import RunKey
from graphcortex.study.run import RunResult

_SETTINGS = "study.json"
_WRITTEN = ("runs", "figures", "runs.csv", "table.csv", _SETTINGS)
"""What a study writes, its settings last: they mark the folder as its own until all else is deleted."""
_FACTS = ("metrics", "reasons", "diverged_epoch", "seconds")
_HISTORY = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds", "diverged")


class StoreError(ValueError):
    """A results folder that cannot be used as asked."""


class Store:
    """The results of one study in one folder.

    ``study.json`` says what the study is; ``runs/<task>/<variant>-<recurrence>-seed<k>/`` holds ``result.json``, ``history.csv``
    and ``weights.npz`` of each finished run. A run's folder appears under its name only when it is complete, so a study that was
    killed goes on where it was.

    Args:
        folder: Where to keep them; made if it is not there.
        settings: What decides the results (plain values): the connectome, the protocol, the versions.
        overwrite: Delete the results of a study that lie there; other files stay.

    Raises:
        StoreError: If the folder holds the results of another study (the message names the differences), or other files.
    """

    def __init__(self, folder: str | Path, settings: dict[str, Any], *, overwrite: bool = False):
        self.folder = Path(folder)
        settings = json.loads(json.dumps(settings))  # as it will be read back: tuples become lists
        if self.folder.exists() and not self.folder.is_dir():
            raise StoreError(f"the results folder {self.folder} must be a folder, got a file; choose another --out.")
        path = self.folder / _SETTINGS
        if path.is_file():
            differences = _differences(_read_json(path), settings)
            if differences and not overwrite:
                raise StoreError(
                    f"{self.folder} holds the results of another study, which are not overwritten: {'; '.join(differences)}. "
                    "Choose another --out, or pass --overwrite to delete them."
                )
            if overwrite:
                _delete_study(self.folder)
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise StoreError(
                f"{self.folder} is not empty and holds no study ({_SETTINGS} is missing), so nothing is written there; "
                "choose another --out."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            write_text(path, json.dumps(settings, indent=2, sort_keys=True) + "\n")

    def path(self, key: RunKey) -> Path:
        """Return the folder of a run, whether it is there or not."""
        return self.folder / "runs" / key.slug

    def __contains__(self, key: RunKey) -> bool:
        return (self.path(key) / "result.json").is_file()

    def finished(self) -> list[RunKey]:
        """Return every finished run of the folder, in the order of their names."""
        found = []
        for path in sorted(self.folder.glob("runs/*/*/*/*/result.json")):
            with contextlib.suppress(ValueError):  # a folder that somebody else put there
                found.append(RunKey.from_slug("/".join(path.parts[-5:-1])))
        return found

    def save(self, result: RunResult) -> Path:
        """Write a run, and return its folder."""
        final = self.path(result.key)
        final.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        try:
            result.history.to_csv(partial / "history.csv", index=False)
            np.savez_compressed(partial / "weights.npz", **{name: w.numpy() for name, w in result.weights.items()})
            facts = {
                "metrics": result.metrics,
                "reasons": result.reasons,
                "diverged_epoch": result.diverged_epoch,
                "seconds": result.seconds,
            }
            (partial / "result.json").write_text(json.dumps(facts, indent=2) + "\n")
            partial.chmod(0o755)
            if final.exists():
                shutil.rmtree(final)
            os.replace(partial, final)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return final

    def load(self, key: RunKey) -> RunResult:
        """Read a finished run.

        Raises:
            StoreError: If it is not there, or cannot be read.
        """
        folder = self.path(key)
        if key not in self:
            raise StoreError(f"the run {key} is not in {self.folder}; run the study first.")
        facts = _read_json(folder / "result.json")
        if set(facts) != set(_FACTS):
            raise _unreadable(
                folder / "result.json", f"expected {', '.join(_FACTS)}, got {', '.join(facts) or 'nothing'}"
            )
        return RunResult(
            key=key,
            history=_read_history(folder / "history.csv"),
            weights=_read_weights(folder / "weights.npz"),
            **facts,
        )


def _delete_study(folder: Path) -> None:
    for name in _WRITTEN:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole: to a temporary name, then renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(found, dict):
        raise _unreadable(path, f"expected a JSON object, got a {type(found).__name__}")
    return found


def _read_history(path: Path) -> pd.DataFrame:
    try:
        history = pd.read_csv(path, float_precision="round_trip")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if list(history) != list(_HISTORY) or history.empty:
        raise _unreadable(path, f"expected rows of {', '.join(_HISTORY)}; got {len(history)} of {', '.join(history)}")
    return history


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.is_file() and not zipfile.is_zipfile(path):
            raise ValueError("expected a zip archive of arrays, got something else")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except Exception as error:  # a damaged archive fails in ways of zipfile, zlib and NumPy
        raise _unreadable(path, error) from error


def _unreadable(path: Path, reason: object) -> StoreError:
    if path.name == _SETTINGS:
        return StoreError(f"{path} cannot be read ({reason}); delete it, or choose another --out.")
    return StoreError(f"{path} cannot be read ({reason}); delete the folder {path.parent} and run again.")


def _differences(there: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> list[str]:
    """Name what differs between two settings, as ``protocol.epochs: 10 there, 2 asked for``."""
    found = []
    for name in sorted(there.keys() | wanted.keys()):
        a, b = there.get(name), wanted.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{prefix}{name}.")
        elif a != b:
            found.append(f"{prefix}{name}: {a!r} there, {b!r} asked for")
    return found
