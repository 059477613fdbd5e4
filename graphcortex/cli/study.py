"""``graphcortex study``: runs and tables, without figures."""

from __future__ import annotations

from dataclasses import dataclass

from graphcortex.cli._told import tell
from graphcortex.study import StudyConfig, run_study


@dataclass(frozen=True)
class StudyCommand(StudyConfig):
    """Train every variant on every task, print the table, and write weights and tables.

    Started again with the same --out, it goes on where it was. Example:
    graphcortex study --connectome 5_3_8 --variants 'W*D*C' WD --tasks go_nogo --protocol published corrected --seeds 3 --workers 2
    """

    json: bool = False
    """Print one JSON object: runs, table, failures."""


def study_command(config: StudyCommand) -> int:
    """Run a study, tell what it gave, and return the exit code."""
    return tell(run_study(config), ", learned weights in weights/" if config.keep_weights else "", as_json=config.json)
