"""The signed weight matrix, for metrics of the dynamics that it drives: signs and self-connections matter to these."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from graphcortex._checks import check_count, check_edge_index, check_finite, check_graph, check_number
from graphcortex._typing import EdgeIndex, EdgeValues

# Up to here a decomposition of the dense matrix takes seconds, and its memory is nothing.
DENSE_UP_TO = 2000


def signed_matrix(
    edge_index: EdgeIndex, edge_weight: EdgeValues | None, num_nodes: int, threshold: float = 0.0
) -> scipy.sparse.csr_array:
    """Return ``W[source, target]``, float64, repeated edges added, those of a size of at most ``threshold`` left out.

    Raises:
        ValueError: If the arguments do not describe one graph, a weight is not finite, or the threshold is negative.
    """
    threshold = check_number(threshold, "threshold", minimum=0)
    if edge_weight is None:
        check_edge_index(edge_index, check_count(num_nodes, "num_nodes"))
        weight = np.ones(edge_index.size(1))
    else:
        check_graph(edge_index, edge_weight, num_nodes)
        check_finite(edge_weight, "edge_weight")
        weight = edge_weight.detach().double().cpu().numpy()
    shape = (num_nodes, num_nodes)
    W = scipy.sparse.csr_array((weight, tuple(edge_index.cpu().numpy())), shape=shape)
    if edge_weight is None:
        W.data[:] = 1.0
        return W
    W.data[np.abs(W.data) <= threshold] = 0.0
    W.eliminate_zeros()
    return W


def unit_scale(matrix: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return the matrix with a largest entry of size 1, whose squares are in range; as it is, where it holds nothing."""
    return matrix / np.abs(matrix.data).max() if matrix.nnz else matrix
