"""One-choice inference: remember a goal, then pick the offered choice that leads to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import torch

from graphcortex._checks import check_count
from graphcortex._random import as_generator
from graphcortex._typing import RandomSource
from graphcortex.tasks.base import Trials

GOALS = (7, 9, 17, 19)
"""The goals in the order of their channels, 0 to 3."""

CHOICES = "lurd"
"""Left, up, right, down: the order of the answers, and of their channels 4 to 7."""

PROBLEMS = (
    (9, "ul", "u"),
    (9, "rd", "r"),
    (19, "ld", "d"),
    (17, "rd", "d"),
    (17, "ul", "l"),
    (7, "ur", "u"),
    (19, "lr", "r"),
    (7, "lr", "l"),
)
"""The problems: goal, the two choices on offer, the one that is right."""


@dataclass(frozen=True)
class OneChoiceInference:
    r"""A goal is shown, then nothing, then two choices: the answer depends on both.

    Channels 0 to 3 show the goal (``GOALS``, one-hot) during the first period, channels 4 to 7 the two choices on offer
    (``CHOICES``) during the last; the delay between them shows nothing. A trial is one of the eight ``PROBLEMS``, all
    equally likely. Neither part settles the answer: who sees the choices :math:`c` alone is right in

    .. math:: \text{floor} = \frac{1}{8} \sum_c \max_a \#\{\text{problems with choices } c \text{ and answer } a\}

    of the trials, .625; who remembers the goal and sees no choices in .5.

    ``sample`` records the row of ``PROBLEMS`` of each trial as ``info["problem"]``, int64.

    Attributes:
        goal_steps: Steps that show the goal.
        delay_steps: Steps that show nothing; may be 0.
        choice_steps: Steps that show the choices.

    Raises:
        ValueError: If a number of steps is no whole number or too small.

    References:
        Shakiba, Rokni, Mohammadi & Dehghani (2026). Harnessing cortical geometry, wiring, and function as inductive
        biases for recurrent neural networks. https://doi.org/10.48550/arXiv.2606.14975

    Example:
        >>> task = OneChoiceInference()
        >>> task.sample(4, rng=0).inputs.shape, task.floor
        (torch.Size([50, 4, 8]), 0.625)
    """

    goal_steps: int = 20
    delay_steps: int = 10
    choice_steps: int = 20

    name: ClassVar[str] = "one_choice_inference"
    input_size: ClassVar[int] = len(GOALS) + len(CHOICES)
    num_classes: ClassVar[int] = len(CHOICES)
    chance: ClassVar[float] = 1 / len(CHOICES)
    ceiling: ClassVar[float] = 1.0

    def __post_init__(self):
        check_count(self.goal_steps, "goal_steps")
        check_count(self.delay_steps, "delay_steps", minimum=0)
        check_count(self.choice_steps, "choice_steps")

    @property
    def num_steps(self) -> int:
        """Steps of one trial."""
        return self.goal_steps + self.delay_steps + self.choice_steps

    @property
    def floor(self) -> float:
        """Accuracy of the better of two half-blind observers: one sees only the choices, one only the goal."""
        by_choices = _best_guess([(choices, answer) for _, choices, answer in PROBLEMS])
        by_goal = _best_guess([(goal, answer) for goal, _, answer in PROBLEMS])
        return max(by_choices, by_goal)

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
        problem = torch.randint(len(PROBLEMS), (num_trials,), generator=generator, device=device)

        goals, choices, answers = _problem_table(device, dtype)
        inputs = torch.zeros(self.num_steps, num_trials, self.input_size, device=device, dtype=dtype)
        inputs[: self.goal_steps, :, : len(GOALS)] = goals[problem]
        inputs[self.num_steps - self.choice_steps :, :, len(GOALS) :] = choices[problem]
        return Trials(inputs, answers[problem], {"problem": problem})


def _best_guess(seen_and_answer: list[tuple[object, str]]) -> float:
    """Return how often the most frequent answer to what is seen is right, over equally likely problems."""
    counts = Counter(seen_and_answer)
    best: dict[object, int] = {}
    for (seen, _), count in counts.items():
        best[seen] = max(best.get(seen, 0), count)
    return sum(best.values()) / len(seen_and_answer)


def _problem_table(device: torch.device | str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return goals ``(8, 4)``, choices ``(8, 4)`` and answers ``(8,)`` of the problems."""
    goals = [[float(goal == channel) for channel in GOALS] for goal, _, _ in PROBLEMS]
    choices = [[float(channel in offered) for channel in CHOICES] for _, offered, _ in PROBLEMS]
    answers = [CHOICES.index(answer) for _, _, answer in PROBLEMS]
    return (
        torch.tensor(goals, device=device, dtype=dtype),
        torch.tensor(choices, device=device, dtype=dtype),
        torch.tensor(answers, device=device),
    )
