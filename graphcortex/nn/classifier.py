"""A network with a readout: one answer after the last step."""

from __future__ import annotations

import torch
from torch import nn

from graphcortex._checks import check_count, check_number
from graphcortex._random import as_generator
from graphcortex._typing import RandomSource
from graphcortex.nn._portable import Portable
from graphcortex.nn.graph_rnn import GraphRNN


class TaskClassifier(Portable):
    """Noise on the inputs, a :class:`GraphRNN`, and a linear readout of its last state.

    A network of several graphs (:meth:`GraphRNN.from_graph` of a ``Batch``) gets a readout for each: an ensemble that trains in one
    scan, each member as it would alone.

    Args:
        rnn: The recurrent network, with time first. Where it has ``output_nodes``, these are read out.
        num_classes: Number of answers.
        input_noise: Standard deviation of the Gaussian noise on the inputs, in training mode only.
        rng: Generator or seed of the readout's Glorot uniform weights; its bias begins at 0.

    Attributes:
        rnn: The recurrent network.
        readout: The linear readout, or a list of one per graph.

    Raises:
        ValueError: If the network has ``batch_first``, or several graphs and ``output_nodes``, or a number is out of range.
    """

    def __init__(self, rnn: GraphRNN, num_classes: int, *, input_noise: float = 0.0, rng: RandomSource):
        super().__init__()
        if rnn.batch_first:
            raise ValueError("rnn must have batch_first=False, since trials have time first; got batch_first=True.")
        if rnn.num_graphs > 1 and rnn.output_nodes is not None:
            raise ValueError(
                f"rnn must be one graph where it has output_nodes, got {rnn.num_graphs} graphs; leave output_nodes out."
            )
        self.rnn = rnn
        self.input_noise = check_number(input_noise, "input_noise", minimum=0)
        check_count(num_classes, "num_classes")
        generator = as_generator(rng, rnn.edge_index.device)
        if rnn.num_graphs == 1:
            size = rnn.num_nodes if rnn.output_nodes is None else rnn.output_nodes.numel()
            self.readout = _readout(size, num_classes, generator)
        else:
            sizes = rnn.graph_ptr.diff().tolist()
            self.readout = nn.ModuleList(_readout(size, num_classes, generator) for size in sizes)

    def forward(self, inputs: torch.Tensor, *, rng: RandomSource | None = None) -> torch.Tensor:
        """Return the logits of the answers.

        Args:
            inputs: Inputs of the trials, shape ``(T, B, I)``.
            rng: Generator or seed of the noise, needed in training mode where there is noise.

        Returns:
            Logits, shape ``(B, num_classes)``, or ``(G, B, num_classes)`` of a network of G > 1 graphs.

        Raises:
            ValueError: If noise is due and ``rng`` is None.
        """
        inputs, rng = self._add_noise(inputs, rng)
        last, _ = self.rnn(inputs, return_sequence=False, rng=rng)
        if self.rnn.num_graphs == 1:
            return self.readout(last)
        return torch.stack([readout(part) for readout, part in zip(self.readout, self.rnn.split(last), strict=True)])

    def _add_noise(self, inputs: torch.Tensor, rng: RandomSource | None) -> tuple[torch.Tensor, RandomSource | None]:
        """Return the inputs with noise, where there is some, and the generator that goes on from there."""
        if not self.training or self.input_noise == 0:
            return inputs, rng
        if rng is None:
            raise ValueError(f"rng must be a torch.Generator or a seed, since input_noise is {self.input_noise}.")
        # One generator for both noises: an int would seed the two alike.
        rng = as_generator(rng, inputs.device)
        noise = torch.randn(inputs.shape, generator=rng, device=inputs.device, dtype=inputs.dtype)
        return noise.mul_(self.input_noise).add_(inputs), rng


def _readout(size: int, num_classes: int, generator: torch.Generator) -> nn.Linear:
    # Without the weights that Linear draws itself: they come from the global generator.
    readout = nn.utils.skip_init(nn.Linear, size, num_classes, device=generator.device)
    nn.init.xavier_uniform_(readout.weight, generator=generator)
    nn.init.zeros_(readout.bias)
    return readout
