"""A real scheduler and real workers, on the loopback."""

from __future__ import annotations

import pytest

from graphcortex.study import Dask, EngineError
from graphcortex.tasks import GoNoGo
from tests.study.engines._tasks import Deadly, Wrong, study
from tests.study.engines.test_processes import tables

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'graphcortex-rnn[study]'")


@pytest.fixture(scope="module")
def cluster():
    dask = pytest.importorskip("dask")
    options = {"dashboard_address": ":0", "host": "127.0.0.1", "memory_limit": None}
    with (
        dask.config.set(
            {"distributed.scheduler.allowed-failures": 1}
        ),  # to lose fewer workers, which take seconds to start
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **options) as found,
    ):
        yield found


def test_a_cluster_gives_the_same_tables_by_its_address(cluster, tmp_path):
    given = study(("go_nogo", "perceptual_decision"))
    given.run(tmp_path / "one", progress=False)
    results = given.run(tmp_path / "two", engine=Dask(cluster.scheduler_address), progress=False)
    assert results.failures == ()
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


def test_a_worker_that_is_killed_in_a_run_costs_a_retry_and_nothing_else(cluster, tmp_path):
    """kill -9, from within the first run; an error of another run is no reason to try that again."""
    (tmp_path / "marks").mkdir()
    tasks = {"deadly": Deadly(folder=str(tmp_path / "marks")), "go_nogo": GoNoGo(), "wrong": Wrong()}
    with distributed.Client(cluster, set_as_default=False) as client:
        results = study(tasks, seeds=1).run(tmp_path / "out", engine=Dask(client), progress=False)
        assert client.status == "running"
    assert len(list((tmp_path / "marks").iterdir())) == 1
    assert results.runs["task"].tolist() == ["deadly"] * 2 + ["go_nogo"] * 2
    assert {failure.error for failure in results.failures} == {"LocalError: no such trial"}
    assert 'raise LocalError("no such trial")' in results.failures[0].traceback


def test_a_run_that_kills_every_worker_fails_and_the_others_do_not(cluster, tmp_path):
    """It takes others with it, what they gave and what they shared; alone it shows that it is the one."""
    (tmp_path / "marks").mkdir()
    tasks = {"deadly": Deadly(folder=str(tmp_path / "marks"), times=99), "go_nogo": GoNoGo()}
    results = study(tasks, seeds=1, variants=("WD",)).run(
        tmp_path / "out", engine=Dask(cluster.scheduler_address), progress=False
    )
    assert results.runs["task"].tolist() == ["go_nogo"]
    assert [failure.key.task for failure in results.failures] == ["deadly"]
    assert {failure.error for failure in results.failures} == {
        "its worker ended whenever it ran, alone too: killed, or out of memory"
    }
    assert len(list((tmp_path / "marks").iterdir())) <= 4  # twice, and twice alone


def test_no_scheduler_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("graphcortex.study.engines.cluster._PATIENCE_S", 0.5)
    with pytest.raises(EngineError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        study(("go_nogo",)).run(tmp_path / "out", engine=Dask("tcp://127.0.0.1:1"), progress=False)
