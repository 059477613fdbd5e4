"""What a whole network communicates, and through which edges: one vector each way, at any size."""

from __future__ import annotations

import torch

from graphcortex._typing import EdgeIndex, EdgeValues, NodeValues
from graphcortex.kernels import GraphStructure
from graphcortex.ops._edges import merge_repeats, narrow, normalize, prepare
from graphcortex.ops._once import once
from graphcortex.ops._walks import walk_sum


def total_communicability(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    normalization: str = "both",
    epsilon: float = 1e-10,
    structure: GraphStructure | None = None,
) -> NodeValues:
    r"""Compute how well each neuron talks to all, :math:`t_i = \sum_j C_{ij}`; the sum of these is that of the network.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit.
        num_nodes: Number of neurons :math:`N`.
        normalization: As in :func:`graphcortex.ops.communicability_matrix`.
        epsilon: As in :func:`graphcortex.ops.communicability_matrix`.
        structure: The structure of ``edge_index`` where it is there already.

    Returns:
        The total of each neuron, shape ``(N,)``, without unit; 1 for one without outputs. Differentiable in ``edge_weight``, once.

    Raises:
        OverflowError: As :func:`graphcortex.ops.communicability_matrix`.
        ValueError: If the shapes do not describe one graph, a weight is NaN or infinite, or the normalization is unknown.

    References:
        Benzi & Klymko (2013). Total communicability as a centrality measure. J. Complex Netw. 1.
        https://doi.org/10.1093/comnet/cnt007

    Example:
        >>> total_communicability(torch.tensor([[0, 1], [1, 2]]), torch.ones(2), 3)  # a chain: 1 + 1 + 1/2, 1 + 1, 1
        tensor([2.5000, 2.0000, 1.0000])
    """
    structure, weight = prepare(edge_index, edge_weight, num_nodes, normalization, epsilon, structure)
    merged = merge_repeats(structure)
    values = normalize(merged.structure, merged.sum(weight).abs(), normalization, epsilon)
    return narrow(_RowSums.apply(values, merged.structure), edge_weight.dtype)


class _RowSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, structure):
        ctx.save_for_backward(values)
        ctx.structure = structure
        return walk_sum(structure, values, values.new_ones(structure.num_nodes, 1))[0].squeeze(1)

    @staticmethod
    def backward(ctx, grad_output):
        (values,) = ctx.saved_tensors
        ones = values.new_ones(ctx.structure.num_nodes, 1)
        with torch.no_grad():
            gradient = walk_sum(ctx.structure, values, ones, lambda _: grad_output[:, None].contiguous())[1]
        return *once(gradient, of=(values, grad_output)), None


@torch.no_grad()
def edge_traffic(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    normalization: str = "both",
    epsilon: float = 1e-10,
    structure: GraphStructure | None = None,
) -> EdgeValues:
    r"""Compute how much of what a network communicates runs through each edge.

    Total communicability adds up all walks, each with its weight and over the factorial of its length. The traffic of an edge
    adds up those that use it, as often as they do; that is the derivative in the logarithm of the edge's normalised weight,

    .. math::
        \tau_e = A_e \, \frac{\partial}{\partial A_e} \sum_{ij} \left( e^A \right)_{ij} .

    An edge may be long and strong and carry little, as where nothing arrives at it.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are one: each has the
            traffic of all.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit.
        num_nodes: Number of neurons :math:`N`.
        normalization: As in :func:`graphcortex.ops.communicability_matrix`.
        epsilon: As in :func:`graphcortex.ops.communicability_matrix`.
        structure: The structure of ``edge_index`` where it is there already.

    Returns:
        The traffic of each edge, shape ``(E,)``, without unit, not negative. Not differentiable.

    Raises:
        ValueError: As :func:`total_communicability`.

    References:
        Arrigo & Benzi (2016). Updating and downdating techniques for optimizing network communicability. SIAM J. Sci. Comput. 38.
        https://doi.org/10.1137/140991923

    Example:
        >>> edge_traffic(torch.tensor([[0, 1], [1, 2]]), torch.ones(2), 3)  # the walk of length 1, and the one of length 2
        tensor([1.5000, 1.5000])
    """
    structure, weight = prepare(edge_index, edge_weight, num_nodes, normalization, epsilon, structure)
    merged = merge_repeats(structure)
    values = normalize(merged.structure, merged.sum(weight).abs(), normalization, epsilon)
    ones = values.new_ones(num_nodes, 1)
    gradient = walk_sum(merged.structure, values, ones, lambda _: ones)[1]
    return narrow(merged.spread(values * gradient), edge_weight.dtype)
