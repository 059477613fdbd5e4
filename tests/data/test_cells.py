"""Cells that hold text as bytes are read as text."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphcortex.data import from_tables
from tests.data._tables import UM, neurons, synapses, wiring


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
