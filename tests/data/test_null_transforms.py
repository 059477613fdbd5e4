from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data, HeteroData

from graphcortex.data import (
    Connectome,
    DegreeLattice,
    ErdosRenyi,
    Lattice,
    RewireDegrees,
    RewireDegreesAndLengths,
    ShufflePositions,
    ShuffleWeights,
)
from graphcortex.data.connectome import NEURON
from graphcortex.graphs.rewiring import LengthBins
from graphcortex.graphs.simple import simple_graph
from tests.data._graphs import connectome, connectomes, same

KEEPS = {
    ErdosRenyi: set(),
    RewireDegrees: {"degrees"},
    RewireDegreesAndLengths: {"degrees", "lengths"},
    ShuffleWeights: {"degrees", "lengths", "edges"},
    Lattice: set(),
    DegreeLattice: {"degrees"},
}
NULLS = pytest.mark.parametrize("null", KEEPS)


def measured(graph, bins: LengthBins) -> dict:
    index = graph.synapses.edge_index if isinstance(graph, Connectome) else graph.edge_index
    N = graph.num_nodes
    return {
        "degrees": [torch.bincount(row, minlength=N).tolist() for row in index],
        "lengths": sorted(bins.of(*index.numpy()).tolist()),
        "edges": sorted(index.T.tolist()),
    }


def bins_of(graph) -> LengthBins:
    index = graph.synapses.edge_index if isinstance(graph, Connectome) else graph.edge_index
    return LengthBins(simple_graph(index, None, graph.num_nodes, pos=graph.pos))


@NULLS
@given(graph=connectomes(), seed=st.integers(0, 2**30))
def test_keeps_what_it_says(null, graph, seed):
    before = copy.deepcopy(graph)
    out = null(seed)(graph)
    assert same(graph, before)
    assert type(out) is Connectome
    out.validate()
    found, expected = (measured(g, bins_of(graph)) for g in (out, graph))
    assert all(found[kept] == expected[kept] for kept in KEEPS[null])
    # What a synapse carries stays together.
    synapses = [sorted(zip(g.synapses["count"].tolist(), g.synapses["size"].tolist())) for g in (out, graph)]  # noqa: B905
    assert synapses[0] == synapses[1]
    # All but the synapses stays.
    for name in ("edge_index", "count", "size"):
        out.synapses[name] = graph.synapses[name]
    assert same(out, graph)


@NULLS
@given(graph=connectomes(), seed=st.integers(0, 2**30))
def test_a_plain_graph_is_drawn_as_its_connectome_is(null, graph, seed):
    wiring = graph.wiring()
    wiring.edge_name = [f"{i} to {j}" for i, j in wiring.edge_index.T.tolist()]
    wiring.x = torch.arange(graph.num_neurons)
    before = copy.deepcopy(wiring)
    out, expected = null(seed)(wiring), null(seed)(graph)
    assert torch.equal(out.edge_index, expected.synapses.edge_index)
    assert torch.equal(out.edge_weight, expected.synapses["count"].to(torch.float32))
    # Names and weights stay together, so that what was moved tells whence.
    weight_of = dict(zip(before.edge_name, before.edge_weight.tolist(), strict=True))
    assert out.edge_weight.tolist() == [weight_of[name] for name in out.edge_name]
    assert sorted(out.edge_name) == sorted(before.edge_name)
    assert torch.equal(out.x, before.x)
    assert torch.equal(out.pos, before.pos)
    for name in before.keys():
        value = before[name]
        assert torch.equal(wiring[name], value) if isinstance(value, torch.Tensor) else wiring[name] == value


@NULLS
def test_edges_without_weights(null):
    graph = connectome(20)
    bare = Data(edge_index=graph.synapses.edge_index, pos=graph.pos, num_nodes=20)
    out = null(0)(bare)
    assert out.edge_weight is None
    found, expected = (measured(g, bins_of(bare)) for g in (out, bare))
    assert all(found[kept] == expected[kept] for kept in KEEPS[null])


@NULLS
def test_draws_are_reproducible_and_touch_no_global_generator(null):
    graph = connectome(15)
    state = torch.get_rng_state()
    assert same(null(1)(graph), null(1)(graph))
    assert not same(null(1)(graph), null(2)(graph))
    one, again = (null(torch.Generator().manual_seed(1)) for _ in range(2))
    first, second = one(graph), one(graph)
    assert not same(first, second)  # a generator goes on
    assert same(first, again(graph))
    assert same(second, again(graph))
    assert torch.equal(torch.get_rng_state(), state)
    assert repr(null(3)) == f"{null.__name__}(rng=3)"


def test_what_a_synapse_carries_goes_to_another_edge_of_its_length():
    graph = connectome(20)
    out, bins = RewireDegreesAndLengths(0)(graph), bins_of(graph)
    found, expected = (
        sorted(zip(bins.of(*g.synapses.edge_index.numpy()).tolist(), g.synapses["size"].tolist(), strict=True))
        for g in (out, graph)
    )
    assert found == expected
    shuffled = ShuffleWeights(0)(graph)
    assert not torch.equal(shuffled.synapses["size"], graph.synapses["size"])


def test_a_lattice_puts_the_strong_nearest():
    out = Lattice(0)(connectome(20))
    source, target = out.synapses.edge_index
    ring = torch.minimum((source - target) % 20, (target - source) % 20)
    count = out.synapses["count"]
    for near in range(1, int(ring.max())):
        assert count[ring == near].min() >= count[ring == near + 1].max()


def test_positions_of_a_plain_graph_are_shuffled_as_those_of_its_connectome():
    graph = connectome(9)
    assert torch.equal(ShufflePositions(2)(graph.wiring()).pos, ShufflePositions(2)(graph).pos)


BAD_GRAPHS = {
    "a batch": (
        lambda: Batch.from_data_list([connectome(3), connectome(4)]),
        r"must be given one .*got ConnectomeBatch",
    ),
    "a batch of plain graphs": (
        lambda: Batch.from_data_list([connectome(3).wiring()] * 2),
        r"must be given one .*got DataB",
    ),
    "another heterogeneous graph": (HeteroData, r"must be given one .*got HeteroData"),
    "no edges at all": (lambda: Data(pos=torch.rand(3, 3)), r"must be given a graph with edge_index, got none"),
    "a self-connection": (
        lambda: Data(edge_index=torch.tensor([[0, 1], [0, 2]]), num_nodes=3),
        r"edge_index must link each pair once.*got 1 self-connections and 0 repeated",
    ),
    "an edge twice": (
        lambda: Data(edge_index=torch.tensor([[0, 0], [1, 1]]), num_nodes=3),
        r"edge_index must link each pair once.*got 0 self-connections and 1 repeated",
    ),
    "NaN": (
        lambda: Data(edge_index=torch.tensor([[0], [1]]), edge_weight=torch.tensor([float("nan")]), num_nodes=2),
        r"edge_weight must be finite, got",
    ),
    "two weights for one edge": (
        lambda: Data(edge_index=torch.tensor([[0], [1]]), edge_weight=torch.ones(2), num_nodes=2),
        r"edge_weight must hold one value per edge.*got",
    ),
}


@pytest.mark.parametrize("case", BAD_GRAPHS.values(), ids=BAD_GRAPHS.keys())
@NULLS
def test_rejects(null, case):
    with pytest.raises(ValueError, match=case[1]):
        null(0)(case[0]())


@pytest.mark.parametrize("null", [RewireDegreesAndLengths, ShufflePositions])
def test_positions_must_be_there(null):
    with pytest.raises(ValueError, match=r"pos must hold the position of each"):
        null(0)(Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2))


@pytest.mark.parametrize("rng", [None, -1, 1.5, "0"])
@NULLS
def test_rejects_a_wrong_rng(null, rng):
    with pytest.raises(ValueError, match="rng must be"):
        null(rng)


def test_functions_stay_with_their_neurons():
    graph = connectome(8)
    out = RewireDegrees(0)(graph)
    assert torch.equal(out.coactivity_matrix("sttc"), graph.coactivity_matrix("sttc"))
    assert torch.equal(out[NEURON]["root_id"], graph[NEURON]["root_id"])


@NULLS
def test_signed_weights_keep_their_signs(null):
    graph = signed_graph()
    out = null(3)(graph.clone())
    pairs = [sorted(zip(g.edge_weight.tolist(), g.edge_name, strict=True)) for g in (out, graph)]
    assert pairs[0] == pairs[1]


def signed_graph() -> Data:
    """Make a graph in which a third of the weights is negative, and each edge has a name."""
    generator = torch.Generator().manual_seed(0)
    linked = (torch.rand(20, 20, generator=generator) < 0.2).fill_diagonal_(False)
    edge_index = linked.nonzero().T.contiguous()
    weight = torch.rand(edge_index.size(1), generator=generator) - 0.33
    names = [f"{i} to {j}" for i, j in edge_index.T.tolist()]
    return Data(
        edge_index=edge_index,
        edge_weight=weight,
        edge_name=names,
        pos=torch.rand(20, 3, generator=generator),
        num_nodes=20,
    )
