"""What a metric may ignore of the weights: their unit, or their signs."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from graphcortex._checks import check_number
from graphcortex.testing.graphs import AnyGraph, AttributedGraph, attributed
from graphcortex.testing.laws._compare import Function, assert_same, call

_FACTORS = (2.0**-20, 2.0**20)
"""Powers of two, so that scaling itself rounds nothing and ties stay ties."""


def assert_scale_invariant(
    function: Function,
    graph: AnyGraph,
    factor: float | Sequence[float] = _FACTORS,
    *,
    degree: float = 0.0,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    r"""Check that a result does not depend on the unit of the weights: :math:`f(c W) = c^d f(W)` for :math:`c > 0`.

    Args:
        function: What is tested.
        graph: The graph it is tested on, with weights.
        factor: One or several factors :math:`c`. The default is a very small and a large one, which shows a constant that was
            added to avoid a division by zero.
        degree: How the result grows with the weights, :math:`d`: 0 for a result without unit, 1 for a sum of weights.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result before scaling.

    Raises:
        AssertionError: If it does; the message shows the graph as code, and both results.
        ValueError: If a factor is not positive, or the graph has no weights.

    Example:
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> assert_scale_invariant(lambda edge_index, edge_weight, num_nodes: edge_weight.sum(), graph, degree=1)
    """
    graph = attributed(graph)
    weight = _weights_of(graph)
    degree = check_number(degree, "degree")
    factors = [factor] if isinstance(factor, (int, float)) else list(factor)
    expected = call(function, graph)
    for c in factors:
        c = check_number(c, "factor", above=0.0)
        scaled = [
            value / c**degree if degree else value for value in call(function, graph.with_edges(edge_weight=c * weight))
        ]
        what = f"the unit of the weights, multiplied by {c:g}" + (f" (and divided by {c**degree:g})" if degree else "")
        assert_same(scaled, expected, what, function, graph, rtol, atol)


def assert_sign_invariant(
    function: Function, graph: AnyGraph, *, rtol: float | None = None, atol: float | None = None
) -> None:
    """Check that a result does not depend on the signs of the weights.

    The sign of every connection is flipped, and then that of every second one. All edges from one neuron to another are one
    connection: they keep what their signs are among each other, and so the size of their sum.

    Args:
        function: What is tested.
        graph: The graph it is tested on, with weights.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If it does; the message shows the graph as code, and both results.
        ValueError: If the graph has no weights.

    Example:
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> assert_sign_invariant(lambda edge_index, edge_weight, num_nodes: edge_weight.abs().max(), graph)
    """
    graph = attributed(graph)
    weight = _weights_of(graph)
    source, target = graph.graph.edge_index
    connection = (source * graph.graph.num_nodes + target).unique(return_inverse=True)[1]
    expected = call(function, graph)
    for which, flipped in {
        "all": torch.ones_like(connection, dtype=torch.bool),
        "every second": connection % 2 == 0,
    }.items():
        signed = call(function, graph.with_edges(edge_weight=torch.where(flipped, -weight, weight)))
        what = f"the signs of weights: {which} of the connections changed theirs"
        assert_same(signed, expected, what, function, graph, rtol, atol)


def _weights_of(graph: AttributedGraph) -> torch.Tensor:
    if graph.graph.edge_weight is None:
        raise ValueError("edge_weight must be given for a law of weights, got None.")
    return graph.graph.edge_weight
