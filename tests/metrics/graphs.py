"""Graphs that several of the tests of metrics use."""

from __future__ import annotations

import networkx
import torch

from graphcortex.testing.strategies import Edges


def complete(num_nodes: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Edges:
    """Return all N x N edges with normal weights."""
    nodes = torch.arange(num_nodes)
    weight = torch.randn(num_nodes**2, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return Edges(torch.cartesian_prod(nodes, nodes).T.contiguous(), weight, num_nodes)


def clustered(num_nodes: int, num_modules: int, seed: int = 0) -> Edges:
    """Return all N x N edges, stronger within modules, and of larger size at some neurons than at others."""
    graph = complete(num_nodes, seed)
    module = torch.arange(num_nodes) * num_modules // num_nodes
    size = 0.5 + torch.rand(num_nodes, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    source, target = graph.edge_index
    gain = (1 + 2 * (module[source] == module[target])) * size[source] * size[target]
    return Edges(graph.edge_index, graph.edge_weight * gain, num_nodes)


def as_networkx(edge_index: torch.Tensor, num_nodes: int) -> networkx.Graph:
    """Return the simple undirected graph of some edges."""
    graph = networkx.Graph()
    graph.add_nodes_from(range(num_nodes))
    graph.add_edges_from((i, j) for i, j in edge_index.T.tolist() if i != j)
    return graph


def as_matrix(edge_index: torch.Tensor, num_nodes: int) -> torch.Tensor:
    """Return the simple undirected graph of some edges as a matrix of 0 and 1."""
    matrix = torch.zeros(num_nodes, num_nodes, dtype=torch.float64)
    matrix[edge_index[0], edge_index[1]] = 1
    matrix[edge_index[1], edge_index[0]] = 1
    return matrix.fill_diagonal_(0)


RING = torch.stack((torch.arange(12), (torch.arange(12) + 1) % 12))
STAR = torch.tensor([[0, 0, 0, 0], [1, 2, 3, 4]])
TRIANGLES = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3]])
PATH = torch.tensor([[0, 1, 2], [1, 2, 3]])
NO_EDGES = torch.zeros(2, 0, dtype=torch.int64)

BAD_EDGES = {
    "three rows": torch.zeros(3, 2).long(),
    "floats": torch.zeros(2, 2),
    "out of range": torch.tensor([[0], [7]]),
    "negative": torch.tensor([[0], [-1]]),
}
