"""The members of an ensemble, one after another, from this process or from several."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from graphcortex._processes import end_with_parent, ignore_interrupts, starting_processes
from graphcortex._random import derive_seed
from graphcortex.graphs import NullModel, SimpleGraph

Statistic = Callable[[SimpleGraph], "float | Sequence[float] | np.ndarray"]

_MOST_AT_ONCE = 8
_work: Any = None


def members(
    statistic: Statistic, graph: SimpleGraph, model: NullModel, seed: int, which: range, processes: int
) -> Iterator[np.ndarray]:
    """Yield the statistic of some members of an ensemble in their order, each float64 of shape ``(K,)``.

    Raises:
        ValueError: If a statistic that other processes must find is no function of a module.
    """
    work = (statistic, _bare(graph), model, seed)
    processes = min(processes, len(which))
    if processes <= 1:
        for i in which:
            yield member(*work, i)
        return
    try:
        pickle.dumps(work)  # what cannot travel is told here, in words, and not by a process that fails to start
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            "statistic must be a function of a module, or a functools.partial of one, where processes > 1; "
            f"got {getattr(statistic, '__qualname__', statistic)!r} ({error})."
        ) from error
    size = max(1, min(_MOST_AT_ONCE, len(which) // (4 * processes)))
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_receive, initargs=work)
    try:
        with starting_processes():
            parts: list[Future[list[np.ndarray]]] = [
                pool.submit(_compute, which[start : start + size]) for start in range(0, len(which), size)
            ]
        for part in parts:
            yield from part.result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "processes must be able to start and to import the statistic, got processes that ended before their work was "
            "done (out of memory, or a script without `if __name__ == '__main__':`); try processes=1."
        ) from error
    except BaseException:
        # Whoever interrupts does not want to wait for what is under way.
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def member(statistic: Statistic, graph: SimpleGraph, model: NullModel, seed: int, i: int) -> np.ndarray:
    """Return the statistic of one member, float64 of shape ``(K,)``."""
    return numbers(statistic(model.draw(graph, derive_seed("null", seed, i))))


def numbers(found: Any) -> np.ndarray:
    """Return what a statistic gave as float64 of shape ``(K,)``.

    Raises:
        ValueError: If it is not one number or a sequence of them.
    """
    if isinstance(found, torch.Tensor):
        found = found.detach().cpu().numpy()
    try:
        values = np.atleast_1d(np.asarray(found, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"a statistic must be a number or a sequence of numbers, got {type(found).__name__}."
        ) from error
    if values.ndim != 1 or not values.size:
        raise ValueError(f"a statistic must be a number or a sequence of numbers, got shape {values.shape}.")
    return values


def _bare(graph: SimpleGraph) -> SimpleGraph:
    """Return the graph without what was derived from it, which need not travel."""
    return SimpleGraph(**{field.name: getattr(graph, field.name) for field in fields(graph)})


def _receive(*work: Any) -> None:
    global _work
    ignore_interrupts()
    end_with_parent()
    torch.set_num_threads(1)
    _work = work


def _compute(which: range) -> list[np.ndarray]:
    try:
        return [member(*_work, i) for i in which]
    except Exception as error:
        try:
            pickle.dumps(error), type(error)(*error.args)  # as it will be made again
        except Exception:
            raise RuntimeError(f"{type(error).__name__}: {error}") from None
        raise
