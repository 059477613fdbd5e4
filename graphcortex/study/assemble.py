"""From a connectome and a variant to a network and its penalties."""

from __future__ import annotations

import torch
from torch import nn

from graphcortex._random import as_generator, derive_seed
from graphcortex._typing import EdgeIndex
from graphcortex.data import Connectome
from graphcortex.nn import GraphRNN, TaskClassifier
from graphcortex.study.penalties import build_penalties
from graphcortex.study.possible import check_possible
from graphcortex.study.protocol import Protocol
from graphcortex.study.variant import Variant
from graphcortex.study.weights import initial_weights
from graphcortex.study.wiring import network_edges
from graphcortex.tasks import Task

__all__ = ["build_network", "build_penalties", "empty_network", "initial_weights"]


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
    n, edge_index = connectome.num_neurons, network_edges(connectome, variant, seed=seed)
    rng = derive_seed("readout weights", seed)
    model = empty_network(task.input_size, task.num_classes, edge_index, n, protocol, rng=rng)
    # A network draws its recurrent weights first: a complete one as many as there are pairs. A sparse one skips as many draws.
    rng = as_generator(derive_seed("input weights", seed))
    torch.empty(n * n).uniform_(generator=rng)
    with torch.no_grad():
        nn.init.xavier_uniform_(model.rnn.input_weight, generator=rng)
    model.rnn.set_edge_weight(initial_weights(connectome, variant, protocol, seed=seed))
    return model


def empty_network(
    input_size: int, num_classes: int, edge_index: EdgeIndex, num_nodes: int, protocol: Protocol, *, rng: int = 0
) -> TaskClassifier:
    """Make a network of the study, whose weights are still to be set.

    Args:
        input_size: Number of input channels.
        num_classes: Number of answers.
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        num_nodes: Number of neurons.
        protocol: The protocol.
        rng: Seed of the weights of the readout.
    """
    rnn = GraphRNN(input_size, edge_index, num_nodes, nonlinearity="relu")
    return TaskClassifier(rnn, num_classes, input_noise=protocol.input_noise, rng=rng)
