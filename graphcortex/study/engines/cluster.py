"""The runs of a study over a Dask cluster: other processes, a Slurm or Kubernetes cluster, a cloud."""

from __future__ import annotations

import contextlib
import pickle
import queue
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, NoReturn

from graphcortex._optional import require
from graphcortex.study.engines.processes import EngineError, sendable
from graphcortex.study.engines.runner import Runner, attempt
from graphcortex.study.failure import Failure
from graphcortex.study.key import RunKey
from graphcortex.study.progress import Progress
from graphcortex.study.run import RunResult

_PATIENCE_S = 30
_LOOK_EVERY_S = 2
_WITHOUT_WORKERS_S = 20


@dataclass(frozen=True)
class Dask:
    """Compute the runs on the workers of a Dask scheduler, each as a task of its own; connectomes are sent once.

    A worker that is lost costs its runs another try elsewhere, and nothing else. A run in whose company several workers were lost
    is tried once more when the others are done, alone, and has failed if its worker is lost then too. Workers need this library
    in the same version, and a nanny (Dask's default) to come back; one thread each (``dask worker --nthreads 1``) is best, since
    PyTorch has threads of its own. Where no worker is left, the runs wait for one, and this is said after 20 s. Where the scheduler
    is lost, the study ends with an error; the runs that are finished are saved.

    Args:
        client: Address of the scheduler, such as ``tcp://10.0.0.1:8786``, or a ``distributed.Client``, which stays open.
    """

    client: Any

    def run(self, runner: Runner, keys: Sequence[RunKey], *, progress: Progress) -> Iterator[RunResult | Failure]:
        """Yield what each run gives, in the order in which they end.

        Raises:
            EngineError: If there is no scheduler at the address, or it is lost.
            MissingDependencyError: If Dask is not installed.
            ValueError: If a task of the user's cannot be sent to another process.
        """
        require("distributed", "study", "the Dask engine")
        work = sendable(runner)
        if not isinstance(self.client, str):
            yield from _run(self.client, work, keys, progress)
            return
        from distributed import Client

        try:
            client = Client(self.client, timeout=_PATIENCE_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise EngineError(
                f"no Dask scheduler answers at {self.client!r} ({error}); start one: dask scheduler."
            ) from error
        try:
            yield from _run(client, work, keys, progress)
        finally:
            # Where the scheduler is gone, no answer comes.
            with contextlib.suppress(TimeoutError):
                client.close(timeout=_PATIENCE_S if client.status == "running" else 1)


def _run(client: Any, work: bytes, keys: Sequence[RunKey], progress: Progress) -> Iterator[RunResult | Failure]:
    import dask

    watch = _Watch(client, progress)
    # As a task and not as scattered data, which are gone with the last worker that has them: a task is computed again.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        shared = client.submit(_share, work, pure=False)
    suspects = []
    for key, found in _compute(client, shared, keys, watch):
        if found is None:
            suspects.append(key)
        else:
            yield found
    for suspect in suspects:
        for key, found in _compute(client, shared, [suspect], watch):
            yield found or Failure(key, "its worker ended whenever it ran, alone too: killed, or out of memory")


def _compute(
    client: Any, shared: Any, keys: Sequence[RunKey], watch: _Watch
) -> Iterator[tuple[RunKey, RunResult | Failure | None]]:
    """Yield what each run gives, or None where it was lost with its worker, time and again.

    Raises:
        EngineError: If the scheduler is lost.
    """
    from distributed import KilledWorker

    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    asked = {client.submit(_attempt, shared, key, pure=False): key for key in keys}
    for future in asked:
        future.add_done_callback(done.put)
    try:
        while asked:
            try:
                future = done.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                watch.look()
                continue
            try:
                found = pickle.loads(future.result())  # noqa: S301 - from a worker of our own
            except (KilledWorker, CancelledError):
                watch.look()
                found = None
            except Exception as error:
                watch.look()
                found = Failure.of(asked[future], error)
            key = asked.pop(future)
            future.release()
            yield key, found
    finally:
        if asked and not watch.lost:
            client.cancel(list(asked), force=True)


class _Watch:
    """What became of the scheduler and of its workers while runs are waited for."""

    def __init__(self, client: Any, progress: Progress):
        self._client, self._progress = client, progress
        self._connection = client.scheduler_comm
        self._without_since: float | None = None
        self._warned = False

    @property
    def lost(self) -> bool:
        """Whether the scheduler is gone; another one at its address does not know of the runs."""
        return self._client.status != "running" or self._client.scheduler_comm is not self._connection

    def look(self) -> None:
        """Say so where the runs wait for workers, and end where the scheduler is gone.

        Raises:
            EngineError: If it is gone.
        """
        if self.lost:
            self._raise()
        try:
            workers = len(self._client.nthreads())
        except (OSError, TimeoutError):
            self._raise()
        now = time.monotonic()
        if workers:
            self._without_since, self._warned = None, False
        elif self._without_since is None:
            self._without_since = now
        elif now - self._without_since > _WITHOUT_WORKERS_S and not self._warned:
            self._warned = True
            self._progress.warn(
                f"the Dask scheduler {self._address} has no worker, and the runs wait for one. Start one: dask worker "
                f"{self._address}; or stop with Ctrl-C: finished runs are saved, and the same call goes on with the others."
            )

    def _raise(self) -> NoReturn:
        raise EngineError(
            f"the Dask scheduler {self._address} was lost while runs were computed. Finished runs are saved; start a scheduler "
            "and workers again, and the same call goes on with the others."
        )

    @property
    def _address(self) -> str:
        return self._client.scheduler.address


def _share(work: bytes) -> bytes:
    return work


def _attempt(work: bytes, key: RunKey) -> bytes:
    return pickle.dumps(attempt(pickle.loads(work), key))  # noqa: S301 - from the study that asks
