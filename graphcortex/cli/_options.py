"""Options of a command line, read into a dataclass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from graphcortex._optional import require
from graphcortex.cli._terminal import accept_any_character

T = TypeVar("T")


def parse_options(
    kind: type[T], *, default: T | None = None, description: str | None = None, args: Sequence[str] | None = None
) -> T:
    """Return the options of a command line as a dataclass. In every path, ``~`` is the home folder, also in ``--out=~/results``.

    Args:
        kind: The dataclass.
        default: Its values where an option is not given; those of the dataclass if None.
        description: What ``--help`` says first; the docstring of the dataclass if None.
        args: Arguments; those of the process if None.

    Raises:
        SystemExit: With 0 after ``--help``, and with 2 where an option cannot be read.
        MissingDependencyError: If tyro is not installed.
    """
    accept_any_character()
    tyro = require("tyro", "study", "the command line")
    given = {} if default is None else {"default": default}
    return expand_home(tyro.cli(kind, description=description, args=args, **given))


def expand_home(options: Any) -> Any:
    """Return options with the home folder in place of ``~`` in every path, which a shell leaves there after ``=``."""
    paths = {field.name: getattr(options, field.name) for field in fields(options)}
    return replace(options, **{name: path.expanduser() for name, path in paths.items() if isinstance(path, Path)})
