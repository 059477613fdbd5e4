"""Optional dependencies: imported where they are needed, with a message that says how to get them."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

DISTRIBUTION = "graphcortex-rnn"
"""The name on the package index. The name ``graphcortex`` belongs to another project there."""


class MissingDependencyError(ImportError):
    """A package of an optional extra is needed and is not installed."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra.

    Example:
        >>> install_command("study")
        "pip install 'graphcortex-rnn[study]'"
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import ``module``, or say which extra brings it.

    Args:
        module: Dotted name of the module.
        extra: The extra of graphcortex that installs it.
        purpose: What it is needed for, as the start of a sentence.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingDependencyError(
            f"{purpose} needs {module.split('.')[0]}, which is not installed: {install_command(extra)}."
        ) from None


def is_installed(module: str) -> bool:
    """Say whether a top-level module can be found, without importing it."""
    return importlib.util.find_spec(module) is not None
