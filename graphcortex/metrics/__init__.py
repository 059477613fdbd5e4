"""Analyses of a learned graph."""

from graphcortex.metrics._result import Result
from graphcortex.metrics.assortativity import Assortativity, assortativity
from graphcortex.metrics.busiest_edges import busiest_edges
from graphcortex.metrics.ensemble import NullDistribution, Nulls, null_distribution
from graphcortex.metrics.entropy import WeightEntropy, weight_entropy
from graphcortex.metrics.learned import LearnedGraphMetrics, learned_graph_metrics
from graphcortex.metrics.modularity import Modularity, modularity
from graphcortex.metrics.random_null import NullStatistics, random_null_statistics
from graphcortex.metrics.small_world import SmallWorld, small_worldness
from graphcortex.metrics.threshold import simple_edges, strongest_edges

__all__ = [
    "Assortativity",
    "LearnedGraphMetrics",
    "Modularity",
    "NullDistribution",
    "NullStatistics",
    "Nulls",
    "Result",
    "SmallWorld",
    "WeightEntropy",
    "assortativity",
    "busiest_edges",
    "learned_graph_metrics",
    "modularity",
    "null_distribution",
    "random_null_statistics",
    "simple_edges",
    "small_worldness",
    "strongest_edges",
    "weight_entropy",
]
