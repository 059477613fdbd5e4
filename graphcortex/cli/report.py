"""``graphcortex report``: a study's folder as one page."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from graphcortex.study import load_results


@dataclass(frozen=True)
class ReportConfig:
    """Write the report of a study's folder, finished or not: one HTML file, its figures and tables beside it. Nothing is trained.

    Example: graphcortex report results/study
    """

    folder: Path
    """Results folder of a study."""
    to: Path | None = None
    """The HTML file. Default: report.html in the folder."""
    reference: str | None = None
    """Variant that the others are compared with, as in W*D*C. Default: W, or else the first."""


def report_command(config: ReportConfig) -> int:
    """Write the report and say where it is; return 0, or 1 where runs failed."""
    from graphcortex.viz import write_report

    results = load_results(config.folder)
    path = write_report(results, config.to, reference=config.reference)
    missing, failed = len(results.missing), len(results.failures)
    if missing or failed:
        print(
            f"graphcortex: {missing} of the {len(results.study.keys())} runs asked for last are missing, and {failed} runs of the "
            f"folder failed; graphcortex resume {config.folder} computes those asked for last.",
            file=sys.stderr,
        )
    print(path)
    return 1 if failed else 0
