"""The recurrent network, its initial weights, its constraints, and the classifier of a task."""

from graphcortex.nn import initializers
from graphcortex.nn.classifier import TaskClassifier
from graphcortex.nn.constraints import NonNegative, constrain_nonnegative, project_nonnegative
from graphcortex.nn.graph_rnn import GraphRNN

__all__ = [
    "GraphRNN",
    "NonNegative",
    "TaskClassifier",
    "constrain_nonnegative",
    "initializers",
    "project_nonnegative",
]
