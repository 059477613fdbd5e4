"""What recurrent weights may be: signs and fixed parts, as parametrisations or as a projection after the optimiser's step.

A parametrisation computes ``edge_weight`` from a free parameter, which is what the optimiser sees
(``rnn.parametrizations.edge_weight.original``). Several may be registered on top of each other. They are in the state of the
network, and pickle with it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from graphcortex._checks import check_choice, check_edge_values, check_finite
from graphcortex._typing import EdgeIndex, EdgeValues, NodeValues
from graphcortex.nn.graph_rnn import GraphRNN

Index = torch.Tensor | slice | tuple  # what picks some entries of a parameter


# A magnitude as a function of the free parameter, and back.
MAPS = {
    "clamp": (torch.relu, lambda magnitude: magnitude),
    "softplus": (F.softplus, lambda magnitude: magnitude + torch.log(-torch.expm1(-magnitude))),
    "exponential": (torch.exp, torch.log),
}
# What a weight of 0 becomes where no free parameter gives 0, as a part of the mean of the others.
SMALLEST_PART = 1e-3


class _Magnitude(nn.Module):
    """A magnitude that is a function of a free parameter."""

    def __init__(self, map: str):
        super().__init__()
        self.map = check_choice(map, "map", MAPS)

    @property
    def reaches_zero(self) -> bool:
        """Whether a weight may become 0."""
        return self.map == "clamp"

    def forward(self, free: torch.Tensor) -> torch.Tensor:
        """Return the magnitudes."""
        return MAPS[self.map][0](free)

    def right_inverse(self, value: torch.Tensor) -> torch.Tensor:
        """Return the free parameter of given weights.

        Those of the wrong sign keep their magnitude. A weight of 0 becomes a thousandth of the mean magnitude of the others where
        the map has no 0.
        """
        magnitude = value.abs()
        if not self.reaches_zero:
            zero = magnitude == 0
            others = magnitude[~zero]
            mean = others.mean() if others.numel() else 1.0
            magnitude = torch.where(zero, SMALLEST_PART * mean, magnitude)
        return MAPS[self.map][1](magnitude)

    def extra_repr(self) -> str:
        """Say the map in the printed form."""
        return f"map={self.map!r}"


class NonNegative(_Magnitude):
    r"""Keep a parameter at or above 0: it is a function of a free one, :math:`w = g(v)`.

    ================= =========================== ===============================================
    map               :math:`g(v)`                gradient :math:`g'(v)`
    ================= =========================== ===============================================
    ``"clamp"``       :math:`\max(0, v)`          1 where :math:`v > 0`, 0 elsewhere
    ``"softplus"``    :math:`\log(1 + e^v)`       :math:`1 - e^{-w}`, near :math:`w` for small weights
    ``"exponential"`` :math:`e^v`                 :math:`w`
    ================= =========================== ===============================================

    With ``"clamp"`` a weight that reaches 0 gets no gradient again and stays there. A few hundred steps may silence a third of the
    edges for good; :func:`project_nonnegative` lets weights come back. With ``"softplus"`` and ``"exponential"`` the gradient does
    not die. What they cost:

    - No weight is exactly 0. An L1 penalty makes weights small and removes none.
    - Small weights learn slowly with SGD, since their gradient is in proportion to their size. With ``"exponential"`` that is so
      for all weights: a step changes a weight by a part of itself, and a large step may overflow.
    - Weight decay draws the free parameter to 0, which is a weight of 0.69 (``"softplus"``) or 1 (``"exponential"``).

    Args:
        map: clamp, softplus or exponential.

    Raises:
        ValueError: If the map is unknown.

    Example:
        >>> from graphcortex.nn import GraphRNN
        >>> rnn = GraphRNN(1, torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> _ = constrain_nonnegative(rnn)
        >>> bool((rnn.edge_weight >= 0).all())
        True
    """

    def __init__(self, map: str = "clamp"):
        super().__init__(map)

    def sign_of(self, edge_index: EdgeIndex) -> EdgeValues:
        """Return the sign of edges that may be new, shape ``(E,)``."""
        return torch.ones(edge_index.size(1), device=edge_index.device)

    def restrict(self, index: Index) -> NonNegative:
        """Return the constraint of some entries of the parameter."""
        return NonNegative(self.map)


class Dale(_Magnitude):
    """Keep the sign of every edge: the weight is a magnitude times the sign, and the magnitude a function of a free parameter.

    Args:
        edge_sign: 1 or -1 for each edge, shape ``(E,)``, floating point.
        neuron_sign: 1 or -1 for each neuron, shape ``(N,)``; needed where edges move, see :meth:`GraphRNN.set_edges`.
        map: clamp, softplus or exponential; :class:`NonNegative` says what each costs.

    Raises:
        ValueError: If the map is unknown.
    """

    def __init__(self, edge_sign: EdgeValues, neuron_sign: NodeValues | None = None, map: str = "clamp"):
        super().__init__(map)
        self.register_buffer("edge_sign", edge_sign)
        self.register_buffer("neuron_sign", neuron_sign)

    def forward(self, free: torch.Tensor) -> torch.Tensor:
        """Return the signed weights."""
        return super().forward(free) * self.edge_sign

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

    def restrict(self, index: Index) -> Dale:
        """Return the constraint of some edges."""
        return Dale(self.edge_sign[index].clone(), self.neuron_sign, self.map)


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

    def restrict(self, index: Index) -> Gain:
        """Return the constraint of some edges."""
        return Gain(self.edge_scale[index].clone())


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

    def restrict(self, index: Index) -> Offset:
        """Return the constraint of some edges."""
        return Offset(self.edge_offset[index].clone())


def constrain_nonnegative(module: nn.Module, name: str = "edge_weight", *, map: str = "clamp") -> nn.Module:
    """Register :class:`NonNegative` on one parameter of ``module``, and return the module. Negative entries keep their magnitude.

    Args:
        module: A network, or another module.
        name: The parameter.
        map: clamp, softplus or exponential; :class:`NonNegative` says what each costs.

    Raises:
        ValueError: If the map is unknown.
    """
    return _constrain(module, name, NonNegative(map))


def constrain_dale(rnn: GraphRNN, neuron_sign: NodeValues, *, map: str = "clamp") -> GraphRNN:
    """Hold a network to Dale's law: all edges that leave a neuron have its sign.

    Args:
        rnn: The network; weights of the wrong sign keep their magnitude.
        neuron_sign: 1 for an excitatory neuron, -1 for an inhibitory one, shape ``(N,)``.
        map: What makes a magnitude of a free parameter: clamp, where a weight that reaches 0 stays there for good; softplus or
            exponential, whose gradient does not die. :class:`NonNegative` says what each costs.

    Returns:
        The network.

    Raises:
        ValueError: If there is not one sign per neuron, or one is neither 1 nor -1, or the map is unknown.

    Example:
        >>> rnn = GraphRNN(1, torch.tensor([[0, 0, 1], [1, 2, 0]]), num_nodes=3)
        >>> constrain_dale(rnn, torch.tensor([1, -1, 1]), map="softplus").edge_weight.sign().tolist()
        [1.0, 1.0, -1.0]
    """
    neuron_sign = torch.as_tensor(neuron_sign)
    if neuron_sign.shape != (rnn.num_nodes,) or not bool((neuron_sign.abs() == 1).all()):
        raise ValueError(
            f"neuron_sign must hold 1 or -1 for each neuron: expected shape ({rnn.num_nodes},), got shape "
            f"{tuple(neuron_sign.shape)} with values {neuron_sign.unique().tolist()[:5]}."
        )
    neuron_sign = neuron_sign.to(rnn.edge_weight.detach())
    sign = neuron_sign[rnn.edge_index[0]]
    return _constrain(rnn, "edge_weight", Dale(sign, neuron_sign, map))


def _constrain(module: nn.Module, name: str, constraint: nn.Module) -> nn.Module:
    before = getattr(module, name).detach().clone()
    parametrize.register_parametrization(module, name, constraint)
    # On top of another constraint, the parameter is still that which gave the weights before.
    setattr(module, name, constraint(constraint.right_inverse(before)))
    return module


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
    parametrize.register_parametrization(rnn, "edge_weight", Gain(scale))
    rnn.set_edge_weight(scale)
    return rnn


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
    parametrize.register_parametrization(rnn, "edge_weight", Offset(offset))
    rnn.set_edge_weight(offset)
    return rnn


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
