import pytest
import torch
from torch.testing import assert_close

from graphcortex.kernels import GraphStructure, complete_edge_index, recurrent_scan
from graphcortex.kernels import matmul as module
from graphcortex.kernels.matmul import add_matmul, matmul, prefers_onednn

SHAPES = [(1, 1, 1), (3, 5, 2), (130, 110, 90), (312, 312, 128), (200, 1, 300), (64, 700, 8), (400, 300, 7), (0, 4, 5)]


@pytest.fixture(params=["as measured", "oneDNN for everything"])
def library(request, monkeypatch):
    """Take the libraries as they come, and where the processor has the choice, oneDNN for the smallest product too."""
    if request.param != "as measured":
        if not module._onednn_is_wider():
            pytest.skip("PyTorch's own product has the widest kernels of this processor")
        monkeypatch.setattr(module, "_WORTH_A_CALL", 0)
        monkeypatch.setattr(module, "_COLUMNS", 0)


def random(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("transposed", ["", "left", "right", "both"])
def test_the_product_is_that_of_float64_to_rounding(shape, transposed, library):
    rows, inner, columns = shape
    left, right = random(rows, inner), random(inner, columns, seed=1)
    if transposed in ("left", "both"):
        left = left.t().contiguous().t()
    if transposed in ("right", "both"):
        right = right.t().contiguous().t()
    exact = left.double() @ right.double()
    size = left.double().abs() @ right.double().abs()
    error = (matmul(left, right).double() - exact).abs()
    assert (error <= 2 * torch.finfo(torch.float32).eps * inner**0.5 * size + 1e-30).all()
    total = torch.ones(rows, columns)
    found = add_matmul(total, left, right)
    assert found is total
    assert_close(found.double(), 1 + exact, rtol=1e-5, atol=1e-5 * max(1, inner) ** 0.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_types_are_left_to_pytorch(dtype, library):
    left, right = random(200, 200, dtype=dtype), random(200, 100, seed=1, dtype=dtype)
    assert not prefers_onednn(left, right)
    assert torch.equal(matmul(left, right), left @ right)


def test_what_is_not_finite_is_not_lost(library):
    left, right = random(300, 300), random(300, 100, seed=1)
    left[3, 4], left[5, 6], right[7, 8] = torch.nan, torch.inf, -torch.inf
    found, exact = matmul(left, right), left.double() @ right.double()
    assert torch.equal(found.isnan(), exact.isnan())
    assert torch.equal(found.isinf(), exact.isinf())


def test_the_same_product_again_is_the_same_to_the_last_bit(library):
    left, right = random(312, 312), random(312, 128, seed=1)
    first = matmul(left, right)
    assert all(torch.equal(matmul(left.clone(), right.clone()), first) for _ in range(5))


def test_a_network_is_the_same_by_either_library(library):
    """States and gradients of a dense network beside those of plain message passing in float64."""
    N, T, B = 120, 6, 100
    structure = GraphStructure.build(complete_edge_index(N), N)
    values = random(T, N, B), 0.1 * random(N * N, seed=1), random(N, B, seed=2).relu()

    def run(dtype, backend):
        leaves = [value.to(dtype, copy=True).requires_grad_() for value in values]
        states, last = recurrent_scan(leaves[0], leaves[1], structure, leaves[2], backend=backend)
        (states.square().mean() + last.sum() / B).backward()
        return [states.detach(), *(leaf.grad for leaf in leaves)]

    for found, exact in zip(run(torch.float32, "dense"), run(torch.float64, "reference"), strict=True):
        assert_close(found.double(), exact, rtol=1e-4, atol=1e-5)
