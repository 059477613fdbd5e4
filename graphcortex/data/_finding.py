"""What a check of a connectome says: how bad it is, the numbers behind it, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field

SEVERITIES = ("error", "warning", "note", "skipped", "passed")
"""From what must not be used as it is, to what a check found in order."""


@dataclass(frozen=True)
class Finding:
    """What one check says.

    Attributes:
        check: The check.
        severity: ``"error"`` (results would be wrong), ``"warning"`` (look at it), ``"note"`` (worth knowing), ``"skipped"`` (it
            could not be checked, and why) or ``"passed"``.
        message: What was expected and got, in a sentence.
        evidence: The numbers behind it.
        remedy: What to do, where something is to be done.
    """

    check: str
    severity: str
    message: str
    evidence: dict[str, float] = field(default_factory=dict)
    remedy: str = ""

    def __str__(self) -> str:
        """Return the finding as text."""
        numbers = ", ".join(f"{name} {_short(value)}" for name, value in self.evidence.items())
        lines = [f"{self.severity:<8}{self.check}: {self.message}{f' [{numbers}]' if numbers else ''}"]
        if self.remedy:
            lines.append(f"        -> {self.remedy}")
        return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
