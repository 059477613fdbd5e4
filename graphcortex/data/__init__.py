"""The Connectome, and where connectomes come from."""

from __future__ import annotations

from graphcortex.data._cave_retry import CaveError, CaveRetries
from graphcortex.data._download import DownloadError
from graphcortex.data._finding import Finding
from graphcortex.data._stitch import VolumeError
from graphcortex.data._unpickle import DataFileError, UnsafeFileError
from graphcortex.data._validate import ConnectomeError
from graphcortex.data.audit import Audit, audit
from graphcortex.data.cave import MicronsCAVE
from graphcortex.data.connectome import Connectome
from graphcortex.data.fields import MicronsFields
from graphcortex.data.schema import SCHEMA, Field
from graphcortex.data.synthetic import CortexParameters, SyntheticCortex
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
    "CaveError",
    "CaveRetries",
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
    "MicronsVolume",
    "MinSynapses",
    "RenameNeurons",
    "RewireDegrees",
    "RewireDegreesAndLengths",
    "ShufflePositions",
    "ShuffleWeights",
    "SyntheticCortex",
    "UnsafeFileError",
    "VolumeError",
    "audit",
]
