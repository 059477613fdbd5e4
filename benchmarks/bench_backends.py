"""Find where the dense product overtakes the sparse one, and hold ``backend="auto"`` to the better of both.

    python benchmarks/bench_backends.py [--device cuda] [--threads 2]

The table in graphcortex/kernels/backends.py was read off this. ``auto_over_best`` is to stay below 1.1.
"""

from __future__ import annotations

import argparse

import torch
from bench_recurrence import medians, ours, random_edges
from environment import save

from graphcortex.kernels import GraphStructure, choose_backend

DENSITIES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for n in (50, 100, 200, 400, 1000, 3000):
        for b in (8, 32, 128):
            for density in DENSITIES:
                edge_index = random_edges(n, int(density * n * n), options.device)
                steps = {name: ours(edge_index, n, b, 10, backend=name) for name in ("dense", "csr")}
                times = medians(steps, 5 if n < 3000 else 3, options.device)
                auto = choose_backend("auto", GraphStructure.build(edge_index, n), b)
                row = {"N": n, "B": b, "density": density, **times, "auto": auto}
                row["auto_over_best"] = times[auto] / min(times.values())
                rows.append(row)
            shown = rows[-len(DENSITIES) :]
            print(
                f"N {n}, B {b}: " + ", ".join(f"{r['density']}: {r['auto_over_best']:.2f} ({r['auto']})" for r in shown)
            )
    suffix = "" if options.device == "cpu" else "_" + options.device.split(":")[0]
    print(f"written to {save(f'bench_backends{suffix}', rows)}")


if __name__ == "__main__":
    main()
