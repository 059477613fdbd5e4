"""How it runs: the only code that knows devices and backends."""

from graphcortex.kernels.backends import BACKENDS, choose_backend, installed_backends, use_backend
from graphcortex.kernels.exchange import Exchange
from graphcortex.kernels.products import sddmm, spmm
from graphcortex.kernels.scan import recurrent_scan
from graphcortex.kernels.structure import (
    GraphStructure,
    complete_edge_index,
    edges_to_matrix,
    is_dense_view,
    matrix_to_edges,
)

__all__ = [
    "BACKENDS",
    "Exchange",
    "GraphStructure",
    "choose_backend",
    "complete_edge_index",
    "edges_to_matrix",
    "installed_backends",
    "is_dense_view",
    "matrix_to_edges",
    "recurrent_scan",
    "sddmm",
    "spmm",
    "use_backend",
]
