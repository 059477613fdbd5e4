"""``graphcortex audit``: what is wrong with a connectome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from graphcortex.data import MicronsFields, audit
from graphcortex.data._audit_source import load_for_audit
from graphcortex.data._field_files import FIELD_NAME
from graphcortex.study.config import default_data_root, load_connectome


@dataclass(frozen=True)
class AuditConfig:
    """Look for what went wrong in published work, and say so. Exit code: 0 without errors, 1 with, 2 where nothing can be read.

    Example: graphcortex audit 6_6_2 --data-root data
    """

    path: Path
    """A file written by Connectome.save, the folder of a field, the name of a field such as 6_6_2, or "synthetic"."""
    data_root: Path | None = None
    """Folder with the MICrONS fields, for a name."""
    json: bool = False
    """Print JSON."""


def audit_command(config: AuditConfig) -> int:
    """Print what an audit of a connectome finds.

    Args:
        config: Which connectome, and how to print.

    Returns:
        0 without errors, 1 with.
    """
    path, spikes = config.path, None
    is_name = not path.exists() and (str(path) == "synthetic" or FIELD_NAME.fullmatch(str(path)))
    if is_name and str(path) != "synthetic":
        # The folder has the spikes too; a field that is not there yet is fetched first.
        fields = MicronsFields(default_data_root() if config.data_root is None else config.data_root, names=[str(path)])
        fields[str(path)]
        path = fields.folder / str(path)
    if str(path) == "synthetic" and is_name:
        connectome = load_connectome("synthetic")
    else:
        connectome, spikes = load_for_audit(path)
    found = audit(connectome, spikes=spikes)
    print(json.dumps(found.to_dict(), indent=2) if config.json else found)
    return found.exit_code
