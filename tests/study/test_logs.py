from __future__ import annotations

import builtins
import pickle
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from graphcortex._optional import MissingDependencyError
from graphcortex.study import RunKey, csv_log, run_one, tensorboard_log
from tests.study._small import SHORT, connectome

GRAPH = connectome(8)
KEYS = (RunKey("go_nogo", "W*D*C", seed=1), RunKey("go_nogo", "W", "nonnegative"))
ROW = {"loss": 0.1 + 0.2, "accuracy": 1 / 3, "val_loss": 0.5, "val_accuracy": 0.5, "seconds": 1.0, "diverged": False}


def test_a_csv_log_has_a_line_per_epoch_of_each_run(tmp_path):
    path = tmp_path / "deep" / "log.csv"
    results = [run_one(GRAPH, key, SHORT, log=csv_log(path)) for key in KEYS]
    found = pd.read_csv(path, float_precision="round_trip")
    assert list(found)[:6] == ["connectome", "protocol", "recurrence", "task", "variant", "seed"]
    assert found["variant"].tolist() == ["W*D*C"] * 2 + ["W"] * 2
    for key, result in zip(KEYS, results, strict=True):
        mine = found[found["variant"] == str(key.variant)].reset_index(drop=True)
        assert set(mine["seed"]) == {key.seed}
        assert set(mine["recurrence"]) == {key.recurrence}
        pd.testing.assert_frame_equal(mine[list(result.history)], result.history, check_exact=True)


def test_a_csv_log_goes_on_and_may_be_sent_elsewhere(tmp_path):
    log = csv_log(str(tmp_path / "log.csv"))
    log(KEYS[0], {"epoch": 1, **ROW})
    pickle.loads(pickle.dumps(log))(KEYS[0], {"epoch": 2, **ROW})
    assert pd.read_csv(tmp_path / "log.csv")["epoch"].tolist() == [1, 2]


def test_many_may_write_one_csv_log(tmp_path):
    def write(number: int) -> None:
        csv_log(tmp_path / "log.csv")(KEYS[0], {"epoch": number, **ROW})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(1, 201)))
    found = pd.read_csv(tmp_path / "log.csv")
    assert sorted(found["epoch"]) == list(range(1, 201))
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_tensorboard_reads_what_was_logged(tmp_path):
    """Read by TensorBoard's own reader."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = tensorboard_log(tmp_path)
    results = [run_one(GRAPH, key, SHORT, log=log) for key in KEYS]
    pickle.loads(pickle.dumps(log))
    log.close()
    for key, result in zip(KEYS, results, strict=True):
        events = EventAccumulator(str(tmp_path / key.slug))
        events.Reload()
        assert set(events.Tags()["scalars"]) == set(result.history) - {"epoch"}
        points = events.Scalars("val_loss")
        assert [point.step for point in points] == [1, 2]
        assert [point.value for point in points] == pytest.approx(result.history["val_loss"].tolist(), rel=1e-6)


def test_an_epoch_that_comes_again_replaces_what_tensorboard_had(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first, loss in ((1, 9.0), (3, 5.0)):
        log = tensorboard_log(tmp_path)
        for epoch in range(first, 5):
            log(KEYS[0], {**ROW, "epoch": epoch, "loss": loss})
        log.close()
    events = EventAccumulator(str(tmp_path / KEYS[0].slug))
    events.Reload()
    assert [(point.step, point.value) for point in events.Scalars("loss")] == [(1, 9.0), (2, 9.0), (3, 5.0), (4, 5.0)]


def test_without_tensorboard_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    plain = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] == "tensorboard":
            raise ModuleNotFoundError(name=name)
        return plain(name, *arguments, **options)

    monkeypatch.setattr("importlib.import_module", without)
    with pytest.raises(MissingDependencyError, match=r"needs tensorboard.*graphcortex-rnn\[tensorboard\]"):
        tensorboard_log(tmp_path)
