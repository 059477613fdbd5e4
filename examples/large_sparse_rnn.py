"""A large network: 12,000 neurons at real positions, 1.2 million synapses, trained on the perceptual decision.

    python examples/large_sparse_rnn.py --help
    python examples/large_sparse_rnn.py
    torchrun --standalone --nproc-per-node 2 examples/large_sparse_rnn.py --parallel neurons

The neurons stand at nucleus positions of MICrONS minnie65 (``--positions``, or ``minnie65-nodes/exc_cells.parquet`` in the folder
that $GRAPHCORTEX_DATA names), or else in a synthetic slab of cortex. They send to others at gamma-distributed distances, as local
axons do. Only existing synapses have a weight, and only these learn.

With ``--parallel data`` each process trains on a share of every batch (DistributedDataParallel); with ``--parallel neurons`` each
holds a share of the neurons and of the synapses that reach them, and states travel at each step. Both give the numbers of one.
"""

# %% What to run
import gc
import os
import resource
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from graphcortex import GraphRNN, LengthCommunicabilityPenalty, TaskClassifier, Trials, edge_length, get_task
from graphcortex.cli import parse_options
from graphcortex.graphs import local_wiring
from graphcortex.nn import PartitionedClassifier, initializers


@dataclass(frozen=True)
class Config:
    """Train one large sparse network."""

    neurons: int = 12_000
    """Neurons."""
    degree: int = 100
    """Synapses per neuron, on average."""
    reach_um: float = 150.0
    """Mean length of a synapse."""
    positions: Path | None = None
    """Table (parquet or csv) with x_nm, y_nm, z_nm of nuclei."""
    task: Literal["perceptual_decision", "go_nogo", "one_choice_inference"] = "perceptual_decision"
    """Task."""
    steps: int = 400
    """Batches to train on; each is drawn anew."""
    batch_size: int = 32
    """Trials of a batch."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    communicability: float = 0.0
    """Strength of the penalty on length x communicability, estimated by random probes; 0 leaves it out."""
    alpha: float = 0.2
    """Leak: time step over time constant."""
    parallel: Literal["none", "data", "neurons"] = "none"
    """What several processes share, when started by torchrun: trials, or neurons."""
    test_trials: int = 2_000
    """Trials of the test."""
    target: float = 0.0
    """Test accuracy that must be reached, or the script fails."""
    device: str = "cpu"
    """cpu or cuda."""
    seed: int = 0
    """Seed of wiring, weights and trials."""


# %% Neurons and synapses
def positions_um(config: Config) -> np.ndarray:
    """Return nucleus positions, shape ``(N, 3)``."""
    path = config.positions
    if path is None and "GRAPHCORTEX_DATA" in os.environ:
        path = Path(os.environ["GRAPHCORTEX_DATA"]) / "minnie65-nodes" / "exc_cells.parquet"
    rng = np.random.default_rng(config.seed)
    if path is None or (config.positions is None and not path.is_file()):
        say(f"{config.neurons:,} neurons in a synthetic slab of 1000 x 800 x 500 um")
        return rng.uniform(0, 1, (config.neurons, 3)) * (1000.0, 800.0, 500.0)
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    found = table[["x_nm", "y_nm", "z_nm"]].dropna().to_numpy(dtype=float) / 1000
    if len(found) < config.neurons:
        raise SystemExit(f"{path}: expected at least {config.neurons} positions, got {len(found)}; pass --neurons.")
    say(f"{config.neurons:,} of {len(found):,} neurons of {path.name}")
    return found[np.sort(rng.choice(len(found), config.neurons, replace=False))]


# %% The network
def build(config: Config) -> TaskClassifier:
    """Make the whole network; the same on all processes."""
    task = get_task(config.task)
    pos = positions_um(config)
    edge_index = local_wiring(pos, degree=config.degree, reach_um=config.reach_um, rng=config.seed + 1)
    rnn = GraphRNN(task.input_size, edge_index, config.neurons, alpha=config.alpha, pos=torch.from_numpy(pos).float())
    rnn.reset_parameters(rng=config.seed)
    # Half of the draws negated: log-normal magnitudes as synapses have them, at the edge of what decays by itself.
    weight = initializers.log_normal(edge_index, config.neurons, radius=None, rng=config.seed)
    sign = torch.randint(2, weight.shape, generator=torch.Generator().manual_seed(config.seed)) * 2 - 1
    rnn.set_edge_weight(weight * sign / (weight.square().mean() * config.degree).sqrt())
    say(repr(rnn))
    rnn.register_buffer("edge_length_um", edge_length(edge_index, torch.from_numpy(pos).float()), persistent=False)
    return TaskClassifier(rnn, task.num_classes, rng=config.seed)


# %% Processes
def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def say(text: str) -> None:
    if rank() == 0:
        tqdm.write(text)


def spread(model: TaskClassifier, config: Config) -> torch.nn.Module:
    """Return the model as this process trains it."""
    if config.parallel == "none":
        return model
    if config.parallel == "data":
        return DistributedDataParallel(model, broadcast_buffers=False)
    return PartitionedClassifier(model)


def share(trials: Trials, config: Config) -> Trials:
    """Return the trials of this process."""
    if config.parallel != "data":
        return trials
    return trials[rank() * len(trials) // world() : (rank() + 1) * len(trials) // world()]


# %% Train
def train(model: torch.nn.Module, config: Config, penalty: torch.nn.Module | None) -> None:
    task = get_task(config.task)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    trials_rng = torch.Generator().manual_seed(config.seed + 2)
    probes_rng = torch.Generator(config.device).manual_seed(config.seed + 3)
    synapses = sum(p.numel() for name, p in model.named_parameters() if name.endswith("edge_weight"))
    start, right = time.perf_counter(), 0.5
    bar = tqdm(range(config.steps), unit="step", disable=None if rank() == 0 else True)
    for number in bar:
        trials = share(task.sample(config.batch_size, rng=trials_rng), config).to(config.device)
        logits = model(trials.inputs)
        loss = F.cross_entropy(logits, trials.targets)
        if penalty is not None:
            loss = loss + penalty(whole(model).rnn, rng=probes_rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right += 0.05 * (float((logits.argmax(1) == trials.targets).double().mean()) - right)
        if number % 10 == 9:
            bar.set_postfix(loss=f"{float(loss.detach()):.3f}", accuracy=f"{right:.3f}")
    seconds = time.perf_counter() - start
    events = synapses * config.batch_size * task.num_steps * config.steps
    memory_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    say(
        f"{config.steps} steps in {seconds:.0f} s: {1000 * seconds / config.steps:.0f} ms a step, {events / seconds / 1e9:.2f} "
        f"billion synaptic events a second, forward and backward; peak memory {memory_gb:.2f} GB"
    )


def whole(model: torch.nn.Module) -> torch.nn.Module:
    return model.module if isinstance(model, DistributedDataParallel) else model


@torch.no_grad()
def test_accuracy(model: torch.nn.Module, config: Config) -> float:
    """Return the accuracy on fresh trials; each process computes the same."""
    model.eval()
    trials = get_task(config.task).sample(config.test_trials, rng=config.seed + 4)
    right = 0
    for first in range(0, len(trials), 100):
        batch = trials[first : first + 100].to(config.device)
        right += int((whole(model)(batch.inputs).argmax(1) == batch.targets).sum())
    return right / len(trials)


def train_and_test(config: Config) -> float:
    task = get_task(config.task)
    built = build(config).to(config.device)
    penalty = None
    if config.communicability > 0:
        if config.parallel == "neurons":
            raise SystemExit("--communicability needs all synapses in one process: choose --parallel data or none.")
        lengths = built.rnn.edge_length_um / built.rnn.edge_length_um.mean()
        penalty = LengthCommunicabilityPenalty(lengths, strength=config.communicability, method="stochastic", probes=16)
    model = spread(built, config)
    train(model, config, penalty)
    accuracy = test_accuracy(model, config)
    say(f"test accuracy {accuracy:.3f} (chance {task.chance:.2f}, ceiling {task.ceiling:.3f})")
    # %% What must hold: no observer does better than the ideal one, but for luck in the trials.
    assert accuracy <= task.ceiling + 0.03, accuracy
    assert accuracy >= config.target, f"expected a test accuracy of at least {config.target}, got {accuracy:.3f}"
    return accuracy


def main(config: Config) -> float:
    if config.parallel == "none":
        return train_and_test(config)
    if "RANK" not in os.environ:
        raise SystemExit(
            "--parallel needs several processes: torchrun --standalone --nproc-per-node 2 "
            f"examples/large_sparse_rnn.py --parallel {config.parallel}"
        )
    backend = "nccl" if config.device.startswith("cuda") else "gloo"
    dist.init_process_group(backend, timeout=timedelta(minutes=2))
    try:
        accuracy = train_and_test(config)
        # The model must be gone before the group is: a DistributedDataParallel that is the last owner of a gloo group can hang.
        gc.collect()
    finally:
        dist.destroy_process_group()
    return accuracy


if __name__ == "__main__":
    main(parse_options(Config, description=__doc__))
