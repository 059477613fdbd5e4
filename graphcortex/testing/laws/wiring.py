"""Different lists of edges that are one graph, or that some metrics must not tell apart."""

from __future__ import annotations

import torch

from graphcortex._checks import check_choice, check_count
from graphcortex.testing.graphs import AnyGraph, attributed
from graphcortex.testing.laws._compare import KINDS, Function, assert_same, call


def assert_invariant_to_repeated_edges(
    function: Function, graph: AnyGraph, *, of: str = "graph", rtol: float | None = None, atol: float | None = None
) -> None:
    """Check that an edge that is listed as two, each with half of the weight, is the same edge.

    Every edge is split, and then every second one, so that a metric of proportions cannot hide. In an unweighted graph the
    edge is listed twice.

    Args:
        function: What is tested.
        graph: The graph it is tested on.
        of: What the result has one value of: ``"graph"``, ``"node"`` or ``"pair"``.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If it is not; the message shows the graph as code, and both results.
        ValueError: If ``of`` is unknown.

    Example:
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> assert_invariant_to_repeated_edges(lambda edge_index, edge_weight, num_nodes: edge_weight.sum(), graph)
    """
    check_choice(of, "of", ("graph", "node", "pair"))
    graph = attributed(graph)
    expected = call(function, graph)
    places = torch.arange(graph.num_edges)
    for which, split in {"every edge": places, "every second edge": places[::2]}.items():
        twice = graph.take_edges(torch.cat([places, split]))
        if twice.graph.edge_weight is not None:
            weight = twice.graph.edge_weight.clone()
            weight[split] /= 2
            weight[graph.num_edges :] /= 2
            twice = twice.with_edges(edge_weight=weight)
        what = f"how often an edge is listed: {which} was split into two halves"
        assert_same(call(function, twice), expected, what, function, graph, rtol, atol)


def assert_invariant_to_isolated_neurons(
    function: Function,
    graph: AnyGraph,
    count: int = 2,
    *,
    of: str = "graph",
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check that a result does not change when neurons without edges are added. Not all metrics are like that.

    Args:
        function: What is tested.
        graph: The graph it is tested on.
        count: How many are added, after the others. Positions and other values they have are those of neuron 0.
        of: What the result has one value of; the values of the new neurons are not looked at.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If it does; the message shows the graph as code, and both results.
        ValueError: If ``count < 1``, or ``of`` is unknown.

    Example:
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> assert_invariant_to_isolated_neurons(lambda edge_index, edge_weight, num_nodes: edge_weight.sum(), graph)
    """
    check_choice(of, "of", KINDS)
    count = check_count(count, "count")
    graph = attributed(graph)
    N = graph.graph.num_nodes
    places = torch.cat([torch.arange(N), torch.zeros(count, dtype=torch.int64)])
    found = call(function, graph.take_nodes(places))
    if of in ("node", "pair"):
        found = [value[:N] if value.dim() else value for value in found]
    if of == "pair":
        found = [value[:, :N] if value.dim() > 1 else value for value in found]
    assert_same(
        found, call(function, graph), f"neurons without edges, of which {count} more", function, graph, rtol, atol
    )


def assert_invariant_to_direction(
    function: Function,
    graph: AnyGraph,
    *,
    pairwise: bool = True,
    of: str = "graph",
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check that a result does not depend on which end of an edge is its source, as an undirected metric must not.

    All edges are turned round, and then those between every second pair of neurons.

    Args:
        function: What is tested.
        graph: The graph it is tested on.
        pairwise: Whether to turn the edges of some pairs alone too. A directed metric that treats inputs and outputs alike,
            such as a spectral radius, stays the same if all are turned.
        of: What the result has one value of.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the unit of the result.

    Raises:
        AssertionError: If it does; the message shows the graph as code, and both results.
        ValueError: If ``of`` is unknown.

    Example:
        >>> from graphcortex.testing import Edges
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([1.0, 2.0]), 3)
        >>> def mean_degree(edge_index, edge_weight, num_nodes):
        ...     return edge_index.flatten().bincount(minlength=num_nodes).double().mean()
        >>> assert_invariant_to_direction(mean_degree, graph)
    """
    check_choice(of, "of", KINDS)
    graph = attributed(graph)
    edge_index = graph.graph.edge_index
    low, high = edge_index.min(0).values, edge_index.max(0).values
    pair = (low * graph.graph.num_nodes + high).unique(return_inverse=True)[1]
    expected = call(function, graph)
    turns = {"all edges": torch.ones_like(pair, dtype=torch.bool)}
    if pairwise:
        turns["the edges of every second pair"] = pair % 2 == 0
    for which, turned in turns.items():
        found = call(function, graph.with_edges(edge_index=torch.where(turned, edge_index.flip(0), edge_index)))
        assert_same(found, expected, f"the direction of edges: {which} were turned round", function, graph, rtol, atol)
