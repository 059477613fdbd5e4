"""One recurrent product, ``W^T h``, four ways; and the one door that chooses among them.

Every backend takes the weights in the order of ``structure.edge_index`` and states whose *first* dimension is the neuron:

    propagate(h)[j] = sum over edges e = (i -> j) of w_e h[i]
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator, Sequence

import torch

from graphcortex._checks import check_choice
from graphcortex._optional import is_installed, require
from graphcortex._typing import EdgeValues
from graphcortex.kernels.matmul import add_matmul, matmul, prefers_onednn
from graphcortex.kernels.products import sddmm, spmm
from graphcortex.kernels.structure import GraphStructure, matrix_to_edges

BACKENDS = ("dense", "csr", "scatter", "reference")

# From how many neurons and trials on the sparse product wins up to which density, measured on 2 cores in float32 by
# benchmarks/bench_backends.py, T = 10. Below 100 neurons the time is that of the calls, and a dense step has fewer.
_SPARSE_UP_TO = (
    # neurons above, trials below, density
    (1500, 64, 1.0),
    (1500, math.inf, 0.55),
    (250, 24, 1.0),
    (250, 64, 0.6),
    (250, math.inf, 0.3),
    (100, 24, 1.0),
    (100, math.inf, 0.3),
    (0, math.inf, 0.0),
)

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


def choose_backend(requested: str, structure: GraphStructure, num_trials: int) -> str:
    """Return the backend to run: the forced one, else the one asked for, else the faster of dense and csr by what was measured.

    Args:
        requested: ``"auto"`` or the name of a backend.
        structure: The graph.
        num_trials: Number of trials side by side, B.

    Raises:
        ValueError: If there is no backend of that name.
    """
    forced = _forced.get()
    if forced is not None:
        return forced
    check_choice(requested, "backend", ("auto", *BACKENDS))
    if requested != "auto":
        return requested
    if structure.is_dense_view:
        return "dense"  # the weights are the matrix already
    n = max(structure.num_nodes, structure.num_sources)
    limit = next(density for above, below, density in _SPARSE_UP_TO if n > above and num_trials < below)
    return "csr" if structure.density <= limit and limit > 0 else "dense"


class DenseProduct:
    """The weights as a matrix ``W[source, target]``; a view of them where the graph is complete and sorted."""

    def __init__(self, structure: GraphStructure, edge_weight: EdgeValues):
        self.structure = structure
        self.matrix = structure.matrix(edge_weight)
        self._incoming: torch.Tensor | None = None

    def add_propagated(self, drive: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Add ``W^T h`` to ``drive`` in place, and return it; both of shape ``(N, B)``."""
        if self._incoming is None:
            # One copy serves all steps, where the product would make one at each.
            self._incoming = self.matrix.t()
            if prefers_onednn(self._incoming, h):
                self._incoming = self._incoming.contiguous()
        return add_matmul(drive, self._incoming, h)

    def propagate_back(self, delta: torch.Tensor) -> torch.Tensor:
        """Return ``W delta``, the adjoint of the product, shape ``(N, B)``."""
        return matmul(self.matrix, delta)

    def edge_gradient(self, h: Sequence[torch.Tensor], delta: Sequence[torch.Tensor]) -> EdgeValues:
        """Return the gradient of every edge over all steps, see :func:`graphcortex.kernels.sddmm`."""
        total = torch.zeros_like(self.matrix, dtype=torch.promote_types(self.matrix.dtype, torch.float32))
        for at_source, at_target in zip(h, delta, strict=True):
            add_matmul(total, at_source.to(total.dtype), at_target.to(total.dtype).t())
        if self.structure.is_dense_view:
            return total.view(-1)
        return matrix_to_edges(total, self.structure.edge_index)


class StackedProduct:
    """Matrices ``W[source, target]`` of G networks of one size, shape ``(G, N, N)``; states are ``(G, N, B)``.

    A network whose weights are not finite leaves the numbers of the others alone.
    """

    def __init__(self, structure: GraphStructure | None, matrices: torch.Tensor):
        self.matrices = matrices

    def add_propagated(self, drive: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Add each ``W^T h`` to ``drive`` in place, and return it; both of shape ``(G, N, B)``."""
        return drive.baddbmm_(self.matrices.transpose(1, 2), h)

    def propagate_back(self, delta: torch.Tensor) -> torch.Tensor:
        """Return each ``W delta``, the adjoint of the product, shape ``(G, N, B)``."""
        return torch.bmm(self.matrices, delta)

    def edge_gradient(self, h: Sequence[torch.Tensor], delta: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the gradient of the matrices over all steps, shape ``(G, N, N)``."""
        total = torch.zeros_like(self.matrices, dtype=torch.promote_types(self.matrices.dtype, torch.float32))
        for at_source, at_target in zip(h, delta, strict=True):
            total.baddbmm_(at_source.to(total.dtype), at_target.to(total.dtype).transpose(1, 2))
        return total


class CsrProduct:
    """The weights in compressed rows, one copy by target for the product and one by source for its adjoint."""

    def __init__(self, structure: GraphStructure, edge_weight: EdgeValues):
        self.structure = structure
        self.edge_weight = edge_weight
        self._incoming = self._outgoing = None  # each is needed in one direction only

    def add_propagated(self, drive: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Add ``W^T h`` to ``drive`` in place, and return it; both of shape ``(N, B)``."""
        if self._incoming is None:
            self._incoming = self.structure.incoming.arrange(self.edge_weight)
        return drive.add_(spmm(self.structure.incoming, self._incoming, h))

    def propagate_back(self, delta: torch.Tensor) -> torch.Tensor:
        """Return ``W delta``, the adjoint of the product, shape ``(N, B)``."""
        if self._outgoing is None:
            self._outgoing = self.structure.outgoing.arrange(self.edge_weight)
        return spmm(self.structure.outgoing, self._outgoing, delta)

    def edge_gradient(self, h: Sequence[torch.Tensor], delta: Sequence[torch.Tensor]) -> EdgeValues:
        """Return the gradient of every edge over all steps, see :func:`graphcortex.kernels.sddmm`."""
        return sddmm(self.structure, h, delta)


def reference_propagate(structure: GraphStructure, edge_weight: EdgeValues, h: torch.Tensor) -> torch.Tensor:
    """Return ``W^T h`` by plain message passing: gather, weigh, add at the targets. Differentiable; ``h`` is ``(N, B)``."""
    source, target = structure.edge_index
    return h.new_zeros(structure.num_nodes, h.size(1)).index_add(0, target, h[source] * edge_weight[:, None])


def reference_back(structure: GraphStructure, edge_weight: EdgeValues, delta: torch.Tensor) -> torch.Tensor:
    """Return ``W delta``, the adjoint of :func:`reference_propagate`, shape ``(num_sources, B)``. Differentiable."""
    source, target = structure.edge_index
    return delta.new_zeros(structure.num_sources, delta.size(1)).index_add(
        0, source, delta[target] * edge_weight[:, None]
    )


def reference_edge_gradient(structure: GraphStructure, h: torch.Tensor, delta: torch.Tensor) -> EdgeValues:
    """Return the gradient of every edge at one step, the product of both its ends over trials, shape ``(E,)``. Differentiable."""
    source, target = structure.edge_index
    return (h[source] * delta[target]).sum(1)


def scatter_propagate(structure: GraphStructure, edge_weight: EdgeValues, h: torch.Tensor) -> torch.Tensor:
    """Return ``W^T h`` by torch-scatter's segmented sum over edges sorted by target. Differentiable; ``h`` is ``(N, B)``."""
    edges = structure.incoming
    messages = h[edges.index] * edges.arrange(edge_weight)[:, None]
    ptr = edges.ptr.long()
    segment = torch.repeat_interleave(ptr.diff(), output_size=structure.num_edges)
    return _SegmentSum.apply(messages, ptr, segment)


class _SegmentSum(torch.autograd.Function):
    """torch-scatter's segmented sum with a backward that can be differentiated; its own gives zeros there, silently."""

    @staticmethod
    def forward(ctx, messages, ptr, segment):
        torch_scatter = require("torch_scatter", "scatter", "backend='scatter'")
        ctx.save_for_backward(segment)
        return torch_scatter.segment_csr(messages, ptr, reduce="sum")

    @staticmethod
    def backward(ctx, grad_output):
        (segment,) = ctx.saved_tensors
        return grad_output[segment], None, None


def installed_backends() -> tuple[str, ...]:
    """Return the backends that can run here."""
    return tuple(name for name in BACKENDS if name != "scatter" or is_installed("torch_scatter"))
