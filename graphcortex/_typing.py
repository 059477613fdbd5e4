"""Names for what the arrays of this library hold. Shapes stand in the docstrings; these names say the meaning."""

from __future__ import annotations

from typing import TypeAlias

import torch

EdgeIndex: TypeAlias = torch.Tensor
"""Source (row 0) and target (row 1) of each edge, int64, shape ``(2, E)``."""

EdgeValues: TypeAlias = torch.Tensor
"""One value per edge, floating point, shape ``(E,)``."""

NodeValues: TypeAlias = torch.Tensor
"""One value per neuron, floating point, shape ``(N,)``."""

RandomSource: TypeAlias = "torch.Generator | int"
"""A ``torch.Generator``, or an int that seeds a fresh one."""
