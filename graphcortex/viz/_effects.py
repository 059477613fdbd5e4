"""Paired differences between each variant and one of them, which figures and the report show."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from graphcortex._checks import check_choice
from graphcortex.study import METRICS
from graphcortex.study.table import t_interval

_PAIR = ["connectome", "protocol", "recurrence", "task", "seed"]


def paired_differences(runs: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Compute how each metric of each variant differs from that of ``reference`` in the runs of the same seed.

    Args:
        runs: A row per run: ``variant``, ``seed``, the metrics, and whichever there are of ``connectome``, ``protocol``,
            ``recurrence`` and ``task``.
        reference: The variant to compare with.

    Returns:
        A row per group, metric and other variant: ``difference`` (mean), ``low`` and ``high`` (its 95 % t interval; NaN for fewer
        than two pairs) and ``pairs``. A pair of which a number is missing does not count.

    Raises:
        ValueError: If no run is of the reference.
    """
    check_choice(reference, "reference", tuple(dict.fromkeys(runs["variant"])))
    pair = [name for name in _PAIR if name in runs]
    groups = [name for name in pair if name != "seed"]
    base = runs[runs["variant"] == reference].set_index(pair)
    rows = []
    for keys, part in runs[runs["variant"] != reference].groupby([*groups, "variant"], sort=False):
        part = part.set_index(pair)
        for metric in METRICS:
            if metric not in part:
                continue
            found = (part[metric] - base[metric].reindex(part.index)).dropna().to_numpy(dtype=float)
            low, high = t_interval(found) if len(found) else (math.nan, math.nan)
            difference = float(np.mean(found)) if len(found) else math.nan
            numbers = {"difference": difference, "low": low, "high": high, "pairs": len(found)}
            rows.append({**dict(zip([*groups, "variant"], keys, strict=True)), "metric": metric, **numbers})
    columns = [*groups, "variant", "metric", "difference", "low", "high", "pairs"]
    return pd.DataFrame(rows, columns=columns).assign(reference=reference)
