"""Go/NoGo: remember through a delay which of two stimuli was shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from graphcortex._checks import check_count
from graphcortex._random import as_generator
from graphcortex._typing import RandomSource
from graphcortex.tasks.base import Trials

FIXATION, NOGO, GO = 0, 1, 2
"""The channels."""


@dataclass(frozen=True)
class GoNoGo:
    """One of two stimuli is shown; after a delay the fixation cue goes off, and the network says which it was.

    Channel 0 (fixation) is on before the stimulus and in the delay, channel 1 during a NoGo stimulus and channel 2
    during a Go stimulus; the decision period shows nothing. Answers are 0 (NoGo) and 1 (Go), equally likely, so that
    chance and floor are .5.

    ``sample`` records no more than the answers: its ``info`` is empty.

    Attributes:
        fixation_steps: Steps of fixation before the stimulus; may be 0.
        stimulus_steps: Steps of the stimulus.
        delay_steps: Steps of fixation after it; may be 0.
        decision_steps: Steps that show nothing, at the end; may be 0.

    Raises:
        ValueError: If a number of steps is no whole number or too small.

    References:
        Shakiba, Rokni, Mohammadi & Dehghani (2026). Harnessing cortical geometry, wiring, and function as inductive
        biases for recurrent neural networks. https://doi.org/10.48550/arXiv.2606.14975

    Example:
        >>> GoNoGo(fixation_steps=1, stimulus_steps=1, delay_steps=1, decision_steps=1).sample(1, rng=0).inputs[:, 0]
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [1., 0., 0.],
                [0., 0., 0.]])
    """

    fixation_steps: int = 5
    stimulus_steps: int = 20
    delay_steps: int = 10
    decision_steps: int = 5

    name: ClassVar[str] = "go_nogo"
    input_size: ClassVar[int] = 3
    num_classes: ClassVar[int] = 2
    chance: ClassVar[float] = 0.5
    floor: ClassVar[float] = 0.5
    ceiling: ClassVar[float] = 1.0

    def __post_init__(self):
        check_count(self.fixation_steps, "fixation_steps", minimum=0)
        check_count(self.stimulus_steps, "stimulus_steps")
        check_count(self.delay_steps, "delay_steps", minimum=0)
        check_count(self.decision_steps, "decision_steps", minimum=0)

    @property
    def num_steps(self) -> int:
        """Steps of one trial."""
        return self.fixation_steps + self.stimulus_steps + self.delay_steps + self.decision_steps

    def sample(
        self,
        num_trials: int,
        *,
        rng: RandomSource,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Draw trials; see :meth:`graphcortex.tasks.Task.sample`."""
        num_trials = check_count(num_trials, "num_trials", minimum=0)
        generator = as_generator(rng, device)
        targets = torch.randint(self.num_classes, (num_trials,), generator=generator, device=device)

        onset = self.fixation_steps
        offset = onset + self.stimulus_steps
        decision = offset + self.delay_steps
        inputs = torch.zeros(self.num_steps, num_trials, self.input_size, device=device, dtype=dtype)
        inputs[:onset, :, FIXATION] = 1
        inputs[onset:offset, :, NOGO] = (targets == 0).to(dtype)
        inputs[onset:offset, :, GO] = (targets == 1).to(dtype)
        inputs[offset:decision, :, FIXATION] = 1
        return Trials(inputs, targets)
