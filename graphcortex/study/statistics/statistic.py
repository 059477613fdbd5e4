"""What every test, effect and interval returns: the number, how sure it is, and of how many runs."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A number with what was done to get it; ``float(statistic)`` is the number.

    Attributes:
        name: What the number is.
        value: The number, in the unit of the samples or without one; NaN where it is not defined.
        interval: The ends of its confidence interval; NaN where there is none.
        level: Confidence of the interval.
        p: P-value of the null hypothesis that the method names; NaN where nothing is tested.
        n: Values, or pairs of values, that entered; one count per sample where the samples are not paired.
        dropped: Values, or pairs, left out because one of them was NaN: a run that diverged is no number.
        method: How it was computed.
        reason: Why the value, its interval or p is missing, or follows from a degenerate sample; empty otherwise.
    """

    name: str
    value: float
    interval: tuple[float, float] = (math.nan, math.nan)
    level: float = 0.95
    p: float = math.nan
    n: int | tuple[int, ...] = 0
    dropped: int = 0
    method: str = ""
    reason: str = ""

    def __float__(self) -> float:
        """Return the value."""
        return self.value

    def __str__(self) -> str:
        parts = [f"{self.name} {self.value:.4g}"]
        if not math.isnan(self.interval[0]):
            parts[0] += f" [{self.interval[0]:.4g}, {self.interval[1]:.4g}] ({self.level:.0%})"
        if not math.isnan(self.p):
            parts.append(f"p = {self.p:.3g}")
        parts.append(f"n = {' + '.join(map(str, self.n)) if isinstance(self.n, tuple) else self.n}")
        if self.dropped:
            parts.append(f"{self.dropped} dropped")
        parts += [text for text in (self.method, self.reason) if text]
        return ", ".join(parts)
