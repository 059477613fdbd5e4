"""Processes that end with the one that started them, and leave Ctrl-C to it."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import signal
import threading
from collections.abc import Iterator


def end_with_parent() -> None:
    """Let this process end when the one that started it is gone: killed, it ends nobody, and its workers would wait for ever."""
    threading.Thread(target=_wait_and_end, daemon=True).start()


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Heed Ctrl-C only when the block has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def starting_processes() -> Iterator[None]:
    """Start processes in this block: they do not hear Ctrl-C from their first moment, and this one hears it when the block ends.

    Ctrl-C reaches all processes of a terminal. One that is still importing modules would print a traceback, though the process
    that started it ends it anyway. A blocked signal stays blocked in a process that is started; a handler does not.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    multiprocessing.resource_tracker.ensure_running()  # which lifts the block when it starts
    with interrupts_deferred():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_interrupts() -> None:
    """Ignore Ctrl-C in this process, which was started in :func:`starting_processes`, but in no program that it starts itself."""
    signal.signal(signal.SIGINT, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _wait_and_end() -> None:
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
