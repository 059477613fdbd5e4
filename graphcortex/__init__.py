"""graphcortex: a cortical connectome as a trainable sparse recurrent network, and what of it helped learning.

The public names are imported when they are first used, so that ``import graphcortex`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PLACES = {
    "graphcortex._random": ("derive_seed",),
    "graphcortex.data": (
        "Coactivity",
        "Connectome",
        "MicronsCAVE",
        "MicronsFields",
        "MicronsVolume",
        "SyntheticCortex",
        "audit",
        "from_tables",
    ),
    "graphcortex.kernels": ("complete_edge_index", "use_backend"),
    "graphcortex.losses": (
        "CommunicabilityEMD",
        "L1Penalty",
        "LengthCommunicabilityPenalty",
        "LengthPenalty",
        "SampledCommunicabilityEMD",
    ),
    "graphcortex.metrics": ("busiest_edges", "compare", "learned_graph_metrics", "summary"),
    "graphcortex.nn": ("GraphRNN", "StructuralPlasticity", "TaskClassifier"),
    "graphcortex.ops": ("communicability", "edge_length", "spatial_communicability", "total_communicability"),
    "graphcortex.study": ("Protocol", "Study", "StudyConfig", "Variant", "evaluate_claims", "run_study"),
    "graphcortex.tasks": ("TASKS", "NeuroGym", "Trials", "get_task"),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

if TYPE_CHECKING:
    from graphcortex._random import derive_seed
    from graphcortex.data import (
        Coactivity,
        Connectome,
        MicronsCAVE,
        MicronsFields,
        MicronsVolume,
        SyntheticCortex,
        audit,
        from_tables,
    )
    from graphcortex.kernels import complete_edge_index, use_backend
    from graphcortex.losses import (
        CommunicabilityEMD,
        L1Penalty,
        LengthCommunicabilityPenalty,
        LengthPenalty,
        SampledCommunicabilityEMD,
    )
    from graphcortex.metrics import busiest_edges, compare, learned_graph_metrics, summary
    from graphcortex.nn import GraphRNN, StructuralPlasticity, TaskClassifier
    from graphcortex.ops import communicability, edge_length, spatial_communicability, total_communicability
    from graphcortex.study import Protocol, Study, StudyConfig, Variant, evaluate_claims, run_study
    from graphcortex.tasks import TASKS, NeuroGym, Trials, get_task

__all__ = [
    "TASKS",
    "Coactivity",
    "CommunicabilityEMD",
    "Connectome",
    "GraphRNN",
    "L1Penalty",
    "LengthCommunicabilityPenalty",
    "LengthPenalty",
    "MicronsCAVE",
    "MicronsFields",
    "MicronsVolume",
    "NeuroGym",
    "Protocol",
    "SampledCommunicabilityEMD",
    "StructuralPlasticity",
    "Study",
    "StudyConfig",
    "SyntheticCortex",
    "TaskClassifier",
    "Trials",
    "Variant",
    "audit",
    "busiest_edges",
    "communicability",
    "compare",
    "complete_edge_index",
    "derive_seed",
    "edge_length",
    "evaluate_claims",
    "from_tables",
    "get_task",
    "learned_graph_metrics",
    "run_study",
    "spatial_communicability",
    "summary",
    "total_communicability",
    "use_backend",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module 'graphcortex' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PLACE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
