from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch
from torch_geometric.transforms import Compose

from graphcortex.data import Connectome, CropToBox, MinSynapses, RenameNeurons, ShufflePositions
from graphcortex.data.connectome import NEURON
from tests.data._graphs import connectome, connectomes, same

TRANSFORMS = {
    "RenameNeurons": RenameNeurons(3),
    "ShufflePositions": ShufflePositions(3),
    "CropToBox": CropToBox((0, 0, 0), (500, 1000, 1000)),
    "MinSynapses": MinSynapses(4),
}
MEASURES = ("correlation", "sttc", "precision")


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
@given(graph=connectomes())
def test_gives_a_valid_connectome_and_leaves_its_own_alone(transform, graph):
    before = copy.deepcopy(graph)
    out = transform(graph)
    assert type(out) is Connectome
    out.validate()
    assert out.names == graph.names
    assert out.provenance == graph.provenance
    assert same(graph, before)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_refuses_a_batch(transform):
    batch = Batch.from_data_list([connectome(3), connectome(4)])
    with pytest.raises(ValueError, match=r"must be given one Connectome.*, got ConnectomeBatch; apply it to each"):
        transform(batch)


def test_reprs_say_what_they_do():
    assert repr(Compose(list(TRANSFORMS.values()))).count("(") >= 5
    assert repr(RenameNeurons(3)) == "RenameNeurons(rng=3)"
    assert repr(ShufflePositions(torch.Generator())) == "ShufflePositions(rng=torch.Generator)"
    assert repr(MinSynapses(4)) == "MinSynapses(count=4)"
    assert "low_um=(0.0, 0.0, 0.0)" in repr(TRANSFORMS["CropToBox"])


# --- controls ---------------------------------------------------------------------------------------


@given(graph=connectomes(), seed=st.integers(0, 2**30))
def test_renaming_is_one_permutation_of_wiring_and_function(graph, seed):
    N = graph.num_neurons
    out = RenameNeurons(seed)(graph)
    new = torch.randperm(N, generator=torch.Generator().manual_seed(seed))
    for before, after in [
        (graph.count_matrix(), out.count_matrix()),
        *((graph.coactivity_matrix(name), out.coactivity_matrix(name)) for name in MEASURES),
    ]:
        for i in range(N):
            for j in range(N):
                assert after[new[i], new[j]] == before[i, j]
    for name in ("pos", "root_id", "nucleus_id", "unit_id", "area", "layer", "cell_type"):
        assert torch.equal(out[NEURON][name], graph[NEURON][name])
    # The sizes stay with their pairs.
    sizes = {
        tuple(new[e].tolist()): s for e, s in zip(graph.synapses.edge_index.T, graph.synapses["size"], strict=True)
    }
    for e, s in zip(out.synapses.edge_index.T, out.synapses["size"], strict=True):
        assert sizes[tuple(e.tolist())] == s


def test_renaming_keeps_edges_sorted():
    out = RenameNeurons(5)(connectome(6))
    for store in out.edge_stores:
        assert bool(((store.edge_index[0] * 6 + store.edge_index[1]).diff() > 0).all())


def test_renaming_needs_no_activity():
    graph = Connectome.from_arrays(torch.rand(3, 3), [[0, 1], [1, 2]], [2, 5])
    out = RenameNeurons(0)(graph).validate()
    assert sorted(out.count_matrix().flatten().tolist()) == sorted(graph.count_matrix().flatten().tolist())


@given(graph=connectomes(), seed=st.integers(0, 2**30))
def test_shuffling_moves_positions_only(graph, seed):
    out = ShufflePositions(seed)(graph)
    order = torch.randperm(graph.num_neurons, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(out.pos, graph.pos[order])
    out.pos = graph.pos
    assert same(out, graph)


@pytest.mark.parametrize("control", [RenameNeurons, ShufflePositions])
def test_draws_are_reproducible_and_touch_no_global_generator(control):
    graph = connectome(30)
    state = torch.get_rng_state()
    assert same(control(1)(graph), control(1)(graph))
    assert not same(control(1)(graph), control(2)(graph))
    one = control(torch.Generator().manual_seed(1))
    first, second = one(graph), one(graph)
    assert not same(first, second)  # a generator goes on
    again = control(torch.Generator().manual_seed(1))
    assert same(first, again(graph))
    assert same(second, again(graph))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("rng", [None, -1, 1.5, "0"])
@pytest.mark.parametrize("control", [RenameNeurons, ShufflePositions])
def test_controls_reject_a_wrong_rng(control, rng):
    with pytest.raises(ValueError, match="rng must be"):
        control(rng)


# --- crops and thresholds ---------------------------------------------------------------------------


@given(graph=connectomes(), low=st.floats(0, 1000), width=st.floats(0, 1000))
def test_crop_keeps_whom_it_should(graph, low, width):
    low_um, high_um = (low, 0, -float("inf")), (low + width, 1000, float("inf"))
    out = CropToBox(low_um, high_um)(graph)
    inside = [i for i in range(graph.num_neurons) if torch.tensor(low) <= graph.pos[i, 0] <= torch.tensor(low + width)]
    assert out["neuron"].root_id.tolist() == graph["neuron"].root_id[inside].tolist()
    assert torch.equal(out.count_matrix(), graph.count_matrix()[inside][:, inside])


def test_crop_includes_its_faces():
    graph = Connectome.from_arrays(torch.tensor([[0.0, 0, 0], [1, 1, 1], [2, 2, 2]]), torch.zeros(2, 0).long(), [])
    assert CropToBox((0, 0, 0), (1, 1, 1))(graph).num_neurons == 2
    assert CropToBox((1, 1, 1), (1, 1, 1))(graph).num_neurons == 1
    assert CropToBox((5, 5, 5), (9, 9, 9))(graph).num_neurons == 0


def test_crops_compose():
    graph = connectome(7)
    left, low = CropToBox((0, 0, 0), (600, 1000, 1000)), CropToBox((0, 0, 0), (1000, 600, 1000))
    assert same(left(low(graph)), CropToBox((0, 0, 0), (600, 600, 1000))(graph))


BAD_BOXES = {
    "two numbers": (((0, 0), (1, 1)), r"low_um must hold three numbers.*\(0, 0\)"),
    "one number": ((0, 1), r"low_um must hold three numbers"),
    "text": (("abc", (1, 1, 1)), r"low_um must hold three numbers.*'abc'"),
    "NaN": (((0, 0, 0), (1, float("nan"), 1)), r"high_um must hold three numbers"),
    "upside down": (((0, 2, 0), (1, 1, 1)), r"low_um must not exceed high_um, got"),
}


@pytest.mark.parametrize("case", BAD_BOXES.values(), ids=BAD_BOXES.keys())
def test_crop_rejects(case):
    with pytest.raises(ValueError, match=case[1]):
        CropToBox(*case[0])


@given(graph=connectomes(), count=st.integers(1, 10))
def test_threshold_keeps_the_strong(graph, count):
    out = MinSynapses(count)(graph)
    W = graph.count_matrix()
    assert torch.equal(out.count_matrix(), torch.where(count <= W, W, 0.0))
    assert out.num_neurons == graph.num_neurons
    assert torch.equal(out.coactivity_matrix("sttc"), graph.coactivity_matrix("sttc"))
    assert out.synapses["size"].shape == out.synapses["count"].shape
    assert same(MinSynapses(count)(out), out)


@pytest.mark.parametrize("count", [0, -1, 1.5, None, True])
def test_threshold_rejects(count):
    with pytest.raises(ValueError, match=r"count must be a whole number of at least 1, got"):
        MinSynapses(count)
