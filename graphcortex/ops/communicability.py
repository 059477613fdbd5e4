"""Communicability: how well two neurons talk over all the walks between them."""

from __future__ import annotations

import torch

from graphcortex._checks import check_choice, check_edge_values, check_graph, check_number
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.kernels import edges_to_matrix, is_dense_view, matrix_to_edges
from graphcortex.ops._expm import expm_contraction

NORMALIZATIONS = ("both", "source")


def communicability_matrix(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    normalization: str = "both",
    epsilon: float = 1e-10,
) -> torch.Tensor:
    r"""Compute the weighted communicability of every pair of neurons as a dense matrix.

    Communicability counts all walks between two neurons, and discounts a walk of length :math:`k` by :math:`1 / k!`,

    .. math::
        C = \exp \left( S_1^{-1/2} \, |W| \, S_2^{-1/2} \right),

    with the diagonal matrices of the out-strengths as :math:`S_1` and of the in-strengths as :math:`S_2` (``"both"``), or with
    the out-strengths on both sides (``"source"``, the published form, equal for a symmetric :math:`W`).

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit.
        num_nodes: Number of neurons :math:`N`. Neurons without edges are allowed.
        normalization: ``"both"`` is bounded by :math:`e` and takes 0 for the inverse of a zero strength; ``"source"`` adds
            ``epsilon`` to the strengths, and is large in the columns of neurons without outputs.
        epsilon: What ``"source"`` adds to the strengths, in the unit of the weights.

    Returns:
        ``C[source, target]``, shape ``(N, N)``, without unit. Differentiable in ``edge_weight``.

    Raises:
        ValueError: If the shapes do not describe one graph, ``num_nodes < 1`` or the normalization is unknown.

    References:
        Crofts & Higham (2009). A weighted communicability measure applied to complex brain networks. J. R. Soc. Interface 6.
        https://doi.org/10.1098/rsif.2008.0484
    """
    check_graph(edge_index, edge_weight, num_nodes)
    check_choice(normalization, "normalization", NORMALIZATIONS)
    absolute = edges_to_matrix(edge_index, edge_weight, num_nodes).abs()
    if normalization == "both":
        # The Schur test bounds the 2-norm of the normalised matrix by 1.
        left, right = (_inverse_sqrt(absolute.sum(dim)) for dim in (1, 0))
        return expm_contraction(left[:, None] * absolute * right)
    # S^-1/2 |W| S^-1/2 is similar to S^-1 |W|, whose rows sum to at most 1 however small a strength is. So the polynomial needs
    # no scaling, and nothing is squared to infinity.
    strength = absolute.sum(1) + check_number(epsilon, "epsilon", above=0)
    root = strength.sqrt()
    return root[:, None] * expm_contraction(absolute / strength[:, None]) / root


def _inverse_sqrt(strength: torch.Tensor) -> torch.Tensor:
    """Return 1 / sqrt(s), and 0 with a zero gradient where s = 0."""
    positive = strength > 0
    return torch.where(positive, torch.where(positive, strength, 1.0).rsqrt(), 0.0)


def communicability(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    normalization: str = "both",
    epsilon: float = 1e-10,
) -> EdgeValues:
    r"""Compute the weighted communicability of both ends of every edge, :math:`c_e = C_{i_e j_e}`.

    Arguments, errors and references as :func:`communicability_matrix`.

    Returns:
        The communicability of each edge, shape ``(E,)``, without unit, in the dtype and device of ``edge_weight``.

    Example:
        >>> edge_index = torch.tensor([[0, 1, 0], [1, 2, 2]])
        >>> communicability(edge_index, torch.ones(3), num_nodes=3)
        tensor([0.7071, 0.7071, 0.7500])
    """
    matrix = communicability_matrix(edge_index, edge_weight, num_nodes, normalization=normalization, epsilon=epsilon)
    return matrix_to_edges(matrix, edge_index)


def spatial_communicability(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    edge_length: EdgeValues,
    num_nodes: int,
    *,
    normalization: str = "both",
    epsilon: float = 1e-10,
) -> torch.Tensor:
    r"""Compute what the wiring costs and communicates, :math:`\sum_e |w_e| \, d_e \, C_{i_e j_e}`.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight :math:`w_e` of each edge, shape ``(E,)``.
        edge_length: Length :math:`d_e` of each edge, shape ``(E,)``, in any unit, not negative.
        num_nodes: Number of neurons.
        normalization: As in :func:`communicability_matrix`.
        epsilon: As in :func:`communicability_matrix`.

    Returns:
        A scalar in units of weight times length. Differentiable in ``edge_weight``, also through :math:`C`.

    Raises:
        ValueError: If the shapes do not describe one graph, or a length is negative or NaN.

    References:
        Achterberg et al. (2023). Spatially embedded recurrent neural networks. Nat. Mach. Intell. 5.
        https://doi.org/10.1038/s42256-023-00748-9
    """
    check_graph(edge_index, edge_weight, num_nodes)
    check_edge_values(edge_length, edge_index, "edge_length")
    if not bool((edge_length >= 0).all()):
        raise ValueError(
            f"edge_length must not be negative or NaN, got a smallest value of {float(edge_length.min())}."
        )
    if edge_index.size(1) == 0:
        return edge_weight.sum()
    matrix = communicability_matrix(edge_index, edge_weight, num_nodes, normalization=normalization, epsilon=epsilon)
    absolute = edges_to_matrix(edge_index, edge_weight, num_nodes).abs()
    return (absolute * _length_matrix(edge_index, edge_length, num_nodes) * matrix).sum()


def _length_matrix(edge_index: EdgeIndex, edge_length: EdgeValues, num_nodes: int) -> torch.Tensor:
    if is_dense_view(edge_index, num_nodes):
        return edge_length.view(num_nodes, num_nodes)
    matrix = edge_length.new_zeros(num_nodes, num_nodes)
    return matrix.index_put(
        (edge_index[0], edge_index[1]), edge_length
    )  # repeated edges are equally long: none is added
