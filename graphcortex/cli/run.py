"""``graphcortex run``: a study with its figures and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphcortex.cli._exit import guarded
from graphcortex.cli._options import parse_options
from graphcortex.cli._told import tell
from graphcortex.study import StudyConfig, StudyResults, run_study


@dataclass(frozen=True)
class RunConfig(StudyConfig):
    """Train every variant on every task, print the table, and write weights, tables, figures and a report.

    A study that was stopped goes on where it was when it is started again with the same --out. Example:
    graphcortex run --tasks go_nogo --variants 'W*D*C' W --seeds 2
    """


def run(config: StudyConfig) -> StudyResults:
    """Train every variant on every task, print the table, and write weights, tables, figures and a report.

    Args:
        config: What to run.

    Returns:
        The results.
    """
    from graphcortex.viz import write_figures, write_report

    results = run_study(config)
    figures = write_figures(results.of_folder()) if config.keep_weights else []
    weights = f", learned weights in weights/, {len(figures)} figures in figures/" if config.keep_weights else ""
    report = f", {write_report(results, formats=()).name}" if len(results.runs) else ""
    tell(results, weights + report)
    return results


def run_command(config: RunConfig) -> int:
    """Run a study with its figures, and return the exit code."""
    return 1 if run(config).failures else 0


def run_example(default: StudyConfig, description: str, argv: Sequence[str] | None = None) -> StudyResults:
    """Run a script's study with the options of its command line.

    Args:
        default: The script's own defaults.
        description: What ``--help`` says first.
        argv: Arguments; those of the process if None.

    Returns:
        The results.

    Raises:
        SystemExit: With code 2 for a wrong argument or bad input, after the reason on stderr; with 1 where runs failed, with 0
            after ``--help``.
    """
    found: list[StudyResults] = []

    def work() -> int:
        config = parse_options(StudyConfig, default=default, description=description, args=argv)
        found.append(run(config))
        return 1 if found[0].failures else 0

    code = guarded(work)
    if code:
        raise SystemExit(code)
    return found[0]
