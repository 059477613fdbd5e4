"""Analyses of a learned graph."""

from graphcortex.metrics._permutation import PermutationResult
from graphcortex.metrics._result import Result
from graphcortex.metrics.anatomy_auc import AnatomyAUC, anatomy_auc
from graphcortex.metrics.assortativity import Assortativity, assortativity
from graphcortex.metrics.busiest_edges import busiest_edges
from graphcortex.metrics.clustering import Clustering, clustering
from graphcortex.metrics.compare import compare
from graphcortex.metrics.consensus import ConsensusModules, consensus_modules
from graphcortex.metrics.core import Coreness, coreness
from graphcortex.metrics.decoding import DecodingTimeCourse, decoding_time_course
from graphcortex.metrics.dimensionality import Dimensionality, ParticipationRatio, dimensionality, participation_ratio
from graphcortex.metrics.eigenvalue_outliers import EigenvalueOutliers, eigenvalue_outliers
from graphcortex.metrics.ensemble import NullDistribution, Nulls, null_distribution
from graphcortex.metrics.entropy import WeightEntropy, weight_entropy
from graphcortex.metrics.evolution import EVOLUTION_METRICS, Evolution, evolution
from graphcortex.metrics.graph_overlap import GraphOverlap, graph_overlap
from graphcortex.metrics.hubs import Hubs, hubs
from graphcortex.metrics.learned import LearnedGraphMetrics, learned_graph_metrics
from graphcortex.metrics.length_distribution import LengthDistribution, length_distribution
from graphcortex.metrics.like_to_like import LikeToLike, like_to_like
from graphcortex.metrics.lyapunov import LyapunovExponent, largest_lyapunov_exponent
from graphcortex.metrics.modularity import Modularity, modularity
from graphcortex.metrics.motifs import Motifs, motifs
from graphcortex.metrics.mutual_information import adjusted_mutual_information
from graphcortex.metrics.participation import Participation, participation
from graphcortex.metrics.paths import PathStatistics, path_statistics
from graphcortex.metrics.random_null import NullStatistics, random_null_statistics
from graphcortex.metrics.reciprocity import Reciprocity, reciprocity
from graphcortex.metrics.rich_club import RichClub, rich_club
from graphcortex.metrics.selectivity import Selectivity, selectivity
from graphcortex.metrics.singular_values import (
    EffectiveDimension,
    SingularValueEntropy,
    effective_dimension,
    singular_value_entropy,
)
from graphcortex.metrics.small_world import SmallWorld, small_worldness
from graphcortex.metrics.small_world_omega import SmallWorldOmega, small_world_omega
from graphcortex.metrics.small_world_propensity import SmallWorldPropensity, small_world_propensity
from graphcortex.metrics.spectral_entropy import SpectralEntropy, spectral_entropy
from graphcortex.metrics.spectral_radius import SpectralRadius, spectral_radius
from graphcortex.metrics.summary import summary
from graphcortex.metrics.summary_table import Summary, metric_label
from graphcortex.metrics.threshold import simple_edges, strongest_edges
from graphcortex.metrics.weight_length import WeightLengthCorrelation, weight_length_correlation
from graphcortex.metrics.wiring_length import WiringLength, wiring_length

__all__ = [
    "EVOLUTION_METRICS",
    "AnatomyAUC",
    "Assortativity",
    "Clustering",
    "ConsensusModules",
    "Coreness",
    "DecodingTimeCourse",
    "Dimensionality",
    "EffectiveDimension",
    "EigenvalueOutliers",
    "Evolution",
    "GraphOverlap",
    "Hubs",
    "LearnedGraphMetrics",
    "LengthDistribution",
    "LikeToLike",
    "LyapunovExponent",
    "Modularity",
    "Motifs",
    "NullDistribution",
    "NullStatistics",
    "Nulls",
    "Participation",
    "ParticipationRatio",
    "PathStatistics",
    "PermutationResult",
    "Reciprocity",
    "Result",
    "RichClub",
    "Selectivity",
    "SingularValueEntropy",
    "SmallWorld",
    "SmallWorldOmega",
    "SmallWorldPropensity",
    "SpectralEntropy",
    "SpectralRadius",
    "Summary",
    "WeightEntropy",
    "WeightLengthCorrelation",
    "WiringLength",
    "adjusted_mutual_information",
    "anatomy_auc",
    "assortativity",
    "busiest_edges",
    "clustering",
    "compare",
    "consensus_modules",
    "coreness",
    "decoding_time_course",
    "dimensionality",
    "effective_dimension",
    "eigenvalue_outliers",
    "evolution",
    "graph_overlap",
    "hubs",
    "largest_lyapunov_exponent",
    "learned_graph_metrics",
    "length_distribution",
    "like_to_like",
    "metric_label",
    "modularity",
    "motifs",
    "null_distribution",
    "participation",
    "participation_ratio",
    "path_statistics",
    "random_null_statistics",
    "reciprocity",
    "rich_club",
    "selectivity",
    "simple_edges",
    "singular_value_entropy",
    "small_world_omega",
    "small_world_propensity",
    "small_worldness",
    "spectral_entropy",
    "spectral_radius",
    "strongest_edges",
    "summary",
    "weight_entropy",
    "weight_length_correlation",
    "wiring_length",
]
