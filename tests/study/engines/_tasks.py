"""Tasks that misbehave, in a module that workers can import."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from graphcortex.study import Study
from graphcortex.tasks import GoNoGo
from tests.study._small import SHORT, connectome


@dataclass(frozen=True)
class Deadly(GoNoGo):
    """Ends the process of a worker, as one that is out of memory ends, the first so many times that trials are drawn there."""

    folder: str = ""
    times: int = 1

    def sample(self, *arguments, **options):
        marks = Path(self.folder)
        if multiprocessing.parent_process() is not None and len(list(marks.iterdir())) < self.times:
            (marks / f"{os.getpid()}-{time.monotonic_ns()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().sample(*arguments, **options)


@dataclass(frozen=True)
class Wrong(GoNoGo):
    """Raises an error that cannot be pickled."""

    def sample(self, *arguments, **options):
        class LocalError(Exception):
            pass

        raise LocalError("no such trial")


@dataclass(frozen=True)
class Slow(GoNoGo):
    """Takes its time."""

    seconds: float = 0.1

    def sample(self, *arguments, **options):
        time.sleep(self.seconds)
        return super().sample(*arguments, **options)


def study(tasks, *, seeds: int = 2, variants=("WD", "W*D*C")) -> Study:
    """Return a small study, whose runs take some 10 ms each."""
    return Study({"tiny": connectome(12)}, variants, tasks, seeds, {"published": SHORT}, threads=1)
