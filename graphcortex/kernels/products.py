"""The two sparse products behind everything: sparse times dense, and a dense product sampled at the edges."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence

import torch

from graphcortex._typing import EdgeValues
from graphcortex.kernels.structure import Compressed, GraphStructure

# Columns that the sampled product takes at once: rows of 1 kB in float32, long enough to stream.
COLUMNS = 256


@functools.cache
def _has_fbgemm() -> bool:
    return "fbgemm" in torch.backends.quantized.supported_engines


def csr_tensor(rows: Compressed, values: torch.Tensor) -> torch.Tensor:
    """Return PyTorch's own compressed matrix over the same memory."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            rows.ptr, rows.index, values, (rows.num_rows, rows.num_columns), check_invariants=False
        )


def spmm(rows: Compressed, values: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    r"""Compute :math:`y_r = \sum_{e \in r} v_e \, h_{c_e}`: compressed rows times a dense matrix.

    Args:
        rows: Edges in compressed rows.
        values: Value of each edge in the order of ``rows``, shape ``(E,)``.
        h: Dense matrix, contiguous, shape ``(num_columns, B)``.

    Returns:
        Dense matrix, shape ``(num_rows, B)``, in new memory; sums of half precision are made in float32.
    """
    if h.size(1) == 0 or values.numel() == 0:
        return h.new_zeros(rows.num_rows, h.size(1))
    if h.device.type == "cpu" and h.dtype is not torch.float64 and (_has_fbgemm() or h.dtype is not torch.float32):
        # A sum of weighted rows is what an embedding bag computes too, and FBGEMM compiles that for the width at hand and
        # fetches rows ahead: twice as fast as MKL's sparse product, 5 times on some machines.
        return torch.ops.aten._embedding_bag_forward_only(h, rows.index, rows.ptr, False, 0, False, values, True)[0]
    return csr_tensor(rows, values) @ h


def sddmm(
    structure: GraphStructure, h: Sequence[torch.Tensor], delta: Sequence[torch.Tensor], *, columns: int = COLUMNS
) -> EdgeValues:
    r"""Compute :math:`g_e = \sum_t \sum_b h^t_{i_e b} \, \delta^t_{j_e b}` of every edge, over all steps at once.

    Args:
        structure: The graph.
        h: Values at the sources, one matrix of shape ``(num_sources, B)`` per step.
        delta: Values at the targets, one matrix of shape ``(N, B)`` per step.
        columns: Steps are taken together up to about so many columns; it bounds the memory, and changes nothing else.

    Returns:
        One value per edge, shape ``(E,)``, in the order of ``structure.edge_index``; float32 for values of half precision.
    """
    dtype = torch.promote_types(delta[0].dtype, torch.float32) if len(delta) else torch.float32
    device = structure.edge_index.device
    sums = [torch.zeros(part.index.numel(), dtype=dtype, device=device) for *_, part in structure.blocks]
    width = delta[0].size(1) if len(delta) else 0
    together = max(1, columns // max(1, width))
    for t in range(0, len(delta) if width else 0, together):
        at_source, at_target = (
            (torch.cat(list(steps[t : t + together]), 1) if together > 1 else steps[t]).to(dtype)
            for steps in (h, delta)
        )
        for (first, last, part), total in zip(structure.blocks, sums, strict=True):
            _add_sampled(total, part, at_target, at_source[first:last])
    found = sums[0] if len(sums) == 1 else torch.cat(sums)
    return found if structure.place_in_blocks is None else found.index_select(0, structure.place_in_blocks)


def _add_sampled(total: torch.Tensor, part: Compressed, at_row: torch.Tensor, at_column: torch.Tensor) -> None:
    """Add to the value of every edge the inner product of its row of one matrix and its row of the other."""
    if total.numel() == 0:
        return
    if total.numel() > part.num_rows * part.num_columns:
        # More edges than pairs: PyTorch refuses such a sparse matrix, and the whole product is small.
        rows = torch.repeat_interleave(part.ptr.diff())
        total.add_((at_row @ at_column.t())[rows, part.index])
        return
    matrix = csr_tensor(part, total)
    torch.sparse.sampled_addmm(matrix, at_row, at_column.t(), out=matrix)
