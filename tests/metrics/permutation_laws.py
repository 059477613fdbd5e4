"""Laws of every permutation test, checked in one way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import binom

from graphcortex.metrics import PermutationResult


def assert_uniform(p_values: list[float], num_permutations: int) -> None:
    """Check that p-values under the null are below each level as often as they should, within a binomial bound."""
    n = len(p_values)
    for level in (0.1, 0.25, 0.5, 0.75):
        # With n permutations only multiples of 1 / (n + 1) occur.
        chance = np.floor(level * (num_permutations + 1) + 1e-9) / (num_permutations + 1)
        count = int(np.sum(np.array(p_values) <= level + 1e-9))
        low, high = binom.ppf([5e-4, 1 - 5e-4], n, chance)
        assert low <= count <= high, f"{count} of {n} p-values are at most {level}; expected {low:.0f} to {high:.0f}"


def assert_reproducible(function: Callable[..., PermutationResult]) -> None:
    """Check that ``rng`` decides, and that the global generators are left alone."""
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second, other = function(rng=3), function(rng=3), function(rng=4)
    assert (first.null_mean, first.p_value, first.seed) == (second.null_mean, second.p_value, second.seed)
    assert first.value == other.value
    assert first.null_mean != other.null_mean
    generator = torch.Generator().manual_seed(0)
    assert function(rng=generator).null_mean != function(rng=generator).null_mean
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
