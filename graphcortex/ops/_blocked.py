"""The exponential of a sparse matrix at chosen pairs, block of columns by block of columns: no N x N array is ever made."""

from __future__ import annotations

from collections.abc import Callable

import torch

from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.kernels import GraphStructure
from graphcortex.kernels.structure import compress
from graphcortex.ops._once import once
from graphcortex.ops._walks import walk_sum

# Values of a block of columns: with about 50 arrays of this size alive, a block takes 200 MB in float32.
BLOCK_VALUES = 1_000_000
Upstream = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def exponential_at(
    structure: GraphStructure, values: EdgeValues, pairs: EdgeIndex, upstream: Upstream | None = None
) -> tuple[torch.Tensor, EdgeValues | None]:
    r"""Compute :math:`(e^A)_{i_p j_p}` at the pairs and, where asked, the derivative of :math:`\sum_p u_p (e^A)_{i_p j_p}`.

    Only the columns that some pair names are made, so few targets cost little.

    Args:
        structure: The graph, no edge twice.
        values: Entries of :math:`A` at the edges, shape ``(E,)``, as in :func:`graphcortex.ops._walks.walk_sum`.
        pairs: Source (row 0) and target (row 1) of each pair, shape ``(2, P)``.
        upstream: Called with positions of pairs, shape ``(p,)``, and the exponential there; returns their :math:`u`.

    Returns:
        The exponential at each pair, shape ``(P,)``, and the derivative in each edge, shape ``(E,)``, or None.
    """
    N, P = structure.num_nodes, pairs.size(1)
    found = values.new_empty(P)
    gradient = torch.zeros_like(values) if upstream is not None else None
    targets = pairs[1].unique() if structure.num_edges > P else torch.arange(N, device=pairs.device)
    column = torch.empty(N, dtype=torch.int64, device=pairs.device)
    column[targets] = torch.arange(targets.numel(), device=pairs.device)
    by_column = compress(column[pairs[1]], pairs[0], targets.numel(), N)
    ptr = by_column.ptr.tolist()
    width = max(1, min(256, BLOCK_VALUES // N))
    for begin in range(0, targets.numel(), width):
        chosen = targets[begin : begin + width]
        low, high = ptr[begin], ptr[begin + chosen.numel()]
        if low == high:
            continue
        position = (
            torch.arange(low, high, device=pairs.device)
            if by_column.order is None
            else by_column.order[low:high].long()
        )
        row, place = pairs[0, position], column[pairs[1, position]] - begin
        start = values.new_zeros(N, chosen.numel())
        start[chosen, torch.arange(chosen.numel(), device=chosen.device)] = 1.0

        def weigh(total, row=row, place=place, position=position):
            # Pairs may be named twice, so they are added.
            return torch.zeros_like(total).index_put_(
                (row, place), upstream(position, total[row, place]), accumulate=True
            )

        total, part = walk_sum(structure, values, start, None if upstream is None else weigh)
        found[position] = total[row, place]
        if part is not None:
            gradient += part
    return found, gradient


class ExponentialAtPairs(torch.autograd.Function):
    """The exponential at given pairs; its derivative runs the blocks again, so that nothing but the edges is kept."""

    @staticmethod
    def forward(ctx, values, structure, pairs):
        ctx.save_for_backward(values)
        ctx.structure, ctx.pairs = structure, pairs
        return exponential_at(structure, values, pairs)[0]

    @staticmethod
    def backward(ctx, grad_output):
        (values,) = ctx.saved_tensors
        with torch.no_grad():
            gradient = exponential_at(ctx.structure, values, ctx.pairs, lambda position, _: grad_output[position])[1]
        return *once(gradient, of=(values, grad_output)), None, None


class BlockedCost(torch.autograd.Function):
    r"""The sum :math:`\sum_e m_e \, [(e^A)_e]^f`. The gradient is made with the value: then each block is walked once."""

    @staticmethod
    def forward(ctx, values, cost, structure, exponent):
        upstream = None
        if ctx.needs_input_grad[0]:

            def upstream(position, found):
                at = cost[position]
                return at if exponent == 1 else at * exponent * positive_power(found, exponent - 1)

        found, gradient = exponential_at(structure, values, structure.edge_index, upstream)
        found = found if exponent == 1 else positive_power(found, exponent)
        value = torch.dot(cost.double(), found.double()).to(values.dtype)
        ctx.save_for_backward(gradient, found, value)
        return value

    @staticmethod
    def backward(ctx, grad_output):
        gradient, found, value = ctx.saved_tensors
        in_values = None if gradient is None else grad_output * gradient
        return *once(in_values, grad_output * found, of=(value, grad_output)), None, None


def positive_power(found: torch.Tensor, exponent: float) -> torch.Tensor:
    """Return ``found ** exponent``, and 0 with a zero gradient where no walk leads: what it is worth there, nobody pays."""
    positive = found > 0
    return torch.where(positive, torch.where(positive, found, 1.0).pow(exponent), 0.0)
