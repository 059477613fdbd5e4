"""Communicability: how well two neurons talk over all the walks between them, and what that costs."""

from __future__ import annotations

import torch

from graphcortex._checks import check_choice, check_count, check_edge_index, check_number
from graphcortex._random import as_generator
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.kernels import GraphStructure, matrix_to_edges
from graphcortex.ops._blocked import BlockedCost, ExponentialAtPairs, positive_power
from graphcortex.ops._edges import (
    NORMALIZATIONS,
    Merged,
    check_lengths,
    inverse_sqrt,
    merge_repeats,
    narrow,
    normalize,
    prepare,
    widen,
)
from graphcortex.ops._expm import expm_contraction
from graphcortex.ops._stochastic import known_direction, probes_for, stochastic_cost

__all__ = ["METHODS", "NORMALIZATIONS", "communicability", "communicability_matrix", "spatial_communicability"]

METHODS = ("auto", "exact-dense", "exact-blocked", "stochastic")
EXACT = ("auto", "exact-dense", "exact-blocked")
DEFAULT_PROBES = 16
# One multiplication of a dense product of N x N matrices, over one of a sparse product with a block of columns: measured on
# two cores.
_DENSE_OVER_SPARSE = 0.2
# Above so many neurons, and with a generator at hand, an exact value is not worth its time.
_STOCHASTIC_NODES = 1000


def communicability_matrix(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    normalization: str = "both",
    epsilon: float = 1e-10,
    structure: GraphStructure | None = None,
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
        structure: The structure of ``edge_index`` where it is there already (``rnn.structure``): what is known of it is not
            found again.

    Returns:
        ``C[source, target]``, shape ``(N, N)``, without unit. Differentiable in ``edge_weight``, any number of times.

    Raises:
        OverflowError: If the result does not fit float32, or (in the backward pass) the gradient. Weights in float32 are computed
            in float64 where the strength of a neuron is below 1e-12 or above 1e12, so that nothing on the way is lost. In float64
            itself, if the gradient is lost because a strength is below 1e-150 or above 1e150.
        ValueError: If the shapes do not describe one graph, ``num_nodes < 1``, a weight is NaN or infinite, or the normalization is
            unknown.

    References:
        Crofts & Higham (2009). A weighted communicability measure applied to complex brain networks. J. R. Soc. Interface 6.
        https://doi.org/10.1098/rsif.2008.0484
    """
    structure, weight = prepare(edge_index, edge_weight, num_nodes, normalization, epsilon, structure)
    return narrow(_matrix(structure.matrix(weight).abs(), normalization, epsilon), edge_weight.dtype)


def _matrix(absolute: torch.Tensor, normalization: str, epsilon: float) -> torch.Tensor:
    """Return the communicability of a dense ``|W|``."""
    if normalization == "both":
        # The Schur test bounds the 2-norm of the normalised matrix by 1.
        left, right = (inverse_sqrt(absolute.sum(dim)) for dim in (1, 0))
        return expm_contraction(left[:, None] * absolute * right)
    # S^-1/2 |W| S^-1/2 is similar to S^-1 |W|, whose rows sum to at most 1 however small a strength is. So the polynomial needs
    # no scaling, and nothing is squared to infinity.
    strength = absolute.sum(1) + epsilon
    root = strength.sqrt()
    return root[:, None] * expm_contraction(absolute / strength[:, None]) / root


def communicability(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    pairs: EdgeIndex | None = None,
    method: str = "auto",
    normalization: str = "both",
    epsilon: float = 1e-10,
    structure: GraphStructure | None = None,
) -> EdgeValues:
    r"""Compute the weighted communicability of both ends of every edge, :math:`c_e = C_{i_e j_e}`, or of any other pairs.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit.
        num_nodes: Number of neurons :math:`N`. Neurons without edges are allowed.
        pairs: Source and target of the pairs to look at, shape ``(2, P)``; they need not be edges, and may repeat. The edges,
            if not given. Time grows with the number of different targets.
        method: ``"exact-dense"`` makes the whole matrix; ``"exact-blocked"`` makes its columns block by block, and never an
            N x N array; ``"auto"`` takes the one that needs less time.
        normalization: As in :func:`communicability_matrix`.
        epsilon: As in :func:`communicability_matrix`.
        structure: As in :func:`communicability_matrix`.

    Returns:
        The communicability of each pair, shape ``(P,)`` or ``(E,)``, without unit, in the dtype and device of ``edge_weight``.
        Differentiable in ``edge_weight``; any number of times with ``"exact-dense"``, once with ``"exact-blocked"``, which refuses
        a second derivative.

    Raises:
        OverflowError: As :func:`communicability_matrix`.
        ValueError: If the shapes do not describe one graph, a pair names a neuron that is not there, ``num_nodes < 1``, a
            weight is NaN or infinite, or an option is unknown.

    References:
        Crofts & Higham (2009). A weighted communicability measure applied to complex brain networks. J. R. Soc. Interface 6.
        https://doi.org/10.1098/rsif.2008.0484

    Example:
        >>> edge_index = torch.tensor([[0, 1, 0], [1, 2, 2]])
        >>> communicability(edge_index, torch.ones(3), num_nodes=3)
        tensor([0.7071, 0.7071, 0.7500])
        >>> communicability(edge_index, torch.ones(3), num_nodes=3, pairs=torch.tensor([[2], [0]]))  # nothing leads from 2 to 0
        tensor([0.])
    """
    structure, weight = prepare(edge_index, edge_weight, num_nodes, normalization, epsilon, structure)
    check_choice(method, "method", EXACT)
    if pairs is not None:
        check_edge_index(pairs, num_nodes, "pairs")
    wanted = edge_index if pairs is None else pairs
    if method == "auto":
        columns = num_nodes if pairs is None else min(num_nodes, pairs.size(1))
        method = _exact_method(structure, columns)
    if method == "exact-dense":
        matrix = _matrix(structure.matrix(weight).abs(), normalization, epsilon)
        return narrow(matrix_to_edges(matrix, wanted), edge_weight.dtype)
    merged = merge_repeats(structure)
    values = normalize(merged.structure, merged.sum(weight).abs(), normalization, epsilon)
    at_pairs = ExponentialAtPairs.apply(
        values, merged.structure, merged.structure.edge_index if pairs is None else pairs
    )
    return narrow(merged.spread(at_pairs) if pairs is None else at_pairs, edge_weight.dtype)


def _exact_method(structure: GraphStructure, columns: int) -> str:
    N = structure.num_nodes
    return "exact-dense" if structure.num_edges * columns >= _DENSE_OVER_SPARSE * N**3 else "exact-blocked"


def spatial_communicability(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    edge_length: EdgeValues,
    num_nodes: int,
    *,
    method: str = "auto",
    normalization: str = "both",
    exponent: float = 1.0,
    probes: int | None = None,
    tolerance: float | None = None,
    rng: RandomSource | None = None,
    return_standard_error: bool = False,
    epsilon: float = 1e-10,
    structure: GraphStructure | None = None,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    r"""Compute what the wiring costs and communicates, :math:`\sum_e |w_e| \, d_e \, C_{i_e j_e}^f`.

    With :math:`M = |W| \circ D` this is, for :math:`f = 1`, the trace of :math:`M^\top e^A`: the exponential is needed only
    where it meets a few vectors. The gradient, also through :math:`C`, is made together with the value, in about twice its
    time, and only ``2 E`` numbers are kept for the backward pass.

    =================  ====================================  =======================  ========================================
    method             time                                  memory                   result
    =================  ====================================  =======================  ========================================
    ``exact-dense``    :math:`15 N^3`                        :math:`10 N^2`           exact to rounding
    ``exact-blocked``  :math:`40 E N`                        E, and N x block         exact to rounding
    ``stochastic``     :math:`40 E \cdot \text{probes}`      E, and N x probes        unbiased, value and gradient
    ``auto``                                                                          exact, by the smaller time; with an ``rng``
                                                                                      and more than 1,000 neurons, stochastic
    =================  ====================================  =======================  ========================================

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight :math:`w_e` of each edge, shape ``(E,)``. Repeated edges are summed.
        edge_length: Length :math:`d_e` of each edge, shape ``(E,)``, in any unit, not negative; repeated edges are equally long.
        num_nodes: Number of neurons.
        method: See the table. ``"auto"`` is random only where ``rng`` is given; with a ``tolerance`` too, it is exact where the
            probes that it takes would cost more.
        normalization: As in :func:`communicability_matrix`.
        exponent: :math:`f`, greater than 0, the ``comms_factor`` of seRNN. Only the exact methods know others than 1.
        probes: Random vectors of the stochastic method, at least 1; 16 if not given.
        tolerance: Relative standard error that the stochastic method should reach. A pilot of 8 probes decides how many that takes;
            it has no part in the estimate. Give this or ``probes``.
        rng: A generator, or an int seed, for the probes. The stochastic method needs it.
        return_standard_error: Whether to return the standard error of the value too: 0 for an exact method, NaN for one probe.
        epsilon: As in :func:`communicability_matrix`.
        structure: The structure of ``edge_index`` where it is there already (``rnn.structure``). Edges are sorted once per
            structure, so a loop should pass it.

    Returns:
        A scalar in units of weight times length, in the dtype of ``edge_weight``; with ``return_standard_error``, also a scalar in
        the same unit. Differentiable in ``edge_weight`` and ``edge_length``; any number of times with ``"exact-dense"``, once with
        the other methods, which refuse a second derivative. A graph without edges costs 0.

    Raises:
        OverflowError: As :func:`communicability_matrix`.
        ValueError: If the shapes do not describe one graph, a length is negative or not finite, a weight is NaN or infinite,
            an option is unknown or out of range, or the stochastic method lacks its ``rng`` or is asked for an exponent other
            than 1.

    References:
        Achterberg et al. (2023). Spatially embedded recurrent neural networks. Nat. Mach. Intell. 5.
        https://doi.org/10.1038/s42256-023-00748-9

        Meyer, Musco, Musco & Woodruff (2021). Hutch++: optimal stochastic trace estimation.
        https://doi.org/10.1137/1.9781611976496.16
    """
    structure, weight = prepare(edge_index, edge_weight, num_nodes, normalization, epsilon, structure)
    check_lengths(edge_length, edge_index)
    length = widen(edge_length, weight.dtype)
    check_choice(method, "method", METHODS)
    exponent = check_number(exponent, "exponent", above=0)
    if probes is not None and tolerance is not None:
        raise ValueError(f"tolerance must not be given together with probes, got {tolerance!r} and {probes!r}.")
    num_probes = check_count(DEFAULT_PROBES if probes is None else probes, "probes")
    if tolerance is not None:
        check_number(tolerance, "tolerance", above=0)
    chosen = _choose(structure, method, exponent, rng)
    if edge_index.size(1) == 0:
        value, error = weight.sum() + length.sum(), weight.new_zeros(())
    elif chosen == "exact-dense":
        merged = merge_repeats(structure)
        absolute = merged.structure.matrix(merged.sum(weight)).abs()
        matrix = _matrix(absolute, normalization, epsilon)
        if exponent != 1:
            matrix = positive_power(matrix, exponent)
        value = (absolute * merged.structure.matrix(merged.pick(length)) * matrix).sum()
        error = value.new_zeros(())
    else:
        merged = merge_repeats(structure)
        absolute = merged.sum(weight).abs()
        values = normalize(merged.structure, absolute, normalization, epsilon)
        cost = absolute * merged.pick(length)
        if chosen == "stochastic":
            value, error = _stochastic(
                merged, absolute, values, cost, normalization, num_probes, tolerance, rng, may_be_exact=method == "auto"
            )
        else:
            value = BlockedCost.apply(values, cost, merged.structure, exponent)
            error = value.new_zeros(())
    value = narrow(value, edge_weight.dtype)
    return (value, narrow(error.detach(), edge_weight.dtype)) if return_standard_error else value


def _choose(structure: GraphStructure, method: str, exponent: float, rng: RandomSource | None) -> str:
    """Return the method to use; ``"stochastic"`` in place of ``"auto"`` may still turn out to cost more than an exact one."""
    if method == "auto":
        if rng is None or exponent != 1 or structure.num_nodes <= _STOCHASTIC_NODES:
            return _exact_method(structure, structure.num_nodes)
        return "stochastic"
    if method == "stochastic":
        if rng is None:
            raise ValueError("rng must be a torch.Generator or an int seed for the stochastic method, got None.")
        if exponent != 1:
            raise ValueError(
                f"exponent must be 1 for the stochastic method, got {exponent}: a power of C is no trace. Use exact-blocked."
            )
    return method


def _stochastic(
    merged: Merged,
    absolute: EdgeValues,
    values: EdgeValues,
    cost: EdgeValues,
    normalization: str,
    num_probes: int,
    tolerance: float | None,
    rng: RandomSource,
    *,
    may_be_exact: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    structure = merged.structure
    generator = as_generator(rng, values.device)
    direction = known_direction(structure, absolute.detach(), normalization)
    if tolerance is not None:
        num_probes = probes_for(structure, values, cost, direction, tolerance, generator)
        if may_be_exact and num_probes >= structure.num_nodes:  # as many columns as all of the matrix
            value = BlockedCost.apply(values, cost, structure, 1.0)
            return value, value.new_zeros(())
    return stochastic_cost(structure, values, cost, direction, num_probes, generator)
