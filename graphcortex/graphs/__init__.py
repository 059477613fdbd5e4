"""Simple graphs as arrays, igraph's algorithms on them, and random graphs to compare them with."""

from graphcortex.graphs.local_wiring import local_wiring
from graphcortex.graphs.null_models import NULL_MODELS, NullModel, get_null_model
from graphcortex.graphs.simple import SimpleGraph, simple_graph

__all__ = ["NULL_MODELS", "NullModel", "SimpleGraph", "get_null_model", "local_wiring", "simple_graph"]
