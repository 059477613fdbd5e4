"""Analyses of a learned graph."""

from graphcortex.metrics._permutation import PermutationResult
from graphcortex.metrics._result import Result
from graphcortex.metrics.anatomy_auc import AnatomyAUC, anatomy_auc
from graphcortex.metrics.assortativity import Assortativity, assortativity
from graphcortex.metrics.busiest_edges import busiest_edges
from graphcortex.metrics.eigenvalue_outliers import EigenvalueOutliers, eigenvalue_outliers
from graphcortex.metrics.entropy import WeightEntropy, weight_entropy
from graphcortex.metrics.graph_overlap import GraphOverlap, graph_overlap
from graphcortex.metrics.learned import LearnedGraphMetrics, learned_graph_metrics
from graphcortex.metrics.length_distribution import LengthDistribution, length_distribution
from graphcortex.metrics.like_to_like import LikeToLike, like_to_like
from graphcortex.metrics.modularity import Modularity, modularity
from graphcortex.metrics.random_null import NullStatistics, random_null_statistics
from graphcortex.metrics.singular_values import (
    EffectiveDimension,
    SingularValueEntropy,
    effective_dimension,
    singular_value_entropy,
)
from graphcortex.metrics.small_world import SmallWorld, small_worldness
from graphcortex.metrics.spectral_entropy import SpectralEntropy, spectral_entropy
from graphcortex.metrics.spectral_radius import SpectralRadius, spectral_radius
from graphcortex.metrics.threshold import simple_edges, strongest_edges
from graphcortex.metrics.weight_length import WeightLengthCorrelation, weight_length_correlation
from graphcortex.metrics.wiring_length import WiringLength, wiring_length

__all__ = [
    "AnatomyAUC",
    "Assortativity",
    "EffectiveDimension",
    "EigenvalueOutliers",
    "GraphOverlap",
    "LearnedGraphMetrics",
    "LengthDistribution",
    "LikeToLike",
    "Modularity",
    "NullStatistics",
    "PermutationResult",
    "Result",
    "SingularValueEntropy",
    "SmallWorld",
    "SpectralEntropy",
    "SpectralRadius",
    "WeightEntropy",
    "WeightLengthCorrelation",
    "WiringLength",
    "anatomy_auc",
    "assortativity",
    "busiest_edges",
    "effective_dimension",
    "eigenvalue_outliers",
    "graph_overlap",
    "learned_graph_metrics",
    "length_distribution",
    "like_to_like",
    "modularity",
    "random_null_statistics",
    "simple_edges",
    "singular_value_entropy",
    "small_worldness",
    "spectral_entropy",
    "spectral_radius",
    "strongest_edges",
    "weight_entropy",
    "weight_length_correlation",
    "wiring_length",
]
