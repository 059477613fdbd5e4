"""What the kernels need to know of a graph: its edges in both orders. Built once per graph and kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from graphcortex._checks import check_count, check_edge_index
from graphcortex._typing import EdgeIndex, EdgeValues


@dataclass(frozen=True, eq=False)
class GraphStructure:
    """The edges of one graph, sorted by target and by source, with the permutations between the orders.

    Attributes:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``; the order in which weights are given.
        num_nodes: Number of neurons :math:`N`.
        by_target: Permutation that sorts the edges by (target, source), shape ``(E,)``.
        target_ptr: Where the incoming edges of each neuron begin in that order, shape ``(N + 1,)``.
        sources: Source of each edge in that order, shape ``(E,)``.
        by_source: Permutation that sorts the edges by (source, target), shape ``(E,)``.
        source_ptr: Where the outgoing edges of each neuron begin in that order, shape ``(N + 1,)``.
        targets: Target of each edge in that order, shape ``(E,)``.
        is_dense_view: The edges are all :math:`N^2` pairs, each once, sorted by (source, target): the weights, viewed as
            ``(N, N)``, *are* the matrix ``W[source, target]``.
        has_repeats: Some pair of neurons is joined by more than one edge.
    """

    edge_index: EdgeIndex
    num_nodes: int
    by_target: torch.Tensor
    target_ptr: torch.Tensor
    sources: torch.Tensor
    by_source: torch.Tensor
    source_ptr: torch.Tensor
    targets: torch.Tensor
    is_dense_view: bool
    has_repeats: bool

    @classmethod
    def build(cls, edge_index: EdgeIndex, num_nodes: int) -> GraphStructure:
        """Sort the edges both ways.

        Args:
            edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
            num_nodes: Number of neurons.

        Raises:
            ValueError: If the edges do not fit ``num_nodes``.
        """
        num_nodes = check_count(num_nodes, "num_nodes")
        check_edge_index(edge_index, num_nodes)
        source, target = edge_index
        by_source = torch.argsort(source * num_nodes + target, stable=True)
        by_target = torch.argsort(target * num_nodes + source, stable=True)
        key = (source * num_nodes + target)[by_source]
        return cls(
            edge_index=edge_index,
            num_nodes=num_nodes,
            by_target=by_target,
            target_ptr=_pointers(target, num_nodes),
            sources=source[by_target],
            by_source=by_source,
            source_ptr=_pointers(source, num_nodes),
            targets=target[by_source],
            is_dense_view=is_dense_view(edge_index, num_nodes),
            has_repeats=bool((key[1:] == key[:-1]).any()),
        )

    @property
    def num_edges(self) -> int:
        """Number of edges :math:`E`."""
        return self.edge_index.size(1)

    @property
    def density(self) -> float:
        """Edges per ordered pair of neurons, self-connections counted as pairs."""
        return self.num_edges / self.num_nodes**2

    def to(self, device: torch.device | str) -> GraphStructure:
        """Return this structure on ``device`` (itself, if it is there)."""
        if self.edge_index.device == torch.device(device):
            return self
        return GraphStructure.build(self.edge_index.to(device), self.num_nodes)


def _pointers(nodes: torch.Tensor, num_nodes: int) -> torch.Tensor:
    counts = torch.bincount(nodes, minlength=num_nodes)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def is_dense_view(edge_index: EdgeIndex, num_nodes: int) -> bool:
    """Say whether the edges are all ordered pairs, self-connections included, sorted by (source, target)."""
    if edge_index.size(1) != num_nodes**2:
        return False
    key = edge_index[0] * num_nodes + edge_index[1]
    return bool((key == torch.arange(num_nodes**2, device=edge_index.device)).all())


def complete_edge_index(num_nodes: int, *, device: torch.device | str = "cpu") -> EdgeIndex:
    """Return all ordered pairs of neurons, self-connections included, sorted by (source, target), shape ``(2, N * N)``.

    Example:
        >>> complete_edge_index(2)
        tensor([[0, 0, 1, 1],
                [0, 1, 0, 1]])
    """
    nodes = torch.arange(check_count(num_nodes, "num_nodes"), device=device)
    return torch.stack([nodes.repeat_interleave(num_nodes), nodes.repeat(num_nodes)])


def edges_to_matrix(edge_index: EdgeIndex, edge_weight: EdgeValues, num_nodes: int) -> torch.Tensor:
    """Return the dense matrix ``W[source, target]``, shape ``(N, N)``; repeated edges add.

    A complete, sorted graph is viewed and not copied. Differentiable in ``edge_weight``.
    """
    if is_dense_view(edge_index, num_nodes):
        return edge_weight.view(num_nodes, num_nodes)
    matrix = edge_weight.new_zeros(num_nodes, num_nodes)
    return matrix.index_put((edge_index[0], edge_index[1]), edge_weight, accumulate=True)


def matrix_to_edges(matrix: torch.Tensor, edge_index: EdgeIndex) -> EdgeValues:
    """Return the entries of a dense ``W[source, target]`` at the edges, shape ``(E,)``."""
    return matrix[edge_index[0], edge_index[1]]
