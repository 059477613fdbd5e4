"""``graphcortex resume``: the study of a folder, from the folder alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphcortex._checks import check_count
from graphcortex.cli._told import tell
from graphcortex.study import Dask, Engine, InProcess, Processes, Store, load_study


@dataclass(frozen=True)
class ResumeConfig:
    """Go on with the study of a folder: its missing runs, and those that failed. The folder says which.

    Example: graphcortex resume results/study --workers 2
    """

    folder: Path
    """Results folder of a study."""
    workers: int = 1
    """Processes of this machine to share the runs out to."""
    scheduler: str | None = None
    """Address of a Dask scheduler to share the runs out to instead, such as tcp://10.0.0.1:8786."""
    json: bool = False
    """Print one JSON object: runs, table, failures."""

    def __post_init__(self):
        check_count(self.workers, "workers")
        if self.scheduler is not None and self.workers != 1:
            raise ValueError("workers and scheduler must not both be given: a Dask scheduler has workers of its own.")

    def engine(self, threads: int) -> Engine:
        """Return where the runs are computed."""
        if self.scheduler is not None:
            return Dask(self.scheduler)
        return InProcess() if self.workers == 1 else Processes(self.workers, threads=threads or 1)


def resume_command(config: ResumeConfig) -> int:
    """Go on with a study, tell what it gave, and return the exit code."""
    study = load_study(config.folder)
    keep = bool(Store.open(config.folder).manifest["study"].get("keep_weights", True))
    results = study.run(config.folder, engine=config.engine(study.threads), keep_weights=keep)
    return tell(results, ", learned weights in weights/" if keep else "", as_json=config.json)
