"""Trials of cognitive tasks, drawn in whole batches on any device."""

from graphcortex.tasks.base import Task, Trials
from graphcortex.tasks.go_nogo import GoNoGo
from graphcortex.tasks.one_choice import OneChoiceInference
from graphcortex.tasks.perceptual import PerceptualDecision
from graphcortex.tasks.registry import TASKS, get_task

__all__ = ["TASKS", "GoNoGo", "OneChoiceInference", "PerceptualDecision", "Task", "Trials", "get_task"]
