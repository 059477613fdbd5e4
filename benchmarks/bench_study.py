"""Time whole published runs on one field, split into their parts, beside the same training in plain PyTorch.

    python benchmarks/bench_study.py --data-root DIR [--field 6_6_2] [--repeats 3]

For each variant: the median over repeats of the time to build, train (10 epochs of 40 batches), evaluate and measure. Beside it,
alternating in the same process, one epoch of the same training as a user would write it without this library: ``torch.nn.RNN``,
``torch.linalg.matrix_exp`` and autograd; ten times that is the plain training time.

The released notebook of the study needs, on two cores, 19-25 s to train W or WD, 25-29 s with C, 38-43 s with C*, and about 60 s
for the metrics with 1,000 random graphs (read off a run of it on another day; it is not installed here).
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from environment import save

from graphcortex.data import Connectome, MicronsFields, SyntheticCortex
from graphcortex.kernels import complete_edge_index
from graphcortex.metrics.random_null import _cached_statistics
from graphcortex.study import Protocol, RunKey, Variant, initial_weights, run_one
from graphcortex.study.config import default_data_root
from graphcortex.study.lengths import edge_lengths
from graphcortex.study.run import draw_trials
from graphcortex.study.wiring import anatomical_communicability
from graphcortex.tasks import get_task

VARIANTS = ("W", "WD", "WD*C", "W*D*C", "W*D*C*")


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--field", default="6_6_2", help="a MICrONS field, or synthetic")
    parser.add_argument("--data-root", type=Path, default=None)
    parser.add_argument("--task", default="one_choice_inference")
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.field == "synthetic":
        connectome = SyntheticCortex()[0]
    else:
        connectome = MicronsFields(options.data_root or default_data_root())[options.field]
    protocol = Protocol.published()
    run_one(connectome, RunKey(options.task, "W*D*C*"), Protocol(epochs=1, num_train=256))  # warm-up
    rows = []
    print(
        f"{'variant':10}{'build':>9}{'train':>9}{'evaluate':>10}{'metrics':>9}{'cold':>8}{'plain train':>13}{'ratio':>8}"
    )
    for name in options.variants:
        parts: list[dict[str, float]] = []
        for seed in range(options.repeats):
            key = RunKey(options.task, name, seed=seed)
            _cached_statistics.cache_clear()
            seconds = dict(run_one(connectome, key, protocol).seconds)
            seconds["metrics_cold"] = seconds["metrics"]
            # the second run of a study finds the random graphs' statistics kept
            warm = run_one(connectome, key, Protocol(epochs=1, num_train=protocol.batch_size)).seconds
            seconds["metrics"] = warm["metrics"]
            seconds["plain_train"] = protocol.epochs * plain_epoch(connectome, key, protocol)
            parts.append(seconds)
        row = {part: statistics.median(p[part] for p in parts) for part in parts[0]}
        row = {"field": options.field, "task": options.task, "variant": name, "repeats": options.repeats, **row}
        row["ratio"] = row["plain_train"] / row["train"]
        rows.append(row)
        print(
            f"{name:10}{row['build']:8.2f}s{row['train']:8.1f}s{row['evaluate']:9.1f}s{row['metrics']:8.2f}s"
            f"{row['metrics_cold']:7.2f}s{row['plain_train']:12.1f}s{row['ratio']:7.1f}x",
            flush=True,
        )
    print(f"written to {save('bench_study', rows)}")


if __name__ == "__main__":
    main()
