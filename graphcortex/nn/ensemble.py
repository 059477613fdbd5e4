"""Several networks of one kind, each with trials of its own, in one scan over time."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import torch

from graphcortex._typing import RandomSource
from graphcortex.kernels import GraphStructure, choose_backend, recurrent_scan
from graphcortex.nn.classifier import TaskClassifier


class Ensemble:
    """Run classifiers side by side: the numbers are those of each alone, to rounding, in fewer and larger products.

    Each member keeps its parameters, and what reads them (its optimiser, its penalties) needs not know of the others. Where the
    dense backend is due, the recurrent matrices are stacked; otherwise the edges are one graph with a block for each member. A
    member whose weights are not finite changes nothing in the others.

    Unlike a network of a ``Batch`` (:meth:`GraphRNN.from_graph`), members see inputs of their own.

    Args:
        members: The classifiers, alike in everything but their parameters and their edges.

    Raises:
        ValueError: If there is none, or they differ in size, nonlinearity, leak or answers, or one is a batch of graphs.

    Example:
        >>> from graphcortex.nn import GraphRNN
        >>> ring = torch.tensor([[0, 1, 2], [1, 2, 0]])
        >>> members = [TaskClassifier(GraphRNN(1, ring, 3), num_classes=2, rng=seed) for seed in range(4)]
        >>> [logits.shape for logits in Ensemble(members)([torch.zeros(5, 8, 1)] * 4)] == [(8, 2)] * 4
        True
    """

    def __init__(self, members: Sequence[TaskClassifier]):
        self.members = list(members)
        kinds = {_kind(member) for member in self.members}
        if len(kinds) != 1 or any(member.rnn.num_graphs > 1 for member in self.members):
            raise ValueError(
                "members must be at least one, each of one graph, alike in inputs, neurons, nonlinearity, alpha, backend, outputs "
                f"and answers; got {len(self.members)} of {len(kinds)} kinds: {sorted(map(str, kinds))}."
            )
        self._joint: tuple[list[GraphStructure], GraphStructure] | None = None

    def __call__(
        self, inputs: Sequence[torch.Tensor], *, rngs: Sequence[RandomSource | None] | None = None
    ) -> list[torch.Tensor]:
        """Return the logits of each member, as ``member(inputs, rng=rng)`` would.

        Args:
            inputs: The trials of each member, of one shape ``(T, B, I)``.
            rngs: Generator or seed of the noise of each, needed in training mode where there is noise.

        Returns:
            Logits of each member, shape ``(B, num_classes)``.

        Raises:
            ValueError: If there is not one of each per member, or the shapes differ, or noise is due and a generator is missing.
        """
        rngs = [None] * len(self.members) if rngs is None else list(rngs)
        shapes = {tuple(x.shape) for x in inputs}
        if len(inputs) != len(self.members) or len(rngs) != len(self.members) or len(shapes) != 1:
            raise ValueError(
                f"inputs and rngs must be one per member, {len(self.members)}, and the inputs of one shape; got {len(inputs)} "
                f"inputs of shapes {sorted(shapes)} and {len(rngs)} rngs."
            )
        first = self.members[0].rnn
        # A network in segments, or with its neurons in an order of its own, runs as it does alone.
        if len(self.members) == 1 or first.checkpoint_every or first._order is not None:
            return [member(x, rng=rng) for member, x, rng in zip(self.members, inputs, rngs, strict=True)]
        drives = []
        device = inputs[0].device.type
        half = device != "meta" and torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if half else contextlib.nullcontext():  # as within a GraphRNN
            for member, x, rng in zip(self.members, inputs, rngs, strict=True):
                x, rng = member._add_noise(x, rng)
                x = member.rnn._fit(x.to(member.rnn.input_weight.dtype) if half else x, "inputs", False)
                rnn = member.rnn
                drives.append(rnn._drive(x, rnn.input_weight, rnn.bias, rnn._generator(rng, x)))
            states = self._scan(drives)
        return [
            member.readout(member.rnn._of_output_nodes(state).t())
            for member, state in zip(self.members, states, strict=True)
        ]

    def _scan(self, drives: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Return the last state of each member, ``(N, B)``."""
        networks = [member.rnn for member in self.members]
        num_nodes, num_trials = networks[0].num_nodes, drives[0].size(2)
        options = {
            "nonlinearity": networks[0].nonlinearity,
            "alpha": networks[0].alpha,
            "return_sequence": False,
            "reuse_drive": True,
        }
        backend = choose_backend(networks[0].backend, networks[0].structure, num_trials)
        if backend == "dense":
            matrices = torch.stack([rnn.structure.matrix(rnn.edge_weight) for rnn in networks])
            h0 = drives[0].new_zeros(len(networks), num_nodes, num_trials)
            _, last = recurrent_scan(torch.stack(drives, 1), matrices, None, h0, backend="stacked", **options)
            return last.unbind(0)
        weight = torch.cat([rnn.edge_weight for rnn in networks])
        h0 = drives[0].new_zeros(len(networks) * num_nodes, num_trials)
        _, last = recurrent_scan(torch.cat(drives, 1), weight, self._blocks(num_nodes), h0, backend=backend, **options)
        return last.split(num_nodes)

    def _blocks(self, num_nodes: int) -> GraphStructure:
        """Return the edges of all members as one graph; sorted again only where a member's edges changed."""
        now = [member.rnn.structure for member in self.members]
        if self._joint is None or any(a is not b for a, b in zip(self._joint[0], now, strict=True)):
            edges = [structure.edge_index + num_nodes * number for number, structure in enumerate(now)]
            self._joint = (now, GraphStructure.build(torch.cat(edges, 1), num_nodes * len(now)))
        return self._joint[1]


def _kind(member: TaskClassifier) -> tuple:
    rnn, readout = member.rnn, member.readout
    outputs = getattr(readout, "weight", torch.empty(0)).shape
    return rnn.input_size, rnn.num_nodes, rnn.nonlinearity, rnn.alpha, rnn.backend, rnn.checkpoint_every, tuple(outputs)
