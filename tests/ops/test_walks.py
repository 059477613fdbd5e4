import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from graphcortex.kernels import GraphStructure
from graphcortex.ops._walks import _RANK, DEGREE, gradient_factors, walk_sum


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("dtype", DEGREE, ids=str)
def test_few_factors_hold_all_coefficients(dtype, first):
    degree = DEGREE[dtype]
    left, right = gradient_factors(degree, _RANK[dtype], first)
    assert left.shape == right.shape == (_RANK[dtype], degree)
    for row in range(degree):
        for column in range(degree):
            k = row + column + 1
            expected = 1 / math.factorial(k) if first <= k <= degree else 0.0
            assert left[:, row] @ right[:, column] == pytest.approx(expected, abs=4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DEGREE, ids=str)
def test_what_the_series_leaves_out_is_below_rounding(dtype):
    """Where the norm is 1: the value misses sum 1/k!, the derivative sum 1/(k-1)!, beyond the last power."""
    left_out = sum(1 / math.factorial(k) for k in range(DEGREE[dtype], 60))
    assert left_out < torch.finfo(dtype).eps * math.e


@pytest.mark.parametrize("first", [0, 1, 2])
def test_matches_powers_one_by_one(first):
    """The derivative against one difference quotient per edge."""
    edge_index = torch.tensor([[0, 1, 2, 2, 3], [1, 2, 0, 2, 1]])
    values = torch.tensor([0.5, 0.25, 0.75, 0.125, 0.5], dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    right, left = torch.randn(2, 4, 3, generator=rng, dtype=torch.float64)
    structure = GraphStructure.build(edge_index, 4)

    def naive(v):
        A = np.zeros((4, 4))
        for (i, j), value in zip(edge_index.t().tolist(), v.tolist(), strict=True):
            A[i, j] = value
        return sum(np.linalg.matrix_power(A, k) @ right.numpy() / math.factorial(k) for k in range(first, 30))

    total, gradient = walk_sum(structure, values, right, lambda found: left, first=first)
    assert_close(total.numpy(), naive(values), rtol=1e-13, atol=1e-15)
    for e in range(5):
        h = torch.zeros(5, dtype=torch.float64)
        h[e] = 1e-6
        slope = ((naive(values + h) - naive(values - h)) * left.numpy()).sum() / 2e-6
        assert gradient[e].item() == pytest.approx(slope, rel=1e-8, abs=1e-9)
    alone, none = walk_sum(structure, values, right, first=first)
    assert none is None
    assert torch.equal(alone, total)
