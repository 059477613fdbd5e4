"""How far a study is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
import warnings
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

from graphcortex.study.key import RunKey

_LINE_EVERY_S = 30


class Progress:
    """Runs done, left and failed, and the time to go, on standard error.

    Args:
        total: How many runs there are.
        show: Whether to say anything.
        epochs: Epochs of a run by name of its protocol, for the one that is shown.
        file: Where to, standard error by default.
    """

    def __init__(
        self, total: int, *, show: bool = True, epochs: dict[str, int] | None = None, file: TextIO | None = None
    ):
        file = sys.stderr if file is None else file
        self._total, self._show, self._file, self._epochs = total, show and total > 0, file, epochs or {}
        self._done = self._failed = 0
        self._began = self._said = time.monotonic()
        self._bar = None
        if self._show and file.isatty():
            self._bar = tqdm(total=total, unit="run", file=file, smoothing=0.1, dynamic_ncols=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def began(self, key: RunKey) -> None:
        """Say which run is at work."""
        if self._bar is not None:
            self._bar.set_description(str(key))

    def epoch(self, key: RunKey, row: dict) -> None:
        """Say how far a run is."""
        if self._bar is not None:
            of = f"/{self._epochs[key.protocol]}" if key.protocol in self._epochs else ""
            self._bar.set_postfix_str(
                f"epoch {row['epoch']}{of}, loss {row['loss']:.3g}, accuracy {row['accuracy']:.3f}"
            )

    def ended(self, key: RunKey, *, failed: bool = False) -> None:
        """Count a run."""
        self._done += 1
        self._failed += failed
        if self._bar is not None:
            self._bar.update()
            if self._failed:
                self._bar.unit = f"run, {self._failed} failed"
        elif self._show and (self._done == self._total or time.monotonic() - self._said > _LINE_EVERY_S):
            self._said = time.monotonic()
            left = (self._said - self._began) / self._done * (self._total - self._done)
            self._write(
                f"{self._done}/{self._total} runs, {self._failed} failed, {tqdm.format_interval(left)} to go; last: {key}"
            )

    def note(self, line: str) -> None:
        """Say something else, if anything is to be said."""
        if self._bar is not None:
            self._bar.write(line, file=self._file)
        elif self._show:
            self._write(line)

    def warn(self, line: str) -> None:
        """Say something that must be heard: as a warning, where nothing else is said."""
        if self._show:
            self.note(line)
        else:
            warnings.warn(line, RuntimeWarning, stacklevel=2)

    def _write(self, line: str) -> None:
        print(line, file=self._file, flush=True)
