"""Any environment of NeuroGym as a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import numpy as np
import torch

from graphcortex._checks import check_count, check_number
from graphcortex._random import draw_seed
from graphcortex._typing import RandomSource
from graphcortex.tasks._neurogym import Environment, TrialOfEnvironment
from graphcortex.tasks.base import Trials

PREFIX = "neurogym:"
"""What stands before the name of an environment in the name of its task."""

PROBE_TRIALS = 2000
"""Trials that are drawn, always the same ones, to learn what an environment does not say of itself."""


@dataclass(frozen=True)
class NeuroGym:
    r"""An environment of NeuroGym, whose trials end with the period in which they are answered.

    NeuroGym tells what is right at every step; a task of this library has one answer, after the last step. So each trial ends
    with the last step of ``period``, and its answer is the ground truth there, which must be the same throughout that period.
    Where trials differ in length, the shorter ones begin later: what stands before them holds their first step, if that is one
    of fixation, and is zero otherwise. Trials longer than ``num_steps`` are drawn again.

    What an environment does not say of itself is found from 2,000 trials of a fixed seed, when the task is made.

    ``sample`` records the numbers that NeuroGym tells of every trial, such as ``info["coh"]``, but for ``ground_truth``, and
    ``info["steps"]``, the length of the trial without what stands before it.

    Refused are environments that are for reinforcement learning alone (bandits, choices without a right answer), whose actions
    are not discrete (reaching in a plane), whose ground truth changes within the period (timing tasks), or whose trials do not
    follow from a seed.

    Args:
        env_id: Its name, such as ``"ContextDecisionMaking-v0"``, or that of an environment of your own, registered with
            ``neurogym.register``.
        options: What its class takes, such as ``{"dt": 20, "sigma": 0.5}``.
        period: The period in which a trial is answered; None is ``"decision"``, or the last one where there is none.
        num_steps: Steps of one trial; None is the longest one found.
        answers: The actions that may be right, in the order of the classes; None is those found, ascending. Fixation, action 0,
            is among them only where it can be the answer, as in GoNogo.
        floor: Accuracy of the best strategy that does not do the task; None is the share of the most frequent answer found.
        ceiling: Accuracy that no observer exceeds; 1 unless it is given, which is too high where trials are noisy.

    Attributes:
        input_size: Channels that are shown.
        info_names: What ``sample`` records of each trial.

    Raises:
        MissingDependencyError: If NeuroGym is not installed.
        ValueError: If the environment is unknown or refused, or an argument does not fit it.

    References:
        Molano-Mazon et al. (2022). NeuroGym: An open resource for developing and sharing neuroscience tasks.
        https://doi.org/10.31234/osf.io/aqc9n
    """

    env_id: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    period: str | None = None
    num_steps: int | None = None
    answers: tuple[int, ...] | None = None
    floor: float | None = None
    ceiling: float = 1.0
    input_size: int = field(init=False)
    info_names: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self):
        if self.num_steps is not None:
            check_count(self.num_steps, "num_steps")
        if self.floor is not None:
            check_number(self.floor, "floor", minimum=0, maximum=1)
        check_number(self.ceiling, "ceiling", minimum=self.floor or 0, maximum=1)
        found = list(islice(self._stream(seed=0, fitting=False), PROBE_TRIALS))
        self._check_reproducible(found)
        longest = max(len(trial.observations) for trial in found)
        num_steps = longest if self.num_steps is None else int(self.num_steps)
        fitting = [trial for trial in found if len(trial.observations) <= num_steps]
        if len(fitting) < len(found) / 10:
            raise ValueError(
                f"num_steps must be enough for a trial of {self.env_id}, up to {longest} steps; got {num_steps}, enough for "
                f"{len(fitting)} of {len(found)}."
            )
        actions, counts = np.unique([trial.answer for trial in fitting], return_counts=True)
        answers = tuple(actions.tolist()) if self.answers is None else tuple(self.answers)
        if len(set(answers)) != len(answers) or not set(actions.tolist()) <= set(answers):
            raise ValueError(
                f"answers must name each action once, and all that may be right, {actions.tolist()}; got {answers!r}."
            )
        if len(answers) < 2:
            raise ValueError(
                f"{self.env_id} must have at least two answers, got {answers} alone in {len(fitting)} trials; another period may "
                "tell them apart."
            )
        names = set.intersection(*(set(trial.values) for trial in found)) - {"ground_truth", "steps"}
        for name, value in (
            ("num_steps", num_steps),
            ("answers", answers),
            ("floor", float(counts.max() / counts.sum()) if self.floor is None else float(self.floor)),
            ("input_size", found[0].observations.shape[1]),
            ("info_names", (*sorted(names), "steps")),
        ):
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """The name by which :func:`graphcortex.tasks.get_task` finds the environment, with its own options."""
        return PREFIX + self.env_id

    @property
    def num_classes(self) -> int:
        """Answers to choose from."""
        return len(self.answers)

    @property
    def chance(self) -> float:
        """Accuracy of a uniform guess."""
        return 1 / self.num_classes

    def sample(
        self,
        num_trials: int,
        *,
        rng: RandomSource,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Draw trials; see :meth:`graphcortex.tasks.Task.sample`.

        They are made one by one on the CPU, by an environment that begins anew with each call.
        """
        num_trials = check_count(num_trials, "num_trials", minimum=0)
        inputs = np.zeros((self.num_steps, num_trials, self.input_size), dtype=np.float64)
        targets = np.zeros(num_trials, dtype=np.int64)
        info = {name: np.zeros(num_trials) for name in self.info_names}
        stream = self._stream(seed=draw_seed(rng), fitting=True)
        for place, trial in enumerate(islice(stream, num_trials)):
            steps = len(trial.observations)
            inputs[self.num_steps - steps :, place] = trial.observations
            if trial.begins_with_fixation:
                inputs[: self.num_steps - steps, place] = trial.observations[0]
            if trial.answer not in self.answers:
                raise ValueError(
                    f"answers must name every action that may be right in {self.env_id}: got {self.answers}, and a trial with "
                    f"{trial.answer}; give answers."
                )
            targets[place] = self.answers.index(trial.answer)
            for name in self.info_names:
                info[name][place] = steps if name == "steps" else trial.values.get(name, np.nan)
        return Trials(
            torch.from_numpy(inputs).to(device=device, dtype=dtype),
            torch.from_numpy(targets).to(device),
            {name: torch.from_numpy(values).to(device=device, dtype=dtype) for name, values in info.items()},
        )

    def _stream(self, seed: int, *, fitting: bool) -> Iterator[TrialOfEnvironment]:
        """Yield trials, or those that are not too long, without an end."""
        environment = Environment(self.env_id, self.options, self.period)
        environment.seed(seed)
        while True:
            trial = environment.draw()
            if not fitting or len(trial.observations) <= self.num_steps:
                yield trial

    def _check_reproducible(self, found: list[TrialOfEnvironment]) -> None:
        # Eight environments: one that draws a single choice elsewhere when it is made agrees with another by luck.
        drawn = chain.from_iterable(
            zip(found[:100], self._stream(seed=0, fitting=False), strict=False) for _ in range(8)
        )
        for trial, again in drawn:
            if trial.answer != again.answer or not np.array_equal(
                trial.observations, again.observations, equal_nan=True
            ):
                raise ValueError(
                    f"{self.env_id} does not follow from a seed: two environments of one seed drew other trials. What it "
                    "draws must come from its `rng`, once that is seeded, or from a NumPy generator that is an attribute of it."
                )
