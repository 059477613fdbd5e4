"""Time the metrics beside networkx, bctpy and NetworKit: same graphs, one process, medians; and whole summaries of large graphs.

    python benchmarks/bench_metrics.py [--repeats 5] [--cases published each large huge] [--peer-nulls 1000]

``published``: what the study reports of a 312 x 312 matrix (entropy, and of the graph of the top 10 % modularity, assortativity
and small-worldness against 1,000 random graphs), beside the same by scipy, networkx and bctpy, as the study's own code has it;
and how far the numbers agree. ``each``: single metrics on that graph, beside every peer that has them. ``large``: ``summary``
of 12,000 neurons and 600,000 synapses with 20 null graphs on two processes. ``huge``: of 100,000 neurons and 5,000,000 synapses.
The last two run in processes of their own, whose peak memory is reported, children included.

NetworKit is no dependency of any extra (``pip install networkit``); where it is missing, its column is empty.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import bct
import networkx
import numpy as np
import scipy.stats
import torch
from bench_communicability import spatial_graph
from environment import RESULTS, save

from graphcortex.metrics import assortativity, learned_graph_metrics, modularity, strongest_edges
from graphcortex.metrics.random_null import _cached_statistics

try:
    import networkit
except ModuleNotFoundError:
    networkit = None

NUM_NODES = 312


def learned_like(num_nodes: int = NUM_NODES, num_modules: int = 8) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return all N x N weights, stronger within modules and at some neurons, as learned matrices are."""
    rng = torch.Generator().manual_seed(0)
    nodes = torch.arange(num_nodes)
    edge_index = torch.cartesian_prod(nodes, nodes).T.contiguous()
    source, target = edge_index
    module = nodes * num_modules // num_nodes
    size = 0.5 + torch.rand(num_nodes, generator=rng)
    gain = (1 + 2 * (module[source] == module[target])) * size[source] * size[target]
    return edge_index, torch.randn(num_nodes**2, generator=rng) * gain, num_nodes


def median_seconds(work: Callable[[], Any], repeats: int) -> float:
    """Return the median time of some calls after a warm one; a call of over 20 s is measured once, and cold."""
    start = time.perf_counter()
    work()
    first = time.perf_counter() - start
    if first > 20:
        return first
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def top_graph() -> tuple[torch.Tensor, np.ndarray, networkx.Graph]:
    """Return the graph of the strongest tenth as pairs, as a matrix and as one of networkx."""
    edge_index, edge_weight, num_nodes = learned_like()
    pairs = strongest_edges(edge_index, edge_weight, num_nodes)
    matrix = np.zeros((num_nodes, num_nodes))
    matrix[tuple(pairs.numpy())] = 1
    matrix += matrix.T
    return pairs, matrix, networkx.from_numpy_array(matrix)


def peer_published(weight: np.ndarray, num_nulls: int) -> dict[str, float]:
    """Compute what the study reports the way its code does."""
    size = np.abs(weight)
    matrix = (size > np.quantile(size, 0.9)).astype(float)
    matrix = np.maximum(matrix, matrix.T)
    np.fill_diagonal(matrix, 0)
    graph = networkx.from_numpy_array(matrix)
    communities = networkx.community.greedy_modularity_communities(graph)
    points = np.linspace(weight.min(), weight.max(), 100)
    density = scipy.stats.gaussian_kde(weight.ravel())(points)
    density = density[density > 0] / density.sum()
    rng = np.random.default_rng(1)
    nulls = []
    for _ in range(num_nulls):
        drawn = rng.random(weight.shape)
        null = ((drawn + drawn.T) / 2 > 0.7).astype(float)
        nulls.append((bct.clustering_coef_bu(null).mean(), bct.efficiency_bin(null)))
    clustering, efficiency = np.array(nulls).T
    sigma = (bct.clustering_coef_bu(matrix).mean() / clustering.mean()) / (
        efficiency.mean() / bct.efficiency_bin(matrix)
    )
    relative = np.hypot(clustering.std() / clustering.mean(), efficiency.std() / efficiency.mean()) / num_nulls**0.5
    return {
        "entropy": float(-(density * np.log2(density)).sum()),
        "modularity": networkx.community.modularity(graph, communities),
        "assortativity": float(networkx.degree_assortativity_coefficient(graph)),
        "small_worldness": float(sigma),
        "standard_error": float(sigma * relative * 2**0.5),  # of the difference between two such ensembles
    }


def bench_published(repeats: int, peer_nulls: int) -> list[dict]:
    edge_index, edge_weight, num_nodes = learned_like()
    start = time.perf_counter()
    theirs = peer_published(edge_weight.double().numpy().reshape(num_nodes, num_nodes), peer_nulls)
    peer = time.perf_counter() - start

    def ours() -> dict[str, float]:
        return learned_graph_metrics(edge_index, edge_weight, num_nodes, num_nulls=1000).values()

    ours()  # imports
    cold = []
    for _ in range(repeats):
        _cached_statistics.cache_clear()
        start = time.perf_counter()
        ours()
        cold.append(time.perf_counter() - start)
    found, warm = ours(), median_seconds(ours, repeats)
    row = {
        "case": "published",
        "peer_nulls": peer_nulls,
        "peer_s": peer,
        "cold_s": statistics.median(cold),
        "cached_s": warm,
        "times_cold": peer / statistics.median(cold),
        "times_cached": peer / warm,
        "difference": {name: abs(found[name] - theirs[name]) for name in found},
        "small_worldness_standard_errors": abs(found["small_worldness"] - theirs["small_worldness"])
        / theirs["standard_error"],
    }
    print(
        f"published set: peers {peer:.1f} s, cold {row['cold_s']:.2f} s ({row['times_cold']:.0f}x), "
        f"cached {warm:.3f} s ({row['times_cached']:.0f}x); differences {row['difference']}, "
        f"sigma by {row['small_worldness_standard_errors']:.1f} standard errors"
    )
    return [row]


def bench_each(repeats: int) -> list[dict]:
    from graphcortex.metrics import clustering, path_statistics

    pairs, matrix, graph = top_graph()
    kit = networkit.nxadapter.nx2nk(graph) if networkit else None
    sides: dict[str, dict[str, Callable[[], float]]] = {
        "clustering": {
            "ours": lambda: clustering(pairs, None, NUM_NODES).value,
            "networkx": lambda: networkx.average_clustering(graph),
            "bctpy": lambda: bct.clustering_coef_bu(matrix).mean(),
        },
        "fast-greedy modularity": {
            "ours": lambda: modularity(pairs, None, NUM_NODES, method="fast_greedy").value,
            "networkx": lambda: networkx.community.modularity(
                graph, networkx.community.greedy_modularity_communities(graph)
            ),
        },
        "Leiden modularity": {
            "ours": lambda: modularity(pairs, None, NUM_NODES).value,
            "networkx (Louvain)": lambda: networkx.community.modularity(
                graph, networkx.community.louvain_communities(graph, seed=0)
            ),
            "bctpy (Louvain)": lambda: bct.community_louvain(matrix, seed=0)[1],
        },
        "efficiency": {
            "ours": lambda: path_statistics(pairs, None, NUM_NODES, directed=False).value,
            "networkx": lambda: networkx.global_efficiency(graph),
            "bctpy": lambda: bct.efficiency_bin(matrix),
        },
        "assortativity": {
            "ours": lambda: assortativity(pairs, None, NUM_NODES).value,
            "networkx": lambda: float(networkx.degree_assortativity_coefficient(graph)),
            "bctpy": lambda: bct.assortativity_bin(matrix),
        },
    }
    if kit is not None:
        sides["clustering"]["NetworKit"] = lambda: networkit.globals.ClusteringCoefficient.sequentialAvgLocal(kit)
        sides["Leiden modularity"]["NetworKit (Leiden)"] = lambda: networkit.community.Modularity().getQuality(
            networkit.community.detectCommunities(kit, networkit.community.ParallelLeiden(kit), inspect=False), kit
        )

        def efficiency() -> float:
            distance = np.asarray(networkit.distance.APSP(kit).run().getDistances())
            off = ~np.eye(NUM_NODES, dtype=bool)
            return float((1 / distance[off]).mean())

        sides["efficiency"]["NetworKit"] = efficiency
    rows = []
    for name, side in sides.items():
        seconds = {who: median_seconds(work, repeats) for who, work in side.items()}
        values = {who: float(work()) for who, work in side.items()}
        ratio = {who: seconds[who] / seconds["ours"] for who in side if who != "ours"}
        rows.append({"case": "each", "metric": name, "seconds": seconds, "times": ratio, "values": values})
        print(
            f"{name:24} ours {seconds['ours'] * 1e3:8.2f} ms  " + ", ".join(f"{w} {r:.1f}x" for w, r in ratio.items())
        )
        print(f"{'':24} " + ", ".join(f"{who} {value:.9f}" for who, value in values.items()), flush=True)
    return rows


SIZES = {"large": (12_000, 600_000, 20), "huge": (100_000, 5_000_000, 2)}


def whole_summary(case: str) -> None:
    """Run in a process of its own: print time and peak memory of one summary as JSON."""
    from graphcortex.metrics import Nulls, summary

    num_nodes, num_edges, num_nulls = SIZES[case]
    edge_index, edge_weight, pos = geometric(num_nodes, num_edges)
    before = peak_gb()
    start = time.perf_counter()
    null = Nulls("degree", num_nulls)
    table = summary((edge_index, edge_weight, num_nodes), pos=pos, null=null)
    seconds = time.perf_counter() - start
    print(table, file=sys.stderr)
    row = {"case": case, "neurons": num_nodes, "edges": num_edges, "nulls": num_nulls, "seconds": seconds}
    row |= {"peak_gb": peak_gb(), "peak_before_gb": before, "parts_s": table.seconds}
    print(json.dumps(row))


def geometric(num_nodes: int, num_edges: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return edges that become rare with distance, log-normal weights, and the positions in um."""
    edge_index, weight, _, _ = spatial_graph(num_nodes, num_edges)
    rng = torch.Generator().manual_seed(0)  # spatial_graph draws its positions first, from this seed
    return edge_index, weight, torch.rand(num_nodes, 3, generator=rng) * (num_nodes / 16) ** (1 / 3) * 100


def peak_gb() -> float:
    """Return the peak memory of this process and of its two largest children at once, at most."""
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + 2 * child) / 1e6


def bench_whole(case: str) -> list[dict]:
    done = subprocess.run([sys.executable, __file__, "--whole", case], stdout=subprocess.PIPE, text=True, check=True)
    row = json.loads(done.stdout.splitlines()[-1])
    print(f"{case}: {row['seconds']:.0f} s, peak {row['peak_gb']:.2f} GB", flush=True)
    return [row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-nulls", type=int, default=1000)
    parser.add_argument("--cases", nargs="+", default=["published", "each", "large", "huge"])
    parser.add_argument("--whole", choices=list(SIZES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.whole:
        whole_summary(options.whole)
        return
    # A case that is not run again keeps its last rows: the large ones take long.
    path = RESULTS / "bench_metrics.json"
    before = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = [row for row in before if row["case"] not in options.cases]
    for case in options.cases:
        if case == "published":
            rows += bench_published(options.repeats, options.peer_nulls)
        elif case == "each":
            rows += bench_each(options.repeats)
        else:
            rows += bench_whole(case)
    print(f"written to {save('bench_metrics', rows)}")


if __name__ == "__main__":
    main()
