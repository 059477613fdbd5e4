"""A run that did not give a result."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field

from graphcortex.study.key import RunKey


@dataclass(frozen=True)
class Failure:
    """A run that failed: an error in it, or a process that ended. The next call tries it again.

    A network that diverged is no failure but a result, with the epoch at which it did. What of a message is no text (bytes
    of a path that are not UTF-8) stands there as an escape, so that it can be printed and written.

    Attributes:
        key: Which run.
        error: Kind and message of the error, on one line.
        traceback: Where it happened, as Python prints it.
    """

    key: RunKey
    error: str
    traceback: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name in ("error", "traceback"):
            object.__setattr__(self, name, getattr(self, name).encode("utf-8", "backslashreplace").decode("utf-8"))

    @classmethod
    def of(cls, key: RunKey, error: BaseException) -> Failure:
        """Return the failure of a run that raised an error."""
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return cls(key, text, "".join(traceback.format_exception(error)))

    def __str__(self) -> str:
        return f"{self.key}: {self.error}"
