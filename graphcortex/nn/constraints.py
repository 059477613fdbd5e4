"""What recurrent weights may be: signs and fixed parts, as parametrisations or as a projection after the optimiser's step.

A parametrisation computes ``edge_weight`` from a free parameter, which is what the optimiser sees
(``rnn.parametrizations.edge_weight.original``). Several may be registered on top of each other.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize

from graphcortex._checks import check_edge_values, check_finite
from graphcortex._typing import EdgeIndex, EdgeValues, NodeValues
from graphcortex.nn.graph_rnn import GraphRNN


class NonNegative(nn.Module):
    """Keep a parameter at or above 0: the parameter is the positive part of a free one.

    A weight that is pushed below 0 stays at 0 and gets no more gradient; :func:`project_nonnegative` lets it come back.

    Example:
        >>> from graphcortex.nn import GraphRNN
        >>> rnn = GraphRNN(1, torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> _ = constrain_nonnegative(rnn)
        >>> bool((rnn.edge_weight >= 0).all())
        True
    """

    def forward(self, free: torch.Tensor) -> torch.Tensor:
        """Return the positive part."""
        return free.relu()

    def right_inverse(self, value: torch.Tensor) -> torch.Tensor:
        """Return the free parameter of a given one; negative entries are set to 0."""
        return value.relu()

    def sign_of(self, edge_index: EdgeIndex) -> EdgeValues:
        """Return the sign of edges that may be new, shape ``(E,)``."""
        return torch.ones(edge_index.size(1), device=edge_index.device)


class Dale(nn.Module):
    """Keep the sign of every edge: the weight is the positive part of a free magnitude, times the sign.

    Args:
        edge_sign: 1 or -1 for each edge, shape ``(E,)``, floating point.
        neuron_sign: 1 or -1 for each neuron, shape ``(N,)``; needed where edges move, see :meth:`GraphRNN.set_edges`.
    """

    def __init__(self, edge_sign: EdgeValues, neuron_sign: NodeValues | None = None):
        super().__init__()
        self.register_buffer("edge_sign", edge_sign)
        self.register_buffer("neuron_sign", neuron_sign, persistent=False)

    def forward(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Return the signed weights."""
        return magnitude.relu() * self.edge_sign

    def right_inverse(self, value: torch.Tensor) -> torch.Tensor:
        """Return the magnitudes of given weights; those of the wrong sign are set to 0."""
        return (value * self.edge_sign).relu()

    def sign_of(self, edge_index: EdgeIndex) -> EdgeValues:
        """Return the sign of edges that may be new, shape ``(E,)``: that of the neuron that sends.

        Raises:
            ValueError: If the signs of the neurons were not given.
        """
        if self.neuron_sign is None:
            raise ValueError("neuron_sign must be given where edges move, got None; constrain_dale gives it.")
        return self.neuron_sign[edge_index[0]]

    def follow_edges(self, edge_index: EdgeIndex) -> None:
        """Take the signs of edges that have moved."""
        self.edge_sign = self.sign_of(edge_index)


class Gain(nn.Module):
    """A fixed value per edge, such as its synaptic count, times a learned gain.

    Args:
        edge_scale: The fixed values, shape ``(E,)``, not zero.
    """

    def __init__(self, edge_scale: EdgeValues):
        super().__init__()
        self.register_buffer("edge_scale", edge_scale)

    def forward(self, gain: torch.Tensor) -> torch.Tensor:
        """Return the weights."""
        return gain * self.edge_scale

    def right_inverse(self, value: torch.Tensor) -> torch.Tensor:
        """Return the gains of given weights."""
        return value / self.edge_scale


class Offset(nn.Module):
    """A fixed value per edge plus a learned change.

    Args:
        edge_offset: The fixed values, shape ``(E,)``.
    """

    def __init__(self, edge_offset: EdgeValues):
        super().__init__()
        self.register_buffer("edge_offset", edge_offset)

    def forward(self, change: torch.Tensor) -> torch.Tensor:
        """Return the weights."""
        return self.edge_offset + change

    def right_inverse(self, value: torch.Tensor) -> torch.Tensor:
        """Return the changes that give these weights."""
        return value - self.edge_offset


def constrain_nonnegative(module: nn.Module, name: str = "edge_weight") -> nn.Module:
    """Register :class:`NonNegative` on one parameter of ``module``, and return the module."""
    return parametrize.register_parametrization(module, name, NonNegative())


def constrain_dale(rnn: GraphRNN, neuron_sign: NodeValues) -> GraphRNN:
    """Hold a network to Dale's law: all edges that leave a neuron have its sign.

    Args:
        rnn: The network; weights of the wrong sign are set to 0.
        neuron_sign: 1 for an excitatory neuron, -1 for an inhibitory one, shape ``(N,)``.

    Returns:
        The network.

    Raises:
        ValueError: If there is not one sign per neuron, or one is neither 1 nor -1.

    Example:
        >>> rnn = GraphRNN(1, torch.tensor([[0, 0, 1], [1, 2, 0]]), num_nodes=3)
        >>> constrain_dale(rnn, torch.tensor([1, -1, 1])).edge_weight.sign().tolist()[2] <= 0
        True
    """
    neuron_sign = torch.as_tensor(neuron_sign)
    if neuron_sign.shape != (rnn.num_nodes,) or not bool((neuron_sign.abs() == 1).all()):
        raise ValueError(
            f"neuron_sign must hold 1 or -1 for each neuron: expected shape ({rnn.num_nodes},), got shape "
            f"{tuple(neuron_sign.shape)} with values {neuron_sign.unique().tolist()[:5]}."
        )
    neuron_sign = neuron_sign.to(rnn.edge_weight.detach())
    sign = neuron_sign[rnn.edge_index[0]]
    return parametrize.register_parametrization(rnn, "edge_weight", Dale(sign, neuron_sign))


def learn_gain(rnn: GraphRNN, edge_scale: EdgeValues) -> GraphRNN:
    """Learn a gain per edge in place of its weight: ``edge_weight = edge_scale * gain``, gains 1 to begin with.

    Args:
        rnn: The network.
        edge_scale: What stays fixed, such as synaptic counts, shape ``(E,)``, finite and not zero.

    Returns:
        The network.

    Raises:
        ValueError: If there is not one value per edge, or one is zero or not finite.

    Example:
        >>> rnn = learn_gain(GraphRNN(1, torch.tensor([[0, 1], [1, 0]]), num_nodes=2), torch.tensor([3.0, 5.0]))
        >>> rnn.edge_weight.tolist(), rnn.parametrizations.edge_weight.original.tolist()
        ([3.0, 5.0], [1.0, 1.0])
    """
    scale = _edge_values(rnn, edge_scale, "edge_scale")
    if not bool((scale != 0).all()):
        raise ValueError(
            f"edge_scale must not be zero, got {int((scale == 0).sum())} zeros: no gain changes such an edge; drop it."
        )
    rnn.set_edge_weight(scale)
    return parametrize.register_parametrization(rnn, "edge_weight", Gain(scale))


def learn_change(rnn: GraphRNN, edge_offset: EdgeValues) -> GraphRNN:
    """Learn a change per edge: ``edge_weight = edge_offset + change``, changes 0 to begin with.

    What decays or shrinks the free parameter then draws the weights to ``edge_offset`` and not to 0.

    Args:
        rnn: The network.
        edge_offset: What stays fixed, shape ``(E,)``, finite.

    Returns:
        The network.

    Raises:
        ValueError: If there is not one finite value per edge.
    """
    offset = _edge_values(rnn, edge_offset, "edge_offset")
    rnn.set_edge_weight(offset)
    return parametrize.register_parametrization(rnn, "edge_weight", Offset(offset))


def _edge_values(rnn: GraphRNN, values: EdgeValues, name: str) -> EdgeValues:
    values = torch.as_tensor(values).to(rnn.edge_weight).detach().clone()
    check_edge_values(values, rnn.edge_index, name)
    check_finite(values, name)
    return values


@torch.no_grad()
def project_nonnegative(parameter: torch.Tensor) -> None:
    """Set the negative entries to 0, in place: the projection that is due after each step of the optimiser.

    NaN stays NaN, so that a diverged network is seen.

    Args:
        parameter: Weights, any shape.

    Example:
        >>> weight = torch.tensor([-1.0, 2.0])
        >>> project_nonnegative(weight)
        >>> weight
        tensor([0., 2.])
    """
    parameter.clamp_(min=0)
