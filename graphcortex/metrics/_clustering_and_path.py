"""The two numbers that small-world metrics are made of, of a graph and of random graphs, with their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from graphcortex.graphs import SimpleGraph
from graphcortex.metrics.clustering import mean_clustering
from graphcortex.metrics.ensemble import Nulls
from graphcortex.metrics.paths import path_statistics_by_source, sampling_variance


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Clustering and path length over random graphs.

    Attributes:
        values: Clustering and path length of each graph, float64, shape ``(num_nulls, 2)``.
        moves: By how much each source moves the mean path length, shape ``(n,)``; empty where all neurons are sources.
        null: Name of the null model.
    """

    values: np.ndarray
    moves: np.ndarray
    null: str

    @property
    def mean(self) -> np.ndarray:
        """Mean clustering and mean path length, shape ``(2,)``."""
        return self.values.mean(0)

    @property
    def sd(self) -> np.ndarray:
        """Their standard deviations, shape ``(2,)``; NaN for a single graph."""
        return self.values.std(0, ddof=1) if len(self.values) > 1 else np.full(2, math.nan)

    def variance(self, by_clustering: float, by_path_length: float) -> float:
        """Return the variance, by the number of graphs, of a number with these derivatives by the two means."""
        if len(self.values) < 2:
            return math.nan
        return float((self.values @ np.array([by_clustering, by_path_length])).var(ddof=1) / len(self.values))


def clustering_and_path(graph: SimpleGraph, *, num_sources: int | None, seed: int) -> np.ndarray:
    """Return the mean clustering, the path length, and by how much each source moves it, shape ``(2 + n,)``."""
    found, moves = path_statistics_by_source(graph, num_sources=num_sources, seed=seed)
    return np.concatenate(([mean_clustering(graph), found.path_length], moves))


def ensemble(nulls: Nulls, graph: SimpleGraph, *, num_sources: int | None, seed: int) -> Ensemble:
    """Return clustering and path length of random graphs, along paths from the same sources."""
    statistic = partial(clustering_and_path, num_sources=num_sources, seed=seed)
    found = nulls.distribution(statistic, graph)
    return Ensemble(found.values[:, :2], found.values[:, 2:].mean(0), found.null)


def standard_error(moves: np.ndarray, num_nodes: int, *of_ensembles: float) -> float:
    """Return the standard error of a number, by the sampling of sources and by the numbers of random graphs.

    Args:
        moves: By how much each source moves the number, to first order, shape ``(n,)``. What the sources do to the graph
            and to the random graphs alike cancels here, if it does in the number.
        num_nodes: Number of neurons.
        of_ensembles: Variance of the number by each ensemble.
    """
    return math.sqrt(sampling_variance(moves, num_nodes) + sum(of_ensembles))
