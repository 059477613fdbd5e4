"""Output to terminals and pipes that cannot show every character."""

from __future__ import annotations

import codecs
import sys

_HANDLER = "graphcortex-replace"
_REPLACED = {"±": "+-", "–": "-", "−": "-", "·": "-", "×": "x", "…": "...", "µ": "u", "│": "|", "─": "-"}


def accept_any_character() -> None:
    """Let standard output and standard error replace what their encoding lacks, instead of failing after all work is done."""
    codecs.register_error(_HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)


def for_stdout(text: str) -> str:
    """Return a text as standard output can show it, with the columns of a table still below each other.

    Example:
        On an ASCII terminal ``"0.506 ±0.003"`` becomes ``"0.506+-0.003"``.
    """
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return text.replace("± ", "+-").replace(" ±", "+-")
    return text


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Replace the first character that cannot be encoded: by one that looks like it, or else by its escape."""
    assert isinstance(error, UnicodeEncodeError)
    character = error.object[error.start]
    escape = character.encode("ascii", "backslashreplace").decode("ascii")
    return _REPLACED.get(character, escape), error.start + 1
