"""Perceptual decision: weigh two noisy streams of evidence, and remember which was stronger."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from graphcortex._checks import check_count, check_number
from graphcortex._random import as_generator
from graphcortex._typing import RandomSource
from graphcortex.tasks.base import Trials


@dataclass(frozen=True)
class PerceptualDecision:
    r"""Two channels carry noisy evidence; after a delay the network says which was stronger on average.

    Channel 0 (fixation) is always 1. During the stimulus, and only then, the channel of the right answer (channel 1 for
    answer 0, channel 2 for answer 1) and the other one show

    .. math:: x_\pm(t) = \tfrac12 \pm \tfrac{c}{200} + \sigma \xi_\pm(t), \qquad \xi \sim \mathcal N(0, 1),

    for the coherence :math:`c`, in percent, of the trial; answer and coherence are drawn uniformly and independently.
    The ideal observer sums the difference of both channels over the :math:`n` steps of the stimulus, and is right with
    probability

    .. math:: \text{ceiling} = \Big\langle \Phi \Big( \frac{c}{100} \sqrt{\frac{n}{2 \sigma^2}} \Big) \Big\rangle_c,

    .899 by default: a coherence of 0 is a coin toss.

    ``sample`` records the coherence of each trial, in percent, as ``info["coherence"]``.

    Attributes:
        fixation_steps: Steps before the stimulus; may be 0.
        stimulus_steps: Steps of the stimulus, :math:`n`.
        delay_steps: Steps after it; may be 0.
        coherences: The coherences, in percent, each in 0 to 100.
        noise_sd: Standard deviation :math:`\sigma` of each step and channel; may be 0.

    Raises:
        ValueError: If a number of steps, a coherence or the noise is out of range, or there is no coherence.

    References:
        Shakiba, Rokni, Mohammadi & Dehghani (2026). Harnessing cortical geometry, wiring, and function as inductive
        biases for recurrent neural networks. https://doi.org/10.48550/arXiv.2606.14975

        Britten, Shadlen, Newsome & Movshon (1992). The analysis of visual motion: a comparison of neuronal and
        psychophysical performance. J. Neurosci. 12. https://doi.org/10.1523/JNEUROSCI.12-12-04745.1992

    Example:
        >>> task = PerceptualDecision()
        >>> task.sample(4, rng=0).inputs.shape, round(task.ceiling, 3)
        (torch.Size([41, 4, 3]), 0.899)
    """

    fixation_steps: int = 1
    stimulus_steps: int = 30
    delay_steps: int = 10
    coherences: tuple[float, ...] = (0.0, 6.4, 12.8, 25.6, 51.2)
    noise_sd: float = 0.1

    name: ClassVar[str] = "perceptual_decision"
    input_size: ClassVar[int] = 3
    num_classes: ClassVar[int] = 2
    chance: ClassVar[float] = 0.5
    floor: ClassVar[float] = 0.5

    def __post_init__(self):
        check_count(self.fixation_steps, "fixation_steps", minimum=0)
        check_count(self.stimulus_steps, "stimulus_steps")
        check_count(self.delay_steps, "delay_steps", minimum=0)
        check_number(self.noise_sd, "noise_sd", minimum=0)
        if not isinstance(self.coherences, tuple) or not self.coherences:
            raise ValueError(f"coherences must be a tuple of at least one percentage, got {self.coherences!r}.")
        for coherence in self.coherences:
            check_number(coherence, "each of coherences", minimum=0, maximum=100)

    @property
    def num_steps(self) -> int:
        """Steps of one trial."""
        return self.fixation_steps + self.stimulus_steps + self.delay_steps

    @property
    def ceiling(self) -> float:
        """Accuracy of the ideal observer, which sums the difference of both channels."""
        return sum(map(self._ideal_accuracy, self.coherences)) / len(self.coherences)

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
        which = torch.randint(len(self.coherences), (num_trials,), generator=generator, device=device)
        targets = torch.randint(self.num_classes, (num_trials,), generator=generator, device=device)
        noise_shape = (self.stimulus_steps, num_trials, self.num_classes)
        noise = torch.randn(noise_shape, generator=generator, device=device, dtype=dtype)

        coherence = torch.tensor(self.coherences, device=device, dtype=dtype)[which]
        sides = torch.arange(self.num_classes, device=device)
        sign = 2 * (targets.unsqueeze(1) == sides).to(dtype) - 1  # (B, 2): +1 on the side of the answer
        offset = self.fixation_steps + self.stimulus_steps
        inputs = torch.zeros(self.num_steps, num_trials, self.input_size, device=device, dtype=dtype)
        inputs[:, :, 0] = 1
        inputs[self.fixation_steps : offset, :, 1:] = 0.5 + sign * coherence.unsqueeze(1) / 200 + self.noise_sd * noise
        return Trials(inputs, targets, {"coherence": coherence})

    def _ideal_accuracy(self, coherence: float) -> float:
        if coherence == 0:
            return 0.5
        if self.noise_sd == 0:
            return 1.0
        signal_to_noise = coherence / 100 * math.sqrt(self.stimulus_steps / 2) / self.noise_sd
        return 0.5 * (1 + math.erf(signal_to_noise / math.sqrt(2)))
