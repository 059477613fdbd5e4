"""Hypothesis strategies for graphs, connectomes and recordings. Needs the extra ``test``."""

from graphcortex.testing.graphs import Edges, GeometricGraph
from graphcortex.testing.strategies.connectomes import connectomes
from graphcortex.testing.strategies.geometric_graphs import geometric_graphs
from graphcortex.testing.strategies.graphs import edges, undirected_edges
from graphcortex.testing.strategies.labels import memberships, permutations_of
from graphcortex.testing.strategies.recordings import spike_trains
from graphcortex.testing.strategies.weights import weights

__all__ = [
    "Edges",
    "GeometricGraph",
    "connectomes",
    "edges",
    "geometric_graphs",
    "memberships",
    "permutations_of",
    "spike_trains",
    "undirected_edges",
    "weights",
]
