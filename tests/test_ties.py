from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex._ties import ROUNDING, at_least, merge_tied_sizes, merge_ties, rank, rounding_of

whole = st.lists(st.integers(-50, 50), min_size=1, max_size=30)


@given(whole, st.integers(1, 12), st.sampled_from([1e-200, 1e-3, 1.0, 1e9, 1e200]))
def test_numbers_that_rounding_sets_apart_are_tied(numbers, denominator, scale):
    values = np.array([float(Fraction(k, denominator)) for k in numbers])
    moved = values * scale * (1 + np.random.default_rng(0).integers(-3, 4, len(values)) * 2.0**-52)
    np.testing.assert_array_equal(rank(moved), scipy.stats.rankdata(numbers))


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20, unique=True))
def test_numbers_far_apart_keep_their_order(values):
    values = np.array(values)
    ordered = np.sort(values)
    if (np.diff(ordered) > 2 * ROUNDING * ordered[1:]).all():
        np.testing.assert_array_equal(rank(values), scipy.stats.rankdata(values))
        np.testing.assert_array_equal(merge_ties(values), values)


@given(whole, st.permutations(range(30)))
def test_order_does_not_matter(numbers, order):
    values = np.array(numbers) / 10 + 0.1 + 0.2
    order = [k for k in order if k < len(values)]
    np.testing.assert_array_equal(merge_ties(values)[order], merge_ties(values[order]))


@given(whole)
def test_each_row_by_itself(numbers):
    rows = np.stack([np.array(numbers) * 0.1, np.array(numbers) * 7.0])
    np.testing.assert_array_equal(merge_ties(rows), [merge_ties(row) for row in rows])


def test_differences_tied_with_zero_are_zero():
    a, b = np.array([0.1 + 0.2, 0.9, 0.3]), np.array([0.3, 0.8, 0.4])
    merged = merge_tied_sizes(a - b, rounding_of(a, b))
    assert merged[0] == 0
    assert merged[1] == -merged[2] > 0


def test_empty_and_single():
    assert merge_ties(np.empty(0)).shape == (0,)
    assert rank(np.array([3.0])).tolist() == [1]


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_at_least(kind):
    assert at_least(kind([0.3, 0.1 + 0.2, 0.29]), 0.1 + 0.2, 1.0).tolist() == [True, True, False]
