"""The study: variants, protocol, training, runs and their table."""

from graphcortex.study.assemble import build_network, build_penalties, initial_weights
from graphcortex.study.config import StudyConfig
from graphcortex.study.key import RECURRENCE, RunKey
from graphcortex.study.protocol import CORRECTIONS, Protocol
from graphcortex.study.run import METRICS, RunResult, run_one
from graphcortex.study.store import Store, StoreError
from graphcortex.study.study import StudyResults, run_study
from graphcortex.study.table import format_table, paper_results, summarize
from graphcortex.study.training import KerasAdam, evaluate, train
from graphcortex.study.variant import PUBLISHED_VARIANTS, Variant, factorial

__all__ = [
    "CORRECTIONS",
    "METRICS",
    "PUBLISHED_VARIANTS",
    "RECURRENCE",
    "KerasAdam",
    "Protocol",
    "RunKey",
    "RunResult",
    "Store",
    "StoreError",
    "StudyConfig",
    "StudyResults",
    "Variant",
    "build_network",
    "build_penalties",
    "evaluate",
    "factorial",
    "format_table",
    "initial_weights",
    "paper_results",
    "run_one",
    "run_study",
    "summarize",
    "train",
]
