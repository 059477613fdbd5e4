"""Checks that all metrics of recorded states share."""

from __future__ import annotations

from typing import Any

import torch

from graphcortex._checks import check_finite


def check_states(states: Any) -> torch.Tensor:
    """Return recorded states, detached.

    Raises:
        ValueError: If they are not finite floating point numbers of shape ``(T, B, N)`` with at least one of each.
    """
    if (
        not isinstance(states, torch.Tensor)
        or not states.is_floating_point()
        or states.dim() != 3
        or not states.numel()
    ):
        got = (
            f"{states.dtype} of shape {tuple(states.shape)}"
            if isinstance(states, torch.Tensor)
            else type(states).__name__
        )
        raise ValueError(
            f"states must be a floating point tensor of shape (T, B, N), steps, trials and neurons; got {got}."
        )
    check_finite(states, "states")
    return states.detach()


def check_labels(labels: Any, num_trials: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the class of each trial, int64 on the CPU of shape ``(B,)``, 0 .. K - 1, and the labels of the K classes.

    Raises:
        ValueError: If the labels are not one whole number per trial.
    """
    try:
        found = torch.as_tensor(labels).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        found = torch.empty(0)
    if found.shape != (num_trials,) or found.is_floating_point() or found.is_complex():
        raise ValueError(
            f"labels must be one whole number per trial: expected shape ({num_trials},), got {found.dtype} of shape "
            f"{tuple(found.shape)}."
        )
    classes, codes = torch.unique(found.long(), return_inverse=True)
    return codes, classes
