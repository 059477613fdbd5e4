"""What every task offers, and the trials it draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch

from graphcortex._typing import RandomSource


@dataclass(frozen=True, eq=False)
class Trials:
    """A set of trials, time first: what a network sees, and the one answer that is right after the last step.

    Attributes:
        inputs: What is shown, floating point, shape ``(T, B, I)``: steps, trials, channels.
        targets: The right answer of each trial, int64, shape ``(B,)``.
        info: What was drawn for each trial (such as ``coherence``), each of shape ``(B, ...)``.

    Raises:
        ValueError: If the shapes do not describe the same ``B`` trials, or ``targets`` is not int64.

    Example:
        >>> trials = Trials(torch.zeros(5, 3, 2), torch.tensor([0, 1, 1]), {"coherence": torch.tensor([0.0, 6.4, 0.0])})
        >>> len(trials), trials[1:].targets.tolist()
        (3, [1, 1])
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    info: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self):
        if self.inputs.dim() != 3 or not self.inputs.is_floating_point():
            raise ValueError(
                "inputs must be floating point of shape (T, B, I), steps, trials and channels; "
                f"got {self.inputs.dtype} of shape {tuple(self.inputs.shape)}."
            )
        count = self.inputs.size(1)
        if self.targets.shape != (count,) or self.targets.dtype != torch.int64:
            raise ValueError(
                f"targets must be int64 with one answer per trial: expected shape ({count},), "
                f"got {self.targets.dtype} of shape {tuple(self.targets.shape)}."
            )
        for name, values in self.info.items():
            if values.dim() == 0 or values.size(0) != count:
                raise ValueError(
                    f"info[{name!r}] must hold one entry per trial: expected a first axis of {count}, "
                    f"got shape {tuple(values.shape)}."
                )

    def __len__(self) -> int:
        """Return the number of trials."""
        return self.targets.size(0)

    def __getitem__(self, index: slice | torch.Tensor | Sequence[int]) -> Trials:
        """Return some of the trials: those of a slice, of int64 indices (in their order), or where a mask is true.

        Raises:
            ValueError: If ``index`` is a single number; ``trials[i:i + 1]`` keeps the axis of trials.
        """
        if not isinstance(index, slice):
            index = torch.as_tensor(index, device=self.targets.device)
            if index.numel() == 0 and index.dtype != torch.bool:
                index = index.long()
            if index.dim() != 1 or index.dtype not in (torch.int64, torch.bool):
                raise ValueError(
                    "trials are chosen by a slice, or a 1-D tensor of int64 indices or a boolean mask; "
                    f"got {index.dtype} of shape {tuple(index.shape)}. One trial is trials[i:i + 1]."
                )
        info = {name: values[index] for name, values in self.info.items()}
        return Trials(self.inputs[:, index], self.targets[index], info)

    def to(self, device: torch.device | str) -> Trials:
        """Return the same trials on ``device``."""
        info = {name: values.to(device) for name, values in self.info.items()}
        return Trials(self.inputs.to(device), self.targets.to(device), info)


@runtime_checkable
class Task(Protocol):
    """What a network can be trained on: an object that knows its sizes and its bounds, and draws trials.

    A class of a user's own is a task if it has these members; it need not inherit from this one.

    Attributes:
        name: A short name, as in the registry.
        num_steps: Steps of one trial, ``T``.
        input_size: Channels that are shown, ``I``.
        num_classes: Answers to choose from.
        chance: Accuracy of a uniform guess.
        floor: Accuracy of the best strategy that does not do the task (a constant answer, or part of the input alone).
        ceiling: Accuracy that no observer exceeds.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def num_steps(self) -> int: ...  # noqa: D102

    @property
    def input_size(self) -> int: ...  # noqa: D102

    @property
    def num_classes(self) -> int: ...  # noqa: D102

    @property
    def chance(self) -> float: ...  # noqa: D102

    @property
    def floor(self) -> float: ...  # noqa: D102

    @property
    def ceiling(self) -> float: ...  # noqa: D102

    def sample(
        self,
        num_trials: int,
        *,
        rng: RandomSource,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Draw trials, independent of each other.

        Args:
            num_trials: How many, ``B``; none is allowed.
            rng: A generator, or an int seed; the same seed gives the same trials on the same kind of device.
            device: Where the trials are made and stay.
            dtype: Floating point type of the inputs.

        Returns:
            Trials with inputs ``(num_steps, B, input_size)`` and targets ``(B,)``.

        Raises:
            ValueError: If ``num_trials`` is negative or no whole number, or ``rng`` is no source of randomness.
        """
        ...
