"""What is written while a run trains: a line per epoch in a CSV file, or curves for TensorBoard."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphcortex._checks import check_choice
from graphcortex._optional import require
from graphcortex.study.key import RunKey

Log = Callable[[RunKey, dict[str, Any]], None]
"""What a run calls after each epoch, with its key and the row of its history."""

LOGS = ("none", "csv", "tensorboard")
"""The kinds of logs by name, see :func:`open_log`."""

_KEY = ("connectome", "protocol", "recurrence", "task", "variant", "seed")
_ROW = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds", "diverged")


def csv_log(path: str | Path) -> CsvLog:
    """Return a log that adds a line per epoch to a CSV file, see :class:`CsvLog`."""
    return CsvLog(path)


def tensorboard_log(folder: str | Path) -> TensorBoardLog:
    """Return a log that TensorBoard shows, see :class:`TensorBoardLog`.

    Raises:
        MissingDependencyError: If tensorboard is not installed.
    """
    return TensorBoardLog(folder)


def open_log(kind: str, folder: str | Path) -> Log | None:
    """Return the log of a results folder by its kind: ``log.csv``, ``tensorboard/``, or None for ``"none"``.

    Raises:
        ValueError: If there is no such kind.
        MissingDependencyError: If tensorboard is not installed.
    """
    check_choice(kind, "log", LOGS)
    if kind == "none":
        return None
    return csv_log(Path(folder) / "log.csv") if kind == "csv" else tensorboard_log(Path(folder) / "tensorboard")


class CsvLog:
    """A CSV file with a line per epoch: the parts of the run's key, then the row of its history.

    Each line is added in one write, so that several processes may share the file. An epoch that was trained twice, since its run
    was stopped before its checkpoint, has two lines.

    Args:
        path: The file; made with a header if it is not there, and its folder too.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def __call__(self, key: RunKey, row: dict[str, Any]) -> None:
        """Add the line of one epoch."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self._begin()
        values = (*(str(getattr(key, name)) for name in _KEY), *(row[name] for name in _ROW))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, _line(values))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        finally:
            os.close(descriptor)

    def _begin(self) -> None:
        """Make the file with its header, unless another process was first: then its header stays."""
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_line((*_KEY, *_ROW)))
            os.chmod(name, 0o644)
            with contextlib.suppress(FileExistsError):
                os.link(name, self.path)
        finally:
            os.unlink(name)


def _line(values: tuple) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


class TensorBoardLog:
    """Curves for TensorBoard, in a folder per run: ``tensorboard --logdir FOLDER`` shows them while the runs train.

    Args:
        folder: Where the folders of the runs are, each named by :attr:`RunKey.slug`.

    Raises:
        MissingDependencyError: If tensorboard is not installed.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._writers: dict[RunKey, Any] = {}
        require("tensorboard", "tensorboard", "A log for TensorBoard")

    def __call__(self, key: RunKey, row: dict[str, Any]) -> None:
        """Add the points of one epoch; an epoch that comes again replaces what stood there and after."""
        if key not in self._writers:
            summary = require("torch.utils.tensorboard", "tensorboard", "A log for TensorBoard")
            self._writers[key] = summary.SummaryWriter(self.folder / key.slug, purge_step=row["epoch"])
        writer = self._writers[key]
        for name in _ROW[1:]:
            writer.add_scalar(name, float(row[name]), row["epoch"])
        writer.flush()

    def close(self) -> None:
        """Close the files of all runs; a run that goes on opens its own again."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out open files, so that the log can be handed to another process."""
        return {"folder": self.folder, "_writers": {}}
