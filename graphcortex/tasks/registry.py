"""The tasks by name."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from types import MappingProxyType

from graphcortex._checks import check_choice
from graphcortex.tasks.base import Task
from graphcortex.tasks.go_nogo import GoNoGo
from graphcortex.tasks.neurogym import PREFIX, NeuroGym
from graphcortex.tasks.one_choice import OneChoiceInference
from graphcortex.tasks.perceptual import PerceptualDecision

TASKS: MappingProxyType[str, Callable[..., Task]] = MappingProxyType(
    {task.name: task for task in (OneChoiceInference, GoNoGo, PerceptualDecision)}
)
"""The class of each task, by its name, in reporting order."""


def get_task(name: str, **settings: object) -> Task:
    """Return a task by its name.

    Args:
        name: One of :data:`TASKS`, or ``"neurogym:"`` and the name of an environment of NeuroGym, such as
            ``"neurogym:ContextDecisionMaking-v0"``.
        **settings: Fields of its class, such as durations in steps; those of the study are the defaults.

    Raises:
        ValueError: If there is no such task, or it refuses a setting.
        MissingDependencyError: If it is one of NeuroGym, which is not installed.

    Example:
        >>> get_task("go_nogo", delay_steps=40).num_steps
        70
    """
    check_task_name(name)
    if not name.startswith(PREFIX):
        return TASKS[name](**settings)
    env_id = name.removeprefix(PREFIX)
    return NeuroGym(env_id, **settings) if settings else _neurogym(env_id)


def check_task_name(name: str, what: str = "name of a task") -> str:
    """Return ``name`` if it is one of :data:`TASKS`, or has the form of one of NeuroGym's, which need not be installed.

    Raises:
        ValueError: If it is neither.

    Example:
        >>> check_task_name("neurogym:GoNogo-v0")
        'neurogym:GoNogo-v0'
    """
    if isinstance(name, str) and re.fullmatch(rf"{PREFIX}[A-Za-z0-9][\w.-]*", name, re.ASCII):
        return name
    return check_choice(name, what, (*TASKS, f"{PREFIX}<environment>"))


# To make one draws thousands of trials, and a study asks for it once a run.
@functools.lru_cache(maxsize=32)
def _neurogym(env_id: str) -> NeuroGym:
    return NeuroGym(env_id)
