from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphcortex.study import EngineError, Processes, Store
from graphcortex.tasks import GoNoGo
from tests.study.engines._tasks import Deadly, Wrong, study
from tests.study.test_store import snapshot

ROOT = Path(__file__).resolve().parents[3]


def tables(folder) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("runs.csv", "table.csv")}


def test_processes_give_the_same_tables_and_weights(tmp_path, capsys):
    given = study(("go_nogo", "perceptual_decision"))
    given.run(tmp_path / "one", progress=False)
    results = given.run(tmp_path / "two", engine=Processes(2))
    assert tables(tmp_path / "one") == tables(tmp_path / "two")
    assert results.failures == ()
    weights = [{k: v for k, v in snapshot(tmp_path / n).items() if k.startswith("weights")} for n in ("one", "two")]
    assert len(weights[0]) == 8
    assert weights[0] == weights[1]
    assert "8/8 runs, 0 failed" in capsys.readouterr().err
    assert multiprocessing.active_children() == []


def test_a_process_that_ends_costs_its_run_another_try_and_nothing_else(tmp_path):
    """One run kills its process once, one whenever it is tried, one raises an error, and one has nothing to do with it."""
    tasks = {"wrong": Wrong(), "go_nogo": GoNoGo()}
    for name, times in (("once", 1), ("always", 99)):
        (tmp_path / name).mkdir()
        tasks[name] = Deadly(folder=str(tmp_path / name), times=times)
    results = study(tasks, seeds=1, variants=("WD",)).run(tmp_path / "out", engine=Processes(2), progress=False)
    assert sorted(results.runs["task"]) == ["go_nogo", "once"]
    assert [len(list((tmp_path / name).iterdir())) for name in ("once", "always")] == [1, 2]
    failures = {failure.key.task: failure for failure in results.failures}
    assert failures["always"].error == "its process ended (exit code -9), 2 times: killed, or out of memory"
    assert failures["wrong"].error == "LocalError: no such trial"
    assert 'raise LocalError("no such trial")' in failures["wrong"].traceback
    assert len(failures) == 2
    assert multiprocessing.active_children() == []


def test_an_interruption_ends_the_processes(tmp_path, monkeypatch):
    def interrupted(self, result, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study(("go_nogo",)).run(tmp_path / "out", engine=Processes(1), progress=False)
    assert multiprocessing.active_children() == []


def test_a_task_that_cannot_travel_is_told(tmp_path):
    @dataclass(frozen=True)
    class Here(GoNoGo):
        pass

    with pytest.raises(ValueError, match="tasks must be objects of classes of a module"):
        study({"here": Here()}).run(tmp_path / "out", engine=Processes(2), progress=False)


def test_a_script_without_a_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from graphcortex.study import Processes\n"
        "from tests.study.engines._tasks import study\n"
        f"study(('go_nogo',)).run({str(tmp_path / 'out')!r}, engine=Processes(1), progress=False)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=240, check=False, env=environment
    )
    assert done.returncode == 1
    assert "EngineError: a process of the study ended before it could begin (exit code 1)" in done.stderr


@pytest.mark.parametrize("given", [(0,), (2, 0), (1.5,)])
def test_rejects(given):
    with pytest.raises(ValueError, match=r"must be a whole number of at least 1, got"):
        Processes(*given)


def test_the_error_of_an_engine_is_one():
    assert issubclass(EngineError, RuntimeError)
