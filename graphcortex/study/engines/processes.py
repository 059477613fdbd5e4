"""The runs of a study over several processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import pickle
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from graphcortex._checks import check_count
from graphcortex._processes import end_with_parent, ignore_interrupts, starting_processes
from graphcortex.study.engines.runner import Runner, attempt
from graphcortex.study.failure import Failure
from graphcortex.study.key import RunKey
from graphcortex.study.progress import Progress
from graphcortex.study.run import RunResult

_CONTEXT = multiprocessing.get_context("spawn")  # a fork of a process that has threads may wait for ever
_TRIES = 2


class EngineError(RuntimeError):
    """Processes that cannot be started."""


@dataclass(frozen=True)
class Processes:
    """Compute the runs over several processes of this machine, each a run at a time.

    A process that ends in the middle of a run (killed, or out of memory) costs that run another try, in a new process; if that ends
    too, the run has failed. The processes end with this one, however it ends.

    Args:
        workers: How many.
        threads: CPU threads of each.

    Raises:
        ValueError: If either is less than 1.
    """

    workers: int
    threads: int = 1

    def __post_init__(self):
        check_count(self.workers, "workers")
        check_count(self.threads, "threads")

    def run(self, runner: Runner, keys: Sequence[RunKey], *, progress: Progress) -> Iterator[RunResult | Failure]:
        """Yield what each run gives, in the order in which they end.

        Raises:
            EngineError: If a process ends before it can begin.
            ValueError: If a task of the user's cannot be sent to another process.
        """
        work = sendable(replace(runner, threads=self.threads))
        waiting = deque((key, 1) for key in keys)
        workers: list[_Worker] = []
        try:
            while len(workers) < min(self.workers, len(keys)):
                workers.append(_Worker(work))
            while workers:
                ready = multiprocessing.connection.wait([worker.connection for worker in workers])
                for worker in [worker for worker in workers if worker.connection in ready]:
                    kind, content = worker.receive()
                    if kind == "epoch":
                        progress.epoch(worker.key, content)
                        continue
                    if kind == "ended":
                        workers.remove(worker)
                        code = worker.end()
                        if not worker.began:
                            raise EngineError(
                                f"a process of the study ended before it could begin (exit code {code}): out of memory, or a "
                                "script without `if __name__ == '__main__':`; try one process, without --workers."
                            )
                        key, tries = worker.key, worker.tries
                        if key is not None and tries >= _TRIES:
                            reason = f"its process ended (exit code {code}), {tries} times: killed, or out of memory"
                            yield Failure(key, reason)
                        elif key is not None:
                            waiting.appendleft((key, tries + 1))
                        if waiting:
                            workers.append(_Worker(work))
                        continue
                    if kind == "done":
                        worker.key = None
                        yield pickle.loads(content)  # noqa: S301 - from a process of our own
                    if waiting:
                        key, tries = waiting.popleft()
                        progress.began(key)
                        worker.send(key, tries)
                    else:
                        workers.remove(worker)
                        worker.end()
        finally:
            for worker in workers:
                worker.end(now=True)


class _Worker:
    """One process, and what it is at."""

    def __init__(self, work: bytes):
        self.connection, theirs = _CONTEXT.Pipe()
        self.key: RunKey | None = None
        self.tries = 0
        self.began = False
        self.process = _CONTEXT.Process(target=_work, args=(theirs, work), daemon=True)
        with starting_processes():
            self.process.start()
        theirs.close()  # so that its end is seen here

    def receive(self) -> tuple[str, Any]:
        try:
            kind, content = self.connection.recv()
        except (EOFError, OSError):
            return "ended", None
        self.began = True
        return kind, content

    def send(self, key: RunKey, tries: int) -> None:
        self.key, self.tries = key, tries
        with contextlib.suppress(OSError):  # it has just ended; that is seen when it is waited for
            self.connection.send(key)

    def end(self, *, now: bool = False) -> int | None:
        """End the process, which has nothing to do, or nothing that anybody wants, and return its exit code."""
        if now:
            self.process.kill()  # before its connection ends, of which it would complain
        self.connection.close()
        self.process.join()
        code = self.process.exitcode
        self.process.close()
        return code


def _work(connection: Connection, work: bytes) -> None:
    """Compute the runs that are asked for, until nobody asks."""
    ignore_interrupts()
    end_with_parent()
    runner: Runner = pickle.loads(work)  # noqa: S301 - from the process that started this one
    with contextlib.suppress(EOFError, ConnectionError):  # the process that asked is gone
        connection.send(("ready", None))
        while True:
            key = connection.recv()
            found = attempt(runner, key, lambda row: connection.send(("epoch", row)))
            # As bytes: a tensor in a message of its own would travel in shared memory, which ends with this process.
            connection.send(("done", pickle.dumps(found)))


def sendable(runner: Runner) -> bytes:
    """Return the runner as bytes.

    Raises:
        ValueError: If a task of the user's cannot be sent.
    """
    try:
        return pickle.dumps(runner)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"tasks must be objects of classes of a module, where runs go to other processes; got one that is not ({error})."
        ) from error
