"""The command line: thin, over the same configuration as the examples; a file for each command.

``graphcortex run`` trains, measures, draws and reports; ``study`` trains and measures; ``resume`` goes on with what was stopped;
``report`` writes it all as one page, and ``export`` as the paper's notebook would; ``metrics`` says all that can be said of what
was learned; ``fetch`` downloads fields; ``info`` describes one; ``audit`` looks for what is wrong with one.

Commands are imported when :func:`main` is called: that takes seconds, and Ctrl-C is heeded meanwhile.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphcortex.cli._interrupt import stopping_at_once

if TYPE_CHECKING:
    from graphcortex.cli.run import run_example

__all__ = ["main", "run_example"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code.

    0; 1 if runs failed or an audit finds errors; 2 for a wrong argument or bad input; 130 after Ctrl-C. What is wrong is said on
    stderr.

    Args:
        argv: Arguments; those of the process if None.

    Raises:
        SystemExit: With 0 after ``--help``, and with 2 where an option cannot be read.
    """
    with stopping_at_once():
        from graphcortex.cli import _main
    return _main.main(argv)


def __getattr__(name: str) -> Any:
    if name != "run_example":
        raise AttributeError(f"module 'graphcortex.cli' has no attribute {name!r}")
    return importlib.import_module("graphcortex.cli.run").run_example
