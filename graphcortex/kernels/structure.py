"""What the kernels need to know of a graph: its edges in the orders they are walked in. Each is made once, when it is needed.

It is made outside of inference mode, also where it is first needed within: a tensor that was made in inference mode can serve no
backward pass, and training may come later.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import torch

from graphcortex._checks import check_count, check_edge_index
from graphcortex._typing import EdgeIndex, EdgeValues

# Nodes of a block of sources: with 256 columns of float32 a block's rows take 6 MB, which a shared cache holds beside the rest.
BLOCK_NODES = 6144
# A block with fewer edges per target than this spends its time on finding the next row.
BLOCK_EDGES_PER_ROW = 5


@dataclass(frozen=True, eq=False)
class Compressed:
    """Edges grouped by one of their ends, in compressed rows.

    Attributes:
        ptr: Where the edges of each row begin, shape ``(rows + 1,)``; int32 where it is enough.
        index: The other end of each edge, ascending within a row, shape ``(E,)``, in the type of ``ptr``.
        order: Position of each of these edges in the order of the caller, shape ``(E,)``; None where the two orders are one.
        num_columns: Number of nodes that ``index`` may name.
    """

    ptr: torch.Tensor
    index: torch.Tensor
    order: torch.Tensor | None
    num_columns: int

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return self.ptr.numel() - 1

    def arrange(self, edge_values: EdgeValues) -> EdgeValues:
        """Bring values from the caller's order into this one."""
        return edge_values if self.order is None else edge_values.index_select(0, self.order)


def compress(rows: torch.Tensor, columns: torch.Tensor, num_rows: int, num_columns: int) -> Compressed:
    """Sort edges by (row, column); equal edges keep their order."""
    key = rows * num_columns + columns
    small = max(num_rows, num_columns, rows.numel()) < 2**31
    dtype = torch.int32 if small else torch.int64
    order = None
    if not bool((key[1:] >= key[:-1]).all()):
        order = torch.argsort(key, stable=True)
        columns = columns[order]
        order = order.to(dtype)
    counts = torch.bincount(rows, minlength=num_rows)
    ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Compressed(ptr.to(dtype), columns.to(dtype).contiguous(), order, num_columns)


@dataclass(frozen=True, eq=False)
class GraphStructure:
    """The edges of one graph and, made when they are first needed, the orders in which the kernels walk them.

    Attributes:
        edge_index: Source (row 0) and target (row 1) of each edge, int64, shape ``(2, E)``; the order in which weights are given.
        num_nodes: Number of neurons :math:`N` that receive.
        num_sources: Number of neurons that send: ``num_nodes``, but for a part of a graph that is spread over processes.
    """

    edge_index: EdgeIndex
    num_nodes: int
    num_sources: int

    @classmethod
    def build(cls, edge_index: EdgeIndex, num_nodes: int, *, num_sources: int | None = None) -> GraphStructure:
        """Check the edges.

        Args:
            edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
            num_nodes: Number of neurons.
            num_sources: Number of neurons that send, where it is not ``num_nodes``.

        Raises:
            ValueError: If the edges do not fit the numbers of neurons.
        """
        num_nodes = check_count(num_nodes, "num_nodes")
        if num_sources is None:
            check_edge_index(edge_index, num_nodes)
            return cls(_for_training(edge_index), num_nodes, num_nodes)
        num_sources = check_count(num_sources, "num_sources")
        check_edge_index(edge_index, max(num_nodes, num_sources))
        for row, limit, name in ((0, num_sources, "num_sources"), (1, num_nodes, "num_nodes")):
            if edge_index.size(1) and int(edge_index[row].max()) >= limit:
                raise ValueError(
                    f"edge_index must name neurons below {name} = {limit} in row {row}, got {int(edge_index[row].max())}."
                )
        return cls(_for_training(edge_index), num_nodes, num_sources)

    def __getstate__(self):
        """Leave out what is made when it is needed: a pickle or a copy makes it again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def num_edges(self) -> int:
        """Number of edges :math:`E`."""
        return self.edge_index.size(1)

    @property
    def density(self) -> float:
        """Edges per ordered pair of neurons, self-connections counted as pairs."""
        return self.num_edges / (self.num_nodes * self.num_sources)

    @cached_property
    @torch.inference_mode(False)
    def incoming(self) -> Compressed:
        """The edges by target: a row for each neuron, of those that send to it."""
        return compress(self.edge_index[1], self.edge_index[0], self.num_nodes, self.num_sources)

    @cached_property
    @torch.inference_mode(False)
    def outgoing(self) -> Compressed:
        """The edges by source: a row for each neuron, of those it sends to."""
        return compress(self.edge_index[0], self.edge_index[1], self.num_sources, self.num_nodes)

    @cached_property
    @torch.inference_mode(False)
    def blocks(self) -> tuple[tuple[int, int, Compressed], ...]:
        """The edges by target within blocks of sources, each block with its first and last source.

        What is read of the sources of one block stays in the cache while the targets are walked.
        """
        edges, n = self.incoming, self.num_sources
        most = int(self.num_edges / (self.num_nodes * BLOCK_EDGES_PER_ROW))
        count = max(1, min(-(-n // BLOCK_NODES), most))
        if count == 1:
            return ((0, n, edges),)
        size = -(-n // count)
        rows = torch.repeat_interleave(edges.ptr.diff())
        in_order = torch.arange(self.num_edges, device=rows.device) if edges.order is None else edges.order
        parts = []
        for first in range(0, n, size):
            last = min(first + size, n)
            chosen = ((edges.index >= first) & (edges.index < last)).nonzero().squeeze(1)
            counts = torch.bincount(rows[chosen], minlength=self.num_nodes)
            ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(edges.ptr.dtype)
            index = edges.index[chosen] - first
            parts.append((first, last, Compressed(ptr, index, in_order[chosen].to(index.dtype), last - first)))
        return tuple(parts)

    @cached_property
    @torch.inference_mode(False)
    def place_in_blocks(self) -> torch.Tensor | None:
        """Where each edge of the caller stands in the blocks, one after the other, shape ``(E,)``; None where the orders are one.

        To look values up there takes half the time of writing them to where they belong.
        """
        orders = [part.order for *_, part in self.blocks]
        if orders[0] is None:
            return None
        order = torch.cat(orders)
        place = torch.empty_like(order)
        place[order] = torch.arange(order.numel(), dtype=order.dtype, device=order.device)
        return place

    @cached_property
    @torch.inference_mode(False)
    def self_connections(self) -> torch.Tensor | None:
        """Which edges join a neuron with itself, a mask of shape ``(E,)``, or None where none does."""
        found = self.edge_index[0] == self.edge_index[1]
        return found if bool(found.any()) else None

    @cached_property
    @torch.inference_mode(False)
    def is_dense_view(self) -> bool:
        """Whether the weights, viewed as ``(N, N)``, *are* the matrix ``W[source, target]``; see :func:`is_dense_view`."""
        return self.num_sources == self.num_nodes and is_dense_view(self.edge_index, self.num_nodes)

    @cached_property
    @torch.inference_mode(False)
    def has_repeats(self) -> bool:
        """Whether some pair of neurons is joined by more than one edge."""
        key = (self.edge_index[1] * self.num_sources + self.edge_index[0]).sort().values
        return bool((key[1:] == key[:-1]).any())

    def matrix(self, edge_values: EdgeValues) -> torch.Tensor:
        """Return the dense matrix ``[source, target]`` of values at the edges; repeated edges add. Differentiable.

        A complete, sorted graph is viewed and not copied.
        """
        if self.is_dense_view:
            return edge_values.view(self.num_nodes, self.num_nodes)
        matrix = edge_values.new_zeros(self.num_sources, self.num_nodes)
        return matrix.index_put((self.edge_index[0], self.edge_index[1]), edge_values, accumulate=True)

    def to(self, device: torch.device | str) -> GraphStructure:
        """Return this structure on ``device`` (itself, if it is there)."""
        if self.edge_index.device == torch.device(device):
            return self
        return GraphStructure(_for_training(self.edge_index.to(device)), self.num_nodes, self.num_sources)


@torch.inference_mode(False)
def _for_training(edge_index: EdgeIndex) -> EdgeIndex:
    """Return edges that a backward pass may use: a copy, if they were made in inference mode."""
    return edge_index.clone() if edge_index.is_inference() else edge_index


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
    return GraphStructure(edge_index, num_nodes, num_nodes).matrix(edge_weight)


def matrix_to_edges(matrix: torch.Tensor, edge_index: EdgeIndex) -> EdgeValues:
    """Return the entries of a dense ``W[source, target]`` at the edges, shape ``(E,)``."""
    return matrix[edge_index[0], edge_index[1]]
