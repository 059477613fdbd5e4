"""kill -9 at random moments: whatever was written is whole, and the tables in the end are those of an undisturbed study."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def killed(folder, kills: int, seed: int = 0) -> dict:
    command = [sys.executable, "-m", "tests.study._killed", str(folder), str(kills), str(seed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_hundred_kills_at_random_moments_change_nothing(tmp_path):
    found = killed(tmp_path, 100)
    assert found["kills"] == 100
    assert found["studies"] >= 10
    # They fell before anything was there, between the runs, and after them all.
    assert len(set(found["runs_when_killed"])) > 4


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_processes_end_with_the_study_that_is_killed_and_it_goes_on(tmp_path):
    found = killed(tmp_path, 0)
    assert found["children"] >= 2
    assert found["alive"] == 0
    assert 0 < found["left"] < found["runs"] == 8
