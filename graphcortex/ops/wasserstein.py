"""The earth mover's distance between two sets of numbers."""

from __future__ import annotations

import numpy as np
import torch

from graphcortex._checks import check_count


def wasserstein_1d(values: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    r"""Compute the earth mover's distance between equally many numbers, :math:`\frac1n \sum_k |x_{(k)} - y_{(k)}|`.

    Args:
        values: Numbers :math:`x`, any shape with n entries. The distance is differentiable in them.
        reference: Numbers :math:`y`, n of them; no gradient reaches them. Sort them once if they are used often.

    Returns:
        The distance, a scalar in the unit of the values.

    Raises:
        ValueError: If the two do not hold equally many numbers, or hold none.

    References:
        Villani (2003). Topics in Optimal Transportation, section 2.2. https://doi.org/10.1090/gsm/058

    Example:
        >>> wasserstein_1d(torch.tensor([3.0, 1.0]), torch.tensor([1.0, 2.0]))
        tensor(0.5000)
    """
    if values.numel() != reference.numel() or values.numel() == 0:
        raise ValueError(
            f"values and reference must hold equally many numbers, and at least one; got {values.numel()} and "
            f"{reference.numel()}."
        )
    return _SortedDistance.apply(values, reference.detach().flatten())


def _argsort(values: torch.Tensor) -> torch.Tensor:
    """Return the places of the values in ascending order; of equal ones the first comes first, on every processor.

    The gradient goes to places, and a network with few connections has many pairs of communicability 0.
    """
    if values.device.type != "cpu":
        return torch.argsort(values, stable=True)
    if values.dtype is torch.float32 and not bool(values.isnan().any()):
        return torch.from_numpy(_argsort_by_key(values.numpy()))
    # NumPy takes a third of the time of torch.
    return torch.from_numpy(np.argsort(values.numpy(), kind="stable"))


def _argsort_by_key(values: np.ndarray) -> np.ndarray:
    """Sort numbers of 32 bits, none of them NaN, as integers of 64: their order above, their place below.

    No two integers are equal, so that a sort that is not stable serves, and NumPy has one for wide registers: it takes a fifth of
    the time.
    """
    bits = (values + np.float32(0)).view(np.uint32)  # -0 is equal to 0 from here on
    # Of positive numbers the bits are in order, of negative ones in the reverse.
    flipped = (bits.view(np.int32) >> 31).view(np.uint32) | np.uint32(1 << 31)
    key = (bits ^ flipped).astype(np.uint64) << np.uint64(32)
    key |= np.arange(len(key), dtype=np.uint64)
    key.sort()
    return (key & np.uint64(2**32 - 1)).view(np.int64)


class _SortedDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, reference):
        flat = values.detach().flatten()
        order = _argsort(flat)
        if not bool((reference[1:] >= reference[:-1]).all()):
            reference = reference[_argsort(reference)]
        difference = flat[order] - reference
        ctx.save_for_backward(order, difference.sign())
        ctx.shape = values.shape
        return difference.abs().mean()

    @staticmethod
    def backward(ctx, grad_output):
        # Linear in the gradient of the distance, and constant in the values: autograd differentiates it as it is.
        order, sign = ctx.saved_tensors
        return torch.zeros_like(sign).index_copy(0, order, sign * (grad_output / sign.numel())).view(ctx.shape), None


def quantile_function(values: torch.Tensor, *, num_levels: int = 1024) -> torch.Tensor:
    r"""Summarise numbers by their quantiles at the levels :math:`(k + 1/2) / n`.

    Args:
        values: Numbers, any shape with at least one entry.
        num_levels: How many quantiles :math:`n` to keep.

    Returns:
        Ascending quantiles, shape ``(n,)``, in the unit of the values. :func:`quantiles_at` reads them.

    Raises:
        ValueError: If there are no numbers, one is NaN, or ``num_levels < 1``.

    Example:
        >>> quantile_function(torch.arange(8.0), num_levels=4)
        tensor([0.5000, 2.5000, 4.5000, 6.5000])
    """
    num_levels = check_count(num_levels, "num_levels")
    if values.numel() == 0 or bool(values.isnan().any()):
        raise ValueError(f"values must hold at least one number and no NaN, got shape {tuple(values.shape)}.")
    return quantiles_at(values.detach().flatten().sort().values, num_levels)


def quantiles_at(quantiles: torch.Tensor, count: int) -> torch.Tensor:
    """Read a quantile function at the levels of ``count`` sorted numbers, linearly between its own; shape ``(count,)``."""
    if quantiles.numel() == count:
        return quantiles
    level = (torch.arange(count, device=quantiles.device, dtype=torch.float64) + 0.5) / count
    position = (level * quantiles.numel() - 0.5).clamp(0, quantiles.numel() - 1)
    low = position.long()
    share = (position - low).to(quantiles.dtype)
    high = (low + 1).clamp(max=quantiles.numel() - 1)
    return quantiles[low] + share * (quantiles[high] - quantiles[low])
