"""What holds for every file a connectome is written to: nothing is lost, nothing is half written, nothing runs."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch

from graphcortex.data import (
    Connectome,
    ConnectomeError,
    DataFileError,
    MicronsFields,
    MicronsVolume,
    from_tables,
    read_graphml,
    read_npz,
    read_tables,
    to_graphml,
    to_npz,
    to_tables,
)
from graphcortex.data.schema import NEURON, SCHEMA, STORES, fields_of
from graphcortex.testing import connectomes
from tests.data._graphs import arrays, connectome

# A new format is one more line, and inherits every test below.
FORMATS = {
    "parquet": ("cortex", to_tables, read_tables),
    "csv": ("cortex", lambda graph, path: to_tables(graph, path, format="csv"), read_tables),
    "npz": ("cortex.npz", to_npz, read_npz),
    "graphml": ("cortex.graphml", to_graphml, read_graphml),
    "pt": ("cortex.pt", lambda graph, path: graph.save(path), Connectome.load),
}


@pytest.fixture(params=FORMATS)
def file_format(request):
    return FORMATS[request.param]


def bits(graph: Connectome) -> dict:
    """Return all that a connectome holds, comparable to the last bit, NaN and the order of edges included."""
    stores = {
        (level, name): (str(value.dtype), tuple(value.shape), value.numpy().tobytes())
        for level, store in STORES.items()
        if store in (*graph.node_types, *graph.edge_types)
        for name, value in graph[store].items()
    }
    return stores | {name: repr(notes) for name, notes in graph._global_store.items()}


def there_and_back(graph, file_format) -> Connectome:
    name, write, read = file_format
    with tempfile.TemporaryDirectory() as folder:
        write(graph, Path(folder) / name)
        assert os.listdir(folder) == [name]
        return read(Path(folder) / name)


def full(N: int = 6, seed: int = 0) -> Connectome:
    """A connectome with every field of the schema, hard values and edges in no order."""
    given = arrays(N, seed)
    rng = torch.Generator().manual_seed(seed)
    for field in SCHEMA:
        if field.level == "neuron" and field.name not in given:
            if field.kind in ("id", "code"):
                given[field.name] = torch.arange(N)
            else:
                given[field.name] = torch.rand(N, generator=rng, dtype=torch.float64)
            if getattr(field, "gaps", False):
                given[field.name][::2] = math.nan
    given["recording"] = torch.arange(given["coactivity_index"].size(1)) % 2
    for edges, values in (
        ("synapse_index", ("count", "size")),
        ("coactivity_index", ("correlation", "sttc", "precision", "recording")),
    ):
        order = torch.randperm(given[edges].size(1), generator=rng)
        for name in (edges, *values):
            given[name] = given[name][..., order]
    given["precision"][0] = 5e-324  # the least double
    given["pos"][0] = torch.tensor([-0.0, 1e-30, 1 / 3])
    # A pair that was recorded twice.
    given["recording"][:2] = torch.tensor([0, 1])
    given["coactivity_index"][:, 1] = given["coactivity_index"][:, 0]
    given["names"] = {
        **given["names"],
        "recording": ["4_7_2", "6_6_2"],
        "neuron_name": ["", "a,b", 'c"d\n', "<&>", "\x00\x1b\r", "\ud800 \U0001f9e0"],
    }
    given["provenance"] = {
        "source": "test",
        "tuple": (1, (2.5, None), [True]),
        "$tuple": {"$dict": ("$",)},
        "big": 2**70,
        "tiny": 5e-324,
        "third": 1 / 3,
        "inf": math.inf,
        "text": "\x00<&>\ud800",
        "": {},
    }
    return Connectome.from_arrays(**given)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(graph=connectomes())
def test_a_round_trip_loses_nothing(graph, file_format):
    assert bits(there_and_back(graph, file_format)) == bits(graph)


def test_a_round_trip_keeps_every_field_and_every_odd_value(file_format):
    graph = full()
    assert {name for _, name in (key for key in bits(graph) if isinstance(key, tuple))} == {
        field.name for field in SCHEMA if field.level != "graph"
    }
    back = there_and_back(graph, file_format)
    assert bits(back) == bits(graph)
    assert type(back) is Connectome


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(["$tuple", "$dict"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(provenance=st.dictionaries(st.text(max_size=4) | st.just("$dict"), plain, max_size=3), words=st.text(max_size=6))
def test_a_round_trip_keeps_any_note(provenance, words, file_format):
    graph = connectome(3, provenance=provenance, names={"cell_type": ["E", words]})
    back = there_and_back(graph, file_format)
    assert repr(back.provenance) == repr(graph.provenance)
    assert back.names == graph.names


@pytest.mark.real_data
@pytest.mark.parametrize("field", ["5_3_8", "5_3_2"])
def test_a_round_trip_keeps_a_real_field(field, microns_root, file_format):
    graph = MicronsFields(microns_root, field)[0]
    assert bits(there_and_back(graph, file_format)) == bits(graph)


def test_an_invalid_connectome_is_not_written(file_format, tmp_path):
    name, write, _ = file_format
    graph = connectome(4)
    graph[NEURON].pos[0, 0] = math.nan
    with pytest.raises(ConnectomeError, match="pos must be finite"):
        write(graph, tmp_path / name)
    with pytest.raises(ConnectomeError, match="got a batch"):
        write(Batch.from_data_list([connectome(4), connectome(4)]), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_half_written(file_format, tmp_path, monkeypatch):
    """The disk is full at the last moment; what stood there before still stands."""
    name, write, read = file_format
    write(connectome(4), tmp_path / name)
    if (tmp_path / name).is_dir():
        (tmp_path / name).rename(tmp_path / "before")
    else:
        shutil.copy(tmp_path / name, tmp_path / "before")

    def no_space(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        write(connectome(5), tmp_path / name)
    assert bits(read(tmp_path / "before")) == bits(connectome(4))
    assert sorted(os.listdir(tmp_path)) in (["before"], ["before", name])


def test_a_folder_that_is_not_there_is_named(file_format, tmp_path):
    name, write, read = file_format
    with pytest.raises(ConnectomeError, match="make it first"):
        write(connectome(4), tmp_path / "nowhere" / name)
    with pytest.raises((DataFileError, ConnectomeError), match="nowhere"):
        read(tmp_path / "nowhere" / name)


def test_two_files_of_one_connectome_are_the_same_bytes(file_format, tmp_path):
    _, write, _ = file_format
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / file_format[0]
        write(connectome(5), path)
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        contents.append([(file.name, file.read_bytes()) for file in files])
    assert contents[0] == contents[1]


def test_every_field_of_the_schema_has_columns_of_its_own():
    from graphcortex.data._record import columns_of

    for level in STORES:
        columns = [column for field in fields_of(level).values() for column in columns_of(field)]
        assert len(columns) == len(set(columns))
        assert "neuron" not in columns


def test_numbers_that_no_float32_holds_are_refused(tmp_path):
    """A csv that somebody edited: what is read is validated."""
    to_tables(connectome(4), tmp_path / "t", format="csv")
    path = tmp_path / "t" / "neurons.csv"
    text = path.read_text().splitlines()
    header, first = text[0].split(","), text[1].split(",")
    first[header.index("x_um")] = "1e300"
    path.write_text("\n".join([text[0], ",".join(first), *text[2:]]))
    with pytest.raises(ConnectomeError, match="pos must be finite"):
        read_tables(tmp_path / "t")


def test_the_first_of_two_processes_that_write_one_folder_is_kept(tmp_path, monkeypatch):
    from graphcortex.data import table_folder

    def slow(*arguments, **options):
        monkeypatch.undo()
        to_tables(connectome(4), tmp_path / "t")
        return to_levels(*arguments, **options)

    to_levels = table_folder.to_levels
    monkeypatch.setattr(table_folder, "to_levels", slow)
    with pytest.raises(ConnectomeError, match="another process wrote it meanwhile"):
        to_tables(connectome(5), tmp_path / "t")
    assert os.listdir(tmp_path) == ["t"]
    assert bits(read_tables(tmp_path / "t")) == bits(connectome(4))


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_folder_of_tables_is_not_overwritten_and_not_read_in_part(format, tmp_path):
    to_tables(connectome(4), tmp_path / "t", format=format)
    with pytest.raises(ConnectomeError, match="expected a folder that is not there yet"):
        to_tables(connectome(5), tmp_path / "t")
    (tmp_path / "empty").mkdir()
    assert to_tables(connectome(5), tmp_path / "empty") == tmp_path / "empty"
    (tmp_path / "t" / f"synapses.{format}").unlink()
    with pytest.raises(DataFileError, match="the folder is incomplete"):
        read_tables(tmp_path / "t")
    (tmp_path / "t" / "connectome.json").unlink()
    with pytest.raises(DataFileError, match=r"no connectome\.json .*read tables from elsewhere with from_tables"):
        read_tables(tmp_path / "t")
    with pytest.raises(ValueError, match="format must be one of 'parquet', 'csv'"):
        to_tables(connectome(5), tmp_path / "x", format="xlsx")


def as_told(graph: Connectome) -> dict:
    """Return what a connectome says of neurons and pairs, codes as words and edges in one order; NaN as text."""
    names = dict(graph.names) if "names" in graph._global_store else {}
    told = {}
    for level, store in STORES.items():
        if store not in (*graph.node_types, *graph.edge_types):
            continue
        columns = {}
        for name, value in graph[store].items():
            if fields_of(level)[name].kind == "code":
                words = names.get(name)
                columns[name] = [words[code] if words else str(code) for code in value.tolist()]
            elif name != "edge_index":
                columns[name] = [repr(item) for item in value.tolist()]
        edges = graph[store].edge_index.T.tolist() if level != "neuron" else range(graph.num_neurons)
        rows = list(zip(edges, *[columns[name] for name in sorted(columns)], strict=True))
        told[level] = (sorted(columns), rows if level == "neuron" else sorted(rows))
    return told


def told_again(graph: Connectome, folder: Path, format: str) -> Connectome:
    """Write a connectome as tables, and read these as anybody's."""
    folder = to_tables(graph, folder, format=format)
    activity = folder / f"coactivity.{format}"
    return from_tables(
        folder / f"neurons.{format}",
        folder / f"synapses.{format}",
        coactivity=activity if activity.exists() else None,
    )


@pytest.mark.parametrize("format", ["csv", "parquet"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(graph=connectomes(coactivity=False) | connectomes(min_neurons=2, coactivity=True))
def test_from_tables_loses_nothing_of_any_connectome(graph, format):
    with tempfile.TemporaryDirectory() as folder:
        assert as_told(told_again(graph, Path(folder) / "t", format)) == as_told(graph)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_from_tables_loses_no_field_of_the_schema(format, tmp_path):
    """Every field, whether its codes have names or not, gaps included; of pairs, both directions alike."""
    every = full()
    words = {
        field.name: [f"{field.name} {code}" for code in range(6)]
        for field in SCHEMA
        if field.kind == "code" and field.level == "neuron"
    }
    pairs = torch.tensor([[0, 1, 0, 1, 2, 5], [1, 0, 1, 0, 5, 2]])
    recording = torch.tensor([0, 0, 1, 1, 1, 1])
    value = torch.tensor([0.1, 0.1, 1 / 3, 1 / 3, -1.0, -1.0], dtype=torch.float64)
    for names in ({**words, "recording": ["4_7_2", "6_6_2"]}, {"layer": words["layer"]}, None):
        graph = every.clone()
        for name in list(graph.coactivity.keys()):
            del graph[STORES["coactivity"]][name]
        for name, tensor in {
            "edge_index": pairs, "correlation": value, "sttc": value, "precision": 9 * value, "recording": recording
        }.items():  # fmt: skip
            graph[STORES["coactivity"]][name] = tensor
        del graph._global_store["names"]
        if names:
            graph.names = names
        graph.validate()
        back = told_again(graph, tmp_path / str(len(names or ())), format)
        assert as_told(back) == as_told(graph)
        assert {name for level in as_told(back).values() for name in level[0]} == {
            field.name for field in SCHEMA if field.level != "graph" and field.kind != "edges"
        }


@pytest.mark.real_data
def test_from_tables_loses_nothing_of_a_real_volume(microns_root, tmp_path):
    graph = MicronsVolume(["4_7_2", "6_6_2"], root=microns_root)[0]
    assert as_told(told_again(graph, tmp_path / "t", "parquet")) == as_told(graph)


def test_scipy_reads_an_npz_as_the_matrix_of_counts(tmp_path):
    from scipy import sparse

    for graph in (connectome(7), connectome(1), full()):
        matrix = sparse.load_npz(to_npz(graph, tmp_path / "x.npz"))
        np.testing.assert_array_equal(matrix.toarray(), graph.count_matrix().numpy())
        with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
            np.testing.assert_array_equal(arrays["neuron.pos"], graph.pos.numpy())
    with pytest.raises(DataFileError, match=r"ends in \.npz, got \.zip"):
        to_npz(connectome(4), tmp_path / "x.zip")


def test_other_programs_read_graphml(tmp_path):
    """Networkx and igraph find the same neurons, edges and values, and ids with all their digits."""
    networkx = pytest.importorskip("networkx", reason="the extra [test] is not installed")
    igraph = pytest.importorskip("igraph")
    graph = connectome(6)
    path = to_graphml(graph, tmp_path / "x.graphml")
    read = networkx.read_graphml(path)
    assert [int(data["root_id"]) for _, data in read.nodes(data=True)] == graph["neuron"].root_id.tolist()
    np.testing.assert_array_equal([data["x_um"] for _, data in read.nodes(data=True)], graph.pos[:, 0].double())
    wired = [(int(i[1:]), int(j[1:]), d) for i, j, d in read.edges(data=True) if d["kind"] == "synapse"]
    matrix = torch.zeros(6, 6, dtype=torch.float64)
    for i, j, data in wired:
        matrix[i, j] = data["count"]
    assert torch.equal(matrix, graph.count_matrix())
    read = igraph.Graph.Read_GraphML(str(path))
    assert (read.vcount(), read.ecount()) == (6, graph.synapses.num_edges + graph.coactivity.num_edges)
    assert [int(text) for text in read.vs["root_id"]] == graph["neuron"].root_id.tolist()
    assert read.vs["cell_type_name"] == [graph.names["cell_type"][c] for c in graph["neuron"].cell_type]


# --- bits that flip -----------------------------------------------------------------------------------

STEP = {"parquet": 601, "csv": 211, "npz": 601, "graphml": 601, "pt": 601}
"""Every so many bits one is flipped, a prime, so that each of the eight of a byte is met."""


def values(graph: Connectome) -> dict:
    """Return all that a connectome holds, to the last bit, but for which NaN stands for a gap."""
    graph = graph.clone()
    for store in (*graph.node_types, *graph.edge_types):
        for name, value in graph[store].items():
            if value.is_floating_point():
                graph[store][name] = torch.where(value.isnan(), math.nan, value)
    return bits(graph)


@pytest.mark.parametrize("format", FORMATS)
def test_a_bit_that_flips_is_an_error_or_changes_nothing(format, tmp_path):
    """Nothing that was damaged is read as another connectome."""
    name, write, read = FORMATS[format]
    graph = full()
    write(graph, tmp_path / name)
    expected, caught, silent = values(graph), 0, 0
    for path in sorted((tmp_path / name).iterdir()) if (tmp_path / name).is_dir() else [tmp_path / name]:
        whole = path.read_bytes()
        for bit in range(len(whole) % STEP[format], 8 * len(whole), STEP[format]):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            try:
                back = read(tmp_path / name)
            except (DataFileError, ConnectomeError):
                caught += 1
            else:
                silent += 1
                assert values(back) == expected, f"bit {bit} of {path.name}"
        path.write_bytes(whole)
    assert values(read(tmp_path / name)) == expected
    assert caught > 20
    assert caught + silent > 100


@pytest.mark.parametrize("format", FORMATS)
def test_a_change_that_is_valid_is_caught(format, tmp_path):
    """One count more is as good a connectome as the other; only what was noted when it was written tells them apart."""
    name, write, read = FORMATS[format]
    one, other = connectome(5), connectome(5)
    other.synapses["count"][0] += 1
    for place, graph in (("one", one), ("other", other)):
        (tmp_path / place).mkdir()
        write(graph, tmp_path / place / name)
    if format in ("parquet", "csv"):
        shutil.copy(tmp_path / "other" / name / f"synapses.{format}", tmp_path / "one" / name)
    elif format == "graphml":
        text = (tmp_path / "one" / name).read_text()
        old, new = (f'"synapse.count">{graph.synapses["count"][0]}<' for graph in (one, other))
        assert old in text
        (tmp_path / "one" / name).write_text(text.replace(old, new, 1))
    elif format == "npz":
        with np.load(tmp_path / "one" / name) as file:
            arrays = dict(file)
        arrays["data"] = arrays["data"] + 1
        np.savez(tmp_path / "one" / name, **arrays)
    else:
        record = torch.load(tmp_path / "one" / name, weights_only=True)
        record["synapse"]["count"] = other.synapses["count"]
        torch.save(record, tmp_path / "one" / name)
    with pytest.raises((DataFileError, ConnectomeError), match="damaged, or somebody changed it"):
        read(tmp_path / "one" / name)


def test_any_nan_is_a_gap(tmp_path, file_format):
    """Programs write NaN with other bits than they read: no damage."""
    name, write, read = file_format
    graph = full()
    other = torch.tensor([0xFFF8000000000001 - 2**64], dtype=torch.int64).view(torch.float64)
    graph[NEURON].osi[:1] = other
    write(graph, tmp_path / name)
    assert read(tmp_path / name)[NEURON].osi.isnan().tolist() == graph[NEURON].osi.isnan().tolist()
