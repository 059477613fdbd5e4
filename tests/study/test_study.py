from __future__ import annotations

import os
import signal
from dataclasses import replace

import pandas as pd
import pytest
import torch

from graphcortex.data import Connectome
from graphcortex.study import (
    Ensembles,
    InProcess,
    Protocol,
    Store,
    StoreError,
    Study,
    StudyResults,
    load_results,
    load_study,
    run_one,
    run_study,
    summarize,
)
from graphcortex.study._files import folder_lock
from graphcortex.study.engines import runner as module
from graphcortex.tasks import get_task
from tests.study._small import SHORT, SmallConfig, arrays, connectome
from tests.study.test_run import Mirrored, same
from tests.study.test_store import snapshot


@pytest.fixture
def config(tmp_path) -> SmallConfig:
    return SmallConfig(
        tasks=("go_nogo", "perceptual_decision"),
        connectome="tiny",
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


def test_a_study_trains_every_run_and_writes_it_down(config, calls):
    results = quiet(config)
    assert calls == config.study().keys()
    assert len(calls) == 8
    assert results.folder == config.out
    assert sorted(path.name for path in config.out.iterdir()) == [
        "connectomes", "manifest.json", "runs", "runs.csv", "table.csv", "times.csv", "weights",
    ]  # fmt: skip
    for key in config.study().keys():
        direct = run_one(connectome(12), key, config.protocols()["published"])
        assert same(results.store.load(key), direct)
    written = pd.read_csv(config.out / "runs.csv", float_precision="round_trip")
    assert len(written) == 8
    # The file is in an order that knows nothing of what was asked for: W*D*C comes before WD there.
    names = ["task", "seed", "variant"]
    assert written["variant"].tolist() == ["W*D*C", "WD"] * 4
    pd.testing.assert_frame_equal(
        written.sort_values(names, ignore_index=True), results.runs.sort_values(names, ignore_index=True)
    )
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
    keys = config.study().keys()
    assert calls == keys[:2]
    assert not (config.out / "table.csv").exists()
    calls.clear()
    resumed = quiet(config)
    assert calls == keys[2:]
    whole = quiet(replace(config, out=tmp_path / "whole"))
    pd.testing.assert_frame_equal(resumed.runs, whole.runs)
    pd.testing.assert_frame_equal(resumed.table, whole.table)
    for name in ("runs.csv", "table.csv"):
        assert (config.out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_more_seeds_variants_and_tasks_train_what_is_missing_alone(config, calls):
    small = replace(config, seeds=1, tasks=("go_nogo",), variants=("WD",))
    quiet(small)
    assert len(calls) == 1
    calls.clear()
    assert len(quiet(config).runs) == 8
    assert calls == [key for key in config.study().keys() if key not in small.study().keys()]
    calls.clear()
    assert len(quiet(small).runs) == 1
    assert calls == []


def test_another_protocol_is_refused_and_changes_nothing(config, calls):
    quiet(replace(config, seeds=1))
    before = snapshot(config.out)
    calls.clear()
    with pytest.raises(StoreError, match=r"protocols\.published\.epochs: 1 there, 2 asked for.*--overwrite"):
        quiet(replace(config, epochs=2))
    assert calls == []
    assert snapshot(config.out) == before


def test_overwrite_begins_anew(config, calls):
    quiet(replace(config, seeds=1))
    calls.clear()
    other = replace(config, seeds=1, epochs=2, overwrite=True)
    assert (quiet(other).history("go_nogo").groupby(["variant", "seed"]).size() == 2).all()
    assert calls == other.study().keys()


def test_a_damaged_run_is_set_aside_and_run_again(config, calls, capsys):
    config = replace(config, seeds=1)
    whole = quiet(config)
    before = snapshot(config.out)
    broken, weightless = config.study().keys()[:2]
    whole.store.path(broken).write_bytes(b"PAR1")
    whole.store.weights_path(weightless).write_bytes(b"")
    calls.clear()
    again = run_study(config)
    assert calls == [broken, weightless]
    said = capsys.readouterr().err
    assert said.count("set aside in") == 2
    assert str(broken) in said
    for name in ("runs.csv", "table.csv"):
        assert (config.out / name).read_bytes() == before[name]
    assert same(again.store.load(broken), run_one(connectome(12), broken, config.protocols()["published"]))


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


def test_a_run_that_diverges_is_a_result(config, monkeypatch, capsys):
    diverging = replace(SHORT, learning_rate=1e30, epochs=4)
    monkeypatch.setattr(SmallConfig, "protocols", lambda self: {"published": diverging})
    results = run_study(replace(config, seeds=1, variants=("W",)))
    assert results.runs["diverged_epoch"].tolist() == [1, 1]
    assert results.failures == ()
    assert (results.history("go_nogo")["epoch"] == [1, 2]).all()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("2/2 runs, 0 failed, 00:00 to go; last: tiny published perceptual_decision W free")
    quiet(replace(config, seeds=1, variants=("W",)))
    assert capsys.readouterr().err == ""


def test_threads_are_as_asked_and_as_they_were_afterwards(config, monkeypatch):
    seen, run_one = [], module.run_one
    monkeypatch.setattr(module, "run_one", lambda *a, **k: seen.append(torch.get_num_threads()) or run_one(*a, **k))
    before = torch.get_num_threads()
    for threads in (0, 2):
        quiet(replace(config, seeds=1, tasks=("go_nogo",), variants=("W",), threads=threads, overwrite=True))
        assert torch.get_num_threads() == before
    assert seen == [1, 2]  # 12 neurons take one


# --- failures


def failing(monkeypatch, wrong):
    def run_one_or_fail(graph, key, *arguments, **options):
        if wrong(key):
            raise ArithmeticError("too much")
        return run_one(graph, key, *arguments, **options)

    monkeypatch.setattr(module, "run_one", run_one_or_fail)


def test_a_failed_run_stops_nothing_is_told_and_is_tried_again(config, monkeypatch, tmp_path, capsys):
    keys = config.study().keys()
    before = torch.get_num_threads()
    with monkeypatch.context() as patch:
        failing(patch, lambda key: key in keys[:2])
        results = run_study(replace(config, threads=before + 1))
    assert torch.get_num_threads() == before
    assert [failure.key for failure in results.failures] == results.missing == keys[:2]
    assert results.failures[0].error == "ArithmeticError: too much"
    assert "run_one_or_fail" in results.failures[0].traceback
    assert len(results.runs) == len(results.keys) == 6
    assert len(pd.read_csv(config.out / "runs.csv")) == 6
    assert "8/8 runs, 2 failed" in capsys.readouterr().err
    assert load_results(config.out).failures == results.failures
    again = quiet(config)
    assert again.failures == ()
    assert list((config.out / "failures").rglob("*.json")) == []
    quiet(replace(config, out=tmp_path / "whole"))
    for name in ("runs.csv", "table.csv"):
        assert (config.out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_study_of_which_every_run_failed_has_empty_tables(config, monkeypatch):
    failing(monkeypatch, lambda key: True)
    results = quiet(config)
    assert len(results.failures) == 8
    assert len(results.runs) == len(results.table) == 0
    assert str(results) == ""
    assert not (config.out / "runs.csv").exists()
    with pytest.raises(ValueError, match="must have a finished run"):
        results.history("go_nogo")


def test_an_error_of_the_disk_stops_the_study_and_keeps_what_is_there(config, monkeypatch):
    keys, save = config.study().keys(), Store.save

    def full(self, result, **options):
        if result.key == keys[3]:
            raise StoreError("no space left")
        return save(self, result, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", full)
        with pytest.raises(StoreError, match="no space left"):
            quiet(config)
    assert load_results(config.out).keys == keys[:3]
    assert len(quiet(config).runs) == 8


def test_a_ctrl_c_while_a_run_is_written_waits_until_it_is(config, monkeypatch):
    save = Store.save

    def interrupted(self, result, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return save(self, result, **options)

    monkeypatch.setattr(Store, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quiet(config)
    assert load_results(config.out).keys == config.study().keys()[:1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def stopped_after(epochs: int):
    """A log that is the user's Ctrl-C after so many epochs, and the epochs that it has seen."""
    seen = []

    def log(key, row):
        seen.append((key, row["epoch"]))
        if len(seen) == epochs:
            raise KeyboardInterrupt

    return log, seen


@pytest.mark.parametrize("engine", [InProcess(), Ensembles(always=True)], ids=["one by one", "side by side"])
def test_a_run_that_is_stopped_goes_on_from_its_checkpoint(config, tmp_path, engine):
    study = replace(config, epochs=4, tasks=("go_nogo",), variants=("WD",)).study()
    log, seen = stopped_after(3)
    with pytest.raises(KeyboardInterrupt):
        study.run(tmp_path / "out", engine=engine, checkpoint_every=1, log=log, progress=False)
    log, again = stopped_after(-1)
    study.run(tmp_path / "out", engine=engine, checkpoint_every=1, log=log, progress=False)
    trained = seen + again
    assert len(trained) <= 8 + 1, "an epoch whose state was not saved yet is trained twice, and no other"
    assert set(trained) == {(key, epoch) for key in study.keys() for epoch in (1, 2, 3, 4)}
    assert not any((tmp_path / "out" / "checkpoints").rglob("*.pt"))
    study.run(tmp_path / "whole", engine=engine, progress=False)
    assert (tmp_path / "out/runs.csv").read_bytes() == (tmp_path / "whole/runs.csv").read_bytes()


def test_without_checkpoints_a_run_starts_over(config, tmp_path):
    study = replace(config, epochs=4, tasks=("go_nogo",), variants=("WD",), seeds=1).study()
    log, _ = stopped_after(3)
    with pytest.raises(KeyboardInterrupt):
        study.run(tmp_path / "out", log=log, progress=False)
    log, again = stopped_after(-1)
    study.run(tmp_path / "out", log=log, progress=False)
    assert [epoch for _, epoch in again] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"checkpoint_every must .*got -1"):
        study.run(tmp_path / "out", checkpoint_every=-1)


def test_a_study_may_log_every_epoch(config):
    quiet(replace(config, log="csv", epochs=2))
    log = pd.read_csv(config.out / "log.csv")
    assert len(log) == 8 * 2
    assert set(log["variant"]) == {"WD", "W*D*C"}
    with pytest.raises(ValueError, match=r"log must .*got 'paper'"):
        replace(config, log="paper")


def test_the_interval_is_that_of_the_protocol_as_it_was_changed(config):
    study = replace(config, seeds=3).study()
    bounded = {name: replace(protocol, interval="bounded") for name, protocol in study.protocols.items()}
    published = study.run(config.out / "t", progress=False).table
    changed = replace(study, protocols=bounded).run(config.out / "bounded", progress=False).table
    assert (published["mean"].dropna() == changed["mean"].dropna()).all()
    accuracy = changed.query("metric == 'accuracy'")
    assert accuracy["ci95_high"].max() <= 1
    assert not published["ci95_low"].equals(changed["ci95_low"])


def test_tables_are_not_half_written(config, monkeypatch):
    quiet(replace(config, seeds=1))
    before = snapshot(config.out)

    def crash(*arguments):
        raise OSError("full")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(StoreError, match=r"cannot be written to .full."):
        quiet(replace(config, seeds=1))
    assert snapshot(config.out) == before


def test_two_processes_do_not_run_one_folder(config):
    quiet(replace(config, seeds=1))
    before = snapshot(config.out)
    with folder_lock(config.out), pytest.raises(StoreError, match=r"another process is running a study in .*out"):
        quiet(config)
    assert snapshot(config.out) == before


# --- the folder alone is enough


def test_a_folder_says_which_study_it_is(config):
    given = replace(
        config, connectome=("tiny", "other"), protocol=("published", "corrected-test"), recurrence=("free", "nonnegative"),
        tasks=("go_nogo",), variants=("WD",), seeds=1, threads=1,
    )  # fmt: skip
    results = quiet(given)
    there = load_study(given.out)
    assert there.keys() == given.study().keys()
    assert len(there.keys()) == 8
    assert there.settings() == given.study().settings()
    assert there.threads == 1
    loaded = load_results(given.out)
    pd.testing.assert_frame_equal(loaded.runs, results.runs)
    pd.testing.assert_frame_equal(loaded.table, results.table)
    assert loaded.table.groupby(["connectome", "protocol", "recurrence"]).ngroups == 8
    key = loaded.keys[-1]
    assert torch.equal(loaded.learned_graph(key).edge_weight, results.learned_graph(key).edge_weight)


def test_a_stopped_study_goes_on_from_its_folder(config, calls, tmp_path):
    quiet(replace(config, seeds=1))
    with pytest.raises(KeyboardInterrupt):
        config.study().run(config.out, engine=Interrupted(2), progress=False)
    before = snapshot(config.out)
    partial = load_results(config.out)
    missing = partial.missing
    assert (len(partial.runs), len(missing)) == (6, 2)
    assert snapshot(config.out) == before
    calls.clear()
    load_study(config.out).run(config.out, progress=False)
    assert calls == missing
    quiet(replace(config, out=tmp_path / "whole"))
    for name in ("runs.csv", "table.csv"):
        assert (config.out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


class Interrupted:
    """An engine that is interrupted after so many runs."""

    def __init__(self, after: int):
        self.after = after

    def run(self, runner, keys, *, progress):
        yield from InProcess().run(runner, keys[: self.after], progress=progress)
        raise KeyboardInterrupt


def test_any_order_of_the_runs_gives_the_same_tables(config, tmp_path):
    class Backwards:
        def run(self, runner, keys, *, progress):
            return InProcess().run(runner, keys[::-1], progress=progress)

    quiet(config)
    config.study().run(tmp_path / "backwards", engine=Backwards(), progress=False)
    for name in ("runs.csv", "table.csv"):
        assert (config.out / name).read_bytes() == (tmp_path / "backwards" / name).read_bytes()


# --- what a study is made of


def test_a_task_of_ones_own_is_run_and_is_not_read_from_a_folder(tmp_path):
    study = Study({"tiny": connectome(12)}, ("W",), {"mine": Mirrored()}, 1, {"published": SHORT})
    results = study.run(tmp_path / "out", progress=False)
    assert results.runs["task"].tolist() == ["mine"]
    assert "mine, free recurrence" in str(results)
    assert len(study.run(tmp_path / "out", progress=False).runs) == 1
    with pytest.raises(StoreError, match="tasks that are objects of its user's, mine: make the same Study"):
        load_study(tmp_path / "out")
    other = Study(
        {"tiny": connectome(12)}, ("W",), {"mine": get_task("go_nogo", delay_steps=3)}, 1, {"published": SHORT}
    )
    with pytest.raises(StoreError, match=r"tasks\.mine"):
        other.run(tmp_path / "out", progress=False)


def test_protocols_may_be_named(tmp_path):
    study = Study({"tiny": connectome(12)}, ("W",), ("go_nogo",), (3, 5, 3), ("corrected",))
    assert study.protocols == {"corrected": Protocol.corrected()}
    assert [key.seed for key in study.keys()] == [3, 5]


def test_a_connectome_is_a_name_a_path_or_an_object(tmp_path):
    graph = connectome(12)
    graph.save(tmp_path / "mine.pt")
    given = {"variants": ("W",), "tasks": ("go_nogo",), "seeds": 1}
    wanted = Study({"mine": graph}, **given)
    for connectomes in (
        tmp_path / "mine.pt",
        str(tmp_path / "mine.pt"),
        [tmp_path / "mine.pt"],
        {"mine": str(tmp_path / "mine.pt")},
    ):
        study = Study(connectomes, **given)
        assert study.keys() == wanted.keys()
        assert study.settings() == wanted.settings()
    assert list(Study(graph, **given).connectomes) == ["connectome"]
    assert list(Study(["synthetic", tmp_path / "mine.pt"], **given).connectomes) == ["synthetic", "mine"]
    with pytest.raises(TypeError, match="connectomes must be a connectome, a name or a path"):
        Study(3, **given)


BARE = connectome(12, synapse_index=[[], []], count=[])
SILENT = Connectome.from_arrays(*(arrays(12)[name] for name in ("pos", "synapse_index", "count")))
BAD = {
    "no variants": ({"variants": ()}, "variants must name at least one, got none"),
    "one text": ({"variants": "WD"}, r"variants must be a tuple of names, such as \('WD',\)"),
    "no connectome": ({"connectomes": {}}, "connectomes must name at least one"),
    "a connectome that is not there": ({"connectomes": "none.pt"}, "a connectome must be the name of a MICrONS field"),
    "a name that is no file's": ({"connectomes": {"a/b": BARE}}, "connectome must be a name of letters"),
    "an unknown task": ({"tasks": ("juggling",)}, "got 'juggling'"),
    "no seeds": ({"seeds": 0}, "seeds must be a whole number of at least 1, got 0"),
    "half a seed": ({"seeds": (0.5,)}, "seed must be a whole number"),
    "an unknown arm": ({"recurrence": ("both",)}, "got 'both'"),
    "an unknown protocol": ({"protocols": ("mended",)}, "got 'mended'"),
    "an EMD without wiring": ({"connectomes": {"a": BARE}, "variants": ("W", "WDC*")}, r"WDC\* uses the wiring: .*Connectome a"),
    "synapses without wiring": ({"connectomes": {"a": BARE}, "variants": ("W+sparse",)}, "with synapses, got none"),
    "activity without spikes": (
        {"connectomes": {"a": SILENT}, "variants": ("W!D",)},
        "W!D starts from functional relations of all pairs",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_rejects(change, message):
    given = {"connectomes": {"tiny": connectome(12)}, "variants": ("W",), "tasks": ("go_nogo",), "seeds": 1}
    with pytest.raises(ValueError, match=message):
        Study(**{**given, **change})


def test_what_a_variant_does_not_need_may_be_missing():
    assert len(Study({"a": SILENT}, ("W", "WD*C*", "W[synapses]D+sparse"), ("go_nogo",), 1).keys()) == 3


def test_the_tables_keep_what_earlier_calls_finished(config):
    """Another arm, other variants and fewer seeds in the same folder: nothing that was written before is lost."""
    first = quiet(config)
    second = quiet(replace(config, recurrence=("nonnegative",), variants=("WD",), seeds=1))
    assert set(second.runs["recurrence"]) == {"nonnegative"}
    assert len(second.runs) == 2
    written = pd.read_csv(config.out / "runs.csv", float_precision="round_trip")
    assert written["recurrence"].value_counts().to_dict() == {"free": len(first.runs), "nonnegative": 2}
    table = pd.read_csv(config.out / "table.csv")
    assert set(table["recurrence"]) == {"free", "nonnegative"}
    assert len(table) == len(first.table) + len(second.table)
