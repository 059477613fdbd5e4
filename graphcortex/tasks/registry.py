"""The tasks by name."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from graphcortex._checks import check_choice
from graphcortex.tasks.base import Task
from graphcortex.tasks.go_nogo import GoNoGo
from graphcortex.tasks.one_choice import OneChoiceInference
from graphcortex.tasks.perceptual import PerceptualDecision

TASKS: MappingProxyType[str, Callable[..., Task]] = MappingProxyType(
    {task.name: task for task in (OneChoiceInference, GoNoGo, PerceptualDecision)}
)
"""The class of each task, by its name, in reporting order."""


def get_task(name: str, **settings: object) -> Task:
    """Return a task by its name.

    Args:
        name: One of :data:`TASKS`.
        **settings: Fields of its class, such as durations in steps; those of the study are the defaults.

    Raises:
        ValueError: If there is no such task, or it refuses a setting.

    Example:
        >>> get_task("go_nogo", delay_steps=40).num_steps
        70
    """
    check_choice(name, "name of a task", TASKS)
    return TASKS[name](**settings)
