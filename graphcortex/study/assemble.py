"""From a connectome and a variant to a network and its penalties."""

from __future__ import annotations

import torch
from torch import nn

from graphcortex._random import derive_seed
from graphcortex.data import Connectome
from graphcortex.kernels import complete_edge_index
from graphcortex.losses import CommunicabilityEMD, L1Penalty, LengthCommunicabilityPenalty, LengthPenalty
from graphcortex.nn import GraphRNN, TaskClassifier, initializers
from graphcortex.study.protocol import Protocol
from graphcortex.study.published import (
    anatomical_communicability,
    functional_relations,
    grid_lengths,
    rename_neurons,
    scrambled_lengths,
)
from graphcortex.study.variant import Variant
from graphcortex.tasks import Task


def initial_weights(connectome: Connectome, variant: Variant, protocol: Protocol, *, seed: int) -> torch.Tensor:
    """Draw the initial recurrent weights of a variant.

    Args:
        connectome: The neurons, with co-activity where the variant has ``W*`` or ``W!``.
        variant: The variant.
        protocol: The protocol.
        seed: Seed of the run. Variants share the draws of a seed, and ``W!`` is the ``W*`` of its seed, renamed.

    Returns:
        The weight of each ordered pair, ``W[source, target]`` flattened, shape ``(N * N,)``, float32.
    """
    n = connectome.num_neurons
    edge_index = complete_edge_index(n)
    rng = derive_seed("recurrent weights", seed)
    if variant.weights == "W":
        return initializers.orthogonal(edge_index, n, rng=rng)
    weight = initializers.functional(
        edge_index,
        n,
        relations=functional_relations(connectome, protocol.functional),
        mu=protocol.weight_mu,
        sigma=protocol.weight_sigma,
        mean=protocol.weight_mean,
        floor=protocol.weight_floor,
        radius=protocol.weight_radius,
        rng=rng,
    )
    if variant.weights == "W!":
        return rename_neurons(weight, n, rng=derive_seed("new names", seed))
    return weight


def build_network(
    connectome: Connectome, variant: Variant, task: Task, protocol: Protocol, *, seed: int
) -> TaskClassifier:
    """Make the network of one run: all pairs connected, relu, readout of the last state.

    Args:
        connectome: The neurons.
        variant: Decides the initial recurrent weights.
        task: Decides the sizes of input and readout.
        protocol: The protocol.
        seed: Seed of the run.

    Returns:
        The network, on the CPU, in float32.
    """
    n = connectome.num_neurons
    rnn = GraphRNN(task.input_size, complete_edge_index(n), n, nonlinearity="relu")
    rnn.reset_parameters(rng=derive_seed("input weights", seed))
    rnn.set_edge_weight(initial_weights(connectome, variant, protocol, seed=seed))
    return TaskClassifier(
        rnn, task.num_classes, input_noise=protocol.input_noise, rng=derive_seed("readout weights", seed)
    )


def build_penalties(connectome: Connectome, variant: Variant, protocol: Protocol, *, seed: int = 0) -> nn.ModuleList:
    """Make the penalties of a variant.

    Args:
        connectome: Positions for ``D*``, synapses for ``C*``.
        variant: The variant.
        protocol: The protocol.
        seed: Seed of the run, for the probes of a stochastic penalty.

    Returns:
        One or two modules ``penalty(rnn) -> scalar``, to be added up.
    """
    if variant.distance is None:
        return nn.ModuleList([L1Penalty(protocol.l1_strength)])
    lengths = scrambled_lengths(connectome) if variant.distance == "D*" else grid_lengths(connectome.num_neurons)
    if variant.communicability == "C":
        return nn.ModuleList(
            [
                LengthCommunicabilityPenalty(
                    lengths,
                    strength=protocol.length_strength,
                    normalization=protocol.normalization,
                    method=protocol.communicability_method,
                    probes=protocol.communicability_probes,
                    rng=derive_seed("probes", seed),
                )
            ]
        )
    penalties = nn.ModuleList([LengthPenalty(lengths, strength=protocol.length_strength)])
    if variant.communicability == "C*":
        penalties.append(
            CommunicabilityEMD(
                anatomical_communicability(connectome),
                strength=protocol.emd_strength,
                normalization=protocol.normalization,
            )
        )
    return penalties
