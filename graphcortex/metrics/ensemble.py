"""What a statistic is in random graphs that share something with a graph."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from graphcortex._checks import check_count
from graphcortex._random import as_generator, derive_seed, draw_seed
from graphcortex._typing import RandomSource
from graphcortex.graphs import NullModel, SimpleGraph, get_null_model

Statistic = Callable[[SimpleGraph], "float | Sequence[float] | np.ndarray"]


@dataclass(frozen=True, eq=False)
class NullDistribution:
    """A statistic, of one or several numbers, over an ensemble of random graphs.

    Attributes:
        values: The statistic of each random graph, float64, shape ``(num_nulls, K)``.
        null: Name of the null model.
        seed: Seed of the ensemble; its member ``i`` depends on the seed and on ``i`` alone.
    """

    values: np.ndarray
    null: str
    seed: int

    def fields(self, column: int = 0) -> dict[str, Any]:
        """Return what a :class:`Result` says of its null, for one number of the statistic."""
        found = self.values[:, column]
        sd = float(found.std(ddof=1)) if len(found) > 1 else float("nan")
        return {"null": self.null, "num_nulls": len(found), "null_mean": float(found.mean()), "null_sd": sd}


@dataclass(frozen=True)
class Nulls:
    """Which random graphs a metric is compared with, and how they are computed.

    Attributes:
        model: A name of :data:`graphcortex.graphs.NULL_MODELS`, or a null model.
        num: Number of random graphs.
        rng: A generator, or an int seed.
        processes: How many processes share the work.
        cache: Folder to keep the statistics of finished graphs in; None keeps them in memory alone.
        progress: Whether to show a progress bar.
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
        """
        model = get_null_model(self.model) if isinstance(self.model, str) else self.model
        check_count(self.num, "num")
        seed = draw_seed(self.rng) if isinstance(self.rng, torch.Generator) else self.rng
        as_generator(seed)
        drawn = (model.draw(graph, derive_seed("null", seed, i)) for i in range(self.num))
        values = [np.atleast_1d(np.asarray(statistic(one), dtype=float)) for one in drawn]
        return NullDistribution(np.stack(values), model.name, int(seed))


def as_nulls(null: str | Nulls | None) -> Nulls | None:
    """Return what a metric's argument ``null`` means: a name is a hundred graphs of that null model.

    Raises:
        ValueError: If it is neither a name, nor ``Nulls``, nor None.
    """
    if null is None or isinstance(null, Nulls):
        return null
    if not isinstance(null, (str, NullModel)):
        raise ValueError(f"null must be the name of a null model, Nulls or None, got {type(null).__name__}.")
    return Nulls(null)
