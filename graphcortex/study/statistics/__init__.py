"""Tests, effect sizes, intervals and power for the table of a study; NaN is a run without a value, dropped and counted."""

from graphcortex.study.statistics._runs import as_runs
from graphcortex.study.statistics.bootstrap import bca_interval
from graphcortex.study.statistics.compare import compare_variants
from graphcortex.study.statistics.design import Design, UnidentifiableDesignError
from graphcortex.study.statistics.effects import (
    cliffs_delta,
    cliffs_delta_paired,
    hodges_lehmann,
    hodges_lehmann_paired,
)
from graphcortex.study.statistics.equivalence import Equivalence, tost_paired, tost_welch
from graphcortex.study.statistics.factorial import FactorialModel, aligned_rank_model
from graphcortex.study.statistics.means import mean_difference_paired, mean_interval
from graphcortex.study.statistics.multiple import holm
from graphcortex.study.statistics.pooled import pool_connectomes
from graphcortex.study.statistics.power import (
    power_equivalence,
    power_paired,
    power_unpaired,
    seeds_needed,
    simulated_power,
)
from graphcortex.study.statistics.proportion import wilson_interval
from graphcortex.study.statistics.rank_tests import kruskal_wallis, mann_whitney
from graphcortex.study.statistics.sign_flip import sign_flip_test
from graphcortex.study.statistics.statistic import Statistic
from graphcortex.study.statistics.wilcoxon import wilcoxon_signed_rank

__all__ = [
    "Design",
    "Equivalence",
    "FactorialModel",
    "Statistic",
    "UnidentifiableDesignError",
    "aligned_rank_model",
    "as_runs",
    "bca_interval",
    "cliffs_delta",
    "cliffs_delta_paired",
    "compare_variants",
    "hodges_lehmann",
    "hodges_lehmann_paired",
    "holm",
    "kruskal_wallis",
    "mann_whitney",
    "mean_difference_paired",
    "mean_interval",
    "pool_connectomes",
    "power_equivalence",
    "power_paired",
    "power_unpaired",
    "seeds_needed",
    "sign_flip_test",
    "simulated_power",
    "tost_paired",
    "tost_welch",
    "wilcoxon_signed_rank",
    "wilson_interval",
]
