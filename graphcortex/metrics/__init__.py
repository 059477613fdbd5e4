"""Analyses of a learned graph."""

from graphcortex.metrics._result import Result
from graphcortex.metrics.assortativity import Assortativity, assortativity
from graphcortex.metrics.busiest_edges import busiest_edges
from graphcortex.metrics.decoding import DecodingTimeCourse, decoding_time_course
from graphcortex.metrics.dimensionality import Dimensionality, ParticipationRatio, dimensionality, participation_ratio
from graphcortex.metrics.entropy import WeightEntropy, weight_entropy
from graphcortex.metrics.evolution import EVOLUTION_METRICS, Evolution, evolution
from graphcortex.metrics.learned import LearnedGraphMetrics, learned_graph_metrics
from graphcortex.metrics.lyapunov import LyapunovExponent, largest_lyapunov_exponent
from graphcortex.metrics.modularity import Modularity, modularity
from graphcortex.metrics.random_null import NullStatistics, random_null_statistics
from graphcortex.metrics.selectivity import Selectivity, selectivity
from graphcortex.metrics.small_world import SmallWorld, small_worldness
from graphcortex.metrics.threshold import simple_edges, strongest_edges

__all__ = [
    "EVOLUTION_METRICS",
    "Assortativity",
    "DecodingTimeCourse",
    "Dimensionality",
    "Evolution",
    "LearnedGraphMetrics",
    "LyapunovExponent",
    "Modularity",
    "NullStatistics",
    "ParticipationRatio",
    "Result",
    "Selectivity",
    "SmallWorld",
    "WeightEntropy",
    "assortativity",
    "busiest_edges",
    "decoding_time_course",
    "dimensionality",
    "evolution",
    "largest_lyapunov_exponent",
    "learned_graph_metrics",
    "modularity",
    "participation_ratio",
    "random_null_statistics",
    "selectivity",
    "simple_edges",
    "small_worldness",
    "strongest_edges",
    "weight_entropy",
]
