"""How metrics of a graph change while its weights are trained, without keeping the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
import torch

from graphcortex._checks import check_count, check_graph
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.metrics._result import Result
from graphcortex.metrics.assortativity import assortativity
from graphcortex.metrics.entropy import not_finite_reason, weight_entropy
from graphcortex.metrics.modularity import modularity
from graphcortex.metrics.threshold import strongest_edges
from graphcortex.ops import spectral_radius

Metric = Callable[[EdgeIndex, EdgeValues, int], "float | Result"]

EVOLUTION_METRICS: dict[str, Metric] = {
    "mean_size": lambda edge_index, edge_weight, num_nodes: _mean(edge_weight.abs()),
    "share_nonzero": lambda edge_index, edge_weight, num_nodes: _mean(edge_weight != 0),
    "entropy": lambda edge_index, edge_weight, num_nodes: weight_entropy(edge_weight),
    "spectral_radius": spectral_radius,
    "modularity": lambda *graph: modularity(strongest_edges(*graph), None, graph[2], method="fast_greedy"),
    "assortativity": lambda *graph: assortativity(strongest_edges(*graph), None, graph[2]),
}
"""What :func:`evolution` computes unless it is told: from ``(edge_index, edge_weight, num_nodes)`` to a number or a
:class:`Result`. Modularity and assortativity are those of the strongest tenth of the weights, as the study has them. Add to a copy:
``{**EVOLUTION_METRICS, "mine": mine}``.
"""


def _mean(values: torch.Tensor) -> float:
    return float(values.double().mean()) if values.numel() else math.nan


class Evolution:
    """A recorder of metrics over epochs: it keeps numbers, and none of the weights.

    In a training loop of one's own, call it with the network; in :func:`graphcortex.study.train`, hand over
    ``on_epoch=lambda row: record(row["epoch"], model.rnn)``.

    Args:
        metrics: From names to functions ``(edge_index, edge_weight, num_nodes) -> float | Result``;
            :data:`EVOLUTION_METRICS` if None.
        every: Record only epochs that are multiples of this.

    Raises:
        ValueError: If ``metrics`` is no mapping from names to functions, uses the names of other columns, or ``every < 1``.

    Example:
        >>> from types import SimpleNamespace
        >>> rnn = SimpleNamespace(edge_index=torch.tensor([[0, 1], [1, 0]]), edge_weight=torch.tensor([4.0, 1.0]), num_nodes=2)
        >>> record = Evolution({"radius": spectral_radius})
        >>> for epoch in range(2):
        ...     record(epoch, rnn)
        ...     rnn.edge_weight = rnn.edge_weight / 2
        >>> record.table()["radius"].round(6).tolist()
        [2.0, 1.0]
    """

    def __init__(self, metrics: Mapping[str, Metric] | None = None, *, every: int = 1):
        metrics = EVOLUTION_METRICS if metrics is None else metrics
        if not isinstance(metrics, Mapping) or not all(
            isinstance(name, str) and callable(metric) for name, metric in metrics.items()
        ):
            raise ValueError(f"metrics must be a mapping from names to functions, got {metrics!r}.")
        taken = sorted({"epoch", "reason"} & set(metrics))
        if taken:
            raise ValueError(f"metrics must have names other than 'epoch' and 'reason', got {taken}.")
        self.metrics = dict(metrics)
        self.every = check_count(every, "every")
        self._rows: list[dict[str, Any]] = []

    def __call__(self, epoch: int, rnn: Any) -> None:
        """Record a network.

        Args:
            epoch: Number of the epoch.
            rnn: Anything with ``edge_index`` of shape ``(2, E)``, ``edge_weight`` of shape ``(E,)`` and ``num_nodes``, such as
                :class:`graphcortex.nn.GraphRNN`.

        Raises:
            ValueError: If they do not describe one graph.
        """
        if epoch % self.every == 0:
            self.record(epoch, rnn.edge_index, rnn.edge_weight, rnn.num_nodes)

    def record(self, epoch: int, edge_index: EdgeIndex, edge_weight: EdgeValues, num_nodes: int) -> None:
        """Record a graph, whatever ``every`` is.

        Args:
            epoch: Number of the epoch.
            edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
            edge_weight: Weight of each edge, shape ``(E,)``; where one is not finite, all metrics are NaN.
            num_nodes: Number of neurons.

        Raises:
            ValueError: If the arguments do not describe one graph.
        """
        check_graph(edge_index, edge_weight, num_nodes)
        edge_weight = edge_weight.detach()
        not_finite = int((~edge_weight.isfinite()).sum())
        row: dict[str, Any] = {"epoch": epoch}
        if not_finite:
            row |= dict.fromkeys(self.metrics, math.nan)
            reasons = [not_finite_reason(not_finite, edge_weight.numel())]
        else:
            found = {name: metric(edge_index, edge_weight, num_nodes) for name, metric in self.metrics.items()}
            row |= {name: float(result) for name, result in found.items()}
            reasons = [f"{name}: {result.reason}" for name, result in found.items() if getattr(result, "reason", "")]
        self._rows.append(row | {"reason": "; ".join(reasons)})

    def table(self) -> pd.DataFrame:
        """Return a row per recorded epoch: ``epoch``, the metrics, and ``reason``, why one is NaN or degenerate."""
        return pd.DataFrame(self._rows, columns=["epoch", *self.metrics, "reason"])


def evolution(
    weights: Iterable[EdgeValues] | Mapping[int, EdgeValues],
    edge_index: EdgeIndex,
    num_nodes: int,
    *,
    metrics: Mapping[str, Metric] | None = None,
    epochs: Iterable[int] | None = None,
) -> pd.DataFrame:
    """Compute metrics of a graph over the epochs of its training.

    Weights are taken one epoch after another, and let go before the next are asked for: a generator that loads or computes them
    has one of them in memory at a time. :class:`Evolution` does the same while a network is trained.

    Args:
        weights: Weights of each edge in each epoch, each of shape ``(E,)``, in any unit: an iterable, or a mapping from epoch to
            weights.
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``, the same in all epochs.
        num_nodes: Number of neurons.
        metrics: From names to functions ``(edge_index, edge_weight, num_nodes) -> float | Result``;
            :data:`EVOLUTION_METRICS` if None.
        epochs: Number of each epoch, where ``weights`` is no mapping; 0, 1, ... if None.

    Returns:
        A row per epoch: ``epoch``, a column per metric, and ``reason``, why one is NaN or degenerate. All metrics are NaN where
        the weights are not finite, as those of a network that diverged.

    Raises:
        ValueError: If weights and edges do not describe one graph, there are not as many epochs as weights, ``epochs`` are
            given for a mapping, or ``metrics`` is no mapping from names to functions.

    Example:
        >>> edge_index = torch.tensor([[0, 1], [1, 0]])
        >>> weights = (torch.tensor([4.0, 1.0]) / 2**epoch for epoch in range(3))
        >>> table = evolution(weights, edge_index, 2, metrics={"radius": spectral_radius}, epochs=[0, 10, 20])
        >>> table["epoch"].tolist(), table["radius"].round(6).tolist()
        ([0, 10, 20], [2.0, 1.0, 0.5])
    """
    recorder = Evolution(metrics)
    if isinstance(weights, Mapping):
        if epochs is not None:
            raise ValueError("epochs must be None where weights is a mapping, whose keys they are; got both.")
        for epoch in weights:
            recorder.record(epoch, edge_index, weights[epoch], num_nodes)
        return recorder.table()
    if isinstance(weights, torch.Tensor) and weights.dim() == 1:
        raise ValueError("weights must be an iterable of weights, one tensor per epoch, got a single one.")
    numbers = None if epochs is None else iter(epochs)
    # A loop variable, and the tuples of zip and enumerate, would hold the last weights while the next are made.
    snapshots = iter(weights)
    count = 0
    while _record_next(recorder, snapshots, numbers, count, edge_index, num_nodes):
        count += 1
    if numbers is not None and next(numbers, None) is not None:
        raise ValueError(f"epochs must name as many epochs as there are weights, got more than {count}.")
    return recorder.table()


def _record_next(
    recorder: Evolution,
    snapshots: Iterator[EdgeValues],
    numbers: Iterator[int] | None,
    count: int,
    edge_index: EdgeIndex,
    num_nodes: int,
) -> bool:
    """Record the next weights; return whether there were any."""
    edge_weight = next(snapshots, None)
    if edge_weight is None:
        return False
    epoch = count if numbers is None else next(numbers, None)
    if epoch is None:
        raise ValueError(f"epochs must name as many epochs as there are weights, got {count} for more.")
    recorder.record(epoch, edge_index, edge_weight, num_nodes)
    return True
