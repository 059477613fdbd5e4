"""``graphcortex fetch``: the files of MICrONS fields."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphcortex.data import MicronsFields
from graphcortex.data._download import released_files
from graphcortex.data.source import default_data_root


@dataclass(frozen=True)
class FetchConfig:
    """Download the files of MICrONS fields that are missing, each checked against its SHA-256.

    Example: graphcortex fetch --fields 6_6_2 5_3_8 --data-root data
    """

    fields: tuple[str, ...]
    """Names such as 6_6_2; "all" is all 56 (some 140 MB)."""
    data_root: Path | None = None
    """Folder for the fields, made where it is not there. Default: $GRAPHCORTEX_DATA/microns-fields, or else a cache
    folder in the home directory."""


def fetch_command(config: FetchConfig) -> int:
    """Download fields, and say how large they are."""
    if not config.fields:
        raise ValueError('fields must name at least one field, such as 6_6_2, or "all"; got none.')
    root = default_data_root() if config.data_root is None else config.data_root
    names = list(released_files()) if config.fields == ("all",) else config.fields
    available = MicronsFields(root, names=names)
    for connectome, name in zip(available, available.names, strict=True):
        print(f"{name}: {connectome.num_neurons} neurons, {connectome.synapses.num_edges} connected pairs")
    print(f"in {root}")
    return 0
