"""Time the recurrence, forward and backward, beside what a user would write otherwise: one process, warm, medians.

    python benchmarks/bench_recurrence.py [--device cuda] [--threads 2] [--repeats 5] [--cases sparse dense large checkpoint growth]

Peers: ``torch.sparse`` CSR under autograd, PyG's ``MessagePassing``, torch-scatter's ``segment_csr``, torch-sparse's
``SparseTensor``, a dense matrix under autograd, and ``torch.nn.RNN``. One that is not installed is reported as missing. Every side
runs the same network: ``h_t = tanh(d_t + W^T h_{t-1})``, gradients of weights and drive. The peers keep their states neurons first
too, the layout that is best for them.

The physical limit of a case is the larger of two times: the bytes that must move, over the measured rate of a copy; and the
arithmetic, over the measured rate of a large matrix product. A row of states that is gathered for an edge counts once per edge
where all rows do not fit the last cache (32 MB), and once per neuron where they do.

Memory is the peak of a process of its own, above what it held after its imports.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from environment import RESULTS, save

from graphcortex import GraphRNN, complete_edge_index
from graphcortex._optional import is_installed
from graphcortex.kernels import GraphStructure

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
warnings.filterwarnings("ignore", message="Sparse invariant checks are implicitly disabled")
Step = Callable[[], None]
CACHE_BYTES = 32e6


def random_edges(num_nodes: int, num_edges: int, device: str) -> torch.Tensor:
    """Return distinct edges in random order: torch.sparse CSR cannot differentiate repeated ones."""
    generator = torch.Generator().manual_seed(0)
    if num_nodes**2 <= 10_000_000:
        key = torch.randperm(num_nodes**2, generator=generator)[:num_edges]
    else:
        key = torch.randint(num_nodes**2, (int(1.1 * num_edges),), generator=generator).unique()
        key = key[torch.randperm(key.numel(), generator=generator)[:num_edges]]
    return torch.stack([key // num_nodes, key % num_nodes]).to(device)


def loop(propagate: Callable, drive: torch.Tensor, weight: torch.Tensor) -> Step:
    """Return a training step of a recurrence written with autograd."""

    def step() -> None:
        drive.grad = weight.grad = None
        h = torch.zeros_like(drive[0])
        multiply = propagate()
        for d in drive:
            h = torch.tanh(d + multiply(h))
        h.sum().backward()

    return step


def ours(edge_index, num_nodes, num_trials, num_steps, backend="auto") -> Step:
    from graphcortex.kernels import choose_backend, recurrent_scan

    structure = GraphStructure.build(edge_index, num_nodes)
    weight = weights(edge_index).requires_grad_()
    drive = torch.randn(num_steps, num_nodes, num_trials, device=edge_index.device).requires_grad_()
    h0 = torch.zeros(num_nodes, num_trials, device=edge_index.device)
    chosen = choose_backend(backend, structure, num_trials)

    def step() -> None:
        drive.grad = weight.grad = None
        options = {"nonlinearity": "tanh", "backend": chosen, "return_sequence": False}
        recurrent_scan(drive, weight, structure, h0, **options)[1].sum().backward()

    return step


def weights(edge_index: torch.Tensor) -> torch.Tensor:
    return torch.randn(edge_index.size(1), device=edge_index.device) * 0.01


def peer(name: str, edge_index, num_nodes, num_trials, num_steps) -> Step:
    """Return the training step of one of the peers."""
    structure = GraphStructure.build(edge_index, num_nodes)
    drive = torch.randn(num_steps, num_nodes, num_trials, device=edge_index.device).requires_grad_()
    if name == "dense autograd":
        matrix = (torch.randn(num_nodes, num_nodes, device=edge_index.device) * 0.01).requires_grad_()
        return loop(lambda: lambda h: matrix.t() @ h, drive, matrix)
    weight = weights(edge_index).requires_grad_()
    incoming = structure.incoming
    ptr, index = incoming.ptr.long(), incoming.index.long()
    if name == "torch.sparse CSR":
        size = (num_nodes, num_nodes)

        def with_csr():
            matrix = torch.sparse_csr_tensor(ptr, index, weight, size)
            return lambda h: matrix @ h

        return loop(with_csr, drive, weight)
    if name == "PyG MessagePassing":
        from torch_geometric.nn import MessagePassing

        class Plain(MessagePassing):
            def forward(self, x, edge_weight):
                return self.propagate(edge_index, x=x, edge_weight=edge_weight)

            def message(self, x_j, edge_weight):
                return edge_weight.view(-1, 1) * x_j

        layer = Plain(aggr="add")
        return loop(lambda: lambda h: layer(h, weight), drive, weight)
    if name == "torch-scatter segment_csr":
        import torch_scatter

        return loop(
            lambda: lambda h: torch_scatter.segment_csr(h[index] * weight[:, None], ptr, reduce="sum"), drive, weight
        )
    if name == "torch-sparse SparseTensor":
        from torch_sparse import SparseTensor

        built = SparseTensor(rowptr=ptr, col=index, value=weight.detach(), sparse_sizes=(num_nodes, num_nodes))

        def with_sparse():
            matrix = built.set_value(weight, layout="csr")
            return lambda h: matrix @ h

        return loop(with_sparse, drive, weight)
    raise ValueError(name)


PEERS = {
    "torch.sparse CSR": None,
    "PyG MessagePassing": None,
    "torch-scatter segment_csr": "torch_scatter",
    "torch-sparse SparseTensor": "torch_sparse",
}


def once(step: Step, device: str) -> float:
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def medians(steps: dict[str, Step], repeats: int, device: str) -> dict[str, float]:
    """Time all sides in turns, so that a busy moment of the machine meets each of them."""
    for step in steps.values():
        once(step, device)
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            # A short step is run several times in its turn.
            runs = 1 if not taken[name] else max(1, min(20, int(0.2 / taken[name][0])))
            taken[name] += [once(step, device) for _ in range(runs)]
    return {name: statistics.median(times) for name, times in taken.items()}


def machine_rates(device: str) -> tuple[float, float]:
    """Return the rates of a copy in bytes/s, read and write counted, and of a large matrix product in flop/s."""
    source = torch.empty(50_000_000, device=device)
    target = torch.empty_like(source)
    a = torch.randn(3000, 3000, device=device)
    times = medians({"copy": lambda: target.copy_(source), "gemm": lambda: a @ a}, 5, device)
    return 2 * source.numel() * 4 / times["copy"], 2 * 3000**3 / times["gemm"]


def limit_s(n: int, e: int, b: int, t: int, copy_rate: float, gemm_rate: float) -> float:
    """Return the least time that the memory and the arithmetic of one training step allow."""
    gathered = e if n * b * 4 > CACHE_BYTES else n
    spmm = e * 8 + 4 * b * (gathered + 2 * n)  # value and index of each edge, rows read, rows written and the drive
    sddmm = e * 8 + 4 * b * t * 2 * n
    moved = (2 * t - 1) * spmm + sddmm
    return max(moved / copy_rate, (3 * t - 1) * 2 * e * b / gemm_rate)


def sparse_case(n: int, e: int, b: int, t: int, options, rates, *, dense: bool = False) -> dict:
    edge_index = random_edges(n, e, options.device)
    steps = {"graphcortex": ours(edge_index, n, b, t)}
    missing = []
    for name, module in PEERS.items():
        if module is None or is_installed(module):
            steps[name] = peer(name, edge_index, n, b, t)
        else:
            missing.append(name)
    if dense:
        steps["dense autograd"] = peer("dense autograd", edge_index, n, b, t)
    times = medians(steps, options.repeats, options.device)
    own = times.pop("graphcortex")
    return {
        "case": f"N {n:,}, E {e:,}, B {b}, T {t}",
        "graphcortex_s": own,
        "peers_s": times,
        "ratios": {name: seconds / own for name, seconds in times.items()},
        "missing": missing,
        "over_physical_limit": own / limit_s(n, e, b, t, *rates),
    }


def complete_case(options, rates) -> dict:
    n, b, t = 312, 128, 50
    drive = torch.randn(t, b, 3, device=options.device)
    rnn = GraphRNN(3, complete_edge_index(n, device=options.device), n)
    plain = torch.nn.RNN(3, n).to(options.device)

    def training(module) -> Step:
        def step() -> None:
            module.zero_grad()
            module(drive)[1].sum().backward()

        return step

    steps = {"graphcortex": training(rnn), "torch.nn.RNN": training(plain)}
    times = medians(steps, 4 * options.repeats, options.device)
    flops = (3 * t - 1) * 2 * n * n * b
    return {
        "case": f"N {n} complete, B {b}, T {t}",
        "graphcortex_s": times["graphcortex"],
        "peers_s": {"torch.nn.RNN": times["torch.nn.RNN"]},
        "ratios": {"torch.nn.RNN": times["torch.nn.RNN"] / times["graphcortex"]},
        "share_of_gemm_rate": flops / times["graphcortex"] / rates[1],
    }


def large_case(options, rates) -> dict:
    row = alone(options, 100_000, 10_000_000, 32, 10)
    small = medians({"s": ours(random_edges(12_000, 1_200_000, options.device), 12_000, 32, 10)}, 5, options.device)
    row["time_per_edge_over_12000_case"] = (row["graphcortex_s"] / 10_000_000) / (small["s"] / 1_200_000)
    row["over_physical_limit"] = row["graphcortex_s"] / limit_s(100_000, 10_000_000, 32, 10, *rates)
    return row


def alone(options, n: int, e: int, b: int, t: int) -> dict:
    """Train a few steps in a process of its own, whose peak memory is then that of this case."""
    command = [sys.executable, __file__, "--device", options.device, "--threads", str(options.threads)]
    command += ["--alone", *map(str, (n, e, b, t))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def run_alone(options) -> None:
    def peak() -> int:
        if options.device != "cpu":
            return torch.cuda.max_memory_allocated()
        # Not getrusage: its peak includes that of the process that started this one.
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))

    n, e, b, t = options.alone
    warm_up = ours(random_edges(100, 1000, options.device), 100, 8, 2)
    warm_up()
    before = peak()
    edge_index = random_edges(n, e, options.device)
    if options.device == "cpu":
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # forget the peak of drawing the edges; they themselves count
    rnn = GraphRNN(3, edge_index, n)
    x = torch.randn(t, b, 3, device=options.device)

    def step() -> None:
        rnn.zero_grad()
        rnn(x, return_sequence=False)[0].sum().backward()

    seconds = medians({"step": step}, 3, options.device)["step"]
    row = {"case": f"N {n:,}, E {e:,}, B {b}, T {t}", "graphcortex_s": seconds, "peak_gb": (peak() - before) / 1e9}
    print(json.dumps(row))


def checkpoint_case(options) -> dict:
    """Time a long recurrence that keeps one state in ten beside one that keeps all, and weigh what autograd holds of both."""
    n, e, b, t = 12_000, 1_200_000, 32, 100
    edge_index = random_edges(n, e, options.device)
    x = torch.randn(t, b, 3, device=options.device)
    steps, held = {}, {}
    for name, every in (("all states", 0), ("every 10th", 10)):
        rnn = GraphRNN(3, edge_index, n, checkpoint_every=every)

        def step(rnn=rnn) -> None:
            rnn.zero_grad()
            rnn(x, return_sequence=False)[0].sum().backward()

        steps[name] = step
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor, kept=kept) -> torch.Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            rnn(x, return_sequence=False)
        held[name] = sum(kept.values()) / 1e9
    times = medians(steps, 3, options.device)
    return {
        "case": f"N {n:,}, E {e:,}, B {b}, T {t}, checkpoint_every 10",
        "graphcortex_s": times["every 10th"],
        "time_over_keeping_all": times["every 10th"] / times["all states"],
        "held_gb": held,
    }


def growth(options) -> list[dict]:
    """Fit the exponents of time and memory in E, T and B; of memory, that of what grows beside a constant part."""
    ranges = {
        "E": [(20_000, e, 32, 10) for e in (2_000_000, 4_000_000, 8_000_000, 16_000_000)],
        "T": [(20_000, 1_000_000, 64, t) for t in (30, 60, 120, 240)],
        # 256 trials of 20,000 neurons take 20 MB: with 512 the states of a step would leave the cache.
        "B": [(20_000, 1_000_000, b, 40) for b in (32, 64, 128, 256)],
    }
    rows = []
    for name, sizes in ranges.items():
        found = [alone(options, *size) for size in sizes]
        row = {"growth_in": name, "values": [size["NEBT".index(name)] for size in sizes]}
        values = np.array(row["values"], dtype=float)
        row["seconds"], row["gb"] = ([case[key] for case in found] for key in ("graphcortex_s", "peak_gb"))
        row["constant_gb"] = float(np.polyfit(values, row["gb"], 1)[1])
        for measure, constant in (("seconds", 0.0), ("gb", row["constant_gb"])):
            grown = np.log(np.array(row[measure]) - constant)
            row[f"exponent_of_{measure}"] = float(np.polyfit(np.log(values), grown, 1)[0])
        rows.append(row)
        print(
            f"time grows as {name}^{row['exponent_of_seconds']:.2f}, memory as {name}^{row['exponent_of_gb']:.2f}: "
            + ", ".join(
                f"{v:,}: {s:.3f} s, {m:.2f} GB"
                for v, s, m in zip(row["values"], row["seconds"], row["gb"], strict=True)
            ),
            flush=True,
        )
    return rows


def plot(rows: list[dict]) -> None:
    """Draw speed against the peers, and the growth, for the README."""
    from matplotlib.figure import Figure

    from graphcortex.viz import save_figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    speed, *others = figure.subplots(1, 3, width_ratios=[1.3, 1, 1])
    first = next(row for row in rows if len(row.get("ratios", {})) > 1)
    names = ["graphcortex", *first["ratios"]]
    times = [first["graphcortex_s"], *first["peers_s"].values()]
    speed.barh(names, times, color=["#332288", *["#BBBBBB"] * (len(names) - 1)])
    for y, (name, seconds) in enumerate(zip(names, times, strict=True)):
        text = f" {seconds:.2f} s" + (f", {first['ratios'][name]:.0f}x" if name in first["ratios"] else "")
        speed.text(seconds, y, text, va="center", fontsize="small")
    speed.invert_yaxis()
    speed.set_xlim(0, max(times) * 1.4)
    speed.set_xlabel("one training step (s)")
    speed.set_title(first["case"], loc="left", fontsize="medium")
    grown = [row for row in rows if "growth_in" in row]
    names = {"E": "synapses E", "T": "steps T", "B": "trials B"}
    by_time, by_memory = others
    for row, colour, marker in zip(grown, ("#332288", "#CC6677", "#117733"), "os^", strict=True):
        size, seconds = np.array(row["values"]) / row["values"][0], np.array(row["seconds"])
        label = f"{names[row['growth_in']]}: exponent {row['exponent_of_seconds']:.2f}"
        by_time.loglog(size, seconds / seconds[0], color=colour, marker=marker, label=label)
        by_memory.plot(size, row["gb"], color=colour, marker=marker, label=names[row["growth_in"]])
    by_time.loglog([1, 8], [1, 8], color="#444444", linestyle=":", label="linear")
    for axis in (by_time.xaxis, by_time.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
        axis.set_ticks([1, 2, 4, 8])
        axis.set_ticks([], minor=True)
    by_memory.set_ylim(0)
    by_memory.set_xticks([1, 2, 4, 8])
    for axes, title in zip(others, ("time, over the smallest", "peak memory (GB)"), strict=True):
        axes.set_xlabel("size, over the smallest")
        axes.set_title(title, loc="left", fontsize="medium")
        axes.legend(frameon=False, fontsize="small")
    for axes in (speed, *others):
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, RESULTS.parents[1] / "docs" / "images" / "recurrence-speed.png")


def show(row: dict) -> None:
    parts = [f"{row['case']}: {row['graphcortex_s']:.4f} s"]
    parts += [f"{ratio:.2f}x {name}" for name, ratio in row.get("ratios", {}).items()]
    parts += [f"{name} missing" for name in row.get("missing", [])]
    for name in (
        "share_of_gemm_rate",
        "over_physical_limit",
        "peak_gb",
        "time_per_edge_over_12000_case",
        "time_over_keeping_all",
    ):
        if name in row:
            parts.append(f"{name} {row[name]:.2f}")
    print("; ".join(parts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cases", nargs="+", default=["sparse", "dense", "large", "checkpoint", "growth"])
    parser.add_argument("--alone", nargs=4, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.alone:
        run_alone(options)
        return
    rates = machine_rates(options.device)
    rows: list[dict] = [{"copy_gb_per_s": rates[0] / 1e9, "gemm_gflop_per_s": rates[1] / 1e9}]
    print(f"copy {rates[0] / 1e9:.1f} GB/s, matrix product {rates[1] / 1e9:.0f} GFLOP/s")
    if "sparse" in options.cases:
        rows.append(sparse_case(12_000, 1_200_000, 32, 10, options, rates))
        show(rows[-1])
        rows.append(sparse_case(3_000, 300_000, 64, 20, options, rates, dense=True))
        show(rows[-1])
    if "dense" in options.cases:
        rows.append(complete_case(options, rates))
        show(rows[-1])
    if "large" in options.cases:
        rows.append(large_case(options, rates))
        show(rows[-1])
    if "checkpoint" in options.cases:
        rows.append(checkpoint_case(options))
        show(rows[-1])
    if "growth" in options.cases:
        rows += growth(options)
    if {"sparse", "growth"} <= set(options.cases):
        plot(rows)
    suffix = "" if options.device == "cpu" else "_" + options.device.split(":")[0]
    print(f"written to {save(f'bench_recurrence{suffix}', rows)}")


if __name__ == "__main__":
    main()
