"""NeuroGym as this library sees it: an environment is opened, seeded, and asked for one trial after the other."""

from __future__ import annotations

import contextlib
import copy
import numbers
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from graphcortex._optional import require


class TrialOfEnvironment(NamedTuple):
    """One trial, up to the end of the period in which it is answered."""

    observations: np.ndarray
    """What is shown, shape ``(steps, channels)``."""
    answer: int
    """The action that is right throughout that period."""
    values: dict[str, float]
    """The plain numbers of the trial, such as its coherence."""
    begins_with_fixation: bool
    """Whether its first step belongs to a period named fixation."""


class Environment:
    """A NeuroGym environment whose trials have one discrete answer.

    Args:
        env_id: Its name, such as ``"ContextDecisionMaking-v0"``.
        options: What its class takes, such as ``{"dt": 20}``.
        period: The period in which a trial is answered; None is ``"decision"``, or the last one where there is none.

    Raises:
        MissingDependencyError: If NeuroGym is not installed.
        ValueError: If there is no such environment, it refuses an option, or its trials have no discrete answer.
    """

    def __init__(self, env_id: str, options: Mapping[str, Any], period: str | None):
        purpose = f"The task {env_id!r}"
        neurogym, core, gymnasium = (
            require(name, "neurogym", purpose) for name in ("neurogym", "neurogym.core", "gymnasium")
        )
        # A colon would have gymnasium import a module of that name.
        if not isinstance(env_id, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", env_id):
            raise ValueError(f"env_id must be the name of an environment, such as 'GoNogo-v0'; got {env_id!r}.")
        self.env_id, self.period = env_id, period
        if env_id not in gymnasium.registry:
            known = ", ".join(sorted(neurogym.envs.registration.ALL_EXTENDED_ENVS))
            raise ValueError(f"env_id must name an environment of NeuroGym, got {env_id!r}; there are {known}.")
        try:
            with _quiet():
                # A copy: durations that are drawn are seeded, and the caller's are not ours to change.
                layer = neurogym.make(env_id, **copy.deepcopy(dict(options)))
        except (TypeError, ValueError, KeyError, AttributeError, gymnasium.error.Error) as error:
            raise ValueError(f"{env_id} cannot be made with options {dict(options)!r}: {error}") from error
        while not isinstance(layer, (core.TrialEnv, core.TrialWrapper)):
            if layer is layer.unwrapped:
                raise ValueError(
                    f"{env_id} must be an environment of NeuroGym with trials, got {type(layer).__name__}."
                )
            layer = layer.env  # a layer of gymnasium's own, which watches the steps of an agent
        self._outer = layer
        self._layers = list(_layers(layer))
        actions, shown = layer.action_space, layer.observation_space
        if not isinstance(actions, gymnasium.spaces.Discrete):
            raise ValueError(f"{env_id} has no discrete answer: its actions are {actions}, and Discrete is needed.")
        if not isinstance(shown, gymnasium.spaces.Box) or len(shown.shape) != 1:
            raise ValueError(f"{env_id} must show a vector at each step, got observations in {shown}.")
        self._actions = range(int(actions.start), int(actions.start + actions.n))
        self.input_size = int(shown.shape[0])

    def seed(self, seed: int) -> None:
        """Begin the stream of trials of a seed.

        NeuroGym seeds the durations of periods like the environment, and so like each other, and leaves out the generators that
        some environments have of their own: here each has its own stream.
        """
        streams = np.random.SeedSequence(seed)

        def next_seed() -> int:
            return int(streams.spawn(1)[0].generate_state(1)[0])

        with _quiet():
            self._outer.seed(next_seed())
        for layer in self._layers:
            if layer is layer.unwrapped:
                layer.seed(next_seed())
                for duration in layer.timing.values():
                    if hasattr(duration, "seed"):
                        duration.seed(next_seed())
            for name, value in sorted(vars(layer).items()):
                if isinstance(value, np.random.Generator):
                    setattr(layer, name, np.random.default_rng(next_seed()))

    def draw(self) -> TrialOfEnvironment:
        """Draw the next trial.

        Raises:
            ValueError: If it has no ground truth, or none that holds throughout the period of the answer.
        """
        # What a trial does not set would be left over from the one before it.
        for layer in self._layers:
            if layer is layer.unwrapped:
                layer.ob = layer.gt = None
                layer.end_ind.clear()
        if len(self._layers) == 1:
            drawn = self._outer.new_trial()
        else:
            with _quiet():
                drawn = self._outer.new_trial()
        env = self._env
        if env.ob is None or env.gt is None:
            missing = "shows nothing that is set in advance" if env.ob is None else "has no ground truth"
            raise ValueError(
                f"{self.env_id} {missing}: what is right depends on what was done before, as in a bandit, and such an environment "
                "is for reinforcement learning alone."
            )
        first, last = self._period_of_answer()
        last = min(last, len(env.ob))
        told = np.unique(env.gt[first:last])
        if told.size != 1:
            raise ValueError(
                f"{self.env_id} has no single answer: the ground truth of one trial was {told.tolist()} within the period "
                f"{self._name_of_period()!r}. Periods: {', '.join(env.end_ind)}."
            )
        answer = int(told[0])
        if answer not in self._actions:
            raise ValueError(
                f"{self.env_id} has no discrete answer: its ground truth {answer} is none of its {len(self._actions)} actions."
            )
        values = drawn.items() if isinstance(drawn, Mapping) else ()
        numbers_drawn = {
            name: float(value) for name, value in values if isinstance(value, (numbers.Real, np.number, np.bool_))
        }
        return TrialOfEnvironment(env.ob[:last], answer, numbers_drawn, self._begins_with_fixation())

    @property
    def _env(self) -> Any:
        """The environment of the present trial: a wrapper may go from one to another."""
        return self._outer.unwrapped

    def _name_of_period(self) -> str:
        starts, ends = self._env.start_ind, self._env.end_ind
        if self.period is not None or "decision" in ends:
            return self.period or "decision"
        some = [name for name in ends if starts[name] < ends[name]]
        return max(some, key=lambda name: (ends[name], starts[name]), default="decision")

    def _period_of_answer(self) -> tuple[int, int]:
        starts, ends = self._env.start_ind, self._env.end_ind
        name = self._name_of_period()
        if name not in ends or ends[name] <= starts[name]:
            raise ValueError(
                f"period must name a part of each trial that has at least one step, got {name!r}; {self.env_id} has "
                f"{', '.join(f'{n} ({ends[n] - starts[n]} steps)' for n in ends) or 'no periods'}."
            )
        return starts[name], ends[name]

    def _begins_with_fixation(self) -> bool:
        starts, ends = self._env.start_ind, self._env.end_ind
        return "fixation" in ends and starts["fixation"] == 0 < ends["fixation"]


def _layers(layer: Any) -> Iterator[Any]:
    """Yield an environment, and all that it is wrapped around: some wrappers hold several."""
    yield layer
    for inner in vars(layer).get("envs", [] if layer is layer.unwrapped else [layer.env]):
        yield from _layers(inner)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Pass over two warnings of gymnasium, of what NeuroGym does and its user cannot change."""
    with warnings.catch_warnings():
        # Every environment should say how it is drawn on a screen; those of NeuroGym are not.
        warnings.filterwarnings("ignore", ".*metadata doesn't include `render_modes`", UserWarning)
        # What is around an environment reads its attributes in a way that a later gymnasium will not have.
        warnings.filterwarnings("ignore", ".*to get variables from other wrappers is deprecated", UserWarning)
        yield
