"""The identity of a task that is an object of its user's: what makes its trials, as plain values."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any

import torch

from graphcortex.study.manifest import agree
from graphcortex.tasks import Task, Trials

_TRIALS = 32
_DIGITS = 6


def describe_task(name: str, task: Task) -> dict[str, Any]:
    """Return what tells a task from others, in words and numbers that are the same in every process.

    The text of an object without fields is that of every object of its class, so some trials are drawn, and what they are is
    part of the identity: a task that was changed draws other trials.

    Args:
        name: Name of the task in its study.
        task: The task.

    Raises:
        ValueError: If two draws of one seed differ: then the runs of a seed do not share their trials.
    """
    identity = {"object": re.sub(r" at 0x[0-9a-f]+", "", repr(task))}
    try:
        draws = [describe_trials(task.sample(_TRIALS, rng=0, device="cpu")) for _ in range(2)]
    except Exception:  # each of its runs will fail, and show why
        return identity | {"trials": None}
    if not agree(*draws):
        raise ValueError(
            f"the task {name} must draw the same trials for the same seed, got two draws of seed 0 that differ; let its sample() "
            "draw from rng alone."
        )
    return identity | {"trials": draws[0]}


def describe_trials(trials: Trials) -> dict[str, Any]:
    """Return what tells trials from others: their shape, a digest of the answers, and numbers of the inputs.

    Answers are whole numbers and have to be the same. Inputs may differ in the last digit on another machine, and a digest would
    then differ; so each trial has two numbers, which :func:`graphcortex.study.manifest.agree` compares within rounding: the
    logarithm of the norm of its inputs, and their projection on a fixed direction, over that norm.
    """
    inputs = trials.inputs.detach().cpu().double().movedim(1, 0).flatten(1)  # (B, T * I)
    direction = torch.arange(1, inputs.size(1) + 1, dtype=torch.float64).cos()
    norms, projections = inputs.norm(dim=1).tolist(), (inputs @ direction).tolist()
    numbers = [
        (math.log(norm), projection / norm) if 0 < norm < math.inf else (0.0, 0.0)
        for norm, projection in zip(norms, projections, strict=True)
    ]
    targets = trials.targets.detach().cpu().numpy()
    return {
        "shape": list(trials.inputs.shape),
        "answers": hashlib.sha256(targets.astype("<i8").tobytes()).hexdigest(),
        "inputs": {"about": [round(value, _DIGITS) for pair in numbers for value in pair]},
    }
