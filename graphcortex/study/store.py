"""Results on disk: one Parquet part per run, written whole or not at all, and never over those of another study."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphcortex._atomic import UNFINISHED, remove_unfinished, write_bytes, write_text
from graphcortex._bounded import load_arrays
from graphcortex.data import Connectome
from graphcortex.study import manifest, part
from graphcortex.study.failure import Failure
from graphcortex.study.key import RunKey, check_names_differ
from graphcortex.study.protocol import Protocol
from graphcortex.study.run import RunResult

__all__ = ["Store", "StoreError"]

MANIFEST = "manifest.json"
_OLD = "study.json"
_WRITTEN = (
    *("runs", "weights", "failures", "set_aside", "connectomes", "figures", "report", "nulls"),
    *("checkpoints", "tensorboard", "log.csv"),
    *("runs.csv", "table.csv", "times.csv", "metrics.csv", "report.html"),
    *(_OLD, MANIFEST),
)
"""What a study writes, what marks the folder as its own last: it does so until all else is deleted."""

_SPARE = ("set_aside", "figures", "report", "nulls", "tensorboard")
"""What no study needs to go on."""

_LOCKED = (
    *("runs", "weights", "failures", "set_aside", "connectomes", "checkpoints"),
    *("runs.csv", "table.csv", "times.csv", MANIFEST),
)
"""What nobody writes but the process that holds the folder."""


class StoreError(ValueError):
    """A results folder that cannot be used as asked."""


class Store:
    """The results of one study in one folder.

    ``manifest.json`` says what the study is, what was last asked for, and on which machines it ran. ``runs/<slug>.parquet`` is a
    finished run, with its history; ``weights/<slug>.npz`` what it learned, where that is kept; ``failures/<slug>.json`` a run that
    failed; ``set_aside/`` what could not be read; ``connectomes/<name>.pt`` the neurons. Everything is written beside its place and
    renamed into it, weights before the run they belong to, so a study that was killed goes on where it was.

    Args:
        folder: Where to keep them; made if it is not there.
        settings: What decides the results (plain values): the connectomes, the protocols, the versions.
        study: What is asked for (plain values), so that the folder alone is enough to go on.
        overwrite: Delete the results of a study that lie there; other files stay.

    Raises:
        StoreError: If the folder holds the results of another study (the message names the differences), or other files, or
            cannot be written.
    """

    def __init__(
        self,
        folder: str | Path,
        settings: Mapping[str, Any],
        *,
        study: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ):
        self.folder = Path(folder).expanduser()
        settings, study = (json.loads(json.dumps(dict(values or {}))) for values in (settings, study))
        self._check_folder(settings, overwrite)
        path = self.folder / MANIFEST
        if overwrite and (path.is_file() or (self.folder / _OLD).is_file()):
            _delete_study(self.folder)
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                there = _read_manifest(path)
                found = manifest.grown(there, settings, study)
            else:
                there, found = None, manifest.new(settings, study)
            if found != there:
                write_text(path, json.dumps(found, indent=2, sort_keys=True) + "\n")

    def _check_folder(self, settings: dict[str, Any], overwrite: bool) -> None:
        check_is_folder(self.folder)
        if (self.folder / MANIFEST).is_file():
            there = _read_manifest(self.folder / MANIFEST)["settings"]
            found = manifest.differences(there, settings)
            if not overwrite:
                for name in manifest.GROWING:
                    check_names_differ([*there.get(name, {}), *settings.get(name, {})], f"{name} of {self.folder}")
            if found and not overwrite:
                raise StoreError(
                    f"{self.folder} holds the results of another study, which are not overwritten: {'; '.join(found)}. "
                    "Choose another --out, or pass --overwrite to delete them."
                )
        elif (self.folder / _OLD).is_file():
            _read_json(self.folder / _OLD)
            if not overwrite:
                raise StoreError(
                    f"{self.folder} holds the results of another study, in the format of an earlier version ({_OLD}), which are "
                    "not overwritten. Choose another --out, or pass --overwrite to delete them."
                )
        elif self.folder.exists() and any(not _is_ours_unfinished(path) for path in self.folder.iterdir()):
            raise StoreError(
                f"{self.folder} is not empty and holds no study ({MANIFEST} is missing), so nothing is written there; "
                "choose another --out."
            )

    @classmethod
    def open(cls, folder: str | Path) -> Store:
        """Return the store of a folder that holds a study, to read from; nothing is written.

        Raises:
            StoreError: If it holds none.
        """
        store = cls.__new__(cls)
        store.folder = Path(folder).expanduser()
        if not (store.folder / MANIFEST).is_file():
            old = f" but one of an earlier version ({_OLD})" if (store.folder / _OLD).is_file() else ""
            raise StoreError(f"{folder} must be the results folder of a study, with a {MANIFEST}; got none{old}.")
        _read_manifest(store.folder / MANIFEST)
        return store

    @property
    def manifest(self) -> dict[str, Any]:
        """What the folder says of itself: ``settings``, ``study``, ``machines``, ``began``."""
        return _read_manifest(self.folder / MANIFEST)

    def path(self, key: RunKey) -> Path:
        """Return the file of a run, whether it is there or not."""
        return self.folder / "runs" / f"{key.slug}.parquet"

    def weights_path(self, key: RunKey) -> Path:
        """Return the file of what a run learned, whether it is there or not."""
        return self.folder / "weights" / f"{key.slug}.npz"

    def __contains__(self, key: RunKey) -> bool:
        return self.path(key).is_file()

    def finished(self) -> list[RunKey]:
        """Return every finished run of the folder, in the order of their names."""
        return self._keys("runs", ".parquet")

    def save(self, result: RunResult, *, keep_weights: bool = True) -> Path:
        """Write a run, and return its file.

        Raises:
            StoreError: If it cannot be written; the folder is as it was before.
        """
        path, weights_path, sha256 = self.path(result.key), self.weights_path(result.key), None
        with _writing(self.folder):
            if keep_weights:
                buffer = io.BytesIO()
                np.savez_compressed(buffer, **{name: value.numpy() for name, value in result.weights.items()})
                sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
                write_bytes(weights_path, buffer.getvalue())
            write_bytes(path, part.encode(result, sha256))
            self._failure_path(result.key).unlink(missing_ok=True)
        return path

    def load(self, key: RunKey, *, weights: bool = True) -> RunResult:
        """Read a finished run.

        Args:
            key: Which.
            weights: Read what it learned too; without, ``weights`` is empty, as it is where they were not kept.

        Raises:
            StoreError: If it is not there, or cannot be read.
        """
        if key not in self:
            raise StoreError(f"the run {key} is not in {self.folder}; run the study first.")
        result, sha256 = self._decode(key)
        if weights and sha256 is not None:
            result.weights.update(_read_weights(self.weights_path(key), sha256))
        return result

    def set_aside_damaged(self, keys: Iterable[RunKey]) -> list[str]:
        """Move runs that cannot be read to ``set_aside/``, where they are in nobody's way; each will be run again.

        Returns:
            What was moved and why, a line each.
        """
        lines = []
        for key in keys:
            if key not in self:
                continue
            try:
                sha256 = self._decode(key)[1]
                if sha256 is not None:
                    _read_whole(self.weights_path(key), sha256)
            except StoreError as error:
                aside = self.folder / "set_aside" / secrets.token_hex(4)
                with _writing(self.folder):
                    for path in (self.path(key), self.weights_path(key)):
                        if path.is_file():
                            target = aside / path.relative_to(self.folder)
                            target.parent.mkdir(parents=True)
                            os.replace(path, target)
                lines.append(f"set aside in {aside}, and run again: {key} ({error})")
        return lines

    def save_failure(self, failure: Failure) -> None:
        """Write down a run that failed.

        Raises:
            StoreError: If it cannot be written.
        """
        facts = {"run": failure.key.slug, "error": failure.error, "traceback": failure.traceback}
        with _writing(self.folder):
            write_text(self._failure_path(failure.key), json.dumps(facts, indent=2) + "\n")

    def failures(self) -> list[Failure]:
        """Return the runs that failed when they were last tried."""
        found = []
        for key in self._keys("failures", ".json"):
            with contextlib.suppress(StoreError):  # a note, and no result: damaged, it says nothing
                facts = _read_json(self._failure_path(key))
                found.append(Failure(key, str(facts.get("error")), str(facts.get("traceback"))))
        return found

    def save_connectomes(self, connectomes: Mapping[str, Connectome]) -> None:
        """Keep the neurons beside the results, so that the folder alone is enough to go on and to look at what was learned."""
        folder = self.folder / "connectomes"
        with _writing(self.folder):
            folder.mkdir(exist_ok=True)
            for name, connectome in connectomes.items():
                if not (folder / f"{name}.pt").is_file():
                    connectome.save(folder / f"{name}.pt")

    def load_connectome(self, name: str) -> Connectome:
        """Read the neurons of a name.

        Raises:
            ConnectomeError: If they are not there, or cannot be read.
        """
        return Connectome.load(self.folder / "connectomes" / f"{name}.pt")

    def protocol(self, name: str) -> Protocol:
        """Return the protocol of a name, as the runs of the folder have it.

        Raises:
            StoreError: If the folder has none of that name.
        """
        protocols = self.manifest["settings"]["protocols"]
        if name not in protocols:
            raise StoreError(
                f"{self.folder} must hold runs of the protocol, got {name!r}; it has {', '.join(protocols)}."
            )
        fields = protocols[name].items()
        return Protocol(**{field: tuple(value) if isinstance(value, list) else value for field, value in fields})

    def has_own_task(self, name: str) -> bool:
        """Return whether the task of a name was given as an object of its user's, which no file holds."""
        return "object" in (self.manifest["settings"].get("tasks", {}).get(name) or ())

    def write_table(self, name: str, text: str) -> None:
        """Write a table into the folder, whole or not at all.

        Raises:
            StoreError: If it cannot be written.
        """
        with _writing(self.folder):
            write_text(self.folder / name, text)

    def clean(self) -> None:
        """Delete what killed studies left half written; only for the process that holds the folder.

        A report, figures and metrics may be written meanwhile, by processes that do not hold it.
        """
        with _writing(self.folder):
            for name in _LOCKED:
                remove_unfinished(self.folder / name)
            for path in self.folder.glob(f".*{UNFINISHED}"):
                if path.name.startswith(tuple(f".{name}." for name in _LOCKED)):
                    path.unlink(missing_ok=True)

    def _decode(self, key: RunKey) -> tuple[RunResult, str | None]:
        try:
            return part.decode(self.path(key).read_bytes(), key)
        except (OSError, part.PartError) as error:
            raise _unreadable(self.path(key), error) from error

    def _failure_path(self, key: RunKey) -> Path:
        return self.folder / "failures" / f"{key.slug}.json"

    def _keys(self, kind: str, suffix: str) -> list[RunKey]:
        found = []
        for path in sorted(self.folder.glob(f"{kind}/*/*/*/*{suffix}")):
            slug = path.relative_to(self.folder / kind).as_posix().removesuffix(suffix)
            with contextlib.suppress(ValueError):  # a file that somebody else put there
                found.append(RunKey.from_slug(slug))
        return found


def check_is_folder(folder: Path) -> None:
    """Check that a results folder is a folder or is not there.

    Raises:
        StoreError: If it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"the results folder {folder} must be a folder, got a file; choose another --out.")


@contextlib.contextmanager
def _writing(folder: Path):
    """Turn an error of the system into one that says what is safe, and what to do."""
    try:
        yield
    except OSError as error:
        advice = (
            _room(folder)
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "mend that (room on the disk, permissions)"
        )
        raise StoreError(
            f"{folder} cannot be written to ({error}). The runs that are there are whole; {advice}, and the same command goes on "
            "with the others, or choose another --out."
        ) from error


def _room(folder: Path) -> str:
    """Say how full the disk of a folder is, and what of the folder can be deleted."""
    disk = shutil.disk_usage(folder if folder.exists() else folder.parent)
    sizes = {name: sum(file.stat().st_size for file in (folder / name).rglob("*") if file.is_file()) for name in _SPARE}
    spare = ", ".join(f"{name} ({size / 1e6:.1f} MB)" for name, size in sizes.items() if size)
    return f"free some of its disk, which has {disk.free / 1e6:.1f} of {disk.total / 1e6:.1f} MB left" + (
        f"; of this folder you can delete {spare}" if spare else ""
    )


def _is_ours_unfinished(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(UNFINISHED)


def _delete_study(folder: Path) -> None:
    for name in _WRITTEN:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(found, dict):
        raise _unreadable(path, f"expected a JSON object, got a {type(found).__name__}")
    return found


def _read_manifest(path: Path) -> dict[str, Any]:
    found = _read_json(path)
    if found.get("format") != manifest.FORMAT:
        raise _unreadable(path, f"expected a {manifest.FORMAT}, got {found.get('format')!r}")
    if found.get("version") != manifest.VERSION:
        raise _unreadable(
            path, f"expected version {manifest.VERSION}, got {found.get('version')!r}; update graphcortex"
        )
    if not all(
        isinstance(found.get(name), kind) for name, kind in (("settings", dict), ("study", dict), ("machines", list))
    ):
        raise _unreadable(path, "expected settings, study and machines")
    return found


def _read_whole(path: Path, sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _unreadable(path, "its checksum is not the one that the run has: it was altered, or belongs to another")
    return content


def _read_weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    content = _read_whole(path, sha256)
    try:
        return {name: torch.from_numpy(array) for name, array in load_arrays(io.BytesIO(content)).items()}
    except Exception as error:  # a damaged archive fails in ways of zipfile, zlib and NumPy
        raise _unreadable(path, error) from error


def _unreadable(path: Path, reason: object) -> StoreError:
    advice = (
        "delete it, or choose another --out"
        if path.suffix == ".json"
        else "start the study again: it is set aside and rerun"
    )
    return StoreError(f"{path} cannot be read ({reason}); {advice}.")
