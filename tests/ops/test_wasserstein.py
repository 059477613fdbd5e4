import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.ops import quantile_function, quantiles_at, wasserstein_1d
from graphcortex.ops.wasserstein import _argsort

numbers = st.lists(st.integers(-8, 8).map(lambda eighths: eighths / 8), min_size=1, max_size=12)


@st.composite
def two_sets(draw):
    values = draw(numbers)
    reference = draw(st.lists(st.sampled_from([-1.0, 0.0, 0.25, 1.0, 3.0]), min_size=len(values), max_size=len(values)))
    return torch.tensor(values, dtype=torch.float64), torch.tensor(reference, dtype=torch.float64)


@given(sets=two_sets())
def test_matches_scipy_with_the_reference_in_any_order(sets):
    values, reference = sets
    expected = pytest.approx(scipy.stats.wasserstein_distance(values, reference), abs=1e-14)
    assert wasserstein_1d(values, reference).item() == expected
    assert wasserstein_1d(values, reference.sort().values).item() == expected
    assert wasserstein_1d(reference, values).item() == expected


@given(sets=two_sets(), data=st.data())
def test_does_not_depend_on_order_and_is_zero_for_equal_sets(sets, data):
    values, _ = sets
    order = torch.tensor(data.draw(st.permutations(range(len(values)))))
    assert wasserstein_1d(values, values[order]).item() == 0


@given(sets=two_sets(), shift=st.sampled_from([-2.0, 0.5]))
def test_a_shift_costs_its_size(sets, shift):
    values, _ = sets
    assert wasserstein_1d(values + shift, values).item() == pytest.approx(abs(shift))


def test_any_shape_and_precision(device, dtype):
    values = torch.arange(6, device=device, dtype=dtype).view(2, 3)
    result = wasserstein_1d(values, torch.zeros(6, device=device, dtype=dtype))
    assert result.dtype == dtype
    assert result.shape == ()
    assert result.item() == 2.5


def test_gradcheck_with_an_unsorted_reference():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    reference = torch.randn(12, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: wasserstein_1d(x, reference), values)
    assert torch.autograd.gradcheck(lambda x: 3 * wasserstein_1d(x.t(), reference) ** 2, values)


def test_gradient_by_hand():
    values = torch.tensor([[3.0, -1.0], [0.5, 1.0]], requires_grad=True)
    wasserstein_1d(values, torch.tensor([0.0, 2.0, 0.75, 0.5])).backward()
    assert_close(values.grad, torch.tensor([[0.25, -0.25], [0.0, 0.25]]))


@pytest.mark.parametrize("size", [7, 20_000])
def test_of_equal_numbers_the_first_is_compared_with_the_least(size, device):
    """Half of the numbers are equal; those of them that come late are held against what is greater, and are pulled up."""
    values = torch.zeros(size, dtype=torch.float32, device=device, requires_grad=True)
    reference = torch.cat((torch.zeros(size // 2), torch.ones(size - size // 2))).to(device)
    wasserstein_1d(values, reference).backward()
    expected = -reference / size
    assert torch.equal(values.grad, expected)


SIGNED = [0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 3.4e38, -3.4e38, math.inf, -math.inf, math.nan, -math.nan]


@example(drawn=[0.0, -0.0], dtype=torch.float32)
@example(drawn=[math.nan, -math.nan, 1.0, -1.0], dtype=torch.float32)
@given(
    drawn=st.lists(st.sampled_from(SIGNED), min_size=1, max_size=20),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_order_is_that_of_a_stable_sort(drawn, dtype):
    """Zeros of both signs are equal, and what is not a number comes last, whatever its sign."""
    numbers = [place for place, number in enumerate(drawn) if not math.isnan(number)]
    others = [place for place, number in enumerate(drawn) if math.isnan(number)]
    order = sorted(numbers, key=drawn.__getitem__) + others
    assert _argsort(torch.tensor(drawn, dtype=dtype)).tolist() == order


def test_no_gradient_reaches_the_reference_and_the_inputs_stay():
    values = torch.tensor([2.0, 1.0], requires_grad=True)
    reference = torch.tensor([5.0, 0.0], requires_grad=True)
    wasserstein_1d(values, reference).backward()
    assert reference.grad is None
    assert reference.tolist() == [5, 0]
    assert values.tolist() == [2, 1]


def test_nan_is_not_hidden():
    assert wasserstein_1d(torch.tensor([1.0, torch.nan]), torch.zeros(2)).isnan()


BAD_ARGUMENTS = {
    "unequal": (torch.ones(3), torch.ones(2)),
    "none": (torch.ones(0), torch.ones(0)),
    "equal rows": (torch.ones(2, 2), torch.ones(2)),
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        wasserstein_1d(*arguments)


@given(values=numbers)
def test_as_many_quantiles_as_numbers_are_the_sorted_numbers(values):
    values = torch.tensor(values, dtype=torch.float64)
    assert torch.equal(quantile_function(values, num_levels=len(values)), values.sort().values)


@given(values=numbers, levels=st.integers(1, 30))
def test_quantiles_ascend_within_the_numbers_and_read_back(values, levels):
    values = torch.tensor(values, dtype=torch.float64)
    found = quantile_function(values, num_levels=levels)
    assert found.shape == (levels,)
    assert (found.diff() >= 0).all()
    assert values.min() <= found.min()
    assert found.max() <= values.max()
    assert torch.equal(quantiles_at(found, levels), found)


@given(
    values=numbers, levels=st.integers(1, 30), shift=st.sampled_from([-2.0, 0.5]), factor=st.sampled_from([0.5, 4.0])
)
def test_quantiles_follow_shift_and_unit(values, levels, shift, factor):
    values = torch.tensor(values, dtype=torch.float64)
    moved = quantile_function(factor * values + shift, num_levels=levels)
    assert_close(moved, factor * quantile_function(values, num_levels=levels) + shift)


def test_quantiles_match_numpy():
    """NumPy calls this form of quantile hazen."""
    values = torch.randn(101, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = np.quantile(values.numpy(), (np.arange(17) + 0.5) / 17, method="hazen")
    assert_close(quantile_function(values, num_levels=17).numpy(), expected)


@pytest.mark.parametrize(("values", "levels"), [([], 4), ([1.0, float("nan")], 4), ([1.0], 0)])
def test_quantiles_reject(values, levels):
    with pytest.raises(ValueError, match=r"must .*got"):
        quantile_function(torch.tensor(values), num_levels=levels)
