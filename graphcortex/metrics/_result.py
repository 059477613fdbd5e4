"""What every metric returns: a number, what it is compared with, what was done, and why it is not a number where it is not."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """A number with what was done to get it; ``float(result)`` is the number.

    Attributes:
        value: The metric, or NaN where it is not defined.
        reason: Why the value is NaN, or follows from a degenerate input; empty otherwise.
        method: How it was computed, where there are several ways.
        threshold: Edges of at most this size were no edges, in the unit of the weights.
        seed: What seeded the random numbers; None where none were drawn.
        null: The random graphs that the value is compared with, by name; empty where it is not compared.
        num_nulls: How many of them.
        null_mean: Mean of the metric over them; NaN where it is not compared.
        null_sd: Its standard deviation over them (``num_nulls - 1`` in the denominator).
    """

    value: float
    reason: str = ""
    method: str = ""
    threshold: float = 0.0
    seed: int | None = None
    null: str = ""
    num_nulls: int = 0
    null_mean: float = math.nan
    null_sd: float = math.nan

    @property
    def z(self) -> float:
        """How many standard deviations of the random graphs the value lies above their mean; NaN where these do not vary."""
        return (self.value - self.null_mean) / self.null_sd if self.null_sd > 0 else math.nan

    def __float__(self) -> float:
        """Return the value."""
        return self.value
