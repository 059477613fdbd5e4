from __future__ import annotations

import pickle

import pytest
import torch

from graphcortex.study import Failure, RunKey, run_one
from graphcortex.study.engines import Runner
from graphcortex.study.engines.runner import attempt
from tests.study._small import SHORT, connectome
from tests.study.engines._tasks import Wrong
from tests.study.test_run import same

KEY = RunKey("go_nogo", "WD", connectome="tiny")
RUNNER = Runner({"tiny": connectome(12)}, {"published": SHORT})


def test_a_runner_is_a_run_of_its_key():
    assert same(RUNNER(KEY), run_one(connectome(12), KEY, SHORT))


def test_a_runner_travels():
    assert same(pickle.loads(pickle.dumps(RUNNER))(KEY), RUNNER(KEY))


def test_epochs_are_told():
    rows = []
    RUNNER(KEY, rows.append)
    assert [row["epoch"] for row in rows] == [1, 2]


def test_an_error_is_a_failure_and_an_interruption_is_none():
    found = attempt(Runner(RUNNER.connectomes, RUNNER.protocols, {"go_nogo": Wrong()}), KEY)
    assert isinstance(found, Failure)
    assert found.key == KEY
    assert found.error == "LocalError: no such trial"
    assert 'raise LocalError("no such trial")' in found.traceback
    assert str(found) == "tiny published go_nogo WD free seed 0: LocalError: no such trial"
    assert pickle.loads(pickle.dumps(found)) == found

    def interrupted(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(RUNNER, KEY, interrupted)


@pytest.mark.parametrize(("wanted", "neurons", "expected"), [(0, 12, 1), (2, 12, 2), (3, 500, 3)])
def test_threads(monkeypatch, wanted, neurons, expected):
    seen, before = [], torch.get_num_threads()
    monkeypatch.setattr(
        "graphcortex.study.engines.runner.run_one", lambda *a, **k: seen.append(torch.get_num_threads())
    )
    graph = type("Graph", (), {"num_neurons": neurons})()
    Runner({"tiny": graph}, RUNNER.protocols, threads=wanted)(KEY)
    assert seen == [expected]
    assert torch.get_num_threads() == before
