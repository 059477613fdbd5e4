"""Small graphs as values that print as the code that makes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch

_MOST_SHOWN = 200
"""Tensors of more entries are described rather than written out."""


class Edges(NamedTuple):
    """A small weighted graph; unpack it into any function of ``ops`` or ``metrics``: ``out_strength(*graph)``.

    Example:
        >>> Edges(torch.tensor([[0], [1]]), torch.tensor([2.0]), 2)
        Edges(edge_index=torch.tensor([[0], [1]]), edge_weight=torch.tensor([2.0]), num_nodes=2)
    """

    edge_index: torch.Tensor
    """Source (row 0) and target (row 1), int64, shape ``(2, E)``."""
    edge_weight: torch.Tensor | None
    """One weight per edge, floating point, shape ``(E,)``; None for an unweighted graph."""
    num_nodes: int
    """Number of neurons; some may have no edge."""

    def __repr__(self) -> str:
        """Return code that makes the graph."""
        return _call_as_code(type(self).__name__, self._asdict())


class GeometricGraph(NamedTuple):
    """A small weighted graph in space; unpack it into a function of ``(edge_index, edge_weight, num_nodes, pos)``."""

    edge_index: torch.Tensor
    """Source (row 0) and target (row 1), int64, shape ``(2, E)``."""
    edge_weight: torch.Tensor | None
    """One weight per edge, floating point, shape ``(E,)``; None for an unweighted graph."""
    num_nodes: int
    """Number of neurons; some may have no edge."""
    pos: torch.Tensor
    """Position of each neuron in um, floating point, shape ``(N, 3)``."""

    def __repr__(self) -> str:
        """Return code that makes the graph."""
        return _call_as_code(type(self).__name__, self._asdict())


@dataclass(frozen=True, eq=False, repr=False)
class AttributedGraph:
    """A graph with more values of its neurons or edges, which a law then moves along with them.

    Attributes:
        graph: The graph.
        node: Further arguments of the function by name, each of shape ``(N, ...)``: a membership, a cell type.
        edge: Further arguments of the function by name, each of shape ``(E, ...)``: a length, a delay.

    Example:
        >>> from graphcortex.testing import assert_invariant_to_relabelling
        >>> def edges_within(edge_index, edge_weight, num_nodes, module):
        ...     return float((module[edge_index[0]] == module[edge_index[1]]).sum())
        >>> graph = Edges(torch.tensor([[0, 1], [1, 2]]), torch.ones(2), 3)
        >>> graph = AttributedGraph(graph, node={"module": torch.tensor([0, 0, 1])})
        >>> assert_invariant_to_relabelling(edges_within, graph)
    """

    graph: Edges | GeometricGraph
    node: Mapping[str, torch.Tensor] = field(default_factory=dict)
    edge: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return code that makes the graph."""
        more = {name: values for name, values in (("node", self.node), ("edge", self.edge)) if values}
        return _call_as_code("AttributedGraph", {"graph": self.graph, **more})

    @property
    def num_edges(self) -> int:
        """Number of edges as they are listed."""
        return self.graph.edge_index.size(1)

    def arguments(self) -> tuple[tuple, dict[str, torch.Tensor]]:
        """Return copies of what a function is called with, by position and by name."""
        positional = tuple(value.clone() if isinstance(value, torch.Tensor) else value for value in self.graph)
        return positional, {name: value.clone() for name, value in {**self.node, **self.edge}.items()}

    def with_edges(self, **changed: torch.Tensor | None) -> AttributedGraph:
        """Return the graph with another ``edge_index`` or ``edge_weight`` for the edges at their places in the list."""
        return replace(self, graph=self.graph._replace(**changed))

    def take_edges(self, places: torch.Tensor) -> AttributedGraph:
        """Return the graph of the edges at some places in the list, in that order, repeated where a place is."""
        weight = self.graph.edge_weight
        graph = self.graph._replace(
            edge_index=self.graph.edge_index[:, places], edge_weight=None if weight is None else weight[places]
        )
        return replace(self, graph=graph, edge={name: values[places] for name, values in self.edge.items()})

    def take_nodes(self, places: torch.Tensor) -> AttributedGraph:
        """Return the graph whose neuron ``i`` has the values of neuron ``places[i]``; its edges name what they named."""
        graph = self.graph._replace(num_nodes=places.numel())
        if isinstance(graph, GeometricGraph):
            graph = graph._replace(pos=graph.pos[places])
        return replace(self, graph=graph, node={name: values[places] for name, values in self.node.items()})


AnyGraph = Edges | GeometricGraph | AttributedGraph


def attributed(graph: AnyGraph) -> AttributedGraph:
    """Return a graph as one with further values, of which there may be none."""
    return graph if isinstance(graph, AttributedGraph) else AttributedGraph(graph)


def as_code(value: Any) -> str:
    """Write a value as code, where it is short enough to read.

    Example:
        >>> as_code(torch.tensor([0.5, torch.nan], dtype=torch.float64))
        'torch.tensor([0.5, torch.nan], dtype=torch.float64)'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name!r}: {as_code(entry)}" for name, entry in value.items()) + "}"
    if not isinstance(value, torch.Tensor):
        return repr(value)
    if value.numel() > _MOST_SHOWN:
        return f"<{value.dtype} of shape {tuple(value.shape)}>"
    if value.numel() == 0:
        return f"torch.zeros({', '.join(map(str, value.shape))}, dtype={value.dtype})"
    numbers = re.sub(r"\b(nan|inf)\b", r"torch.\1", str(value.tolist()))
    plain = value.dtype in (torch.int64, torch.float32, torch.bool)
    return f"torch.tensor({numbers})" if plain else f"torch.tensor({numbers}, dtype={value.dtype})"


def _call_as_code(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={as_code(value)}' for key, value in arguments.items())})"
