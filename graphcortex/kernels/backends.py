"""One recurrent product, ``W^T h``, four ways; and the one door that chooses among them.

Every backend takes the weights in the order of ``structure.edge_index`` and states whose *last* dimension is the neuron:

    propagate(h)[..., j] = sum over edges e = (i -> j) of w_e h[..., i]
"""

from __future__ import annotations

import contextlib
import contextvars
import warnings
from collections.abc import Iterator

import torch

from graphcortex._checks import check_choice
from graphcortex._optional import is_installed, require
from graphcortex._typing import EdgeValues
from graphcortex.kernels.structure import GraphStructure, edges_to_matrix, matrix_to_edges

BACKENDS = ("dense", "csr", "scatter", "reference")

# Measured on 2 cores, float32 and B = 128 (benchmarks/bench_recurrence.py): the dense product wins above this density.
DENSE_ABOVE_DENSITY = 0.1

_forced: contextvars.ContextVar[str | None] = contextvars.ContextVar("graphcortex_backend", default=None)


@contextlib.contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Force one backend within a ``with`` block, whatever each network asked for.

    Raises:
        ValueError: If there is no backend of that name.
    """
    token = _forced.set(check_choice(name, "backend", BACKENDS))
    try:
        yield
    finally:
        _forced.reset(token)


def choose_backend(requested: str, structure: GraphStructure) -> str:
    """Return the backend to run: the forced one, else the one asked for, else by density.

    Args:
        requested: ``"auto"`` or the name of a backend.
        structure: The graph.

    Raises:
        ValueError: If there is no backend of that name.
    """
    forced = _forced.get()
    if forced is not None:
        return forced
    check_choice(requested, "backend", ("auto", *BACKENDS))
    if requested != "auto":
        return requested
    return "dense" if structure.density > DENSE_ABOVE_DENSITY else "csr"


class DenseProduct:
    """The weights as a matrix ``W[source, target]``; a view of them where the graph is complete and sorted."""

    def __init__(self, structure: GraphStructure, edge_weight: EdgeValues):
        self.structure = structure
        self.matrix = edges_to_matrix(structure.edge_index, edge_weight, structure.num_nodes)

    def propagate_add(self, bias: torch.Tensor, h: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Write ``bias + W^T h`` to ``out``; all of shape ``(B, N)``."""
        return torch.addmm(bias, h, self.matrix, out=out)

    def propagate_back(self, delta: torch.Tensor) -> torch.Tensor:
        """Return ``W delta``, the adjoint of the product, shape ``(B, N)``."""
        return delta @ self.matrix.t()

    def edge_gradient(self, h: torch.Tensor, delta: torch.Tensor) -> EdgeValues:
        """Return ``sum_k h[k, i_e] delta[k, j_e]`` of every edge; ``h`` and ``delta`` have shape ``(K, N)``."""
        full = h.t() @ delta
        if self.structure.is_dense_view:
            return full.view(-1)
        return matrix_to_edges(full, self.structure.edge_index)


class CsrProduct:
    """The weights in compressed rows, one copy by target for the product and one by source for its adjoint."""

    def __init__(self, structure: GraphStructure, edge_weight: EdgeValues):
        self.structure = structure
        n = structure.num_nodes
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            self.incoming = torch.sparse_csr_tensor(
                structure.target_ptr,
                structure.sources,
                edge_weight[structure.by_target],
                (n, n),
                check_invariants=False,
            )
            self.outgoing = torch.sparse_csr_tensor(
                structure.source_ptr,
                structure.targets,
                edge_weight[structure.by_source],
                (n, n),
                check_invariants=False,
            )

    def propagate_add(self, bias: torch.Tensor, h: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Write ``bias + W^T h`` to ``out``; all of shape ``(B, N)``."""
        # The sparse product wants neurons first; the transposes are views, and the product reads strided columns well.
        return torch.add(bias, (self.incoming @ h.t()).t(), out=out)

    def propagate_back(self, delta: torch.Tensor) -> torch.Tensor:
        """Return ``W delta``, the adjoint of the product, shape ``(B, N)``."""
        return (self.outgoing @ delta.t()).t()

    def edge_gradient(self, h: torch.Tensor, delta: torch.Tensor) -> EdgeValues:
        """Return ``sum_k h[k, i_e] delta[k, j_e]`` of every edge; ``h`` and ``delta`` have shape ``(K, N)``."""
        return sddmm(self.structure, h, delta)


def sddmm(structure: GraphStructure, h: torch.Tensor, delta: torch.Tensor, *, block_bytes: int = 2**26) -> EdgeValues:
    r"""Compute :math:`g_e = \sum_k h_{k, i_e} \delta_{k, j_e}` of every edge, the sampled dense-dense product.

    Args:
        structure: The graph.
        h: Values at the sources, shape ``(K, N)``.
        delta: Values at the targets, shape ``(K, N)``.
        block_bytes: Edges are taken in blocks whose gathered rows fill about this much memory.

    Returns:
        One value per edge, shape ``(E,)``, in the order of ``structure.edge_index``.
    """
    rows, columns = h.t().contiguous(), delta.t().contiguous()
    out = h.new_empty(structure.num_edges)
    block = max(1, block_bytes // max(1, 2 * rows.size(1) * rows.element_size()))
    # In the order of the sources the gathered rows repeat, and stay in the cache.
    for order in structure.by_source.split(block):
        source, target = structure.edge_index[:, order]
        out[order] = torch.einsum("ek,ek->e", rows[source], columns[target])
    return out


def reference_propagate(structure: GraphStructure, edge_weight: EdgeValues, h: torch.Tensor) -> torch.Tensor:
    """Return ``W^T h`` by plain message passing: gather, weigh, add at the targets. Differentiable, any shape ``(..., N)``."""
    source, target = structure.edge_index
    return torch.zeros_like(h).index_add(-1, target, h[..., source] * edge_weight)


def scatter_propagate(structure: GraphStructure, edge_weight: EdgeValues, h: torch.Tensor) -> torch.Tensor:
    """Return ``W^T h`` by torch-scatter's segmented sum over edges sorted by target. Differentiable, any shape ``(..., N)``."""
    messages = h[..., structure.sources] * edge_weight[structure.by_target]
    return _SegmentSum.apply(messages, structure.target_ptr, structure.edge_index[1, structure.by_target])


class _SegmentSum(torch.autograd.Function):
    """torch-scatter's segmented sum with a backward that can be differentiated; its own gives zeros there, silently."""

    @staticmethod
    def forward(ctx, messages, ptr, segment):
        torch_scatter = require("torch_scatter", "scatter", "backend='scatter'")
        ctx.save_for_backward(segment)
        return torch_scatter.segment_csr(messages, ptr.expand(*messages.shape[:-1], -1), reduce="sum")

    @staticmethod
    def backward(ctx, grad_output):
        (segment,) = ctx.saved_tensors
        return grad_output[..., segment], None, None


def installed_backends() -> tuple[str, ...]:
    """Return the backends that can run here."""
    return tuple(name for name in BACKENDS if name != "scatter" or is_installed("torch_scatter"))
