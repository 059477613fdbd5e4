"""``graphcortex resume``: the study of a folder, from the folder alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphcortex.cli._told import tell
from graphcortex.study import Store, load_study
from graphcortex.study.config import choose_engine


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
        choose_engine(self.workers, self.scheduler)


def resume_command(config: ResumeConfig) -> int:
    """Go on with a study, tell what it gave, and return the exit code."""
    study = load_study(config.folder)
    asked = Store.open(config.folder).manifest["study"]
    keep = bool(asked.get("keep_weights", True))
    engine = choose_engine(config.workers, config.scheduler, device=study.device, threads=study.threads)
    results = study.run(
        config.folder, engine=engine, keep_weights=keep, checkpoint_every=asked.get("checkpoint_every", 0)
    )
    return tell(results, ", learned weights in weights/" if keep else "", as_json=config.json)
