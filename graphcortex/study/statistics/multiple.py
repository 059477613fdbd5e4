"""P-values of a family of tests, corrected for how many there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from graphcortex.metrics import _multiple_tests


def holm(p_values: Any) -> np.ndarray:
    r"""Correct p-values so that the chance of any false alarm in the family is at most the level.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) \, p_{(j)})

    Args:
        p_values: P-values, shape ``(m,)``. NaN, a test that could not be made, stays NaN and does not count.

    Returns:
        The corrected p-values, shape ``(m,)``.

    Raises:
        ValueError: If they are not numbers of one dimension within [0, 1].

    References:
        Holm (1979). A simple sequentially rejective multiple test procedure. Scand. J. Stat. 6.
        https://www.jstor.org/stable/4615733

    Example:
        >>> holm([0.01, 0.04, 0.03])
        array([0.03, 0.06, 0.06])
    """
    p = np.array(p_values, dtype=np.float64)
    made = ~np.isnan(p)
    if p.ndim != 1 or (p[made] < 0).any() or (p[made] > 1).any():
        raise ValueError(f"p_values must have one dimension and lie within [0, 1], or be NaN; got {p_values!r:.80}.")
    p[made] = _multiple_tests.holm(torch.from_numpy(p[made])).numpy()
    return p
