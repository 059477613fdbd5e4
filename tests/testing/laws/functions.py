"""Functions of each kind that obey all laws, and a graph to try them on."""

from __future__ import annotations

import torch

from graphcortex.testing import Edges

GRAPH = Edges(torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.tensor([1.0, 2.0, 4.0]).double(), 3)


def total(edge_index, edge_weight, num_nodes):
    return float(edge_weight.sum())


def squares(edge_index, edge_weight, num_nodes):
    return edge_weight**2


def out_strength(edge_index, edge_weight, num_nodes):
    return torch.zeros(num_nodes, dtype=edge_weight.dtype).index_add(0, edge_index[0], edge_weight)


def dense(edge_index, edge_weight, num_nodes):
    matrix = torch.zeros(num_nodes, num_nodes, dtype=edge_weight.dtype)
    return matrix.index_put((edge_index[0], edge_index[1]), edge_weight, accumulate=True)
