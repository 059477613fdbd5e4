"""Processes that are killed, and processes that meet: no cache holds half of anything, and the next run completes it.

A crew of processes does the work (``tests/_kill_crew.py``): more than 200 of them are killed by the system, at random moments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("caveclient", reason="caveclient is not installed: pip install 'graphcortex-rnn[cave]'")

CACHES = ("CAVE", "downloads", "random graphs", "tables", "npz", "graphml", "pt")
ALONE = ("tables",)  # a folder of tables that is there is not written again
KILLS = 23


@pytest.fixture(scope="module")
def crew(tmp_path_factory) -> dict[str, dict]:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    folder, here = tmp_path_factory.mktemp("crew"), Path(__file__).resolve()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(folder), "NO_PROXY": "127.0.0.1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(here.parents[1]), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-W", "ignore", "-m", "tests._kill_crew", str(folder), str(KILLS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert sum(found["killed"]["kills"] for found in result.values()) >= 200
    return result


@pytest.mark.parametrize("cache", CACHES)
def test_what_killed_processes_leave_is_whole_and_the_next_completes_it(crew, cache):
    killed = crew[cache]["killed"]
    assert killed["kills"] >= KILLS
    assert killed["rounds"] >= 2
    assert set(killed["codes"]) == {0}
    assert killed["torn"] == []


@pytest.mark.parametrize("cache", [cache for cache in CACHES if cache not in ALONE])
def test_two_processes_on_one_cache(crew, cache):
    assert crew[cache]["together"] == {"codes": [0] * 6, "torn": []}
    assert set(crew) == set(CACHES)
