"""A small modular graph that the tests of the figures share."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch


class Drawn(NamedTuple):
    pos: torch.Tensor
    edge_index: torch.Tensor
    edge_weight: torch.Tensor
    membership: list[int]


@pytest.fixture
def graph() -> Drawn:
    """Twelve neurons in modules 7 (6 neurons), 3 (4) and -1 (2), all pairs joined, self-connections the strongest."""
    rng = torch.Generator().manual_seed(0)
    membership = [3, 7, 7, -1, 3, 7, 7, 3, -1, 7, 3, 7]
    pos = torch.rand(12, 3, generator=rng, dtype=torch.float64) * torch.tensor(
        [800.0, 100.0, 400.0], dtype=torch.float64
    )
    source, target = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
    weight = torch.randn(144, generator=rng, dtype=torch.float64)
    weight = torch.where(source.flatten() == target.flatten(), 50.0, weight)
    return Drawn(pos, torch.stack([source.flatten(), target.flatten()]), weight, membership)
