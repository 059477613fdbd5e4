"""Penalties on a network's edges."""

from graphcortex.losses.communication import (
    CommunicabilityEMD,
    LengthCommunicabilityPenalty,
    SampledCommunicabilityEMD,
)
from graphcortex.losses.penalties import L1Penalty, LengthPenalty

__all__ = [
    "CommunicabilityEMD",
    "L1Penalty",
    "LengthCommunicabilityPenalty",
    "LengthPenalty",
    "SampledCommunicabilityEMD",
]
