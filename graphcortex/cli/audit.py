"""``graphcortex audit``: what is wrong with a connectome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from graphcortex.data import audit
from graphcortex.data._audit_source import stored_spikes
from graphcortex.data.source import find_connectome


@dataclass(frozen=True)
class AuditConfig:
    """Look for errors in a connectome that happened in published work, and report them.

    Exit code: 0 without errors, 1 with, 2 where nothing can be read.
    Example: graphcortex audit --connectome 6_6_2 --data-root data
    """

    connectome: str
    """A MICrONS field such as 6_6_2; "synthetic"; a file of a connectome (.pt, .npz, .graphml); or a folder of tables or of a
    field."""
    data_root: Path | None = None
    """Folder with the MICrONS fields, which must exist; missing files are downloaded into it."""
    json: bool = False
    """Print JSON."""


def audit_command(config: AuditConfig) -> int:
    """Print what an audit of a connectome finds.

    Args:
        config: Which connectome, and how to print.

    Returns:
        0 without errors, 1 with.
    """
    source = find_connectome(config.connectome, config.data_root)
    report = audit(source.load(), spikes=stored_spikes(source))
    print(json.dumps(report.to_dict(), indent=2) if config.json else report)
    return report.exit_code
