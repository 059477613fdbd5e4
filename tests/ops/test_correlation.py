import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from graphcortex.ops import correlation as correlation_of
from graphcortex.ops import noise_correlation, precision
from graphcortex.ops.correlation import _GIVEN_PAIRS_VALUES, binned_counts, spike_correlation
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


# --- given pairs, traces, blocks of time


@given(trains=spike_trains(), data=st.data())
def test_given_pairs_are_entries_of_all_pairs(trains, data):
    neuron = st.integers(0, len(trains) - 1)
    pairs = torch.tensor(data.draw(st.lists(st.tuples(neuron, neuron))), dtype=torch.int64).reshape(-1, 2).T
    everything = spike_correlation(trains, bin_s=0.5, duration_s=17.0)
    found = spike_correlation(trains, bin_s=0.5, duration_s=17.0, pairs=pairs)
    assert found.shape == (pairs.size(1),)
    assert_allclose(found, everything[pairs[0], pairs[1]], rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int16])
@pytest.mark.parametrize("length", [2, 40, 3000])
def test_traces_match_numpy(dtype, length):
    rng = np.random.default_rng(length)
    traces = torch.from_numpy(rng.normal(size=(9, length)) @ np.diag(rng.uniform(1, 9, length)) * 20 + 300).to(dtype)
    expected = np.corrcoef(traces.double())
    assert_allclose(correlation_of(traces), expected, rtol=0, atol=1e-12)
    pairs = torch.tensor([[0, 1, 2, 2, 8], [3, 1, 7, 7, 0]])
    assert_allclose(correlation_of(traces, pairs=pairs), expected[pairs[0], pairs[1]], rtol=0, atol=1e-12)


DTYPES = ["?", "u1", "i1", "<u2", ">u2", ">i2", "<u4", ">u4", "<u8", ">u8", ">i8", "<f2", ">f4", ">f8", "g"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_every_real_dtype_are_traces(dtype):
    stored = np.random.default_rng(0).integers(0, 2 if dtype == "?" else 100, (5, 40)).astype(dtype)
    expected = np.corrcoef(stored.astype(float))
    stored.flags.writeable = False
    assert_allclose(correlation_of(stored), expected, atol=1e-12)
    assert_allclose(correlation_of(stored[::-1, ::-1]), expected[::-1, ::-1], atol=1e-12)
    assert_allclose(precision(stored), precision(torch.from_numpy(stored.astype(float))), rtol=1e-9)
    responses = stored.reshape(4, 10, 5)
    assert_allclose(
        noise_correlation(responses), noise_correlation(torch.from_numpy(responses.astype(float))), atol=1e-12
    )


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint16, torch.uint32, torch.uint64, torch.float16, torch.bfloat16])
def test_tensors_of_every_real_dtype_are_traces(dtype):
    high = 2 if dtype == torch.bool else 100
    stored = torch.randint(high, (5, 40), generator=torch.Generator().manual_seed(0)).to(dtype)
    assert_allclose(correlation_of(stored), np.corrcoef(stored.double()), atol=1e-12)


def test_large_unsigned_traces_do_not_wrap():
    stored = np.array([[2**63 + 2**20, 2**63, 2**64 - 2**20, 5]], dtype=np.uint64)
    both = np.concatenate([stored, [[1, 2, 3, 4]]]).astype(np.uint64)
    assert_allclose(correlation_of(both), np.corrcoef(both.astype(float)), atol=1e-12)


def test_masked_samples_are_missing_and_masked_spikes_are_none():
    traces = np.ma.masked_array(np.arange(12.0).reshape(2, 6) % 5)
    assert_allclose(correlation_of(traces), np.corrcoef(traces.data), atol=1e-12)
    traces[1, 2] = np.ma.masked
    with pytest.raises(ValueError, match=r"activity must be finite, got 1 of"):
        correlation_of(traces)
    spikes = np.ma.masked_array([0.1, 0.3, 9.0, 9.0], mask=[False, False, True, True])
    assert torch.equal(binned_counts([spikes], bin_s=0.2, duration_s=0.4), torch.tensor([[1, 1]]))


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">u4", "<u8"])
def test_spike_times_of_any_real_dtype(dtype):
    times = np.array([1, 2, 4, 8]).astype(dtype)
    assert torch.equal(
        binned_counts([times], bin_s=1.0, duration_s=9.0), binned_counts([[1, 2, 4, 8]], bin_s=1.0, duration_s=9.0)
    )


@pytest.mark.parametrize("values", [1, 700])
def test_does_not_depend_on_the_blocks_of_time(values, monkeypatch):
    rng = np.random.default_rng(0)
    traces = torch.from_numpy(rng.normal(size=(7, 1500))).cumsum(1)
    trains = [np.sort(rng.uniform(0, 160, 200)) for _ in range(7)]
    pairs = torch.combinations(torch.arange(7)).T
    whole = correlation_of(traces), spike_correlation(trains, bin_s=0.1)
    monkeypatch.setattr(sys.modules["graphcortex.ops.correlation"], "_ALL_PAIRS_VALUES", values)
    monkeypatch.setattr(sys.modules["graphcortex.ops.correlation"], "_GIVEN_PAIRS_VALUES", values)
    assert _GIVEN_PAIRS_VALUES > 7 * 1500  # so that the whole is one block
    for found, expected in zip((correlation_of(traces), spike_correlation(trains, bin_s=0.1)), whole, strict=True):
        assert_allclose(found, expected, rtol=0, atol=1e-13)
    assert_allclose(correlation_of(traces, pairs=pairs), whole[0][pairs[0], pairs[1]], rtol=0, atol=1e-13)
    assert_allclose(spike_correlation(trains, bin_s=0.1, pairs=pairs), whole[1][pairs[0], pairs[1]], rtol=0, atol=1e-13)


@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1e6, 1e200])
def test_traces_have_no_unit_and_no_offset(scale):
    traces = torch.from_numpy(np.random.default_rng(3).normal(size=(4, 100)))
    assert_allclose(correlation_of(traces * scale), correlation_of(traces), atol=1e-12)
    assert_allclose(correlation_of(traces + 1000), correlation_of(traces), atol=1e-11)
    assert_allclose(
        correlation_of(traces * torch.tensor([[1], [1], [-1], [1]]))[0],
        correlation_of(traces)[0] * torch.tensor([1, 1, -1, 1]),
    )


def test_traces_are_left_as_they_are():
    traces = torch.from_numpy(np.random.default_rng(3).normal(size=(4, 100)))
    before = traces.clone()
    correlation_of(traces)
    correlation_of(traces, pairs=torch.tensor([[0], [1]]))
    assert torch.equal(traces, before)


def test_a_time_shift_by_whole_bins_changes_nothing_but_the_empty_bins():
    rng = np.random.default_rng(0)
    trains = [np.sort(rng.uniform(0, 100, 80)) for _ in range(4)]
    counts = binned_counts(trains, bin_s=0.25, duration_s=100.0)
    later = binned_counts([train + 64.0 for train in trains], bin_s=0.25, duration_s=164.0)
    assert torch.equal(later[:, 256:], counts)
    assert not later[:, :256].any()


# --- times that were counted from a start which was subtracted


def frame_times(frames, frame_s, start_s, dtype=np.float64):
    """Times of frames as a clock that began long before gives them, counted from the start of the recording."""
    start = dtype(start_s)
    return np.maximum((start + np.asarray(frames) * frame_s).astype(dtype) - start, dtype(0))


def test_two_frames_in_each_bin_of_a_day_old_clock():
    frames = np.maximum(86400 + np.arange(12000) * 0.1 - 86400, 0)
    counts = binned_counts([frames], bin_s=0.2, duration_s=1200.1)
    assert torch.equal(counts, torch.full((1, 6000), 2))


STARTS = [0.0, 12.34, 3600.5, 86400.0, 1_700_000_000.0]


@pytest.mark.parametrize("start_s", STARTS)
@pytest.mark.parametrize(("frame_s", "frames_per_bin"), [(0.1, 2), (0.1587, 2), (1 / 30, 3), (1 / 6.3009, 2), (0.1, 1)])
def test_the_start_of_the_clock_moves_no_frame_into_another_bin(frame_s, frames_per_bin, start_s):
    fires = np.random.default_rng(1).random((20, 6000)) < 0.1
    trains = [frame_times(np.flatnonzero(row), frame_s, start_s) for row in fires]
    bin_s, duration_s = frames_per_bin * frame_s, 6000 * frame_s * (1 + 1e-9)
    counts = binned_counts(trains, bin_s=bin_s, duration_s=duration_s)
    expected = fires.reshape(20, -1, frames_per_bin).sum(-1)
    assert np.array_equal(counts.numpy(), expected)
    found = spike_correlation(trains, bin_s=bin_s, duration_s=duration_s)
    assert_allclose(found, np.corrcoef(expected), rtol=0, atol=1e-12)


@given(
    frames=st.lists(st.integers(0, 3000), min_size=1, max_size=20, unique=True).map(sorted),
    frame_s=st.sampled_from([0.1, 0.1587, 0.03, 1 / 3]),
    start_s=st.floats(0, 2e9),
)
def test_any_start_leaves_frames_in_their_bins(frames, frame_s, start_s):
    counts = binned_counts([frame_times(frames, frame_s, start_s)], bin_s=2 * frame_s, duration_s=3002 * frame_s)
    assert counts.size(1) == 1501
    assert np.array_equal(counts[0].numpy(), np.bincount(np.array(frames) // 2, minlength=1501))


@pytest.mark.parametrize("start_s", [0.0, 600.0])
def test_times_in_float32_are_rounded_as_float32(start_s):
    frames = np.delete(np.arange(5000), 7)
    times = torch.from_numpy(frame_times(frames, 0.1, start_s, np.float32))
    expected = np.bincount(frames // 2)
    # Of float32 differences the start cannot be read: its rounding is said.
    options = {"tolerance_s": 1e-3} if start_s else {}
    counts = binned_counts([times], bin_s=0.2, duration_s=500.0, **options)
    assert np.array_equal(counts[0].numpy(), expected)


def test_the_tolerance_is_at_most_half_of_the_shortest_interval_and_of_the_bin():
    # Tolerances of a whole bin would move every spike.
    spread = [0.1, 0.35, 0.6, 0.85]
    counts = binned_counts([spread], bin_s=0.25, duration_s=1.0, tolerance_s=100.0)
    assert torch.equal(counts, torch.tensor([[1, 1, 1, 1]]))
    assert torch.equal(binned_counts([[0.1]], bin_s=1.0, duration_s=2.0, tolerance_s=100.0), torch.tensor([[1, 0]]))


def test_the_tolerance_can_be_given():
    # Written with three digits, frames of .1587 s are off by up to .5 ms.
    frames = np.arange(3000)
    times = np.round(frames * 0.1587, 3)
    options = {"bin_s": 2 * 0.1587, "duration_s": 3000 * 0.1587}
    assert binned_counts([times], **options, tolerance_s=0.001).unique().tolist() == [2]
    assert binned_counts([times], **options, tolerance_s=0.0).unique().tolist() != [2]


def test_whole_ticks_of_a_clock_are_not_taken_for_rounding():
    ticks = np.array([0.125, 0.25, 0.375, 0.5]) - 2.0**-15
    assert torch.equal(binned_counts([ticks], bin_s=0.125, duration_s=0.5), torch.ones(1, 4, dtype=torch.int64))
    ticks = np.array([0.1, 0.2]) - 1e-7
    assert torch.equal(binned_counts([ticks], bin_s=0.1, duration_s=0.3), torch.tensor([[1, 1, 0]]))


def test_the_last_spike_may_pass_the_end_by_rounding():
    first, last = (86400 + 0.1) - 86400, (86400 + 1200.1) - 86400
    assert last > 1200.1
    binned_counts([[first, last]], bin_s=0.2, duration_s=1200.1)
    with pytest.raises(ValueError, match=r"duration_s must reach the last spike"):
        binned_counts([[first, last]], bin_s=0.2, duration_s=1200.1 - 1e-9)


BAD_TRACES = {
    "one row of numbers": (torch.ones(4), {}),
    "no neurons": (torch.ones(0, 4), {}),
    "one sample": (torch.ones(3, 1), {}),
    "NaN": (torch.full((2, 3), torch.nan), {}),
    "complex": (torch.ones(2, 3, dtype=torch.complex64), {}),
    "complex array": (np.ones((2, 3), dtype=complex), {}),
    "text": (np.array([["a", "b"]]), {}),
    "ragged": ([[1.0, 2.0], [1.0]], {}),
    "objects": (np.array([[None, 1.0]], dtype=object), {}),
    "unknown neuron": (torch.ones(2, 3), {"pairs": torch.tensor([[0], [2]])}),
    "pairs as floats": (torch.ones(2, 3), {"pairs": torch.ones(2, 1)}),
}


@pytest.mark.parametrize(("traces", "options"), BAD_TRACES.values(), ids=BAD_TRACES.keys())
def test_rejects_traces(traces, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        correlation_of(traces, **options)


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
    "negative tolerance": ([torch.tensor([1.0])], {"tolerance_s": -1e-6}),
    "unknown neuron": ([torch.tensor([1.0])] * 2, {"pairs": torch.tensor([[0], [2]])}),
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
    pairs = torch.tril_indices(*stored.shape, -1)
    found = spike_correlation(read_spikes(microns_root, field), pairs=pairs)
    assert_allclose(found, stored[pairs[0], pairs[1]], rtol=0, atol=1e-12)
