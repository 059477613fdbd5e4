from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch_geometric.data import Batch
from torch_geometric.transforms import Compose

from graphcortex.data import Coactivity, Connectome, MicronsFields, MinSynapses
from graphcortex.data.schema import NEURON
from graphcortex.ops import correlation, precision, spike_correlation, sttc
from tests.data._graphs import all_pairs, arrays, connectome, connectomes, same

RNG = np.random.default_rng(0)


def trains(N: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.sort(rng.uniform(0, 30, 40)) for _ in range(N)]


def without_coactivity(N: int = 5, **changed) -> Connectome:
    kept = {name: value for name, value in arrays(N).items() if not name.startswith(("coactivity", "self_"))}
    kept = {name: value for name, value in kept.items() if name not in ("correlation", "sttc", "precision")}
    return Connectome.from_arrays(**{**kept, **changed})


@given(graph=connectomes(), seed=st.integers(0, 99))
def test_all_pairs_give_the_whole_matrices_and_leave_the_graph_alone(graph, seed):
    before, spikes = copy.deepcopy(graph), trains(graph.num_neurons, seed)
    out = Coactivity(spike_times=spikes, measures=("correlation", "sttc", "precision"), duration_s=31.0)(graph)
    assert type(out) is Connectome
    assert same(graph, before)
    assert torch.equal(out.coactivity.edge_index, all_pairs(graph.num_neurons))
    assert torch.equal(out.coactivity_matrix("sttc"), sttc(spikes, duration=31.0))
    assert torch.equal(out.coactivity_matrix("correlation"), spike_correlation(spikes, duration_s=31.0))
    assert (out.coactivity_matrix("precision").diagonal() > 0).all()
    for name in ("pos", "root_id", "unit_id", "layer"):
        assert torch.equal(out[NEURON][name], graph[NEURON][name])
    assert torch.equal(out.synapses.edge_index, graph.synapses.edge_index)


@given(graph=connectomes(), seed=st.integers(0, 99))
def test_along_synapses_are_the_same_values_at_the_synapses(graph, seed):
    spikes = trains(graph.num_neurons, seed)
    everything, along = (Coactivity(spike_times=spikes, along=along)(graph) for along in ("all", "synapses"))
    assert torch.equal(along.coactivity.edge_index, graph.synapses.edge_index)
    source, target = graph.synapses.edge_index
    for name in ("correlation", "sttc"):
        assert_allclose(along.coactivity[name], everything.coactivity_matrix(name)[source, target], atol=1e-13)
        assert torch.equal(along[NEURON][f"self_{name}"], everything[NEURON][f"self_{name}"])


def test_given_pairs_and_autapses():
    graph = without_coactivity(
        synapse_index=torch.tensor([[0, 2, 4], [1, 2, 0]]), count=torch.ones(3).long(), size=None
    )
    out = Coactivity(spike_times=trains(5), along="synapses")(graph)
    assert out.coactivity.edge_index.tolist() == [[0, 4], [1, 0]]  # a neuron is not paired with itself
    pairs = torch.tensor([[3, 1], [1, 0]])
    out = Coactivity(spike_times=trains(5), along=pairs, measures="sttc")(graph)
    assert torch.equal(out.coactivity.edge_index, pairs)
    assert torch.equal(out.coactivity.sttc, sttc(trains(5), pairs=pairs))
    assert "correlation" not in out.coactivity
    assert out.synapses.num_edges == 3


def test_the_order_of_neurons_goes_along():
    spikes, order = trains(5), torch.tensor([3, 0, 4, 2, 1])
    graph = connectome(5)
    whole = Coactivity(spike_times=spikes)(graph).subgraph(order)
    assert_allclose(
        whole.coactivity_matrix("sttc"),
        Coactivity(spike_times=[spikes[i] for i in order])(graph.subgraph(order)).coactivity_matrix("sttc"),
    )


def test_co_activity_of_before_is_replaced():
    graph = connectome(4)
    out = Coactivity(spike_times=trains(4), measures=["sttc"])(graph)
    assert set(out.coactivity.keys()) == {"edge_index", "sttc"}
    assert {name for name in out[NEURON] if name.startswith("self_")} == {"self_sttc"}
    assert set(graph.coactivity.keys()) == {"edge_index", "correlation", "sttc", "precision"}


def test_what_was_done_is_in_the_provenance_and_is_saved(tmp_path):
    out = Coactivity(spike_times=trains(5), measures="sttc", window_s=0.05, duration_s=40)(without_coactivity())
    assert out.provenance["source"] == "test"
    expected = {
        "of": "spike_times",
        "measures": ["sttc"],
        "along": "all",
        "bin_s": 0.2,
        "window_s": 0.05,
        "duration_s": 40,
        "tolerance_s": None,
    }
    assert out.provenance["coactivity"] == expected
    out.save(tmp_path / "graph.pt")
    assert same(Connectome.load(tmp_path / "graph.pt"), out)
    of_traces = Coactivity(traces=torch.rand(5, 40), measures="precision")(without_coactivity(provenance=None))
    expected = {"of": "traces", "measures": ["precision"], "along": "all", "precision_method": "shrinkage"}
    assert dict(of_traces.provenance) == {"coactivity": expected}


def test_traces_and_recordings_by_function():
    graph, traces = without_coactivity(), torch.rand(9, 60, dtype=torch.float64)
    rows = {int(unit): row for row, unit in enumerate(reversed(graph[NEURON].unit_id))}

    def recorded(connectome):
        return traces[[rows[int(unit)] for unit in connectome[NEURON].unit_id]]

    out = Coactivity(traces=recorded, measures=["correlation", "precision"])(graph)
    assert_allclose(out.coactivity_matrix("correlation"), correlation(traces[[4, 3, 2, 1, 0]]), atol=1e-14)
    assert_allclose(out.coactivity_matrix("precision"), precision(traces[[4, 3, 2, 1, 0]]))
    part = Coactivity(traces=recorded)(graph.subgraph(torch.tensor([1, 4])))
    assert_allclose(part.coactivity_matrix("correlation")[0, 1], correlation(traces)[3, 0], atol=1e-14)


def test_works_in_a_chain_and_says_what_it_does():
    chain = Compose([MinSynapses(3), Coactivity(spike_times=trains(5), along="synapses")])
    out = chain(without_coactivity())
    assert out.coactivity.num_edges == out.synapses.num_edges
    assert repr(chain.transforms[1]) == "Coactivity(spike_times, measures=['correlation', 'sttc'], along='synapses')"
    pairs = torch.tensor([[0], [1]])
    assert repr(Coactivity(traces=torch.rand(2, 3), along=pairs)).endswith("along=1 pairs)")


def test_given_pairs_of_many_neurons_make_no_square_of_them():
    # 60,000 neurons: a square of float64 would take 29 GB.
    N = 60_000
    pos, pairs = torch.rand(N, 3), torch.tensor([[0, 5, N - 1], [7, 6, 0]])
    graph = Connectome.from_arrays(pos, pairs, [1, 1, 2])
    rng = np.random.default_rng(0)
    spikes = [np.sort(rng.uniform(0, 20, 5)) for _ in range(N)]
    out = Coactivity(spike_times=spikes, along="synapses")(graph)
    chosen = [0, 7, 5, 6, N - 1]
    few = Connectome.from_arrays(pos[chosen], [[0, 2, 4], [1, 3, 0]], [1, 1, 2])
    end = max(train[-1] for train in spikes)
    alone = Coactivity(spike_times=[spikes[i] for i in chosen], along="synapses", measures="sttc", duration_s=end + 0.1)
    assert torch.equal(out.coactivity.sttc, alone(few).coactivity.sttc)
    assert out[NEURON].self_sttc.shape == (N,)


BAD = {
    "no recording": {},
    "both": {"spike_times": trains(5), "traces": torch.rand(5, 9)},
    "sttc of traces": {"traces": torch.rand(5, 9), "measures": ["sttc"]},
    "precision along synapses": {"spike_times": trains(5), "measures": "precision", "along": "synapses"},
    "unknown edges": {"spike_times": trains(5), "along": "axons"},
    "too few trains": {"spike_times": trains(4)},
    "too many traces": {"traces": torch.rand(6, 9)},
    "unknown neuron": {"spike_times": trains(5), "along": torch.tensor([[0], [5]])},
    "pair with itself": {"spike_times": trains(5), "along": torch.tensor([[2], [2]])},
    "pair named twice": {"spike_times": trains(5), "along": torch.tensor([[2, 2], [1, 1]])},
    "no window": {"spike_times": trains(5), "window_s": 0.0},
    "too short": {"spike_times": trains(5), "duration_s": 1.0},
    "unknown precision": {"spike_times": trains(5), "measures": "precision", "precision_method": "lasso"},
}


@pytest.mark.parametrize("options", BAD.values(), ids=BAD.keys())
def test_rejects(options):
    with pytest.raises(ValueError, match=r"must .*got"):
        Coactivity(**options)(without_coactivity())


@pytest.mark.parametrize(
    "given_to", [Batch.from_data_list([connectome(3), connectome(3)]), torch.rand(3)], ids=["batch", "tensor"]
)
def test_refuses_what_is_no_single_connectome(given_to):
    with pytest.raises(ValueError, match="must be given one Connectome, got"):
        Coactivity(spike_times=trains(3)).forward(given_to)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["5_3_8", "4_7_2", "5_3_2"])
def test_the_stored_co_activity_comes_back(microns_root, name):
    fields = MicronsFields(microns_root, download=False)

    def spikes(graph):
        return fields.spike_times(graph.provenance["field"])

    stored = fields[name]
    out = Coactivity(spike_times=spikes)(stored)
    assert torch.equal(out.coactivity.edge_index, stored.coactivity.edge_index)
    for measure in ("correlation", "sttc"):
        assert_allclose(out.coactivity_matrix(measure), stored.coactivity_matrix(measure), rtol=0, atol=1e-12)
    along = Coactivity(spike_times=spikes, along="synapses")(stored)
    source, target = along.coactivity.edge_index
    for measure in ("correlation", "sttc"):
        matrix = stored.coactivity_matrix(measure)
        assert_allclose(along.coactivity[measure], matrix[source, target], rtol=0, atol=1e-12)


def test_the_tolerance_of_times_reaches_every_measure():
    frames = np.round(np.arange(600) * 0.1587, 3)
    spikes = [frames[::3], frames[::2], frames[::5]]
    options = {"bin_s": 2 * 0.1587, "window_s": 2 * 0.1587, "duration_s": 600 * 0.1587}
    exact = [np.arange(600)[::step] * 0.1587 for step in (3, 2, 5)]
    measures = ["correlation", "sttc", "precision"]
    wide = Coactivity(spike_times=spikes, measures=measures, tolerance_s=0.001, **options)(without_coactivity(3))
    sharp = Coactivity(spike_times=exact, measures=measures, **options)(without_coactivity(3))
    none = Coactivity(spike_times=spikes, measures=measures, tolerance_s=0.0, **options)(without_coactivity(3))
    for name in measures:
        assert_allclose(wide.coactivity[name], sharp.coactivity[name], rtol=0, atol=1e-4)
        assert (none.coactivity[name] - sharp.coactivity[name]).abs().max() > 1e-3


@pytest.mark.parametrize("along", ["all", "synapses", "pairs"])
def test_a_neuron_that_was_not_recorded_has_no_coactivity_and_leaves_the_others(along):
    graph, traces = without_coactivity(6), torch.from_numpy(RNG.normal(size=(6, 80)))
    pairs = torch.tensor([[0, 1, 3, 5], [1, 2, 0, 4]])
    along = pairs if along == "pairs" else along
    measures = ["correlation", "precision"] if isinstance(along, str) and along == "all" else ["correlation"]
    whole = Coactivity(traces=traces, along=along)(graph).coactivity
    gap = traces.clone()
    gap[2] = torch.nan
    with pytest.warns(UserWarning, match="1 of 6 neurons have NaN in every frame"):
        out = Coactivity(traces=gap, along=along, measures=measures)(graph)
    among = (whole.edge_index != 2).all(0)
    assert torch.equal(out.coactivity.edge_index, whole.edge_index[:, among])
    assert_allclose(out.coactivity.correlation, whole.correlation[among], rtol=0, atol=1e-14)
    assert out.provenance["coactivity"]["neurons_not_recorded"] == 1
    assert "self_correlation" not in out[NEURON]
    if "precision" in measures:
        others = [0, 1, 3, 4, 5]
        expected = precision(traces[others])
        source, target = (torch.tensor([others.index(k) for k in row.tolist()]) for row in out.coactivity.edge_index)
        assert_allclose(out.coactivity.precision, expected[source, target])


def test_a_trace_with_one_nan_is_refused():
    traces = torch.rand(5, 40)
    traces[1, 3] = torch.nan
    with pytest.raises(ValueError, match=r"activity must be finite, got 1 of"):
        Coactivity(traces=traces)(without_coactivity())
