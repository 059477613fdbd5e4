"""One ensemble of random graphs for many metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np

from graphcortex.graphs import SimpleGraph
from graphcortex.metrics._identity import digest
from graphcortex.metrics._members import Statistic, numbers
from graphcortex.metrics.ensemble import NullDistribution, Nulls

_NAMES: WeakKeyDictionary[SimpleGraph, str] = WeakKeyDictionary()


class Noted(Exception):  # noqa: N818  (no error: how a metric is left once it has said what it needs)
    """A metric has asked for the null distribution of a statistic, which is noted."""


@dataclass(frozen=True)
class PooledNulls(Nulls):
    """Stand in for :class:`Nulls` twice: note which statistics metrics ask for, then answer them all from one ensemble.

    To draw a random graph takes longer than most of what is computed of it. Call each metric with this in place of ``Nulls``
    and catch :class:`Noted`; then call :meth:`draw`, and the metrics again. Their statistics must be functions of modules.
    """

    _noted: dict[str, dict[str, tuple[Statistic, SimpleGraph]]] = field(default_factory=dict, compare=False, repr=False)
    _answers: dict[str, NullDistribution] = field(default_factory=dict, compare=False, repr=False)

    def distribution(self, statistic: Statistic, graph: SimpleGraph) -> NullDistribution:
        """Return what :meth:`draw` found of a statistic.

        Raises:
            Noted: If it was not asked for before.
        """
        name = _name(graph)
        key = digest(statistic, name)
        if key not in self._answers:
            self._noted.setdefault(name, {})[key] = (statistic, graph)
            raise Noted
        return self._answers[key]

    def draw(self) -> None:
        """Compute all statistics that were noted, those of one graph together."""
        for noted in self._noted.values():
            statistics = tuple(statistic for statistic, _ in noted.values())
            graph = next(graph for _, graph in noted.values())
            found = super().distribution(partial(together, statistics=statistics), graph)
            # The first numbers of a row say how many numbers each statistic has.
            sizes = found.values[0, : len(statistics)].astype(int)
            ends = len(statistics) + np.cumsum(sizes)
            for key, size, end in zip(noted, sizes, ends, strict=True):
                self._answers[key] = NullDistribution(found.values[:, end - size : end], found.null, found.seed)
        self._noted.clear()


def together(graph: SimpleGraph, *, statistics: tuple[Statistic, ...]) -> np.ndarray:
    """Return in one row how many numbers each statistic of a graph has, and then the numbers."""
    found = [numbers(statistic(graph)) for statistic in statistics]
    return np.concatenate(([values.size for values in found], *found))


def _name(graph: SimpleGraph) -> str:
    if graph not in _NAMES:
        _NAMES[graph] = digest(
            graph.source, graph.target, graph.weight, graph.num_nodes, graph.directed, graph.pos, graph.sign
        )
    return _NAMES[graph]
