"""What every metric returns: a number, and why it is not one where it is not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """A number with what was done to get it; ``float(result)`` is the number.

    Attributes:
        value: The metric, or NaN where it is not defined.
        reason: Why the value is NaN, or follows from a degenerate input; empty otherwise.
    """

    value: float
    reason: str = ""

    def __float__(self) -> float:
        """Return the value."""
        return self.value
