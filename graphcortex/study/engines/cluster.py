"""The runs of a study over a Dask cluster: other processes, a Slurm or Kubernetes cluster, a cloud."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

from graphcortex._optional import require
from graphcortex.study.engines.processes import EngineError, sendable
from graphcortex.study.engines.runner import Runner, attempt
from graphcortex.study.failure import Failure
from graphcortex.study.key import RunKey
from graphcortex.study.progress import Progress
from graphcortex.study.run import RunResult

_PATIENCE_S = 30


@dataclass(frozen=True)
class Dask:
    """Compute the runs on the workers of a Dask scheduler, each as a task of its own; connectomes are sent once.

    A worker that is lost costs its runs another try elsewhere, and nothing else. A run in whose company several workers were lost
    is tried once more when the others are done, alone, and has failed if its worker is lost then too. Workers need this library
    in the same version, and a nanny (Dask's default) to come back; one thread each (``dask worker --nthreads 1``) is best, since
    PyTorch has threads of its own.

    Args:
        client: Address of the scheduler, such as ``tcp://10.0.0.1:8786``, or a ``distributed.Client``, which stays open.
    """

    client: Any

    def run(self, runner: Runner, keys: Sequence[RunKey], *, progress: Progress) -> Iterator[RunResult | Failure]:
        """Yield what each run gives, in the order in which they end.

        Raises:
            EngineError: If there is no scheduler at the address.
            MissingDependencyError: If Dask is not installed.
            ValueError: If a task of the user's cannot be sent to another process.
        """
        require("distributed", "study", "the Dask engine")
        work = sendable(runner)
        if not isinstance(self.client, str):
            yield from _run(self.client, work, keys)
            return
        from distributed import Client

        try:
            client = Client(self.client, timeout=_PATIENCE_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise EngineError(
                f"no Dask scheduler answers at {self.client!r} ({error}); start one: dask scheduler."
            ) from error
        with client:
            yield from _run(client, work, keys)


def _run(client: Any, work: bytes, keys: Sequence[RunKey]) -> Iterator[RunResult | Failure]:
    import dask

    # As a task and not as scattered data, which are gone with the last worker that has them: a task is computed again.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        shared = client.submit(_share, work, pure=False)
    suspects = []
    for key, found in _compute(client, shared, keys):
        if found is None:
            suspects.append(key)
        else:
            yield found
    for suspect in suspects:
        for key, found in _compute(client, shared, [suspect]):
            yield found or Failure(key, "its worker ended whenever it ran, alone too: killed, or out of memory")


def _compute(client: Any, shared: Any, keys: Sequence[RunKey]) -> Iterator[tuple[RunKey, RunResult | Failure | None]]:
    """Yield what each run gives, or None where it was lost with its worker, time and again."""
    from distributed import KilledWorker, as_completed

    asked = {client.submit(_attempt, shared, key, pure=False): key for key in keys}
    try:
        for future in as_completed(list(asked), loop=client.loop):
            key = asked.pop(future)
            try:
                found = pickle.loads(future.result())  # noqa: S301 - from a worker of our own
            except (KilledWorker, CancelledError):
                found = None
            except Exception as error:
                found = Failure.of(key, error)
            future.release()
            yield key, found
    finally:
        if asked:
            client.cancel(list(asked), force=True)


def _share(work: bytes) -> bytes:
    return work


def _attempt(work: bytes, key: RunKey) -> bytes:
    return pickle.dumps(attempt(pickle.loads(work), key))  # noqa: S301 - from the study that asks
