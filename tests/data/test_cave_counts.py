"""MicronsCAVE counts: rows that the server holds back, rows that it should not have sent, and neurons that are left out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from graphcortex.data import CaveError, CaveRetries
from tests.cave_server import Service
from tests.cave_tables import nullable, small_tables
from tests.data._cave import TOKEN, alone, content, dataset  # noqa: F401

pytest.importorskip("caveclient", reason="caveclient is not installed: pip install 'graphcortex-rnn[cave]'")

TYPES, UNITS, NUCLEI = "aibs_metamodel_celltypes_v661", "coregistration_manual_v4", "nucleus_detection_v0"
AREAS, SYNAPSES = "nucleus_functional_area_assignment", "synapses_pni_2"
BEFORE = 7  # requests before the first query of a new cache


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return small_tables(nuclei=30, synapses=300)


@pytest.fixture(scope="module")
def whole(tables, tmp_path_factory) -> dict[str, bytes]:
    """The graph and the parts of a download that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with Service(tables, token=TOKEN) as service:
        graph = content(dataset(service, folder / "cache", block=9)[0], folder / "graph.pt")
    return {"graph": graph, **stored(folder / "cache")}


@pytest.fixture
def service(tables):
    with Service(dict(tables), token=TOKEN, remember=True) as service:
        yield service


def stored(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.rglob("*.parquet")}


# --- rows that are missing


@pytest.mark.parametrize("place", [0, 6, 16])
def test_an_answer_that_ends_early_is_asked_for_again_and_not_kept(place, service, whole, tmp_path):
    service.faults.extend(["ok"] * (BEFORE + place) + ["short"])
    graph = content(dataset(service, tmp_path / "cache", block=9)[0], tmp_path / "graph.pt")
    assert not service.faults
    assert {"graph": graph, **stored(tmp_path / "cache")} == whole


@pytest.mark.parametrize("place", [0, 6, 16])
def test_an_answer_that_is_short_twice_is_halved(place, service, whole, tmp_path):
    service.faults.extend(["ok"] * (BEFORE + place) + ["short", "ok", "short"])
    graph = content(dataset(service, tmp_path / "cache", block=9)[0], tmp_path / "graph.pt")
    assert graph == whole["graph"]


@pytest.mark.parametrize("limit", [1, 7, 60])
def test_an_answer_whose_warning_was_lost_is_halved(limit, service, whole, tmp_path):
    service.limit, service.warns = limit, False
    graph = content(dataset(service, tmp_path / "cache", block=9)[0], tmp_path / "graph.pt")
    assert graph == whole["graph"]
    again = content(dataset(service, tmp_path / "cache", block=9)[0], tmp_path / "again.pt")
    assert again == graph


def test_rows_that_never_come_are_an_error_and_nothing_is_kept(service, tmp_path):
    service.limit, service.warns = 0, False
    with pytest.raises(CaveError, match="counts rows of one id that it does not send"):
        dataset(service, tmp_path / "cache")[0]
    assert not any(pq.read_metadata(path).num_rows for path in (tmp_path / "cache").rglob("*.parquet"))


def test_a_server_that_does_not_count_is_one_error_at_once(service, tmp_path):
    service.counts = False
    pauses: list[float] = []
    with pytest.raises(CaveError, match=r"count of query of .*expected the number of rows, got a table of shape"):
        dataset(service, tmp_path / "cache", retries=CaveRetries(sleep=pauses.append))[0]
    assert pauses == []
    assert stored(tmp_path / "cache") == {}


def test_more_rows_than_the_server_counts_are_an_error(service, tmp_path, monkeypatch):
    monkeypatch.setattr("graphcortex.data._cave._count", lambda frame: int(frame.iloc[0, 0]) - 1)
    with pytest.raises(CaveError, match=r"expected the \d+ rows that the server counts, got \d+"):
        dataset(service, tmp_path / "cache")[0]
    assert stored(tmp_path / "cache") == {}


# --- rows that were not asked for

FILTERED = {
    "target_id": TYPES,
    "id": NUCLEI,
    "pt_root_id": NUCLEI,
    "post_pt_root_id": SYNAPSES,
    "pre_pt_root_id": SYNAPSES,
}


@pytest.mark.parametrize("column", FILTERED)
def test_a_server_that_ignores_a_filter_is_named_at_once(column, service, tmp_path):
    service.blind_to = (column,)
    pauses: list[float] = []
    service.remember = False
    expected = rf"query of {FILTERED[column]} .*expected rows with {column} among .*the server ignores the filter"
    for _ in range(2):
        with pytest.raises(CaveError, match=expected):
            dataset(service, tmp_path / "cache", block=9, retries=CaveRetries(sleep=pauses.append))[0]
    assert pauses == []
    within = {name for name in stored(tmp_path / "cache") if name.startswith(FILTERED[column])}
    assert len(within) == (column == "pt_root_id")  # nuclei are asked for by id first, which is not ignored
    service.blind_to = ()
    assert dataset(service, tmp_path / "cache", block=9)[0].num_neurons


def test_a_server_that_ignores_a_range_of_ids_is_named_at_once(service, tmp_path):
    service.limit, service.blind_to = 9, ("id",)
    with pytest.raises(CaveError, match=r"expected rows with id from \d+ to below \d+, got id \d+: the server ignores"):
        dataset(service, tmp_path / "cache")[0]


# --- neurons that are left out


def hostile(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return tables with one of each thing that leaves a neuron out."""
    tables = dict(tables)
    units, types, areas, nuclei = tables[UNITS], tables[TYPES], tables[AREAS], tables[NUCLEI]
    ids = [int(name) for name in nuclei["id"]]
    several = types[types["target_id"].isin(ids[2:4])].assign(cell_type="4P", classification_system="excitatory_neuron")
    same = types[types["target_id"].isin(ids[4:6])]
    odd = types["target_id"].eq(ids[6]).to_numpy()
    types = types.assign(
        cell_type=types["cell_type"].where(~odd, "glowing"),
        classification_system=types["classification_system"].where(~odd, "unsure"),
    )
    types = pd.concat([types, several.assign(id=several["id"] + 1_000), same.assign(id=same["id"] + 2_000)])
    lost = units.iloc[:3].assign(target_id=pd.array([0, None, 999_999], "Int64"), id=[1, 2, 3])
    typed = types.iloc[:1].assign(id=8, target_id=999_999, cell_type="23P", classification_system="excitatory_neuron")
    twice = areas[areas["target_id"].eq(ids[8])].assign(tag="LM", id=5)
    tables[UNITS] = nullable(pd.concat([units, lost]))
    tables[TYPES] = nullable(pd.concat([types, typed]))
    tables[AREAS] = nullable(
        pd.concat([areas.assign(tag=areas["tag"].where(areas["target_id"] != ids[8], "V1")), twice])
    )
    return tables


def reasons(tables: dict[str, pd.DataFrame], filters: dict) -> Counter:
    """Say of every matched nucleus why it is left out, one by one; "" if it is not."""
    rows = {name: frame.to_dict("records") for name, frame in tables.items()}
    roots = [row["pt_root_id"] for row in rows[NUCLEI]]
    why: dict[int, str] = {}
    for name in {int(value) for value in tables[UNITS]["target_id"].dropna()} - {0}:
        units = tables[UNITS][tables[UNITS]["target_id"].eq(name).fillna(False)].to_dict("records")
        types = {(row["classification_system"], row["cell_type"]) for row in rows[TYPES] if row["target_id"] == name}
        areas = {row["tag"] for row in rows[AREAS] if row["target_id"] == name}
        there = [row for row in rows[NUCLEI] if row["id"] == name]
        status = [
            row
            for row in rows["proofreading_status_and_strategy"]
            if there and row["valid_id"] == there[0]["pt_root_id"]
        ]
        if not any(row["score"] >= filters.get("min_score", -np.inf) for row in units):
            why[name] = "with no match that scans, min_score and max_residual allow"
        elif not types:
            why[name] = "without a cell type"
        elif len(types) > 1:
            why[name] = "with two cell types"
        elif min(types)[0] == "unsure":
            why[name] = "of an unknown class"
        elif min(types)[0] != "excitatory_neuron":
            why[name] = "not excitatory"
        elif "cell_types" in filters and min(types)[1] not in filters["cell_types"]:
            why[name] = "of another cell type"
        elif "areas" in filters and (len(areas) != 1 or min(areas) not in filters["areas"]):
            why[name] = "in another area"
        elif not there:
            why[name] = "missing in the table of nuclei"
        elif there[0]["pt_root_id"] == 0:
            why[name] = "without segment"
        elif roots.count(there[0]["pt_root_id"]) > 1:
            why[name] = "in a segment with several nuclei"
        elif filters.get("proofread") == "axon" and not any(row["status_axon"] == "t" for row in status):
            why[name] = "whose axon was not proofread"
        else:
            why[name] = ""
    return Counter(why.values())


FILTERS = {
    "none": {},
    "scores": {"min_score": 5.0},
    "types": {"cell_types": ["23P", "4P"]},
    "areas": {"areas": ["V1", "AL"]},
    "proofread": {"proofread": "axon"},
    "several": {"min_score": 0.0, "cell_types": ["23P", "4P", "6P-CT"], "areas": ["V1", "AL", "RL"]},
}


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS.keys())
def test_what_comes_in_is_what_goes_out_and_what_was_dropped(filters, tmp_path):
    tables = hostile(small_tables(nuclei=80))
    with Service(tables, token=TOKEN) as service:
        graph = dataset(service, tmp_path / "cache", **filters)[0]
    everything = sum(reasons(tables, {}).values())
    expected = reasons(tables, filters)
    assert graph.num_neurons == expected.pop("")
    dropped, given = graph.provenance["dropped"], graph.provenance["input"]
    assert {why: number for why, number in dropped["neurons"].items() if number} == dict(expected)
    going_out = {
        "neurons": graph.num_neurons,
        "matches": graph.num_neurons,  # each is represented by one
        "synapses": int(graph.synapses["count"].sum()),
    }
    assert set(given) == set(dropped) == set(going_out)
    for kind, number in going_out.items():
        assert given[kind] == number + sum(dropped[kind].values()), kind
    assert given["matches"] == len(tables[UNITS])
    assert given["neurons"] == everything
    assert dropped["matches"]["without nucleus"] == 2
    if not filters:
        assert all(dropped["neurons"][why] for why in ("with two cell types", "missing in the table of nuclei"))
        assert all(dropped["neurons"][why] for why in ("of an unknown class", "without a cell type", "not excitatory"))


def test_an_area_that_is_told_twice_is_unknown(tmp_path):
    tables = hostile(small_tables(nuclei=80))
    name = int(tables[NUCLEI]["id"][8])
    with Service(tables, token=TOKEN) as service:
        graph = dataset(service, tmp_path / "cache")[0]
    (place,) = (graph["neuron"].nucleus_id == name).nonzero()[0].tolist()
    assert graph.names["area"][graph["neuron"].area[place]] == "unknown"


def test_one_synapse_without_size_leaves_the_sizes_out_and_says_so(service, tmp_path):
    sizes = service.tables[SYNAPSES]["size"].copy()
    whole = dataset(service, tmp_path / "a")[0]
    number = int(whole.synapses["count"].sum())
    roots = set(whole["neuron"].root_id.tolist())
    ends = service.tables[SYNAPSES][["pre_pt_root_id", "post_pt_root_id"]]
    inside = (ends.isin(roots).all(axis=1) & ends.nunique(axis=1).eq(2)).to_numpy().nonzero()[0]
    sizes[inside[0]] = pd.NA
    service.tables[SYNAPSES] = service.tables[SYNAPSES].assign(size=sizes)
    service.answers.clear()
    graph = dataset(service, tmp_path / "b")[0]
    assert "size" not in graph.synapses
    assert graph.provenance["dropped"]["sizes of synapses"] == {"since 1 synapses have none": number}
