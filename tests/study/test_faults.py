"""A full disk, a folder that may not be written, Ctrl-C: real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from graphcortex.study import InProcess, StoreError, load_results
from tests.study.engines._tasks import study
from tests.study.test_store import snapshot

ROOT = Path(__file__).resolve().parents[2]


class Filling:
    """An engine after whose first runs no file may be longer than so many bytes, as on a disk that is full."""

    def __init__(self, after: int, limit: int):
        self.after, self.limit = after, limit

    def run(self, runner, keys, *, progress):
        import resource

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            for number, found in enumerate(InProcess().run(runner, keys, progress=progress)):
                if number == self.after:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, before[1]))
                yield found
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [200, 3000], ids=["at the weights", "at the run"])
def test_a_full_disk_stops_the_study_and_leaves_the_store_whole(tmp_path, limit):
    pytest.importorskip("resource", reason="needs limits of processes")
    given = study(("go_nogo",))
    given.run(tmp_path / "whole", progress=False)
    sizes = [path.stat().st_size for path in (tmp_path / "whole").rglob("*.npz")]
    assert limit < 1000 or max(sizes) < limit, "the weights still fit"
    with pytest.raises(
        StoreError, match=r"cannot be written to .*File too large.*room on the disk.*same command goes on"
    ):
        given.run(tmp_path / "out", engine=Filling(2, limit), progress=False)
    assert [path for path in tmp_path.rglob("*") if path.name.endswith(".part")] == []
    there = load_results(tmp_path / "out")
    assert there.keys == given.keys()[:2]
    assert all(there.store.load(key).weights for key in there.keys)
    given.run(tmp_path / "out", progress=False)
    for name in ("runs.csv", "table.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


READ_ONLY = """
import os, sys
from graphcortex.study import StoreError
from tests.study.engines._tasks import study
given = study(("go_nogo",))
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    given.run(sys.argv[1], progress=False)
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of files")
def test_a_folder_that_may_not_be_written_is_told():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert f"{folder} cannot be written to" in done.stdout
        assert "Permission denied" in done.stdout
        assert os.listdir(folder) == []


def is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("options", [[], ["--workers", "2"]], ids=["in process", "processes"])
def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(tmp_path, options):
    """It reaches every process of the terminal, as there."""
    command = [sys.executable, "-m", "graphcortex", "study", "--tasks", "go_nogo", "--variants", "W", "WD"]
    command += ["--seeds", "20", "--epochs", "1", "--out", str(tmp_path / "out"), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("out/runs/*/*/*/*.parquet")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=100)
    assert process.returncode == 130, error
    assert out == ""
    assert "graphcortex: stopped; every finished run is kept." in error
    assert "Traceback" not in error
    deadline = time.monotonic() + 60
    while is_there(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_there(process.pid), "nobody of its group is left"
    there = load_results(tmp_path / "out")
    assert 0 < len(there.runs) < 40
    assert not [name for name in snapshot(tmp_path / "out") if name.endswith(".part")]
    assert all(there.store.load(key).weights for key in there.keys)
