"""One run: a connectome, a variant, a task and a seed, to a trained network and what its graph looks like."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import torch

from graphcortex import __version__
from graphcortex._checks import check_count
from graphcortex._random import derive_seed
from graphcortex.data import Connectome
from graphcortex.metrics import learned_graph_metrics
from graphcortex.study.assemble import build_network, build_penalties
from graphcortex.study.checkpoint import Checkpoint
from graphcortex.study.fingerprint import fingerprint
from graphcortex.study.key import RunKey
from graphcortex.study.logs import Log
from graphcortex.study.protocol import SMALL_WORLD_NULLS, Protocol
from graphcortex.study.task_identity import describe_trials
from graphcortex.study.training import Training, evaluate, run_epoch
from graphcortex.study.turnover import make_turnover
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
        accuracies: Of the ``train``, ``validation`` and ``test`` trials with the weights that are reported; that of the training
            trials is a running mean over the epoch, with noise.
        best_epoch: The epoch with the least validation loss, or None where none was finite.
        diverged_epoch: First epoch after which the recurrent weights were not finite, or None.
        seconds: Time of each part: ``build``, ``train``, ``evaluate``, ``metrics``.
        history: A row per epoch, see :func:`graphcortex.study.training.train`.
        weights: Parameters by name, and ``initial_edge_weight``; where not all pairs are connected also ``rnn.edge_index`` and
            ``initial_edge_index``, which differ where edges moved. On the CPU.
    """

    key: RunKey
    metrics: dict[str, float]
    reasons: dict[str, str]
    accuracies: dict[str, float]
    best_epoch: int | None
    diverged_epoch: int | None
    seconds: dict[str, float]
    history: pd.DataFrame = field(repr=False)
    weights: dict[str, torch.Tensor] = field(repr=False)

    @property
    def accuracy(self) -> float:
        """The accuracy that the protocol reports; NaN of a run that diverged, where the protocol calls it missing."""
        return self.metrics["accuracy"]

    def row(self) -> dict[str, object]:
        """Return the run as a flat row for a table; what it took is not part of it."""
        return {
            **self.names(),
            **self.metrics,
            **{f"{name}_accuracy": value for name, value in self.accuracies.items()},
            "epochs": len(self.history),
            "best_epoch": self.best_epoch,
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


@functools.lru_cache(maxsize=24)
@torch.inference_mode(False)  # who asks first may be in it, and who trains on them later is not
def _drawn(task: Task, num_trials: int, seed: int, device: str) -> Trials:
    return task.sample(num_trials, rng=seed, device=device)


def draw_trials(task: Task, key: RunKey, protocol: Protocol, split: str, *, device: torch.device | str) -> Trials:
    """Return the trials of one split of a run.

    They are remembered for a while where the task cannot change, since other runs ask for the same. Where the protocol shares
    them, all runs of a task have one set; where it draws them per seed, all variants of a seed do.

    Args:
        task: What draws them.
        key: The run.
        protocol: How many, and their seed.
        split: ``"train"``, ``"validation"`` or ``"test"``. Where the protocol has no validation trials, the test trials serve.
        device: Where they are made.
    """
    if split == "validation" and not protocol.num_validation:
        split = "test"
    count = {"train": protocol.num_train, "validation": protocol.num_validation, "test": protocol.num_test}[split]
    parts = ("trials", key.task, split, protocol.data_seed)
    seed = derive_seed(*parts, key.seed) if protocol.trials == "per-seed" else derive_seed(*parts)
    if _is_frozen(task):
        try:
            return _drawn(task, count, seed, str(device))
        except TypeError:  # a field of it has no hash
            pass
    return task.sample(count, rng=seed, device=device)


def _is_frozen(task: Task) -> bool:
    """Return whether a task stays what it is: an object that its user can change may draw other trials next time."""
    parameters = vars(type(task)).get("__dataclass_params__")
    return parameters is not None and parameters.frozen and parameters.eq


@dataclass(eq=False)
class Run:
    """A run between its start and its result, see :func:`start_run` and :func:`finish_run`."""

    key: RunKey
    training: Training
    test_trials: Trials
    initial: dict[str, torch.Tensor]
    seconds: dict[str, float]
    checkpoint: Checkpoint | None = None


def start_run(
    connectome: Connectome,
    key: RunKey,
    protocol: Protocol,
    *,
    task: Task | None = None,
    device: torch.device | str = "cpu",
    checkpoint: str | Path | None = None,
) -> Run:
    """Build the network, the penalties and the trials of a run, and go back to its checkpoint where there is one."""
    start = time.perf_counter()
    task = get_task(key.task) if task is None else task
    model = build_network(connectome, key.variant, task, protocol, seed=key.seed).to(device)
    penalties = build_penalties(connectome, key.variant, protocol, seed=key.seed).to(device)
    initial = {"initial_edge_weight": model.rnn.edge_weight.detach().cpu().clone()}
    if not model.rnn.structure.is_dense_view:
        initial["initial_edge_index"] = model.rnn.edge_index.cpu().clone()
    test_trials = draw_trials(task, key, protocol, "test", device=device)
    training = Training(
        model,
        penalties,
        draw_trials(task, key, protocol, "train", device=device),
        draw_trials(task, key, protocol, "validation", device=device) if protocol.num_validation else test_trials,
        protocol,
        rng=derive_seed("noise", key.seed),
        nonnegative=key.recurrence == "nonnegative",
        turnover=make_turnover(connectome, key, protocol, model.rnn, penalties),
    )
    run = Run(key, training, test_trials, initial, {"build": time.perf_counter() - start, "evaluate": 0.0})
    if checkpoint is not None:
        identity = {
            "run": key.slug,
            "protocol": asdict(protocol),
            "connectome_sha256": fingerprint(connectome),
            "trials": describe_trials(training.train_trials),
            "graphcortex": __version__,
            "torch": str(torch.__version__),
            "device": torch.device(device).type,
        }
        run.checkpoint = Checkpoint(Path(checkpoint), identity)
        state = run.checkpoint.load(device)
        if state is not None:
            training.restore(state)
    return run


def train_runs(
    runs: Sequence[Run],
    *,
    on_epoch: Callable[[dict], None] | None = None,
    log: Log | None = None,
    checkpoint_every: int = 1,
) -> None:
    """Train runs to their end, side by side; each leaves the others when it has nothing left to train."""
    check_count(checkpoint_every, "checkpoint_every")
    while left := [run for run in runs if not run.training.finished]:
        start = time.perf_counter()
        rows = run_epoch([run.training for run in left])
        spent = time.perf_counter() - start
        for run, row in zip(left, rows, strict=True):
            run.seconds["evaluate"] += spent / len(left) - row["seconds"]
            if run.checkpoint is not None and (row["epoch"] % checkpoint_every == 0 or run.training.finished):
                run.checkpoint.save(run.training.state())
            if log is not None:
                log(run.key, row)
            if on_epoch is not None:
                on_epoch(row)


def finish_run(connectome: Connectome, run: Run) -> RunResult:
    """Measure what a run learned."""
    start = time.perf_counter()
    key, training, protocol = run.key, run.training, run.training.protocol
    training.take_reported_weights()
    model, reported = training.model, training.history[training.reported_epoch - 1]
    accuracies = {"train": reported["accuracy"], "validation": reported["val_accuracy"]}
    if protocol.num_validation:
        accuracies["test"] = evaluate(model, run.test_trials)[1]
    else:
        accuracies["test"] = reported["val_accuracy"]
    accuracy = accuracies["train" if protocol.reported_accuracy == "training" else "test"]
    reasons = {}
    if training.diverged_epoch is not None and protocol.diverged_accuracy == "missing":
        accuracy = float("nan")
        reasons["accuracy"] = f"the run diverged in epoch {training.diverged_epoch}"
    evaluated = time.perf_counter()
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
    if not model.rnn.structure.is_dense_view:
        weights["rnn.edge_index"] = model.rnn.edge_index.cpu()
    return RunResult(
        key=key,
        metrics={"accuracy": accuracy, **learned.values()},
        reasons={**reasons, **learned.reasons()},
        accuracies=accuracies,
        best_epoch=training.best_epoch,
        diverged_epoch=training.diverged_epoch,
        seconds={
            "build": run.seconds["build"],
            "train": sum(row["seconds"] for row in training.history),
            "evaluate": run.seconds["evaluate"] + evaluated - start,
            "metrics": time.perf_counter() - evaluated,
        },
        history=pd.DataFrame(training.history),
        weights={**weights, **run.initial},
    )


def run_one(
    connectome: Connectome,
    key: RunKey,
    protocol: Protocol,
    *,
    task: Task | None = None,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[dict], None] | None = None,
    log: Log | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
) -> RunResult:
    """Train one network and measure its learned graph: a pure function of connectome, key, protocol and task.

    Args:
        connectome: The neurons.
        key: Which run.
        protocol: How it is run.
        task: What it learns, any object that is a :class:`graphcortex.tasks.Task`; the one that the key names, if None.
        device: Where the network is trained.
        on_epoch: Called after each epoch with its row of the history.
        log: Called after each epoch with the key and the row, see :mod:`graphcortex.study.logs`.
        checkpoint: A file for the state of the training. If it is there, the run goes on from it; on a CPU the result is then, bit
            by bit, that of a run without a break. It stays when the run is done.
        checkpoint_every: Epochs between two states that are saved; the last is saved always.

    Returns:
        The result.

    Raises:
        ValueError: If the connectome lacks what the variant needs, such as synapses for ``C*``; or the protocol asks for what the
            device cannot do.
        CheckpointError: If the checkpoint is that of another run.
    """
    run = start_run(connectome, key, protocol, task=task, device=device, checkpoint=checkpoint)
    train_runs([run], on_epoch=on_epoch, log=log, checkpoint_every=checkpoint_every)
    return finish_run(connectome, run)
