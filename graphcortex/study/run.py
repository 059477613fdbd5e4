"""One run: a connectome, a variant, a task and a seed, to a trained network and what its graph looks like."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
import torch

from graphcortex._random import derive_seed
from graphcortex.data import Connectome
from graphcortex.metrics import learned_graph_metrics
from graphcortex.study.assemble import build_network, build_penalties
from graphcortex.study.key import RunKey
from graphcortex.study.protocol import SMALL_WORLD_NULLS, Protocol
from graphcortex.study.training import train
from graphcortex.tasks import Task, Trials, get_task

METRICS = ("accuracy", "modularity", "small_worldness", "assortativity", "entropy")
"""What is reported of each run."""


@dataclass(frozen=True, eq=False)
class RunResult:
    """What one run gave.

    Attributes:
        key: Which run it was.
        metrics: The numbers of :data:`METRICS`; NaN where one is not defined.
        reasons: Why a number is NaN or degenerate, by metric.
        diverged_epoch: First epoch after which the recurrent weights were not finite, or None.
        seconds: Time of each part: ``build``, ``train``, ``evaluate``, ``metrics``.
        history: A row per epoch, see :func:`graphcortex.study.training.train`.
        weights: Parameters by name, and ``initial_edge_weight``; on the CPU.
    """

    key: RunKey
    metrics: dict[str, float]
    reasons: dict[str, str]
    diverged_epoch: int | None
    seconds: dict[str, float]
    history: pd.DataFrame = field(repr=False)
    weights: dict[str, torch.Tensor] = field(repr=False)

    @property
    def accuracy(self) -> float:
        """The reported accuracy: of the training trials in the last epoch, a running mean with noise (as published)."""
        return self.metrics["accuracy"]

    def row(self) -> dict[str, object]:
        """Return the run as a flat row for a table."""
        return {
            **self.names(),
            **self.metrics,
            "test_accuracy": float(self.history["val_accuracy"].iloc[-1]),
            "diverged_epoch": self.diverged_epoch,
        }

    def times(self) -> dict[str, object]:
        """Return how long the run took, in seconds, as a flat row for another table: no number of the first depends on it."""
        return {**self.names(), **{f"seconds_{part}": value for part, value in self.seconds.items()}}

    def names(self) -> dict[str, object]:
        """Return what names the run in a table."""
        key = self.key
        names = {"connectome": key.connectome, "protocol": key.protocol, "recurrence": key.recurrence, "task": key.task}
        return {**names, "variant": str(key.variant), "seed": key.seed}


@functools.lru_cache(maxsize=6)
def shared_trials(task: str, num_trials: int, seed: int, split: str, device: str) -> Trials:
    """Draw the one set of trials that all runs of a task share; kept, since every run asks for it."""
    return _draw_trials(get_task(task), task, num_trials, seed, split, device)


def _draw_trials(task: Task, name: str, num_trials: int, seed: int, split: str, device: str) -> Trials:
    return task.sample(num_trials, rng=derive_seed("trials", name, split, seed), device=device)


def run_one(
    connectome: Connectome,
    key: RunKey,
    protocol: Protocol,
    *,
    task: Task | None = None,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[dict], None] | None = None,
) -> RunResult:
    """Train one network and measure its learned graph: a pure function of its arguments.

    Args:
        connectome: The neurons.
        key: Which run.
        protocol: How it is run.
        task: The task, where its name is not one of the registry's.
        device: Where the network is trained.
        on_epoch: Called after each epoch with its row of the history.

    Returns:
        The result.

    Raises:
        ValueError: If the connectome lacks what the variant needs, such as synapses for ``C*``.
    """
    start = time.perf_counter()
    draw = shared_trials if task is None else functools.partial(_draw_trials, task)
    task = get_task(key.task) if task is None else task
    nonnegative = key.recurrence == "nonnegative"
    model = build_network(connectome, key.variant, task, protocol, seed=key.seed).to(device)
    penalties = build_penalties(connectome, key.variant, protocol, seed=key.seed).to(device)
    initial = model.rnn.edge_weight.detach().cpu().clone()
    train_trials, test_trials = (
        draw(key.task, count, protocol.data_seed, split, str(device))
        for count, split in ((protocol.num_train, "train"), (protocol.num_test, "test"))
    )
    built = time.perf_counter()
    history = train(
        model,
        penalties,
        train_trials,
        test_trials,
        protocol,
        rng=derive_seed("noise", key.seed),
        nonnegative=nonnegative,
        on_epoch=on_epoch,
    )
    trained = time.perf_counter()
    weights = {name: value.detach().cpu() for name, value in model.named_parameters()}
    learned = learned_graph_metrics(
        model.rnn.edge_index.cpu(),
        weights["rnn.edge_weight"],
        connectome.num_neurons,
        quantile=protocol.quantile,
        over="pairs",
        null=SMALL_WORLD_NULLS[protocol.small_world_null],
        num_nulls=protocol.num_nulls,
        rng=0,
    )
    diverged = history.loc[history["diverged"], "epoch"]
    training_seconds = float(history["seconds"].sum())
    return RunResult(
        key=key,
        metrics={"accuracy": float(history["accuracy"].iloc[-1]), **learned.values()},
        reasons=learned.reasons(),
        diverged_epoch=int(diverged.iloc[0]) if len(diverged) else None,
        seconds={
            "build": built - start,
            "train": training_seconds,
            "evaluate": trained - built - training_seconds,
            "metrics": time.perf_counter() - trained,
        },
        history=history,
        weights={**weights, "initial_edge_weight": initial},
    )
