"""``graphcortex report``: the study of a folder as one HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphcortex.study import load_results


@dataclass(frozen=True)
class ReportConfig:
    """Write the study of a folder, finished or not, as one HTML file with its figures and tables beside it. Nothing is trained.

    Example: graphcortex report results/study --reference WD
    """

    folder: Path
    """Results folder of a study."""
    to: Path | None = None
    """The HTML file. Default: report.html in the folder."""
    reference: str | None = None
    """Variant that the others are compared with. Default: W, or the first where there is no W."""


def report_command(config: ReportConfig) -> int:
    """Write the report of a study, and say where it is."""
    from graphcortex.viz import write_report

    print(write_report(load_results(config.folder), config.to, reference=config.reference))
    return 0
