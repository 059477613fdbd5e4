"""Processes that fill caches and are killed, from a process without threads that may fork: it starts fast, and kill -9 is real.

python -m tests._kill_crew FOLDER KILLS

kills processes at random moments until KILLS met one at work, for each cache that ``caches`` lists, and lets two processes fill
one cache at once. What became of them is printed as JSON. A new cache is one more line there.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import torch

from graphcortex.data import CaveRetries, MicronsCAVE, to_graphml, to_npz, to_tables
from graphcortex.data._download import ReleasedFile, fetch, sha256_of
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics import Nulls
from tests.cave_server import Service
from tests.cave_tables import small_tables
from tests.data._cave import TOKEN
from tests.data._graphs import connectome

FILES = 8  # that a process writes, where their number is free


@dataclass(frozen=True)
class Cache:
    """How a cache is filled, and when it is as it should be."""

    fill: Callable[[Path], None]
    whole: Callable[[Path, Path], bool] = lambda there, complete: there.read_bytes() == complete.read_bytes()
    """Whether a file that has its name holds what it should, given that of a complete cache."""
    share: int = 1
    """How often it is killed, as a multiple."""
    shared: bool = True
    """Whether two processes may fill it at once."""


def fill_cave(address: str, folder: Path) -> None:
    """Download a connectome from CAVE, and save it."""
    retries = CaveRetries(sleep=lambda _: None)
    graph = MicronsCAVE(
        folder / "cache", 1300, server_address=address, token=TOKEN, block=9, progress=False, retries=retries
    )[0]
    graph.save(folder / "graph.pt")


def fill_download(address: str, files: list[ReleasedFile], folder: Path) -> None:
    """Fetch released files that are missing, one by one."""
    for file in files:
        if not (folder / file.name).exists():
            fetch([file], folder, base_url=address, progress=False, label="")


def fill_files(write: Callable, ending: str, folder: Path) -> None:
    """Write connectomes, those of folders that are not there."""
    for number in range(FILES):
        path = folder / f"{number}{ending}"
        if ending or not path.exists():
            write(GRAPHS[number], path)


def fill_nulls(folder: Path) -> None:
    """Compute statistics of ever more random graphs, as ensembles that are kept in a folder."""
    for number in range(FILES):
        for num in (2, 10, 20):
            Nulls("weights", num=num, rng=number, cache=folder).distribution(first_weights, RANDOM)


def first_weights(graph: SimpleGraph) -> np.ndarray:
    """Return a statistic that depends on how weights were shuffled."""
    return np.asarray(graph.weight[:9])


def starts_as(there: Path, complete: Path) -> bool:
    """Say whether a kept ensemble is the first members of another."""
    with np.load(there) as one, np.load(complete) as other:
        return len(one["values"]) > 0 and np.array_equal(one["values"], other["values"][: len(one["values"])])


GRAPHS = [connectome(6, seed=number) for number in range(FILES)]
RANDOM = simple_graph(torch.randint(20, (2, 60), generator=torch.Generator().manual_seed(0)), torch.rand(60) + 0.1, 20)


def caches(cave: str, web: str, files: list[ReleasedFile]) -> dict[str, Cache]:
    """Return the caches of the library."""
    return {
        "CAVE": Cache(partial(fill_cave, cave), share=3),
        "downloads": Cache(partial(fill_download, web, files)),
        "random graphs": Cache(fill_nulls, starts_as),
        "tables": Cache(partial(fill_files, to_tables, ""), shared=False),
        "npz": Cache(partial(fill_files, to_npz, ".npz")),
        "graphml": Cache(partial(fill_files, to_graphml, ".graphml")),
        "pt": Cache(partial(fill_files, lambda graph, path: graph.save(path), ".pt")),
    }


# --- processes


def start(work: Callable[[Path], None], folder: Path) -> int:
    """Return the id of a process that works on a folder."""
    child = os.fork()
    if child:
        return child
    code = 1
    os.fsync = slowly(os.fsync)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work(folder)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def slowly(sync: Callable) -> Callable:
    """Return the ``fsync`` of a slow disk, which is met at work more often."""

    def call(file: int):
        time.sleep(0.001)
        return sync(file)

    return call


def ended(child: int) -> int:
    """Wait for a process, and return its exit code; that of a killed one is negative."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(folder: Path) -> Iterator[str]:
    """Return the files that have their names, those of unfinished folders left out."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        # pooch names what it has not finished tmp...
        if path.is_file() and not any(part.startswith((".", "tmp")) for part in name.parts):
            yield str(name)


def torn(cache: Cache, folder: Path, complete: Path) -> list[str]:
    """Return the files that are not whole."""
    return [
        name
        for name in contents(folder)
        if not ((complete / name).is_file() and cache.whole(folder / name, complete / name))
    ]


def kill(cache: Cache, folder: Path, number: int) -> dict:
    """Kill until a number of kills met a process at work; a cache that got complete is followed by another."""
    rng, killed, rounds, found = random.Random(0), 0, 0, []
    complete = folder / "complete"
    begun = time.perf_counter()
    codes = [ended(start(cache.fill, complete))]
    longest, expected = time.perf_counter() - begun, list(contents(complete))
    while (killed < number or rounds < 2) and not any(codes):
        here = folder / f"killed-{rounds}"
        child = start(cache.fill, here)
        # Late in a round a process is let through, so that caches are completed in all states.
        meant = killed < 9 * (rounds + 1) or rng.random() < 0.3
        if meant:
            time.sleep(rng.uniform(0, longest))
            os.kill(child, signal.SIGKILL)
        code = ended(child)
        found += torn(cache, here, complete)
        if code == -signal.SIGKILL:
            killed += 1
            longest *= 1.1
            continue
        longest *= 0.6 if meant else 1  # it had ended before: what is left to do in a cache takes less and less
        codes.append(code)
        found += [] if list(contents(here)) == expected else [f"{here}: {list(contents(here))}"]
        rounds += 1
    return {"kills": killed, "rounds": rounds, "codes": codes, "torn": found}


def together(cache: Cache, folder: Path, number: int = 3) -> dict:
    """Let two processes fill each of some caches."""
    codes, found = [], []
    for place in range(number):
        here = folder / f"together-{place}"
        pair = [start(cache.fill, here) for _ in range(2)]
        codes += [ended(child) for child in pair]
        found += torn(cache, here, folder / "complete")
        found += [] if list(contents(here)) == list(contents(folder / "complete")) else [str(here)]
        found += [str(path) for path in here.rglob(".*")]
    return {"codes": codes, "torn": found}


# --- servers, each in a process of its own


@contextlib.contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    """Serve from another process, and give the address."""
    child = os.fork()
    if not child:
        try:
            server.serve_forever(0.5)
        finally:
            os._exit(0)
    port = server.server_address[1]
    server.server_close()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def web_server(folder: Path) -> tuple[ThreadingHTTPServer, list[ReleasedFile]]:
    """Return a server of some files, and what they are."""
    folder.mkdir()
    files = []
    for number in range(FILES):
        path = folder / f"{number}.bin"
        path.write_bytes(random.Random(number).randbytes(300_000))
        files.append(ReleasedFile(path.name, path.stat().st_size, sha256_of(path)))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            content = (folder / self.path.lstrip("/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # clients die
    return server, files


def main(folder: Path, kills: int) -> dict[str, dict]:
    """Work on all caches, half of them in a second process."""
    importlib.import_module("caveclient")
    gc.freeze()  # what is here already is not looked at again, and so not copied, in a process that forks off
    service = Service(small_tables(nuclei=30, synapses=200), token=TOKEN, remember=True)
    web, files = web_server(folder / "web")
    with serving(service.server) as cave_address, serving(web) as web_address:
        there = caches(cave_address, web_address, files)

        def work(names: list[str], out: Path, _: Path = folder) -> None:
            found = {}
            for name in names:
                place = folder / name
                found[name] = {"killed": kill(there[name], place, kills * there[name].share)}
                if there[name].shared:
                    found[name]["together"] = together(there[name], place)
            out.write_text(json.dumps(found))

        others = [name for name in there if name != "CAVE"]
        child = start(partial(work, others, folder / "others.json"), folder)
        work(["CAVE"], folder / "cave.json")
        if ended(child):
            raise SystemExit("the second process failed")
    return {**json.loads((folder / "cave.json").read_text()), **json.loads((folder / "others.json").read_text())}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
