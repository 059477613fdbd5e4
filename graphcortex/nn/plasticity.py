"""Structural plasticity: edges that carry little are given up during training, and as many grow elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import parametrize

from graphcortex._checks import check_choice, check_finite, check_number
from graphcortex._random import as_generator
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.nn._new_pairs import draw_new_pairs
from graphcortex.nn.graph_rnn import GraphRNN
from graphcortex.ops import edge_length

RULES = ("set", "deep_r")


@dataclass(frozen=True, eq=False)
class Rewiring:
    """What one step of structural plasticity changed. An edge that grew has the place of one that was dropped.

    Attributes:
        edges: Places of the edges that changed, ascending, int64, shape ``(k,)``.
        dropped: The pairs that were joined there, shape ``(2, k)``.
        grown: The pairs that are joined there now, shape ``(2, k)``.
        num_edges: Number of edges of the network, E.
    """

    edges: torch.Tensor
    dropped: EdgeIndex
    grown: EdgeIndex
    num_edges: int

    @property
    def origin(self) -> torch.Tensor:
        """The place that each edge had before, int64, shape ``(E,)``; -1 for those that grew."""
        origin = torch.arange(self.num_edges, device=self.edges.device)
        origin[self.edges] = -1
        return origin

    def update(self, edge_values: EdgeValues, of_grown: EdgeValues | float) -> EdgeValues:
        """Return a copy of values at the edges, shape ``(E,)``, with others at those that grew.

        Args:
            edge_values: A value per edge, shape ``(E,)``.
            of_grown: Values of the edges that grew, shape ``(k,)``, or one for all.

        Raises:
            ValueError: If there is not one value per edge.
        """
        if edge_values.shape != (self.num_edges,):
            raise ValueError(
                f"edge_values must hold one value per edge: expected shape ({self.num_edges},), got {tuple(edge_values.shape)}."
            )
        changed = edge_values.clone()
        changed[self.edges] = torch.as_tensor(of_grown).to(changed)
        return changed


class StructuralPlasticity:
    r"""Drop edges of a sparse network, and grow as many between pairs that no edge joins.

    Which are dropped depends on the rule: ``"set"`` takes the given fraction with the smallest :math:`|w|`, ``"deep_r"`` those
    whose weight has reached or crossed zero since they grew, however many these are. A new edge joins a pair that is drawn
    with probability

    .. math:: p_{ij} \propto \exp \left( -\lVert x_i - x_j \rVert / \lambda \right)

    among those left, or from all alike. Its weight is drawn normal, with the sign that the constraint of the network asks for
    (:class:`NonNegative`, :class:`Dale`), and the optimizer forgets what it knew of the edge that was there. Edges that stay
    keep their place, their weight and what the optimizer holds of them, to the last bit. A pair that was just dropped may be
    drawn again.

    Call :meth:`step` after that of the optimizer, every few hundred steps for ``"set"`` and every step for ``"deep_r"``.

    Args:
        rnn: A network of one graph, with no pair joined twice.
        rule: ``"set"`` or ``"deep_r"``.
        fraction: Part of the edges that ``"set"`` drops at each step, rounded to whole edges; more than 0, at most 1.
        pos: Position of each neuron, shape ``(N, D)``, in um.
        length_scale_um: :math:`\lambda`, in um (or the unit of ``pos``); None draws all pairs alike.
        new_weight: Standard deviation of the weights of new edges, greater than 0; None is :math:`1 / \sqrt{k}` for the mean
            in-degree k.
        self_connections: Whether a new edge may join a neuron with itself.
        nonnegative: New weights are not negative; for networks that are projected after each step and have no constraint.

    Raises:
        ValueError: If an argument is out of range, the network has several graphs or repeated edges, or a constraint holds
            values per edge that no new edge has (:class:`Gain`, :class:`Offset`), or one under which no weight reaches 0 with
            ``"deep_r"``.

    References:
        Mocanu et al. (2018). Scalable training of artificial neural networks with adaptive sparse connectivity inspired by network
        science. Nat. Commun. 9. https://doi.org/10.1038/s41467-018-04316-3

        Bellec, Kappel, Maass & Legenstein (2018). Deep rewiring: training very sparse deep networks. ICLR.
        https://doi.org/10.48550/arXiv.1711.05136

    Example:
        >>> rnn = GraphRNN(1, torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]]), num_nodes=4)
        >>> optimizer = torch.optim.Adam(rnn.parameters())
        >>> change = StructuralPlasticity(rnn, fraction=0.5).step(optimizer, rng=0)
        >>> change.edges.numel(), rnn.edge_index.shape
        (2, torch.Size([2, 4]))
    """

    def __init__(
        self,
        rnn: GraphRNN,
        *,
        rule: str = "set",
        fraction: float = 0.1,
        pos: torch.Tensor | None = None,
        length_scale_um: float | None = None,
        new_weight: float | None = None,
        self_connections: bool = False,
        nonnegative: bool = False,
    ):
        self.rnn = rnn
        self.rule = check_choice(rule, "rule", RULES)
        self.fraction = check_number(fraction, "fraction", above=0, maximum=1)
        self.length_scale_um = length_scale_um
        if length_scale_um is not None:
            check_number(length_scale_um, "length_scale_um", above=0)
            if pos is None:
                raise ValueError(
                    f"pos must be given with a length scale, got None; length_scale_um is {length_scale_um}."
                )
        if pos is not None:
            if pos.dim() != 2 or pos.size(0) != rnn.num_nodes or not pos.is_floating_point():
                raise ValueError(
                    f"pos must be floating point of shape ({rnn.num_nodes}, D), got {pos.dtype} of shape {tuple(pos.shape)}."
                )
            check_finite(pos, "pos")
        self.pos = pos
        degree = max(1.0, rnn.edge_index.size(1) / rnn.num_nodes)
        self.new_weight = degree**-0.5 if new_weight is None else check_number(new_weight, "new_weight", above=0)
        self.self_connections = bool(self_connections)
        self.nonnegative = bool(nonnegative)
        if rnn.num_graphs > 1:
            raise ValueError(f"rnn must be one graph, got {rnn.num_graphs}: a new edge would join two of them.")
        if rnn.structure.has_repeats:
            raise ValueError("rnn must join no pair of neurons twice, got repeated edges; add them up first.")
        lasting = [c for c in _constraints(rnn) if not getattr(c, "reaches_zero", True)]
        if rule == "deep_r" and lasting:
            raise ValueError(
                "rnn must have weights that reach 0 for rule 'deep_r', which drops those, got a constraint with "
                f"map={lasting[0].map!r}; use map='clamp', or rule='set'."
            )
        rnn.set_edges(rnn.edge_index)  # refused here, if a constraint cannot follow
        self._sign = rnn.edge_weight.detach().sign()

    @torch.no_grad()
    def step(
        self, optimizer: torch.optim.Optimizer | None, *, rng: RandomSource, penalties: nn.Module | None = None
    ) -> Rewiring:
        """Drop edges and grow as many.

        Args:
            optimizer: What trains the network's edges, and must forget those that are dropped; None if there is none.
            rng: Generator or seed of the new pairs and their weights. A generator goes on; pass one, and not the same seed at
                each step.
            penalties: A penalty, or a module that holds some. Each ``edge_length`` among them gets the lengths of the new
                edges, from ``pos``.

        Returns:
            What changed.

        Raises:
            ValueError: If the optimizer does not train the edges, there are fewer free pairs than edges to grow, or the lengths
                of a penalty are not the distances between ``pos``. Nothing has changed then.
        """
        rnn, parameter = self.rnn, _parameter(self.rnn)
        if optimizer is not None and not any(p is parameter for g in optimizer.param_groups for p in g["params"]):
            raise ValueError(
                "optimizer must train the edges of the network, got one that holds other parameters; make it after "
                "constraints are registered, of rnn.parameters()."
            )
        measured = [] if penalties is None else self._check_lengths(penalties)
        weight, old = rnn.edge_weight.detach(), rnn.edge_index
        if self.rule == "set":
            count = round(self.fraction * weight.numel())
            edges = torch.argsort(weight.abs(), stable=True)[:count].sort().values
        else:
            edges = (weight * self._sign.to(weight) <= 0).nonzero().squeeze(1)
        stays = torch.ones_like(weight, dtype=torch.bool)
        stays[edges] = False
        generator = as_generator(rng, weight.device)
        grown = draw_new_pairs(
            edges.numel(),
            old[:, stays],
            rnn.num_nodes,
            generator=generator,
            pos=None if self.pos is None else self.pos.to(weight.device),
            length_scale=self.length_scale_um,
            self_connections=self.self_connections,
        )
        new = old.clone()
        new[:, edges] = grown
        change = Rewiring(edges, old[:, edges], grown, weight.numel())

        drawn = torch.randn(edges.numel(), generator=generator, device=weight.device, dtype=weight.dtype)
        drawn *= self.new_weight
        before = parameter.detach().clone()
        rnn.set_edges(new)
        sign = self._asked_sign(grown)
        rnn.set_edge_weight(change.update(weight, drawn if sign is None else drawn.abs() * sign))
        # Through a constraint and back, a free parameter may come out as another that gives the same weight.
        parameter.copy_(torch.where(stays, before, parameter))
        if parameter.grad is not None:
            parameter.grad[edges] = 0
        if optimizer is not None:
            for held in optimizer.state.get(parameter, {}).values():
                if isinstance(held, torch.Tensor) and held.shape == parameter.shape:
                    held[edges] = 0
        self._sign = change.update(self._sign.to(weight), rnn.edge_weight.detach()[edges].sign())
        for module in measured:
            module.edge_length = change.update(module.edge_length, edge_length(grown, self.pos.to(weight.device)))
        return change

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return what a later :meth:`step` depends on, beside the network: the sign with which each edge grew."""
        return {"sign": self._sign.clone()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from a state; load that of the network too.

        Raises:
            ValueError: If it is not one of as many edges.
        """
        sign = state.get("sign")
        if not isinstance(sign, torch.Tensor) or sign.shape != self._sign.shape:
            got = tuple(sign.shape) if isinstance(sign, torch.Tensor) else sign
            raise ValueError(f"state must hold a sign per edge, of shape {tuple(self._sign.shape)}; got {got}.")
        self._sign = sign.to(self._sign).clone()

    def _asked_sign(self, pairs: EdgeIndex) -> EdgeValues | None:
        """Return the sign that each of some new edges must have, or None where it is free."""
        for constraint in reversed(_constraints(self.rnn)):
            if hasattr(constraint, "sign_of"):
                return constraint.sign_of(pairs)
        return self.rnn.edge_weight.new_ones(pairs.size(1)) if self.nonnegative else None

    def _check_lengths(self, penalties: nn.Module) -> list[nn.Module]:
        found = [
            module for module in penalties.modules() if isinstance(getattr(module, "edge_length", None), torch.Tensor)
        ]
        if found and self.pos is None:
            raise ValueError("pos must be given where penalties have lengths, got None.")
        for module in found:
            expected = edge_length(self.rnn.edge_index, self.pos.to(self.rnn.edge_index.device)).to(module.edge_length)
            if module.edge_length.shape != expected.shape or not torch.allclose(
                module.edge_length, expected, rtol=1e-3, atol=1e-3 * float(expected.mean())
            ):
                raise ValueError(
                    f"penalties must have the distances between pos as their lengths, got others in {type(module).__name__}; give "
                    "pos in their unit, or call step without them and set edge_length to Rewiring.update(edge_length, lengths)."
                )
        return found


def _constraints(rnn: GraphRNN) -> list[nn.Module]:
    return list(rnn.parametrizations["edge_weight"]) if parametrize.is_parametrized(rnn, "edge_weight") else []


def _parameter(rnn: GraphRNN) -> nn.Parameter:
    """Return what the optimizer sees of the edges."""
    if parametrize.is_parametrized(rnn, "edge_weight"):
        return rnn.parametrizations["edge_weight"].original
    return rnn.edge_weight
