import pytest
import torch
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from graphcortex._checks import check_graph
from graphcortex.testing import AttributedGraph
from graphcortex.testing.strategies import (
    Edges,
    GeometricGraph,
    connectomes,
    edges,
    geometric_graphs,
    memberships,
    permutations_of,
    spike_trains,
    undirected_edges,
    weights,
)

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


# --- weights

KINDS = {"plain": 4.0, "heavy_tailed": 1.5 * 2**12, "tied": 2.0, "extreme": 2.0**900}


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize(("kind", "largest"), KINDS.items(), ids=KINDS.keys())
@given(data=st.data())
def test_weights_are_what_was_asked_for(kind, largest, signed, zeros, data):
    weight = data.draw(weights(kind=kind, signed=signed, zeros=zeros, max_edges=7))
    assert weight.dtype == torch.float64
    assert weight.dim() == 1
    assert weight.numel() <= 7
    assert weight.abs().le(largest).all()
    assert weight.sum().isfinite()
    assert signed or weight.ge(0).all()
    assert zeros or weight.ne(0).all()
    assert data.draw(weights(3, kind=kind)).numel() == 3


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_single_precision_holds_them(kind, data):
    weight = data.draw(weights(kind=kind, dtype=torch.float32))
    assert weight.dtype == torch.float32
    assert weight.sum().isfinite()
    assert weight[weight != 0].abs().ge(2.0**-100).all()


HARD_WEIGHTS = {
    "a tie": ("plain", lambda w: w.unique().numel() < w.numel(), [0, 0]),
    "a tie that is not 0": ("tied", lambda w: w.numel() > 1 and bool((w == w[0]).all() and w[0] != 0), [1, 1]),
    "both signs": ("plain", lambda w: bool((w > 0).any() and (w < 0).any()), [1, -1]),
    "a fraction": ("plain", lambda w: bool((w % 1 != 0).any()), [0.5]),
    "one outweighs the others": ("heavy_tailed", lambda w: bool((w > 1000).any()), [1024]),
    "a square that overflows": ("extreme", lambda w: bool(w.square().isinf().any()), [2.0**900]),
    "a square that vanishes": ("extreme", lambda w: bool(((w != 0) & (w.square() == 0)).any()), [2.0**-900]),
    "no weights": ("plain", lambda w: w.numel() == 0, []),
}


@pytest.mark.parametrize(("kind", "is_hard", "smallest"), HARD_WEIGHTS.values(), ids=HARD_WEIGHTS.keys())
def test_hard_weights_are_reached_and_shrink_to_round_numbers(kind, is_hard, smallest):
    assert sorted(find(weights(kind=kind), is_hard).tolist()) == sorted(smallest)


def test_weights_of_edges_may_be_of_any_kind():
    graph = find(
        edges(weights="heavy_tailed", zeros=False, dtype=torch.float32), lambda graph: graph.edge_weight.numel()
    )
    assert graph.edge_weight.dtype == torch.float32
    assert graph.edge_weight.tolist() == [1]


def test_edges_shrink_to_weights_of_one():
    assert find(edges(), lambda graph: (graph.edge_weight > 0).any()).edge_weight.tolist() == [1]


# --- undirected graphs


@given(graph=undirected_edges(2, 5, max_pairs=4))
def test_undirected_edges_go_both_ways(graph):
    assert 2 <= graph.num_nodes <= 5
    matrix = torch.full((graph.num_nodes, graph.num_nodes), torch.nan, dtype=torch.float64)
    matrix[graph.edge_index[0], graph.edge_index[1]] = graph.edge_weight
    assert torch.equal(matrix.nan_to_num(9), matrix.T.nan_to_num(9))
    assert matrix.diagonal().isnan().all()
    assert (~matrix.isnan()).sum() == graph.edge_index.size(1) <= 8


def test_an_undirected_self_connection_is_listed_once():
    graph = find(undirected_edges(self_loops=True), lambda graph: graph.edge_index.numel() > 0)
    assert graph.edge_index.tolist() == [[0], [0]]


def test_undirected_edges_shrink_to_something_readable():
    graph = find(undirected_edges(signed=False, zeros=False), lambda graph: graph.edge_index.size(1) > 2)
    assert graph.num_nodes == 3
    assert graph.edge_weight.tolist() == [1, 1, 1, 1]


# --- graphs in space


@pytest.mark.parametrize("coincident", [True, False])
@pytest.mark.parametrize(("geometry", "rank"), [("line", 1), ("plane", 2), ("volume", 3), (None, 3)])
@given(data=st.data())
def test_geometric_graphs_are_what_was_asked_for(geometry, rank, coincident, data):
    graph = data.draw(geometric_graphs(2, 5, geometry=geometry, coincident=coincident))
    assert isinstance(graph, GeometricGraph)
    check_graph(*graph[:3])
    assert 2 <= graph.num_nodes <= 5
    assert graph.pos.shape == (graph.num_nodes, 3)
    assert graph.pos.dtype == graph.edge_weight.dtype == torch.float64
    assert torch.equal(graph.pos, graph.pos.round())
    assert torch.linalg.matrix_rank(graph.pos - graph.pos[0]) <= rank
    assert coincident or graph.pos.unique(dim=0).size(0) == graph.num_nodes
    assert graph.edge_index[0].ne(graph.edge_index[1]).all()
    assert graph.edge_index.unique(dim=1).size(1) == graph.edge_index.size(1)
    assert graph.edge_weight.gt(0).all()


def test_edges_become_rare_with_distance():
    lengths = []

    @settings(max_examples=300)
    @given(graph=geometric_graphs(6, 6, geometry="line", reach=50.0))
    def collect(graph):
        between = torch.cdist(graph.pos, graph.pos)
        near = between[graph.edge_index[0], graph.edge_index[1]] < 75
        pairs = between[~torch.eye(6, dtype=torch.bool)] < 75
        lengths.append((near.sum(), (~near).sum(), pairs.sum(), (~pairs).sum()))

    collect()
    near, far, near_pairs, far_pairs = torch.tensor(lengths).double().sum(0)
    assert near / near_pairs > 2 * far / far_pairs > 0


DEGENERATE = {
    "at one place": lambda pos: len(pos) > 1 and (pos == pos[0]).all(),
    "on an oblique line": lambda pos: len(pos) > 2 and (pos != 0).any(0).all() and torch.linalg.matrix_rank(pos) == 1,
}


@pytest.mark.parametrize("is_so", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_degenerate_geometry_is_reached(is_so):
    graph = find(geometric_graphs(coincident=True), lambda graph: bool(is_so(graph.pos)))
    assert graph.num_nodes <= 4
    assert graph.edge_index.numel() == 0
    assert graph.pos.max() <= 4


def test_a_volume_is_reached():
    unshrunk = settings(phases=[Phase.generate])
    assert find(
        geometric_graphs(), lambda graph: torch.linalg.matrix_rank(graph.pos - graph.pos[0]) == 3, settings=unshrunk
    )


def test_geometric_graphs_shrink_to_something_readable():
    graph = find(geometric_graphs(), lambda graph: graph.edge_index.numel() > 0)
    assert repr(graph) == (
        "GeometricGraph(edge_index=torch.tensor([[0], [1]]), edge_weight=torch.tensor([1.0], dtype=torch.float64), "
        "num_nodes=2, pos=torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64))"
    )


# --- modules and permutations


@given(module=memberships(6, 3))
def test_memberships_leave_no_module_empty(module):
    assert module.shape == (6,)
    assert module.dtype == torch.int64
    assert module.unique().tolist() == list(range(int(module.max()) + 1))
    assert module.max() < 3


def test_memberships_shrink_to_one_module_and_reach_many():
    assert find(memberships(3), lambda module: True).tolist() == [0, 0, 0]
    assert sorted(find(memberships(3), lambda module: module.max() == 2).tolist()) == [0, 1, 2]


@given(graph=edges(), data=st.data())
def test_permutations_of_neurons_and_edges(graph, data):
    assert data.draw(permutations_of(graph)).sort().values.tolist() == list(range(graph.num_nodes))
    order = data.draw(permutations_of(AttributedGraph(graph), "edge"))
    assert order.sort().values.tolist() == list(range(graph.edge_index.size(1)))


def test_permutations_shrink_to_none():
    graph = Edges(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0), 4)
    assert find(permutations_of(graph), lambda order: True).tolist() == [0, 1, 2, 3]


BAD_GRAPHS = {
    "no such kind": lambda: weights(kind="lognormal"),
    "no such precision": lambda: weights(dtype=torch.float16),
    "negative number of edges": lambda: weights(-1),
    "negative most edges": lambda: weights(max_edges=-1),
    "no such weights": lambda: edges(weights="lognormal"),
    "undirected pairs": lambda: undirected_edges(max_pairs=-1),
    "no undirected neurons": lambda: undirected_edges(0),
    "no neurons in space": lambda: geometric_graphs(0),
    "no such geometry": lambda: geometric_graphs(geometry="sphere"),
    "no reach": lambda: geometric_graphs(reach=0.0),
    "no members": lambda: memberships(0),
    "no modules": lambda: memberships(3, 0),
    "no such permutation": lambda: permutations_of(Edges(torch.zeros(2, 0).long(), None, 1), "weight"),
}


@pytest.mark.parametrize("make", BAD_GRAPHS.values(), ids=BAD_GRAPHS.keys())
def test_graphs_and_weights_reject(make):
    with pytest.raises(ValueError, match=r"must .*got"):
        make()
