"""How the states of neurons travel between processes that hold a part of a network each."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import torch.distributed as dist

from graphcortex.kernels.once import once

# Autograd records nothing of what travels between processes.
once_over_processes = functools.partial(
    once,
    what="a network that is spread over processes",
    instead="run it in one process for second derivatives",
)


class Exchange:
    """States of all neurons from those that each process holds, and gradients back.

    Rank ``r`` holds ``sizes[r]`` neurons, which follow those of the ranks before it.

    Args:
        sizes: Number of neurons of each rank.
        group: The process group; the default group if None.

    Attributes:
        rank: The rank of this process.
    """

    def __init__(self, sizes: Sequence[int], group: dist.ProcessGroup | None = None):
        self.sizes = tuple(int(size) for size in sizes)
        self.group = group
        self.rank = dist.get_rank(group)

    def gather(self, local: torch.Tensor) -> torch.Tensor:
        """Return the states of all neurons, shape ``(N, B)``, from those of each rank."""
        # Parts of one size, since not every engine gathers others; the neurons that fill up are dropped again.
        most = max(self.sizes)
        padded = local.new_zeros(most, local.size(1))
        padded[: local.size(0)] = local
        parts = [torch.empty_like(padded) for _ in self.sizes]
        dist.all_gather(parts, padded, group=self.group)
        return torch.cat([part[:size] for part, size in zip(parts, self.sizes, strict=True)])

    def reduce(self, full: torch.Tensor) -> torch.Tensor:
        """Return the sum over all ranks of what arrived at the neurons of this one, shape ``(N_r, B)``; ``full`` is ``(N, B)``."""
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


class SumOverRanks(torch.autograd.Function):
    """Add up what the ranks have. Each rank then computes the same loss, so the gradient passes to each as it is."""

    @staticmethod
    def forward(ctx, value, group):  # noqa: D102
        total = value.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, grad_output):  # noqa: D102
        return *once_over_processes(grad_output, of=(grad_output,)), None


class SameOnRanks(torch.autograd.Function):
    """Pass a value that is the same on all ranks; what each sends back adds up."""

    @staticmethod
    def forward(ctx, value, group):  # noqa: D102
        ctx.group = group
        return value.view_as(value)

    @staticmethod
    def backward(ctx, grad_output):  # noqa: D102
        total = grad_output.detach().clone()
        dist.all_reduce(total, group=ctx.group)
        return *once_over_processes(total, of=(grad_output,)), None
