"""``graphcortex report``: a study's folder as one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphcortex.cli._told import tell_unfinished
from graphcortex.study import load_results


@dataclass(frozen=True)
class ReportConfig:
    """Write the report of a study's folder, finished or not: one HTML file, its figures and tables beside it. Nothing is trained.

    Example: graphcortex report results/study
    """

    folder: Path
    """Results folder of a study."""
    out: Path | None = None
    """The HTML file. Default: report.html in the folder."""
    reference: str | None = None
    """Variant that the others are compared with, as in W*D*C. Default: W, or else the first."""

    dpi: float = 150
    """Pixels per inch of the figures beside the page."""


def report_command(config: ReportConfig) -> int:
    """Write the report and print where it is; return 0, or 1 where runs failed."""
    from graphcortex.viz import write_report

    results = load_results(config.folder)
    print(write_report(results, config.out, reference=config.reference, dpi=config.dpi))
    return tell_unfinished(results)
