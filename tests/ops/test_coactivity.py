import pytest
import torch
from hypothesis import given

from graphcortex.ops import binned_counts, correlation, precision, spike_correlation, sttc
from graphcortex.ops.coactivity import coactivity
from graphcortex.testing.strategies import spike_trains


@given(trains=spike_trains(min_neurons=2, silent=False))
def test_it_is_the_functions_for_one_measure(trains):
    options = {"bin_s": 0.5, "window_s": 0.25, "duration_s": 20.0}
    found = coactivity(spike_times=trains, measures=["sttc", "correlation", "precision"], **options)
    assert list(found) == ["sttc", "correlation", "precision"]
    assert torch.equal(found["sttc"], sttc(trains, window=0.25, duration=20.0))
    assert torch.equal(found["correlation"], spike_correlation(trains, bin_s=0.5, duration_s=20.0))
    assert torch.equal(found["precision"], precision(binned_counts(trains, bin_s=0.5, duration_s=20.0)))
    pairs = torch.tensor([[0, 1], [1, 1]])
    found = coactivity(spike_times=trains, measures=("correlation", "sttc"), pairs=pairs)
    assert torch.equal(found["sttc"], sttc(trains, pairs=pairs))
    assert torch.equal(found["correlation"], spike_correlation(trains, pairs=pairs))


def test_precision_and_correlation_of_spikes_are_of_the_same_bins_by_default():
    trains = [[0.1, 0.5, 0.9], [0.3, 0.4, 1.07]]
    found = coactivity(spike_times=trains, measures="precision")["precision"]
    assert torch.equal(found, precision(binned_counts(trains, bin_s=0.2, duration_s=1.17)))


def test_traces():
    traces = torch.tensor([[1.0, 2.0, 4.0, 3.0], [3.0, 1.0, 2.0, 2.0]])
    found = coactivity(traces=traces, measures=["correlation", "precision", "correlation"])
    assert list(found) == ["correlation", "precision"]
    assert torch.equal(found["correlation"], correlation(traces))
    assert torch.equal(found["precision"], precision(traces))


BAD = {
    "no recording": {},
    "two recordings": {"spike_times": [[1.0]], "traces": torch.ones(1, 2)},
    "no measure": {"spike_times": [[1.0]], "measures": []},
    "unknown measure": {"spike_times": [[1.0]], "measures": ["coherence"]},
    "sttc of traces": {"traces": torch.rand(2, 5), "measures": ["sttc"]},
    "precision of pairs": {"traces": torch.rand(2, 5), "measures": "precision", "pairs": torch.tensor([[0], [1]])},
    "unsorted": {"spike_times": [[2.0, 1.0]]},
}


@pytest.mark.parametrize("options", BAD.values(), ids=BAD.keys())
def test_rejects(options):
    with pytest.raises(ValueError, match=r"must .*got"):
        coactivity(**options)
