"""Weights that break what is wrong: with ties, zeros and both signs, of very different or of extreme size."""

from __future__ import annotations

import torch

from graphcortex._checks import check_choice, check_count
from graphcortex.testing.strategies._hypothesis import st

_EIGHTHS = [n / 8 for step in (8, 4, 2, 1) for n in range(step, 33, step) if step == 8 or n % (2 * step)]
"""Whole numbers, then halves, quarters and eighths."""
_HUGE = {torch.float64: 900, torch.float32: 100}
"""Binary exponents that leave room for sums, and for another unit of the weights."""
KINDS = ("plain", "heavy_tailed", "tied", "extreme")


def weights(
    num_edges: int | None = None,
    *,
    kind: str = "plain",
    signed: bool = True,
    zeros: bool = True,
    max_edges: int = 12,
    dtype: torch.dtype = torch.float64,
):
    """Draw the weights of some edges. Failures shrink to few weights of 0 and 1.

    ========================  ==============================================================================
    ``kind``                  sizes
    ========================  ==============================================================================
    ``"plain"``               whole eighths up to 4: sums, differences and products of a few are exact
    ``"heavy_tailed"``        1 to 6144, evenly over the scales, so that one weight may outweigh all others
    ``"tied"``                1 and 2 alone: what sorts, ranks or thresholds meets ties
    ``"extreme"``             1, and as large or small as sums of a few stay finite: squares of them do not
    ========================  ==============================================================================

    Args:
        num_edges: Number of weights; 0 to ``max_edges``, if not given.
        kind: See the table.
        signed: Whether weights may be negative.
        zeros: Whether weights may be 0.
        max_edges: Most weights, where their number is not given.
        dtype: ``torch.float64`` or ``torch.float32``.

    Returns:
        A strategy of tensors of shape ``(E,)``.

    Raises:
        ValueError: If a number of edges is negative, or ``kind`` or ``dtype`` is unknown.

    Example:
        >>> from hypothesis import find
        >>> find(weights(3, kind="extreme"), lambda weight: not weight.square().sum().isfinite()).abs().log2().tolist()
        [-inf, -inf, 900.0]
    """
    least, most = 0, check_count(max_edges, "max_edges", minimum=0)
    if num_edges is not None:
        least = most = check_count(num_edges, "num_edges", minimum=0)
    sizes = weight_values(kind, signed=signed, zeros=zeros, dtype=dtype)
    return st.lists(sizes, min_size=least, max_size=most).map(lambda drawn: torch.tensor(drawn, dtype=dtype))


def weight_values(kind: str, *, signed: bool, zeros: bool, dtype: torch.dtype):
    """Return a strategy of one weight, a float that ``dtype`` holds exactly; the roundest numbers come first."""
    check_choice(kind, "kind", KINDS)
    if dtype not in _HUGE:
        raise ValueError(f"dtype must be torch.float64 or torch.float32, got {dtype}.")
    if kind == "plain":
        sizes = _EIGHTHS
    elif kind == "heavy_tailed":
        sizes = [size * 2.0**k for size in (1, 1.5) for k in range(13)]
    elif kind == "tied":
        sizes = [1.0, 2.0]
    else:
        most = _HUGE[dtype]
        sizes = [1.0, *(2.0**k for k in (most, -most, most // 2, -most // 2))]
    both = [value for size in sizes for value in ((size, -size) if signed else (size,))]
    return st.sampled_from([0.0, *both] if zeros else both)
