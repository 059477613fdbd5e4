"""Edges that are dropped and grow elsewhere while a sparse variant trains, as a protocol asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from graphcortex._random import as_generator, derive_seed
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.data import Connectome
from graphcortex.nn import GraphRNN, StructuralPlasticity
from graphcortex.ops import edge_length
from graphcortex.study.key import RunKey
from graphcortex.study.lengths import edge_lengths
from graphcortex.study.protocol import Protocol


class EdgeTurnover:
    """Structural plasticity of one run, with its penalties: lengths follow the edges.

    Args:
        plasticity: What moves the edges of the network.
        penalties: The penalties of the run.
        lengths: Gives the length of each of some edges, as the run's penalties measure it; None where they have none.
        generator: Draws the new edges and their weights.
    """

    def __init__(
        self,
        plasticity: StructuralPlasticity,
        penalties: nn.Module,
        lengths: Callable[[EdgeIndex], EdgeValues] | None,
        generator: torch.Generator,
    ):
        self.plasticity, self.penalties, self.lengths, self.generator = plasticity, penalties, lengths, generator

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Drop edges and grow as many."""
        self.plasticity.step(optimizer, rng=self.generator)
        self._measure()

    def state(self) -> dict[str, Any]:
        """Return what changes, but for the network and the generator."""
        return self.plasticity.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the network has its edges by now."""
        self.plasticity.load_state_dict(state)
        self._measure()

    def _measure(self) -> None:
        if self.lengths is None:
            return
        lengths = self.lengths(self.plasticity.rnn.edge_index.cpu())
        for penalty in self.penalties:
            if isinstance(getattr(penalty, "edge_length", None), torch.Tensor):
                penalty.edge_length = lengths.to(penalty.edge_length)


def make_turnover(
    connectome: Connectome, key: RunKey, protocol: Protocol, rnn: GraphRNN, penalties: nn.Module
) -> EdgeTurnover | None:
    """Return what moves the edges of a run, or None where the protocol has no plasticity.

    New edges never join a neuron with itself. With ``regrowth="distance"`` the probability of a new edge falls with the distance of
    the neurons in um, by a factor e over the mean length of the edges that are there at first.

    Args:
        connectome: Positions.
        key: The run.
        protocol: ``plasticity``, ``plasticity_share`` and ``regrowth``.
        rnn: The network of the run.
        penalties: The penalties of the run.

    Raises:
        ValueError: If the variant is not sparse, or the share is 0.
    """
    if protocol.plasticity == "none":
        return None
    if key.variant.support != "sparse":
        raise ValueError(
            f"plasticity must be none where all pairs are connected, since no edge can grow; got {protocol.plasticity!r} for "
            f"{key.variant}. Take a variant with +sparse."
        )
    if protocol.plasticity == "set" and protocol.plasticity_share == 0:
        raise ValueError("plasticity_share must be greater than 0 where plasticity is 'set', got 0.")
    scale = None
    if protocol.regrowth == "distance":
        scale = float(edge_length(rnn.edge_index.cpu(), connectome.pos.double()).mean())
    plasticity = StructuralPlasticity(
        rnn,
        rule=protocol.plasticity.replace("-", "_"),
        fraction=protocol.plasticity_share or 1.0,
        pos=connectome.pos,
        length_scale_um=scale,
        nonnegative=key.recurrence == "nonnegative",
    )
    lengths = None
    if key.variant.distance is not None:

        def lengths(edge_index: EdgeIndex) -> EdgeValues:
            return edge_lengths(connectome, key.variant, protocol, edge_index, seed=key.seed)

    generator = as_generator(derive_seed("plasticity", key.seed), rnn.edge_index.device)
    return EdgeTurnover(plasticity, penalties, lengths, generator)
