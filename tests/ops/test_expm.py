import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.ops._expm import expm_contraction


def contraction(size, norm, seed, order):
    matrix = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return matrix * (norm / torch.linalg.matrix_norm(matrix, order))


@given(
    size=st.integers(1, 12),
    norm=st.sampled_from([0.0, 1e-8, 0.5, 1.0]),
    seed=st.integers(0, 9),
    order=st.sampled_from([1, 2, np.inf]),
)
def test_matches_scipy_to_rounding(size, norm, seed, order):
    matrix = contraction(size, norm, seed, order)
    expected = torch.from_numpy(scipy.linalg.expm(matrix.numpy()))
    assert_close(expm_contraction(matrix), expected, rtol=0, atol=2e-15 * size)
    assert_close(expm_contraction(matrix.float()).double(), expected, rtol=0, atol=1e-6 * size)


@pytest.mark.parametrize("value", [-1.0, -0.3, 0.0, 0.7, 1.0])
def test_a_number_is_the_plain_exponential(value, device):
    matrix = torch.tensor([[value]], dtype=torch.float64, device=device)
    assert expm_contraction(matrix).item() == pytest.approx(np.exp(value), rel=4e-16)


def test_a_nilpotent_matrix_ends_its_series():
    matrix = torch.diag(torch.ones(3, dtype=torch.float64), 1)
    expected = torch.tensor([[1, 1, 1 / 2, 1 / 6], [0, 1, 1, 1 / 2], [0, 0, 1, 1], [0, 0, 0, 1]], dtype=torch.float64)
    assert_close(expm_contraction(matrix), expected, rtol=1e-15, atol=0)


def test_gradcheck():
    assert torch.autograd.gradcheck(expm_contraction, contraction(4, 1.0, 0, 2).requires_grad_())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)], ids=str)
def test_the_derivative_is_that_of_torch(dtype, tolerance):
    matrix = contraction(30, 1.0, 0, 2)
    upstream = torch.randn(30, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found, expected = (matrix.to(kind, copy=True).requires_grad_() for kind in (dtype, torch.float64))
    (expm_contraction(found) * upstream.to(dtype)).sum().backward()
    (torch.linalg.matrix_exp(expected) * upstream).sum().backward()
    assert float((found.grad - expected.grad).norm() / expected.grad.norm()) < tolerance


def test_rejects_another_precision():
    with pytest.raises(ValueError, match=r"must be float32 or float64, got torch.float16"):
        expm_contraction(torch.eye(2).half())
