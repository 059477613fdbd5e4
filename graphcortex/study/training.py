"""The training loop: a network, its penalties and its trials, to what it learned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from graphcortex._random import as_generator
from graphcortex._typing import RandomSource
from graphcortex.nn import TaskClassifier, project_nonnegative
from graphcortex.study.protocol import Protocol
from graphcortex.tasks import Trials


class KerasAdam(torch.optim.Adam):
    r"""Adam as Keras computes it, where :math:`\epsilon` is added before the bias of the second moment is corrected.

    .. math::
        \theta \leftarrow \theta - \eta \, \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \, \frac{m_t}{\sqrt{v_t} + \epsilon}

    PyTorch adds it afterwards. The two agree if PyTorch's is divided by :math:`\sqrt{1 - \beta_2^t}`, .03 at the first
    step.

    Args:
        params: Parameters, as for :class:`torch.optim.Adam`.
        lr: Step size :math:`\eta`.
        betas: Decay rates.
        eps: Keras' epsilon.
    """

    def __init__(
        self, params: Iterable, *, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-7
    ):
        super().__init__(params, lr=lr, betas=betas, eps=eps, fused=True)
        self._keras_eps = eps
        self._num_steps = 0

    def step(self, closure: Callable | None = None):
        """Take one step; see :meth:`torch.optim.Adam.step`."""
        self._num_steps += 1
        for group in self.param_groups:
            group["eps"] = self._keras_eps / (1 - group["betas"][1] ** self._num_steps) ** 0.5
        return super().step(closure)


def train(
    model: TaskClassifier,
    penalties: Iterable[nn.Module],
    train_trials: Trials,
    test_trials: Trials,
    protocol: Protocol,
    *,
    rng: RandomSource,
    nonnegative: bool = False,
    on_epoch: Callable[[dict], None] | None = None,
) -> pd.DataFrame:
    """Train a network in place.

    The loss is the cross-entropy plus the penalties. With ``nonnegative``, negative recurrent weights are set to 0 after each step.
    Training ends early only after an epoch that began with recurrent weights that are not finite: nothing changes from then on.
    Its accuracy is the share of the first class, which is what the study reports of a run that diverged.

    Args:
        model: The network.
        penalties: Modules ``penalty(rnn) -> scalar``, on the device of the network.
        train_trials: Trials to learn from, in a fixed order, on that device.
        test_trials: Trials to evaluate after each epoch, without noise, on that device.
        protocol: Batch size, epochs and optimiser.
        rng: Generator or seed of the noise.
        nonnegative: Keep the recurrent weights at or above 0.
        on_epoch: Called after each epoch with its row of the history.

    Returns:
        The history, a row per epoch: ``epoch`` (from 1), ``loss`` (with penalties), ``accuracy`` (mean over the batches of the
        epoch, with noise), ``val_loss`` (without penalties), ``val_accuracy``, ``seconds`` (training alone), ``diverged``.
    """
    penalties = list(penalties)
    generator = as_generator(rng, train_trials.inputs.device)
    optimizer = KerasAdam(
        model.parameters(), lr=protocol.learning_rate, betas=protocol.betas, eps=protocol.adam_epsilon
    )
    recurrent = model.rnn.edge_weight
    batches = range(0, len(train_trials), protocol.batch_size)
    history: list[dict] = []
    for epoch in range(1, protocol.epochs + 1):
        began_diverged = bool(history) and history[-1]["diverged"]
        start = time.perf_counter()
        model.train()
        losses, right = [], []
        for first in batches:
            batch = train_trials[first : first + protocol.batch_size]
            logits = model(batch.inputs, rng=generator)
            loss = F.cross_entropy(logits, batch.targets)
            for penalty in penalties:
                loss = loss + penalty(model.rnn)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if nonnegative:
                project_nonnegative(recurrent)
            losses.append(loss.detach() * len(batch))
            right.append((logits.detach().argmax(1) == batch.targets).sum())
        row = {
            "epoch": epoch,
            "loss": float(torch.stack(losses).sum()) / len(train_trials),
            "accuracy": int(torch.stack(right).sum()) / len(train_trials),
        }
        seconds = time.perf_counter() - start
        row["val_loss"], row["val_accuracy"] = evaluate(model, test_trials, batch_size=512)
        row["seconds"] = seconds
        row["diverged"] = not bool(torch.isfinite(recurrent).all())
        history.append(row)
        if on_epoch is not None:
            on_epoch(row)
        if began_diverged:
            break
    return pd.DataFrame(history)


@torch.no_grad()
def evaluate(model: TaskClassifier, trials: Trials, *, batch_size: int = 512) -> tuple[float, float]:
    """Return the cross-entropy and the accuracy of a network on trials, without noise and without penalties.

    Args:
        model: The network.
        trials: The trials, on its device; at least one.
        batch_size: Trials per pass; it changes memory, not the result.
    """
    model.eval()
    loss, right = 0.0, 0
    for first in range(0, len(trials), batch_size):
        batch = trials[first : first + batch_size]
        logits = model(batch.inputs)
        loss += float(F.cross_entropy(logits, batch.targets, reduction="sum"))
        right += int((logits.argmax(1) == batch.targets).sum())
    return loss / len(trials), right / len(trials)
