"""The Connectome, and where connectomes come from."""

from __future__ import annotations

from graphcortex.data._download import DownloadError
from graphcortex.data._unpickle import DataFileError, UnsafeFileError
from graphcortex.data._validate import ConnectomeError
from graphcortex.data.coactivity import Coactivity
from graphcortex.data.connectome import Connectome
from graphcortex.data.fields import MicronsFields
from graphcortex.data.nwb import MicronsRecordings, Recording
from graphcortex.data.schema import SCHEMA, Field
from graphcortex.data.synthetic import CortexParameters, SyntheticCortex
from graphcortex.data.transforms import CropToBox, MinSynapses, RenameNeurons, ShufflePositions

__all__ = [
    "SCHEMA",
    "Coactivity",
    "Connectome",
    "ConnectomeError",
    "CortexParameters",
    "CropToBox",
    "DataFileError",
    "DownloadError",
    "Field",
    "MicronsFields",
    "MicronsRecordings",
    "MinSynapses",
    "Recording",
    "RenameNeurons",
    "ShufflePositions",
    "SyntheticCortex",
    "UnsafeFileError",
]
