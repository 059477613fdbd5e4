"""The Connectome, and where connectomes come from."""

from __future__ import annotations

from graphcortex.data._batch import with_common_codes
from graphcortex.data._cave_retry import CaveError, CaveRetries
from graphcortex.data._download import DownloadError
from graphcortex.data._finding import Finding
from graphcortex.data._stitch import VolumeError
from graphcortex.data._unpickle import DataFileError, UnsafeFileError
from graphcortex.data._validate import ConnectomeError
from graphcortex.data.audit import Audit, audit
from graphcortex.data.card import Card
from graphcortex.data.cave import MicronsCAVE
from graphcortex.data.coactivity import Coactivity
from graphcortex.data.connectome import Connectome
from graphcortex.data.fields import MicronsFields
from graphcortex.data.graphml import read_graphml, to_graphml
from graphcortex.data.npz import read_npz, to_npz
from graphcortex.data.nwb import MicronsRecordings, Recording
from graphcortex.data.schema import SCHEMA, Field
from graphcortex.data.source import load_connectome, load_connectomes
from graphcortex.data.synthetic import CortexParameters, SyntheticCortex, simulate_spikes
from graphcortex.data.table_folder import read_tables, to_tables
from graphcortex.data.tables import from_tables
from graphcortex.data.transforms import (
    CropToBox,
    DegreeLattice,
    ErdosRenyi,
    Lattice,
    MinSynapses,
    RenameNeurons,
    RewireDegrees,
    RewireDegreesAndLengths,
    ShufflePositions,
    ShuffleWeights,
)
from graphcortex.data.volume import MicronsVolume

__all__ = [
    "SCHEMA",
    "Audit",
    "Card",
    "CaveError",
    "CaveRetries",
    "Coactivity",
    "Connectome",
    "ConnectomeError",
    "CortexParameters",
    "CropToBox",
    "DataFileError",
    "DegreeLattice",
    "DownloadError",
    "ErdosRenyi",
    "Field",
    "Finding",
    "Lattice",
    "MicronsCAVE",
    "MicronsFields",
    "MicronsRecordings",
    "MicronsVolume",
    "MinSynapses",
    "Recording",
    "RenameNeurons",
    "RewireDegrees",
    "RewireDegreesAndLengths",
    "ShufflePositions",
    "ShuffleWeights",
    "SyntheticCortex",
    "UnsafeFileError",
    "VolumeError",
    "audit",
    "from_tables",
    "load_connectome",
    "load_connectomes",
    "read_graphml",
    "read_npz",
    "read_tables",
    "simulate_spikes",
    "to_graphml",
    "to_npz",
    "to_tables",
    "with_common_codes",
]
