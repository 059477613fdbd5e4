"""An order of neurons in which those near in space are near in memory."""

from __future__ import annotations

import torch

# Neurons from which on such an order pays (benchmarks/bench_locality.py, B = 32): above, the states of a step no longer fit the
# last cache, and each that is fetched from memory should bring its neighbours. Below, gains and losses are a few per cent.
ORDER_FROM = 200_000
_BITS = 20


def morton_order(pos: torch.Tensor) -> torch.Tensor:
    """Return the neurons along a Morton (Z-order) curve.

    Args:
        pos: Positions, shape ``(N, D)`` with D of 1 to 3, in any unit.

    Returns:
        Permutation of ``0 .. N - 1``, int64, shape ``(N,)``.

    References:
        Morton (1966). A computer oriented geodetic data base. IBM Technical Report.

    Example:
        >>> morton_order(torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.1, 0.0]]))
        tensor([1, 2, 0])
    """
    low, high = pos.amin(0), pos.amax(0)
    # One scale for all axes: a cell of the curve is a cube.
    span = (high - low).max().clamp(min=torch.finfo(pos.dtype).tiny)
    cells = ((pos - low).double() / span.double() * (2**_BITS - 1)).long()
    code = torch.zeros(len(pos), dtype=torch.int64, device=pos.device)
    for bit in range(_BITS):
        for axis in range(pos.size(1)):
            code |= ((cells[:, axis] >> bit) & 1) << (pos.size(1) * bit + axis)
    return torch.argsort(code, stable=True)
