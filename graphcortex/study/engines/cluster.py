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

_TRIES = 3
_PATIENCE_S = 30


@dataclass(frozen=True)
class Dask:
    """Compute the runs on the workers of a Dask scheduler, each as a task of its own; connectomes are sent once.

    A worker that is lost costs its runs another try elsewhere, and nothing else. Workers need this library in the same version; one
    thread each (``dask worker --nthreads 1``) is best, since PyTorch has threads of its own.

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
        distributed = require("distributed", "study", "the Dask engine")
        work = sendable(runner)
        if not isinstance(self.client, str):
            yield from _run(distributed, self.client, work, keys, progress)
            return
        try:
            client = distributed.Client(self.client, timeout=_PATIENCE_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise EngineError(
                f"no Dask scheduler answers at {self.client!r} ({error}); start one: dask scheduler."
            ) from error
        with client:
            yield from _run(distributed, client, work, keys, progress)


def _run(distributed: Any, client: Any, work: bytes, keys: Sequence[RunKey], progress: Progress) -> Iterator:
    shared = client.scatter(work, broadcast=True, hash=False)
    tries = dict.fromkeys(keys, 1)
    asked = {client.submit(_attempt, shared, key, pure=False, key=None): key for key in keys}
    waiting = distributed.as_completed(list(asked), loop=client.loop)
    try:
        for future in waiting:
            key = asked.pop(future)
            found, lost = _outcome(future, key)
            future.release()
            if lost and tries[key] < _TRIES:
                # The workers that had the connectomes are gone, and with them what was waiting for them: send both again.
                tries[key] += 1
                if shared.status != "finished":
                    shared = client.scatter(work, broadcast=True, hash=False)
                again = client.submit(_attempt, shared, key, pure=False, key=None)
                asked[again] = key
                waiting.add(again)
            else:
                yield found
    finally:
        if asked:
            client.cancel(list(asked), force=True)


def _outcome(future: Any, key: RunKey) -> tuple[RunResult | Failure, bool]:
    """Return what a task gave, and whether it was lost with a worker and not for a reason of its own."""
    lost = Failure(key, f"it was lost with the worker that had it, {_TRIES} times"), True
    if future.status in ("cancelled", "lost"):
        return lost
    if future.status == "error":
        return Failure.of(key, future.exception()), False
    try:
        return pickle.loads(future.result()), False  # noqa: S301 - from a worker of our own
    except CancelledError:  # it was finished, and its worker ended before the result was here
        return lost


def _attempt(work: bytes, key: RunKey) -> bytes:
    return pickle.dumps(attempt(pickle.loads(work), key))  # noqa: S301 - from the study that asks
