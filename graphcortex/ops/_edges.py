"""The edges that communicability runs on: each pair once, and normalised by the strengths of its ends."""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch

from graphcortex._checks import check_choice, check_count, check_edge_values, check_finite, check_graph, check_number
from graphcortex._typing import EdgeIndex, EdgeValues, NodeValues
from graphcortex.kernels import GraphStructure
from graphcortex.ops._walks import check_precision

NORMALIZATIONS = ("both", "source")


class Merged(NamedTuple):
    """A graph without repeated edges: ``slot`` is the merged edge of each edge, ``member`` one of the edges of each merged one."""

    structure: GraphStructure
    slot: torch.Tensor | None
    member: torch.Tensor | None

    def sum(self, values: EdgeValues) -> EdgeValues:
        """Add up the values of repeated edges."""
        if self.slot is None:
            return values
        return values.new_zeros(self.structure.num_edges).index_add(0, self.slot, values)

    def pick(self, values: EdgeValues) -> EdgeValues:
        """Take one of the values of repeated edges, which are alike."""
        return values if self.member is None else values[self.member]

    def spread(self, values: EdgeValues) -> EdgeValues:
        """Give every edge the value of its merged edge."""
        return values if self.slot is None else values[self.slot]


# A structure lives as long as its network: what is merged is found once, and not in every training step.
_MERGED: WeakKeyDictionary[GraphStructure, Merged] = WeakKeyDictionary()


@torch.inference_mode(False)  # training may use it later
def merge_repeats(structure: GraphStructure) -> Merged:
    """Return the graph with every pair of neurons joined at most once."""
    # The structure itself is not kept among its own values, or it would never be let go.
    found = _MERGED.get(structure)
    if found is not None:
        return found
    if structure.is_dense_view or not structure.has_repeats:
        return Merged(structure, None, None)
    N = structure.num_nodes
    key, slot = torch.unique(structure.edge_index[0] * N + structure.edge_index[1], return_inverse=True)
    positions = torch.arange(slot.numel(), device=slot.device)
    member = torch.zeros_like(key).scatter_(0, slot, positions)
    pairs = torch.stack([torch.div(key, N, rounding_mode="floor"), key % N])
    _MERGED[structure] = Merged(GraphStructure.build(pairs, N), slot, member)
    return _MERGED[structure]


# Strengths, and their inverses, between which the sums and roots of communicability and of its gradient stay in range.
_STRENGTH_LIMIT = {torch.float32: 1e12, torch.float64: 1e150}


def prepare(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    normalization: str,
    epsilon: float,
    structure: GraphStructure | None,
) -> tuple[GraphStructure, EdgeValues]:
    """Check the arguments that all measures of communicability share; return the structure of the graph and the weights to use.

    Weights in float32 are used in float64 where strengths are so small or large that float32 would lose them on the way; bring the
    result back with :func:`narrow`.

    Raises:
        ValueError: If the shapes do not describe one graph, a weight is not finite or of half precision, the normalization is
            unknown, epsilon is not greater than 0, or the structure is that of another graph.
    """
    if structure is None:
        check_graph(edge_index, edge_weight, num_nodes)
        structure = GraphStructure(edge_index, num_nodes, num_nodes)
    else:
        check_count(num_nodes, "num_nodes")
        known = structure.edge_index
        if structure.num_nodes != num_nodes or (known is not edge_index and not torch.equal(known, edge_index)):
            raise ValueError(
                f"structure must be that of edge_index: expected {edge_index.size(1)} edges of {num_nodes} neurons, got "
                f"{structure.num_edges} edges of {structure.num_nodes} neurons, or the same ones in another order."
            )
        check_edge_values(edge_weight, edge_index)
    check_finite(edge_weight, "edge_weight")
    check_choice(normalization, "normalization", NORMALIZATIONS)
    check_number(epsilon, "epsilon", above=0)
    check_precision(edge_weight)
    if _is_extreme(structure, edge_weight.detach(), normalization, epsilon):
        return structure, _Widen.apply(edge_weight, torch.float64)
    return structure, edge_weight


def _is_extreme(structure: GraphStructure, edge_weight: EdgeValues, normalization: str, epsilon: float) -> bool:
    """Say whether a strength is so small or large that the precision of the weights would lose it on the way."""
    absolute, limit = edge_weight.abs(), _STRENGTH_LIMIT[edge_weight.dtype]
    if absolute.numel() == 0:
        return False
    # With "source", a neuron without outputs has the strength epsilon.
    least = epsilon if normalization == "source" else 1.0
    low, high = (float(value) for value in absolute.aminmax())
    if min(low, least) >= 1 / limit and high * absolute.numel() <= limit:
        return False  # a strength is not below the smallest of its weights
    strengths = absolute.new_zeros(2, structure.num_nodes, dtype=torch.float64)
    for strength, ends in zip(strengths, structure.edge_index, strict=True):
        strength.index_add_(0, ends, absolute.double())
    strengths = torch.cat([strengths[strengths > 0], strengths.new_tensor([least])])
    low, high = (float(value) for value in strengths.aminmax())
    return low < 1 / limit or high > limit


def widen(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return values in a precision that is not lower; differentiable, where a gradient that their own cannot hold is an error.

    Raises:
        OverflowError: In the backward pass, as :func:`narrow`.
    """
    return values if values.dtype is dtype else _Widen.apply(values, dtype)


class _Widen(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, dtype):
        ctx.dtype = values.dtype
        return values.to(dtype)

    @staticmethod
    def backward(ctx, grad_output):
        if ctx.dtype is torch.float64 and not bool(grad_output.isfinite().all()):
            raise OverflowError(
                "the gradient of communicability must fit torch.float64, got NaN or infinity, as strengths below 1e-150 or above "
                "1e150 give; multiply the weights by a number, or set the smallest to 0."
            )
        return narrow(grad_output, ctx.dtype, "the gradient of communicability"), None


def narrow(values: torch.Tensor, dtype: torch.dtype, name: str = "communicability") -> torch.Tensor:
    """Return a result in the precision of the weights; what is too small for it is 0.

    Raises:
        OverflowError: If it is too large for that precision.
    """
    if values.dtype is dtype:
        return values
    result = values.to(dtype)
    if bool((result.isinf() & values.isfinite()).any()):
        raise OverflowError(
            f"{name} must fit {dtype}, got up to {float(values.detach().abs().max()):.3g}; multiply the weights by a number, or "
            "call .double() on them."
        )
    return result


def check_lengths(edge_length: EdgeValues, edge_index: EdgeIndex) -> None:
    """Check that there is one length per edge, finite and not negative.

    Raises:
        ValueError: If there is not.
    """
    check_edge_values(edge_length, edge_index, "edge_length")
    if not bool((edge_length >= 0).all()):
        raise ValueError(
            f"edge_length must not be negative or NaN, got a smallest value of {float(edge_length.min())}."
        )
    check_finite(edge_length, "edge_length")


def end_factors(
    structure: GraphStructure, absolute: EdgeValues, normalization: str, epsilon: float
) -> tuple[NodeValues, NodeValues]:
    """Return what normalises an edge at its source and at its target, each of shape ``(N,)``; differentiable in the weights."""
    source, target = structure.edge_index
    strength = absolute.new_zeros(structure.num_nodes).index_add(0, source, absolute)
    if normalization == "source":
        factor = (strength + epsilon).rsqrt()
        return factor, factor
    received = absolute.new_zeros(structure.num_nodes).index_add(0, target, absolute)
    return inverse_sqrt(strength), inverse_sqrt(received)


def normalize(structure: GraphStructure, absolute: EdgeValues, normalization: str, epsilon: float) -> EdgeValues:
    r"""Return the entries of :math:`A = S_1^{-1/2} |W| S_2^{-1/2}` at the edges, shape ``(E,)``; differentiable.

    With out- and in-strengths the 2-norm of :math:`A` is at most 1 (Schur's test). With out-strengths at both ends it is diagonally
    similar to :math:`S^{-1} |W|`, whose rows sum to at most 1. All its entries are positive, so that a series in :math:`A`
    has, entry by entry, the relative error of the series in that matrix, however small a strength is.
    """
    left, right = end_factors(structure, absolute, normalization, epsilon)
    source, target = structure.edge_index
    return absolute * left.index_select(0, source) * right.index_select(0, target)


def inverse_sqrt(strength: torch.Tensor) -> torch.Tensor:
    """Return 1 / sqrt(s), and 0 with a zero gradient where s = 0."""
    positive = strength > 0
    return torch.where(positive, torch.where(positive, strength, 1.0).rsqrt(), 0.0)
