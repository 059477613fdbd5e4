"""Two variants, or one against several, side by side in every part of a study: paired differences with one correction over all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from graphcortex._checks import check_choice
from graphcortex._random import as_seed, derive_seed
from graphcortex._typing import RandomSource
from graphcortex.study.statistics._runs import as_runs, groups_of, values_of
from graphcortex.study.statistics.effects import cliffs_delta_paired, hodges_lehmann_paired
from graphcortex.study.statistics.means import mean_difference_paired
from graphcortex.study.statistics.multiple import holm
from graphcortex.study.statistics.sign_flip import sign_flip_test
from graphcortex.study.statistics.wilcoxon import wilcoxon_signed_rank

FRACTIONS = ("accuracy", "train_accuracy", "validation_accuracy", "test_accuracy")
"""Metrics within [0, 1]."""


def compare_variants(
    runs: pd.DataFrame,
    a: str,
    b: str | Sequence[str],
    metric: str = "accuracy",
    *,
    by: Sequence[str] = ("connectome", "protocol", "recurrence", "task"),
    test: str = "sign_flip",
    level: float = 0.95,
    resamples: int = 4999,
    rng: RandomSource = 0,
) -> pd.DataFrame:
    """Compare a variant with others, paired by seed, in every group of runs.

    Pairs of which one run diverged, or has no finite value, are left out and counted. Groups that pool over connectomes, tasks, ...
    keep their pairs: only runs of one connectome, protocol, recurrence, task and seed are paired.

    Args:
        runs: A row per run, with ``variant``, ``seed``, ``metric`` and the columns of ``by``.
        a: Name of a variant.
        b: Name of the variant it is compared with, or several.
        metric: Column to compare.
        by: Columns that make the groups; those the table lacks are left out.
        test: ``"sign_flip"`` (of the mean) or ``"wilcoxon"``.
        level: Confidence of the intervals.
        resamples: Resamples of the bootstrap, and of the test where it is not exact.
        rng: A generator, or an int seed. Each group draws its own numbers, so it does not depend on which others there are.

    Returns:
        A row per group and ``b``: the columns of ``by``; ``metric``, ``a``, ``b``; ``n`` (pairs), ``dropped`` (pairs),
        ``diverged_a``, ``diverged_b`` (runs that diverged or have no finite value); ``mean_a``, ``mean_b`` (over the pairs);
        ``difference`` (mean of a - b), ``shift`` (Hodges-Lehmann) and ``delta`` (Cliff, within pairs), each with ``..._low`` and
        ``..._high``; ``p``; ``p_holm``, corrected over all rows; ``method``.

    Raises:
        ValueError: If a column or a variant is missing, or two runs claim one place.

    Example:
        >>> runs = pd.DataFrame({"variant": ["W*"] * 6 + ["W"] * 6, "seed": [*range(6)] * 2, "task": "go_nogo"})
        >>> runs["accuracy"] = [0.9, 0.95, 1.0, 0.92, 0.97, 0.99, 0.5, 0.52, 0.51, 0.5, 0.49, 0.53]
        >>> compare_variants(runs, "W*", "W")[["task", "n", "difference", "delta", "p_holm"]].round(3)
              task  n  difference  delta  p_holm
        0  go_nogo  6       0.447    1.0   0.031
    """
    check_choice(test, "test", ("sign_flip", "wilcoxon"))
    others = (b,) if isinstance(b, str) else tuple(b)
    runs = as_runs(runs, ["variant", "seed", metric])
    for name in (a, *others):
        check_choice(name, "variant", tuple(dict.fromkeys(runs["variant"])))
    if a in others or not others:
        raise ValueError(f"b must name one variant or several other than a, {a!r}; got {b!r}.")
    seed = as_seed(rng)
    by = [column for column in by if column in runs.columns]
    table = pd.DataFrame(
        [
            {
                **group,
                **_compared(
                    part, a, other, metric, test, level, resamples, derive_seed(seed, *group.values(), a, other)
                ),
            }
            for group, part in groups_of(runs, by)
            for other in others
        ]
    )
    table.insert(table.columns.get_loc("p") + 1, "p_holm", holm(table["p"]))
    return table


def _compared(
    runs: pd.DataFrame, a: str, b: str, metric: str, test: str, level: float, resamples: int, seed: int
) -> dict[str, object]:
    of_two = runs[runs["variant"].isin((a, b))]
    # A group may lack one of the two altogether.
    wide = values_of(of_two, metric).reindex(columns=[a, b])
    first, second = wide[a].to_numpy(), wide[b].to_numpy()
    both = ~np.isnan(first) & ~np.isnan(second)
    bounds = (-1.0, 1.0) if metric in FRACTIONS else None
    options: dict[str, Any] = {"level": level, "resamples": resamples, "rng": seed}
    if test == "sign_flip":
        tested = sign_flip_test(first, second, resamples=resamples, rng=seed)
    else:
        tested = wilcoxon_signed_rank(first, second)
    row: dict[str, object] = {"metric": metric, "a": a, "b": b, "n": int(both.sum()), "dropped": int((~both).sum())}
    for side, name, values in zip("ab", (a, b), (first, second), strict=True):
        row[f"diverged_{side}"] = int((of_two["variant"] == name).sum() - (~np.isnan(values)).sum())
    for side, values in zip("ab", (first, second), strict=True):
        row[f"mean_{side}"] = float(values[both].mean()) if both.any() else math.nan
    for name, effect in {
        "difference": mean_difference_paired(first, second, bounds=bounds, **options),
        "shift": hodges_lehmann_paired(first, second, **options),
        "delta": cliffs_delta_paired(first, second, **options),
    }.items():
        row.update({name: effect.value, f"{name}_low": effect.interval[0], f"{name}_high": effect.interval[1]})
    return {**row, "p": tested.p, "method": tested.method or tested.reason}
