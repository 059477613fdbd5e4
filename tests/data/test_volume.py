from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcortex.data import (
    Coactivity,
    Connectome,
    ConnectomeError,
    MicronsFields,
    MicronsVolume,
    SyntheticCortex,
    VolumeError,
)
from tests.data._graphs import all_pairs, arrays, connectome, same


def part(whole: Connectome, neurons, name: str) -> Connectome:
    """Cut a field out of a connectome."""
    cut = whole.subgraph(torch.as_tensor(neurons))
    cut.provenance = {"source": "test", "field": name}
    return cut


def naive_volume(graphs: list[Connectome]) -> dict:
    """Stitch with dictionaries, a neuron at a time."""
    names, key_of = [], []
    for f, graph in enumerate(graphs):
        nuclei = graph["neuron"]["nucleus_id"].tolist()
        key_of.append([("nucleus", n) if n else ("alone", f, i) for i, n in enumerate(nuclei)])
        for key in key_of[-1]:
            if key not in names:
                names.append(key)
    counts, activity = defaultdict(list), {}
    for f, graph in enumerate(graphs):
        for (s, t), c in zip(graph.synapses.edge_index.T.tolist(), graph.synapses["count"].tolist(), strict=True):
            counts[names.index(key_of[f][s]), names.index(key_of[f][t])].append(c)
        store = graph.coactivity
        for (s, t), r in zip(store.edge_index.T.tolist(), store["correlation"].tolist(), strict=True):
            activity[names.index(key_of[f][s]), names.index(key_of[f][t]), f] = r
    together = {frozenset((names.index(a), names.index(b))) for keys in key_of for a in keys for b in keys if a != b}
    N = len(names)
    return {
        "neurons": N,
        "counts": {pair: max(c) for pair, c in counts.items()},
        "merged": sum(len(c) > 1 for c in counts.values()),
        "other": sum(len(set(c)) > 1 for c in counts.values()),
        "activity": activity,
        "apart": N * (N - 1) // 2 - len(together),
        "repeated": sum(sum(key in keys for keys in key_of) > 1 for key in names),
    }


@st.composite
def overlapping_fields(draw):
    """Fields of one volume that share neurons, whose counts may differ, and some of whose neurons have no nucleus id."""
    N = draw(st.integers(2, 9))
    whole = connectome(N, draw(st.integers(0, 999)))
    graphs = []
    for f in range(draw(st.integers(1, 4))):
        neurons = draw(st.lists(st.integers(0, N - 1), min_size=1, unique=True))
        graph = part(whole, neurons, f"f{f}")
        lost = torch.tensor(draw(st.lists(st.booleans(), min_size=len(neurons), max_size=len(neurons))))
        graph["neuron"]["nucleus_id"][lost] = 0
        graph["neuron"]["root_id"] = torch.zeros(len(neurons), dtype=torch.int64)
        E = graph.synapses.num_edges
        graph.synapses["count"] = torch.tensor(
            draw(st.lists(st.integers(1, 3), min_size=E, max_size=E)), dtype=torch.int64
        )
        graph.coactivity["correlation"] = torch.rand(graph.coactivity.num_edges, dtype=torch.float64) * 0.5
        graphs.append(graph)
    return graphs


@given(graphs=overlapping_fields())
def test_matches_the_naive_stitching(graphs):
    volume = MicronsVolume(graphs)
    got, report, expected = volume[0], volume.report, naive_volume(graphs)
    got.validate()
    assert got.num_neurons == report.neurons == expected["neurons"]
    pairs = map(tuple, got.synapses.edge_index.T.tolist())
    assert dict(zip(pairs, got.synapses["count"].tolist(), strict=True)) == expected["counts"]
    assert (report.merged_pairs, report.other_counts) == (expected["merged"], expected["other"])
    assert report.repeated_neurons == expected["repeated"] == len(got.provenance["units"])
    assert report.pairs_in_no_field == expected["apart"]
    recording = got.coactivity["recording"]
    keys = [(s, t, f) for (s, t), f in zip(got.coactivity.edge_index.T.tolist(), recording.tolist(), strict=True)]
    assert dict(zip(keys, got.coactivity["correlation"].tolist(), strict=True)) == expected["activity"]
    assert report.recorded_pairs == len({frozenset(key[:2]) for key in expected["activity"]})


@given(seed=st.integers(0, 99), cut=st.integers(1, 6))
def test_a_connectome_that_was_cut_in_two_comes_back(seed, cut):
    whole = connectome(7, seed)
    halves = [part(whole, range(cut), "a"), part(whole, range(7), "b")]
    got = MicronsVolume(halves)[0]
    for name, value in whole["neuron"].items():
        assert torch.equal(got["neuron"][name], value), name
    assert dict(got.names) == {**whole.names, "recording": ("a", "b")}
    assert torch.equal(got.count_matrix(), whole.count_matrix())
    assert torch.equal(got.synapses["size"], whole.synapses["size"])
    second = got.coactivity["recording"] == 1
    for name in ("edge_index", "correlation", "sttc", "precision"):
        assert torch.equal(got.coactivity[name][..., second], whole.coactivity[name])


@given(seed=st.integers(0, 99))
def test_neither_order_of_neurons_nor_of_fields_changes_the_graph(seed):
    whole = connectome(8, seed)
    one, other = part(whole, [0, 1, 2, 3, 4], "a"), part(whole, [6, 4, 3, 7], "b")
    first, second = MicronsVolume([one, other])[0], MicronsVolume([other, one])[0]
    order = torch.argsort(first["neuron"]["nucleus_id"]), torch.argsort(second["neuron"]["nucleus_id"])
    a, b = first.subgraph(order[0]), second.subgraph(order[1])
    assert torch.equal(a.pos, b.pos)
    assert torch.equal(a.count_matrix(), b.count_matrix())


def test_a_field_alone_is_itself():
    whole = connectome(6)
    got = MicronsVolume([whole])[0]
    assert torch.equal(got.count_matrix(), whole.count_matrix())
    assert torch.equal(got.coactivity_matrix("sttc"), whole.coactivity_matrix("sttc"))


def test_units_of_a_neuron_recorded_twice_are_listed_and_the_first_is_kept():
    whole = connectome(4)
    one, other = part(whole, [0, 1], "a"), part(whole, [2, 1], "b")
    other["neuron"]["unit_id"] = torch.tensor([900, 901])
    other["neuron"]["self_precision"] = torch.tensor([5.0, 6.0], dtype=torch.float64)
    got = MicronsVolume([one, other])[0]
    assert got["neuron"]["unit_id"].tolist() == [30, 31, 900]
    units = got.provenance["units"]
    assert list(units) == ["21"]
    assert [(unit["recording"], unit["unit_id"]) for unit in units["21"]] == [("a", 31), ("b", 901)]
    assert units["21"][1]["self_precision"] == 6.0


def test_pairs_recorded_twice_have_both_values_and_no_full_matrix():
    whole = connectome(3)
    other = part(whole, [0, 1, 2], "b")
    other.coactivity["sttc"] = whole.coactivity["sttc"] / 2
    volume = MicronsVolume([part(whole, [0, 1, 2], "a"), other])
    got = volume[0]
    assert got.coactivity.num_edges == 12
    assert volume.report.rerecorded_pairs == 3
    with pytest.raises(ConnectomeError, match="12"):
        got.coactivity_matrix("sttc")


def test_disagreements_are_counted():
    whole = connectome(3, synapse_index=torch.tensor([[0, 1], [1, 2]]), count=torch.tensor([2, 5]), size=torch.ones(2))
    other = connectome(
        3,
        synapse_index=torch.tensor([[0, 2], [1, 0]]),
        count=torch.tensor([4, 1]),
        size=torch.ones(2),
        cell_type=torch.tensor([1, 1, 0]),
        provenance={"field": "b"},
    )
    report = MicronsVolume([whole, other]).report
    assert (report.merged_pairs, report.other_counts, report.unseen_pairs) == (1, 1, 2)
    assert report.conflicts == {"cell_type": 1}
    text = str(report)
    for said in (
        "3 neurons from 6 entries",
        "1 of them with other counts",
        "contradictions in cell_type: 1",
        "never recorded",
    ):
        assert said in text
    assert len(report.to_dataframe()) == 2


def test_what_some_fields_lack_is_unknown_or_left_out_and_said():
    a = connectome(3)
    fewer = {k: v for k, v in arrays(2, 1).items() if k in ("pos", "synapse_index", "count")}
    b = Connectome.from_arrays(**fewer, provenance={"field": "bare"})
    volume = MicronsVolume([a, b])
    got = volume[0]
    assert got.num_neurons == 5
    assert got["neuron"]["nucleus_id"].tolist() == [20, 21, 22, 0, 0]
    assert got.names["area"] == ("V1", "unknown")
    assert got["neuron"]["area"].tolist() == [0, 0, 0, 1, 1]
    assert "self_sttc" not in got["neuron"]
    assert "size" not in got.synapses
    said = "\n".join(volume.report.missing)
    for word in (
        "area of bare (unknown there)",
        "self_sttc of bare (left out)",
        "size of the synapses of bare",
        "co-activity of bare",
    ):
        assert word in said
    assert volume.report.unknown_nuclei == 2


def test_codes_of_fields_with_other_names_are_translated():
    a = connectome(2)
    b = connectome(2, 1, nucleus_id=torch.tensor([90, 91]), root_id=torch.tensor([5, 6]))
    b.names = {"area": ["LM"], "layer": ["5", "2/3"], "cell_type": ["I", "E"]}
    b.provenance = {"field": "b"}
    got = MicronsVolume([a, b])[0]
    said = {name: [got.names[name][k] for k in got["neuron"][name].tolist()] for name in ("area", "layer", "cell_type")}
    assert said == {
        "area": ["V1", "V1", "LM", "LM"],
        "layer": ["2/3", "4", "5", "2/3"],
        "cell_type": ["E", "I", "I", "E"],
    }


def test_saves_and_loads(tmp_path):
    whole = connectome(6)
    got = MicronsVolume([part(whole, [0, 1, 2], "a"), part(whole, [2, 3, 4], "b")])[0]
    got.save(tmp_path / "volume.pt")
    assert same(Connectome.load(tmp_path / "volume.pt"), got)


def moved(distance: float) -> list[Connectome]:
    whole = connectome(3)
    other = part(whole, [0, 2], "b")
    other.pos = other.pos + torch.tensor([distance, 0.0, 0.0])
    return [part(whole, [0, 1], "a"), other]


def test_positions_may_differ_by_the_tolerance():
    assert MicronsVolume(moved(0.5)).report.greatest_distance_um == pytest.approx(0.5, abs=1e-3)
    assert MicronsVolume(moved(7.0), tolerance_um=8)[0].num_neurons == 3
    with pytest.raises(VolumeError, match=r"nucleus 20 within 1 um .*got .* um in a and .* um in b, 7 um apart"):
        MicronsVolume(moved(7.0))[0]


def one_root_of_two_nuclei():
    return [connectome(2), connectome(2, 1, nucleus_id=torch.tensor([90, 91]), provenance={"field": "b"})]


def no_names():
    bare = connectome(2, 1, names=None, nucleus_id=torch.tensor([90, 91]), root_id=torch.tensor([5, 6]))
    bare.provenance = {"field": "b"}
    return [connectome(2), bare]


BAD = {
    "none": (lambda: [], "at least one field, got none"),
    "names without root": (lambda: ["6_6_2"], "need root"),
    "not a connectome": (lambda: [connectome(2), 3], "got int"),
    "one field twice": (lambda: [part(connectome(2), [0], "a"), part(connectome(2), [1], "a")], "'a' more than once"),
    "a volume": (lambda: [MicronsVolume([connectome(2)])[0]], "got a volume already"),
    "one root, two nuclei": (one_root_of_two_nuclei, r"got nuclei \[20, 90\]"),
    "codes without names": (no_names, "must have names in every field"),
}


@pytest.mark.parametrize(("fields", "message"), BAD.values(), ids=BAD.keys())
def test_rejects(fields, message):
    with pytest.raises(VolumeError, match=message):
        MicronsVolume(fields())[0]


@pytest.mark.parametrize("tolerance", [-1, float("nan"), "far"])
def test_rejects_tolerance(tolerance):
    with pytest.raises(ValueError, match="tolerance_um must be"):
        MicronsVolume([connectome(2)], tolerance_um=tolerance)


def test_synthetic_fields_have_no_nuclei_and_stay_apart():
    volume = MicronsVolume(SyntheticCortex(15, 2, duration_s=60, rng=1))
    assert volume[0].num_neurons == volume["volume"].num_neurons == 30
    assert volume.report.pairs_in_no_field == 15 * 15
    with pytest.raises(VolumeError, match="got 'other'"):
        volume["other"]


def test_recordings_of_one_pair_are_allowed_but_not_repeated_ones():
    pairs = all_pairs(2).repeat(1, 2)
    values = torch.zeros(4, dtype=torch.float64)
    bare = {"pos": np.ones((2, 3)), "synapse_index": np.zeros((2, 0)), "count": np.zeros(0)}
    ok = Connectome.from_arrays(
        **bare,
        coactivity_index=pairs,
        sttc=values,
        recording=torch.tensor([0, 0, 1, 1]),
        self_sttc=torch.ones(2),
        names={"recording": ["a", "b"]},
    )
    assert ok.coactivity["recording"].tolist() == [0, 0, 1, 1]
    with pytest.raises(ConnectomeError, match="once per recording, got 0 -> 1"):
        Connectome.from_arrays(**bare, coactivity_index=pairs, sttc=values, recording=torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ConnectomeError, match="must cover its codes"):
        Connectome.from_arrays(
            **bare, coactivity_index=pairs, recording=torch.tensor([0, 0, 1, 1]), names={"recording": ["a"]}
        )
    with pytest.raises(ConnectomeError, match="need its codes"):
        Connectome.from_arrays(**bare, names={"recording": ["a"]})
    # As many edges as a full matrix has, but of two recordings.
    three = all_pairs(3)
    half = torch.cat([three[:, :3], three[:, :3]], dim=1)
    graph = Connectome.from_arrays(
        pos=np.ones((3, 3)),
        synapse_index=np.zeros((2, 0)),
        count=np.zeros(0),
        coactivity_index=half,
        sttc=torch.zeros(6),
        self_sttc=torch.ones(3),
        recording=torch.tensor([0, 0, 0, 1, 1, 1]),
    )
    with pytest.raises(ConnectomeError, match="several recordings"):
        graph.coactivity_matrix("sttc")


@pytest.mark.real_data
def test_the_released_fields_become_one_volume(microns_root):
    fields = MicronsFields(microns_root, ["4_7_2", "5_3_2", "5_3_8", "6_6_2", "9_3_2"], download=False)
    volume = MicronsVolume(fields)
    got, report = volume[0], volume.report
    nuclei = [fields[name]["neuron"]["nucleus_id"].tolist() for name in fields.names]
    distinct = set().union(*nuclei)
    assert got.num_neurons == len(distinct) == 1199
    assert report.repeated_neurons == 1
    assert report.greatest_distance_um == 0
    assert list(got.provenance["units"]) == ["324142"]
    assert report.connected_pairs == 1487
    assert int(got.synapses["count"].sum()) == sum(int(field.synapses["count"].sum()) for field in fields)
    assert report.recorded_pairs == sum(len(ids) * (len(ids) - 1) // 2 for ids in nuclei)
    assert got["neuron"]["session"].unique().tolist() == [4, 5, 6, 9]
    again = MicronsVolume(["4_7_2", "6_6_2"], root=microns_root)
    assert again[0].num_neurons == 88 + 312 - 1


@settings(max_examples=5)
@given(seed=st.integers(0, 9))
def test_volume_hands_out_copies(seed):
    volume = MicronsVolume([connectome(3, seed)])
    volume[0].pos.zero_()
    assert bool(volume[0].pos.any())


def test_a_card_counts_its_values_and_new_coactivity_replaces_all_recordings():
    whole = connectome(3)
    got = MicronsVolume([part(whole, [0, 1], "a"), part(whole, [1, 2], "b")])[0]
    assert list(got.describe().coactivity) == ["correlation", "sttc", "precision"]
    spikes = [torch.arange(1.0, 20.0) + k / 3 for k in range(3)]
    measured = Coactivity(spike_times=spikes, measures=("sttc",))(got)
    assert "recording" not in measured.coactivity
    assert "recording" not in measured.names
