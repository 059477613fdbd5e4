"""From a connectome and a variant to a network and its penalties."""

from __future__ import annotations

import torch
from torch import nn

from graphcortex._random import as_generator, derive_seed
from graphcortex.data import Connectome
from graphcortex.nn import GraphRNN, TaskClassifier
from graphcortex.study.penalties import build_penalties
from graphcortex.study.possible import check_possible
from graphcortex.study.protocol import Protocol
from graphcortex.study.variant import Variant
from graphcortex.study.weights import initial_weights
from graphcortex.study.wiring import network_edges
from graphcortex.tasks import Task

__all__ = ["build_network", "build_penalties", "initial_weights"]


def build_network(
    connectome: Connectome, variant: Variant, task: Task, protocol: Protocol, *, seed: int
) -> TaskClassifier:
    """Make the network of one run: relu, readout of the last state; all pairs connected, or with ``+sparse`` those of synapses.

    Args:
        connectome: The neurons.
        variant: Decides the edges and the initial recurrent weights.
        task: Decides the sizes of input and readout.
        protocol: The protocol.
        seed: Seed of the run. Variants share the weights of inputs and readout.

    Returns:
        The network, on the CPU, in float32. Only edges that are there learn.

    Raises:
        ValueError: If the connectome lacks what the variant needs.
    """
    check_possible(connectome, variant, protocol)
    n = connectome.num_neurons
    rnn = GraphRNN(task.input_size, network_edges(connectome, variant, seed=seed), n, nonlinearity="relu")
    # A network draws its recurrent weights first: a complete one as many as there are pairs. A sparse one skips as many draws.
    rng = as_generator(derive_seed("input weights", seed))
    torch.empty(n * n).uniform_(generator=rng)
    with torch.no_grad():
        nn.init.xavier_uniform_(rnn.input_weight, generator=rng)
    rnn.set_edge_weight(initial_weights(connectome, variant, protocol, seed=seed))
    return TaskClassifier(
        rnn, task.num_classes, input_noise=protocol.input_noise, rng=derive_seed("readout weights", seed)
    )
