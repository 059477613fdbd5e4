"""A graph as metrics and null models look at it: each pair once, no self-connections, no weight of 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse
import torch

from graphcortex._checks import check_count, check_edge_index, check_finite, check_graph, check_number
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.graphs import _igraph


@dataclass(frozen=True, eq=False)
class SimpleGraph:
    """A simple graph, as arrays that must not be written to. What is derived from them is made once.

    Attributes:
        source: Source of each edge, int64, shape ``(M,)``; edges ascend by (source, target).
        target: Target of each edge, int64, shape ``(M,)``; greater than the source where the graph is undirected.
        weight: Size of the weight of each edge, float64 greater than 0, shape ``(M,)``; None for an unweighted graph.
        num_nodes: Number of neurons :math:`N`.
        directed: Whether edges have a direction. If not, each linked pair is stored once.
        pos: Position of each neuron in um, float64, shape ``(N, 3)``, where it matters.
        sign: Sign of each weight, int8, shape ``(M,)``: +1, -1, or 0 for a pair without direction whose two directions differ in
            sign. None where no weight is negative.
    """

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None
    num_nodes: int
    directed: bool
    pos: np.ndarray | None = None
    sign: np.ndarray | None = None

    @property
    def num_edges(self) -> int:
        """Number of edges; of linked pairs, where the graph is undirected."""
        return self.source.size

    @property
    def edge_index(self) -> torch.Tensor:
        """The edges as a tensor, int64, shape ``(2, M)``."""
        return torch.from_numpy(np.stack((self.source, self.target)))

    @property
    def edge_weight(self) -> torch.Tensor | None:
        """The sizes of the weights as a tensor, float64, shape ``(M,)``."""
        return None if self.weight is None else torch.from_numpy(self.weight)

    @cached_property
    def out_degree(self) -> np.ndarray:
        """Number of outputs of each neuron, shape ``(N,)``; of neighbours, where the graph is undirected."""
        return self._sum_at_sources(None)

    @cached_property
    def in_degree(self) -> np.ndarray:
        """Number of inputs of each neuron, shape ``(N,)``; of neighbours, where the graph is undirected."""
        return self._sum_at_targets(None) if self.directed else self.out_degree

    @property
    def degree(self) -> np.ndarray:
        """Number of edges at each neuron, shape ``(N,)``: inputs and outputs together."""
        return self.out_degree + self.in_degree if self.directed else self.out_degree

    @cached_property
    def out_strength(self) -> np.ndarray:
        """Summed weight of the outputs of each neuron (edges, where there are no weights), float64, shape ``(N,)``."""
        return self.out_degree.astype(float) if self.weight is None else self._sum_at_sources(self.weight)

    @cached_property
    def in_strength(self) -> np.ndarray:
        """Summed weight of the inputs of each neuron (edges, where there are no weights), float64, shape ``(N,)``."""
        if not self.directed:
            return self.out_strength
        return self.in_degree.astype(float) if self.weight is None else self._sum_at_targets(self.weight)

    @property
    def strength(self) -> np.ndarray:
        """Summed weight of the edges of each neuron, inputs and outputs together, float64, shape ``(N,)``."""
        return self.out_strength + self.in_strength if self.directed else self.out_strength

    @cached_property
    def matrix(self) -> scipy.sparse.csr_array:
        """The weights (ones, where there are none) as a sparse matrix ``[source, target]``, symmetric where undirected."""
        value = np.ones(self.num_edges) if self.weight is None else self.weight
        shape = (self.num_nodes, self.num_nodes)
        matrix = scipy.sparse.csr_array((value, (self.source, self.target)), shape=shape)
        return matrix if self.directed else scipy.sparse.csr_array(matrix + matrix.T)

    @cached_property
    def igraph(self) -> _igraph.Graph:
        """The graph as one of igraph, without its weights."""
        return _igraph.build(self.source, self.target, self.num_nodes, directed=self.directed)

    def with_edges(self, source: np.ndarray, target: np.ndarray, moved: np.ndarray | None = None) -> SimpleGraph:
        """Return the graph with other edges, which take the weights of its own together with their signs.

        Args:
            source: Source of each edge, int64, shape ``(M,)``, in any order; no pair occurs twice.
            target: Target of each edge, int64, shape ``(M,)``.
            moved: The edge of this graph whose weight each takes, int64, shape ``(M,)``; that of the same number if None.
        """
        order = np.argsort(source * self.num_nodes + target, kind="stable")
        taken = order if moved is None else moved[order]
        weight, sign = (None if values is None else values[taken] for values in (self.weight, self.sign))
        return replace(self, source=source[order], target=target[order], weight=weight, sign=sign)

    def unweighted(self) -> SimpleGraph:
        """Return the graph without the sizes of its weights."""
        return self if self.weight is None else replace(self, weight=None)

    def undirected(self) -> SimpleGraph:
        """Return the graph without direction: a pair is linked if either direction is, with half the sum of both weights."""
        if not self.directed:
            return self
        low, high = np.minimum(self.source, self.target), np.maximum(self.source, self.target)
        weight = None if self.weight is None else self.weight / 2
        source, target, weight = merge_edges(low, high, weight, self.num_nodes)
        sign = None
        if self.sign is not None:
            sign = np.sign(merge_edges(low, high, self.sign.astype(np.int64), self.num_nodes)[2]).astype(np.int8)
        return SimpleGraph(source, target, weight, self.num_nodes, directed=False, pos=self.pos, sign=sign)

    def _sum_at_sources(self, values: np.ndarray | None) -> np.ndarray:
        total = np.bincount(self.source, weights=values, minlength=self.num_nodes)
        return total if self.directed else total + np.bincount(self.target, weights=values, minlength=self.num_nodes)

    def _sum_at_targets(self, values: np.ndarray | None) -> np.ndarray:
        return np.bincount(self.target, weights=values, minlength=self.num_nodes)


def simple_graph(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    directed: bool = True,
    threshold: float = 0.0,
    pos: torch.Tensor | None = None,
) -> SimpleGraph:
    r"""Bring a graph into the form that metrics are defined on.

    Repeated edges are one edge, with the sum of their weights. Its size and its sign are then kept apart, and an edge stays where
    :math:`|W_{ij}|` exceeds the threshold; self-connections never do. Without direction, the weight of a pair is
    :math:`(|W_{ij}| + |W_{ji}|) / 2`, and is what is held against the threshold.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons.
        directed: Whether edges keep their direction.
        threshold: Edges that are not above it in size are no edges; at least 0, in the unit of the weights.
        pos: Position of each neuron in um, shape ``(N, 3)``, for what needs it.

    Returns:
        The graph.

    Raises:
        ValueError: If the arguments do not describe one graph, a weight or position is not finite, or the threshold is
            negative.

    Example:
        >>> graph = simple_graph(torch.tensor([[0, 1, 1], [1, 0, 1]]), torch.tensor([2.0, -1.0, 9.0]), 2, directed=False)
        >>> graph.edge_index.tolist(), graph.edge_weight.tolist()
        ([[0], [1]], [1.5])
    """
    threshold = check_number(threshold, "threshold", minimum=0)
    if edge_weight is None:
        check_edge_index(edge_index, check_count(num_nodes, "num_nodes"))
        weight = None
    else:
        check_graph(edge_index, edge_weight, num_nodes)
        check_finite(edge_weight, "edge_weight")
        weight = edge_weight.detach().double().cpu().numpy()
    place = None if pos is None else check_positions(pos, num_nodes)
    source, target = edge_index.cpu().numpy()
    between = source != target
    if not between.all():
        source, target = source[between], target[between]
        weight = None if weight is None else weight[between]
    source, target, weight = merge_edges(source, target, weight, num_nodes)
    sign = None
    if weight is not None:
        sign = np.sign(weight).astype(np.int8) if (weight < 0).any() else None
        weight = np.abs(weight)
    graph = SimpleGraph(source, target, weight, num_nodes, directed=True, pos=place, sign=sign)
    if not directed:
        graph = graph.undirected()
    if graph.weight is None:
        return graph
    kept = graph.weight > threshold
    if kept.all():
        return graph
    sign = None if graph.sign is None else graph.sign[kept]
    return replace(graph, source=graph.source[kept], target=graph.target[kept], weight=graph.weight[kept], sign=sign)


def check_positions(pos: torch.Tensor, num_nodes: int) -> np.ndarray:
    """Return positions as float64 of shape ``(N, 3)``.

    Raises:
        ValueError: If they are not finite numbers of that shape.
    """
    found = torch.as_tensor(pos).detach().cpu()
    if found.shape != (num_nodes, 3) or not found.is_floating_point():
        raise ValueError(
            f"pos must be floating point of shape ({num_nodes}, 3), in um; got {found.dtype} of shape {tuple(found.shape)}."
        )
    check_finite(found, "pos")
    return found.double().numpy()


def merge_edges(
    source: np.ndarray, target: np.ndarray, weight: np.ndarray | None, num_nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Sort edges by (source, target), and make one of those that are repeated, with the sum of their weights."""
    key = source * num_nodes + target
    if not (key[1:] > key[:-1]).all():
        if weight is None:
            key = np.unique(key)
        else:
            order = np.argsort(key, kind="stable")
            key = key[order]
            first = np.concatenate(([True], key[1:] != key[:-1]))[: key.size]
            weight = np.add.reduceat(weight[order], np.flatnonzero(first)) if key.size else weight
            key = key[first]
        source, target = np.divmod(key, num_nodes)
    return source, target, weight
