"""Trials of cognitive tasks, drawn in whole batches on any device."""

from graphcortex.tasks.base import Task, Trials
from graphcortex.tasks.go_nogo import GoNoGo
from graphcortex.tasks.neurogym import NeuroGym
from graphcortex.tasks.one_choice import OneChoiceInference
from graphcortex.tasks.perceptual import PerceptualDecision
from graphcortex.tasks.registry import TASKS, check_task_name, get_task

__all__ = [
    "TASKS",
    "GoNoGo",
    "NeuroGym",
    "OneChoiceInference",
    "PerceptualDecision",
    "Task",
    "Trials",
    "check_task_name",
    "get_task",
]
