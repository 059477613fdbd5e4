"""Cells that hold text as bytes are read as text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphcortex.data import (
    Connectome,
    ConnectomeError,
    DataFileError,
    MicronsRecordings,
    from_tables,
    read_graphml,
    read_npz,
    to_graphml,
    to_npz,
)
from tests.data._tables import UM, neurons, synapses, wiring
from tests.data._tiny_nwb import SEGMENTATION, scan_name, write_scan


@pytest.mark.parametrize("store", ["frame", "category", "parquet", "pyarrow", "hdf5"])
def test_bytes_are_text(store, tmp_path):
    """What parquet calls BINARY, and HDF5 a string of fixed length: cells, ids and names of columns."""
    cells = pd.DataFrame({"neuron": ["a", "é", "c"], **UM, "cell_type": ["L4", None, "L5"]})
    pairs = synapses(("a", "é"), ("é", "c"))
    expected = from_tables(cells, pairs)
    if store == "hdf5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "t.h5", "w") as file:
            for name, table in (("n", cells.fillna("")), ("s", pairs)):
                for column in table:
                    text = table[column].dtype == object
                    file[f"{name}/{column}"] = (
                        table[column].str.encode("utf-8").to_numpy("S4") if text else table[column]
                    )
        with h5py.File(tmp_path / "t.h5") as file:
            cells, pairs = (pd.DataFrame({k.encode(): list(v[...]) for k, v in file[name].items()}) for name in "ns")
    else:
        for table, texts in ((cells, ["neuron", "cell_type"]), (pairs, ["pre", "post"])):
            table[texts] = table[texts].apply(lambda column: column.str.encode("utf-8"))
        if store == "category":
            cells, pairs = cells.astype({"cell_type": "category", "neuron": "category"}), pairs.astype("category")
        if store == "pyarrow":
            binary = pd.ArrowDtype(pa.binary())
            cells, pairs = cells.astype({"cell_type": binary, "neuron": binary}), pairs.astype(binary)
        if store == "parquet":
            for table, name in ((cells, "n"), (pairs, "s")):
                table.to_parquet(tmp_path / f"{name}.parquet")
            cells, pairs = tmp_path / "n.parquet", tmp_path / "s.parquet"
            assert str(pq.read_schema(cells).field("cell_type").type) == "binary"
    graph = from_tables(cells, pairs)
    assert graph.names == expected.names
    assert graph.names["cell_type"] == ("L4", "L5", "unknown")
    assert wiring(graph) == wiring(expected) == {(0, 1): 1, (1, 2): 1}


def test_ids_and_numbers_in_bytes_are_read():
    cells = neurons([b"11", b"12", b"13"]).assign(x_um=[b"0.5", b"7", b"9"])
    graph = from_tables(cells, synapses((b"11", b"13"), n_syn=[b"4"]))
    assert graph["neuron"].root_id.tolist() == [11, 12, 13]
    assert wiring(graph) == {(0, 2): 4}


def test_bytes_of_an_nwb_file_are_text(tmp_path):
    pytest.importorskip("h5py")
    plane = f"{SEGMENTATION}/PlaneSegmentation1"

    def mask_types(values):
        def change(file):
            del file[f"{plane}/mask_type"]
            file[f"{plane}/mask_type"] = values(file)

        write_scan(tmp_path / scan_name(), change=change)
        return MicronsRecordings(tmp_path).read(4, 7, 1).mask_type

    words = ("soma", "artefáct", "soma", "soma")
    content = [word.encode() for word in words]
    for values in (np.array(words, dtype=object), np.array(content, dtype=object), np.array(content)):
        assert mask_types(lambda file, values=values: values) == words
    with pytest.raises(DataFileError, match=r"expected text in UTF-8 in /.*mask_type, row 1, got b'artif\\xe9'"):
        mask_types(lambda file: np.array([b"soma", b"artif\xe9", b"soma", b"soma"]))
    with pytest.raises(DataFileError, match=r"expected text in /.*mask_type, row 0, got Reference"):
        mask_types(lambda file: np.array([file[plane].ref] * 4, dtype=object))


def test_files_of_ours_hold_no_bytes_for_text(tmp_path):
    graph = from_tables(neurons([1, 2, 3], cell_type=["Lé", "L5", "L5"]), synapses((1, 2)))
    assert read_npz(to_npz(graph, tmp_path / "x.npz")).names == graph.names
    arrays = dict(np.load(tmp_path / "x.npz"))
    for bad in (np.array([b"a", b"b", b"b"]), np.array([b"a", "b", "b"], dtype=object)):
        np.savez(tmp_path / "y.npz", **{**arrays, "neuron.cell_type": bad})
        with pytest.raises(DataFileError, match=r"y\.npz"):
            read_npz(tmp_path / "y.npz")
    content = to_graphml(graph, tmp_path / "x.graphml").read_bytes()
    assert read_graphml(tmp_path / "x.graphml").names == graph.names
    assert "é".encode() in content
    (tmp_path / "y.graphml").write_bytes(content.replace("é".encode(), b"\xe9"))
    with pytest.raises(DataFileError, match=r"y\.graphml.*line \d+, column \d+"):
        read_graphml(tmp_path / "y.graphml")
    with pytest.raises(ConnectomeError, match=r"names of 'cell_type' must be a list of text, got .*b'L4'"):
        Connectome.from_arrays(
            np.eye(3), np.zeros((2, 0)), np.zeros(0), cell_type=[0, 0, 1], names={"cell_type": [b"L4", "a"]}
        )
