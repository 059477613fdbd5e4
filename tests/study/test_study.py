from __future__ import annotations

import os
from dataclasses import replace

import pandas as pd
import pytest
import torch

from graphcortex.study import StoreError, StudyResults, run_study, summarize
from graphcortex.study import study as module
from tests.study._small import SHORT, SmallConfig, connectome
from tests.study.test_run import same
from tests.study.test_store import snapshot


@pytest.fixture
def config(tmp_path) -> SmallConfig:
    return SmallConfig(
        tasks=("go_nogo", "perceptual_decision"),
        field="tiny",
        variants=("WD", "W*D*C"),
        seeds=2,
        epochs=1,
        out=tmp_path / "out",
    )


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The runs that were trained, in order."""
    trained, run_one = [], module.run_one
    monkeypatch.setattr(
        module, "run_one", lambda graph, key, *a, **k: trained.append(key) or run_one(graph, key, *a, **k)
    )
    return trained


def quiet(config: SmallConfig) -> StudyResults:
    return run_study(config, progress=False)


def without_times(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[[name for name in runs if not name.startswith("seconds_")]]


def test_a_study_trains_every_run_and_writes_it_down(config, calls):
    results = quiet(config)
    assert calls == config.run_keys()
    assert len(calls) == 8
    assert results.folder == config.out
    assert sorted(path.name for path in config.out.iterdir()) == ["runs", "runs.csv", "study.json", "table.csv"]
    for key in config.run_keys():
        direct = module.run_one(connectome(12), key, config.protocol)
        assert same(results.store.load(key), direct)
    written = pd.read_csv(config.out / "runs.csv", float_precision="round_trip")
    assert len(written) == 8
    assert written["accuracy"].tolist() == results.runs["accuracy"].tolist()
    table = pd.read_csv(config.out / "table.csv", float_precision="round_trip")
    pd.testing.assert_frame_equal(table, results.table)
    pd.testing.assert_frame_equal(results.table, summarize(results.runs))
    assert "paper_mean" not in table


def test_a_finished_study_is_read_and_not_run_again(config, calls):
    first = quiet(config)
    calls.clear()
    second = quiet(config)
    assert calls == []
    pd.testing.assert_frame_equal(first.runs, second.runs)


def test_an_interrupted_study_goes_on_where_it_was(config, calls, monkeypatch, tmp_path):
    """The third run is interrupted; what comes after is the same as without the interruption."""
    run_one = module.run_one

    def interrupted(graph, key, *arguments, **options):
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run_one(graph, key, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "run_one", interrupted)
        with pytest.raises(KeyboardInterrupt):
            quiet(config)
    keys = config.run_keys()
    assert calls == keys[:2]
    assert not (config.out / "table.csv").exists()
    calls.clear()
    resumed = quiet(config)
    assert calls == keys[2:]
    whole = quiet(replace(config, out=tmp_path / "whole"))
    pd.testing.assert_frame_equal(without_times(resumed.runs), without_times(whole.runs))
    pd.testing.assert_frame_equal(resumed.table, whole.table)


def test_more_seeds_variants_and_tasks_train_what_is_missing_alone(config, calls):
    small = replace(config, seeds=1, tasks=("go_nogo",), variants=("WD",))
    quiet(small)
    assert len(calls) == 1
    calls.clear()
    assert len(quiet(config).runs) == 8
    assert calls == [key for key in config.run_keys() if key not in small.run_keys()]
    calls.clear()
    assert len(quiet(small).runs) == 1
    assert calls == []


def test_another_protocol_is_refused_and_changes_nothing(config, calls):
    quiet(replace(config, seeds=1))
    before = snapshot(config.out)
    calls.clear()
    with pytest.raises(StoreError, match=r"protocol\.epochs: 1 there, 2 asked for.*--overwrite"):
        quiet(replace(config, epochs=2))
    assert calls == []
    assert snapshot(config.out) == before


def test_overwrite_begins_anew(config, calls):
    quiet(replace(config, seeds=1))
    calls.clear()
    other = replace(config, seeds=1, epochs=2, overwrite=True)
    assert (quiet(other).history("go_nogo").groupby(["variant", "seed"]).size() == 2).all()
    assert calls == other.run_keys()


def test_a_damaged_run_is_named(config):
    results = quiet(replace(config, seeds=1))
    path = results.store.path(config.run_keys()[0]) / "history.csv"
    path.write_text("")
    with pytest.raises(StoreError) as caught:
        quiet(config)
    assert str(path) in str(caught.value)


def test_the_history_is_that_of_one_task(config):
    results = quiet(config)
    history = results.history("perceptual_decision")
    assert list(zip(history["variant"], history["seed"], strict=True)) == [
        ("WD", 0), ("W*D*C", 0), ("WD", 1), ("W*D*C", 1),
    ]  # fmt: skip
    runs = results.runs.query("task == 'perceptual_decision'")
    assert history["accuracy"].tolist() == runs["accuracy"].tolist()


def test_results_print_as_their_table(config):
    text = str(quiet(replace(config, seeds=1)))
    assert text.count("recurrence (chance") == 2
    assert "W*D*C" in text


def test_the_bar_counts_every_epoch_also_where_a_run_ends_early(config, monkeypatch, capsys):
    """A run that diverges is two epochs long, and the bar goes on as if it had been whole."""
    diverging = replace(SHORT, learning_rate=1e30, epochs=4)
    monkeypatch.setattr(SmallConfig, "protocol", property(lambda self: diverging))
    results = run_study(replace(config, epochs=4, seeds=1, variants=("W",)))
    assert results.runs["diverged_epoch"].tolist() == [1, 1]
    assert (results.history("go_nogo")["epoch"] == [1, 2]).all()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "8/8" in captured.err
    assert "perceptual_decision W free seed 0 (2/2)" in captured.err
    quiet(replace(config, epochs=4, seeds=1, variants=("W",)))
    assert capsys.readouterr().err == ""


def test_threads_are_as_asked_and_as_they_were_afterwards(config, monkeypatch):
    seen, run_one = [], module.run_one
    monkeypatch.setattr(module, "run_one", lambda *a, **k: seen.append(torch.get_num_threads()) or run_one(*a, **k))
    before = torch.get_num_threads()
    for threads in (0, 2):
        quiet(replace(config, seeds=1, tasks=("go_nogo",), variants=("W",), threads=threads, overwrite=True))
        assert torch.get_num_threads() == before
    assert seen == [1, 2]  # 12 neurons take one


def test_a_crash_leaves_the_threads_as_they_were(config, monkeypatch):
    def crash(*arguments, **options):
        raise OSError("no")

    monkeypatch.setattr(module, "run_one", crash)
    before = torch.get_num_threads()
    with pytest.raises(OSError, match="no"):
        quiet(replace(config, threads=before + 1))
    assert torch.get_num_threads() == before


def test_tables_are_not_half_written(config, monkeypatch):
    results = quiet(replace(config, seeds=1))
    before = snapshot(config.out)

    def crash(*arguments):
        raise OSError("full")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="full"):
        module.collect(results.config, results.connectome, results.store, results.config.run_keys())
    assert snapshot(config.out) == before


def test_the_tables_keep_what_earlier_calls_finished(config):
    """Another arm, other variants and fewer seeds in the same folder: nothing that was written before is lost."""
    first = quiet(config)
    second = quiet(replace(config, recurrence="nonnegative", variants=("WD",), seeds=1))
    assert set(second.runs["recurrence"]) == {"nonnegative"}
    assert len(second.runs) == 2
    written = pd.read_csv(config.out / "runs.csv", float_precision="round_trip")
    assert written["recurrence"].value_counts().to_dict() == {"free": len(first.runs), "nonnegative": 2}
    table = pd.read_csv(config.out / "table.csv")
    assert set(table["recurrence"]) == {"free", "nonnegative"}
    assert len(table) == len(first.table) + len(second.table)
