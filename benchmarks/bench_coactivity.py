"""Time recordings to co-activity: STTC beside elephant, large populations in blocks, correlation of given pairs.

    python benchmarks/bench_coactivity.py [--cases sttc correlation] [--repeats 5] [--peer-pairs 24] [--full]

``sttc``: all pairs of field 5_3_2 (126 neurons, 2,000 to 6,300 spikes each over 6,347 s; spikes drawn at such rates where the field
is missing), beside ``elephant.spike_train_correlation.spike_time_tiling_coefficient`` on a sample of the pairs, scaled to all of
them, and beside the definition written with NumPy. Then 1,000 to 4,000 neurons of 3,000 spikes each, and what that makes of all
pairs of 15,000 (``--full`` computes these). ``correlation``: 1,000,000 given pairs of 12,000 neurons, from traces of 30,000 samples
and from spikes in 30,000 bins. Large cases run in processes of their own, whose peak memory is reported.

elephant is no dependency of any extra (``pip install elephant``); where it is missing, its entries are empty.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from environment import save

from graphcortex.data import MicronsFields
from graphcortex.ops import correlation, spike_correlation, sttc

WINDOW_S, RECORDING_S, FRAME_S = 0.1, 6347.0, 0.1587


def field_spikes() -> tuple[str, list[np.ndarray]]:
    """Return the spikes of 5_3_2, or ones at such rates."""
    root = Path(os.environ.get("GRAPHCORTEX_DATA", Path(__file__).parents[2] / "shared" / "data")) / "microns-fields"
    if (root / "5_3_2").is_dir():
        return "5_3_2", [train.numpy() for train in MicronsFields(root, "5_3_2", download=False).spike_times("5_3_2")]
    rng = np.random.default_rng(0)
    return "drawn", [draw_spikes(int(size), rng) for size in rng.integers(2000, 6300, 126)]


def draw_spikes(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return spikes at times of their own: no two neurons share one, as frames would have it, which is the slower case."""
    return np.sort(rng.choice(int(RECORDING_S / FRAME_S), size, replace=False) * FRAME_S + rng.uniform(0, 0.1, size))


def by_definition(a: np.ndarray, b: np.ndarray, duration: float) -> float:
    """Follow Cutts and Eglen (2014), as one would write it with NumPy."""
    near = np.abs(a[:, None] - b) <= WINDOW_S
    p_a, p_b = near.any(1).mean(), near.any(0).mean()
    t_a, t_b = (
        (np.minimum(np.diff(x), 2 * WINDOW_S).sum() + min(x[0], WINDOW_S) + min(duration - x[-1], WINDOW_S)) / duration
        for x in (a, b)
    )
    return ((p_a - t_b) / (1 - p_a * t_b) + (p_b - t_a) / (1 - p_b * t_a)) / 2


def seconds(work, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def bench_sttc(repeats: int = 5, peer_pairs: int = 24, full: bool = False) -> list[dict]:
    field, trains = field_spikes()
    N, duration = len(trains), max(train[-1] for train in trains) + WINDOW_S
    found = sttc(trains, window=WINDOW_S, duration=duration).numpy()
    ours = seconds(lambda: sttc(trains, window=WINDOW_S, duration=duration), repeats)
    pairs = np.random.default_rng(0).permutation(np.stack(np.triu_indices(N, 1), 1))[:peer_pairs]
    all_pairs = N * (N - 1) // 2
    row = {"case": "sttc", "field": field, "neurons": N, "pairs": all_pairs, "ours_s": ours, "peer_pairs": len(pairs)}
    start = time.perf_counter()
    exact = np.array([by_definition(trains[a], trains[b], duration) for a, b in pairs])
    row["definition_s"] = (time.perf_counter() - start) / len(pairs) * all_pairs
    row["times_definition"] = row["definition_s"] / ours
    row["difference_definition"] = float(abs(exact - found[pairs[:, 0], pairs[:, 1]]).max())
    if importlib.util.find_spec("elephant"):
        import neo
        import quantities as pq
        from elephant.spike_train_correlation import spike_time_tiling_coefficient

        theirs = [neo.SpikeTrain(train * pq.s, t_start=0 * pq.s, t_stop=duration * pq.s) for train in trains]
        start = time.perf_counter()
        values = [float(spike_time_tiling_coefficient(theirs[a], theirs[b], dt=WINDOW_S * pq.s)) for a, b in pairs]
        row["elephant_s"] = (time.perf_counter() - start) / len(pairs) * all_pairs
        row["times_elephant"] = row["elephant_s"] / ours
        # elephant 1.2 compares times with a relative tolerance, so that its window grows with the time of a spike.
        row["difference_elephant"] = float(abs(np.array(values) - found[pairs[:, 0], pairs[:, 1]]).max())
    print(row, flush=True)
    rows = [row]
    for size in (1000, 2000, 4000, *([15_000] if full else [])):
        rows.append(in_own_process("sttc_block", size))
    per_pair = [row["cpu_s"] / row["pairs"] for row in rows[1:4]]
    pairs = 15_000 * 14_999 // 2
    rows.append({"case": "sttc_extrapolated", "neurons": 15_000, "pairs": pairs, "cpu_s": per_pair[-1] * pairs})
    print(rows[-1], flush=True)
    return rows


def sttc_block(size: int) -> dict:
    rng = np.random.default_rng(0)
    trains = [draw_spikes(3000, rng) for _ in range(size)]
    before, start = time.process_time(), time.perf_counter()
    found = sttc(trains, window=WINDOW_S, duration=RECORDING_S)
    took = {"cpu_s": time.process_time() - before, "wall_s": time.perf_counter() - start}
    pairs = torch.from_numpy(rng.integers(0, size, (2, 500)))
    given = sttc(trains, window=WINDOW_S, duration=RECORDING_S, pairs=pairs)
    assert torch.equal(given, found[pairs[0], pairs[1]])
    return {"case": "sttc_block", "neurons": size, "spikes": 3000, "pairs": size * (size - 1) // 2, **took}


def bench_correlation() -> list[dict]:
    return [in_own_process("correlation_traces", 12_000), in_own_process("correlation_spikes", 12_000)]


def correlation_traces(size: int) -> dict:
    traces = torch.randn(size, 30_000, generator=torch.Generator().manual_seed(0))
    pairs = torch.randint(size, (2, 1_000_000), generator=torch.Generator().manual_seed(1))
    before, start = time.process_time(), time.perf_counter()
    found = correlation(traces, pairs=pairs)
    took = {"cpu_s": time.process_time() - before, "wall_s": time.perf_counter() - start}
    expected = np.array([np.corrcoef(traces[a].double(), traces[b].double())[0, 1] for a, b in pairs[:, :100].T])
    difference = float(abs(found[:100].numpy() - expected).max())
    return {
        "case": "correlation_traces",
        "neurons": size,
        "samples": 30_000,
        "pairs": 1_000_000,
        **took,
        "difference": difference,
    }


def correlation_spikes(size: int) -> dict:
    rng = np.random.default_rng(0)
    trains = [np.unique(rng.uniform(0, 6000, 3000)) for _ in range(size)]
    pairs = torch.randint(size, (2, 1_000_000), generator=torch.Generator().manual_seed(1))
    before, start = time.process_time(), time.perf_counter()
    spike_correlation(trains, bin_s=0.2, duration_s=6000, pairs=pairs)
    took = {"cpu_s": time.process_time() - before, "wall_s": time.perf_counter() - start}
    return {"case": "correlation_spikes", "neurons": size, "samples": 30_000, "pairs": 1_000_000, **took}


def peak_gb() -> float:
    """Return the peak memory of this process; getrusage would count what its parent had when it was started."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024 / 1e9


ALONE = {function.__name__: function for function in (sttc_block, correlation_traces, correlation_spikes)}


def in_own_process(name: str, size: int) -> dict:
    command = [sys.executable, __file__, "--alone", name, "--size", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    row = json.loads(done.stdout.splitlines()[-1])
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=("sttc", "correlation"), default=["sttc", "correlation"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-pairs", type=int, default=24)
    parser.add_argument("--full", action="store_true", help="all pairs of 15,000 neurons, some ten minutes")
    parser.add_argument("--alone", choices=ALONE, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=1000, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        row = ALONE[options.alone](options.size)
        print(json.dumps({**row, "peak_gb": peak_gb()}))
        return
    rows = bench_sttc(options.repeats, options.peer_pairs, options.full) if "sttc" in options.cases else []
    rows += bench_correlation() if "correlation" in options.cases else []
    print(f"written to {save('bench_coactivity', rows)}")


if __name__ == "__main__":
    main()
