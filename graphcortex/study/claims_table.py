"""What became of the claims: a verdict each, with the comparison that decided it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, fields

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The verdict on a claim, or on one of the comparisons that it rests on.

    Attributes:
        claim: Name of the claim.
        connectome: Where: name of the connectome; this and the next three are empty where the table of runs does not say.
        protocol: Name of the protocol.
        recurrence: ``"free"``, ``"nonnegative"`` or ``"both"``.
        task: Name of the task.
        verdict: ``"holds"``, ``"fails"`` or ``"undecided"``.
        compared: What was compared; of a claim, the comparison that decided.
        metric: In which metric.
        expected: What the claim expects of it: ``"greater"`` or ``"different"`` than 0, ``"no less"``, or ``"rare"``.
        smallest_effect: Smallest effect of interest, in the unit of the metric.
        effect: Mean of the paired differences (of ``"rare"``, a share).
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: P-value for what is expected, corrected over all comparisons of this claim under this protocol.
        p_against: P-value against it, corrected alike.
        n: Pairs of runs.
        dropped: Pairs without a value.
        seeds_needed: Seeds with which an undecided comparison would be decided if its effect stays as it is; None if decided or
            not known.
        reason: Why, in a sentence.
        comparisons: The findings on all comparisons of a claim.
    """

    claim: str
    connectome: str
    protocol: str
    recurrence: str
    task: str
    verdict: str
    compared: str
    metric: str
    expected: str
    smallest_effect: float
    effect: float
    low: float
    high: float
    p: float
    p_against: float
    n: int
    dropped: int
    seeds_needed: int | None
    reason: str
    comparisons: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class ClaimsTable:
    """The findings on claims, in the order of the claims and of the groups of runs.

    Attributes:
        findings: One per claim and group of runs; iterating over the table goes through them.
        statements: What each claim says, by its name.
    """

    findings: tuple[Finding, ...]
    statements: dict[str, str]

    def __iter__(self):
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def to_dataframe(self, *, comparisons: bool = False) -> pd.DataFrame:
        """Return a row per finding: the attributes of :class:`Finding` but for ``comparisons``.

        Args:
            comparisons: A row for each comparison, instead of one for each claim.
        """
        rows = [part for finding in self for part in (finding.comparisons if comparisons else (finding,))]
        names = [field.name for field in fields(Finding) if field.name != "comparisons"]
        table = pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)
        return table.astype({"seeds_needed": "Int64"})

    def __str__(self) -> str:
        lines = []
        for name, statement in self.statements.items():
            lines += ["", *textwrap.wrap(f"{name}: {statement}", 118)]
            for finding in self:
                if finding.claim != name:
                    continue
                where = (finding.connectome, finding.protocol, finding.recurrence, finding.task)
                head = f"  {finding.verdict:10} {', '.join(filter(None, where))}"
                if finding.n:
                    head += f": {finding.effect:.3g} [{finding.low:.3g}, {finding.high:.3g}], n = {finding.n}"
                lines.append(head)
                lines += textwrap.wrap(finding.reason, 118, initial_indent=" " * 13, subsequent_indent=" " * 13)
        return "\n".join(lines[1:])
