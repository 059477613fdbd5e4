from __future__ import annotations

import io

import pytest

from graphcortex.study import RunKey, progress
from graphcortex.study.progress import Progress

KEYS = [RunKey("go_nogo", "WD", seed=seed) for seed in range(4)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_a_line_now_and_then(monkeypatch):
    """A run takes 20 s: every second one is told, and the last."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    file = io.StringIO()
    with Progress(4, file=file) as bar:
        for number, key in enumerate(KEYS):
            bar.began(key)
            bar.epoch(key, {"epoch": 1, "loss": 0.5, "accuracy": 0.5})
            now[0] += 20
            bar.ended(key, failed=number == 0)
    assert file.getvalue().splitlines() == [
        "2/4 runs, 1 failed, 00:40 to go; last: synthetic published go_nogo WD free seed 1",
        "4/4 runs, 1 failed, 00:00 to go; last: synthetic published go_nogo WD free seed 3",
    ]


def test_on_a_terminal_a_bar_with_the_run_and_its_epoch():
    file = Terminal()
    with Progress(4, file=file, epochs={"published": 10}) as bar:
        for number, key in enumerate(KEYS):
            bar.began(key)
            bar.epoch(key, {"epoch": 3, "loss": 0.512, "accuracy": 0.75})
            bar.ended(key, failed=number == 1)
        bar.note("set aside")
    said = file.getvalue()
    assert "4/4" in said
    assert "synthetic published go_nogo WD free seed 3" in said
    assert "epoch 3/10, loss 0.512, accuracy 0.750" in said
    assert "1 failed" in said
    assert "set aside\n" in said


@pytest.mark.parametrize("options", [{"show": False}, {"total": 0}], ids=str)
def test_nothing_is_said_where_there_is_nothing_to_say(options):
    for file in (io.StringIO(), Terminal()):
        with Progress(**{"total": 4, "file": file, **options}) as bar:
            bar.began(KEYS[0])
            bar.epoch(KEYS[0], {"epoch": 1, "loss": 0.5, "accuracy": 0.5})
            bar.ended(KEYS[0])
        assert file.getvalue() == ""
