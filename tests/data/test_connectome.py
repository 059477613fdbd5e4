from __future__ import annotations

import contextlib
import copy
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data, HeteroData, InMemoryDataset
from torch_geometric.loader import DataLoader

from graphcortex.data import Connectome, ConnectomeError, with_common_codes
from graphcortex.data._notes import Notes
from graphcortex.data.schema import COACTIVITY, SYNAPSE
from tests.data._graphs import all_pairs, arrays, connectome, connectomes, same

# --- what it holds --------------------------------------------------------------------------------


def naive_counts(graph: Connectome) -> np.ndarray:
    W = np.zeros((graph.num_neurons, graph.num_neurons))
    for e in range(graph.synapses.num_edges):
        i, j = graph.synapses.edge_index[:, e].tolist()
        W[i, j] = graph.synapses["count"][e].item()
    return W


def naive_coactivity(graph: Connectome, name: str) -> np.ndarray:
    C = np.full((graph.num_neurons, graph.num_neurons), np.nan)
    for e in range(graph.coactivity.num_edges):
        i, j = graph.coactivity.edge_index[:, e].tolist()
        C[i, j] = graph.coactivity[name][e].item()
    for i in range(graph.num_neurons):
        C[i, i] = graph["neuron"][f"self_{name}"][i].item()
    return C


def test_holds_what_it_was_given():
    given_arrays = arrays(6)
    graph = Connectome.from_arrays(**given_arrays)
    assert isinstance(graph, HeteroData)
    assert graph.num_neurons == graph.num_nodes == 6
    assert graph.pos.dtype == torch.float32
    assert torch.equal(graph.pos, given_arrays["pos"].float())
    for name in ("root_id", "nucleus_id", "unit_id", "area", "layer", "cell_type"):
        assert torch.equal(graph["neuron"][name], given_arrays[name])
    for name in ("correlation", "sttc", "precision"):
        assert torch.equal(graph.coactivity[name], given_arrays[name])
        assert graph.coactivity[name].dtype == torch.float64
    assert graph.synapses["size"].dtype == torch.float32
    assert graph.names["cell_type"] == ("E", "I")
    assert graph.provenance == given_arrays["provenance"]


def test_numpy_and_tensors_make_the_same():
    given_arrays = arrays(6)
    as_numpy = {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in given_arrays.items()}
    as_numpy["root_id"] = as_numpy["root_id"].astype(np.uint64)
    as_numpy["unit_id"] = as_numpy["unit_id"].astype(">i4")
    as_numpy["pos"] = np.asfortranarray(as_numpy["pos"])
    as_numpy["pos"].flags.writeable = False
    assert same(Connectome.from_arrays(**given_arrays), Connectome.from_arrays(**as_numpy))


def test_does_not_share_memory_with_arrays():
    pos = np.zeros((2, 3), dtype=np.float32)
    graph = Connectome.from_arrays(pos, [[0], [1]], [1])
    pos[:] = 7
    assert not graph.pos.any()


@given(graph=connectomes())
def test_dense_matrices_match_naive(graph):
    np.testing.assert_array_equal(graph.count_matrix().numpy(), naive_counts(graph))
    for name in ("correlation", "sttc", "precision"):
        matrix = graph.coactivity_matrix(name)
        assert matrix.dtype == torch.float64
        np.testing.assert_array_equal(matrix.numpy(), naive_coactivity(graph, name))


def test_wiring_is_a_plain_graph():
    graph = connectome(6)
    wiring = graph.wiring()
    assert type(wiring) is Data
    assert wiring.num_nodes == 6
    assert wiring.edge_weight.dtype == torch.float32
    assert torch.equal(wiring.edge_index, graph.synapses.edge_index)
    assert torch.equal(wiring.edge_weight.long(), graph.synapses["count"])
    assert torch.equal(wiring.pos, graph.pos)


def test_needs_no_coactivity():
    graph = Connectome.from_arrays(np.zeros((2, 3)), np.zeros((2, 0)), [])
    assert not graph.has_coactivity
    assert graph.synapses.num_edges == 0
    assert graph.synapses["count"].dtype == torch.int64
    with pytest.raises(ConnectomeError, match=r"must have recorded pairs.*got none"):
        _ = graph.coactivity
    assert ("neuron", "coactivity", "neuron") not in graph.edge_types  # to look did not make one


def test_position_can_be_replaced():
    graph = connectome(4)
    graph.pos = torch.ones(4, 3)
    assert graph["neuron"]["pos"].eq(1).all()
    with pytest.raises(AttributeError):
        graph.num_neurons = 3


def test_repr_says_what_is_there():
    text = repr(connectome(5))
    assert "5 neurons: pos, root_id" in text
    assert "20 recorded pairs: correlation, sttc, precision" in text
    assert "'source': 'test'" in text
    assert repr(Connectome()) == "Connectome()"


FULL_MATRIX_ERRORS = {
    "no such measure": (lambda g: g.coactivity_matrix("corr"), r"must be one of .*'correlation'.*got 'corr'"),
    "the pairs are not its measure": (lambda g: g.coactivity_matrix("edge_index"), r"must be one of"),
}


@pytest.mark.parametrize("case", FULL_MATRIX_ERRORS.values(), ids=FULL_MATRIX_ERRORS.keys())
def test_full_matrix_rejects(case):
    call, message = case
    with pytest.raises(ConnectomeError, match=message):
        call(connectome(4))


def test_full_matrix_says_what_is_missing():
    with pytest.raises(ConnectomeError, match=r"must hold sttc.*correlation"):
        connectome(4, sttc=None, self_sttc=None, precision=None).coactivity_matrix("sttc")
    with pytest.raises(ConnectomeError, match=r"diagonal of sttc.*no self_sttc"):
        connectome(4, self_sttc=None).coactivity_matrix("sttc")
    some = dict.fromkeys(("correlation", "precision"))
    part = connectome(4, coactivity_index=all_pairs(4)[:, 1:], sttc=torch.zeros(11), **some)
    with pytest.raises(ConnectomeError, match="needs all 12 ordered pairs, got 11"):
        part.coactivity_matrix("sttc")


def test_values_need_their_pairs():
    with pytest.raises(ConnectomeError, match="correlation need coactivity_index"):
        Connectome.from_arrays(np.zeros((2, 3)), [[0], [1]], [1], correlation=[0.5])


def test_notes_are_a_mapping_that_cannot_be_changed():
    notes = Notes({"a": 1})
    assert len(notes) == 1
    assert list(notes.items()) == [("a", 1)]
    assert notes.get("b", 2) == 2
    assert notes == Notes(notes) == {"a": 1}
    with pytest.raises(TypeError):
        notes["a"] = 2


# --- as a graph of PyG ----------------------------------------------------------------------------

COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "clone": lambda g: g.clone(),
    "to": lambda g: g.to("cpu"),
    "contiguous": lambda g: g.contiguous(),
    "pickle": lambda g: pickle.loads(pickle.dumps(g)),
    "from_dict": lambda g: Connectome.from_dict(g.to_dict()),
    "every neuron": lambda g: g.subgraph(torch.arange(g.num_neurons)),
    "a batch of one": lambda g: Batch.from_data_list([g])[0],
}


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES.keys())
@given(graph=connectomes())
def test_copies_are_the_same_connectome(make, graph):
    made = make(graph)
    assert type(made) is Connectome
    assert same(made.validate(), graph)


def test_a_clone_stands_alone():
    graph = connectome(4)
    before = graph.pos.clone()
    graph.clone().pos.zero_()
    assert torch.equal(graph.pos, before)


@given(graph=connectomes(), data=st.data())
def test_subgraph_is_the_block_of_each_matrix(graph, data):
    kept = data.draw(st.permutations(range(graph.num_neurons)))[: data.draw(st.integers(0, graph.num_neurons))]
    kept = torch.tensor(kept, dtype=torch.int64)
    part = graph.subgraph(kept)
    assert type(part) is Connectome
    part.validate()
    assert torch.equal(part.count_matrix(), graph.count_matrix()[kept][:, kept])
    assert torch.equal(part.coactivity_matrix("sttc"), graph.coactivity_matrix("sttc")[kept][:, kept])
    assert torch.equal(part.pos, graph.pos[kept])
    assert torch.equal(part["neuron"].root_id, graph["neuron"].root_id[kept])
    assert part.names == graph.names
    assert part.provenance == graph.provenance
    assert same(part, graph.subgraph({"neuron": kept}))


@given(graph=connectomes(), data=st.data())
def test_subgraph_takes_a_mask(graph, data):
    mask = torch.tensor(data.draw(st.lists(st.booleans(), min_size=graph.num_neurons, max_size=graph.num_neurons)))
    assert same(graph.subgraph(mask), graph.subgraph(mask.nonzero().view(-1)))


def test_subgraph_leaves_the_whole_alone():
    graph = connectome(6)
    before = copy.deepcopy(graph)
    graph.subgraph([3, 1])
    assert same(graph, before)
    assert same(graph.subgraph({}), before)


BAD_SUBSETS = {
    "out of range": ([0, 5], r"must lie in 0 .. 4, got 0 .. 5"),
    "negative": ([-1], r"must lie in"),
    "twice": ([1, 1], r"each neuron once"),
    "a short mask": (torch.tensor([True, False]), r"a mask must have shape \(5,\).*got \(2,\)"),
    "floats": ([0.0, 1.0], r"float"),
    "a matrix": ([[0, 1]], r"one dimension"),
    "another node type": ({"synapse": [0]}, r"one node type 'neuron', got \['synapse'\]"),
}


@pytest.mark.parametrize("case", BAD_SUBSETS.values(), ids=BAD_SUBSETS.keys())
def test_subgraph_rejects(case):
    with pytest.raises(ConnectomeError, match=case[1]):
        connectome(5).subgraph(case[0])


@given(graphs=st.lists(connectomes(), min_size=1, max_size=4))
def test_a_batch_is_a_disjoint_union_and_comes_apart_again(graphs):
    batch = Batch.from_data_list(graphs)
    assert isinstance(batch, Connectome)
    assert batch.validate() is batch
    assert batch.num_neurons == sum(graph.num_neurons for graph in graphs)
    assert torch.equal(batch.count_matrix(), torch.block_diag(*(graph.count_matrix() for graph in graphs)))
    # Ids are names: nothing may be added to them.
    assert torch.equal(batch["neuron"].root_id, torch.cat([graph["neuron"].root_id for graph in graphs]))
    for one, graph in zip(batch.to_data_list(), graphs, strict=True):
        assert type(one) is Connectome
        assert same(one, graph)


def test_a_batch_keeps_notes_that_differ():
    a, b = connectome(3, provenance={"x": 1}), connectome(4, provenance={"y": [1, 2], "z": None})
    batch = Batch.from_data_list([a, b])
    assert batch[0].provenance == {"x": 1}
    assert batch[1].provenance == {"y": [1, 2], "z": None}
    assert "2 graphs" in repr(batch)
    assert "7 neurons" in repr(batch)


def named(graph: Connectome) -> dict[str, list[str]]:
    """What the codes of the neurons say, as text."""
    return {name: [words[code] for code in graph["neuron"][name].tolist()] for name, words in graph.names.items()}


AREAS = st.lists(st.sampled_from(["V1", "LM", "AL", "RL"]), min_size=1, max_size=5)


@st.composite
def with_areas(draw):
    """Draw a connectome whose table of names is its own: other names, in another order, some of them without neurons."""
    areas = draw(AREAS)
    words = draw(st.permutations(sorted({*areas, *draw(AREAS)})))
    return connectome(
        len(areas), area=[words.index(area) for area in areas], names={**arrays()["names"], "area": words}
    )


@given(graphs=st.lists(with_areas(), min_size=1, max_size=4))
def test_one_code_has_one_name_in_a_batch(graphs):
    before = [named(graph) for graph in graphs]
    batch = Batch.from_data_list(graphs)
    assert all(names == batch.names[0] for names in batch.names)
    expected = [area for names in before for area in names["area"]]
    assert [batch.names[0]["area"][code] for code in batch["neuron"].area.tolist()] == expected
    batch.validate()
    assert [named(graph) for graph in batch.to_data_list()] == before
    assert [named(graph) for graph in graphs] == before  # the graphs stay as they are
    for one, graph in zip(with_common_codes(graphs), batch.to_data_list(), strict=True):
        assert same(one, graph)


def test_recordings_of_a_batch_have_one_table_too():
    def recorded(names, codes):
        pairs = {"coactivity_index": [[0, 1], [1, 2]], "recording": codes}
        return Connectome.from_arrays(np.zeros((3, 3)), [[0], [1]], [1], names={"recording": names}, **pairs)

    batch = Batch.from_data_list([recorded(["a", "b"], [0, 1]), recorded(["c", "a"], [0, 1])])
    names = batch.names[0]["recording"]
    assert [names[code] for code in batch.coactivity.recording.tolist()] == ["a", "b", "c", "a"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_batches_of_one_table(workers):
    graphs = [connectome(3, names={**arrays()["names"], "area": [area]}) for area in ("V1", "LM", "V1", "AL")]
    for batch, expected in zip(
        DataLoader(graphs, batch_size=2, num_workers=workers), (["V1", "LM"], ["V1", "AL"]), strict=True
    ):
        assert batch["neuron"].area.tolist() == [0, 0, 0, 1, 1, 1]
        assert list(batch.names[1]["area"]) == expected


def without_coactivity(graph: Connectome) -> Connectome:
    del graph[COACTIVITY]
    for name in ("self_correlation", "self_sttc", "self_precision"):
        del graph["neuron"][name]
    return graph


def without(graph: Connectome, store, name: str) -> Connectome:
    del graph[store][name]
    return graph


UNLIKE = {
    "co-activity in one only": (
        lambda: without_coactivity(connectome(3)),
        "coactivity.correlation, coactivity.edge_index",
    ),
    "one measure less": (lambda: without(connectome(3), COACTIVITY, "sttc"), "none of coactivity.sttc"),
    "sizes in one only": (lambda: without(connectome(3), SYNAPSE, "size"), "none of synapse.size"),
    "ids in one only": (lambda: without(connectome(3), "neuron", "unit_id"), "none of neuron.unit_id"),
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("make", "lacking"), UNLIKE.values(), ids=UNLIKE.keys())
def test_a_batch_refuses_fields_of_some_graphs_only(make, lacking, first):
    graphs = [make(), connectome(4)] if first else [connectome(4), make()]
    expected = f"must hold the same fields.*got {'' if lacking.startswith('none') else 'none of '}{lacking}"
    joins = {
        "a batch": Batch.from_data_list,
        "a dataset in memory": InMemoryDataset.collate,
        "one connectome": lambda graphs: graphs[0].concat(graphs[1]),
        "a loader": lambda graphs: next(iter(DataLoader(graphs, batch_size=2))),
    }
    for join in joins.values():
        with pytest.raises(ConnectomeError, match=expected):
            join(graphs)


def test_a_batch_refuses_codes_that_have_names_in_some_graphs_only():
    names = arrays()["names"]
    with pytest.raises(ConnectomeError, match=r"codes of area must have names in every graph.*none in graph 1"):
        Batch.from_data_list(
            [connectome(3), connectome(3, names={"layer": names["layer"], "cell_type": names["cell_type"]})]
        )


def test_a_batch_refuses_what_is_no_connectome_or_a_batch_already():
    batch = Batch.from_data_list([connectome(3), connectome(4)])
    for other in (batch, HeteroData()):
        with pytest.raises(ConnectomeError, match=r"must hold single connectomes, got .* as graph 1"):
            Batch.from_data_list([connectome(3), other])


def test_graphs_without_notes_join_those_that_have_them():
    plain = Connectome.from_arrays(np.zeros((2, 3)), [[0], [1]], [1])
    noted = Connectome.from_arrays(np.zeros((2, 3)), [[0], [1]], [1], provenance={"source": "x"})
    for graphs in ([plain, noted], [noted, plain]):
        batch = Batch.from_data_list(graphs)
        assert [dict(notes) for notes in batch.provenance] == [dict(g.get("provenance", {})) for g in graphs]
    assert "provenance" not in plain._global_store


def test_other_graphs_are_batched_as_before():
    batch = Batch.from_data_list([connectome(3).wiring(), connectome(4).wiring()])
    assert batch.num_graphs == 2
    assert batch.num_nodes == 7
    assert InMemoryDataset.collate([Data(x=torch.ones(2)), Data(x=torch.ones(3))])[0].x.shape == (5,)


def test_a_dataset_in_memory_gives_its_graphs_back():
    graphs = [connectome(3, names={**arrays()["names"], "area": [area]}) for area in ("V1", "LM")]

    class Both(InMemoryDataset):
        def __init__(self):
            super().__init__()
            self.data, self.slices = self.collate(graphs)

    for number, graph in enumerate(graphs):
        assert same(Both()[number], graph)


@given(one=with_areas(), other=with_areas())
def test_two_connectomes_become_one(one, other):
    other["neuron"].root_id += 100
    other["neuron"].nucleus_id += 100
    both, N = one.concat(other), one.num_neurons
    assert type(both) is Connectome
    assert torch.equal(both.count_matrix(), torch.block_diag(one.count_matrix(), other.count_matrix()))
    assert named(both) == {name: named(one)[name] + named(other)[name] for name in named(one)}
    assert torch.equal(both.coactivity.edge_index[:, one.coactivity.num_edges :], other.coactivity.edge_index + N)
    assert [notes["source"] for notes in both.provenance["graphs"]] == ["test", "test"]
    with pytest.raises(ConnectomeError, match="must name each neuron once"):
        one.concat(one)


def test_a_batch_names_the_graph_that_is_wrong():
    a, b = connectome(3), connectome(4)
    b["neuron"].root_id[:] = 5
    with pytest.raises(ConnectomeError, match="root_id must name each neuron once"):
        Batch.from_data_list([a, b]).validate()


def test_loader_gives_batches():
    graphs = [connectome(N) for N in (3, 4, 5)]
    batches = list(DataLoader(graphs, batch_size=2))
    assert [batch.num_neurons for batch in batches] == [7, 5]
    assert same(batches[1][0], graphs[2])


def test_a_batch_is_not_cut_or_saved(tmp_path):
    batch = Batch.from_data_list([connectome(3), connectome(4)])
    with pytest.raises(ConnectomeError, match="got a batch"):
        batch.subgraph([0])
    with pytest.raises(ConnectomeError, match="got a batch"):
        batch.save(tmp_path / "batch.pt")


def test_components_are_connectomes():
    graph = Connectome.from_arrays(np.zeros((4, 3)), [[0, 2], [1, 3]], [1, 2])
    parts = graph.connected_components()
    assert [type(part) for part in parts] == [Connectome, Connectome]
    assert sorted(part.num_neurons for part in parts) == [2, 2]


def test_moves_to_the_device(device):
    graph = connectome(5).to(device)
    assert graph.pos.device.type == device.type
    assert graph.validate().count_matrix().device.type == device.type
    assert graph.subgraph([0, 3]).num_neurons == 2
    assert same(graph.cpu(), connectome(5))


# --- on disk --------------------------------------------------------------------------------------


@given(graph=connectomes())
def test_saves_and_loads(tmp_path_factory, graph):
    path = tmp_path_factory.mktemp("saved") / "graph.pt"
    graph.save(path)
    loaded = Connectome.load(path)
    assert type(loaded) is Connectome
    assert same(loaded, graph)
    assert [file.name for file in path.parent.iterdir()] == ["graph.pt"]


def test_names_of_numpy_are_read_back(tmp_path):
    graph = connectome(4, names={"cell_type": np.array(["E", "I"])}, area=None, layer=None)
    graph.save(tmp_path / "graph.pt")
    assert same(Connectome.load(tmp_path / "graph.pt"), graph)


def test_a_part_is_saved_without_the_whole(tmp_path):
    graph = connectome(60)
    part = copy.copy(graph.subgraph([0, 1]))
    part.pos = graph.pos[:2]  # a view
    part["neuron"].root_id = torch.arange(100_000)[:2]
    part.save(tmp_path / "part.pt")
    assert (tmp_path / "part.pt").stat().st_size < 20_000


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "graph.pt"
    connectome(4).save(path)
    before = path.read_bytes()

    def interrupted(record, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        connectome(5).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_save_names_a_missing_folder(tmp_path):
    with pytest.raises(ConnectomeError, match="no folder"):
        connectome(3).save(tmp_path / "missing" / "graph.pt")


def test_an_invalid_connectome_is_not_saved(tmp_path):
    graph = connectome(4)
    graph.pos = graph.pos * float("nan")
    with pytest.raises(ConnectomeError, match="pos must be finite"):
        graph.save(tmp_path / "graph.pt")
    assert not list(tmp_path.iterdir())


class Malicious:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def _write_malicious(path):
    torch.save({"format": "graphcortex.Connectome", "version": 2, "graph": {"x": Malicious()}}, path)


def _write_wrong_field(path):
    torch.save({"format": "graphcortex.Connectome", "version": 2, "neuron": {"positions": torch.zeros(1, 3)}}, path)


def _write_invalid(path):
    record = {"pos": torch.full((1, 3), 1e5)}
    synapse = {"edge_index": torch.zeros(2, 0).long(), "count": torch.zeros(0).long()}
    torch.save({"format": "graphcortex.Connectome", "version": 2, "neuron": record, "synapse": synapse}, path)


def _write_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.pkl", b"cos\nsystem\n(S'touch pwned'\ntR.")


BAD_FILES = {
    "code": (_write_malicious, "was refused"),
    "a bare pickle": (lambda path: path.write_bytes(pickle.dumps(Malicious())), "was refused"),
    "another archive": (_write_zip, "was refused"),
    "garbage": (lambda path: path.write_bytes(b"\x00garbage" * 10), "was refused"),
    "empty": (lambda path: path.write_bytes(b""), "was refused"),
    "another tensor": (lambda path: torch.save(torch.zeros(3), path), "another kind of .pt file"),
    "a model": (lambda path: torch.save({"weight": torch.zeros(3)}, path), "another kind of .pt file"),
    "a later version": (
        lambda path: torch.save({"format": "graphcortex.Connectome", "version": 3}, path),
        "in version 2, got 3",
    ),
    "an unknown field": (_write_wrong_field, "unknown field 'positions'"),
    "voxels": (_write_invalid, "look like voxels"),
    "nothing": (lambda path: None, "got no file"),
    "a level that is no mapping": (
        lambda path: torch.save({"format": "graphcortex.Connectome", "version": 2, "neuron": [1]}, path),
        "level 'neuron', got list",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_load_refuses(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write, message = case
    path = tmp_path / "graph.pt"
    write(path)
    with pytest.raises(ConnectomeError, match=message) as caught:
        Connectome.load(path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "pwned").exists()


@given(cut=st.floats(0, 0.999), flip=st.none() | st.floats(0, 0.999))
def test_a_damaged_file_ends_in_the_named_error_alone(tmp_path_factory, cut, flip):
    path = tmp_path_factory.mktemp("damaged") / "graph.pt"
    connectome(3).save(path)
    content = bytearray(path.read_bytes())
    if flip is None:
        content = content[: int(cut * len(content))]
    else:
        content[int(flip * len(content))] ^= 0x41
    path.write_bytes(bytes(content))
    with contextlib.suppress(ConnectomeError):  # a flip in padding changes nothing
        Connectome.load(path).validate()
