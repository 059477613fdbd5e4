"""How the states of neurons travel between processes that hold a part of the network each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist


class Exchange:
    """States of all neurons from those of each process, and gradients back.

    Rank ``r`` holds ``sizes[r]`` neurons, which follow those of the ranks before it.

    Args:
        sizes: Number of neurons of each rank.
        group: The process group; the default group if None.
    """

    def __init__(self, sizes: Sequence[int], group: dist.ProcessGroup | None = None):
        self.sizes = tuple(int(size) for size in sizes)
        self.group = group
        self.rank = dist.get_rank(group)

    def gather(self, local: torch.Tensor) -> torch.Tensor:
        """Return the states of all neurons, shape ``(N, B)``, from those of this rank."""
        parts = [local.new_empty(size, local.size(1)) for size in self.sizes]
        dist.all_gather(parts, local.contiguous(), group=self.group)
        return torch.cat(parts)

    def reduce(self, full: torch.Tensor) -> torch.Tensor:
        """Return the sum over all ranks of the gradients that arrived at this rank's neurons; ``full`` has shape ``(N, B)``."""
        # Not reduce_scatter: gloo has none for parts of different sizes.
        dist.all_reduce(full, group=self.group)
        return full.split(self.sizes)[self.rank].clone()

    def gather_steps(self, steps: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Return the states of all neurons at several steps, each gathered when it is asked for: none is kept."""
        return _GatheredSteps(self, steps)


class _GatheredSteps(Sequence):
    def __init__(self, exchange: Exchange, steps: Sequence[torch.Tensor]):
        self.exchange, self.steps = exchange, steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, key):
        if isinstance(key, slice):
            return [self.exchange.gather(step) for step in self.steps[key]]
        return self.exchange.gather(self.steps[key])
