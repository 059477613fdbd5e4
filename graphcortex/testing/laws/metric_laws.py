"""All laws of a metric in one call."""

from __future__ import annotations

from graphcortex._checks import check_choice
from graphcortex.testing.graphs import AnyGraph, attributed
from graphcortex.testing.laws._compare import KINDS, Function, call, fail, name_of
from graphcortex.testing.laws.conduct import assert_deterministic, assert_leaves_input_alone
from graphcortex.testing.laws.naming import assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.laws.values import assert_bounds, assert_finite_or_reason, assert_matches_oracle
from graphcortex.testing.laws.weighting import assert_scale_invariant, assert_sign_invariant
from graphcortex.testing.laws.wiring import (
    assert_invariant_to_direction,
    assert_invariant_to_isolated_neurons,
    assert_invariant_to_repeated_edges,
)


def assert_metric_laws(
    metric: Function,
    graph: AnyGraph,
    *,
    of: str = "graph",
    relabelling: bool = True,
    repeated_edges: bool = True,
    nan: bool = False,
    scale: float | None = None,
    signs: bool = False,
    direction: bool = False,
    isolated_neurons: bool = False,
    bounds: tuple[float, float] | None = None,
    oracle: Function | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check what holds of every metric of a graph, and of this one.

    Every metric leaves its input and the global generators alone, gives the same twice, and does not depend on the order of the
    edges. Unless switched off, it does not depend on the numbers of the neurons either, nor on an edge being listed as two halves,
    and is finite or says why not. The other laws are checked if asked for.

    Args:
        metric: What is tested: a function of ``(edge_index, edge_weight, num_nodes)``, and ``pos`` if the graph has positions.
        graph: The graph it is tested on: :class:`Edges`, :class:`GeometricGraph` or :class:`AttributedGraph`.
        of: What the result has one value of: ``"graph"``, ``"edge"``, ``"node"`` or ``"pair"``.
        relabelling: False for a search that breaks ties by the numbers of neurons.
        repeated_edges: False for what counts the edges as they are listed. It does not apply to ``of="edge"``.
        nan: Whether the result may be NaN without a reason.
        scale: How the result grows with the weights: 0 if not at all, 1 if in proportion. None does not check it.
        signs: Whether the result depends on the sizes of the weights alone.
        direction: Whether the result does not depend on the direction of edges.
        isolated_neurons: Whether the result does not depend on neurons without edges.
        bounds: Lowest and highest value; where the result is NaN, they do not apply.
        oracle: A slower, plainer function that gives the same.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If a law is broken; the message says which, and shows the graph as code.
        ValueError: If ``of`` is unknown.

    Example:
        >>> import torch
        >>> from graphcortex.metrics import assortativity
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1, 1], [1, 2, 3]]), torch.tensor([1.0, -2.0, 0.5]), 4)
        >>> assert_metric_laws(assortativity, graph, scale=0, signs=True, direction=True, bounds=(-1, 1))
    """
    check_choice(of, "of", KINDS)
    tolerance = {"rtol": rtol, "atol": atol}
    assert_leaves_input_alone(metric, graph)
    assert_deterministic(metric, graph)
    if not nan:
        assert_finite_or_reason(metric, graph)
    if bounds is not None:
        _assert_within(metric, graph, bounds, atol)
    if oracle is not None:
        assert_matches_oracle(metric, oracle, graph, **tolerance)
    assert_invariant_to_edge_order(metric, graph, of=of, **tolerance)
    if relabelling:
        assert_invariant_to_relabelling(metric, graph, of=of, **tolerance)
    if repeated_edges and of != "edge":
        assert_invariant_to_repeated_edges(metric, graph, of=of, **tolerance)
    if scale is not None:
        assert_scale_invariant(metric, graph, degree=scale, **tolerance)
    if signs:
        assert_sign_invariant(metric, graph, **tolerance)
    if direction:
        assert_invariant_to_direction(metric, graph, of=of, **tolerance)
    if isolated_neurons:
        assert_invariant_to_isolated_neurons(metric, graph, of=of, **tolerance)


def _assert_within(metric: Function, graph: AnyGraph, bounds: tuple[float, float], atol: float | None) -> None:
    for values in call(metric, attributed(graph)):
        try:
            assert_bounds(values[~values.isnan()], *bounds, tolerance=1e-9 if atol is None else atol)
        except AssertionError as error:
            fail(f"{name_of(metric)} leaves its bounds: {error}.", attributed(graph))
