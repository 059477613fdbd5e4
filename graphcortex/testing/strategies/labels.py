"""What else is drawn for a graph: modules of its neurons, and new numbers for neurons or edges."""

from __future__ import annotations

import torch

from graphcortex._checks import check_choice, check_count
from graphcortex.testing.graphs import AnyGraph, attributed
from graphcortex.testing.strategies._hypothesis import st


def memberships(num_nodes: int, max_modules: int | None = None):
    """Draw the module of each neuron. Failures shrink to one module.

    Args:
        num_nodes: Number of neurons.
        max_modules: Most modules; as many as neurons, if not given.

    Returns:
        A strategy of int64 tensors of shape ``(N,)``; modules are 0 .. number of modules - 1, none of them empty.

    Raises:
        ValueError: If there is no neuron or no module.

    Example:
        >>> from hypothesis import find
        >>> find(memberships(4), lambda module: module.max() == 1)
        tensor([0, 0, 0, 1])
    """
    num_nodes = check_count(num_nodes, "num_nodes")
    most = num_nodes if max_modules is None else check_count(max_modules, "max_modules")
    drawn = st.lists(st.integers(0, most - 1), min_size=num_nodes, max_size=num_nodes)
    return drawn.map(lambda names: torch.tensor(names).unique(return_inverse=True)[1])


def permutations_of(graph: AnyGraph, of: str = "node"):
    """Draw new numbers for the neurons of a graph, or a new order of its edges. Failures shrink to the old one.

    Args:
        graph: The graph.
        of: ``"node"`` or ``"edge"``.

    Returns:
        A strategy of int64 tensors, as the checkers of laws take them.

    Raises:
        ValueError: If ``of`` is unknown.
    """
    check_choice(of, "of", ("node", "edge"))
    graph = attributed(graph)
    size = graph.graph.num_nodes if of == "node" else graph.num_edges
    return st.permutations(range(size)).map(lambda order: torch.tensor(order, dtype=torch.int64))
