"""Which variants a connectome can be put to, told before anything is trained."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from graphcortex._typing import EdgeIndex
from graphcortex.data import Connectome
from graphcortex.ops.spectrum import on_cycles
from graphcortex.study.protocol import Protocol
from graphcortex.study.published import functional_relations
from graphcortex.study.variant import Variant

_DIAGONAL = ("W*[diagonal]", "W[diagonal]")


def check_possible(connectome: Connectome, variant: Variant, protocol: Protocol) -> None:
    """Check that a connectome has what a variant needs.

    What depends on the seed is not known here: whether rewired synapses still close a cycle shows when they are drawn.

    Args:
        connectome: The neurons.
        variant: The variant.
        protocol: The protocol.

    Raises:
        ValueError: If the connectome has no synapses, or none that suit, where the variant uses the wiring; no co-activity, or
            not of all pairs, where it starts from ``W*``; or no two neurons apart where distances are scaled. The message says
            which.
    """
    if variant.uses_activity:
        _check_activity(connectome, variant, protocol)
    if variant.uses_wiring:
        _check_wiring(connectome, variant)
    scaled = protocol.distance_scale == "mean" or protocol.self_connection_length == "shortest"
    if variant.distance and scaled:
        pos, n = connectome.pos, connectome.num_neurons
        if n < 2 or (variant.distance != "D" and bool((pos == pos[0]).all())):
            raise ValueError(
                f"{variant} needs neurons that are apart, since the protocol scales distances: got {n} in one place."
            )


def _check_activity(connectome: Connectome, variant: Variant, protocol: Protocol) -> None:
    try:
        relations = functional_relations(connectome, protocol.functional)
    except ValueError as error:
        raise ValueError(f"{variant} starts from functional relations of all pairs: {error}") from error
    for number, relation in enumerate(relations):
        if float(relation.min()) == float(relation.max()):
            raise ValueError(
                f"{variant} starts from functional relations ({protocol.functional}), which must differ between pairs; got "
                f"{float(relation[0]):g} on every pair for the one numbered {number}."
            )


def _check_wiring(connectome: Connectome, variant: Variant) -> None:
    edge_index, n = connectome.synapses.edge_index, connectome.num_neurons
    if edge_index.size(1) == 0:
        raise ValueError(
            f"{variant} uses the wiring: expected a connectome with synapses, got none; leave out C*, W[synapses] and +sparse."
        )
    is_self = edge_index[0] == edge_index[1]
    if variant.wiring and bool(is_self.any()):
        raise ValueError(
            f"{variant} rewires synapses between different neurons: got {int(is_self.sum())} of a neuron with itself; remove "
            f"them, or leave out @{variant.wiring}."
        )
    if not variant.support and variant.weights != "W[synapses]":
        return
    if variant.weights in _DIAGONAL:
        if not bool(is_self.any()):
            raise ValueError(
                f"{variant} starts from self-connections alone: expected synapses of neurons with themselves, got none; leave "
                "out +sparse."
            )
        return
    if variant.weights == "W*[no-diagonal]":
        edge_index = edge_index[:, ~is_self]
    if variant.wiring is None and not _has_cycle(edge_index, n):
        raise ValueError(
            f"{variant} starts at a given spectral radius: expected synapses that close a cycle of neurons, got "
            f"{edge_index.size(1)} that close none; leave out W[synapses] and +sparse, or take another connectome."
        )


def _has_cycle(edge_index: EdgeIndex, num_nodes: int) -> bool:
    ones = np.ones(edge_index.size(1))
    matrix = scipy.sparse.csr_array((ones, tuple(edge_index.cpu().numpy())), shape=(num_nodes, num_nodes))
    return on_cycles(matrix).shape[0] > 0
