"""The study: variants, protocol, training, runs and their table."""

from graphcortex.study.assemble import build_network, build_penalties, initial_weights
from graphcortex.study.config import StudyConfig, run_study
from graphcortex.study.engines import Dask, Engine, EngineError, InProcess, Processes
from graphcortex.study.failure import Failure
from graphcortex.study.key import RECURRENCE, RunKey
from graphcortex.study.protocol import CORRECTIONS, Protocol
from graphcortex.study.results import StudyResults
from graphcortex.study.run import METRICS, RunResult, run_one
from graphcortex.study.store import Store, StoreError
from graphcortex.study.study import Study, load_results, load_study
from graphcortex.study.table import format_table, paper_results, summarize
from graphcortex.study.training import KerasAdam, evaluate, train
from graphcortex.study.variant import PUBLISHED_VARIANTS, Variant, factorial

__all__ = [
    "CORRECTIONS",
    "METRICS",
    "PUBLISHED_VARIANTS",
    "RECURRENCE",
    "Dask",
    "Engine",
    "EngineError",
    "Failure",
    "InProcess",
    "KerasAdam",
    "Processes",
    "Protocol",
    "RunKey",
    "RunResult",
    "Store",
    "StoreError",
    "Study",
    "StudyConfig",
    "StudyResults",
    "Variant",
    "build_network",
    "build_penalties",
    "evaluate",
    "factorial",
    "format_table",
    "initial_weights",
    "load_results",
    "load_study",
    "paper_results",
    "run_one",
    "run_study",
    "summarize",
    "train",
]
