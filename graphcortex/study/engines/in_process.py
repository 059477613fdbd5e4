"""The runs of a study one after another, in this process."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphcortex.study.engines.runner import Runner, attempt
from graphcortex.study.failure import Failure
from graphcortex.study.key import RunKey
from graphcortex.study.progress import Progress
from graphcortex.study.run import RunResult


@dataclass(frozen=True)
class InProcess:
    """Compute the runs one after another, in this process."""

    def run(self, runner: Runner, keys: Sequence[RunKey], *, progress: Progress) -> Iterator[RunResult | Failure]:
        """Yield what each run gives, in the order of the keys."""
        for key in keys:
            progress.began(key)
            yield attempt(runner, key, functools.partial(progress.epoch, key))
