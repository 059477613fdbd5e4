"""MicronsCAVE through the real caveclient, from a service on this machine."""

from __future__ import annotations

import logging
import math

import numpy as np
import pandas as pd
import pytest
import torch

from graphcortex._optional import MissingDependencyError
from graphcortex.data import CaveError, CaveRetries, Connectome, MicronsCAVE
from tests.cave_server import Service
from tests.cave_tables import BCM, TWIN, small_tables
from tests.conftest import real_data
from tests.data._cave import TOKEN, alone, content, dataset, naive_neurons, naive_pairs  # noqa: F401

pytest.importorskip("caveclient", reason="caveclient is not installed: pip install 'graphcortex-rnn[cave]'")


@pytest.fixture
def service():
    with Service(small_tables(), token=TOKEN) as service:
        yield service


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


def names(graph: Connectome, field: str) -> list[str]:
    return [graph.names[field][code] for code in graph["neuron"][field]]


# --- the graph


def test_matches_the_tables_read_one_row_at_a_time(service, root):
    graph = dataset(service, root)[0]
    expected = naive_neurons(service.tables)
    assert graph["neuron"].nucleus_id.tolist() == sorted(expected)
    store = graph["neuron"]
    for number, nucleus in enumerate(sorted(expected)):
        neuron = expected[nucleus]
        assert graph.pos[number].tolist() == pytest.approx(neuron["pos"], rel=1e-6)
        for field in ("root_id", "session", "scan", "field", "unit_id"):
            assert store[field][number] == neuron[field]
        for field in ("cell_type", "layer", "area", "proofread_axon", "proofread_dendrite"):
            assert names(graph, field)[number] == neuron[field]
        tuning = neuron["tuning"]
        for ours, theirs in {"osi": "OSI", "gdsi": "gDSI", "cc_abs": "cc_abs", "readout_x": "readout_loc_x"}.items():
            value = tuning[theirs] if tuning else math.nan
            assert store[ours][number].item() == pytest.approx(value, nan_ok=True)
        direction = math.radians(tuning["pref_dir"]) if tuning else math.nan
        assert store["pref_dir"][number].item() == pytest.approx(direction, nan_ok=True)
    pairs = naive_pairs(service.tables, expected)
    nuclei = store.nucleus_id
    found = [(int(nuclei[i]), int(nuclei[j])) for i, j in graph.synapses.edge_index.T]
    assert sorted(found) == sorted(pairs)
    assert graph.synapses["count"].tolist() == [len(pairs[pair]) for pair in found]
    assert graph.synapses["size"].tolist() == [sum(pairs[pair]) for pair in found]
    assert store["cc_abs"].isnan().any(), "the tables must have neurons without tuning"
    assert not store["cc_abs"].isnan().all()


def test_says_where_it_came_from(service, root):
    graph = dataset(service, root)["minnie65_public_v1300"]
    notes = graph.provenance
    assert (notes["datastack"], notes["version"], notes["server_version"]) == ("minnie65_public", 1300, "5.26.4")
    assert notes["time_stamp"].startswith("2025-01-13T10:10:01.286229")
    assert notes["client_version"].startswith("8.")
    # Each query is asked for its rows, and for their number.
    assert len(notes["queries"]) == len(set(notes["queries"])) == len(service.asked("/query")) / 2
    assert notes["dropped"]["neurons"]["in a segment with several nuclei"] >= 1
    assert notes["dropped"]["neurons"]["without segment"] >= 1
    assert notes["dropped"]["synapses"]["of a neuron with itself"] >= 1


def test_is_saved_and_read_back(service, root, tmp_path):
    graph = dataset(service, root)[0]
    graph.save(tmp_path / "graph.pt")
    back = Connectome.load(tmp_path / "graph.pt")
    assert (back.provenance, back.names) == (graph.provenance, graph.names)
    for store in ("neuron", ("neuron", "synapse", "neuron")):
        for name, value in graph[store].items():
            assert torch.equal(back[store][name].nan_to_num(-9), value.nan_to_num(-9))


@pytest.mark.parametrize("table", [TWIN, BCM])
def test_angles_follow_one_convention_whatever_the_table(table, service, root):
    """The two tables of the service tell of the same directions, each in its own way."""
    for other in {TWIN, BCM} - {table}:
        del service.tables[other]
    store = dataset(service, root)[0]["neuron"]
    truth = {row["target_id"]: row for row in small_tables()[TWIN].to_dict("records")}
    units = {(r["target_id"], r["unit_id"]): r["pref_dir"] for r in small_tables()[TWIN].to_dict("records")}
    assert truth
    tuned = 0
    for nucleus, unit, ori, direction in zip(
        store.nucleus_id.tolist(), store.unit_id.tolist(), store["pref_ori"], store["pref_dir"], strict=True
    ):
        if (nucleus, unit) in units:
            expected = math.radians(units[nucleus, unit])
            assert math.cos(direction - expected) == pytest.approx(1)
            assert math.cos(2 * (ori - expected)) == pytest.approx(1)
            tuned += 1
    assert tuned > 10
    finite = store["pref_ori"][~store["pref_ori"].isnan()]
    assert ((finite >= 0) & (finite < math.pi)).all()


def test_only_columns_of_the_version_are_there(service, root):
    for table in (TWIN, BCM, "nucleus_functional_area_assignment", "proofreading_status_and_strategy"):
        del service.tables[table]
    graph = dataset(service, root)[0]
    assert set(graph["neuron"].keys()) == {
        *("pos", "root_id", "nucleus_id", "unit_id", "session", "scan", "field", "layer", "cell_type")
    }
    rows = service.tables["coregistration_manual_v4"].to_dict("records")
    residual = {(row["target_id"], row["unit_id"]): row["residual"] for row in rows}
    for nucleus, unit in zip(graph["neuron"].nucleus_id.tolist(), graph["neuron"].unit_id.tolist(), strict=True):
        assert residual[nucleus, unit] == min(value for (other, _), value in residual.items() if other == nucleus)


FILTERS = {
    "areas": ({"areas": ["V1", "AL"]}, lambda n: n["area"] in ("V1", "AL")),
    "cell types": ({"cell_types": ["23P", "4P"]}, lambda n: n["cell_type"] in ("23P", "4P")),
    "axons": ({"proofread": "axon"}, lambda n: n["proofread_axon"] == "yes"),
    "both": ({"proofread": "both"}, lambda n: n["proofread_axon"] == n["proofread_dendrite"] == "yes"),
}


@pytest.mark.parametrize("case", FILTERS.values(), ids=FILTERS.keys())
def test_filters_keep_what_was_asked_for(case, service, root):
    options, wanted = case
    everything = naive_neurons(service.tables)
    kept = [nucleus for nucleus in sorted(everything) if wanted(everything[nucleus])]
    assert 0 < len(kept) < len(everything)
    graph = dataset(service, root, **options)[0]
    assert graph["neuron"].nucleus_id.tolist() == kept
    whole = dataset(service, root)[0]
    part = whole.subgraph(torch.isin(whole["neuron"].nucleus_id, torch.tensor(kept)))
    assert torch.equal(part.count_matrix(), graph.count_matrix())


def test_scans_scores_and_residuals_choose_units(service, root):
    store = dataset(service, root, scans=["6_2", "9_7_1"])[0]["neuron"]
    scans = set(zip(store.session.tolist(), store.scan.tolist(), strict=True))
    assert scans <= {(6, 2), (9, 7)}
    assert (6, 2) in scans
    assert all(f == 1 for s, f in zip(store.session.tolist(), store.field.tolist(), strict=True) if s == 9)
    rows = service.tables["coregistration_manual_v4"]
    good = rows[(rows["score"] >= 5) & (rows["residual"] <= 6)]
    few = dataset(service, root, min_score=5, max_residual=6)[0]["neuron"]
    assert set(few.unit_id.tolist()) <= set(good["unit_id"])
    auto = dataset(service, root, coregistration="auto")[0]["neuron"]
    assert set(auto.unit_id.tolist()) <= set(rows["unit_id"].iloc[::2])


# --- what cave.md warns of


def test_ids_of_eighteen_digits_keep_every_one(service, root):
    graph = dataset(service, root)[0]
    roots = set(service.tables["nucleus_detection_v0"]["pt_root_id"])
    assert set(graph["neuron"].root_id.tolist()) <= roots
    assert any(int(float(value)) != value for value in graph["neuron"].root_id.tolist()), "a float would do"


def test_ids_that_went_through_floats_are_refused(service, root):
    table = service.tables["nucleus_detection_v0"]
    service.tables["nucleus_detection_v0"] = table.astype({"pt_root_id": "float64"})
    with pytest.raises(CaveError, match=r"query of nucleus_detection_v0 .*'pt_root_id'.*too few digits"):
        dataset(service, root)[0]


def test_a_missing_column_is_named(service, root):
    del service.tables["aibs_metamodel_celltypes_v661"]["cell_type"]
    with pytest.raises(
        CaveError, match=r"aibs_metamodel_celltypes_v661 .*a column 'cell_type', got classification_system, id"
    ):
        dataset(service, root)[0]


def test_never_asks_for_root_zero_nor_by_numpy_numbers(service, root):
    dataset(service, root)[0]
    for body in service.asked("synapses_pni_2/query"):
        for values in body["filter_in_dict"]["synapses_pni_2"].values():
            assert 0 not in values
            assert all(type(value) is int for value in values)
    assert not service.asked("synapses_pni_2/metadata")


@pytest.mark.parametrize("limit", [9, 60])
def test_a_row_limit_changes_nothing_but_the_number_of_queries(limit, service, root, tmp_path):
    whole = content(dataset(service, root)[0], tmp_path / "whole.pt")
    service.limit = limit
    del service.requests[:]
    limited = dataset(service, root / "limited")[0]
    assert len(service.asked("/query")) > len(limited.provenance["queries"])
    assert content(limited, tmp_path / "limited.pt") == whole
    asked = len(service.requests)
    dataset(service, root / "limited")[0]
    assert len(service.requests) == asked


def test_more_synapses_of_one_pair_than_the_limit(service, root):
    """They share both ends, so only their own ids tell them apart."""
    table = service.tables["synapses_pni_2"]
    first, second, *_ = (neuron["root_id"] for neuron in naive_neurons(service.tables).values())
    table["pre_pt_root_id"], table["post_pt_root_id"] = first, second
    service.limit = 100
    graph = dataset(service, root)[0]
    assert graph.synapses["count"].tolist() == [900]
    assert any("filter_less_dict" in body for body in service.asked("synapses_pni_2"))


def test_a_limit_of_none_at_all_is_an_error_that_names_it(service, root):
    service.limit = 0
    with pytest.raises(CaveError, match="one row is more than its limit"):
        dataset(service, root)[0]


def test_an_answer_of_just_the_limit_is_no_trap(service, root):
    """The service warns although nothing is missing: halving must end."""
    service.limit = len(service.tables["coregistration_manual_v4"])
    graph = dataset(service, root)[0]
    assert graph["neuron"].nucleus_id.tolist() == sorted(naive_neurons(service.tables))


def test_repeated_synapses_count_once(service, root):
    table = service.tables["synapses_pni_2"]
    whole = dataset(service, root)[0]
    service.tables["synapses_pni_2"] = pd.concat([table, table.iloc[::3]], ignore_index=True)
    assert torch.equal(dataset(service, root / "again")[0].count_matrix(), whole.count_matrix())


def test_a_release_without_sizes_has_none(service, root):
    service.tables["synapses_pni_2"]["size"] = pd.array([None] * 900, "Int64")
    assert "size" not in dataset(service, root)[0].synapses


# --- versions


def test_an_expired_version_is_refused(service, root):
    with pytest.raises(CaveError, match="got 661, which has expired; choose one of 117, 943, 1300"):
        dataset(service, root, version=661)[0]
    with pytest.raises(CaveError, match="got 5, which does not exist"):
        dataset(service, root, version=5)[0]
    service.expires_on = "2020-01-01T00:00:00.000000"
    with pytest.raises(CaveError, match="expired on 2020-01-01"):
        dataset(service, root)[0]
    assert not service.asked("/query")


def test_what_is_complete_is_read_without_the_service(service, root, tmp_path, monkeypatch):
    whole = content(dataset(service, root)[0], tmp_path / "a.pt")
    asked = len(service.requests)
    service.expires_on = "2020-01-01T00:00:00.000000"
    monkeypatch.setattr("graphcortex.data._cave.require", lambda *_: pytest.fail("caveclient was imported"))
    assert content(dataset(service, root)[0], tmp_path / "b.pt") == whole
    assert len(service.requests) == asked


def test_a_cache_of_another_server_is_not_mixed(service, root):
    dataset(service, root)[0]
    service.time_stamp = "2026-01-01T00:00:00.000000"
    with pytest.raises(CaveError, match="another server; choose another root"):
        dataset(service, root, areas=["V1"], cell_types=["23P"])[0]


def test_a_server_of_the_old_interface_is_refused(service, root):
    service.api_versions = (2,)
    with pytest.raises(CaveError, match="version 3 of the materialisation API"):
        dataset(service, root)[0]


def test_tables_that_are_not_there_are_named(service, root):
    del service.tables["nucleus_functional_area_assignment"]
    with pytest.raises(CaveError, match=r"expected 'nucleus_functional_area_assignment' \(area\)"):
        dataset(service, root, areas=["V1"])[0]
    with pytest.raises(CaveError, match=r"expected 'aibs_metamodel_mtypes_v661_v2' \(cell_type\)"):
        dataset(service, root, cell_type_table="aibs_metamodel_mtypes_v661_v2")[0]


def test_no_neuron_left_is_an_error(service, root):
    with pytest.raises(CaveError, match="at least one excitatory neuron, got none; check cell_types"):
        dataset(service, root, cell_types=["BC"])[0]  # there, and inhibitory
    with pytest.raises(CaveError, match="check scans"):
        dataset(service, root, scans=["1_1"])[0]


# --- tokens


@pytest.mark.parametrize("token", [None, "f" * 32])
def test_a_missing_or_wrong_token_is_one_clear_error(token, service, root):
    with pytest.raises(CaveError, match=r"CAVE, .*token="):
        dataset(service, root, token=token)[0]
    assert len([path for path, _ in service.requests if path != "/login"]) == 1, "a lasting failure was repeated"


def test_a_token_is_read_where_caveclient_reads_it(service, root, monkeypatch, tmp_path):
    home = tmp_path / "signed-in"
    secrets = home / ".cloudvolume" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "cave-secret.json").write_text(f'{{"token": "{TOKEN}"}}')
    monkeypatch.setenv("HOME", str(home))
    assert dataset(service, root, token=None)[0].num_neurons
    assert [path.name for path in home.rglob("*") if path.is_file()] == ["cave-secret.json"]


def test_a_token_is_neither_shown_nor_stored(service, root, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    made = dataset(service, root)
    graph = made[0]
    service.faults.append("echo")
    with pytest.raises(CaveError, match=r"bad token Bearer \*\*\*") as caught:
        dataset(service, root / "other")[0]
    shown = [str(caught.value), repr(made), repr(graph), *capfd.readouterr(), caplog.text]
    assert not any(TOKEN in text for text in shown)
    assert not any(TOKEN.encode() in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_terms_that_were_not_accepted_open_no_browser(service, root):
    service.faults.append("terms")
    with pytest.raises(CaveError, match="accept its terms"):
        dataset(service, root)[0]


# --- arguments

BAD = {
    "a version of text": ({"version": "latest"}, "version must be"),
    "version 0": ({"version": 0}, "version must be"),
    "a path for a datastack": ({"datastack": "../etc"}, "datastack must be"),
    "a path for a table": ({"cell_type_table": "a/b"}, "cell_type_table must be"),
    "a scan without number": ({"scans": ["six"]}, "scans must be"),
    "no areas": ({"areas": []}, "areas must be"),
    "unknown part": ({"proofread": "soma"}, "proofread must be"),
    "empty blocks": ({"block": 0}, "block must be"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_rejects(case, tmp_path):
    options, message = case
    with pytest.raises(ValueError, match=message):
        MicronsCAVE(tmp_path, **{"version": 1300, **options})
    assert not list(tmp_path.glob("*/*"))


def test_is_a_dataset_of_one_graph(service, root):
    made = dataset(service, root, transform=lambda graph: graph.num_neurons)
    assert len(made) == 1
    assert made.names == ("minnie65_public_v1300",)
    assert made[0] == made["minnie65_public_v1300"] > 0
    assert "minnie65_public_v1300" in repr(made)
    with pytest.raises(ValueError, match="unknown graph 'minnie'"):
        made["minnie"]


def test_the_client_is_asked_for_by_its_extra(service, root, monkeypatch):
    def missing(module, extra, purpose):
        raise MissingDependencyError(f"{purpose} needs {module}: graphcortex-rnn[{extra}]")

    monkeypatch.setattr("graphcortex.data._cave.require", missing)
    with pytest.raises(MissingDependencyError, match=r"MicronsCAVE needs caveclient: graphcortex-rnn\[cave\]"):
        dataset(service, root)[0]


def test_a_server_that_is_not_there_is_named(service, root):
    with pytest.raises(CaveError, match=r"connection to minnie65_public: .*Check the server address"):
        MicronsCAVE(root, 1300, server_address="nowhere", token="x", progress=False)[0]
    retries = CaveRetries(sleep=lambda _: None)
    with pytest.raises(CaveError, match=r"connection to minnie65_public: failed 8 times"):
        MicronsCAVE(root, 1300, server_address="http://127.0.0.1:1", token="x", progress=False, retries=retries)[0]


def test_a_silent_server_is_given_up(service, root):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        retries = CaveRetries(tries=5, read_s=0.02, sleep=lambda _: None)
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(CaveError, match=r"failed 5 times, .*Timeout"):
            MicronsCAVE(root, 1300, server_address=address, token="x", progress=False, retries=retries)[0]


def test_every_request_has_the_timeouts_and_is_sent_once(service, root, monkeypatch):
    import requests

    seen = []
    send = requests.adapters.HTTPAdapter.send

    def watched(self, request, **options):
        seen.append((options.get("timeout"), self.max_retries.total))
        return send(self, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", watched)
    dataset(service, root)[0]
    assert set(seen) == {((10.0, 630.0), 0)}
    assert len(seen) == len(service.requests)


@pytest.mark.real_data
def test_real_wiring_comes_through_whole(root):
    from tests.cave_tables import real_tables

    folder = real_data("minnie65-functional-graph")
    nodes = pd.read_csv(folder / "nodes.csv")
    wiring = pd.read_parquet(folder / "synapses.parquet")
    with Service(real_tables(folder), limit=4_000) as service:
        graph = dataset(service, root)[0]
    matched = nodes[((nodes["coregistered"] == 1) | (nodes["unit_id"] != 0)) & nodes["cell_type"].notna()]
    assert set(graph["neuron"].root_id.tolist()) == set(matched["root_id"])
    inside = wiring[wiring["pre"].isin(matched["root_id"]) & wiring["post"].isin(matched["root_id"])]
    inside = inside[inside["pre"] != inside["post"]]
    assert int(graph.synapses["count"].sum()) == len(inside) > 1_000
    counted = inside.groupby(["pre", "post"]).size()
    roots = graph["neuron"].root_id
    found = {
        (int(roots[i]), int(roots[j])): int(count)
        for (i, j), count in zip(graph.synapses.edge_index.T.tolist(), graph.synapses["count"], strict=True)
    }
    assert found == counted.to_dict()
    nm = matched.set_index("root_id").loc[roots.tolist(), ["x_nm", "y_nm", "z_nm"]].to_numpy()
    np.testing.assert_allclose(graph.pos.numpy(), nm / 1000, atol=0.021)  # a voxel is 40 nm deep
    tuned = ~graph["neuron"]["pref_ori"].isnan()
    clock = matched.set_index("root_id").loc[roots[tuned].tolist(), "pref_ori_rad"].to_numpy()
    assert tuned.sum() > 100
    np.testing.assert_allclose(np.cos(2 * (graph["neuron"]["pref_ori"][tuned].numpy() + clock)), -1, atol=1e-12)


def test_layers_follow_from_the_names_of_types():
    from graphcortex.data._cave_tables import LAYERS, layer_code

    found = {name: LAYERS[layer_code(name)] for name in ("L2a", "L3b", "L4c", "L5ET", "L6short-a", "6P-IT", "PTC", "")}
    assert list(found.values()) == ["L2/3", "L2/3", "L4", "L5", "L6", "L6", "unknown", "unknown"]
