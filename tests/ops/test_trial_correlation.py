import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from graphcortex.ops.trial_correlation import noise_correlation, signal_correlation
from tests.conftest import real_data

# Whole numbers, so that a neuron often has the same response twice, or never varies.
RESPONSES = arrays(np.int64, (6, 3), elements=st.integers(-3, 3))
CONDITIONS = st.permutations([0, 0, 4, 4, 7, 7])
NAMES = {"signal": signal_correlation, "noise": noise_correlation}


def pearson(x, y):
    x, y = x - np.mean(x), y - np.mean(y)
    norm = np.sqrt((x**2).sum() * (y**2).sum())
    return 0.0 if norm < 1e-9 else (x * y).sum() / norm


def naive_signal(responses, conditions):
    labels = sorted(set(conditions))
    means = np.array([responses[[c == label for c in conditions]].mean(0) for label in labels])
    return [[1.0 if i == j else pearson(x, y) for j, y in enumerate(means.T)] for i, x in enumerate(means.T)]


def naive_noise(responses, conditions, standardize):
    z = np.zeros(responses.shape)
    for k, label in enumerate(conditions):
        same = responses[[c == label for c in conditions]]
        for i in range(responses.shape[1]):
            z[k, i] = responses[k, i] - same[:, i].mean()
            if standardize and same[:, i].std() > 0:
                z[k, i] /= same[:, i].std()
    return [[1.0 if i == j else pearson(x, y) for j, y in enumerate(z.T)] for i, x in enumerate(z.T)]


@given(responses=RESPONSES, conditions=CONDITIONS)
def test_matches_naive(responses, conditions):
    given_to = torch.from_numpy(responses), conditions
    assert_allclose(signal_correlation(*given_to), naive_signal(responses, conditions), atol=1e-12)
    for standardize in (True, False):
        found = noise_correlation(*given_to, standardize=standardize)
        assert_allclose(found, naive_noise(responses, conditions, standardize), atol=1e-12)


@pytest.mark.parametrize("correlate", NAMES.values(), ids=NAMES.keys())
@given(responses=RESPONSES, conditions=CONDITIONS, data=st.data())
def test_symmetric_bounded_and_without_order_or_names(correlate, responses, conditions, data):
    responses = torch.from_numpy(responses)
    found = correlate(responses, conditions)
    assert torch.equal(found, found.T)
    assert found.abs().max() <= 1
    trials = data.draw(st.permutations(range(6)))
    assert_allclose(correlate(responses[trials], [conditions[k] for k in trials]), found, atol=1e-12)
    neurons = data.draw(st.permutations(range(3)))
    assert_allclose(correlate(responses[:, neurons], conditions), found[neurons][:, neurons], atol=1e-12)
    assert_allclose(correlate(responses * 5 + 100, [9 - c for c in conditions]), found, atol=1e-9)


@pytest.mark.parametrize("correlate", NAMES.values(), ids=NAMES.keys())
def test_a_block_of_trials_is_the_same_as_its_rows(correlate):
    block = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 4, 7)))  # trials, conditions, neurons
    rows, conditions = block.transpose(0, 1).reshape(20, 7), torch.arange(4).repeat_interleave(5)
    everything = correlate(block)
    assert_allclose(correlate(rows, conditions), everything, atol=1e-12)
    pairs = torch.tensor([[0, 3, 6, 2], [1, 3, 0, 5]])
    assert_allclose(correlate(block, pairs=pairs), everything[pairs[0], pairs[1]], atol=1e-12)


def test_signal_and_noise_are_told_apart():
    # Two neurons of opposite tuning that share all of their noise, and a third of like tuning with noise of its own.
    rng = np.random.default_rng(1)
    tuning = np.array([[-1.0, 1, -1], [0, 0, 0], [1, -1, 1]])
    shared, own = rng.normal(size=(2, 400, 3, 1))
    responses = torch.from_numpy(10 * tuning + np.concatenate([shared, shared, own], axis=2))
    assert_allclose(signal_correlation(responses)[0], [1, -1, 1], atol=0.01)
    assert_allclose(noise_correlation(responses)[0], [1, 1, 0], atol=0.1)


def test_a_noisy_condition_does_not_outweigh_the_others():
    # Alike in two conditions, opposite in one of ten times the size.
    z = np.random.default_rng(2).normal(size=(50, 3, 1))
    responses = torch.from_numpy(np.concatenate([z, z * [[1], [1], [-1]]], axis=2) * [[1], [1], [10]])
    assert noise_correlation(responses)[0, 1] > 0.3
    assert noise_correlation(responses, standardize=False)[0, 1] < -0.9


BAD = {
    "conditions of a block": (torch.ones(2, 2, 2), [0, 1]),
    "rows without conditions": (torch.ones(4, 2), None),
    "one dimension": (torch.ones(4), [0, 0, 1, 1]),
    "one condition too few": (torch.ones(4, 2), [0, 0, 1]),
    "conditions as floats": (torch.ones(4, 2), [0.0, 0.0, 1.0, 1.0]),
    "NaN": (torch.full((4, 2), torch.nan), [0, 0, 1, 1]),
    "complex": (torch.ones(4, 2, dtype=torch.complex64), [0, 0, 1, 1]),
    "no trials": (torch.ones(0, 3, 2), None),
    "no neurons": (torch.ones(2, 3, 0), None),
}


@pytest.mark.parametrize("correlate", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize(("responses", "conditions"), BAD.values(), ids=BAD.keys())
def test_rejects(correlate, responses, conditions):
    with pytest.raises(ValueError, match=r"must .*got"):
        correlate(responses, conditions)


def test_rejects_too_few():
    with pytest.raises(ValueError, match="at least two conditions for signal correlation, got 1"):
        signal_correlation(torch.ones(3, 1, 2))
    with pytest.raises(ValueError, match="at least two trials, got 1 of 2 conditions"):
        noise_correlation(torch.ones(3, 2), [0, 0, 1])


@pytest.mark.real_data
def test_signal_correlations_of_parietal_neurons_are_those_of_their_released_averages():
    folder = real_data("ppc-em-function")
    with np.load(folder / "single_trials.npz") as stored, np.load(folder / "trial_average.npz") as averages:
        kept = np.isin(stored["cue"], (2, 3))
        cue, activity = stored["cue"][kept], stored["activity"][:, 13:, kept]
        there = np.isfinite(activity).all(axis=(1, 2))
        released = np.concatenate([averages["right"][there], averages["left"][there]], axis=1)
    assert there.sum() == 32  # in every session
    # Each bin of time at each cue is a condition.
    responses = torch.from_numpy(activity[there].transpose(2, 1, 0).reshape(-1, 32))
    conditions = torch.from_numpy((cue[:, None] * 100 + np.arange(63)).astype(np.int64).reshape(-1))
    pairs = torch.triu_indices(32, 32, 1)
    signal = signal_correlation(responses, conditions, pairs=pairs)
    noise = noise_correlation(responses, conditions, pairs=pairs)
    expected = np.corrcoef(released)[pairs[0], pairs[1]]
    assert np.corrcoef(signal, expected)[0, 1] > 0.95
    assert noise.abs().mean() < signal.abs().mean() / 2
