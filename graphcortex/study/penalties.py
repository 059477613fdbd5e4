"""The penalties of a variant."""

from __future__ import annotations

from torch import nn

from graphcortex._random import derive_seed
from graphcortex.data import Connectome
from graphcortex.losses import CommunicabilityEMD, L1Penalty, LengthCommunicabilityPenalty, LengthPenalty
from graphcortex.study.lengths import edge_lengths
from graphcortex.study.protocol import Protocol
from graphcortex.study.variant import Variant
from graphcortex.study.wiring import anatomical_communicability, network_edges, wire


def build_penalties(connectome: Connectome, variant: Variant, protocol: Protocol, *, seed: int = 0) -> nn.ModuleList:
    """Make the penalties of a variant, for the network that :func:`graphcortex.study.build_network` makes of the same arguments.

    Args:
        connectome: Positions for ``D*``, synapses for ``C*`` and ``+sparse``.
        variant: The variant.
        protocol: The protocol.
        seed: Seed of the run: for the probes of a stochastic penalty, for shuffled positions and rewired synapses.

    Returns:
        One or two modules ``penalty(rnn) -> scalar``, to be added up.

    Raises:
        ValueError: If the connectome lacks what the variant needs.
    """
    if variant.distance is None:
        return nn.ModuleList([L1Penalty(protocol.penalty_scale * protocol.l1_strength)])
    edge_index = network_edges(connectome, variant, seed=seed)
    lengths = edge_lengths(connectome, variant, protocol, edge_index, seed=seed)
    if variant.communicability == "C":
        return nn.ModuleList(
            [
                LengthCommunicabilityPenalty(
                    lengths,
                    strength=protocol.penalty_scale * protocol.length_strength,
                    normalization=protocol.normalization,
                    method=protocol.communicability_method,
                    probes=protocol.communicability_probes,
                    rng=derive_seed("probes", seed),
                )
            ]
        )
    penalties = nn.ModuleList([LengthPenalty(lengths, strength=protocol.penalty_scale * protocol.length_strength)])
    if variant.communicability == "C*":
        anatomy = wire(connectome, variant, seed=seed)
        penalties.append(
            CommunicabilityEMD(
                anatomical_communicability(anatomy, protocol.anatomy_normalization),
                strength=protocol.penalty_scale * protocol.emd_strength,
                normalization=protocol.normalization,
            )
        )
    return penalties
