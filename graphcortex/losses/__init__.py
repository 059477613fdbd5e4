"""Penalties on a network's edges."""

from graphcortex.losses.penalties import CommunicabilityEMD, L1Penalty, LengthCommunicabilityPenalty, LengthPenalty

__all__ = ["CommunicabilityEMD", "L1Penalty", "LengthCommunicabilityPenalty", "LengthPenalty"]
