"""Paired differences between each variant and one of them, which figures and the report show."""

from __future__ import annotations

import pandas as pd

from graphcortex._checks import check_choice
from graphcortex.study import METRICS, compare_variants
from graphcortex.study.statistics import as_runs

_GROUP = ("connectome", "protocol", "recurrence", "task")
_RESAMPLES = 1999


def paired_differences(runs: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Compare each metric of each variant with that of ``reference`` in the runs of the same seed.

    Args:
        runs: A row per run: ``variant``, ``seed``, the metrics, and whichever there are of ``connectome``, ``protocol``,
            ``recurrence``, ``task`` and ``diverged_epoch``.
        reference: The variant to compare with.

    Returns:
        A row per group, other variant and metric, see :func:`graphcortex.study.compare_variants`: ``difference`` (mean over the
        pairs of the variant less the reference), ``low`` and ``high`` (its 95 % interval), ``p`` (sign flips, corrected by Holm
        over all variants and groups of a metric), ``pairs``. A run that diverged makes no pair.

    Raises:
        ValueError: If no run is of the reference, or two runs claim one place.
    """
    runs = as_runs(runs)
    variants = tuple(dict.fromkeys(runs["variant"]))
    check_choice(reference, "reference", variants)
    groups = [name for name in _GROUP if name in runs]
    others = [name for name in variants if name != reference]
    columns = [*groups, "variant", "metric", "difference", "low", "high", "p", "pairs", "reference"]
    if not others:
        return pd.DataFrame(columns=columns)
    parts = []
    for metric in METRICS:
        if metric in runs:
            found = compare_variants(runs, reference, others, metric, resamples=_RESAMPLES)
            turned = {
                "difference": -found["difference"],
                "low": -found["difference_high"],
                "high": -found["difference_low"],
            }
            parts.append(
                found.assign(**turned, variant=found["b"], p=found["p_holm"], pairs=found["n"], reference=reference)
            )
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
