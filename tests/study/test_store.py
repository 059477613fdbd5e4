from __future__ import annotations

import errno
import io
import json
import math
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from graphcortex import _atomic
from graphcortex.study import Failure, RunKey, RunResult, Store, StoreError, _files, manifest
from graphcortex.study import store as module
from graphcortex.study.fingerprint import fingerprint
from tests.study._small import connectome

SETTINGS = {"field": "tiny", "protocols": {"published": {"epochs": 2, "betas": (0.9, 0.999)}}}
KEY = RunKey("go_nogo", "W*D*C", "free", 3)


def result(key: RunKey = KEY, **changed) -> RunResult:
    rng = np.random.default_rng(key.seed)
    history = pd.DataFrame(
        {
            "epoch": [1, 2],
            "loss": rng.random(2) / 3,
            "accuracy": [1 / 3, 2 / 3],
            "val_loss": [0.1 + 0.2, math.nan],
            "val_accuracy": rng.random(2),
            "seconds": rng.random(2),
            "diverged": [False, True],
        }
    )
    facts = {
        "metrics": {"accuracy": 2 / 3, "modularity": math.nan, "entropy": 0.1 + 0.2},
        "reasons": {"modularity": "no edge – none"},
        "accuracies": {"train": 2 / 3, "validation": 0.1 + 0.2, "test": math.nan},
        "best_epoch": 1,
        "diverged_epoch": 2,
        "seconds": {"build": 0.1, "train": 1 / 3},
        "weights": {
            "rnn.edge_weight": torch.from_numpy(rng.normal(size=9)).float(),
            "readout.bias": torch.tensor([math.inf, math.nan, -0.0]),
        },
    }
    return RunResult(**{"key": key, "history": history, **facts, **changed})


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "out", SETTINGS)


# --- a run on disk


def test_a_run_comes_back_to_the_last_bit(store):
    saved = result()
    assert KEY not in store
    path = store.save(saved)
    assert KEY in store
    slug = "synthetic/published/go_nogo/WstarDstarC-free-seed3"
    assert path == store.path(KEY) == store.folder / "runs" / f"{slug}.parquet"
    assert store.weights_path(KEY) == store.folder / "weights" / f"{slug}.npz"
    assert list(snapshot(store.folder)) == ["manifest.json", f"runs/{slug}.parquet", f"weights/{slug}.npz"]
    loaded = Store(store.folder, SETTINGS).load(KEY)
    assert loaded.key == KEY
    pd.testing.assert_frame_equal(loaded.history, saved.history, check_exact=True)
    assert str(loaded.metrics) == str(saved.metrics)
    assert loaded.reasons == saved.reasons
    assert (loaded.best_epoch, loaded.diverged_epoch) == (1, 2)
    assert str(loaded.accuracies) == str(saved.accuracies)
    assert loaded.seconds == saved.seconds
    assert loaded.weights.keys() == saved.weights.keys()
    for name, value in loaded.weights.items():
        assert value.dtype == torch.float32
        assert value.numpy().tobytes() == saved.weights[name].numpy().tobytes()
    assert str(loaded.row()) == str(saved.row())


def test_a_run_is_read_by_others(store):
    """Parquet is read by pandas and anything else, without this library."""
    table = pd.read_parquet(store.save(result()))
    assert table["variant"].tolist() == ["W*D*C"]
    assert dict(table["metrics"][0])["accuracy"] == 2 / 3
    assert [row["epoch"] for row in table["history"][0]] == [1, 2]


def test_a_run_that_did_not_diverge_comes_back_so(store):
    store.save(result(diverged_epoch=None, reasons={}))
    assert store.load(KEY).diverged_epoch is None
    assert store.load(KEY).reasons == {}


def test_any_history_comes_back(store):
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [math.nan] * 3, "note": ["a", "", "c"], "on": [True] * 3})
    store.save(result(history=history))
    pd.testing.assert_frame_equal(store.load(KEY).history, history, check_exact=True)


def test_weights_may_be_left_out(store):
    store.save(result(), keep_weights=False)
    assert not (store.folder / "weights").exists()
    assert store.load(KEY).weights == {}
    assert store.set_aside_damaged([KEY]) == []


def test_weights_are_not_read_where_they_are_not_asked_for(store):
    store.save(result())
    store.weights_path(KEY).unlink()
    assert store.load(KEY, weights=False).weights == {}


def test_runs_do_not_mix(store):
    other = RunKey("go_nogo", "W*D*C", "nonnegative", 3)
    store.save(result())
    assert other not in store
    store.save(result(other, metrics={"accuracy": 0.25}))
    assert store.load(KEY).metrics["accuracy"] == 2 / 3
    assert store.load(other).metrics == {"accuracy": 0.25}


def test_a_run_that_is_saved_again_replaces_the_first(store):
    store.save(result())
    store.save(result(metrics={"accuracy": 0.5}))
    assert store.load(KEY).metrics == {"accuracy": 0.5}
    assert len(snapshot(store.folder)) == 3


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["full", "interrupted"]
)
@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_crash_while_saving_leaves_no_run(store, monkeypatch, broken, error, at):
    """At the weights, and at the run after them."""
    calls, real = [], getattr(os, broken)
    monkeypatch.setattr(_atomic, "_sync_folder", lambda folder: None)

    def crash(*arguments, **options):
        calls.append(arguments)
        if len(calls) == at:
            raise error
        return real(*arguments, **options)

    expected = StoreError if isinstance(error, OSError) else KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(os, broken, crash)
        with pytest.raises(expected) as caught:
            store.save(result())
    if expected is StoreError:
        assert "No space left on device" in str(caught.value)
        assert "the same command goes on" in str(caught.value)
    assert KEY not in store
    assert [name for name in snapshot(store.folder) if name.endswith((".part", ".parquet"))] == []
    store.save(result())
    assert store.load(KEY).diverged_epoch == 2


def test_half_written_files_of_a_killed_run_are_no_run(store):
    partial = store.path(KEY).parent / ".WstarDstarC-free-seed3.parquet.1a2b3c4d.part"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"PAR1")
    assert KEY not in store
    assert store.finished() == []
    store.clean()
    assert not partial.exists()


def test_a_folder_in_which_only_a_beginning_was_killed_is_begun_again(tmp_path):
    (tmp_path / ".manifest.json.1a2b3c4d.part").write_text("{")
    store = Store(tmp_path, SETTINGS)
    store.clean()
    assert list(snapshot(tmp_path)) == ["manifest.json"]


# --- what cannot be read


def test_a_missing_run_is_named(store):
    with pytest.raises(
        StoreError,
        match=r"the run synthetic published go_nogo W\*D\*C free seed 3 is not in .*out; run the study first",
    ):
        store.load(KEY)


def damaged(content: bytes) -> bytes:
    return content[: len(content) // 2]


DAMAGE = {
    "half a run": ("path", damaged),
    "an empty run": ("path", lambda content: b""),
    "a run that is text": ("path", lambda content: b"accuracy,0.9\n"),
    "another table": ("path", lambda content: parquet({"a": [1]})),
    "no row": ("path", lambda content: parquet(pq.read_table(io.BytesIO(content)).slice(0, 0))),
    "a run without its checksum": (
        "path",
        lambda content: parquet(pq.read_table(io.BytesIO(content)).replace_schema_metadata(None)),
    ),
    "half the weights": ("weights_path", damaged),
    "no weights": ("weights_path", lambda content: b""),
    "weights that are text": ("weights_path", lambda content: b"weights"),
    "an altered byte": ("weights_path", lambda content: content[:90] + bytes([content[90] ^ 255]) + content[91:]),
}


def parquet(table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), sink)
    return sink.getvalue()


@pytest.mark.parametrize(("name", "change"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_named_and_set_aside(store, name, change):
    other = RunKey("go_nogo", "W")
    for key in (KEY, other):
        store.save(result(key))
    path = getattr(store, name)(KEY)
    content = change(path.read_bytes())
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        store.load(KEY)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    (line,) = store.set_aside_damaged([KEY, other])
    assert "W*D*C free seed 3" in line
    assert KEY not in store
    assert other in store
    assert not store.weights_path(KEY).exists()
    kept = snapshot(store.folder / "set_aside")
    assert sorted(Path(found).suffix for found in kept) == [".npz", ".parquet"]
    assert content in kept.values()
    store.save(result())
    assert store.set_aside_damaged([KEY, other]) == []


def test_every_altered_byte_that_changes_a_run_is_found(store):
    """Whatever byte of a run is altered, what is read is what was written, or nothing is."""
    path = store.save(result(), keep_weights=False)
    content, expected = path.read_bytes(), result()
    found = 0
    for position in range(0, len(content), 7):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x15]) + content[position + 1 :])
        try:
            loaded = store.load(KEY)
        except StoreError:
            found += 1
            continue
        assert str(loaded.metrics) == str(expected.metrics)
        assert loaded.seconds == expected.seconds
        pd.testing.assert_frame_equal(loaded.history, expected.history, check_exact=True)
    assert found > len(content) / 7 / 4


def test_the_run_of_another_key_is_no_run_of_this_one(store):
    other = RunKey("go_nogo", "W*D*C", "free", 4)
    content = store.save(result(other)).read_bytes()
    store.path(KEY).write_bytes(content)
    with pytest.raises(StoreError, match=r"expected the run .* seed 3, got another"):
        store.load(KEY)


@pytest.mark.parametrize("name", ["path", "weights_path"])
def test_a_missing_file_is_named(store, name):
    store.save(result())
    path = getattr(store, name)(KEY)
    path.unlink()
    with pytest.raises(StoreError):
        store.load(KEY)
    assert len(store.set_aside_damaged([KEY])) == (name == "weights_path")


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "it ran"))


def test_weights_that_ask_for_code_are_refused_and_nothing_runs(store, tmp_path, monkeypatch):
    store.save(result())
    path, mark = store.weights_path(KEY), tmp_path / "mark"
    content = io.BytesIO()
    np.lib.format.write_array(content, np.array([Hostile(mark)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rnn.edge_weight.npy", content.getvalue())
    with pytest.raises(StoreError, match=r"npz"):
        store.load(KEY)
    with monkeypatch.context() as patch:  # whoever writes the file may write its checksum too
        patch.setattr(module, "_read_whole", lambda path, sha256: path.read_bytes())
        with pytest.raises(StoreError, match=r"npz.*allow_pickle"):
            store.load(KEY)
    assert not mark.exists()
    with np.load(path, allow_pickle=True) as arrays:  # so that the file would have run
        arrays["rnn.edge_weight"]
    assert mark.read_text() == "it ran"


# --- failures


def test_a_failure_is_kept_until_its_run_is_there(store):
    try:
        raise ZeroDivisionError("division by\nzero")
    except ZeroDivisionError as error:
        failure = Failure.of(KEY, error)
    assert failure.error == "ZeroDivisionError: division by zero"
    store.save_failure(failure)
    assert store.failures() == [failure]
    assert "test_store.py" in store.failures()[0].traceback
    assert KEY not in store
    store.save(result())
    assert store.failures() == []


# --- whose folder it is


def test_the_same_settings_go_on(store):
    store.save(result())
    before = snapshot(store.folder)
    assert KEY in Store(
        store.folder, {"protocols": {"published": {"betas": [0.9, 0.999], "epochs": 2}}, "field": "tiny"}
    )
    assert snapshot(store.folder) == before


def test_more_names_are_let_in_and_kept(store):
    protocols = {"corrected": {"epochs": 7}}
    Store(store.folder, {"field": "tiny", "protocols": protocols}, study={"seeds": [0]})
    there = Store.open(store.folder).manifest
    assert there["settings"]["protocols"] == {"published": {"epochs": 2, "betas": [0.9, 0.999]}, **protocols}
    assert there["study"] == {"seeds": [0]}
    with pytest.raises(StoreError, match=r"protocols\.corrected\.epochs: 7 there, 8 asked for"):
        Store(store.folder, {"field": "tiny", "protocols": {"corrected": {"epochs": 8}}})


def test_the_manifest_says_what_it_ran_on(store, monkeypatch):
    found = store.manifest
    assert found["machines"][0]["versions"]["torch"] == torch.__version__
    assert found["machines"][0]["hardware"]["cpus"] == os.cpu_count()
    assert found["began"].startswith("20")
    monkeypatch.setattr(manifest, "machine", lambda: {"versions": {"torch": "9"}, "hardware": {}})
    for _ in range(2):
        Store(store.folder, SETTINGS)
    assert [machine["versions"]["torch"] for machine in store.manifest["machines"]] == [torch.__version__, "9"]


def test_other_settings_are_refused_with_what_differs(store):
    store.save(result())
    before = snapshot(store.folder)
    other = {"field": "6_6_2", "protocols": {"published": {"epochs": 10, "betas": (0.9, 0.999), "more": 1}}}
    with pytest.raises(StoreError) as caught:
        Store(store.folder, other)
    message = str(caught.value)
    assert str(store.folder) in message
    assert "field: 'tiny' there, '6_6_2' asked for" in message
    assert "protocols.published.epochs: 2 there, 10 asked for" in message
    assert "protocols.published.more: None there, 1 asked for" in message
    assert "betas" not in message
    assert "--overwrite" in message
    assert snapshot(store.folder) == before


def test_overwrite_deletes_another_study(store):
    store.save(result())
    store.write_table("runs.csv", "a\n")
    again = Store(store.folder, {"field": "6_6_2"}, overwrite=True)
    assert KEY not in again
    assert again.manifest["settings"] == {"field": "6_6_2"}
    assert list(snapshot(store.folder)) == ["manifest.json"]


def test_a_study_in_the_earlier_format_is_another_study(tmp_path):
    (tmp_path / "study.json").write_text("{}")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "result.json").write_text("{}")
    before = snapshot(tmp_path)
    with pytest.raises(StoreError, match=r"format of an earlier version \(study.json\).*--overwrite"):
        Store(tmp_path, SETTINGS)
    with pytest.raises(StoreError, match=r"got none but one of an earlier version"):
        Store.open(tmp_path)
    assert snapshot(tmp_path) == before
    Store(tmp_path, SETTINGS, overwrite=True)
    assert list(snapshot(tmp_path)) == ["manifest.json"]


def test_open_reads_and_writes_nothing(store):
    store.save(result())
    before = snapshot(store.folder)
    assert Store.open(str(store.folder)).finished() == [KEY]
    assert snapshot(store.folder) == before
    with pytest.raises(StoreError, match=r"must be the results folder of a study, with a manifest.json; got none"):
        Store.open(store.folder / "elsewhere")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"not empty and holds no study.*choose another --out"):
        Store(tmp_path, SETTINGS, overwrite=overwrite)
    assert snapshot(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["manifest.json", "study.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b'"text"', b"\xff"], ids=repr)
def test_a_folder_whose_settings_cannot_be_read_is_never_touched(tmp_path, overwrite, name, content):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=name):
        Store(tmp_path, SETTINGS, overwrite=overwrite)
    assert snapshot(tmp_path) == {name: content, "thesis.tex": b"years of work"}


MANIFESTS = {
    "of something else": ({"format": "graphcortex.Connectome"}, "expected a graphcortex.Study"),
    "of a later version": ({"format": "graphcortex.Study", "version": 9}, "got 9; update graphcortex"),
    "without settings": ({"format": "graphcortex.Study", "version": 1}, "expected settings, study and machines"),
}


@pytest.mark.parametrize(("content", "message"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_is_none_is_refused(tmp_path, content, message):
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    for make in (Store.open, lambda folder: Store(folder, SETTINGS, overwrite=True)):
        with pytest.raises(StoreError, match=message):
            make(tmp_path)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_place_of_the_folder_is_refused(tmp_path, overwrite):
    path = tmp_path / "out"
    path.write_text("a file")
    with pytest.raises(StoreError, match=r"must be a folder, got a file; choose another"):
        Store(path, SETTINGS, overwrite=overwrite)
    assert path.read_text() == "a file"


def test_overwrite_leaves_what_else_lies_in_the_folder(store):
    """Only what a study writes is a study's to delete."""
    store.save(result())
    (store.folder / "notes.txt").write_text("mine")
    (store.folder / "figures").mkdir()
    Store(store.folder, {"field": "6_6_2"}, overwrite=True)
    assert list(snapshot(store.folder)) == ["manifest.json", "notes.txt"]
    assert not (store.folder / "figures").exists()


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path):
    assert Store(tmp_path, SETTINGS).folder == tmp_path
    assert Store(str(tmp_path / "a" / "b"), SETTINGS).folder.is_dir()


def test_connectomes_are_kept_with_the_results(store):
    graph = connectome(5)
    store.save_connectomes({"tiny": graph})
    before = snapshot(store.folder)
    store.save_connectomes({"tiny": graph})
    assert snapshot(store.folder) == before
    assert fingerprint(store.load_connectome("tiny")) == fingerprint(graph)


# --- names


def test_the_folder_names_its_runs_and_nothing_else(store):
    keys = [KEY, RunKey("perceptual_decision", "W!D*C*", "nonnegative", 12), RunKey("go_nogo", "W*[no-diagonal]D")]
    for key in keys:
        store.save(result(key))
    for foreign in (
        "notes/mine.parquet",
        "a/b/go_nogo/WD-free-seed.parquet",
        "a/published/go_nogo/.WD-free-seed1.part",
    ):
        path = store.folder / "runs" / foreign
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert sorted(map(str, store.finished())) == sorted(map(str, keys))
    assert all(RunKey.from_slug(key.slug) == key for key in keys)
    with pytest.raises(ValueError, match=r"slug must be like .*got 'go_nogo'"):
        RunKey.from_slug("go_nogo")


def test_one_process_at_a_time_holds_a_folder(tmp_path):
    with _files.folder_lock(tmp_path) as first, _files.folder_lock(tmp_path) as second:
        assert (first, second) == (True, False)
    with _files.folder_lock(tmp_path) as again:
        assert again
    assert list(tmp_path.iterdir()) == []
