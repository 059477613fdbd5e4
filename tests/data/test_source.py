from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from graphcortex.data import DataFileError, fields, load_connectome, load_connectomes, to_graphml, to_npz, to_tables
from graphcortex.data.source import ConnectomeSource, default_data_root, find_connectome
from graphcortex.study.fingerprint import fingerprint
from tests.data._tiny_field import write_field
from tests.study._small import connectome


@pytest.fixture
def graph():
    return connectome(12)


WRITERS = {
    "mine.pt": lambda graph, path: graph.save(path),
    "mine.npz": to_npz,
    "mine.graphml": to_graphml,
    "mine": to_tables,
    "mine.csv.d": lambda graph, path: to_tables(graph, path, format="csv"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_whatever_is_written_is_a_connectome_again(graph, tmp_path, name):
    WRITERS[name](graph, tmp_path / name)
    assert fingerprint(load_connectome(tmp_path / name)) == fingerprint(graph)
    assert fingerprint(load_connectome(str(tmp_path / name))) == fingerprint(graph)
    assert list(load_connectomes(tmp_path / name)) == [name if (tmp_path / name).is_dir() else "mine"]


def test_a_folder_of_anybodys_tables_is_a_connectome(tmp_path):
    neurons = pd.DataFrame({"id": [1, 2, 3], "x_um": [0.5, 1.5, 2.5], "y_um": [0.0, 1.0, 2.0], "z_um": [0.0, 0.0, 1.0]})
    neurons.to_csv(tmp_path / "neurons.csv", index=False)
    pd.DataFrame({"pre": [1, 2], "post": [2, 3], "count": [4, 1]}).to_parquet(tmp_path / "Synapses.parquet")
    graph = load_connectome(tmp_path)
    assert graph.synapses.edge_index.tolist() == [[0, 1], [1, 2]]
    assert not graph.has_coactivity
    pd.DataFrame({"pre": [1], "post": [3], "correlation": [0.5]}).to_csv(
        tmp_path / "coactivity.tsv", sep="\t", index=False
    )
    assert load_connectome(tmp_path).coactivity.num_edges == 2
    shutil.copy(tmp_path / "neurons.csv", tmp_path / "neurons.tsv")
    with pytest.raises(DataFileError, match=r"expected one table neurons .*got neurons.csv, neurons.tsv"):
        load_connectome(tmp_path)
    (tmp_path / "neurons.tsv").unlink()
    neurons.rename(columns=lambda name: name.removesuffix("_um")).assign(x=[5, 6, 7]).to_csv(
        tmp_path / "neurons.csv", index=False
    )
    with pytest.raises(DataFileError, match=r"unit.*Name the columns so that they say it, or read the tables with"):
        load_connectome(tmp_path)


def test_a_field_is_found_by_name_and_by_folder(tmp_path, monkeypatch):
    write_field(tmp_path / "info", "1_2_3")
    by_name, by_folder = load_connectome("1_2_3", tmp_path), load_connectome(tmp_path / "info" / "1_2_3")
    assert fingerprint(by_name) == fingerprint(by_folder)
    monkeypatch.chdir(tmp_path / "info")
    assert find_connectome("./1_2_3").path == tmp_path / "info"
    assert find_connectome("1_2_3") == ConnectomeSource("field", "1_2_3", default_data_root())


@pytest.mark.parametrize(
    ("source", "message"),
    {
        "6_6_3x": "no such name, file or folder",
        "none.pt": "no such name, file or folder",
        "empty": "a folder with neither tables nor a field",
        "text.txt": "a file that ends in '.txt'",
    }.items(),
)
def test_what_is_no_connectome_is_told(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(DataFileError, match=r'a connectome must be the name of a MICrONS field.*"synthetic"') as caught:
        load_connectome(source)
    assert message in str(caught.value)


def test_nothing_is_downloaded_before_all_sources_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(fields, "fetch", lambda *_, **__: pytest.fail("a download began"))
    with pytest.raises(DataFileError, match=r"got 'none.pt', no such name"):
        load_connectomes(["6_6_2", "none.pt"], tmp_path)
    with pytest.raises(DataFileError, match=re.escape(f"data root {tmp_path / 'none'}: expected a folder")):
        load_connectomes("6_6_2", tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_begin_at_the_home_folder(graph, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GRAPHCORTEX_DATA", "~/data")
    graph.save(tmp_path / "mine.pt")
    write_field(tmp_path / "data" / "microns-fields", "1_2_3")
    assert fingerprint(load_connectome("~/mine.pt")) == fingerprint(graph)
    assert load_connectome("1_2_3").num_neurons == 5
    assert load_connectome("1_2_3", "~/data/microns-fields").num_neurons == 5


def test_connectomes_have_the_names_of_their_sources_or_those_given(graph, tmp_path):
    graph.save(tmp_path / "mine.pt")
    (tmp_path / "other").mkdir()
    graph.save(tmp_path / "other" / "mine.pt")
    path = str(tmp_path / "mine.pt")
    assert list(load_connectomes(graph)) == ["connectome"]
    assert list(load_connectomes([path, "synthetic", path])) == ["mine", "synthetic"]
    given = load_connectomes({"a": graph, "b": path, "c": Path(path)})
    assert given["a"] is graph
    assert list(given) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="must have different names, got two called 'mine'; give them names by a dict"):
        load_connectomes([path, tmp_path / "other" / "mine.pt"])
    for wrong in (3, [3], {"a": 3}, [None]):
        with pytest.raises(TypeError, match=r"must be a .*onnectome, a name or a path"):
            load_connectomes(wrong)
