"""``graphcortex export``: the study of a folder in the layout of the paper's notebook."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphcortex.cli._told import tell_unfinished
from graphcortex.study import load_results, write_paper_layout


@dataclass(frozen=True)
class ExportConfig:
    """Write the runs of a folder as the paper's notebook writes its own: 6_6_2_sttc-corr/Task1/Accuracy_raw.csv, metrics.csv, ...

    Nothing is trained. Example: graphcortex export results/study --out paper
    """

    folder: Path
    """Results folder of a study."""
    out: Path = Path("paper")
    """Folder for the exported folders, one per connectome and arm."""
    protocol: str = "published"
    """Which protocol's runs; the layout does not say which it was."""


def export_command(config: ExportConfig) -> int:
    """Write the runs of a study in the paper's layout and print where; return 0, or 1 where runs failed."""
    results = load_results(config.folder)
    for path in write_paper_layout(results, config.out, protocol=config.protocol):
        print(path)
    return tell_unfinished(results)
