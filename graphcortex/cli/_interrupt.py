"""Ctrl-C as one line and an exit code. This module imports nothing that takes time."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

EXIT_CODE = 130
"""The exit code after Ctrl-C, as a shell gives it."""

MESSAGE = (
    "\ngraphcortex: stopped; every finished run is kept. The same command, without --overwrite, goes on where it was; so does: "
    "graphcortex resume DIR, with the folder of the results.\n"
)


@contextlib.contextmanager
def stopping_at_once() -> Iterator[None]:
    """Let Ctrl-C end this process until the block ends: with one line on stderr and :data:`EXIT_CODE`.

    It is for imports, which write nothing and take seconds: an exception that is raised in the middle of one may come out as
    another one, or leave modules half made. Where somebody else decided what Ctrl-C does, it stays so.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(*_: object) -> None:
    with contextlib.suppress(OSError):
        os.write(2, MESSAGE.encode())
    os._exit(EXIT_CODE)
