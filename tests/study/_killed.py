"""Kill a study at random moments, many times: a program of its own, whose children are forks that need no import.

python -m tests.study._killed FOLDER KILLS SEED
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from graphcortex.study import Processes, Store, load_study
from tests.study.engines._tasks import Slow, study

RUNS_AT_ONCE = 10  # kills of one study


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("runs.csv", "table.csv")}


def whole(folder: Path) -> int:
    """Check that everything that has its name is whole, and return how many runs there are."""
    try:
        store = Store.open(folder)
    except ValueError:
        assert not (folder / "manifest.json").exists(), "a manifest is whole or not there"
        return 0
    keys = store.finished()
    for key in keys:
        assert store.load(key).weights, key
    return len(keys)


def fork(work) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def killed_once(folder: Path, delay: float, given) -> bool:
    """Run the study in a child, kill it after a while, and say whether it had not ended yet."""
    child = fork(lambda: given.run(folder, progress=False))
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def many_kills(root: Path, kills: int, seed: int) -> dict:
    given, draws = study(("go_nogo",), seeds=3), random.Random(seed)
    began = time.perf_counter()
    given.run(root / "whole", progress=False)  # which also computes what a process keeps for later runs
    expected = tables(root / "whole")
    again = time.perf_counter()
    given.run(root / "again", progress=False)
    seconds = time.perf_counter() - again
    assert tables(root / "again") == expected
    found = {"kills": 0, "studies": 0, "runs_when_killed": []}
    while found["kills"] < kills:
        folder = root / f"study-{found['studies']}"
        found["studies"] += 1
        for _ in range(RUNS_AT_ONCE):
            found["kills"] += killed_once(folder, draws.uniform(0, 0.6 * seconds), given)
            found["runs_when_killed"].append(whole(folder))
            if found["kills"] == kills or found["runs_when_killed"][-2:] == [len(given.keys())] * 2:
                break
        # Half of them go on as the study, half from the folder alone, if the folder has come to be one.
        resumed = load_study(folder) if found["studies"] % 2 and (folder / "connectomes/tiny.pt").exists() else given
        results = resumed.run(folder, progress=False)
        assert len(results.runs) == len(given.keys())
        assert tables(folder) == expected, folder
        assert list(folder.rglob("*.part")) == []
        assert not (folder / "set_aside").exists(), "nothing was ever half written"
    return {**found, "seconds": time.perf_counter() - began, "undisturbed": seconds}


def kill_a_parent(root: Path) -> dict:
    """Kill a study that shares its runs out to processes: they end, and the study goes on without them."""
    given = study({"slow": Slow(seconds=0.05)}, seeds=4)
    given.run(root / "whole", progress=False)
    child = fork(lambda: given.run(root / "killed", engine=Processes(2), progress=False))
    while not list((root / "killed").glob("runs/*/*/*/*.parquet")):
        time.sleep(0.01)
    tasks = Path(f"/proc/{child}/task")
    children = [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    deadline = time.monotonic() + 60
    while (alive := [pid for pid in children if running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = len(missing(root / "killed", given))
    results = given.run(root / "killed", progress=False)
    assert tables(root / "killed") == tables(root / "whole")
    return {"children": len(children), "alive": len(alive), "left": left, "runs": len(results.runs)}


def missing(folder: Path, given) -> list:
    store = Store.open(folder)
    return [key for key in given.keys() if key not in store]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, how_many, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(kill_a_parent(folder) if how_many == 0 else many_kills(folder, how_many, seed)))
