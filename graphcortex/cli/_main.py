"""The commands by name, and what each leaves as its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from graphcortex import __version__
from graphcortex._optional import require
from graphcortex.cli import audit, export, fetch, info, metrics, report, resume, run, study
from graphcortex.cli._exit import guarded
from graphcortex.cli._options import expand_home

_DESCRIPTION = """Turn a cortical connectome into trained recurrent networks, and read what they learned.

Begin with: graphcortex run. graphcortex --version prints the version.

Exit codes: 0; 1 where runs failed or an audit found errors; 2 for a wrong option or bad input; 130
after Ctrl-C, when nothing is lost and the same command goes on."""

COMMANDS: dict[str, tuple[type, Callable[[Any], int]]] = {
    "run": (run.RunConfig, run.run_command),
    "study": (study.StudyCommand, study.study_command),
    "resume": (resume.ResumeConfig, resume.resume_command),
    "report": (report.ReportConfig, report.report_command),
    "export": (export.ExportConfig, export.export_command),
    "metrics": (metrics.MetricsConfig, metrics.metrics_command),
    "fetch": (fetch.FetchConfig, fetch.fetch_command),
    "info": (info.InfoConfig, info.info_command),
    "audit": (audit.AuditConfig, audit.audit_command),
}
"""What each command is asked, and what it does."""

_POSITIONAL = ("resume", "report", "export", "metrics")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what :func:`graphcortex.cli.main` says, once torch is imported."""

    def work() -> int:
        tyro = require("tyro", "study", "the command line")
        commands = {
            name: tyro.conf.PositionalRequiredArgs[config] if name in _POSITIONAL else config
            for name, (config, _) in COMMANDS.items()
        }
        given = sys.argv[1:] if argv is None else list(argv)
        if given == ["--version"]:
            print(f"graphcortex {__version__}")
            return 0
        config = tyro.extras.subcommand_cli_from_dict(
            commands, args=given, prog="graphcortex", description=_DESCRIPTION
        )
        return next(do for kind, do in COMMANDS.values() if type(config) is kind)(expand_home(config))

    return guarded(work)
