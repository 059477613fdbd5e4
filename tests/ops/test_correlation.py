import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from graphcortex.ops.correlation import binned_counts, spike_correlation
from graphcortex.testing.strategies import spike_trains
from tests.ops.recordings import FIELDS_WITH_SPIKES, read_spikes


def naive_counts(trains, bin_s, duration_s):
    counts = np.zeros((len(trains), int(duration_s // bin_s)))
    for neuron, train in enumerate(trains):
        for k in range(counts.shape[1]):
            counts[neuron, k] = sum(k * bin_s <= time < (k + 1) * bin_s for time in train.tolist())
    return counts


@given(trains=spike_trains(), bin_s=st.sampled_from([0.125, 0.5, 1.0]))
def test_counts_match_naive(trains, bin_s):
    assert_allclose(binned_counts(trains, bin_s=bin_s, duration_s=17.25), naive_counts(trains, bin_s, 17.25))


@given(trains=spike_trains())
def test_correlation_matches_numpy(trains):
    counts = naive_counts(trains, 0.5, 17.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.atleast_2d(np.corrcoef(counts))
    expected = np.where(np.isnan(expected), 0.0, expected)
    np.fill_diagonal(expected, 1.0)
    assert_allclose(spike_correlation(trains, bin_s=0.5, duration_s=17.0), expected, atol=1e-12)


@given(trains=spike_trains(), data=st.data())
def test_does_not_depend_on_the_names_of_neurons(trains, data):
    order = data.draw(st.permutations(range(len(trains))))
    correlation = spike_correlation(trains, bin_s=1.0, duration_s=20.0)
    renamed = spike_correlation([trains[i] for i in order], bin_s=1.0, duration_s=20.0)
    assert_allclose(renamed, correlation[order][:, order], atol=1e-12)
    assert torch.equal(correlation, correlation.T)
    assert correlation.abs().max() <= 1
    assert (correlation.diagonal() == 1).all()


@given(trains=spike_trains())
def test_does_not_depend_on_the_unit_of_time(trains):
    in_s = binned_counts(trains, bin_s=0.1, duration_s=16.1)
    in_ms = binned_counts([train * 1000 for train in trains], bin_s=100.0, duration_s=16_100.0)
    assert torch.equal(in_s, in_ms)


def test_a_spike_at_an_edge_opens_the_next_bin_and_rounding_does_not_move_it():
    tenths = torch.arange(100) / 10  # 0.3 / 0.1 is below 3 in floating point
    counts = binned_counts([tenths.double().round(decimals=1)], bin_s=0.1, duration_s=10.0)
    assert torch.equal(counts, torch.ones(1, 100, dtype=torch.int64))


def test_the_recording_ends_half_a_bin_after_the_last_spike():
    trains = [torch.tensor([0.1, 1.95]), torch.tensor([0.1, 1.0])]
    ends_there = spike_correlation(trains, bin_s=1.0, duration_s=2.45)
    assert torch.equal(spike_correlation(trains, bin_s=1.0), ends_there)
    # An end at 1.4 s leaves one bin, in which both counts are constant.
    assert torch.equal(spike_correlation([torch.tensor([0.1, 0.9])] * 2, bin_s=1.0), torch.eye(2).double())


def test_identical_and_alternating_neurons():
    even, odd = torch.arange(0.5, 10, 2), torch.arange(1.5, 10, 2)
    correlation = spike_correlation([even, even, odd], bin_s=1.0, duration_s=10.0)
    assert_allclose(correlation, [[1, 1, -1], [1, 1, -1], [-1, -1, 1]], atol=1e-12)


@pytest.mark.parametrize("constant", [[], [0.5 + k for k in range(7)]], ids=["silent", "same count in each bin"])
def test_a_neuron_that_never_changes_is_correlated_with_itself_only(constant):
    trains = [torch.tensor(constant), torch.tensor([0.2, 0.4, 5.5])]
    assert torch.equal(spike_correlation(trains, bin_s=1.0, duration_s=7.0), torch.eye(2).double())


BAD = {
    "no neurons": ([], {}),
    "matrix": ([torch.ones(2, 2)], {}),
    "NaN": ([torch.tensor([1.0, torch.nan])], {}),
    "negative time": ([torch.tensor([-1.0, 2.0])], {}),
    "unsorted": ([torch.tensor([2.0, 1.0])], {}),
    "duplicate": ([torch.tensor([1.0, 1.0])], {}),
    "zero bin": ([torch.tensor([1.0])], {"bin_s": 0}),
    "recording too short": ([torch.tensor([1.0, 5.0])], {"duration_s": 3.0}),
    "less than one bin": ([torch.tensor([0.01])], {"bin_s": 1.0, "duration_s": 0.5}),
    "times in ms": ([torch.tensor([1_000.0])], {"duration_s": 60.0}),
}


@pytest.mark.parametrize(("trains", "options"), BAD.values(), ids=BAD.keys())
def test_rejects(trains, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        spike_correlation(trains, **options)


@pytest.mark.real_data
@pytest.mark.parametrize("field", FIELDS_WITH_SPIKES)
def test_the_stored_correlations_come_back(microns_root, field):
    stored = np.load(microns_root / field / "corr_matrix.npy")
    assert_allclose(spike_correlation(read_spikes(microns_root, field)), stored, rtol=0, atol=1e-12)
