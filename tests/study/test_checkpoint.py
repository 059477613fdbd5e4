from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from graphcortex.study import Checkpoint, CheckpointError, RunKey, run_one
from graphcortex.study import checkpoint as module
from graphcortex.tasks import GoNoGo, Trials
from tests.study._small import SHORT, connectome
from tests.study.test_run import same

GRAPH = connectome(12)
LONG = replace(SHORT, epochs=4)
EVERYTHING = replace(
    LONG,
    num_validation=16,
    trials="per-seed",
    reported_accuracy="test",
    optimizer="adamw",
    weight_decay=0.01,
    schedule="cosine",
    clip_norm=0.5,
    patience=3,
    communicability_method="stochastic",
    learning_rate=0.02,
    autocast="bfloat16",
)
CASES = {
    "published": (RunKey("go_nogo", "W*D*C*", "nonnegative", 1), LONG),
    "everything else": (RunKey("perceptual_decision", "WDC", "free", 2), EVERYTHING),
    "SGD": (RunKey("go_nogo", "W"), replace(LONG, optimizer="sgd", schedule="step")),
    "RMSprop": (RunKey("go_nogo", "W"), replace(LONG, optimizer="rmsprop", schedule="linear")),
    "a run that diverges": (RunKey("go_nogo", "W"), replace(LONG, learning_rate=1e30)),
}


class StoppedError(Exception):
    """Ends a run after one of its epochs."""


def stop_after(epoch: int):
    def stop(row: dict) -> None:
        if row["epoch"] == epoch:
            raise StoppedError

    return stop


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_run_that_was_stopped_ends_as_one_that_was_not(case, tmp_path):
    key, protocol = case
    whole = run_one(GRAPH, key, protocol)
    for epoch in range(1, len(whole.history) + 1):
        path = tmp_path / f"{epoch}.pt"
        with pytest.raises(StoppedError):
            run_one(GRAPH, key, protocol, checkpoint=path, on_epoch=stop_after(epoch))
        seen: list[int] = []
        again = run_one(
            GRAPH, key, protocol, checkpoint=path, on_epoch=lambda row, seen=seen: seen.append(row["epoch"])
        )
        assert seen == list(range(epoch + 1, len(whole.history) + 1)), "no epoch is trained twice"
        assert same(again, whole)
        assert (again.best_epoch, str(again.accuracies)) == (whole.best_epoch, str(whole.accuracies))


def test_a_run_may_be_stopped_more_than_once(tmp_path):
    key, protocol = CASES["everything else"]
    for epoch in (1, 2):
        with pytest.raises(StoppedError):
            run_one(GRAPH, key, protocol, checkpoint=tmp_path / "run.pt", on_epoch=stop_after(epoch))
    assert same(run_one(GRAPH, key, protocol, checkpoint=tmp_path / "run.pt"), run_one(GRAPH, key, protocol))


def test_a_checkpoint_is_saved_every_so_many_epochs_and_at_the_end(tmp_path, monkeypatch):
    saved: list[int] = []
    monkeypatch.setattr(Checkpoint, "save", lambda self, state: saved.append(len(state["history"])))
    run_one(GRAPH, RunKey("go_nogo", "W"), LONG, checkpoint=tmp_path / "run.pt", checkpoint_every=3)
    assert saved == [3, 4]
    with pytest.raises(ValueError, match="checkpoint_every must"):
        run_one(GRAPH, RunKey("go_nogo", "W"), LONG, checkpoint_every=0)


def test_a_process_that_is_killed_goes_on(tmp_path):
    """kill -9 as soon as there is a checkpoint; what is left is whole."""
    path = tmp_path / "deep" / "run.pt"
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from graphcortex.study import RunKey, run_one\n"
        "from tests.study._small import SHORT, connectome\n"
        "run_one(connectome(12), RunKey('go_nogo', 'W'), replace(SHORT, epochs=100000), checkpoint=sys.argv[1])\n"
    )
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=root)
    try:
        deadline = time.monotonic() + 120
        while not path.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    key, protocol = RunKey("go_nogo", "W"), replace(SHORT, epochs=100000)
    with pytest.raises(StoppedError):
        run_one(GRAPH, key, protocol, checkpoint=path, on_epoch=stop_after(path_epoch(path) + 1))
    reached = path_epoch(path)
    whole: list[dict] = []

    def stop(row: dict) -> None:
        whole.append({name: value for name, value in row.items() if name != "seconds"})
        if row["epoch"] == reached:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_one(GRAPH, key, protocol, on_epoch=stop)
    kept = torch.load(path, weights_only=True)["state"]["history"]
    assert [{name: value for name, value in row.items() if name != "seconds"} for row in kept] == whole
    assert [file.name for file in path.parent.iterdir()] == ["run.pt"]


def path_epoch(path: Path) -> int:
    return len(torch.load(path, weights_only=True)["state"]["history"])


# --- what it is not


OTHERS = {
    "another seed": (replace(CASES["published"][0], seed=9), LONG, GRAPH, "run: .*seed1.* there, .*seed9.* asked for"),
    "another variant": (replace(CASES["published"][0], variant="W"), LONG, GRAPH, "run: "),
    "more epochs": (CASES["published"][0], replace(LONG, epochs=9), GRAPH, "protocol.epochs: 4 there, 9 asked for"),
    "another connectome": (CASES["published"][0], LONG, connectome(12, seed=3), "connectome_sha256"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_checkpoint_of_another_run_is_refused_and_stays(other, tmp_path):
    key, protocol, graph, message = other
    path = tmp_path / "run.pt"
    with pytest.raises(StoppedError):
        run_one(GRAPH, *CASES["published"], checkpoint=path, on_epoch=stop_after(1))
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=message) as caught:
        run_one(graph, key, protocol, checkpoint=path)
    assert "Delete it" in str(caught.value)
    assert path.read_bytes() == before


@dataclass
class Answers:
    """A task of the user's whose answers are changed, and nothing that is shown; or what is shown, and no answer."""

    swapped: bool = False
    scale: float = 1.0

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(GoNoGo(), name)

    def __repr__(self):
        return "Answers()"

    def sample(self, *arguments, **options):
        trials = GoNoGo().sample(*arguments, **options)
        return Trials(trials.inputs * self.scale, 1 - trials.targets if self.swapped else trials.targets)


@pytest.mark.parametrize("changed", [{"swapped": True}, {"scale": 1.01}], ids=["other answers", "other inputs"])
def test_a_checkpoint_of_other_trials_is_refused_and_one_of_other_rounding_is_not(tmp_path, changed):
    key, protocol = CASES["published"]
    path, rounded = tmp_path / "run.pt", Answers(scale=1 + 2e-7)
    with pytest.raises(StoppedError):
        run_one(GRAPH, key, protocol, task=Answers(), checkpoint=path, on_epoch=stop_after(1))
    with pytest.raises(CheckpointError, match="trials: the task draws other trials"):
        run_one(GRAPH, key, protocol, task=Answers(**changed), checkpoint=path)
    assert not torch.equal(*(task.sample(5, rng=0).inputs for task in (Answers(), rounded)))
    epochs = []
    run_one(GRAPH, key, protocol, task=rounded, checkpoint=path, on_epoch=lambda row: epochs.append(row["epoch"]))
    assert epochs == [2, 3, 4]


class Malice:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "half of it":
        path.write_bytes(content[: len(content) // 2])
    elif how == "nothing":
        path.write_bytes(b"")
    elif how == "something else":
        torch.save({"state": 1}, path)
    elif how == "a pickle":
        path.write_bytes(pickle.dumps(Malice(path.parent / "executed")))


@pytest.mark.parametrize("how", ["half of it", "nothing", "something else", "a pickle"])
def test_a_checkpoint_that_cannot_be_read_is_set_aside_and_the_run_starts_over(how, tmp_path):
    path = tmp_path / "run.pt"
    key = RunKey("go_nogo", "W")
    with pytest.raises(StoppedError):
        run_one(GRAPH, key, SHORT, checkpoint=path, on_epoch=stop_after(1))
    damage(path, how)
    broken = path.read_bytes()
    with pytest.warns(UserWarning, match=r"cannot be read .*starts over"):
        again = run_one(GRAPH, key, SHORT, checkpoint=path)
    assert same(again, run_one(GRAPH, key, SHORT))
    assert (tmp_path / "run.pt.corrupt").read_bytes() == broken
    assert path_epoch(path) == 2
    assert not (tmp_path / "executed").exists()


def test_a_crash_while_saving_leaves_the_last_one(tmp_path, monkeypatch):
    file = Checkpoint(tmp_path / "run.pt", {"run": "a"})
    file.save({"epoch": 1})

    def full(value, file):
        file.write(b"half")
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.torch, "save", full)
        with pytest.raises(OSError, match="no space"):
            file.save({"epoch": 2})
    assert file.load() == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_what_a_killed_process_left_behind_goes(tmp_path):
    (tmp_path / ".run.pt.1234.part").write_bytes(b"half")
    (tmp_path / ".other.pt.1234.part").write_bytes(b"half")
    assert Checkpoint(tmp_path / "run.pt", {}).load() is None
    assert [path.name for path in tmp_path.iterdir()] == [".other.pt.1234.part"]
