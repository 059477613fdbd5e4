import pytest
import torch
from hypothesis import find, given
from hypothesis import strategies as st

from graphcortex._checks import check_graph
from graphcortex.testing.strategies import Edges, connectomes, edges, spike_trains

OPTIONS = {
    "everything": {},
    "plain": {"signed": False, "self_loops": False, "repeated": False},
    "one node": {"max_nodes": 1, "self_loops": False},
    "two nodes": {"min_nodes": 2, "max_nodes": 2, "self_loops": False, "repeated": False},
    "few edges": {"min_nodes": 4, "max_nodes": 9, "max_edges": 1},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@given(data=st.data())
def test_edges_are_what_was_asked_for(options, data):
    graph = data.draw(edges(**options))
    assert isinstance(graph, Edges)
    check_graph(*graph)
    pairs = list(map(tuple, graph.edge_index.T.tolist()))
    assert options.get("min_nodes", 1) <= graph.num_nodes <= options.get("max_nodes", 6)
    assert len(pairs) <= options.get("max_edges", 3 * graph.num_nodes)
    assert graph.edge_weight.dtype == torch.float64
    assert torch.equal(graph.edge_weight * 8, (graph.edge_weight * 8).round())
    assert graph.edge_weight.abs().le(4).all()
    if not options.get("signed", True):
        assert graph.edge_weight.ge(0).all()
    if not options.get("self_loops", True):
        assert all(source != target for source, target in pairs)
    if not options.get("repeated", True):
        assert len(set(pairs)) == len(pairs)


HARD = {
    "a repeated edge": lambda graph: graph.edge_index.unique(dim=1).size(1) < graph.edge_index.size(1),
    "a self-connection": lambda graph: bool((graph.edge_index[0] == graph.edge_index[1]).any()),
    "a negative weight": lambda graph: bool((graph.edge_weight < 0).any()),
    "a weight of zero": lambda graph: bool((graph.edge_weight == 0).any()),
    "a neuron without edges": lambda graph: graph.edge_index.unique().numel() < graph.num_nodes,
    "no edges": lambda graph: graph.edge_index.numel() == 0,
}


@pytest.mark.parametrize("is_hard", HARD.values(), ids=HARD.keys())
def test_hard_graphs_are_reached_and_shrink_to_something_readable(is_hard):
    graph = find(edges(), is_hard)
    assert graph.num_nodes <= 2
    assert graph.edge_index.size(1) <= 2


@pytest.mark.parametrize(
    "arguments",
    [{"min_nodes": 0}, {"min_nodes": 3, "max_nodes": 2}, {"max_edges": -1}, {"max_nodes": 2.5}],
    ids=["no nodes", "min above max", "negative edges", "half a node"],
)
def test_edges_rejects(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        find(edges(**arguments), lambda graph: True)


@given(trains=spike_trains(2, 4, max_spikes=5, max_time=3.0))
def test_spike_trains_are_ascending_eighths(trains):
    assert 2 <= len(trains) <= 4
    for train in trains:
        assert train.dtype == torch.float64
        assert train.numel() <= 5
        assert (train.diff() > 0).all()
        assert ((train >= 0) & (train <= 3)).all()
        assert torch.equal(train * 8, (train * 8).round())


@given(trains=spike_trains(silent=False))
def test_no_neuron_is_silent_unless_asked_for(trains):
    assert all(train.numel() for train in trains)


def test_silent_neurons_and_common_spikes_are_reached():
    assert find(spike_trains(), lambda trains: any(not train.numel() for train in trains))
    together = find(
        spike_trains(), lambda trains: len(trains) > 1 and set(trains[0].tolist()) & set(trains[1].tolist())
    )
    assert [train.tolist() for train in together] == [[0.0], [0.0]]


@given(connectome=connectomes(2, 4))
def test_connectomes_are_valid(connectome):
    assert connectome.validate() is connectome
    assert 2 <= connectome.num_neurons <= 4
    if connectome.has_coactivity:
        for name in ("correlation", "sttc", "precision"):
            matrix = connectome.coactivity_matrix(name)
            assert torch.equal(matrix, matrix.T)


@pytest.mark.parametrize("coactivity", [False, True])
@given(data=st.data())
def test_coactivity_is_there_when_asked_for(coactivity, data):
    assert data.draw(connectomes(coactivity=coactivity)).has_coactivity == coactivity


def test_connectomes_shrink_to_something_readable():
    connectome = find(connectomes(), lambda graph: graph.synapses.num_edges > 0)
    assert connectome.num_neurons == 2
    assert connectome.synapses["count"].tolist() == [1]
    assert not connectome.has_coactivity


BAD = {
    "no neurons": lambda: spike_trains(0),
    "min above max": lambda: spike_trains(3, 2),
    "no spikes": lambda: spike_trains(max_spikes=0),
    "no time": lambda: spike_trains(max_time=0.5),
    "no neurons to connect": lambda: connectomes(0),
    "connectomes with min above max": lambda: connectomes(5, 2),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_recordings_and_connectomes_reject(make):
    with pytest.raises(ValueError, match=r"must .*got"):
        make()
