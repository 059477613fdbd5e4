"""Which gradient moved the weights of a run: that of its loss, or that of its penalties."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from graphcortex._checks import check_count
from graphcortex.data import Connectome
from graphcortex.study.key import RunKey
from graphcortex.study.protocol import Protocol
from graphcortex.study.run import start_run
from graphcortex.study.table import GROUP
from graphcortex.tasks import Task

if TYPE_CHECKING:
    from graphcortex.study.results import StudyResults

_BATCHES = 20
_STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class GradientProbe:
    """The two gradients at the recurrent weights over the first batches of a run.

    Attributes:
        key: The run.
        batches: How many batches were trained on.
        loss: Mean absolute gradient of the cross-entropy, over batches and edges.
        penalty: The same of the penalties.
        penalty_share: Share of the penalties in the absolute gradient of an edge, mean over the edges; 0 to 1.
        size_ratio: Mean ``|w|`` after these batches over that before; below 1 where weights shrink.
        penalty_scale: That of the protocol.
    """

    key: RunKey
    batches: int
    loss: float
    penalty: float
    penalty_share: float
    size_ratio: float
    penalty_scale: float

    @property
    def silences(self) -> bool:
        """Whether the penalties moved the weights more than the loss did, and toward zero."""
        return self.penalty_share > 0.5 and self.size_ratio < 1

    @property
    def balanced_scale(self) -> float:
        """The ``penalty_scale`` at which both gradients would have the same size here; infinite without a penalty."""
        return self.penalty_scale * self.loss / self.penalty if self.penalty else math.inf

    def __str__(self) -> str:
        first = f"over the first {self.batches} batches of seed {self.key.seed}"
        size = f"the mean |weight| went to {self.size_ratio:.2g} of its start"
        if not self.silences:
            return (
                f"The penalty is not the cause: {first}, its share of the gradient was {self.penalty_share:.2g}, and {size}. "
                "More epochs or another learning_rate may help; see docs/study.md."
            )
        ratio = self.penalty / self.loss if self.loss else math.inf
        times = f"{ratio:,.0f}" if 10 <= ratio < math.inf else f"{ratio:.2g}"
        return (
            f"The penalty silences it: {first}, the gradient of the penalty was {times} times that of the loss, and {size}. "
            f"The two would be equal at penalty_scale={self.balanced_scale:.1g}, in place of {self.penalty_scale:g}: try that "
            "or less; see docs/study.md."
        )


def probe_gradients(
    connectome: Connectome,
    key: RunKey,
    protocol: Protocol,
    *,
    task: Task | None = None,
    device: torch.device | str = "cpu",
    batches: int = _BATCHES,
) -> GradientProbe:
    """Train a run for a few batches and measure the gradients of its loss and of its penalties at the recurrent weights.

    The steps are those of the run itself: the same start, trials, noise, penalties and optimizer.

    Args:
        connectome: The neurons.
        key: Which run.
        protocol: How it is run. Half precision is left out.
        task: What it learns; the task that the key names, if None.
        device: Where the network is trained.
        batches: How many batches; at most those of one epoch are taken.

    Returns:
        The two gradients.

    Raises:
        ValueError: If ``batches < 1``, or the connectome lacks what the variant needs.
    """
    check_count(batches, "batches")
    training = start_run(connectome, key, replace(protocol, autocast="none"), task=task, device=device).training
    weight = dict(training.model.named_parameters())["rnn.edge_weight"]
    start = float(weight.detach().abs().mean())
    of_loss, of_penalty = torch.zeros_like(weight), torch.zeros_like(weight)
    training.begin_epoch()
    starts = range(0, len(training.train_trials), protocol.batch_size)[:batches]
    for first in starts:
        batch = training.train_trials[first : first + protocol.batch_size]
        training.optimizer.zero_grad()
        F.cross_entropy(training.model(batch.inputs, rng=training.generator), batch.targets).backward()
        loss_gradient = weight.grad.clone()
        for penalty in training.penalties:
            penalty(training.model.rnn).backward()
        of_loss += loss_gradient.abs()
        of_penalty += (weight.grad - loss_gradient).abs()
        training.step()
    both = of_loss + of_penalty
    share = torch.where(both > 0, of_penalty / both, 0.0)
    return GradientProbe(
        key=key,
        batches=len(starts),
        loss=float(of_loss.mean()) / len(starts),
        penalty=float(of_penalty.mean()) / len(starts),
        penalty_share=float(share.mean()),
        size_ratio=float(weight.detach().abs().mean()) / start if start else math.nan,
        penalty_scale=protocol.penalty_scale,
    )


def floor_warnings(results: StudyResults) -> list[str]:
    """Say of each variant that ended at the floor of its task in all its runs what moved its weights, by a short probe.

    The floor is the accuracy of the best trivial strategy; a run counts as at its floor where its accuracy is not above it by two
    standard errors of as many trials.

    Args:
        results: The results of a study.

    Returns:
        A sentence or more for each connectome, protocol, arm, task and variant that ended there.
    """
    return [
        f"{key.variant} ended at its floor ({floor:.3g}) in {_runs(count)} of {key.task}, {key.recurrence} recurrence"
        f"{_where(results, key)}. {_probe(results, key)}"
        for key, count, floor in _at_floor(results)
    ]


def _at_floor(results: StudyResults) -> Iterator[tuple[RunKey, int, float]]:
    """Yield the first run of each group whose runs all ended at the floor, with their number and that floor."""
    for names, group in results.runs.groupby(list(GROUP), sort=False):
        key = results.find(**dict(zip(GROUP, names, strict=True)), seed=group["seed"].iloc[0])
        floor, trials = results.task_of(key).floor, results.protocol_of(key).num_test
        margin = _STANDARD_ERRORS * math.sqrt(floor * (1 - floor) / trials)
        # A run that diverged has another trouble, which the table names.
        if group["diverged_epoch"].isna().all() and (group["accuracy"] <= floor + margin).all():
            yield key, len(group), floor


def _probe(results: StudyResults, key: RunKey) -> GradientProbe:
    return probe_gradients(
        results.connectome_of(key),
        key,
        results.protocol_of(key),
        task=results.task_of(key),
        device=results.study.device,
    )


def _runs(count: int) -> str:
    return "its run" if count == 1 else f"all its {count} runs"


def _where(results: StudyResults, key: RunKey) -> str:
    several = (results.runs[name].nunique() > 1 for name in ("connectome", "protocol"))
    names = [name for name, named in zip((key.connectome, key.protocol), several, strict=True) if named]
    return f" ({', '.join(names)})" if names else ""
