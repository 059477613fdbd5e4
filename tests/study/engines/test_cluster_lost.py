"""A real scheduler and a real worker that are killed, with kill -9, while a study waits for them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from graphcortex.study import Dask, EngineError, load_results
from graphcortex.study._files import folder_lock
from tests.study.engines._tasks import Slow, study

pytest.importorskip("distributed", reason="Dask is not installed")


def start(program: str, file: Path, *options: str) -> subprocess.Popen:
    """Start a program of Dask in a process group of its own, which ``kill`` ends as a whole."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--scheduler-file", str(file), "--no-dashboard"]
    return subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def kill(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and a worker with its nanny, and the address of the scheduler."""
    file = tmp_path / "scheduler.json"
    processes = [
        start("scheduler", file, "--host", "127.0.0.1", "--port", "0"),
        start("worker", file, "--nthreads", "1"),
    ]
    try:
        while not file.exists():
            assert processes[0].poll() is None, "the scheduler ended"
            time.sleep(0.05)
        yield (*processes, json.loads(file.read_text())["address"])
    finally:
        for process in processes:
            kill(process)


def after_the_first_run(folder: Path, work) -> threading.Thread:
    def wait() -> None:
        while not list(folder.glob("runs/*/*/*/*.parquet")):
            time.sleep(0.02)
        work()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_scheduler_that_is_killed_ends_the_study_and_costs_no_finished_run(cluster, tmp_path):
    scheduler, _, address = cluster
    given, out = study({"slow": Slow(seconds=0.3)}, seeds=50, variants=("WD",)), tmp_path / "out"
    after_the_first_run(out, lambda: kill(scheduler))
    with pytest.raises(EngineError, match=rf"the Dask scheduler {address} was lost .*Finished runs are saved"):
        given.run(out, engine=Dask(address), progress=False)
    with folder_lock(out) as held:
        assert held, "the folder is free"
    finished = load_results(out).keys
    assert 1 <= len(finished) < 50
    fewer = study({"slow": Slow(seconds=0.3)}, seeds=max(key.seed for key in finished) + 2, variants=("WD",))
    assert not fewer.run(out, progress=False).missing


@pytest.mark.slow
def test_an_only_worker_that_is_killed_with_its_nanny_is_missed_and_may_be_replaced(cluster, tmp_path, monkeypatch):
    _, worker, address = cluster
    monkeypatch.setattr("graphcortex.study.engines.cluster._LOOK_EVERY_S", 0.2)
    monkeypatch.setattr("graphcortex.study.engines.cluster._WITHOUT_WORKERS_S", 1)
    given, out = study({"slow": Slow(seconds=0.3)}, seeds=4, variants=("WD",)), tmp_path / "out"
    replaced = []
    missed = threading.Event()
    monkeypatch.setattr(
        "graphcortex.study.progress.warnings.warn", lambda line, *a, **k: (texts.append(line), missed.set())
    )
    texts: list[str] = []

    def replace() -> None:
        kill(worker)
        missed.wait()
        replaced.append(start("worker", tmp_path / "scheduler.json", "--nthreads", "1"))

    thread = after_the_first_run(out, replace)
    try:
        results = given.run(out, engine=Dask(address), progress=False)
    finally:
        thread.join()
        kill(replaced[0])
    assert results.missing == []
    assert texts == [
        f"the Dask scheduler {address} has no worker, and the runs wait for one. Start one: dask worker {address}; or stop with "
        "Ctrl-C: finished runs are saved, and the same call goes on with the others."
    ]
