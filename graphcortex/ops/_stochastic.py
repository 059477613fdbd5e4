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


def stochastic_cost(
    structure: GraphStructure,
    values: EdgeValues,
    cost: EdgeValues,
    direction: NodeValues,
    num_probes: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Estimate :math:`\sum_e m_e (e^A)_e = \operatorname{tr}(M^\top e^A)` without bias; return it with its standard error.

    What is known of :math:`e^A` on the edges, :math:`K`, is summed exactly: the walks that take at most one step besides staying
    where they are. Of the rest, :math:`T = e^A - K`, the part along one known direction :math:`q` is exact too, and the part across
    it is a mean over Rademacher probes :math:`z`,

    .. math::
        \operatorname{tr}(M^\top T) = (M q)^\top T q + \mathbb E \, (M z')^\top T z', \qquad z' = z - q \, q^\top z,

    which holds for any unit vector :math:`q` that does not depend on :math:`z`. The strengths make one known: the square roots
    of the in-strengths are the leading right singular vector of :math:`A` (of the out-strengths, its eigenvector in the published
    form), and that is where most of :math:`T` is. As the mean is right for any fixed :math:`q` at every :math:`A`, so is its
    derivative at fixed :math:`q`.
    """
    loops = structure.self_connections
    control = None if loops is None else one_step(structure, values, loops)
    return _StochasticCost.apply(values, cost, control, structure, direction, num_probes, generator)


def one_step(structure: GraphStructure, values: EdgeValues, loops: torch.Tensor) -> EdgeValues:
    r"""Return :math:`e^A` at the edges to first order in the entries off the diagonal, shape ``(E,)``; differentiable.

    With the self-connections :math:`a`, it is :math:`e^{a_i}` on the diagonal, and
    :math:`A_{ij} (e^{a_i} - e^{a_j}) / (a_i - a_j)` off it. Strong self-connections would drown all else in noise, were the walks
    that stay in place left to the probes.
    """
    source, target = structure.edge_index
    own = values.new_zeros(structure.num_nodes).index_add(0, source, torch.where(loops, values, 0.0))
    at_source, at_target = own.index_select(0, source), own.index_select(0, target)
    # The divided difference is exp of the mean times sinh(u) / u of half the difference u, of which |u| <= 1/2: 8 terms are exact.
    square = ((at_source - at_target) / 2).square()
    quotient = torch.ones_like(square)
    for k in range(7, 0, -1):
        quotient = 1 + quotient * square / (2 * k * (2 * k + 1))
    mean = ((at_source + at_target) / 2).exp()
    return torch.where(loops, mean, values * mean * quotient)


class _StochasticCost(torch.autograd.Function):
    """The estimate from A, M and K at the edges; without self-connections K is ``1 + A``, and not given."""

    @staticmethod
    def forward(ctx, values, cost, control, structure, direction, num_probes, generator):
        needs_gradient = any(ctx.needs_input_grad[:2])
        outgoing = structure.outgoing
        exact = torch.dot(cost.double(), (values if control is None else control).double())
        if control is not None:
            source, target = structure.edge_index
            no_loop = values.new_ones(structure.num_nodes, 1)
            no_loop[source[source == target]] = 0.0
        at_source, at_target, scaled_costs, per_probe, in_values = [], [], [], [], None
        for begin in range(0, num_probes, TOGETHER):
            count = min(TOGETHER, num_probes - begin)
            probes = project(rademacher(structure.num_nodes, count, values, generator), direction)
            share = torch.full((count,), 1 / num_probes, dtype=values.dtype, device=values.device)
            if begin == 0:
                probes = torch.cat([direction[:, None], probes], 1)
                share = torch.cat([share.new_ones(1), share])
            moved = spmm(outgoing, outgoing.arrange(cost), probes)
            scaled = moved * share
            left = None if not needs_gradient else lambda _, scaled=scaled: scaled
            tail, part = walk_sum(structure, values, probes, left, first=2 if control is None else 0)
            if control is not None:
                tail -= spmm(outgoing, outgoing.arrange(control), probes) + no_loop * probes
            products = (moved * tail).sum(0, dtype=torch.float64)
            if begin == 0:
                exact, products = exact + products[0], products[1:]
            per_probe.append(products)
            if needs_gradient:
                in_values = part if in_values is None else in_values.add_(part)
                at_source.append(tail.mul_(share))
                at_target.append(probes)
                scaled_costs.append(scaled)
        per_probe = torch.cat(per_probe)
        value = (exact + per_probe.mean()).to(values.dtype)
        # One probe says nothing of its spread.
        spread = per_probe.std() if num_probes > 1 else per_probe.new_full((), math.nan)
        error = (spread / math.sqrt(num_probes)).to(values.dtype)
        if needs_gradient:
            in_cost = sddmm(structure, at_source, at_target)
            in_control = None
            if control is None:
                in_cost.add_(values)
                in_values.add_(cost)
            else:
                in_cost.add_(control)
                in_control = cost - sddmm(structure, scaled_costs, at_target)
            ctx.save_for_backward(in_values, in_cost, in_control, value)
        ctx.mark_non_differentiable(error)
        return value, error

    @staticmethod
    def backward(ctx, grad_output, _):
        *gradients, value = ctx.saved_tensors
        gradients = (None if gradient is None else grad_output * gradient for gradient in gradients)
        return *once(*gradients, of=(value, grad_output)), None, None, None, None


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
        value, error = stochastic_cost(structure, values.detach(), cost.detach(), direction, PILOT, generator)
    if not float(error) > 0:
        return PILOT
    # The error of the pilot is itself uncertain: a quarter (1 / sqrt(2 (PILOT - 1))) is added.
    wanted = PILOT * (1.25 * float(error) / (tolerance * float(value))) ** 2
    return max(2, math.ceil(wanted))
