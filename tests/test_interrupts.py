"""Ctrl-C at any moment of a command, in it and in its workers: one line, exit code 130, and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphcortex.cli._interrupt import MESSAGE, stopping_at_once

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="needs /proc, to see what a process has loaded"
)
NUMPY, TORCH = "_multiarray_umath", "libtorch_cpu"
STUDY = ["study", "--variants", "WD", "--tasks", "go_nogo", "--seeds", "40", "--epochs", "9", "--change", "num_nulls=1"]


def loaded(pid: int, library: str) -> bool:
    try:
        return library in Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    try:
        text = " ".join((task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in text.split()]


def interrupted_when(ready, command: list[str], folder: Path) -> tuple[str, int]:
    """Start a command in a group of its own, send it Ctrl-C as a terminal does, and return its stderr and its exit code."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    heeded = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731 - tests may be started with it ignored
    with subprocess.Popen([*command, "--out", str(folder / "out")], preexec_fn=heeded, **pipes) as process:
        try:
            while not ready(process.pid):
                assert process.poll() is None, "it ended before it was to be stopped"
                time.sleep(0.001)
            os.killpg(process.pid, signal.SIGINT)
            return process.communicate(timeout=200)[1], process.returncode
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


SCRIPT = "import sys; from graphcortex.cli import main; sys.exit(main())"  # as pip writes it
COMMANDS = {"the module": [sys.executable, "-m", "graphcortex"], "the script": [sys.executable, "-c", SCRIPT]}


@pytest.mark.parametrize("library", [NUMPY, TORCH], ids=["numpy", "torch"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_is_stopped_while_it_imports(tmp_path, command, library):
    """As soon as the library is mapped, its import has begun and takes a while."""
    text, code = interrupted_when(lambda pid: loaded(pid, library), [*command, *STUDY], tmp_path)
    assert (code, text) == (130, MESSAGE)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("library", [NUMPY, TORCH], ids=["numpy", "torch"])
def test_a_command_is_stopped_while_its_workers_import(tmp_path, library):
    def ready(pid: int) -> bool:
        return any(loaded(child, library) for child in children(pid))

    text, code = interrupted_when(ready, [*COMMANDS["the module"], *STUDY, "--workers", "2"], tmp_path)
    assert (code, text) == (130, MESSAGE)


def test_the_command_line_is_light_until_it_is_called():
    heavy = ("torch", "numpy", "pandas", "graphcortex.study")
    text = f"import sys, graphcortex.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_what_somebody_else_decided_of_ctrl_c_stays():
    before = signal.getsignal(signal.SIGINT)
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(True))
    try:
        with stopping_at_once():
            signal.raise_signal(signal.SIGINT)
        assert heard == [True]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with stopping_at_once():
            pass
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
