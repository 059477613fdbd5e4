import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from graphcortex.ops.precision import precision

SIZES = {"many samples": (5, 400), "few samples": (20, 8), "two samples": (3, 2), "two neurons": (2, 50)}


def mixed(num_neurons, num_samples, seed=0):
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(num_neurons, num_neurons))
    return torch.from_numpy(mixing @ generator.normal(size=(num_neurons, num_samples)) + 3.0)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_matches_scikit_learn(size):
    covariance = pytest.importorskip("sklearn.covariance")
    activity = mixed(*size)
    oracle = covariance.OAS().fit(activity.numpy().T)
    assert_allclose(precision(activity), oracle.precision_, rtol=1e-9, atol=1e-9 * abs(oracle.precision_).max())


@pytest.mark.parametrize("amount", [0.0, 0.3, 1.0])
def test_matches_the_formula_at_a_given_shrinkage(amount):
    activity = mixed(4, 60)
    covariance = np.cov(activity, ddof=0)
    shrunk = (1 - amount) * covariance + amount * np.trace(covariance) / 4 * np.eye(4)
    assert_allclose(precision(activity, shrinkage=amount), np.linalg.inv(shrunk), rtol=1e-9)


def test_symmetric_and_positive_definite():
    computed = precision(mixed(30, 10))
    assert torch.equal(computed, computed.T)
    assert torch.linalg.eigvalsh(computed).min() > 0


def test_does_not_depend_on_names_or_offset_and_scales_with_the_unit():
    activity = mixed(6, 40)
    computed = precision(activity)
    order = [3, 1, 5, 0, 2, 4]
    assert_allclose(precision(activity[order]), computed[order][:, order], rtol=1e-9)
    assert_allclose(precision(activity + 100), computed, rtol=1e-9)
    assert_allclose(precision(activity * 1e-6), computed * 1e12, rtol=1e-9)


def test_conditionally_independent_neurons_have_no_entry():
    # A chain 0 - 1 - 2: the ends are correlated, and independent given the middle.
    generator = np.random.default_rng(0)
    first = generator.normal(size=200_000)
    middle = first + generator.normal(size=200_000)
    last = middle + generator.normal(size=200_000)
    computed = precision(torch.from_numpy(np.stack([first, middle, last])), shrinkage=0.0)
    assert_allclose(computed, [[2, -1, 0], [-1, 2, -1], [0, -1, 1]], atol=0.03)


def test_a_silent_neuron_is_shrunk_to_the_mean_variance():
    computed = precision(torch.tensor([[0, 0, 0, 0], [1, 0, 2, 0]]))
    assert torch.isfinite(computed).all()
    assert computed[0, 1] == 0


BAD = {
    "one row of numbers": (torch.ones(4), {}),
    "no neurons": (torch.ones(0, 4), {}),
    "one sample": (torch.ones(4, 1), {}),
    "NaN": (torch.tensor([[1.0, torch.nan, 2.0]]), {}),
    "complex": (torch.ones(2, 3, dtype=torch.complex64), {}),
    "constant": (torch.ones(2, 3), {}),
    "unknown method": (mixed(3, 9), {"shrinkage": "lasso"}),
    "too much": (mixed(3, 9), {"shrinkage": 1.5}),
    "singular": (mixed(9, 3), {"shrinkage": 0.0}),
    "silent without shrinkage": (torch.tensor([[0.0, 0, 0], [1, 0, 2]]), {"shrinkage": 0.0}),
}


@pytest.mark.parametrize(("activity", "options"), BAD.values(), ids=BAD.keys())
def test_rejects(activity, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        precision(activity, **options)
