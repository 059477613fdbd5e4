"""MicronsCAVE at the versions of minnie65_public, with the tables that their release manifests list, and over bad links to them.

The manifests: https://tutorial.microns-explorer.org/release_manifests/version-1300.html, and so on.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from graphcortex.data import CaveError, CaveRetries
from graphcortex.data._cave_parts import Parts
from graphcortex.data._cave_retry import refusal
from tests.cave_server import Service
from tests.cave_tables import BCM, TWIN, nullable, small_tables
from tests.data._cave import TOKEN, alone, dataset  # noqa: F401

pytest.importorskip("caveclient", reason="caveclient is not installed: pip install 'graphcortex-rnn[cave]'")

TYPES, UNITS, NUCLEI = "aibs_metamodel_celltypes_v661", "coregistration_manual_v4", "nucleus_detection_v0"
AREAS, SYNAPSES = "nucleus_functional_area_assignment", "synapses_pni_2"
STATUS, OLDER_STATUS = "proofreading_status_and_strategy", "proofreading_status_public_release"
AUTO = "coregistration_auto_phase3_fwd_apl_vess_combined_v2"
FIDUCIAL, VESSEL = "coregistration_auto_phase3_fwd_v2", "apl_functional_coreg_vess_fwd"
OLDER_AUTO = "apl_functional_coreg_forward_v5"
FIDUCIAL_TWIN = "digital_twin_properties_bcm_coreg_auto_phase3_fwd_v2"
VESSEL_TWIN = "digital_twin_properties_bcm_coreg_apl_vess_fwd"

_EARLY = (NUCLEI, SYNAPSES)
_SINCE_943 = (*_EARLY, TYPES, "aibs_metamodel_mtypes_v661_v2", UNITS, "baylor_log_reg_cell_type_coarse_v1", VESSEL)
_SINCE_1300 = (*_SINCE_943, AUTO, FIDUCIAL, STATUS, AREAS)
_SINCE_1507 = (*_SINCE_1300, TWIN, FIDUCIAL_TWIN, VESSEL_TWIN)
MANIFESTS = {
    117: (*_EARLY, "nucleus_neuron_svm", "allen_soma_coarse_cell_class_model_v1"),
    943: (*_SINCE_943, BCM, OLDER_STATUS, OLDER_AUTO, "coregistration_manual_v3"),
    1300: (*_SINCE_1300, BCM),
    1507: _SINCE_1507,
    1621: _SINCE_1507,
    1718: (*_SINCE_1507, "cell_type_multifeature_combo"),
    1822: (*_SINCE_1507, "cell_type_multifeature_combo"),
    1926: (*_SINCE_1507, "cell_type_multifeature_combo"),
}


def release(version: int) -> dict[str, pd.DataFrame]:
    """Return the tables of a version, with the columns that they have there."""
    tables = small_tables(nuclei=40, synapses=300)
    units, twin, status, types = tables[UNITS], tables[TWIN], tables[STATUS], tables[TYPES]
    half = np.arange(len(twin)) % 2 == 0
    words = {"t": "extended", "f": "non"}
    bound = types.rename(columns={"target_id": "pt_root_id"})
    there = {
        **tables,
        AUTO: units,
        FIDUCIAL: units.iloc[::2],
        VESSEL: units.iloc[1::2],
        OLDER_AUTO: units.iloc[::3],
        "coregistration_manual_v3": units.iloc[::4],
        FIDUCIAL_TWIN: twin[half],
        VESSEL_TWIN: twin[~half],
        TWIN: twin.iloc[:3],
        OLDER_STATUS: status.assign(status_axon=status["status_axon"].map(words), status_dendrite="clean"),
        "nucleus_neuron_svm": bound.assign(cell_type="neuron", classification_system="is_neuron"),
        "allen_soma_coarse_cell_class_model_v1": bound,
        **typed(types),
    }
    return {name: nullable(there[name]) for name in MANIFESTS[version]}


def typed(types: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Say the same of the same cells as the public tables of cell types do, each in its own words."""
    system, name = types["classification_system"], types["cell_type"]
    short = system.str.removesuffix("_neuron")
    neuron = system != "nonneuron"
    return {
        "aibs_metamodel_mtypes_v661_v2": types[neuron].assign(classification_system=short),
        "allen_v1_column_types_slanted_ref": types.assign(
            classification_system="aibs_coarse_" + short.replace("nonneuron", "nonneuronal")
        ),
        "baylor_log_reg_cell_type_coarse_v1": types[neuron].assign(
            cell_type=short, classification_system="baylor_log_reg_cell_type_coarse"
        ),
        "baylor_gnn_cell_type_fine_model_v2": types[neuron].assign(classification_system="baylor_gnn_cell_type_fine"),
        "aibs_soma_nuc_metamodel_preds_v117": types.assign(
            classification_system=np.where(neuron, "aibs_neuronal", "aibs_non-neuronal"),
            cell_type=name.str.replace("-", "_"),
        ),
        "cell_type_multifeature_combo": types,
    }


# --- versions


@pytest.mark.parametrize("version", [name for name in MANIFESTS if name != 117])
def test_each_version_gives_what_its_manifest_allows(version, tmp_path):
    with Service(release(version), token=TOKEN, versions=tuple(MANIFESTS)) as service:
        manual = dataset(service, tmp_path, version=version, proofread="axon")[0]
        auto = dataset(service, tmp_path, version=version, coregistration="auto")[0]
        if version < 1078:
            with pytest.raises(CaveError, match=rf"tables of version {version}: expected '{AREAS}' \(area\), got aibs"):
                dataset(service, tmp_path, version=version, areas=["V1"])[0]
    assert manual.num_neurons
    assert ("area" in manual["neuron"]) == (version >= 1078)
    assert manual.provenance["tables"]["proofreading"] == (STATUS if version >= 1078 else OLDER_STATUS)
    assert manual.provenance["tables"]["coregistration"] == UNITS
    assert manual.provenance["tables"]["tuning"] == [TWIN if version >= 1507 else BCM]
    assert auto.provenance["tables"]["coregistration"] == (AUTO if version >= 1300 else VESSEL)
    assert auto.provenance["tables"]["tuning"] == ([FIDUCIAL_TWIN, VESSEL_TWIN] if version >= 1507 else [BCM])


def test_the_first_release_has_no_matches_and_all_that_is_missing_is_named(tmp_path):
    with Service(release(117), token=TOKEN, versions=tuple(MANIFESTS)) as service:
        for matches, names in {"manual": f"'{UNITS}' or 'coregistration_manual_v3'", "auto": f"'{AUTO}' or .*"}.items():
            expected = rf"version 117: expected {names} \(coregistration\), '{TYPES}' \(cell_type\), got allen_soma"
            with pytest.raises(CaveError, match=expected):
                dataset(service, tmp_path, version=117, coregistration=matches)[0]
    assert not service.asked("/query")


def test_older_words_for_what_was_proofread_mean_the_same(tmp_path):
    graphs = []
    for name, version in ((STATUS, 1300), (OLDER_STATUS, 943)):
        tables = {**release(943), **release(1300)}
        del tables[STATUS if name == OLDER_STATUS else OLDER_STATUS]
        with Service(tables, token=TOKEN, versions=(943, 1300)) as service:
            graphs.append(dataset(service, tmp_path, version=version)[0])
    one, other = graphs
    assert one.names["proofread_axon"] == other.names["proofread_axon"] == ("no", "yes")
    for field in ("nucleus_id", "proofread_axon", "proofread_dendrite"):
        assert one["neuron"][field].tolist() == other["neuron"][field].tolist()
    assert 0 < int(one["neuron"].proofread_axon.sum()) < one.num_neurons


def test_automatic_matches_have_the_tuning_of_both_their_twins(tmp_path):
    tables = release(1718)
    with Service(tables, token=TOKEN, versions=(1718,)) as service:
        store = dataset(service, tmp_path, version=1718, coregistration="auto")[0]["neuron"]
    key = ["target_id", "session", "scan_idx", "unit_id"]
    both = pd.concat([tables[FIDUCIAL_TWIN], tables[VESSEL_TWIN]]).set_index(key)["cc_abs"]
    best = both.groupby("target_id").max().to_dict()
    assert {FIDUCIAL_TWIN, VESSEL_TWIN} <= set(tables)
    tuned = 0
    for nucleus, value in zip(store.nucleus_id.tolist(), store["cc_abs"].tolist(), strict=True):
        assert value == pytest.approx(best.get(nucleus, math.nan), nan_ok=True)
        tuned += nucleus in best
    assert tuned > 3 + len(set(tables[TWIN]["target_id"]))  # more than the manual matches have


# --- tables that a user names


@pytest.mark.parametrize("name", typed(small_tables(nuclei=20)[TYPES]))
def test_each_public_table_of_cell_types_tells_the_same_neurons(name, tmp_path):
    tables = small_tables(nuclei=40, synapses=200)
    with Service({**tables, **typed(tables[TYPES])}, token=TOKEN) as service:
        default = dataset(service, tmp_path / "a")[0]
        graph = dataset(service, tmp_path / "b", cell_type_table=name)[0]
    assert graph["neuron"].nucleus_id.tolist() == default["neuron"].nucleus_id.tolist()
    assert graph.provenance["tables"]["cell_type"] == name
    if "coarse" not in name:
        assert graph["neuron"].layer.tolist() == default["neuron"].layer.tolist()


def test_a_table_that_tells_no_classes_apart_is_refused(tmp_path):
    tables = small_tables(nuclei=20, synapses=50)
    table = tables[TYPES].assign(classification_system="is_neuron", cell_type="neuron")
    with Service({**tables, "nucleus_ref_neuron_svm": table}, token=TOKEN) as service:
        expected = "tells excitatory neurons from others, got classification_system 'is_neuron' with cell_type 'neuron'"
        with pytest.raises(CaveError, match=expected):
            dataset(service, tmp_path, cell_type_table="nucleus_ref_neuron_svm")[0]


def test_a_table_about_synapses_is_not_taken_for_one_about_nuclei(tmp_path):
    """Its ``target_id`` are other ids, of which some are those of nuclei by chance."""
    tables = small_tables(nuclei=20, synapses=50)
    tables["cg_cell_type_calls"] = tables[TYPES]
    with Service(tables, token=TOKEN, references={"cg_cell_type_calls": SYNAPSES}) as service:
        with pytest.raises(CaveError, match=rf"refers to '{NUCLEI}', got one that refers to '{SYNAPSES}'"):
            dataset(service, tmp_path, cell_type_table="cg_cell_type_calls")[0]
        assert not service.asked("cg_cell_type_calls/query")


@pytest.mark.parametrize(("table", "column"), [(TYPES, "target_id"), (UNITS, "residual"), (SYNAPSES, "size")])
def test_a_column_that_is_not_there_is_an_error_at_once(table, column, tmp_path):
    """The service answers 500 to it, as it does when it is busy."""
    tables = small_tables(nuclei=20, synapses=50)
    tables[table] = tables[table].drop(columns=column)
    pauses: list[float] = []
    with Service(tables, token=TOKEN) as service:
        with pytest.raises(
            CaveError, match=rf"query of {table} .*expected a column '{column}', got .*Choose another table"
        ):
            dataset(service, tmp_path, retries=CaveRetries(sleep=pauses.append))[0]
        assert pauses == []
        assert len(service.asked(f"{table}/query")) == 2  # the query, and what columns there are


# --- values

BAD_IDS = {
    "above int64": (NUCLEI, "pt_root_id", "UInt64", 2**63 + 5, r"below 2\*\*63, got 9223372036854775813"),
    "above int64 of a synapse": (SYNAPSES, "id", "UInt64", 2**63, r"below 2\*\*63, got 9223372036854775808"),
    "negative": (NUCLEI, "pt_root_id", "Int64", -5, r"from 0 to below 2\*\*63, got -5"),
}


@pytest.mark.parametrize("case", BAD_IDS.values(), ids=BAD_IDS.keys())
def test_ids_that_do_not_fit_are_refused(case, tmp_path):
    table, column, dtype, value, expected = case
    tables = small_tables(nuclei=30, synapses=400)
    frame = tables[table].astype({column: dtype})
    frame[column] = frame[column].mask(frame.index >= 0 if table == SYNAPSES else frame.index == 4, value)
    tables[table] = frame
    if table == NUCLEI:
        root = frame[column][4]
        assert root == value
    with Service(tables, token=TOKEN) as service, pytest.raises(CaveError, match=rf"'{column}' to hold .*{expected}"):
        dataset(service, tmp_path)[0]


def test_a_nucleus_without_position_is_named(tmp_path):
    tables = small_tables(nuclei=30, synapses=100)
    with Service(dict(tables), token=TOKEN) as service:
        whole = dataset(service, tmp_path / "a")[0]
        nucleus, cell_type = (
            whole["neuron"].nucleus_id[3].item(),
            whole.names["cell_type"][whole["neuron"].cell_type[3]],
        )
        others = sorted(set(whole.names["cell_type"]) - {cell_type})
        frame = tables[NUCLEI].astype({"pt_position_y": "Float64"})
        frame.loc[frame["id"] == nucleus, "pt_position_y"] = pd.NA
        service.tables[NUCLEI] = frame
        with pytest.raises(
            CaveError, match=rf"expected a position of every nucleus, got \[.*nan.*\] for nucleus {nucleus};"
        ):
            dataset(service, tmp_path / "b")[0]
        assert dataset(service, tmp_path / "c", cell_types=others)[
            0
        ].num_neurons  # one that is not wanted disturbs nothing


# --- clocks


def test_the_clock_of_the_server_decides_what_has_expired(tmp_path):
    """That of this machine is years before one of these times and years after the other."""
    with Service(small_tables(nuclei=20, synapses=50), token=TOKEN) as service:
        service.expires_on, service.date = "2019-06-01T00:00:00.000000", "Wed, 01 May 2019 00:00:00 GMT"
        assert dataset(service, tmp_path / "a")[0].num_neurons
        service.expires_on, service.date = "2151-06-01T00:00:00.000000", "Fri, 02 Jul 2151 00:00:00 GMT"
        with pytest.raises(CaveError, match="expired on 2151-06-01"):
            dataset(service, tmp_path / "b")[0]
        service.date = ""  # it does not tell the time, but it lists the version among those that it holds
        service.expires_on = "2019-06-01T00:00:00.000000"
        assert dataset(service, tmp_path / "c")[0].num_neurons


def test_a_pause_until_a_date_is_counted_from_the_date_of_the_answer():
    for start in (datetime(2019, 5, 1, tzinfo=timezone.utc), datetime(2151, 7, 2, tzinfo=timezone.utc)):
        dates = [f"{moment:%a, %d %b %Y %H:%M:%S} GMT" for moment in (start, start + timedelta(seconds=40))]
        assert refusal(503, "", {"Date": dates[0], "Retry-After": dates[1]}).after == 40


def test_leftovers_are_dated_by_the_disk(tmp_path, monkeypatch):
    (tmp_path / ".new.part").write_bytes(b"half")
    monkeypatch.setattr("time.time", lambda: 4e9)
    Parts(tmp_path).sweep()
    assert [path.name for path in tmp_path.glob(".*")] == [".new.part"]


# --- patience


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", ["429", "503", "drop"])
def test_patience_outlasts_a_limit_of_requests_per_minute(fault, seed, tmp_path, caplog, capfd):
    with Service(small_tables(nuclei=20, synapses=50), token=TOKEN) as service:
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            if sum(waited) >= 60:
                service.faults.clear()

        service.faults.extend(["ok"] * 9 + [fault] * 1000)
        retries = CaveRetries(sleep=sleep)
        assert dataset(service, tmp_path, retries=retries, rng=seed, progress=True)[0].num_neurons
    lines = [record.getMessage() for record in caplog.records if "CAVE" in record.getMessage()]
    assert len(lines) == len(waited)
    for number, (line, pause) in enumerate(zip(lines, waited, strict=True), 2):
        assert line.startswith("CAVE, ")
        assert line.endswith(f"; try {number} of 8 in {pause:.0f} s.")
    assert "query" not in capfd.readouterr().err, "a bar was written into a file"


def test_each_request_of_a_connection_has_all_the_tries(tmp_path):
    with Service(small_tables(nuclei=20, synapses=50), token=TOKEN) as service:
        for _ in range(4):
            service.faults.extend(["503"] * 7 + ["ok"])
        assert dataset(service, tmp_path)[0].num_neurons
        assert not service.faults
        paths = [path.partition("?")[0] for path, _ in service.requests[:32:8]]
        assert len(set(paths)) == 4
