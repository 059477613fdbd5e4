"""Processes that download, in a process without threads that may fork: it starts fast, and kill -9 is real.

python -m tests.data._cave_crew ADDRESS FOLDER KILLS PAIRS
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from graphcortex.data import CaveRetries, MicronsCAVE
from tests.data._cave import TOKEN, content


def start(address: str, root: Path, graph: Path) -> int:
    """Return the id of a process that downloads into ``root`` and writes ``graph``."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        made = MicronsCAVE(
            root,
            1300,
            server_address=address,
            token=TOKEN,
            block=9,
            progress=False,
            retries=CaveRetries(sleep=lambda _: None),
        )[0]
        content(made, graph)
        code = 0
    finally:
        os._exit(code)


def kills(address: str, folder: Path, number: int) -> dict[str, int]:
    """Kill until a number of kills met a process at work; a cache that got complete is followed by another."""
    rng, killed, rounds = random.Random(0), 0, 0
    whole = start(address, folder / "first", folder / "warm.pt")
    begun = time.perf_counter()
    os.waitpid(whole, 0)
    usual = time.perf_counter() - begun
    while killed < number or rounds < 2:
        graph = folder / f"killed-{rounds}.pt"
        child = start(address, folder / f"cache-killed-{rounds}", graph)
        # Late in a round a process is let through, so that caches are completed in all states.
        if killed < 9 * (rounds + 1) or rng.random() < 0.3:
            time.sleep(rng.uniform(0, usual))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        elif os.WEXITSTATUS(status) == 0:
            rounds += 1
        else:
            raise SystemExit(f"a download failed with {status}")
    return {"kills": killed, "rounds": rounds}


def together(address: str, folder: Path, number: int) -> list[int]:
    """Let two processes share each of some caches."""
    codes = []
    for place in range(number):
        pair = [
            start(address, folder / f"cache-together-{place}", folder / f"together-{place}-{who}.pt") for who in "ab"
        ]
        codes += [os.WEXITSTATUS(os.waitpid(child, 0)[1]) for child in pair]
    return codes


if __name__ == "__main__":
    importlib.import_module("caveclient")
    address, folder = sys.argv[1], Path(sys.argv[2])
    result = kills(address, folder, int(sys.argv[3]))
    print(json.dumps({**result, "together": together(address, folder, int(sys.argv[4]))}))
