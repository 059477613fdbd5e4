"""Where the recurrent weights of a variant start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch

from graphcortex._random import as_generator, derive_seed
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.data import Connectome
from graphcortex.kernels import complete_edge_index
from graphcortex.nn import initializers
from graphcortex.ops import rescale_to_radius
from graphcortex.study.protocol import Protocol
from graphcortex.study.published import functional_relations, rename_neurons
from graphcortex.study.variant import Variant
from graphcortex.study.wiring import network_edges, wire


def initial_weights(connectome: Connectome, variant: Variant, protocol: Protocol, *, seed: int) -> EdgeValues:
    """Draw the initial recurrent weights of a variant.

    Every pair of neurons has one draw of a seed, whatever the variant: ``W!`` and the controls ``W*[...]`` take the ``W*`` of
    their seed, ``W[diagonal]`` and ``W[positive]`` the log-normal draws behind it, and a sparse network the values that its edges
    have among all pairs, rescaled as a whole to the spectral radius that they have there (1 for ``W``). The controls of a sparse
    ``W*`` are made of that sparse ``W*``.

    Args:
        connectome: The neurons, with co-activity where the variant has ``W*`` or ``W!``, and synapses where it uses the wiring.
        variant: The variant.
        protocol: The protocol.
        seed: Seed of the run.

    Returns:
        The weight of each edge of :func:`graphcortex.study.wiring.network_edges`, shape ``(E,)``, float32. On all pairs that is
        ``W[source, target]`` flattened.

    Raises:
        ValueError: If the connectome lacks what the variant needs, or the weights join no cycle of neurons, so that they have no
            spectral radius to rescale.
    """
    edge_index = network_edges(connectome, variant, seed=seed)
    start = _Start(wire(connectome, variant, seed=seed), variant, protocol, seed, edge_index)
    return _LEVELS[variant.weights](start)


@dataclass(frozen=True, eq=False)
class _Start:
    """The draws of a seed, and what the levels make of them."""

    connectome: Connectome
    variant: Variant
    protocol: Protocol
    seed: int
    edge_index: EdgeIndex

    @property
    def n(self) -> int:
        return self.connectome.num_neurons

    @property
    def rng(self) -> int:
        return derive_seed("recurrent weights", self.seed)

    @cached_property
    def is_self(self) -> torch.Tensor:
        return self.edge_index[0] == self.edge_index[1]

    # On all pairs.

    def orthogonal(self) -> EdgeValues:
        return initializers.orthogonal(complete_edge_index(self.n), self.n, rng=self.rng)

    def log_normal(self) -> EdgeValues:
        mu, sigma = self.protocol.weight_mu, self.protocol.weight_sigma
        return initializers.log_normal(
            complete_edge_index(self.n), self.n, mu=mu, sigma=sigma, radius=None, rng=self.rng
        )

    def functional(self) -> EdgeValues:
        protocol = self.protocol
        return initializers.functional(
            complete_edge_index(self.n),
            self.n,
            relations=functional_relations(self.connectome, protocol.functional),
            mu=protocol.weight_mu,
            sigma=protocol.weight_sigma,
            mean=protocol.weight_mean,
            floor=protocol.weight_floor,
            radius=protocol.weight_radius,
            rng=self.rng,
        )

    # On the edges of the network.

    def on_edges(self, weight: EdgeValues) -> EdgeValues:
        """Take the values of the edges among those of all pairs."""
        return weight if self.variant.support is None else weight[self.edge_index[0] * self.n + self.edge_index[1]]

    def at_radius(self, weight: EdgeValues, radius: float | None = None) -> EdgeValues:
        try:
            return rescale_to_radius(
                self.edge_index, weight, self.n, self.protocol.weight_radius if radius is None else radius
            )
        except ValueError as error:
            raise ValueError(
                f"{self.variant} of seed {self.seed} cannot start at its spectral radius: {error}"
            ) from error

    def placed(self, weight: EdgeValues, radius: float | None = None) -> EdgeValues:
        """Bring what has its spectral radius on all pairs to the edges of the network, at the same radius."""
        return weight if self.variant.support is None else self.at_radius(self.on_edges(weight), radius)

    def star(self) -> EdgeValues:
        return self.placed(self.functional())


def _renamed(start: _Start) -> EdgeValues:
    return start.placed(rename_neurons(start.functional(), start.n, rng=derive_seed("new names", start.seed)))


def _shuffled(start: _Start) -> EdgeValues:
    weight = start.star()
    between = (~start.is_self).nonzero().view(-1)
    order = torch.randperm(between.numel(), generator=as_generator(derive_seed("shuffled weights", start.seed)))
    return weight.index_copy(0, between, weight[between[order]])


def _synapses(start: _Start) -> EdgeValues:
    source, target = start.edge_index
    return start.at_radius(start.connectome.count_matrix()[source, target].float())


_LEVELS: dict[str, Callable[[_Start], EdgeValues]] = {
    "W": lambda start: start.placed(start.orthogonal(), radius=1.0),
    "W*": _Start.star,
    "W!": _renamed,
    "W*[diagonal]": lambda start: start.star() * start.is_self,
    "W*[no-diagonal]": lambda start: start.at_radius(start.star() * ~start.is_self),
    "W*[shuffled]": _shuffled,
    "W[diagonal]": lambda start: start.at_radius(start.on_edges(start.log_normal()) * start.is_self),
    "W[positive]": lambda start: start.at_radius(start.on_edges(start.log_normal())),
    "W[synapses]": _synapses,
}
