"""A network with a readout: one answer after the last step."""

from __future__ import annotations

import torch
from torch import nn

from graphcortex._checks import check_count, check_number
from graphcortex._random import as_generator
from graphcortex._typing import RandomSource
from graphcortex.nn.graph_rnn import GraphRNN


class TaskClassifier(nn.Module):
    """Noise on the inputs, a :class:`GraphRNN`, and a linear readout of its last state.

    Args:
        rnn: The recurrent network, with time first.
        num_classes: Number of answers.
        input_noise: Standard deviation of the Gaussian noise on the inputs, in training mode only.
        rng: Generator or seed of the readout's Glorot uniform weights; its bias begins at 0.

    Attributes:
        rnn: The recurrent network.
        readout: The linear readout.

    Raises:
        ValueError: If the network has ``batch_first``, or a number is out of range.
    """

    def __init__(self, rnn: GraphRNN, num_classes: int, *, input_noise: float = 0.0, rng: RandomSource):
        super().__init__()
        if rnn.batch_first:
            raise ValueError("rnn must have batch_first=False, since trials have time first; got batch_first=True.")
        self.rnn = rnn
        # Without the weights that Linear draws itself: they come from the global generator.
        self.readout = nn.utils.skip_init(
            nn.Linear, rnn.num_nodes, check_count(num_classes, "num_classes"), device=rnn.edge_index.device
        )
        self.input_noise = check_number(input_noise, "input_noise", minimum=0)
        nn.init.xavier_uniform_(self.readout.weight, generator=as_generator(rng, self.readout.weight.device))
        nn.init.zeros_(self.readout.bias)

    def forward(self, inputs: torch.Tensor, *, rng: RandomSource | None = None) -> torch.Tensor:
        """Return the logits of the answers.

        Args:
            inputs: Inputs of the trials, shape ``(T, B, I)``.
            rng: Generator or seed of the noise, needed in training mode where there is noise.

        Returns:
            Logits, shape ``(B, num_classes)``.

        Raises:
            ValueError: If noise is due and ``rng`` is None.
        """
        if self.training and self.input_noise > 0:
            if rng is None:
                raise ValueError(f"rng must be a torch.Generator or a seed, since input_noise is {self.input_noise}.")
            # One generator for both noises: an int would seed the two alike.
            rng = as_generator(rng, inputs.device)
            inputs = (
                torch.randn(inputs.shape, generator=rng, device=inputs.device, dtype=inputs.dtype)
                .mul_(self.input_noise)
                .add_(inputs)
            )
        last, _ = self.rnn(inputs, return_sequence=False, rng=rng)
        return self.readout(last)
