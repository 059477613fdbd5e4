"""Time a study: whole published runs, what the study adds to their training, two processes, and ensembles of seeds.

    python benchmarks/bench_study.py --data-root DIR [--connectome 6_6_2] [--repeats 3]
        [--cases published overhead processes ensembles] [--device cuda]

published: for each of the eleven variants, the median over repeats of the time to build, train (10 epochs of 40 batches), evaluate
and measure. Beside it, alternating in the same process, one epoch of the same training as a user would write it without this
library: ``torch.nn.RNN``, ``torch.linalg.matrix_exp`` and autograd; ten times that is the plain training time. The released
notebook of the study needs, on two cores, 19-25 s to train W or WD, 25-29 s with C, 38-43 s with C*, and about 60 s for the metrics
with 1,000 random graphs (read off a run of it on another day; it is not installed here); ``notebook`` is the middle of that.

overhead: three runs as a study with its store, against the same networks, batches, evaluations and metrics in a bare loop, which
alternate; one thread. In seconds of the processor, which other processes on the machine disturb less, and of the wall.

processes: a study by one and by two processes of one thread each.

ensembles: seconds per seed and epoch of seeds trained side by side, against one alone, for networks of 42, 126 and 312 neurons (the
sparse ones of a tenth of the pairs); one thread. This is what ``graphcortex.study.ensemble.worthwhile`` goes by.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from environment import RESULTS, save

from graphcortex import derive_seed
from graphcortex._random import as_generator
from graphcortex.data import Connectome, load_connectome
from graphcortex.kernels import complete_edge_index
from graphcortex.metrics import learned_graph_metrics
from graphcortex.metrics.random_null import _cached_statistics
from graphcortex.study import (
    PUBLISHED_VARIANTS,
    KerasAdam,
    Processes,
    Protocol,
    RunKey,
    Study,
    Variant,
    build_network,
    build_penalties,
    evaluate,
    initial_weights,
    run_one,
)
from graphcortex.study.lengths import edge_lengths
from graphcortex.study.protocol import SMALL_WORLD_NULLS
from graphcortex.study.run import draw_trials, start_run
from graphcortex.study.training import run_epoch
from graphcortex.study.wiring import anatomical_communicability
from graphcortex.tasks import get_task

NOTEBOOK_METRICS_S = 60.0
RUNS = 12  # so many that the start of processes, four seconds, is a small part
SIZES, MEMBERS = (42, 126, 312), (1, 2, 4, 8)


def notebook_seconds(variant: Variant) -> float:
    """Return about how long the released notebook trains and measures one run."""
    training = {None: 22.0, "C": 27.0, "C*": 40.5}[variant.communicability]
    return training + NOTEBOOK_METRICS_S


def plain_penalty(connectome: Connectome, variant: Variant, weight: torch.nn.Parameter, protocol: Protocol):
    """Return the penalty as the study writes it: dense, with PyTorch's matrix exponential."""
    n = connectome.num_neurons
    off_diagonal = 1 - torch.eye(n)
    if variant.distance is None:
        return lambda: weight.abs().sum() * protocol.l1_strength
    lengths = edge_lengths(connectome, variant, protocol, complete_edge_index(n), seed=0).view(n, n)

    def communicability():
        strength = weight.abs().sum(1) + 1e-10
        return torch.linalg.matrix_exp(weight.abs() / strength.sqrt()[:, None] / strength.sqrt()) * off_diagonal

    if variant.communicability == "C":
        return lambda: protocol.length_strength * (weight.abs() * lengths * communicability()).sum()
    if variant.communicability == "C*":
        reference = (
            (anatomical_communicability(connectome, protocol.anatomy_normalization) * off_diagonal)
            .flatten()
            .sort()
            .values
        )
        return lambda: (
            protocol.length_strength * (weight.abs() * lengths).sum()
            + protocol.emd_strength * (communicability().flatten().sort().values - reference).abs().mean()
        )
    return lambda: protocol.length_strength * (weight.abs() * lengths).sum()


def plain_epoch(connectome: Connectome, key: RunKey, protocol: Protocol) -> float:
    """Train one epoch with ``torch.nn.RNN``, and return the seconds."""
    torch.manual_seed(0)
    task, n = get_task(key.task), connectome.num_neurons
    trials = draw_trials(task, key, protocol, "train", device="cpu")
    rnn = torch.nn.RNN(task.input_size, n, nonlinearity="relu")
    readout = torch.nn.Linear(n, task.num_classes)
    with torch.no_grad():
        rnn.weight_hh_l0.copy_(initial_weights(connectome, key.variant, protocol, seed=0).view(n, n).t())
    penalty = plain_penalty(connectome, key.variant, rnn.weight_hh_l0, protocol)
    optimizer = torch.optim.Adam([*rnn.parameters(), *readout.parameters()], lr=protocol.learning_rate, eps=1e-7)
    start = time.perf_counter()
    for first in range(0, len(trials), protocol.batch_size):
        batch = trials[first : first + protocol.batch_size]
        inputs = batch.inputs + protocol.input_noise * torch.randn_like(batch.inputs)
        loss = F.cross_entropy(readout(rnn(inputs)[1][0]), batch.targets) + penalty()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def published(connectome: Connectome, options: argparse.Namespace) -> list[dict]:
    """Time whole runs of the published protocol, beside plain training."""
    protocol = Protocol.published()
    run_one(connectome, RunKey(options.task, "W*D*C*"), replace(protocol, epochs=1, num_train=256))  # warm-up
    rows = []
    print(
        f"{'variant':10}{'build':>8}{'train':>8}{'evaluate':>10}{'metrics':>9}{'cold':>8}{'plain':>8}{'notebook':>10}{'ratio':>7}"
    )
    for name in map(str, PUBLISHED_VARIANTS) if options.variants is None else options.variants:
        parts: list[dict[str, float]] = []
        for seed in range(options.repeats):
            key = RunKey(options.task, name, seed=seed)
            _cached_statistics.cache_clear()
            seconds = dict(run_one(connectome, key, protocol).seconds)
            seconds["metrics_cold"] = seconds["metrics"]
            # the second run of a study finds the random graphs' statistics kept
            warm = run_one(connectome, key, replace(protocol, epochs=1, num_train=protocol.batch_size)).seconds
            seconds["metrics"] = warm["metrics"]
            seconds["plain_train"] = protocol.epochs * plain_epoch(connectome, key, protocol)
            parts.append(seconds)
        row = {part: statistics.median(p[part] for p in parts) for part in parts[0]}
        row["total"] = sum(row[part] for part in ("build", "train", "evaluate", "metrics"))
        row["notebook"] = notebook_seconds(Variant.parse(name))
        row["ratio_to_plain"] = row["plain_train"] / row["train"]
        row["ratio_to_notebook"] = row["notebook"] / row["total"]
        rows.append(
            {"field": options.connectome, "task": options.task, "variant": name, "repeats": options.repeats, **row}
        )
        print(
            f"{name:10}{row['build']:7.2f}s{row['train']:7.1f}s{row['evaluate']:9.1f}s{row['metrics']:8.2f}s{row['metrics_cold']:7.2f}s"
            f"{row['plain_train']:7.1f}s{row['notebook']:9.1f}s{row['ratio_to_notebook']:6.1f}x",
            flush=True,
        )
    together = sum(row["notebook"] for row in rows) / sum(row["total"] for row in rows)
    print(f"all {len(rows)}: {together:.1f} times the rate of the notebook")
    return rows


def bare_run(connectome: Connectome, key: RunKey, protocol: Protocol) -> None:
    """Do what a run does, in a loop that keeps nothing and checks nothing."""
    task = get_task(key.task)
    model = build_network(connectome, key.variant, task, protocol, seed=key.seed)
    penalties = build_penalties(connectome, key.variant, protocol, seed=key.seed)
    seen, unseen = (draw_trials(task, key, protocol, split, device="cpu") for split in ("train", "test"))
    optimizer = KerasAdam(
        model.parameters(), lr=protocol.learning_rate, betas=protocol.betas, eps=protocol.adam_epsilon
    )
    generator = as_generator(derive_seed("noise", key.seed))
    for _ in range(protocol.epochs):
        model.train()
        for first in range(0, len(seen), protocol.batch_size):
            batch = seen[first : first + protocol.batch_size]
            loss = F.cross_entropy(model(batch.inputs, rng=generator), batch.targets)
            for penalty in penalties:
                loss = loss + penalty(model.rnn)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        evaluate(model, unseen)
    learned_graph_metrics(
        model.rnn.edge_index,
        model.rnn.edge_weight.detach(),
        connectome.num_neurons,
        quantile=protocol.quantile,
        over="pairs",
        null=SMALL_WORLD_NULLS[protocol.small_world_null],
        num_nulls=protocol.num_nulls,
        rng=0,
    )


def clock(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of the processor and of the wall."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - processor, time.perf_counter() - wall


def overhead(connectome: Connectome, options: argparse.Namespace) -> list[dict]:
    """Compare a study of three runs with the bare loops of the same."""
    torch.set_num_threads(1)
    protocol = replace(Protocol.published(), epochs=options.epochs)
    study = Study({"field": connectome}, ("W*D*C",), (options.task,), 3, {"published": protocol}, threads=1)
    bare_run(
        connectome, study.keys()[0], replace(protocol, epochs=1)
    )  # warm-up, and the statistics of the random graphs
    times: dict[str, list[tuple[float, float]]] = {"bare": [], "study": []}
    for _ in range(options.repeats):
        times["bare"].append(clock(lambda: [bare_run(connectome, key, protocol) for key in study.keys()]))
        with tempfile.TemporaryDirectory() as folder:
            times["study"].append(clock(lambda folder=folder: study.run(Path(folder) / "out", progress=False)))
    row: dict = {
        "field": options.connectome,
        "task": options.task,
        "variant": "W*D*C",
        "runs": 3,
        "epochs": protocol.epochs,
    }
    for number, name in enumerate(("processor", "wall")):
        # Of each pair, which ran next to each other, and then the median.
        ratios = [study[number] / bare[number] for study, bare in zip(times["study"], times["bare"], strict=True)]
        for kind in times:
            row[f"{kind}_{name}_s"] = statistics.median(pair[number] for pair in times[kind])
        row[f"overhead_{name}"] = statistics.median(ratios) - 1
        print(
            f"overhead of the study, {name}: {100 * row[f'overhead_{name}']:.1f} % ({row[f'bare_{name}_s']:.1f} s bare)"
        )
    return [row]


def processes(connectome: Connectome, options: argparse.Namespace) -> list[dict]:
    """Compare two processes with one."""
    protocol = replace(Protocol.published(), epochs=options.epochs)
    study = Study({"field": connectome}, ("W",), (options.task,), RUNS, {"published": protocol}, threads=1)
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.repeats):
        for workers in times:
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "out"
                work = lambda out=out, workers=workers: study.run(out, engine=Processes(workers), progress=False)  # noqa: E731
                times[workers].append(clock(work)[1])
    one, two = (statistics.median(times[workers]) for workers in (1, 2))
    print(f"{RUNS} runs: {one:.1f} s by one process, {two:.1f} s by two, {one / two:.2f} times as fast")
    names = {"field": options.connectome, "task": options.task, "variant": "W", "runs": RUNS, "epochs": protocol.epochs}
    return [{**names, "one_s": one, "two_s": two, "ratio": one / two}]


def wired(size: int, density: float = 0.1) -> Connectome:
    """Return neurons at random places, of which any two are joined with the same probability."""
    rng = np.random.default_rng(0)
    joined = np.nonzero((rng.random((size, size)) < density) & ~np.eye(size, dtype=bool))
    pos = rng.uniform(0, 500, (size, 3))
    return Connectome.from_arrays(
        pos=pos, synapse_index=np.stack(joined), count=np.ones(joined[0].size, dtype=np.int64)
    )


def ensembles(connectome: Connectome, options: argparse.Namespace) -> list[dict]:
    """Compare seeds side by side with one alone."""
    torch.set_num_threads(1)
    protocol = replace(Protocol.published(), num_train=1280, num_test=512, epochs=1000)
    rows = []
    for size in SIZES:
        cortex = wired(size)
        for variant in ("WD", "WD*C", "WD+sparse"):
            runs = {
                count: [
                    start_run(
                        cortex, RunKey(options.task, variant, seed=seed), protocol, device=options.device
                    ).training
                    for seed in range(count)
                ]
                for count in MEMBERS
            }
            seconds: dict[int, list[float]] = {count: [] for count in MEMBERS}
            for repeat in range(options.repeats + 1):
                for count, members in runs.items():
                    # The processor's time, unless it only waits for another.
                    spent = clock(lambda members=members: run_epoch(members))[options.device != "cpu"] / count
                    if repeat:  # the first warms up
                        seconds[count].append(spent)
            for count in MEMBERS:
                row = {"neurons": size, "variant": variant, "members": count, "device": options.device}
                row["seconds_per_member_epoch"] = statistics.median(seconds[count])
                row["ratio"] = statistics.median(seconds[1]) / row["seconds_per_member_epoch"]
                rows.append(row)
            print(
                f"{size:5} {variant:10}" + "".join(f"{row['members']:4}: {row['ratio']:.2f}x" for row in rows[-4:]),
                flush=True,
            )
    return rows


CASES = {"published": published, "overhead": overhead, "processes": processes, "ensembles": ensembles}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument(
        "--connectome", default="6_6_2", help="a MICrONS field, synthetic, a .pt file or a folder of tables"
    )
    parser.add_argument("--data-root", type=Path, default=None)
    parser.add_argument("--task", default="one_choice_inference")
    parser.add_argument("--variants", nargs="+", default=None, help="of the published case; all eleven by default")
    parser.add_argument("--epochs", type=int, default=5, help="of the runs of overhead and processes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="of the ensembles")
    options = parser.parse_args()
    connectome = load_connectome(options.connectome, options.data_root)
    path, threads = RESULTS / "bench_study.json", torch.get_num_threads()
    before = json.loads(path.read_text())["rows"] if path.is_file() else []
    rows = [row for row in before if row.get("case", "published") not in options.cases]
    for case in options.cases:
        torch.set_num_threads(threads)
        rows += [{"case": case, **row} for row in CASES[case](connectome, options)]
    torch.set_num_threads(threads)
    print(f"written to {save('bench_study', rows)}")


if __name__ == "__main__":
    main()
