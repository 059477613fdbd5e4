"""Recorded states that several of the tests of metrics use."""

from __future__ import annotations

import torch


def recording(T: int, B: int, N: int, seed: int = 0) -> torch.Tensor:
    """Return normal states of shape ``(T, B, N)``, float64, those of later neurons of smaller size and mixed into each other."""
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(T, B, N, generator=generator, dtype=torch.float64) / torch.arange(1, N + 1)
    return states @ torch.randn(N, N, generator=generator, dtype=torch.float64) + 0.5


BAD_STATES = {
    "integers": torch.zeros(2, 3, 4).long(),
    "four dimensions": torch.zeros(2, 3, 4, 5),
    "one dimension": torch.zeros(3),
    "no neurons": torch.zeros(2, 3, 0),
    "no steps": torch.zeros(0, 3, 4),
    "NaN": torch.full((2, 3, 4), float("nan")),
    "infinity": torch.full((2, 3, 4), float("inf")),
    "a list": [[[0.0]]],
}
