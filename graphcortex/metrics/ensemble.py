"""What a metric is in random graphs that share something with a graph."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from graphcortex._checks import check_count
from graphcortex._random import as_generator, derive_seed, draw_seed
from graphcortex._typing import RandomSource
from graphcortex.graphs import SimpleGraph, get_null_model

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

    @property
    def num_nulls(self) -> int:
        """Number of random graphs."""
        return len(self.values)

    def fields(self, column: int = 0) -> dict[str, object]:
        """Return what a :class:`Result` says of its null, for one number of the statistic."""
        found = self.values[:, column]
        sd = float(found.std(ddof=1)) if len(found) > 1 else float("nan")
        done = {"null": self.null, "num_nulls": len(found), "seed": self.seed}
        return {**done, "null_mean": float(found.mean()), "null_sd": sd}


def null_distribution(
    statistic: Statistic,
    graph: SimpleGraph,
    *,
    null: str = "degree",
    num_nulls: int = 100,
    rng: RandomSource = 0,
    processes: int = 1,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> NullDistribution:
    """Compute a statistic of random graphs that share something with a graph."""
    model = get_null_model(null)
    num_nulls = check_count(num_nulls, "num_nulls")
    seed = draw_seed(rng) if isinstance(rng, torch.Generator) else rng
    as_generator(seed)
    values = [
        np.atleast_1d(np.asarray(statistic(model.draw(graph, derive_seed("null", seed, i))), dtype=float))
        for i in range(num_nulls)
    ]
    return NullDistribution(np.stack(values), null, int(seed))
