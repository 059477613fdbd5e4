"""The product of two dense matrices, by the faster of the two libraries that come with PyTorch."""

from __future__ import annotations

import functools

import torch

# Multiplications for each thread, a product of 140 x 140 by 100, below which finding a kernel of oneDNN and waking the threads
# takes what it saves; and with fewer columns the time is that of reading the left matrix.
_WORTH_A_CALL = 2_000_000
_COLUMNS = 8


@functools.cache
def _onednn_is_wider() -> bool:
    """Say whether oneDNN has wider kernels for this processor than MKL.

    PyTorch multiplies float32 by MKL, which keeps its widest kernels for Intel's processors: on others that have AVX-512 it uses
    half of each register. oneDNN asks what a processor can do, and not who made it.
    """
    ask = getattr(torch.cpu, "get_capabilities", None)
    if ask is None or not torch.backends.mkl.is_available() or not torch.backends.mkldnn.is_available():
        return False
    found = ask()
    wide = bool(found.get("avx512_f")) and "Intel" not in str(found.get("cpu_name", "Intel"))
    return wide and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def prefers_onednn(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Say whether :func:`matmul` takes oneDNN, by processor, threads, type and shapes alone: a run gives its numbers again."""
    return (
        left.dtype is torch.float32
        and left.device.type == "cpu"
        and right.size(1) >= _COLUMNS
        and left.numel() * right.size(1) >= _WORTH_A_CALL * torch.get_num_threads()
        and torch.backends.mkldnn.enabled
        and _onednn_is_wider()
    )


def matmul(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return ``left @ right``; on processors of AMD with AVX-512 in half the time of PyTorch's own.

    Args:
        left: Matrix, shape ``(M, K)``; a transposed one is copied where oneDNN serves, and nowhere else.
        right: Matrix, shape ``(K, N)``, on the same device and of the same type, contiguous or transposed.

    Returns:
        Their product, shape ``(M, N)``. It carries no gradient of its own: this is for use within an autograd function.
    """
    if prefers_onednn(left, right):
        return torch.ops.mkldnn._linear_pointwise(left.contiguous(), right.t(), None, "none", [], "")
    return left @ right


def add_matmul(total: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Add ``left @ right`` to ``total`` in place, and return it: see :func:`matmul`."""
    if prefers_onednn(left, right):
        return total.add_(matmul(left, right))
    return total.addmm_(left, right)
