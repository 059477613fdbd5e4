"""What a user can mend, told in one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from graphcortex._optional import MissingDependencyError
from graphcortex.cli._interrupt import EXIT_CODE, MESSAGE
from graphcortex.cli._terminal import accept_any_character
from graphcortex.study import EngineError


def guarded(work: Callable[[], int | None]) -> int:
    """Do the work, return its exit code (0 if None), and turn what a user can mend into one line on stderr and code 2."""
    accept_any_character()
    try:
        return work() or 0
    except BrokenPipeError:  # whoever read, as `head` does, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError, MissingDependencyError, EngineError) as error:
        print(f"graphcortex: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(MESSAGE, end="", file=sys.stderr)
        return EXIT_CODE
