from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score

from graphcortex.metrics import adjusted_mutual_information

partitions = st.integers(1, 12).flatmap(lambda N: st.tuples(*[st.lists(st.integers(0, 5), min_size=N, max_size=N)] * 2))


def mutual_information(first, second) -> float:
    N = len(first)
    total = 0.0
    for c in set(first):
        for d in set(second):
            n = sum(x == c and y == d for x, y in zip(first, second, strict=True))
            if n:
                total += n / N * math.log(N * n / (first.count(c) * second.count(d)))
    return total


def naive(first, second) -> float:
    """Average the mutual information over every order of one partition."""
    orders = list(itertools.permutations(second))
    expected = sum(mutual_information(first, list(order)) for order in orders) / len(orders)
    entropies = mutual_information(first, first) + mutual_information(second, second)
    return (mutual_information(first, second) - expected) / (entropies / 2 - expected)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1]),
        ([0, 0, 0, 0, 1, 1], [1, 0, 1, 0, 1, 0]),
        ([0, 1, 2, 3, 3, 3], [0, 0, 1, 1, 2, 3]),
        ([0, 0, 0, 1, 1], [0, 1, 2, 3, 3]),
    ],
)
def test_chance_is_the_mean_over_all_orders(first, second):
    assert adjusted_mutual_information(first, second) == pytest.approx(naive(first, second), abs=1e-12)


@given(both=partitions)
def test_agrees_with_scikit_learn(both):
    first, second = both
    ours = adjusted_mutual_information(first, second)
    if len({*zip(first, second, strict=True)}) == len(set(first)) == len(set(second)):
        assert ours == 1
    elif len(set(first)) == 1 or len(set(second)) == 1:
        assert ours == pytest.approx(0, abs=1e-9)
    else:
        assert ours == pytest.approx(adjusted_mutual_info_score(first, second), abs=1e-9)


def test_agrees_with_scikit_learn_on_large_partitions():
    rng = np.random.default_rng(0)
    first = np.minimum(rng.geometric(0.05, 5000), 60)
    second = np.where(rng.random(5000) < 0.4, rng.integers(0, 300, 5000), first)
    assert adjusted_mutual_information(first, second) == pytest.approx(
        adjusted_mutual_info_score(first, second), abs=1e-9
    )


@given(both=partitions, data=st.data())
def test_is_symmetric_and_does_not_depend_on_names(both, data):
    first, second = both
    value = adjusted_mutual_information(first, second)
    assert adjusted_mutual_information(second, first) == pytest.approx(value, abs=1e-12)
    names = data.draw(st.permutations(range(6)))
    renamed = torch.tensor([names[c] for c in first])
    assert adjusted_mutual_information(renamed, second) == pytest.approx(value, abs=1e-12)
    assert value <= 1 + 1e-12
    assert adjusted_mutual_information(first, first) == 1


def test_unrelated_partitions_have_none_on_average():
    rng = np.random.default_rng(1)
    values = [adjusted_mutual_information(rng.integers(0, 4, 60), rng.integers(0, 5, 60)) for _ in range(200)]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(200)


def test_many_small_modules_are_summed_in_blocks(monkeypatch):
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 40, 400), rng.integers(0, 30, 400)
    whole = adjusted_mutual_information(first, second)
    monkeypatch.setattr("graphcortex.metrics.mutual_information._BLOCK_TERMS", 3)
    assert adjusted_mutual_information(first, second) == pytest.approx(whole, abs=1e-12)


BAD_ARGUMENTS = {
    "floats": ([0.5, 1.0], [0, 1]),
    "none": ([], []),
    "a matrix": ([[0, 1]], [[0, 1]]),
    "of different length": ([0, 1], [0, 1, 2]),
}


@pytest.mark.parametrize(("first", "second"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(first, second):
    with pytest.raises(ValueError, match=r"must .*got"):
        adjusted_mutual_information(first, second)
