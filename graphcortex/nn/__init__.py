"""The recurrent network, its initial weights, its constraints, and the classifier of a task."""

from graphcortex.nn import initializers
from graphcortex.nn.classifier import TaskClassifier
from graphcortex.nn.constraints import (
    Dale,
    Gain,
    NonNegative,
    Offset,
    constrain_dale,
    constrain_nonnegative,
    learn_change,
    learn_gain,
    project_nonnegative,
)
from graphcortex.nn.ensemble import Ensemble
from graphcortex.nn.graph_rnn import GraphRNN
from graphcortex.nn.partitioned import PartitionedClassifier, PartitionedRNN
from graphcortex.nn.plasticity import Rewiring, StructuralPlasticity

__all__ = [
    "Dale",
    "Ensemble",
    "Gain",
    "GraphRNN",
    "NonNegative",
    "Offset",
    "PartitionedClassifier",
    "PartitionedRNN",
    "Rewiring",
    "StructuralPlasticity",
    "TaskClassifier",
    "constrain_dale",
    "constrain_nonnegative",
    "initializers",
    "learn_change",
    "learn_gain",
    "project_nonnegative",
]
