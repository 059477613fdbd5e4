"""What a statistic is in random graphs that share something with a graph."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from graphcortex._checks import check_count
from graphcortex._random import as_seed
from graphcortex._ties import ROUNDING, at_least
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import NullModel, SimpleGraph, get_null_model, simple_graph
from graphcortex.metrics._identity import UnnamedError, digest
from graphcortex.metrics._kept import keep, recall
from graphcortex.metrics._members import Statistic, members, numbers
from graphcortex.metrics._result import Result

Metric = Callable[[EdgeIndex, "EdgeValues | None", int], "float | Result | Sequence[float]"]

_SAVE_EVERY_S = 10.0


@dataclass(frozen=True, eq=False)
class NullDistribution:
    """A statistic, of one or several numbers, over an ensemble of random graphs.

    Attributes:
        values: The statistic of each random graph, float64, shape ``(num_nulls, K)``. NaN where it is not defined, and then
            in what follows from it too.
        null: Name of the null model.
        seed: Seed of the ensemble; its member ``i`` depends on the seed and on ``i`` alone.
    """

    values: np.ndarray
    null: str
    seed: int

    @property
    def num(self) -> int:
        """Number of random graphs."""
        return len(self.values)

    @functools.cached_property
    def mean(self) -> np.ndarray:
        """Mean of each number over the random graphs, shape ``(K,)``."""
        with np.errstate(invalid="ignore"):
            return self.values.mean(axis=0)

    @functools.cached_property
    def sd(self) -> np.ndarray:
        """Standard deviation of each number, ``num - 1`` in the denominator, shape ``(K,)``; NaN for one random graph.

        0 where the numbers differ by rounding alone.
        """
        if self.num < 2:
            return np.full(self.values.shape[1], np.nan)
        with np.errstate(invalid="ignore"):
            sd = self.values.std(axis=0, ddof=1)
            return np.where(sd <= ROUNDING * np.abs(self.values).max(axis=0), sd * 0.0, sd)

    def z(self, observed: float | Sequence[float]) -> np.ndarray:
        """Return how many standard deviations observed numbers lie above the mean, shape ``(K,)``.

        NaN where the random graphs do not vary.
        """
        found = self._observed(observed)
        with np.errstate(invalid="ignore"):
            return np.divide(found - self.mean, self.sd, out=np.full(found.shape, np.nan), where=self.sd > 0)

    def p(self, observed: float | Sequence[float]) -> np.ndarray:
        r"""Return the two-sided Monte-Carlo p-value of observed numbers, shape ``(K,)``, in :math:`[1 / (n + 1), 1]`.

        .. math::
            p = \frac{1 + \#\{i : |v_i - m| \ge |v - m|\}}{1 + n},

        where :math:`m` is the mean of the observed number and those of the :math:`n` random graphs together, so that a graph
        that is one of them has a p-value of at most :math:`\alpha` with a probability of at most :math:`\alpha`.

        References:
            Phipson & Smyth (2010). Permutation p-values should never be zero. Stat. Appl. Genet. Mol. Biol. 9.
            https://doi.org/10.2202/1544-6115.1585
        """
        found = self._observed(observed)
        together = np.vstack((self.values, found))
        with np.errstate(invalid="ignore"):
            distance = np.abs(together - together.mean(axis=0))
            as_far = at_least(distance[:-1], distance[-1], np.abs(together).max(axis=0))
            p = (1 + as_far.sum(axis=0)) / len(together)
        return np.where(np.isfinite(together).all(axis=0), p, np.nan)

    def fields(self, column: int = 0) -> dict[str, Any]:
        """Return what a :class:`Result` says of its null, for one number of the statistic."""
        mean, sd = float(self.mean[column]), float(self.sd[column])
        return {"null": self.null, "num_nulls": self.num, "null_mean": mean, "null_sd": sd}

    def _observed(self, observed: float | Sequence[float]) -> np.ndarray:
        found, K = numbers(observed), self.values.shape[1]
        if found.shape != (K,):
            raise ValueError(f"observed must hold one value per number: expected shape ({K},), got {found.shape}.")
        return found


@dataclass(frozen=True)
class Nulls:
    """Which random graphs a metric is compared with, and how they are computed.

    Statistics of finished graphs are kept, and found again by all they depend on: what the null model needs of the graph, its
    seed, the statistic with its arguments and code, and the version of the library. An ensemble of a thousand goes on from one
    of a hundred, and one that was interrupted from where it was. Lambdas and functions within functions are computed anew.

    Attributes:
        model: A name of :data:`graphcortex.graphs.NULL_MODELS`, or a null model.
        num: Number of random graphs.
        rng: A generator, or an int seed.
        processes: How many processes share the work; the numbers are the same. A script that asks for more than one must
            guard what it runs by ``if __name__ == "__main__":``.
        cache: Folder to keep the statistics of finished graphs in; None keeps them in memory alone.
        progress: Whether to show a progress bar, where standard error is a terminal.
    """

    model: str | NullModel = "degree"
    num: int = 100
    rng: RandomSource = 0
    processes: int = 1
    cache: str | os.PathLike[str] | None = None
    progress: bool = False

    def distribution(self, statistic: Statistic, graph: SimpleGraph) -> NullDistribution:
        """Compute a statistic of random graphs that share something with ``graph``.

        Args:
            statistic: From a graph to one or several numbers: a function of a module, or a ``functools.partial`` of one.
            graph: The graph.

        Raises:
            ValueError: If there is no such null model, the graph lacks what it needs, the statistic gives something else
                than numbers, or numbers are out of range.
        """
        model = get_null_model(self.model) if isinstance(self.model, str) else self.model
        num, processes = check_count(self.num, "num"), check_count(self.processes, "processes")
        seed = as_seed(self.rng)
        folder = None if self.cache is None else Path(self.cache)
        key = _key(statistic, graph, model, seed)
        kept = None if key is None else recall(key, folder)
        rows = [] if kept is None else list(kept[:num])
        if len(rows) < num:
            self._go_on(rows, key, folder, statistic, graph, model, seed, num, processes)
        elif kept is not None and key is not None:
            keep(key, kept, folder)  # from memory to a folder that lacks it, or back
        return NullDistribution(np.stack(rows), model.name, seed)

    def _go_on(self, rows, key, folder, statistic, graph, model, seed, num, processes) -> None:
        """Fill up the rows, and keep them every now and then and in the end, however that comes."""
        start, saved = len(rows), time.monotonic()
        more = members(statistic, graph, model, seed, range(start, num), processes)
        label = f"{_called(statistic)} of {model.name} graphs"
        bar = progress_bar(label, num, "graph", initial=start, show=self.progress)
        try:
            for row in more:
                if rows and row.shape != rows[0].shape:
                    raise ValueError(
                        f"a statistic must give as many numbers for every graph, got {row.size} after {rows[0].size}."
                    )
                rows.append(row)
                bar.update()
                if time.monotonic() - saved > _SAVE_EVERY_S and key is not None:
                    keep(key, np.stack(rows), folder)
                    saved = time.monotonic()
        finally:
            bar.close()
            more.close()
            if key is not None and len(rows) > start:
                keep(key, np.stack(rows), folder)


def progress_bar(label: str, total: int, unit: str, *, initial: int = 0, show: bool = True) -> tqdm:
    """Return a progress bar on standard error, which shows where that is a terminal, and goes away when it is closed."""
    hidden = not (show and sys.stderr.isatty())
    return tqdm(
        total=total,
        initial=initial,
        desc=label,
        unit=unit,
        file=sys.stderr,
        leave=False,
        dynamic_ncols=True,
        disable=hidden,
    )


def as_nulls(null: str | NullModel | Nulls | None) -> Nulls | None:
    """Return what a metric's argument ``null`` means: a name is a hundred graphs of that null model.

    Raises:
        ValueError: If it is neither a name, nor a null model, nor ``Nulls``, nor None.
    """
    if null is None or isinstance(null, Nulls):
        return null
    if not isinstance(null, (str, NullModel)):
        raise ValueError(f"null must be the name of a null model, Nulls or None, got {type(null).__name__}.")
    return Nulls(null)


def null_distribution(
    metric: Metric,
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    null: str | NullModel | Nulls = "degree",
    directed: bool = True,
    threshold: float = 0.0,
    pos: torch.Tensor | None = None,
) -> NullDistribution:
    """Compute a metric of one's own in random graphs that share something with a graph.

    Args:
        metric: From ``(edge_index, edge_weight, num_nodes)`` to a number, a :class:`Result` or a sequence of numbers. It meets
            graphs without self-connections and repeated edges and, where they have no direction, with both directions of each
            linked pair. Weights keep their signs. To be kept, or computed by several processes, it must be a function of a module.
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons.
        null: The null model, by name for a hundred graphs, or :class:`Nulls`.
        directed: Whether edges keep their direction.
        threshold: Edges that are not above it in size are no edges; at least 0, in the unit of the weights.
        pos: Position of each neuron in um, shape ``(N, 3)``, where the null model needs it.

    Returns:
        The metric of each random graph, with their mean, standard deviation, and the p-value of an observed value.

    Raises:
        ValueError: If the arguments do not describe one graph, there is no such null model, it needs ``pos``, or a pair without
            direction has weights of both signs.

    References:
        Vasa & Misic (2022). Null models in network neuroscience. Nat. Rev. Neurosci. 23.
        https://doi.org/10.1038/s41583-022-00601-9

    Example:
        >>> def reciprocity(edge_index, edge_weight, num_nodes):
        ...     there, back = (set(map(tuple, rows.T.tolist())) for rows in (edge_index, edge_index.flip(0)))
        ...     return len(there & back) / len(there)
        >>> mutual = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [1, 0, 3, 2, 5, 4, 7, 6]])
        >>> nulls = null_distribution(reciprocity, mutual, None, 8, null=Nulls("degree", num=99))
        >>> bool(nulls.mean < 0.5), bool(nulls.p(reciprocity(mutual, None, 8)) <= 0.05)
        (True, True)
    """
    nulls = as_nulls(null)
    if nulls is None:
        raise ValueError("null must be the name of a null model or Nulls, got None.")
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold, pos=pos)
    if graph.sign is not None and not graph.sign.all():
        raise ValueError(
            "edge_weight must have one sign in both directions of a pair where directed=False, got "
            f"{int((graph.sign == 0).sum())} pairs of both; pass edge_weight.abs(), or directed=True."
        )
    return nulls.distribution(functools.partial(_of_tensors, metric), graph)


def _of_tensors(metric: Metric, graph: SimpleGraph) -> np.ndarray:
    edge_index, edge_weight = graph.edge_index, graph.edge_weight
    if edge_weight is not None and graph.sign is not None:
        edge_weight = edge_weight * torch.from_numpy(graph.sign)
    if not graph.directed:
        edge_index = torch.cat((edge_index, edge_index.flip(0)), dim=1)
        edge_weight = None if edge_weight is None else edge_weight.repeat(2)
    return numbers(metric(edge_index, edge_weight, graph.num_nodes))


def _key(statistic: Statistic, graph: SimpleGraph, model: NullModel, seed: int) -> str | None:
    """Return the name of all that an ensemble depends on, or None where that cannot be known for sure."""
    needed = [graph.num_nodes, graph.num_edges, graph.directed, graph.weight is None]
    if "edges" in model.needs:
        needed += [graph.source, graph.target]
    if "weights" in model.needs:
        needed += [graph.weight, graph.sign]
    # Positions come along with every random graph, and the statistic may look at them.
    if graph.pos is not None:
        needed.append(graph.pos)
    # An import of the package would bring this room all that the package offers.
    version = sys.modules["graphcortex"].__version__
    try:
        return digest(version, model.name, model.draw, seed, statistic, needed)
    except UnnamedError:
        return None


def _called(statistic: Any) -> str:
    while isinstance(statistic, functools.partial):
        statistic = statistic.args[0] if statistic.func is _of_tensors else statistic.func
    return getattr(statistic, "__name__", type(statistic).__name__)
