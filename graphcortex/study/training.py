"""The training loop: networks, their penalties and their trials, to what they learned."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from graphcortex._random import as_generator
from graphcortex._typing import RandomSource
from graphcortex.nn import Ensemble, TaskClassifier, project_nonnegative
from graphcortex.study.optimizers import make_optimizer, scheduled_rate
from graphcortex.study.protocol import Protocol
from graphcortex.study.turnover import EdgeTurnover
from graphcortex.tasks import Trials

_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Training:
    """One network in training: all that its next step depends on, and what came of it so far.

    The loss is the cross-entropy plus the penalties. With ``nonnegative``, negative recurrent weights are set to 0 after each step.
    Training ends after ``protocol.epochs``; where the protocol has ``patience``, after so many epochs without a better validation
    loss; and after an epoch that began with recurrent weights that are not finite, since nothing changes from then on. (The
    accuracy of that epoch is the share of the first class, which is what the study reports of a run that diverged.)

    Args:
        model: The network; it is trained in place.
        penalties: Modules ``penalty(rnn) -> scalar``, on the device of the network.
        train_trials: Trials to learn from, in a fixed order, on that device.
        validation_trials: Trials to evaluate after each epoch, without noise, on that device.
        protocol: Batch size, epochs, optimiser, schedule, clipping, precision, patience, and which weights are reported.
        rng: Generator or seed of the noise.
        nonnegative: Keep the recurrent weights at or above 0.
        turnover: What drops and grows edges before each epoch but the first, so that each epoch is evaluated with the edges that it
            learned; none does if None.

    Attributes:
        history: A row per epoch, see :func:`train`.
        best_epoch: The epoch with the least validation loss, or None where none was finite.

    Raises:
        ValueError: If the protocol asks for float16 on a device that is no GPU.
    """

    def __init__(
        self,
        model: TaskClassifier,
        penalties: Iterable[nn.Module],
        train_trials: Trials,
        validation_trials: Trials,
        protocol: Protocol,
        *,
        rng: RandomSource,
        nonnegative: bool = False,
        turnover: EdgeTurnover | None = None,
    ):
        self.model, self.penalties = model, list(penalties)
        self.train_trials, self.validation_trials = train_trials, validation_trials
        self.protocol, self.nonnegative = protocol, nonnegative
        self.turnover = turnover
        self.device = train_trials.inputs.device
        if protocol.autocast == "float16" and self.device.type != "cuda":
            raise ValueError(f"autocast must be none or bfloat16 on {self.device}: float16 needs a GPU; got 'float16'.")
        self.generator = as_generator(rng, self.device)
        self.optimizer = make_optimizer(model.parameters(), protocol)
        self._scaler = torch.amp.GradScaler(self.device.type) if protocol.autocast == "float16" else None
        self.history: list[dict[str, Any]] = []
        self.best_epoch: int | None = None
        self._best_loss = math.inf
        self._best: dict[str, torch.Tensor] = {}

    # --- where it stands

    @property
    def diverged_epoch(self) -> int | None:
        """The first epoch after which the recurrent weights were not finite, or None."""
        return next((row["epoch"] for row in self.history if row["diverged"]), None)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        if not self.history:
            return False
        epoch = self.history[-1]["epoch"]
        if epoch >= self.protocol.epochs or any(row["diverged"] for row in self.history[:-1]):
            return True
        if self.diverged_epoch is not None or self.protocol.patience is None:
            return False
        return epoch - (self.best_epoch or 0) >= self.protocol.patience

    @property
    def reported_epoch(self) -> int:
        """The epoch whose weights and accuracies are reported: the best, where the protocol says so, or the last.

        A run that diverged is reported as it ended.
        """
        best = self.best_epoch if self.protocol.reported_accuracy == "test" and not self.diverged_epoch else None
        return best or len(self.history)

    @torch.no_grad()
    def take_reported_weights(self) -> None:
        """Put the weights of the reported epoch into the network."""
        if self.reported_epoch != len(self.history):
            if self.turnover is not None:
                self.model.rnn.set_edges(self._best["rnn.edge_index"])
            for name, value in self.model.named_parameters():
                value.copy_(self._best[name])

    def state(self) -> dict[str, Any]:
        """Return all that goes on changing, as tensors and plain values; :meth:`restore` takes it."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self._scaler is None else self._scaler.state_dict(),
            "turnover": None if self.turnover is None else self.turnover.state(),
            "generators": [generator.get_state() for generator in self._generators()],
            "history": self.history,
            "best": {"epoch": self.best_epoch, "loss": self._best_loss, "weights": self._best},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same run: on a CPU, bit by bit as if there had been no break."""
        if self.turnover is not None:
            self.model.rnn.set_edges(state["model"]["rnn.edge_index"])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self._scaler is not None:
            self._scaler.load_state_dict(state["scaler"])
        if self.turnover is not None:
            self.turnover.restore(state["turnover"])
        for generator, known in zip(self._generators(), state["generators"], strict=True):
            generator.set_state(known.cpu())
        self.history = list(state["history"])
        best = state["best"]
        self.best_epoch, self._best_loss, self._best = best["epoch"], best["loss"], best["weights"]

    def _generators(self) -> list[torch.Generator]:
        of_penalties = (getattr(penalty, "rng", None) for penalty in self.penalties)
        own = [self.generator] if self.turnover is None else [self.generator, self.turnover.generator]
        return [*own, *(rng for rng in of_penalties if isinstance(rng, torch.Generator))]

    # --- one step

    def begin_epoch(self) -> None:
        """Move edges where they turn over, and set the learning rate of the epoch."""
        self.model.train()
        if self.turnover is not None and self.history and self.diverged_epoch is None:
            self.turnover.step(self.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = scheduled_rate(self.protocol, len(self.history) + 1)
        self._losses: list[torch.Tensor] = []
        self._right: list[torch.Tensor] = []

    def _loss(self, logits: torch.Tensor, batch: Trials) -> torch.Tensor:
        """Return the loss of one batch, scaled where gradients are; ``logits`` may be in half precision."""
        if self.protocol.autocast != "none":
            logits = logits.float()
        loss = F.cross_entropy(logits, batch.targets)
        for penalty in self.penalties:
            loss = loss + penalty(self.model.rnn)
        self._losses.append(loss.detach() * len(batch))
        self._right.append((logits.detach().argmax(1) == batch.targets).sum())
        return loss if self._scaler is None else self._scaler.scale(loss)

    def step(self) -> None:
        """Take the step that the gradients ask for."""
        if self.protocol.clip_norm is not None:
            if self._scaler is not None:
                self._scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.protocol.clip_norm)
        if self._scaler is None:
            self.optimizer.step()
        else:
            self._scaler.step(self.optimizer)
            self._scaler.update()
        if self.nonnegative:
            project_nonnegative(self.model.rnn.edge_weight)

    def _end_epoch(self, seconds: float, loss: float, accuracy: float) -> dict[str, Any]:
        """Write the row of an epoch, given its seconds and what the validation trials gave; return it."""
        row = {
            "epoch": len(self.history) + 1,
            "loss": float(torch.stack(self._losses).sum()) / len(self.train_trials),
            "accuracy": int(torch.stack(self._right).sum()) / len(self.train_trials),
            "val_loss": loss,
            "val_accuracy": accuracy,
            "seconds": seconds,
            "diverged": not bool(torch.isfinite(self.model.rnn.edge_weight).all()),
        }
        self.history.append(row)
        if not row["diverged"] and loss < self._best_loss:  # a NaN is not
            self.best_epoch, self._best_loss = row["epoch"], loss
            if self.protocol.reported_accuracy == "test":
                self._best = {name: value.detach().clone() for name, value in self.model.named_parameters()}
                if self.turnover is not None:
                    self._best["rnn.edge_index"] = self.model.rnn.edge_index.clone()
        return row


def run_epoch(members: Sequence[Training]) -> list[dict[str, Any]]:
    """Train networks for one epoch, side by side, and return the row that each added to its history.

    Each has its own loss, gradients, clipping, optimiser, noise and trials, so that it learns what it would alone; the seconds are
    an equal share. A network alone takes the steps of its own classifier.

    Args:
        members: The networks, not finished, under one protocol; they may be in different epochs.
    """
    protocol, device = members[0].protocol, members[0].device
    together = Ensemble([member.model for member in members])
    half = contextlib.nullcontext()
    if protocol.autocast != "none":
        half = torch.autocast(device.type, dtype=_HALF[protocol.autocast])
    start = time.perf_counter()
    for member in members:
        member.begin_epoch()
    for first in range(0, len(members[0].train_trials), protocol.batch_size):
        batches = [member.train_trials[first : first + protocol.batch_size] for member in members]
        with half:
            answers = together([batch.inputs for batch in batches], rngs=[member.generator for member in members])
        losses = [m._loss(logits, batch) for m, logits, batch in zip(members, answers, batches, strict=True)]
        for member in members:
            member.optimizer.zero_grad()
        torch.autograd.backward(losses)
        for member in members:
            member.step()
    for member in members:
        float(member._losses[-1])  # waits for the device
    seconds = (time.perf_counter() - start) / len(members)
    found = evaluate_together([m.model for m in members], [m.validation_trials for m in members])
    return [member._end_epoch(seconds, *values) for member, values in zip(members, found, strict=True)]


def train(
    model: TaskClassifier,
    penalties: Iterable[nn.Module],
    train_trials: Trials,
    validation_trials: Trials,
    protocol: Protocol,
    *,
    rng: RandomSource,
    nonnegative: bool = False,
    on_epoch: Callable[[dict], None] | None = None,
) -> pd.DataFrame:
    """Train a network in place, to the end, see :class:`Training`; it then has the weights that the protocol reports.

    Args:
        model: The network.
        penalties: Modules ``penalty(rnn) -> scalar``, on the device of the network.
        train_trials: Trials to learn from, in a fixed order, on that device.
        validation_trials: Trials to evaluate after each epoch, without noise, on that device.
        protocol: How it is trained.
        rng: Generator or seed of the noise.
        nonnegative: Keep the recurrent weights at or above 0.
        on_epoch: Called after each epoch with its row of the history.

    Returns:
        The history, a row per epoch: ``epoch`` (from 1), ``loss`` (with penalties), ``accuracy`` (mean over the batches of the
        epoch, with noise), ``val_loss`` (without penalties), ``val_accuracy``, ``seconds`` (training alone), ``diverged``.

    Raises:
        ValueError: If the protocol asks for float16 on a device that is no GPU.
    """
    training = Training(model, penalties, train_trials, validation_trials, protocol, rng=rng, nonnegative=nonnegative)
    while not training.finished:
        (row,) = run_epoch([training])
        if on_epoch is not None:
            on_epoch(row)
    training.take_reported_weights()
    return pd.DataFrame(training.history)


def evaluate(model: TaskClassifier, trials: Trials, *, batch_size: int = 512) -> tuple[float, float]:
    """Return the cross-entropy and the accuracy of a network on trials, without noise and without penalties.

    Args:
        model: The network.
        trials: The trials, on its device; at least one.
        batch_size: Trials per pass; it changes memory, not the result.
    """
    return evaluate_together([model], [trials], batch_size=batch_size)[0]


@torch.no_grad()
def evaluate_together(
    models: Sequence[TaskClassifier], trials: Sequence[Trials], *, batch_size: int = 512
) -> list[tuple[float, float]]:
    """Return what :func:`evaluate` does for each network and its trials, of one number; they run side by side."""
    together, count = Ensemble(models), len(trials[0])
    for model in models:
        model.eval()
    losses: list[list[torch.Tensor]] = [[] for _ in models]
    right: list[list[torch.Tensor]] = [[] for _ in models]
    for first in range(0, count, batch_size):
        batches = [some[first : first + batch_size] for some in trials]
        for number, logits in enumerate(together([batch.inputs for batch in batches])):
            targets = batches[number].targets
            losses[number].append(F.cross_entropy(logits, targets, reduction="sum"))
            right[number].append((logits.argmax(1) == targets).sum())
    return [
        (sum(map(float, of_loss)) / count, sum(map(int, of_right)) / count)
        for of_loss, of_right in zip(losses, right, strict=True)
    ]
