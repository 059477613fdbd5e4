"""What the sources of data cost.

    python benchmarks/bench_data.py [--cases cave]

Each case is a function of this file that returns rows, and prints a line for each:

cave    MicronsCAVE's queries against the same queries by caveclient alone, from a service on this machine that holds synapses of
        ``--neurons`` neurons and waits ``--latency`` seconds before it answers, as a network and a database would.
reading Each MICrONS field of ``--fields-root`` read from files that the system has in its cache.
volume  All of these fields read and stitched into one volume, and the stitching alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from environment import RESULTS, save

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def median_seconds(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Time calls in turn, so that what slows the machine slows all; the first turn is warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def cave(options: argparse.Namespace) -> list[dict]:
    """Compare the fetching of all parts with caveclient's own calls for the same rows."""
    from caveclient import CAVEclient

    from graphcortex.data import MicronsCAVE
    from graphcortex.data._cave import VOXEL_NM, _stored
    from tests import cave_server

    rows = []
    for latency in options.latency:
        with a_service(options.neurons, latency) as address, tempfile.TemporaryDirectory() as folder:
            queries: list = []
            roots: list[str] = []

            def ours(address=address, folder=folder, roots=roots):
                roots.append(f"{folder}/{time.perf_counter_ns()}")
                return MicronsCAVE(roots[-1], 1300, server_address=address, token="x", progress=False)[0]

            def cached(address=address, roots=roots):
                return MicronsCAVE(roots[-1], 1300, server_address=address, token="x", progress=False)[0]

            def raw(address=address, queries=queries) -> None:
                client = CAVEclient(
                    cave_server.DATASTACK,
                    server_address=address,
                    auth_token="x",
                    max_retries=0,
                    write_server_cache=False,
                    version=1300,
                )
                client.materialize.get_tables()
                for query in queries:
                    wanted = list(dict.fromkeys(("id", *(_stored(name) for name, _ in query.columns))))
                    client.materialize.query_table(
                        query.table,
                        filter_in_dict={name: list(values) for name, values in query.within} or None,
                        select_columns=wanted,
                        split_positions=True,
                        metadata=False,
                        merge_reference=False,
                        desired_resolution=list(VOXEL_NM) if "pt_position" in wanted else None,
                        log_warning=False,
                    )

            with Noting(queries):
                graph = ours()
            calls = {"graphcortex": ours, "from the cache": cached, "caveclient": raw}
            seconds = median_seconds(calls, options.repeats)
            # What is read from the cache is made into the graph: the rest is what fetching the parts took.
            parts = seconds["graphcortex"] - seconds["from the cache"]
            overhead = {
                "parts": parts / seconds["caveclient"] - 1,
                "graph": seconds["graphcortex"] / seconds["caveclient"] - 1,
            }
            rows.append(
                {"case": "cave", "latency_s": latency, "neurons": graph.num_neurons, "queries": len(queries)}
                | {"synapses": int(graph.synapses["count"].sum()), "seconds": seconds, "overhead": overhead}
            )
            print(
                f"cave: {graph.num_neurons:,} neurons, {rows[-1]['synapses']:,} synapses, {len(queries)} queries of "
                f"{latency} s: caveclient {seconds['caveclient']:.2f} s, parts {100 * overhead['parts']:+.1f} %, with "
                f"the graph {100 * overhead['graph']:+.1f} %",
                flush=True,
            )
    return rows


@contextlib.contextmanager
def a_service(nuclei: int, latency: float) -> Iterator[str]:
    """Start a service in a process of its own, and give its address."""
    command = [sys.executable, "-m", "tests.cave_server", "--nuclei", str(nuclei), "--latency", str(latency)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


class Noting:
    """Note the queries that a service is asked, within a block."""

    def __init__(self, queries: list):
        self._queries = queries

    def __enter__(self) -> None:
        from graphcortex.data._cave import CaveService

        self._asked = asked = CaveService.query
        queries = self._queries

        def query(service, question):
            queries.append(question)
            return asked(service, question)

        CaveService.query = query

    def __exit__(self, *_) -> None:
        from graphcortex.data._cave import CaveService

        CaveService.query = self._asked


def bench_reading(options: argparse.Namespace) -> list[dict]:
    """Read each field; the target is 50 ms."""
    from graphcortex.data import MicronsFields

    fields = MicronsFields(options.fields_root, download=False)
    seconds = median_seconds({name: lambda name=name: fields[name] for name in fields.names}, options.repeats)
    rows = []
    for name in fields.names:
        rows.append({"case": "reading", "field": name, "neurons": fields[name].num_neurons, "seconds": seconds[name]})
        print(f"reading: {name}, {rows[-1]['neurons']} neurons: {1000 * seconds[name]:.1f} ms", flush=True)
    return rows


def bench_volume(options: argparse.Namespace) -> list[dict]:
    """Stitch the fields; the target for the five is 1 s."""
    from graphcortex.data import MicronsFields, MicronsVolume

    fields = MicronsFields(options.fields_root, download=False)
    graphs = list(fields)
    calls = {"read and stitched": lambda: MicronsVolume(fields)[0], "stitched": lambda: MicronsVolume(graphs)[0]}
    seconds = median_seconds(calls, options.repeats)
    neurons = MicronsVolume(graphs)[0].num_neurons
    print(
        f"volume: {len(graphs)} fields, {neurons:,} neurons: {seconds['read and stitched']:.2f} s, of which stitching "
        f"{seconds['stitched']:.2f} s",
        flush=True,
    )
    return [{"case": "volume", "fields": len(graphs), "neurons": neurons, "seconds": seconds}]


CASES: dict[str, Callable[[argparse.Namespace], list[dict]]] = {
    "cave": cave,
    "reading": bench_reading,
    "volume": bench_volume,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=tuple(CASES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--neurons", type=int, default=12_000, help="cave: nuclei of the tables")
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0, 0.2], help="cave: s before an answer")
    shared = Path(os.environ.get("GRAPHCORTEX_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument(
        "--fields-root", type=Path, default=shared / "microns-fields", help="reading, volume: the fields"
    )
    options = parser.parse_args()
    rows = [row for case in options.cases for row in CASES[case](options)]
    path = RESULTS / "bench_data.json"
    kept = json.loads(path.read_text())["rows"] if path.is_file() else []
    rows = [row for row in kept if row["case"] not in options.cases] + rows  # what was not measured now stays
    print(f"written to {save('bench_data', rows)}")


if __name__ == "__main__":
    main()
