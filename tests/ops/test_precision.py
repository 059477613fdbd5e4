import sys

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
    estimators = {"oas": covariance.OAS(), "ledoit-wolf": covariance.LedoitWolf()}
    if size[1] == 2:  # two samples lie opposite each other: Ledoit and Wolf see no noise in that, and do not shrink
        del estimators["ledoit-wolf"]
        with pytest.raises(ValueError, match="singular at a shrinkage of 0"):
            precision(activity, shrinkage="ledoit-wolf")
    for shrinkage, estimator in estimators.items():
        oracle = estimator.fit(activity.numpy().T).precision_
        found = precision(activity, shrinkage=shrinkage)
        assert_allclose(found, oracle, rtol=1e-9, atol=1e-9 * abs(oracle).max())


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


# --- the graphical lasso


def test_the_graphical_lasso_satisfies_its_conditions():
    """The optimum is where the gradient meets the penalty: C - inv(K) is alpha times the sign of K, or less where K is 0."""
    pytest.importorskip("sklearn")
    activity, alpha = mixed(8, 300), 0.1
    found = precision(activity, method="graphical-lasso", alpha=alpha).numpy()
    deviation = activity.numpy().std(axis=1)
    K = found * np.outer(deviation, deviation)
    rest = np.linalg.inv(K) - np.corrcoef(activity)
    off = ~np.eye(8, dtype=bool)
    assert_allclose(np.diag(rest), 0, atol=1e-3)
    assert abs(rest[off]).max() < alpha + 1e-3
    active = off & (abs(K) > 1e-6)
    assert 0 < active.sum() < off.sum()
    assert_allclose(rest[active], alpha * np.sign(K[active]), atol=1e-3)


def test_the_graphical_lasso_finds_a_chain_and_scales_with_the_unit():
    pytest.importorskip("sklearn")
    generator = np.random.default_rng(0)
    chain = [generator.normal(size=5_000)]
    for _ in range(4):
        chain.append(chain[-1] + generator.normal(size=5_000))
    activity = torch.from_numpy(np.stack(chain))
    found = precision(activity, method="graphical-lasso", alpha=0.05)
    assert torch.equal(found, found.T)
    assert torch.linalg.eigvalsh(found).min() > 0
    gap = (torch.arange(5)[:, None] - torch.arange(5)).abs()
    assert (found[gap == 1] < -0.4).all()
    assert found[gap > 1].abs().max() < 0.1
    assert_allclose(precision(activity * 1e3, method="graphical-lasso", alpha=0.05), found * 1e-6, rtol=1e-9)
    assert_allclose(
        precision(activity, method="graphical-lasso", alpha=1.0), np.diag(1 / activity.numpy().var(1)), atol=1e-12
    )


def test_auto_is_the_lasso_up_to_a_size(monkeypatch):
    pytest.importorskip("sklearn")
    activity = mixed(6, 50)
    monkeypatch.setattr(sys.modules["graphcortex.ops.precision"], "LASSO_NEURONS", 6)
    assert torch.equal(precision(activity, method="auto"), precision(activity, method="graphical-lasso"))
    monkeypatch.setattr(sys.modules["graphcortex.ops.precision"], "LASSO_NEURONS", 5)
    assert torch.equal(precision(activity, method="auto"), precision(activity))


def test_a_lasso_that_does_not_converge_is_an_error():
    pytest.importorskip("sklearn")
    x = mixed(40, 3)
    with pytest.raises(
        ValueError, match=r"must have a graphical lasso that converges, got one of 40 neurons .*greater alpha"
    ):
        precision(torch.cat([x, x + 1e-9 * mixed(40, 3, 1)])[:40], method="graphical-lasso", alpha=1e-9)


def test_scikit_learn_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.covariance", None)
    with pytest.raises(ImportError, match=r"graphical lasso needs sklearn.*graphcortex-rnn\[functional\]"):
        precision(mixed(3, 9), method="graphical-lasso")


BAD = {
    "one row of numbers": (torch.ones(4), {}),
    "no neurons": (torch.ones(0, 4), {}),
    "one sample": (torch.ones(4, 1), {}),
    "NaN": (torch.tensor([[1.0, torch.nan, 2.0]]), {}),
    "complex": (torch.ones(2, 3, dtype=torch.complex64), {}),
    "constant": (torch.ones(2, 3), {}),
    "unknown method": (mixed(3, 9), {"shrinkage": "lasso"}),
    "unknown estimate": (mixed(3, 9), {"method": "glasso"}),
    "no penalty": (mixed(3, 9), {"method": "graphical-lasso", "alpha": 0.0}),
    "silent for the lasso": (torch.tensor([[0.0, 0, 0], [1, 0, 2]]), {"method": "graphical-lasso"}),
    "too much": (mixed(3, 9), {"shrinkage": 1.5}),
    "singular": (mixed(9, 3), {"shrinkage": 0.0}),
    "silent without shrinkage": (torch.tensor([[0.0, 0, 0], [1, 0, 2]]), {"shrinkage": 0.0}),
}


@pytest.mark.parametrize(("activity", "options"), BAD.values(), ids=BAD.keys())
def test_rejects(activity, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        precision(activity, **options)
