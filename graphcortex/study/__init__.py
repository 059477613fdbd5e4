"""The study: variants, protocol, training, runs and their table."""

from graphcortex.study.assemble import build_network, build_penalties, initial_weights
from graphcortex.study.claims import CLAIMS, Claim, evaluate_claims
from graphcortex.study.claims_table import ClaimsTable, Finding
from graphcortex.study.config import StudyConfig, run_study
from graphcortex.study.engines import Dask, Engine, EngineError, InProcess, Processes
from graphcortex.study.failure import Failure
from graphcortex.study.key import RECURRENCE, RunKey
from graphcortex.study.lengths import edge_lengths
from graphcortex.study.possible import check_possible
from graphcortex.study.protocol import CORRECTIONS, Protocol
from graphcortex.study.results import StudyResults
from graphcortex.study.run import METRICS, RunResult, run_one
from graphcortex.study.statistics import aligned_rank_model, compare_variants
from graphcortex.study.store import Store, StoreError
from graphcortex.study.study import Study, load_results, load_study
from graphcortex.study.table import format_table, paper_results, summarize
from graphcortex.study.training import KerasAdam, evaluate, train
from graphcortex.study.variant import PUBLISHED_VARIANTS, Variant, factorial
from graphcortex.study.wiring import network_edges

__all__ = [
    "CLAIMS",
    "CORRECTIONS",
    "METRICS",
    "PUBLISHED_VARIANTS",
    "RECURRENCE",
    "Claim",
    "ClaimsTable",
    "Dask",
    "Engine",
    "EngineError",
    "Failure",
    "Finding",
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
    "aligned_rank_model",
    "build_network",
    "build_penalties",
    "check_possible",
    "compare_variants",
    "edge_lengths",
    "evaluate",
    "evaluate_claims",
    "factorial",
    "format_table",
    "initial_weights",
    "load_results",
    "load_study",
    "network_edges",
    "paper_results",
    "run_one",
    "run_study",
    "summarize",
    "train",
]
