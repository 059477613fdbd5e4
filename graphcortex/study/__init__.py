"""The study: variants, protocol, training, runs and their table."""

from graphcortex.study.agreement import compare_means
from graphcortex.study.assemble import build_network, build_penalties, initial_weights
from graphcortex.study.checkpoint import Checkpoint, CheckpointError
from graphcortex.study.claims import CLAIMS, CONTROLS, Claim, evaluate_claims
from graphcortex.study.claims_table import ClaimsTable, Finding
from graphcortex.study.config import StudyConfig, run_study
from graphcortex.study.engines import Dask, Engine, EngineError, Ensembles, InProcess, Processes
from graphcortex.study.ensemble import group_keys, run_ensemble
from graphcortex.study.failure import Failure
from graphcortex.study.key import RECURRENCE, RunKey
from graphcortex.study.lengths import edge_lengths
from graphcortex.study.logs import csv_log, tensorboard_log
from graphcortex.study.optimizers import KerasAdam, make_optimizer, scheduled_rate
from graphcortex.study.paper_layout import PaperLayoutError, read_paper_layout, write_paper_layout
from graphcortex.study.possible import check_possible
from graphcortex.study.probe import GradientProbe, floor_warnings, probe_gradients
from graphcortex.study.protocol import CORRECTIONS, Protocol
from graphcortex.study.results import StudyResults
from graphcortex.study.run import METRICS, RunResult, run_one
from graphcortex.study.statistics import aligned_rank_model, compare_variants
from graphcortex.study.store import Store, StoreError
from graphcortex.study.study import Study, load_results, load_study
from graphcortex.study.table import describe_intervals, format_table, paper_results, summarize
from graphcortex.study.training import Training, evaluate, train
from graphcortex.study.variant import PUBLISHED_VARIANTS, Variant, factorial
from graphcortex.study.wiring import network_edges

__all__ = [
    "CLAIMS",
    "CONTROLS",
    "CORRECTIONS",
    "METRICS",
    "PUBLISHED_VARIANTS",
    "RECURRENCE",
    "Checkpoint",
    "CheckpointError",
    "Claim",
    "ClaimsTable",
    "Dask",
    "Engine",
    "EngineError",
    "Ensembles",
    "Failure",
    "Finding",
    "GradientProbe",
    "InProcess",
    "KerasAdam",
    "PaperLayoutError",
    "Processes",
    "Protocol",
    "RunKey",
    "RunResult",
    "Store",
    "StoreError",
    "Study",
    "StudyConfig",
    "StudyResults",
    "Training",
    "Variant",
    "aligned_rank_model",
    "build_network",
    "build_penalties",
    "check_possible",
    "compare_means",
    "compare_variants",
    "csv_log",
    "describe_intervals",
    "edge_lengths",
    "evaluate",
    "evaluate_claims",
    "factorial",
    "floor_warnings",
    "format_table",
    "group_keys",
    "initial_weights",
    "load_results",
    "load_study",
    "make_optimizer",
    "network_edges",
    "paper_results",
    "probe_gradients",
    "read_paper_layout",
    "run_ensemble",
    "run_one",
    "run_study",
    "scheduled_rate",
    "summarize",
    "tensorboard_log",
    "train",
    "write_paper_layout",
]
