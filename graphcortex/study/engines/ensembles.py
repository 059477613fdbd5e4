"""The runs of a study in this process, seeds of one design as one batch."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphcortex._checks import check_count
from graphcortex.study.engines.runner import Runner, attempt, threads
from graphcortex.study.ensemble import group_keys, run_ensemble, worthwhile
from graphcortex.study.failure import Failure
from graphcortex.study.key import RunKey
from graphcortex.study.progress import Progress
from graphcortex.study.run import RunResult


@dataclass(frozen=True)
class Ensembles:
    """Compute the runs in this process; seeds of one design are trained side by side where that is faster.

    Each run gives what it gives alone, to rounding. A group in which something fails is computed again one run after another, so
    that only the run that fails does.

    Args:
        size: Most runs of a group. The states of all are in memory at once.
        always: Train them so also where it is not faster, see :func:`graphcortex.study.ensemble.worthwhile`.

    Raises:
        ValueError: If the size is less than 1.
    """

    size: int = 20
    always: bool = False

    def __post_init__(self):
        check_count(self.size, "size")

    def run(self, runner: Runner, keys: Sequence[RunKey], *, progress: Progress) -> Iterator[RunResult | Failure]:
        """Yield what each run gives, group by group."""
        for group in group_keys(keys, self.size):
            progress.began(group[0])
            num_neurons = runner.connectomes[group[0].connectome].num_neurons
            together = len(group) > 1 and (self.always or worthwhile(num_neurons, runner.device))
            found = _attempt_group(runner, group, progress) if together else None
            if found is not None:
                yield from found
                continue
            for key in group:
                progress.began(key)
                yield attempt(runner, key, functools.partial(progress.epoch, key))


def _attempt_group(runner: Runner, keys: list[RunKey], progress: Progress) -> list[RunResult] | None:
    """Return what the runs give, or None if one of them fails."""
    connectome = runner.connectomes[keys[0].connectome]

    def told(key: RunKey, row: dict) -> None:
        progress.epoch(key, row)
        if runner.log is not None:
            runner.log(key, row)

    try:
        with threads(runner.threads, connectome.num_neurons):
            return run_ensemble(
                connectome,
                keys,
                runner.protocols[keys[0].protocol],
                task=runner.tasks.get(keys[0].task),
                device=runner.device,
                log=told,
                checkpoints=[runner.checkpoint(key) for key in keys],
                checkpoint_every=runner.checkpoint_every,
            )
    except Exception:  # whose it is shows when each runs alone
        return None
