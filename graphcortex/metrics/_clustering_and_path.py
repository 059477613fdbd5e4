"""The two numbers that small-world metrics are made of, of a graph and of random graphs, with their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from graphcortex.graphs import SimpleGraph
from graphcortex.metrics.clustering import mean_clustering
from graphcortex.metrics.ensemble import Nulls
from graphcortex.metrics.paths import PathStatistics, path_statistics_of


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Clustering and path length over random graphs.

    Attributes:
        values: Clustering and path length of each graph, float64, shape ``(num_nulls, 2)``.
        null: Name of the null model.
    """

    values: np.ndarray
    null: str

    @property
    def mean(self) -> np.ndarray:
        """Mean clustering and mean path length, shape ``(2,)``."""
        return self.values.mean(0)

    @property
    def sd(self) -> np.ndarray:
        """Their standard deviations, shape ``(2,)``; NaN for a single graph."""
        return self.values.std(0, ddof=1) if len(self.values) > 1 else np.full(2, math.nan)

    @property
    def covariance_of_mean(self) -> np.ndarray:
        """Covariance of the two means, shape ``(2, 2)``; NaN for a single graph."""
        if len(self.values) < 2:
            return np.full((2, 2), math.nan)
        return np.cov(self.values, rowvar=False) / len(self.values)


def clustering_and_path(graph: SimpleGraph, *, num_sources: int | None, seed: int) -> tuple[float, float]:
    """Return the mean clustering and the characteristic path length of a graph."""
    return mean_clustering(graph), paths(graph, num_sources=num_sources, seed=seed).path_length


def paths(graph: SimpleGraph, *, num_sources: int | None, seed: int) -> PathStatistics:
    """Return the path statistics of a graph."""
    return path_statistics_of(graph, num_sources=num_sources, rng=seed)


def ensemble(nulls: Nulls, graph: SimpleGraph, *, num_sources: int | None, seed: int) -> Ensemble:
    """Return clustering and path length of random graphs."""
    statistic = partial(clustering_and_path, num_sources=num_sources, seed=seed)
    found = nulls.distribution(statistic, graph)
    return Ensemble(found.values, found.null)


def propagated(*parts: tuple[np.ndarray | float, np.ndarray | float]) -> float:
    """Return the standard error of a function of independent estimates.

    Args:
        parts: For each estimate its derivative, shape ``(K,)``, and covariance, shape ``(K, K)``; or two numbers, its
            derivative and variance.
    """
    variance = 0.0
    for derivative, covariance in parts:
        g, V = np.atleast_1d(derivative), np.atleast_2d(covariance)
        variance += float(g @ V @ g)
    return math.sqrt(max(variance, 0.0)) if not math.isnan(variance) else math.nan
