"""The synapses that a variant uses: as they are, or rewired; as edges of the network, and as the anatomy to compare with."""

from __future__ import annotations

import torch

from graphcortex._random import derive_seed
from graphcortex._typing import EdgeIndex
from graphcortex.data import Connectome
from graphcortex.data.transforms import RewireDegrees, RewireDegreesAndLengths
from graphcortex.kernels import complete_edge_index
from graphcortex.ops import communicability_matrix
from graphcortex.study.variant import Variant

_REWIRINGS = {"degree": RewireDegrees, "degree-length": RewireDegreesAndLengths}


def wire(connectome: Connectome, variant: Variant, *, seed: int) -> Connectome:
    """Return the connectome with the wiring of a variant.

    Args:
        connectome: The neurons.
        variant: With ``@degree`` or ``@degree-length`` the synapses are rewired, and what they carry goes with them; else they
            stay. Positions and co-activity stay.
        seed: Seed of the run. Variants share the rewired synapses of a seed.

    Returns:
        The connectome itself, or a copy with other synapses.

    Raises:
        ValueError: If the synapses cannot be rewired, since some neuron has one with itself.
    """
    if variant.wiring is None:
        return connectome
    return _REWIRINGS[variant.wiring](rng=derive_seed("wiring", seed))(connectome)


def network_edges(connectome: Connectome, variant: Variant, *, seed: int) -> EdgeIndex:
    """Return the edges of the network of a variant, sorted by source, then target.

    Args:
        connectome: The neurons.
        variant: With ``+sparse`` the edges are the synapses of its wiring, else all ordered pairs.
        seed: Seed of the run, which matters where synapses are rewired.

    Returns:
        Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
    """
    n = connectome.num_neurons
    if variant.support is None:
        return complete_edge_index(n)
    edge_index = wire(connectome, variant, seed=seed).synapses.edge_index
    return edge_index[:, torch.argsort(edge_index[0] * n + edge_index[1])]


def anatomical_communicability(connectome: Connectome, normalization: str) -> torch.Tensor:
    """Return the communicability of the synapse counts, which ``C*`` compares with.

    With ``"source"``, as published, both ends are normalised by out-strength, and a neuron without outputs has 1e-10 in place of
    zero: its column is up to 1e5 times too large. On the published field that is the case for 166 of 312 neurons. With ``"both"``
    no entry exceeds e.

    Args:
        connectome: A connectome with synapses.
        normalization: ``"source"`` or ``"both"``, see :func:`graphcortex.ops.communicability_matrix`.

    Returns:
        The matrix ``C[source, target]``, shape ``(N, N)``, float32.

    Raises:
        ValueError: If there is no synapse, or no such normalization.
    """
    n = connectome.num_neurons
    counts = connectome.count_matrix()
    if not bool(counts.any()):
        raise ValueError(
            "C* compares with the anatomy: expected a connectome with synapses, got none; leave out the C* variants."
        )
    return communicability_matrix(complete_edge_index(n), counts.flatten(), n, normalization=normalization).float()
