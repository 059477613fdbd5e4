"""Time the communicability penalty, value and gradient, beside ``torch.linalg.matrix_exp`` under autograd: one process, medians.

    python benchmarks/bench_communicability.py [--threads 2] [--repeats 5] [--cases dense sparse large huge cost]

``dense``: 312 neurons, all pairs. ``sparse``: 2,000 neurons and 133,000 edges, which become rare with distance, with
log-normal weights. ``large``: 12,000 neurons and 800,000 such edges, beside one training step of GraphRNN on them (32 trials,
10 steps). ``huge``: 100,000 neurons and 8,000,000 edges, in a process of its own, whose memory above that of the import is
reported. ``cost``: error against time of all methods on the graph of ``sparse``, with the figure of docs/communicability.md.

Errors are against the exact value and gradient in float64. Gradients are those of the weights, through the normalisation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from environment import RESULTS, save

from graphcortex.kernels import GraphStructure, complete_edge_index

Graph = tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]


def spatial_graph(num_nodes: int, num_edges: int, seed: int = 0) -> Graph:
    """Draw neurons in a cube, 16 per (100 um)^3, edges with a chance of exp(-d / 150 um), and log-normal weights."""
    rng = torch.Generator().manual_seed(seed)
    pos = torch.rand(num_nodes, 3, generator=rng) * (num_nodes / 16) ** (1 / 3) * 100
    found = torch.zeros(0, dtype=torch.int64)
    while found.numel() < num_edges:
        draws = min(4 * num_edges, 8_000_000)
        source = torch.randint(num_nodes, (draws,), generator=rng)
        target = torch.randint(num_nodes, (draws,), generator=rng)
        distance = (pos[source] - pos[target]).square_().sum(1).sqrt_()
        kept = (torch.rand(draws, generator=rng) < torch.exp(-distance / 150)) & (source != target)
        found = torch.cat([found, source[kept] * num_nodes + target[kept]]).unique()
    key = found[torch.randperm(found.numel(), generator=rng)[:num_edges]].sort().values
    edge_index = torch.stack([key // num_nodes, key % num_nodes])
    length = (pos[edge_index[0]] - pos[edge_index[1]]).norm(dim=1)
    weight = torch.empty(num_edges).log_normal_(-0.7, 1.0, generator=rng)
    return edge_index, weight, length / length.mean(), num_nodes


def complete_graph(num_nodes: int) -> Graph:
    rng = torch.Generator().manual_seed(0)
    weight = torch.empty(num_nodes**2).log_normal_(-0.7, 1.0, generator=rng)
    length = torch.rand(num_nodes**2, generator=rng)
    return complete_edge_index(num_nodes), weight, length, num_nodes


class Penalty:
    """A penalty as a training step calls it: value and gradient of the weights, with all sorting done before."""

    def __init__(self, graph: Graph, dtype: torch.dtype = torch.float32):
        self.edge_index, self.weight, self.length, self.num_nodes = graph
        self.weight, self.length = self.weight.to(dtype), self.length.to(dtype)
        self.structure = GraphStructure.build(self.edge_index, self.num_nodes)

    def ours(self, method: str, **options) -> tuple[float, torch.Tensor]:
        """Return value and gradient by one of our methods."""
        from graphcortex.ops import spatial_communicability

        weight = self.weight.detach().clone().requires_grad_()
        value = spatial_communicability(
            self.edge_index, weight, self.length, self.num_nodes, method=method, structure=self.structure, **options
        )
        value.backward()
        return value.item(), weight.grad

    def peer(self) -> tuple[float, torch.Tensor]:
        """What everyone writes: dense, the exponential of torch, its autograd."""
        weight = self.weight.detach().clone().requires_grad_()
        N = self.num_nodes
        i, j = self.edge_index
        W = weight.new_zeros(N, N).index_put((i, j), weight).abs()
        D = self.length.new_zeros(N, N).index_put((i, j), self.length)
        A = W.sum(1).rsqrt()[:, None] * W * W.sum(0).rsqrt()
        value = (W * D * torch.linalg.matrix_exp(A)).sum()
        value.backward()
        return value.item(), weight.grad


def seconds(call: Callable[[], object], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def errors(found: tuple[float, torch.Tensor], exact: tuple[float, torch.Tensor]) -> dict[str, float]:
    return {
        "value_error": abs(found[0] / exact[0] - 1),
        "gradient_error": float((found[1].double() - exact[1]).norm() / exact[1].norm()),
    }


def dense_case(options) -> list[dict]:
    graph = complete_graph(312)
    exact = Penalty(graph, torch.float64).peer()
    rows = []
    for dtype in (torch.float32, torch.float64):
        penalty = Penalty(graph, dtype)
        ours = seconds(lambda penalty=penalty: penalty.ours("exact-dense"), 5 * options.repeats)
        peer = seconds(penalty.peer, 5 * options.repeats)
        rows.append(
            {
                "case": f"dense: 312 neurons, all pairs, exact-dense, {str(dtype).split('.')[1]}",
                "graphcortex_s": ours,
                "matrix_exp_s": peer,
                "speedup": peer / ours,
                **errors(penalty.ours("exact-dense"), exact),
                "matrix_exp_gradient_error": errors(penalty.peer(), exact)["gradient_error"],
            }
        )
    return rows


def spread(penalty: Penalty, exact: tuple[float, torch.Tensor], draws: int, **options) -> dict[str, float]:
    """Repeat the stochastic method with fresh probes; compare with the exact value and gradient."""
    values, cosines, total = [], [], torch.zeros_like(exact[1])
    for seed in range(draws):
        value, gradient = penalty.ours("stochastic", rng=seed, **options)
        values.append(value)
        total += gradient
        cosines.append(float(torch.cosine_similarity(gradient.double(), exact[1], dim=0)))
    values = torch.tensor(values, dtype=torch.float64)
    sd = float(values.std())
    return {
        "draws": draws,
        "relative_sd": sd / exact[0],
        "bias_in_standard_errors": float(values.mean() - exact[0]) / (sd / draws**0.5),
        "gradient_cosine": statistics.mean(cosines),
        "gradient_cosine_of_the_mean": float(torch.cosine_similarity(total, exact[1], dim=0)),
    }


def sparse_case(options) -> list[dict]:
    penalty = Penalty(spatial_graph(2_000, 133_000))
    exact = Penalty(spatial_graph(2_000, 133_000), torch.float64).ours("exact-dense")
    peer = seconds(penalty.peer, max(1, options.repeats // 2))
    name = "sparse: 2,000 neurons, 133,000 edges"
    blocked = seconds(lambda: penalty.ours("exact-blocked"), options.repeats)
    stochastic = seconds(lambda: penalty.ours("stochastic", rng=0, probes=16), 5 * options.repeats)
    return [
        {
            "case": f"{name}, stochastic, 16 probes",
            "graphcortex_s": stochastic,
            "matrix_exp_s": peer,
            "speedup": peer / stochastic,
            **spread(penalty, exact, options.draws, probes=16),
        },
        {
            "case": f"{name}, exact-blocked",
            "graphcortex_s": blocked,
            "matrix_exp_s": peer,
            "speedup": peer / blocked,
            **errors(penalty.ours("exact-blocked"), exact),
        },
    ]


def large_case(options) -> list[dict]:
    from graphcortex import GraphRNN

    graph = spatial_graph(12_000, 800_000)
    penalty = Penalty(graph)
    rnn = GraphRNN(4, graph[0], graph[3])
    penalty.structure = rnn.structure
    drive = torch.randn(10, 32, 4)

    def train() -> None:
        rnn.zero_grad()
        rnn(drive)[0].square().mean().backward()

    ours = seconds(lambda: penalty.ours("stochastic", rng=0, probes=16), 3 * options.repeats)
    step = seconds(train, 3 * options.repeats)
    # Exact in float32 is accurate to 1e-7, far below the spread that it is compared with.
    start = time.perf_counter()
    value, gradient = penalty.ours("exact-blocked")
    exact_s = time.perf_counter() - start
    return [
        {
            "case": "large: 12,000 neurons, 800,000 edges, stochastic, 16 probes",
            "graphcortex_s": ours,
            "training_step_s": step,
            "over_training_step": ours / step,
            "exact_blocked_s": exact_s,
            **spread(penalty, (value, gradient.double()), options.draws // 4, probes=16),
        }
    ]


def peak_bytes() -> int:
    # Not getrusage: its peak includes that of the process that started this one.
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def huge_alone(options) -> None:
    import graphcortex.ops  # noqa: F401  what the memory is measured above

    imported = peak_bytes()
    N, E = 100_000, 8_000_000
    rng = torch.Generator().manual_seed(0)
    edge_index = torch.empty(2, E, dtype=torch.int64)
    edge_index[0] = torch.arange(E) // (E // N)
    edge_index[1] = (edge_index[0] + torch.randint(1, 2000, (E,), generator=rng)).remainder_(N)
    weight, length = torch.empty(E).log_normal_(-0.7, 1.0, generator=rng), torch.rand(E, generator=rng)
    start = time.perf_counter()
    penalty = Penalty((edge_index, weight, length, N))
    value, _ = penalty.ours("stochastic", rng=0, probes=16)
    first = time.perf_counter() - start
    again = seconds(lambda: penalty.ours("stochastic", rng=0, probes=16), 1)
    row = {
        "case": "huge: 100,000 neurons, 8,000,000 edges, stochastic, 16 probes",
        "graphcortex_s": again,
        "first_call_with_sorting_s": first,
        "peak_gb_above_import": (peak_bytes() - imported) / 1e9,
        "value": value,
    }
    print(json.dumps(row))


def huge_case(options) -> list[dict]:
    command = [sys.executable, __file__, "--alone", "--threads", str(options.threads), "--repeats", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(done.stdout.strip().splitlines()[-1])]


def cost_case(options) -> list[dict]:
    """Error against time on one graph: root mean square of value and gradient, over draws where there is chance."""
    graph = spatial_graph(2_000, 133_000)
    penalty, exact = Penalty(graph), Penalty(graph, torch.float64).ours("exact-dense")
    rows = []
    for count in (1, 4, 16, 64, 256):
        time_s = seconds(lambda count=count: penalty.ours("stochastic", rng=0, probes=count), 5 * options.repeats)
        found = [penalty.ours("stochastic", rng=seed, probes=count) for seed in range(20)]
        squares = [errors(one, exact) for one in found]
        mean = {name: statistics.mean(s[name] ** 2 for s in squares) ** 0.5 for name in squares[0]}
        rows.append({"case": "cost", "method": "stochastic", "probes": count, "graphcortex_s": time_s, **mean})
    for method in ("exact-blocked", "exact-dense"):
        time_s = seconds(lambda method=method: penalty.ours(method), max(1, options.repeats // 2))
        rows.append({"case": "cost", "method": method, "graphcortex_s": time_s, **errors(penalty.ours(method), exact)})
    start = time.perf_counter()  # once: it takes long, and needs no warming at this length
    found = penalty.peer()
    time_s = time.perf_counter() - start
    rows.append({"case": "cost", "method": "matrix_exp", "graphcortex_s": time_s, **errors(found, exact)})
    return rows


def plot(rows: list[dict]) -> None:
    """Draw error against time."""
    from graphcortex.viz import save_figure
    from graphcortex.viz._style import COLOURS, INK, new_figure

    figure = new_figure(7.6, 3.9)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    probes = [row for row in rows if row.get("method") == "stochastic"]
    places = {"exact-blocked": (COLOURS[2], "s"), "exact-dense": (COLOURS[1], "D"), "matrix_exp": (INK, "X")}
    labels = {"matrix_exp": "torch.linalg.matrix_exp"}
    for axes, name in zip(panels, ("value_error", "gradient_error"), strict=True):
        times, sizes = [row["graphcortex_s"] for row in probes], [row[name] for row in probes]
        axes.loglog(times, sizes, color=COLOURS[0], marker="o", markersize=4, label="stochastic")
        for row in probes:
            if row["probes"] not in (1, 16, 256):
                continue  # names of all would touch
            says = f"{row['probes']} probe{'s' * (row['probes'] > 1)}"
            at = (row["graphcortex_s"], row[name])
            axes.annotate(says, at, (8, 0), textcoords="offset points", fontsize="small", color=INK)
        for row in rows:
            if row.get("method") in places:
                colour, marker = places[row["method"]]
                label = labels.get(row["method"], row["method"])
                at = (row["graphcortex_s"], max(row[name], 1e-9))
                axes.loglog(*at, color=colour, marker=marker, linestyle="", label=label)
        axes.set_title(name.replace("_error", "").capitalize(), loc="left", fontsize="medium")
        axes.set_xlabel("time of value and gradient, s")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    panels[0].set_ylabel("relative error")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, frameon=False, loc="outside lower center", ncols=4, fontsize="small")
    save_figure(figure, RESULTS.parents[1] / "docs" / "images" / "communicability-cost.png")


def show(row: dict) -> None:
    parts = [f"{row['case']}"] + [
        f"{name} {value:.4g}" for name, value in row.items() if isinstance(value, (int, float))
    ]
    print("; ".join(parts), flush=True)


CASES = {"dense": dense_case, "sparse": sparse_case, "large": large_case, "huge": huge_case, "cost": cost_case}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--draws", type=int, default=400, help="draws behind the spread of the stochastic method")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.alone:
        huge_alone(options)
        return
    rows = []
    for name in options.cases:
        found = CASES[name](options)
        for row in found:
            show(row)
        rows += found
    if "cost" in options.cases:
        plot(rows)
    # Part of the cases is a try; only all of them replace the result that is kept.
    if set(options.cases) == set(CASES):
        print(f"written to {save('bench_communicability', rows)}")


if __name__ == "__main__":
    main()
