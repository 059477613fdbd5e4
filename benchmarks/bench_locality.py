"""Does it pay to renumber neurons so that neighbours in space, or in the graph, are near each other in memory?

    python benchmarks/bench_locality.py [--threads 2]

Neurons in a slab of 1000 x 800 x 500 um are wired to others at gamma-distributed distances; the training step of the scan (B 32,
T 10) is timed with the neurons in random order, along a Morton curve, and after reverse Cuthill-McKee. It does not pay: the sparse
product fetches rows ahead, and the sampled product is blocked by source already. So the kernels leave the order alone.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import scipy.sparse
import torch
from bench_recurrence import medians, ours
from environment import save
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.spatial import cKDTree

SLAB_UM = np.array([1000.0, 800.0, 500.0])


def local_wiring(num_nodes: int, degree: int, mean_um: float) -> tuple[np.ndarray, np.ndarray]:
    """Return positions, and distinct edges from each neuron to those nearest to points at random distances."""
    rng = np.random.default_rng(0)
    pos = rng.uniform(0, 1, (num_nodes, 3)) * SLAB_UM
    source = np.repeat(np.arange(num_nodes), degree)
    step = rng.normal(size=(source.size, 3))
    step *= rng.gamma(2, mean_um / 2, size=(source.size, 1)) / np.linalg.norm(step, axis=1, keepdims=True)
    goal = np.abs(pos[source] + step)
    goal = SLAB_UM - np.abs(SLAB_UM - goal)  # reflected at the walls, where clipping would make hubs
    target = cKDTree(pos).query(goal, workers=-1)[1]
    key = np.unique(source * num_nodes + target)
    return pos, np.stack([key // num_nodes, key % num_nodes])


def morton_rank(pos: np.ndarray) -> np.ndarray:
    """Return the place of each position along a Morton (Z-order) curve of 1024 cells per side."""
    cells = (pos / SLAB_UM * 1023).astype(np.int64)
    code = sum(((cells[:, axis] >> bit) & 1) << (3 * bit + axis) for axis in range(3) for bit in range(10))
    return inverse(np.argsort(code, kind="stable"))


def cuthill_mckee_rank(edge_index: np.ndarray, num_nodes: int) -> np.ndarray:
    ones = np.ones(edge_index.shape[1], dtype=np.int8)
    matrix = scipy.sparse.csr_matrix((ones, (edge_index[0], edge_index[1])), shape=(num_nodes, num_nodes))
    return inverse(reverse_cuthill_mckee(matrix, symmetric_mode=False))


def inverse(order: np.ndarray) -> np.ndarray:
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    return rank


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    rows = []
    for num_nodes, degree, mean_um in ((12_000, 100, 120), (100_000, 100, 120), (100_000, 100, 40), (300_000, 30, 120)):
        pos, edges = local_wiring(num_nodes, degree, mean_um)
        start = time.perf_counter()
        ranks = {"cuthill-mckee": cuthill_mckee_rank(edges, num_nodes)}
        seconds_to_order = time.perf_counter() - start
        ranks = {"as given": np.arange(num_nodes), "morton": morton_rank(pos), **ranks}
        steps = {name: ours(torch.from_numpy(rank[edges]), num_nodes, 32, 10, "csr") for name, rank in ranks.items()}
        times = medians(steps, 5, "cpu")
        rows.append(
            {"N": num_nodes, "E": edges.shape[1], "mean_length_um": mean_um, "seconds": times}
            | {"gain": {name: times["as given"] / seconds - 1 for name, seconds in times.items()}}
            | {
                "mean_distance_in_memory": {
                    n: float(np.abs(np.diff(r[edges], axis=0)).mean()) for n, r in ranks.items()
                }
            }
            | {"seconds_of_cuthill_mckee": seconds_to_order}
        )
        gains = ", ".join(f"{name} {100 * gain:+.0f} %" for name, gain in rows[-1]["gain"].items())
        print(f"N {num_nodes:,}, E {edges.shape[1]:,}, mean length {mean_um} um: {gains}", flush=True)
    print(f"written to {save('bench_locality', rows)}")


if __name__ == "__main__":
    main()
