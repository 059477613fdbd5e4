import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from graphcortex.ops.sttc import sttc
from graphcortex.testing.strategies import spike_trains
from tests.ops.recordings import FIELDS_WITH_SPIKES, read_spikes

WINDOWS = st.sampled_from([0.125, 0.25, 1.0])


def naive_sttc(a, b, window, duration):
    """Follow Cutts and Eglen spike by spike; times are whole eighths of a second, so T counts sixteenths."""
    if not len(a) or not len(b):
        return 0.0

    def proportion_together(x, y):
        return np.mean([any(abs(s - t) <= window for t in y) for s in x])

    def proportion_tiled(x):
        middles = np.arange(0, duration, 1 / 16) + 1 / 32
        return np.mean([any(abs(s - t) <= window for t in x) for s in middles])

    def term(p, t):
        return 1.0 if p * t == 1 else (p - t) / (1 - p * t)

    p_a, p_b = proportion_together(a, b), proportion_together(b, a)
    return (term(p_a, proportion_tiled(b)) + term(p_b, proportion_tiled(a))) / 2


@given(trains=spike_trains(max_neurons=3), window=WINDOWS)
def test_matches_naive(trains, window):
    computed = sttc(trains, window=window, duration=17.0)
    lists = [train.tolist() for train in trains]
    for i, a in enumerate(lists):
        for j, b in enumerate(lists):
            expected = 1.0 if i == j else naive_sttc(a, b, window, 17.0)
            assert float(computed[i, j]) == pytest.approx(expected, abs=1e-12)


@given(trains=spike_trains(), window=WINDOWS, data=st.data())
def test_given_pairs_are_entries_of_all_pairs(trains, window, data):
    neuron = st.integers(0, len(trains) - 1)
    pairs = torch.tensor(data.draw(st.lists(st.tuples(neuron, neuron))), dtype=torch.int64).reshape(-1, 2).T
    everything = sttc(trains, window=window, duration=20.0)
    assert torch.equal(sttc(trains, window=window, duration=20.0, pairs=pairs), everything[pairs[0], pairs[1]])


@given(trains=spike_trains(), window=WINDOWS, data=st.data())
def test_symmetric_bounded_and_without_names(trains, window, data):
    order = data.draw(st.permutations(range(len(trains))))
    computed = sttc(trains, window=window)
    assert torch.equal(computed, computed.T)
    assert computed.abs().max() <= 1
    assert (computed.diagonal() == 1).all()
    assert torch.equal(sttc([trains[i] for i in order], window=window), computed[order][:, order])


@pytest.mark.parametrize("shift", [0.0, 1.0, 4096.0, 1_000_000.0])
@given(trains=spike_trains(max_time=8.0))
def test_does_not_depend_on_when_the_recording_was_made(trains, shift):
    # No window reaches over either end of the recording, so nothing may change; a window that is widened in proportion
    # to the time (a relative tolerance) would.
    duration = 1_000_064.0
    early = sttc([train + 1 for train in trains], window=0.25, duration=duration)
    assert_allclose(sttc([train + 1 + shift for train in trains], window=0.25, duration=duration), early, atol=1e-12)


@pytest.mark.parametrize("unit", [2.0**-10, 1000.0])
def test_does_not_depend_on_the_unit_of_time(unit):
    generator = np.random.default_rng(0)
    trains = [np.sort(generator.uniform(0, 100, 50)) for _ in range(6)]
    in_unit = sttc([train * unit for train in trains], window=0.3 * unit, duration=100 * unit)
    assert_allclose(in_unit, sttc(trains, window=0.3, duration=100), atol=1e-12)


def test_exact_at_late_times():
    # .15 s apart at 6,300 s: a relative tolerance of 1e-5 would call these together.
    trains = [np.array([6300.0, 6301.0]), np.array([6300.15, 6301.15])]
    tiled = 0.4 / 6302
    assert_allclose(sttc(trains, window=0.1, duration=6302)[0, 1], -tiled, rtol=1e-9)


def test_analytic():
    a = [2.0, 4.0, 6.0]
    # Identical: 1. Never together: P = 0, so minus the mean T. Two of three together: by hand.
    assert sttc([a, a], window=0.1, duration=8.0)[0, 1] == 1
    assert_allclose(sttc([a, [3.0]], window=0.1, duration=8.0)[0, 1], -(0.6 / 8 + 0.2 / 8) / 2)
    p, t_a, t_b = 2 / 3, 0.6 / 8, 0.4 / 8
    expected = ((p - t_b) / (1 - p * t_b) + (1 - t_a) / (1 - t_a)) / 2
    assert_allclose(sttc([a, [2.05, 4.05]], window=0.1, duration=8.0)[0, 1], expected)


@pytest.mark.parametrize("pairs", [None, torch.tensor([[0, 1], [1, 0]])], ids=["all pairs", "given pairs"])
def test_the_window_is_closed(pairs):
    def together(b):
        return float(sttc([[4.0], [1.0, b, 7.5]], window=0.5, duration=8.0, pairs=pairs).flatten()[1])

    assert together(4.5) == together(3.5) > 0
    assert together(4.5625) == together(3.4375) < 0


def test_both_ways_decide_alike_where_rounding_decides():
    # In floating point, .4 - .3 > .1 > .3 - .2 while .4 <= .3 + .1.
    frames = [np.array([k]) * frame for frame in (0.01, 0.1) for k in range(60)]
    pairs = torch.cartesian_prod(torch.arange(120), torch.arange(120)).T
    for window in (0.07, 0.1, 0.3, 0.57):
        assert torch.equal(sttc(frames, window=window, pairs=pairs), sttc(frames, window=window).flatten())


@pytest.mark.parametrize("start_s", [0.0, 3600.5, 86400.0, 1_700_000_000.0])
@pytest.mark.parametrize(("frame_s", "frames"), [(0.1, 1), (0.1587, 2), (1 / 30, 3), (0.01, 7)])
def test_windows_of_whole_frames_are_closed_whenever_the_clock_began(frame_s, frames, start_s):
    fires = np.random.default_rng(2).random((6, 900)) < 0.02
    trains = [np.maximum(start_s + np.flatnonzero(row) * frame_s - start_s, 0) for row in fires]
    window, duration = frames * frame_s, 900 * frame_s
    computed = sttc(trains, window=window, duration=duration)
    pairs = torch.cartesian_prod(torch.arange(6), torch.arange(6)).T
    assert torch.equal(sttc(trains, window=window, duration=duration, pairs=pairs), computed.flatten())
    # In whole numbers of frames nothing is rounded; the share of the recording in windows goes with the rounded times.
    whole = [np.flatnonzero(row) for row in fires]
    middles = np.arange(900) + 0.5  # a window ends between two of them
    tiled = [(np.abs(train[:, None] - middles) <= frames).any(0).mean() for train in whole]
    for i, j in zip(*np.nonzero(~np.eye(6, dtype=bool)), strict=True):
        together = np.abs(whole[i][:, None] - whole[j]) <= frames
        p, q, t, u = together.any(1).mean(), together.any(0).mean(), tiled[i], tiled[j]
        expected = ((p - u) / (1 - p * u) + (q - t) / (1 - q * t)) / 2
        assert float(computed[i, j]) == pytest.approx(expected, abs=1e-9 + 100 * np.spacing(start_s))


def test_the_tolerance_widens_no_window_by_more_than_itself():
    trains = [[1.0, 5.0], [1.101, 5.2]]
    assert sttc(trains, window=0.1, duration=8.0)[0, 1] < 0
    assert sttc(trains, window=0.1, duration=8.0, tolerance_s=0.002)[0, 1] > 0


def test_windows_that_cover_everything():
    trains = [[1.0, 2.0], [1.5]]
    assert torch.equal(sttc(trains, window=5.0, duration=3.0), torch.ones(2, 2).double())


def test_the_recording_ends_a_window_after_the_last_spike_of_all():
    trains = [[1.0, 2.0], [1.05, 3.0], [9.0]]
    assert torch.equal(sttc(trains, window=0.1), sttc(trains, window=0.1, duration=9.1))
    assert not torch.equal(sttc(trains, window=0.1)[:2, :2], sttc(trains[:2], window=0.1))


def test_silent_neurons_tell_nothing():
    assert torch.equal(sttc([[], [1.0], []]), torch.eye(3).double())


@pytest.mark.parametrize("kind", ["frames", "free"])
def test_alike_by_both_ways_on_a_recording(kind, monkeypatch):
    generator = np.random.default_rng(1)
    trains = [np.unique(generator.integers(0, 40_000, 4_000)) * 0.1587 for _ in range(40)]
    if kind == "free":
        trains = [np.sort(train + generator.uniform(0, 0.1, train.size)) for train in trains]
    trains[7] = np.empty(0)
    everything = sttc(trains)
    pairs = torch.from_numpy(generator.integers(0, 40, (2, 300)))
    assert torch.equal(sttc(trains, pairs=pairs), everything[pairs[0], pairs[1]])
    # Neither depends on how much is worked on at once.
    monkeypatch.setattr(sys.modules["graphcortex.ops.sttc"], "_BLOCK", 100)
    monkeypatch.setattr(sys.modules["graphcortex.ops.sttc"], "_LOOKUPS", 10_000)
    assert torch.equal(sttc(trains), everything)
    assert torch.equal(sttc(trains, pairs=pairs), everything[pairs[0], pairs[1]])


BAD = {
    "no neurons": ([], {}),
    "NaN": ([[1.0, np.nan]], {}),
    "infinite": ([[1.0, np.inf]], {}),
    "negative time": ([[-1.0, 2.0]], {}),
    "unsorted": ([[2.0, 1.0]], {}),
    "duplicate": ([[1.0, 1.0]], {}),
    "matrix": ([np.ones((2, 2))], {}),
    "zero window": ([[1.0]], {"window": 0.0}),
    "recording too short": ([[1.0, 5.0]], {"duration": 3.0}),
    "unknown neuron": ([[1.0], [2.0]], {"pairs": torch.tensor([[0], [2]])}),
    "pairs as rows": ([[1.0], [2.0]], {"pairs": torch.zeros(5, 2, dtype=torch.int64)}),
}


@pytest.mark.parametrize(("trains", "options"), BAD.values(), ids=BAD.keys())
def test_rejects(trains, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        sttc(trains, **options)


@pytest.mark.real_data
@pytest.mark.parametrize("field", FIELDS_WITH_SPIKES)
def test_the_stored_coefficients_come_back(microns_root, field):
    stored = np.tril(np.load(microns_root / field / "sttc_matrix.npy"))
    assert_allclose(np.tril(sttc(read_spikes(microns_root, field))), stored, rtol=0, atol=1e-12)
    pairs = torch.tril_indices(*stored.shape, -1)
    found = sttc(read_spikes(microns_root, field), window=0.1, pairs=pairs)
    assert_allclose(found, stored[pairs[0], pairs[1]], rtol=0, atol=1e-12)
