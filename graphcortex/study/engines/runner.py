"""What an engine is given, and what it gives back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Interface

import torch

from graphcortex.data import Connectome
from graphcortex.study.failure import Failure
from graphcortex.study.key import RunKey
from graphcortex.study.logs import Log
from graphcortex.study.progress import Progress
from graphcortex.study.protocol import Protocol
from graphcortex.study.run import RunResult, run_one
from graphcortex.tasks import Task

_ONE_THREAD_BELOW = 200  # neurons; two threads take as long as one there, and on a busy machine many times as long


@dataclass(frozen=True, eq=False)
class Runner:
    """All that the runs of a study need: ``runner(key)`` computes one. It can be sent to another process or machine.

    Attributes:
        connectomes: The neurons, by name.
        protocols: The protocols, by name.
        tasks: Tasks that are not in the registry, by name.
        device: Where the networks are trained.
        threads: CPU threads of each run; 0 takes one for fewer than 200 neurons, and otherwise as many as PyTorch has.
        checkpoints: Folder for the states of runs that are under way, or None; see :func:`graphcortex.study.run_one`.
        checkpoint_every: Epochs between two states.
        log: Called after each epoch with the key of the run and its row, see :mod:`graphcortex.study.logs`.
    """

    connectomes: Mapping[str, Connectome]
    protocols: Mapping[str, Protocol]
    tasks: Mapping[str, Task] = field(default_factory=dict)
    device: str = "cpu"
    threads: int = 0
    checkpoints: str | None = None
    checkpoint_every: int = 1
    log: Log | None = None

    def checkpoint(self, key: RunKey) -> Path | None:
        """Return the file of the state of a run, or None where none is kept."""
        return None if self.checkpoints is None else Path(self.checkpoints) / f"{key.slug}.pt"

    def __call__(self, key: RunKey, on_epoch: Callable[[dict], None] | None = None) -> RunResult:
        """Compute one run: a function of the key, its connectome, its task and its protocol, and of nothing else."""
        connectome = self.connectomes[key.connectome]
        with threads(self.threads, connectome.num_neurons):
            return run_one(
                connectome,
                key,
                self.protocols[key.protocol],
                task=self.tasks.get(key.task),
                device=self.device,
                on_epoch=on_epoch,
                log=self.log,
                checkpoint=self.checkpoint(key),
                checkpoint_every=self.checkpoint_every,
            )


class Engine(Interface):
    """What computes runs. An engine sees all keys at once, so that it may share them out, or train several as one."""

    def run(self, runner: Runner, keys: Sequence[RunKey], *, progress: Progress) -> Iterable[RunResult | Failure]:
        """Yield a result or a failure for each key, in any order. What fails must not stop the others."""
        ...


def attempt(runner: Runner, key: RunKey, on_epoch: Callable[[dict], None] | None = None) -> RunResult | Failure:
    """Return what a run gives, or how it failed."""
    try:
        return runner(key, on_epoch)
    except Exception as error:
        return Failure.of(key, error)


@contextlib.contextmanager
def threads(wanted: int, num_neurons: int) -> Iterator[None]:
    """Set the CPU threads of this process until the block ends; 0 is as many as are good for so many neurons."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or (1 if num_neurons < _ONE_THREAD_BELOW else before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
