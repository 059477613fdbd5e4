"""The command line: thin, over the same configuration as the examples; a file for each command.

``graphcortex run`` trains, measures, draws and reports; ``study`` trains and measures; ``resume DIR`` trains the missing runs of a
folder. ``report DIR`` writes the results as one page, ``export DIR`` as the paper's notebook would, and ``metrics DIR`` computes
every metric of the learned graphs; these three train nothing. ``fetch`` downloads fields; ``info`` describes a connectome,
and ``audit`` looks for errors in it.

Commands are imported when :func:`main` is called: that takes seconds, and Ctrl-C is heeded meanwhile.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphcortex.cli._interrupt import stopping_at_once

if TYPE_CHECKING:
    from graphcortex.cli._options import parse_options
    from graphcortex.cli.run import run_example

__all__ = ["main", "parse_options", "run_example"]

_ROOMS = {"parse_options": "graphcortex.cli._options", "run_example": "graphcortex.cli.run"}


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
    if name not in _ROOMS:
        raise AttributeError(f"module 'graphcortex.cli' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS[name]), name)
