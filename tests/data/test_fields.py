from __future__ import annotations

import os
import re
import stat

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

from graphcortex.data import Connectome, DataFileError, DownloadError, MicronsFields, UnsafeFileError
from tests.data._graphs import same
from tests.data._tiny_field import N, file_name, tiny_arrays, write_field

LAYOUTS = ["", "info", "Model/DATA/info"]
NAMES = ("4_7_2", "5_3_8", "10_1_1")  # by number: 10 follows 5


@pytest.fixture
def root(tmp_path):
    for name in NAMES:
        write_field(tmp_path, name)
    return tmp_path


def local(root, names=None, **options) -> MicronsFields:
    return MicronsFields(root, names, download=False, **options)


# --- what is read -----------------------------------------------------------------------------------


def test_reads_every_file_as_it_is_meant(root):
    arrays, graph = tiny_arrays(), local(root)["4_7_2"]
    assert type(graph) is Connectome
    assert graph.num_neurons == N
    for i in range(N):
        x, y, z = arrays["positions"][i]
        expected = [x * 0.004, y * 0.004, z * 0.04]
        np.testing.assert_allclose(graph.pos[i].double(), expected, rtol=1e-6)
    for i in range(N):
        for j in range(N):
            assert graph.count_matrix()[i, j] == arrays["connectome"][i][j]
            assert graph.coactivity_matrix("correlation")[i, j] == arrays["corr"][i, j]
            assert graph.coactivity_matrix("sttc")[i, j] == arrays["sttc"][max(i, j), min(i, j)]
            assert graph.coactivity_matrix("precision")[i, j] == arrays["precision"][i, j]
    assert graph.synapses.num_edges == np.count_nonzero(arrays["connectome"])
    for field, key in (("root_id", "root_ids"), ("unit_id", "unit_ids"), ("nucleus_id", "target_ids")):
        assert graph["neuron"][field].tolist() == arrays[key].tolist()
    assert graph.provenance["field"] == "4_7_2"


def test_edges_are_sorted_and_complete(root):
    graph = local(root)[0]
    for store in graph.edge_stores:
        keys = store.edge_index[0] * N + store.edge_index[1]
        assert bool((keys.diff() > 0).all())
    assert graph.coactivity.num_edges == N * (N - 1)


def test_a_whole_sttc_reads_as_its_lower_triangle(tmp_path):
    lower = tiny_arrays()["sttc"]
    write_field(tmp_path, "1_1_1")
    write_field(tmp_path, "1_1_2", sttc=lower + np.tril(lower, -1).T)
    fields = local(tmp_path)
    assert torch.equal(fields["1_1_1"].coactivity.sttc, fields["1_1_2"].coactivity.sttc)


def test_spike_times(root):
    trains = local(root).spike_times("5_3_8")
    assert [len(train) for train in trains] == [0, 3, 6, 9, 12]
    for train, stored in zip(trains, tiny_arrays()["spikes"], strict=True):
        assert train.dtype == torch.float64
        assert train.tolist() == stored.tolist()


def test_spike_times_that_are_missing_name_the_fields_that_have_them(tmp_path):
    write_field(tmp_path, "1_1_1")
    write_field(tmp_path, "1_1_2", without=("spikes",))
    fields = local(tmp_path)
    assert fields["1_1_2"].num_neurons == N
    with pytest.raises(DataFileError, match=r"spikes_1_1_2\.npy: field 1_1_2 has no spike times; .* 1_1_1 has"):
        fields.spike_times("1_1_2")
    with pytest.raises(DataFileError, match="unknown field '9_9_9'"):
        fields.spike_times("9_9_9")


# --- as a dataset of PyG ----------------------------------------------------------------------------


def test_orders_by_number_and_selects(root):
    fields = local(root)
    assert fields.names == NAMES
    assert len(fields) == 3
    assert [graph.provenance["field"] for graph in fields] == list(NAMES)
    assert fields[-1].provenance["field"] == "10_1_1"
    assert fields[[2, 0]].names == ("10_1_1", "4_7_2")
    assert fields[["10_1_1", "4_7_2"]].names == ("10_1_1", "4_7_2")
    assert fields["10_1_1", 0].names == ("10_1_1", "4_7_2")
    assert fields[1:].names == NAMES[1:]
    assert fields[torch.tensor([True, False, True])].names == ("4_7_2", "10_1_1")
    part = fields[1:]
    assert len(part) == 2
    assert same(part[0], fields["5_3_8"])
    assert same(part["10_1_1"], fields[2])
    with pytest.raises(DataFileError, match=r"unknown field '4_7_2'; .* are 5_3_8, 10_1_1"):
        part["4_7_2"]
    with pytest.raises(IndexError):
        fields[3]
    assert "3 fields" in repr(fields)


def test_names_choose_and_are_ordered(root):
    assert local(root, ["10_1_1", "4_7_2", "4_7_2"]).names == ("4_7_2", "10_1_1")
    assert local(root, "5_3_8").names == ("5_3_8",)


def test_applies_a_transform(root):
    fields = local(root, transform=lambda graph: graph.subgraph([0, 1]))
    assert fields[0].num_neurons == fields["10_1_1"].num_neurons == 2


def test_batches(root):
    batch = next(iter(DataLoader(local(root), batch_size=3)))
    assert isinstance(batch, Batch)
    assert batch.num_neurons == 3 * N
    assert batch[2].provenance["field"] == "10_1_1"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_finds_every_layout(tmp_path, layout):
    write_field(tmp_path / layout, "4_7_2")
    (tmp_path / layout / "notes").mkdir()
    (tmp_path / layout / "6_6_2").mkdir()  # empty: an interrupted download leaves such a folder
    fields = local(str(tmp_path))
    assert fields.names == ("4_7_2",)
    assert fields[0].num_neurons == N


def test_writes_nothing_into_the_root(root):
    before = sorted(root.rglob("*"))
    folders = [root, *(path for path in before if path.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        fields = local(root)
        assert len(list(fields)) == 3
        fields.spike_times("4_7_2")
        fields.verify()
    finally:
        for folder in folders:
            folder.chmod(stat.S_IRWXU)
    assert sorted(root.rglob("*")) == before


def test_an_empty_root_means_all_released_fields(tmp_path):
    fields = MicronsFields(tmp_path / "new")
    assert len(fields) == 56
    assert fields.names[0] == "4_7_2"
    assert fields.names[-1] == "9_6_4"
    assert "6_6_2" in fields.names
    assert not (tmp_path / "new").exists()  # nothing is fetched before it is asked for


def test_verify_reports_each_file(root):
    report = local(root, "4_7_2").verify()
    assert set(report.status) == {"altered"}  # a released name, with other numbers
    assert len(report) == 9
    os.remove(root / "4_7_2" / "spikes_4_7_2.npy")
    assert dict(local(root, "4_7_2").verify().status.value_counts()) == {"altered": 8, "missing": 1}
    assert set(local(root, "10_1_1").verify().status) == {"not released"}


# --- bad input --------------------------------------------------------------------------------------


def test_names_a_missing_root(tmp_path):
    with pytest.raises(DataFileError, match=r"nowhere: expected a folder .* got no folder; check the path"):
        local(tmp_path / "nowhere")
    with pytest.raises(DataFileError, match="got a folder without fields"):
        local(tmp_path)
    write_field(tmp_path, "4_7_2")
    with pytest.raises(DataFileError, match=r"got the folder of one field; pass the folder above it"):
        local(tmp_path / "4_7_2")


def test_names_an_unknown_field(root):
    with pytest.raises(DataFileError, match=r"unknown field '6_6_2'; .* are 4_7_2, 5_3_8, 10_1_1"):
        local(root, ["6_6_2"])
    with pytest.raises(DataFileError, match="unknown field 'V1'"):
        local(root)["V1"]
    with pytest.raises(DataFileError, match=r"unknown field '1_1_1'; .*6_6_2"):
        MicronsFields(root, ["1_1_1"])


@pytest.mark.parametrize("key", [key for key in tiny_arrays() if key != "spikes"])
def test_names_a_missing_file(tmp_path, key):
    write_field(tmp_path, "4_7_2", without=(key,))
    write_field(tmp_path, "10_1_1", without=(key,))
    with pytest.raises(DataFileError, match=rf"{file_name(key, '4_7_2')}: expected a file .*allow download=True"):
        local(tmp_path)["4_7_2"]
    with pytest.raises(DataFileError, match=rf"{file_name(key, '10_1_1')}: expected .*not one of the released files"):
        MicronsFields(tmp_path)["10_1_1"]


def changed(key, change):
    array = tiny_arrays()[key]
    return {key: change(array)}


def put(index, value, dtype=None):
    def change(array):
        array = array.astype(dtype or array.dtype)
        array[index] = value
        return array

    return change


def as_um(positions):
    return np.stack(list(positions)) * np.array([0.004, 0.004, 0.04])


def as_nm(positions):
    return np.stack(list(positions)) * np.array([4, 4, 40])


def ragged(positions):
    positions[2] = positions[2][:2]
    return positions


BAD_FILES = {
    "one neuron more": (
        "corr",
        lambda c: np.eye(N + 1),
        r"expected shape \(5, 5\).*5 neurons of positions.*got \(6, 6\)",
    ),
    "one id less": ("root_ids", lambda ids: ids[1:], r"expected shape \(5,\).*got \(4,\)"),
    "one row less": ("connectome", lambda W: W[1:], r"expected shape \(5, 5\) behind one header row.*got \(4, 5\)"),
    "one column more": ("connectome", lambda W: np.c_[W, W[:, 0]], r"expected shape \(5, 5\).*got \(5, 6\)"),
    "one spike train less": ("spikes", lambda s: s[1:], r"expected shape \(5,\).*got \(4,\)"),
    "ids as floats": ("root_ids", lambda ids: ids.astype(float), r"expected ids as int64, got float64.*53 bits"),
    "repeated ids": ("root_ids", put(0, 864690000000000067), r"root_id must name each neuron once"),
    "negative ids": ("target_ids", put(0, -1), r"nucleus_id must be at least 0"),
    "NaN correlation": ("corr", put((1, 2), np.nan), r"expected finite numbers, got 1 that .* \[1, 2\] \(nan\)"),
    "infinite precision": ("precision", put((0, 0), np.inf), r"expected finite numbers"),
    "correlation above 1": ("corr", lambda c: c * 1.5, r"expected values in \[-1, 1\]"),
    "asymmetric correlation": ("corr", put((0, 3), 0.9), r"expected a symmetric matrix, got 0.9 at \[0, 3\]"),
    "two sttc matrices": ("sttc", put((0, 3), 0.9), r"expected a symmetric matrix or its lower triangle, got"),
    "whole correlations": ("corr", lambda c: c.astype(int), r"expected floating point numbers, got int64"),
    "half a synapse": (
        "connectome",
        put((1, 2), 0.5, object),
        r"expected whole synapse counts.*'0.5' for neuron 1 -> 2",
    ),
    "a negative count": ("connectome", put((1, 2), -1), r"expected whole synapse counts.*'-1' for neuron 1 -> 2"),
    "a word": ("connectome", put((4, 0), "many", object), r"expected whole synapse counts.*'many' for neuron 4 -> 0"),
    "no count": ("connectome", put((4, 0), "", object), r"expected whole synapse counts.*'nan' for neuron 4 -> 0"),
    "positions in um": ("positions", as_um, r"expected positions in whole voxels.*look like um"),
    "rounded um": ("positions", lambda p: as_um(p).astype(int), r"the greatest at least 20000.*look like um"),
    "positions in nm": ("positions", as_nm, r"within 0 .. \[1000000, 1000000, 100000\].*look like nm"),
    "positions below zero": ("positions", lambda p: -np.stack(list(p)), r"look like um|within 0"),
    "positions in two dimensions": ("positions", lambda p: np.stack(list(p))[:, :2], r"three coordinates.*\(2,\)"),
    "ragged positions": (
        "positions",
        ragged,
        r"three coordinates for each neuron, got rows of shape \[\(2,\), \(3,\)\]",
    ),
    "one position": ("positions", lambda p: np.float64(3), r"three coordinates"),
    "no neurons": ("positions", lambda p: p[:0], r"three coordinates"),
    "NaN position": (
        "positions",
        lambda p: np.where(np.eye(N, 3) > 0, np.nan, np.stack(list(p))),
        r"expected finite numbers, got 3",
    ),
    "spikes before zero": ("spikes", put(1, np.array([-1.0, 2.0])), r"ascending spike times.*neuron 1"),
    "spikes out of order": ("spikes", put(2, np.array([2.0, 1.0])), r"ascending spike times.*neuron 2"),
    "spikes that are NaN": ("spikes", put(3, np.array([np.nan])), r"ascending spike times.*neuron 3"),
    "spikes in a table": ("spikes", lambda s: np.zeros((N, 2, 2)), r"one row, got shape \(2, 2\) for neuron 0"),
}


@pytest.mark.parametrize("case", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_names_the_file_and_the_value(tmp_path, case):
    key, change, message = case
    write_field(tmp_path, "10_1_1", **changed(key, change))
    fields = local(tmp_path)
    with pytest.raises(DataFileError, match=message) as caught:
        fields.spike_times("10_1_1") if key == "spikes" else fields["10_1_1"]
    named = str(tmp_path / "10_1_1") if "must" in message else file_name(key, "10_1_1")
    assert named in str(caught.value)


BAD_TABLES = {
    "empty": b"",
    "binary": b"\xff\xfe\x00garbage\x00" * 5,
    "a row that is too long": b",0,1\n0,1,2\n1,1,2,3,4\n",
    "no index column": b"0,1,2,3,4\n" + b"0,0,0,0,0\n" * 5,
    "an open quote": b',0,1\n0,"1,2\n',
}


@pytest.mark.parametrize("content", BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_names_a_table_that_cannot_be_read(root, content):
    path = root / "4_7_2" / "connectome_4_7_2.csv"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=re.escape(str(path))):
        local(root)["4_7_2"]


def test_refuses_a_field_that_asks_for_code(root, monkeypatch):
    class Malicious:
        def __reduce__(self):
            return os.system, ("touch ran",)

    monkeypatch.chdir(root)
    positions = tiny_arrays()["positions"]
    positions[3] = Malicious()
    write_field(root, "4_7_2", positions=positions)
    with pytest.raises(UnsafeFileError, match=r"positions_4_7_2\.npy.*asks for (posix|nt)\.system"):
        local(root)["4_7_2"]
    assert not (root / "ran").exists()


def test_every_error_is_a_value_error():
    assert issubclass(DownloadError, DataFileError)
    assert issubclass(UnsafeFileError, DataFileError)
    assert issubclass(DataFileError, ValueError)


# --- the real fields --------------------------------------------------------------------------------

REAL = {"5_3_8": (42, 4), "4_7_2": (88, 38), "5_3_2": (126, 59), "6_6_2": (312, 316), "9_3_2": (632, 1070)}


@pytest.mark.real_data
def test_real_fields_are_the_released_ones(microns_root):
    fields = MicronsFields(microns_root, download=False)
    assert set(fields.names) >= set(REAL)  # there may be others
    assert fields.names == tuple(sorted(fields.names))
    assert set(fields.verify().status) == {"released"}


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_real_fields_are_read_whole(microns_root, name):
    neurons, pairs = REAL[name]
    graph = MicronsFields(microns_root, download=False)[name]
    assert graph.num_neurons == neurons
    assert graph.synapses.num_edges == pairs
    assert graph.coactivity.num_edges == neurons * (neurons - 1)
    for measure in ("correlation", "sttc"):
        matrix = graph.coactivity_matrix(measure)
        torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-12)
        torch.testing.assert_close(matrix.diagonal(), torch.ones(neurons, dtype=torch.float64), rtol=0, atol=1e-12)


# Read off the files with awk and struct: the strongest pair (source, target, synapses), STTC of neurons 2 and 1, and
# the position of the last neuron in voxels.
BY_HAND = {
    "5_3_8": ((35, 17, 2), -0.029434236997088692, (354096, 214768, 19631)),
    "4_7_2": ((5, 27, 2), 0.012412246540991946, (192160, 102688, 21040)),
    "5_3_2": ((19, 28, 2), 0.01863859394644128, (197984, 120960, 26136)),
    "6_6_2": ((157, 138, 4), 0.015849441213712838, (166432, 108512, 22251)),
    "9_3_2": ((628, 104, 8), -0.0406304193163471, (235104, 149344, 24097)),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", BY_HAND)
def test_real_fields_hold_what_was_read_by_hand(microns_root, name):
    (source, target, count), sttc, voxel = BY_HAND[name]
    graph = MicronsFields(microns_root, download=False)[name]
    assert graph.count_matrix()[source, target] == count == graph.count_matrix().max()
    assert graph.coactivity_matrix("sttc")[2, 1] == graph.coactivity_matrix("sttc")[1, 2] == sttc
    x, y, z = voxel
    expected = torch.tensor([x * 4e-3, y * 4e-3, z * 40e-3])
    torch.testing.assert_close(graph.pos[-1], expected, rtol=1e-6, atol=0)


@pytest.mark.real_data
def test_real_spike_times(microns_root):
    fields = MicronsFields(microns_root, download=False)
    assert [len(fields.spike_times(name)) for name in ("5_3_8", "4_7_2", "5_3_2")] == [42, 88, 126]
    with pytest.raises(
        DataFileError, match=r"field 6_6_2 has no spike times; of these fields, 4_7_2, .*5_3_2, .*5_3_8.* has"
    ):
        fields.spike_times("6_6_2")
