from __future__ import annotations

import math

import numpy as np
import pytest

from graphcortex.metrics import _permutation
from graphcortex.metrics._permutation import PermutationResult, compared, permutations, permuted_values


def test_blocks_do_not_change_what_is_drawn(monkeypatch):
    def draw() -> np.ndarray:
        return np.concatenate(list(permutations(np.random.default_rng(0), 5, 40, cost=5)))

    whole = draw()
    monkeypatch.setattr(_permutation, "BLOCK", 15)
    assert len(next(permutations(np.random.default_rng(0), 5, 40, cost=5))) == 3
    assert np.array_equal(draw(), whole)
    assert (np.sort(whole, axis=1) == np.arange(5)).all()
    assert len(np.unique(whole, axis=0)) > 25


def naive_p(value: float, shuffled: list[float]) -> float:
    everyone = [value, *shuffled]
    mean = sum(everyone) / len(everyone)
    return sum(abs(one - mean) >= abs(value - mean) - 1e-12 for one in everyone) / len(everyone)


def test_the_p_value_counts_those_as_far_from_the_mean():
    rng = np.random.default_rng(0)
    for _ in range(50):
        value, shuffled = rng.standard_normal(), rng.standard_normal(20).round(1)
        found = compared(value, shuffled, "neurons", 7)
        assert found["p_value"] == pytest.approx(naive_p(value, shuffled.tolist()))
        assert found["null_mean"] == pytest.approx(shuffled.mean())
        assert found["null_sd"] == pytest.approx(shuffled.std(ddof=1))
        assert (found["num_nulls"], found["null"], found["seed"]) == (20, "neurons", 7)


def test_values_that_differ_by_rounding_alone_are_equal():
    shuffled = 0.1 + 1e-17 * np.arange(99) + np.where(np.arange(99) % 2, 1e-16, 0)
    found = PermutationResult(value=0.1, **compared(0.1, shuffled, "neurons", 0))
    assert found.p_value == 1
    assert found.null_sd == 0
    assert math.isnan(found.z)


def test_one_permutation_has_no_deviation():
    found = compared(1.0, np.array([0.0]), "neurons", 0)
    assert math.isnan(found["null_sd"])
    assert found["p_value"] == 1


@pytest.mark.parametrize("num_permutations", [0, -1, 2.5, True])
def test_rejects(num_permutations):
    with pytest.raises(ValueError, match=r"num_permutations must .*got"):
        permuted_values(lambda block: block[:, 0], np.random.default_rng(0), 3, num_permutations, 3)
