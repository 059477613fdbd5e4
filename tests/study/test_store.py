from __future__ import annotations

import io
import json
import math
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from graphcortex.study import RunKey, RunResult, Store, StoreError
from graphcortex.study.store import write_text

SETTINGS = {"field": "tiny", "protocol": {"epochs": 2, "betas": (0.9, 0.999)}}
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
        "diverged_epoch": 2,
        "seconds": {"build": 0.1, "train": 1 / 3},
        "weights": {
            "rnn.edge_weight": torch.from_numpy(rng.normal(size=9)).float(),
            "readout.bias": torch.tensor([math.inf, math.nan, -0.0]),
        },
    }
    return RunResult(key=key, history=history, **{**facts, **changed})


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "out", SETTINGS)


# --- a run on disk


def test_a_run_comes_back_to_the_last_bit(store):
    saved = result()
    assert KEY not in store
    folder = store.save(saved)
    assert KEY in store
    assert (
        folder
        == store.path(KEY)
        == store.folder / "runs" / "synthetic" / "published" / "go_nogo" / "WstarDstarC-free-seed3"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "result.json", "weights.npz"]
    loaded = Store(store.folder, SETTINGS).load(KEY)
    assert loaded.key == KEY
    pd.testing.assert_frame_equal(loaded.history, saved.history, check_exact=True)
    assert str(loaded.metrics) == str(saved.metrics)
    assert loaded.reasons == saved.reasons
    assert loaded.diverged_epoch == 2
    assert loaded.seconds == saved.seconds
    assert loaded.weights.keys() == saved.weights.keys()
    for name, value in loaded.weights.items():
        assert value.dtype == torch.float32
        assert value.numpy().tobytes() == saved.weights[name].numpy().tobytes()
    assert str(loaded.row()) == str(saved.row())


def test_a_run_that_did_not_diverge_comes_back_so(store):
    store.save(result(diverged_epoch=None))
    assert store.load(KEY).diverged_epoch is None


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
    assert len(list(store.path(KEY).parent.iterdir())) == 1


def test_other_people_may_read_what_was_written(store):
    folder = store.save(result())
    umask = os.umask(0)
    os.umask(umask)
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (store.folder / "study.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("broken", ["savez_compressed", "to_csv", "dumps", "replace"])
@pytest.mark.parametrize(
    "error", [OSError("No space left on device"), KeyboardInterrupt()], ids=["full", "interrupted"]
)
def test_a_crash_while_saving_leaves_nothing(store, monkeypatch, broken, error):
    def crash(*arguments, **options):
        raise error

    owner = {"savez_compressed": np, "to_csv": pd.DataFrame, "dumps": json, "replace": os}[broken]
    before = snapshot(store.folder)
    with monkeypatch.context() as patch:
        patch.setattr(owner, broken, crash)
        with pytest.raises(type(error)):
            store.save(result())
    assert KEY not in store
    assert snapshot(store.folder) == before
    assert list(store.path(KEY).parent.iterdir()) == []
    store.save(result())
    assert KEY in store


def test_a_half_written_folder_of_a_killed_run_is_no_run(store):
    partial = store.path(KEY).parent / ".WstarDstarC-free-seed3.abc"
    partial.mkdir(parents=True)
    (partial / "history.csv").write_text("epoch\n1\n")
    assert KEY not in store
    store.save(result())
    assert store.load(KEY).diverged_epoch == 2


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
    "half a result": ("result.json", damaged),
    "an empty result": ("result.json", lambda content: b""),
    "a result that is a list": ("result.json", lambda content: b"[1, 2]"),
    "a result without metrics": (
        "result.json",
        lambda content: b'{"reasons": {}, "diverged_epoch": null, "seconds": {}}',
    ),
    "a result with more": ("result.json", lambda content: content.replace(b"{", b'{"more": 1, ', 1)),
    "bytes that are no text": ("result.json", lambda content: b"\xff\xfe"),
    "half the weights": ("weights.npz", damaged),
    "no weights": ("weights.npz", lambda content: b""),
    "weights that are text": ("weights.npz", lambda content: b"weights"),
    "an altered byte": ("weights.npz", lambda content: content[:90] + bytes([content[90] ^ 255]) + content[91:]),
    "an empty history": ("history.csv", lambda content: b""),
    "a history without columns": ("history.csv", lambda content: b"a,b\n1,2\n"),
}


@pytest.mark.parametrize(("name", "change"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_named(store, name, change):
    path = store.save(result()) / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(StoreError) as caught:
        store.load(KEY)
    assert str(path) in str(caught.value)
    assert "delete" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["weights.npz", "history.csv"])
def test_a_missing_file_is_named(store, name):
    path = store.save(result()) / name
    path.unlink()
    with pytest.raises(StoreError) as caught:
        store.load(KEY)
    assert str(path) in str(caught.value)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "it ran"))


def test_weights_that_ask_for_code_are_refused_and_nothing_runs(store, tmp_path):
    path, mark = store.save(result()) / "weights.npz", tmp_path / "mark"
    content = io.BytesIO()
    np.lib.format.write_array(content, np.array([Hostile(mark)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rnn.edge_weight.npy", content.getvalue())
    with pytest.raises(StoreError, match=r"weights\.npz"):
        store.load(KEY)
    assert not mark.exists()
    with np.load(path, allow_pickle=True) as arrays:  # so that the file would have run
        arrays["rnn.edge_weight"]
    assert mark.read_text() == "it ran"


# --- whose folder it is


def test_the_same_settings_go_on(store):
    store.save(result())
    before = snapshot(store.folder)
    assert KEY in Store(store.folder, {"protocol": {"betas": [0.9, 0.999], "epochs": 2}, "field": "tiny"})
    assert snapshot(store.folder) == before


def test_other_settings_are_refused_with_what_differs(store):
    store.save(result())
    before = snapshot(store.folder)
    other = {"field": "6_6_2", "protocol": {"epochs": 10, "betas": (0.9, 0.999), "more": 1}}
    with pytest.raises(StoreError) as caught:
        Store(store.folder, other)
    message = str(caught.value)
    assert str(store.folder) in message
    assert "field: 'tiny' there, '6_6_2' asked for" in message
    assert "protocol.epochs: 2 there, 10 asked for" in message
    assert "protocol.more: None there, 1 asked for" in message
    assert "betas" not in message
    assert "--overwrite" in message
    assert snapshot(store.folder) == before


def test_overwrite_deletes_another_study(store):
    store.save(result())
    again = Store(store.folder, {"field": "6_6_2"}, overwrite=True)
    assert KEY not in again
    assert json.loads((store.folder / "study.json").read_text()) == {"field": "6_6_2"}
    assert list(snapshot(store.folder)) == ["study.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"not empty and holds no study.*choose another --out"):
        Store(tmp_path, SETTINGS, overwrite=overwrite)
    assert snapshot(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("content", [b"{", b"[]", b'"text"', b"\xff"], ids=repr)
def test_a_folder_whose_settings_cannot_be_read_is_never_touched(tmp_path, overwrite, content):
    (tmp_path / "study.json").write_bytes(content)
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"study\.json"):
        Store(tmp_path, SETTINGS, overwrite=overwrite)
    assert snapshot(tmp_path) == {"study.json": content, "thesis.tex": b"years of work"}


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
    assert list(snapshot(store.folder)) == ["notes.txt", "study.json"]
    assert not (store.folder / "figures").exists()


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path):
    assert Store(tmp_path, SETTINGS).folder == tmp_path
    assert Store(str(tmp_path / "a" / "b"), SETTINGS).folder.is_dir()


# --- text files


def test_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_text(path, "old ±\n")

    def crash(*arguments):
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(OSError, match="no"):
            write_text(path, "new")
    assert snapshot(tmp_path) == {"table.csv": "old ±\n".encode()}
    write_text(path, "new")
    assert snapshot(tmp_path) == {"table.csv": b"new"}


def test_the_folder_names_its_runs_and_nothing_else(store):
    keys = [KEY, RunKey("perceptual_decision", "W!D*C*", "nonnegative", 12), RunKey("go_nogo", "W")]
    for key in keys:
        store.save(result(key))
    for foreign in (
        "notes/mine/result.json",
        "go_nogo/WD-free-seed/result.json",
        "go_nogo/.WD-free-seed1.x/history.csv",
    ):
        path = store.folder / "runs" / foreign
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    assert sorted(map(str, store.finished())) == sorted(map(str, keys))
    assert all(RunKey.from_slug(key.slug) == key for key in keys)
    with pytest.raises(ValueError, match=r"slug must be like .*got 'go_nogo'"):
        RunKey.from_slug("go_nogo")
