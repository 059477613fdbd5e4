"""The communication cost of a network, estimated without bias from random probes."""

from __future__ import annotations

import math

import torch

from graphcortex._typing import EdgeValues, NodeValues
from graphcortex.kernels import GraphStructure, sddmm, spmm
from graphcortex.ops._once import once
from graphcortex.ops._walks import walk_sum

# Probes that are walked together: rows of 256 bytes, and the bound of the memory.
TOGETHER = 64
PILOT = 8


class StochasticCost(torch.autograd.Function):
    r"""An unbiased estimate of :math:`\sum_e m_e (e^A)_e = \operatorname{tr}(M^\top e^A)`, with its standard error.

    The terms of order 0 and 1 are summed exactly over the edges. Of the rest, :math:`T = \sum_{k \ge 2} A^k / k!`, the part along
    one known direction :math:`q` is exact too, and the part across it is a mean over Rademacher probes :math:`z`,

    .. math::
        \operatorname{tr}(M^\top T) = (M q)^\top T q + \mathbb E \, (M z')^\top T z', \qquad z' = z - q \, q^\top z,

    which holds for any unit vector :math:`q` that does not depend on :math:`z`. The strengths make one known: the square roots
    of the in-strengths are the leading right singular vector of :math:`A` (of the out-strengths, its eigenvector in the
    published form), and that is where most of :math:`T` is. As the mean is right for any fixed :math:`q` at every :math:`A`,
    so is its derivative at fixed :math:`q`.
    """

    @staticmethod
    def forward(ctx, values, cost, structure, direction, num_probes, generator):
        needs_gradient = any(ctx.needs_input_grad[:2])
        loops = (structure.edge_index[0] == structure.edge_index[1]).to(values.dtype)
        exact = torch.dot(cost.double(), (values + loops).double())
        at_source, at_target, per_probe, gradient = [], [], [], None
        for begin in range(0, num_probes, TOGETHER):
            count = min(TOGETHER, num_probes - begin)
            probes = project(rademacher(structure.num_nodes, count, values, generator), direction)
            share = torch.full((count,), 1 / num_probes, dtype=values.dtype, device=values.device)
            if begin == 0:
                probes = torch.cat([direction[:, None], probes], 1)
                share = torch.cat([share.new_ones(1), share])
            moved = spmm(structure.outgoing, structure.outgoing.arrange(cost), probes)
            scaled = moved * share
            left = None if not needs_gradient else lambda _, scaled=scaled: scaled
            tail, part = walk_sum(structure, values, probes, left, first=2)
            products = (moved * tail).sum(0, dtype=torch.float64)
            if begin == 0:
                exact, products = exact + products[0], products[1:]
            per_probe.append(products)
            if needs_gradient:
                gradient = part if gradient is None else gradient.add_(part)
                at_source.append(tail.mul_(share))
                at_target.append(probes)
        per_probe = torch.cat(per_probe)
        value = (exact + per_probe.mean()).to(values.dtype)
        # One probe says nothing of its spread.
        spread = per_probe.std() if num_probes > 1 else per_probe.new_full((), math.nan)
        error = (spread / math.sqrt(num_probes)).to(values.dtype)
        if needs_gradient:
            in_cost = sddmm(structure, at_source, at_target).add_(values).add_(loops)
            ctx.save_for_backward(gradient.add_(cost), in_cost)
        ctx.mark_non_differentiable(error)
        return value, error

    @staticmethod
    def backward(ctx, grad_output, _):
        in_values, in_cost = ctx.saved_tensors
        return *once(grad_output * in_values, grad_output * in_cost), None, None, None, None


def rademacher(num_nodes: int, count: int, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw signs, shape ``(N, count)``."""
    bits = torch.randint(2, (num_nodes, count), generator=generator, device=like.device, dtype=torch.int8)
    return bits.to(like.dtype).mul_(2).sub_(1)


def project(probes: torch.Tensor, direction: NodeValues) -> torch.Tensor:
    """Take the part along a unit vector out of each probe."""
    return probes.addr_(direction, direction @ probes, alpha=-1)


def known_direction(structure: GraphStructure, absolute: EdgeValues, normalization: str) -> NodeValues:
    """Return the unit vector along which the normalised weights are known to be large, shape ``(N,)``; 0 if all weights are."""
    ends = structure.edge_index[0 if normalization == "source" else 1]
    root = absolute.new_zeros(structure.num_nodes).index_add(0, ends, absolute).sqrt()
    return root / root.norm().clamp(min=torch.finfo(root.dtype).tiny)


def probes_for(
    structure: GraphStructure,
    values: EdgeValues,
    cost: EdgeValues,
    direction: NodeValues,
    tolerance: float,
    generator: torch.Generator,
) -> int:
    """Return how many probes bring the relative standard error to ``tolerance``, judged by a pilot that is then forgotten.

    Fresh probes make the estimate: were the pilot part of it, its size would depend on its own numbers, and that is a bias.
    """
    with torch.no_grad():
        value, error = StochasticCost.apply(values.detach(), cost.detach(), structure, direction, PILOT, generator)
    if not float(error) > 0:
        return PILOT
    # The error of the pilot is itself uncertain: a quarter (1 / sqrt(2 (PILOT - 1))) is added.
    wanted = PILOT * (1.25 * float(error) / (tolerance * float(value))) ** 2
    return max(2, math.ceil(wanted))
