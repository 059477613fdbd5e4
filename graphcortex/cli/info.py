"""``graphcortex info``: what a connectome holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphcortex.cli._told import to_json
from graphcortex.data import Connectome
from graphcortex.data.source import find_connectome


@dataclass(frozen=True)
class InfoConfig:
    """Print what a connectome holds.

    Example: graphcortex info --connectome 6_6_2 --data-root data
    """

    connectome: str = "synthetic"
    """A MICrONS field such as 6_6_2; "synthetic" for the embedded default; a file of a connectome (.pt, .npz, .graphml); or a
    folder of tables or of a field."""
    data_root: Path | None = None
    """Folder with the MICrONS fields, which must exist; missing files are downloaded into it."""
    json: bool = False
    """Print JSON."""


def info_command(config: InfoConfig) -> int:
    """Print what a connectome holds."""
    source = find_connectome(config.connectome, config.data_root)
    connectome = source.load()
    print(to_json({"name": source.name, **_plain(connectome)}) if config.json else connectome)
    return 0


def _plain(connectome: Connectome) -> dict[str, Any]:
    coactivity = connectome.coactivity if connectome.has_coactivity else None
    return {
        "neurons": connectome.num_neurons,
        "neuron_fields": sorted(connectome["neuron"].keys()),
        "connected_pairs": connectome.synapses.num_edges,
        "synapse_fields": sorted(set(connectome.synapses.keys()) - {"edge_index"}),
        "coactive_pairs": 0 if coactivity is None else coactivity.num_edges,
        "coactivity_fields": [] if coactivity is None else sorted(set(coactivity.keys()) - {"edge_index"}),
    }
