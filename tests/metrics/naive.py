"""What the oracles of several metrics start from."""

from __future__ import annotations

import networkx
import numpy as np

from graphcortex.testing.strategies import Edges


def naive_matrix(graph: Edges, *, directed: bool, weighted: bool = True) -> np.ndarray:
    """Return |W| of the simple graph as a dense matrix, edge by edge; symmetric where there is no direction."""
    N = graph.num_nodes
    W = np.zeros((N, N))
    for i, j, w in zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), strict=True):
        if i != j:
            W[i, j] += w
    W = np.abs(W)
    if not directed:
        W = (W + W.T) / 2
    return W if weighted else (W > 0).astype(float)


def networkx_of(W: np.ndarray, *, directed: bool) -> networkx.Graph:
    """Return a matrix as a graph of networkx, with its entries as ``weight``."""
    return networkx.from_numpy_array(W, create_using=networkx.DiGraph if directed else networkx.Graph)
