"""One difference over several connectomes, each with some seeds: a random-effects meta-analysis."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.stats

from graphcortex._optional import require
from graphcortex.study.statistics._runs import as_runs, groups_of, values_of
from graphcortex.study.statistics._samples import check_level


def pool_connectomes(
    runs: pd.DataFrame,
    a: str,
    b: str,
    metric: str = "accuracy",
    *,
    by: Sequence[str] = ("protocol", "recurrence", "task"),
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Estimate the mean difference of two variants over connectomes, of which those at hand are a sample.

    Within a connectome runs are paired by seed. The mean difference of connectome :math:`k` has the variance
    :math:`s^2 / n_k + \tau^2`: the spread between seeds, estimated from all connectomes together since a few seeds say little
    about one, and the variance between connectomes, by Paule and Mandel. The interval is that of Hartung, Knapp, Sidik and
    Jonkman, t with one degree less than there are connectomes, and never narrower than without their factor.

    Args:
        runs: A row per run, with ``connectome``, ``variant``, ``seed``, ``metric`` and the columns of ``by``.
        a: Name of a variant.
        b: Name of the variant it is compared with.
        metric: Column to compare.
        by: Columns that make the groups; those that the table lacks are left out.
        level: Confidence of the intervals.

    Returns:
        A row per group: the columns of ``by``; ``metric``, ``a``, ``b``; ``connectomes`` and ``n`` (pairs) that entered,
        ``dropped`` (pairs); ``difference`` (a - b) with ``difference_low``, ``difference_high`` and ``p``; ``tau`` (standard
        deviation between connectomes, in the unit of the metric) and ``i2`` (its share of the variance of their means).
        NaN where fewer than two connectomes, or no two seeds of one, tell it.

    Raises:
        ValueError: If a column is missing, two runs claim one place, or the level is out of range.
        MissingDependencyError: If statsmodels is not installed.

    References:
        Paule & Mandel (1982). Consensus values and weighting factors. J. Res. Natl. Bur. Stand. 87, 377-385.
        https://doi.org/10.6028/jres.087.022

        Roever, Knapp & Friede (2015). Hartung-Knapp-Sidik-Jonkman approach and its modification for random-effects meta-analysis
        with few studies. BMC Med. Res. Methodol. 15, 99. https://doi.org/10.1186/s12874-015-0091-1

    Example:
        >>> places = pd.MultiIndex.from_product([["x", "y", "z"], ["W*", "W"], range(4)], names=["connectome", "variant", "seed"])
        >>> runs = pd.DataFrame(index=places).reset_index()
        >>> runs["accuracy"] = 0.6 + 0.1 * (runs["variant"] == "W*") + 0.01 * (runs.index * 7 % 5)
        >>> pool_connectomes(runs, "W*", "W")[["connectomes", "n", "difference", "difference_low", "difference_high"]].round(3)
           connectomes   n  difference  difference_low  difference_high
        0            3  12       0.099           0.065            0.133
    """
    runs = as_runs(runs, ["connectome", "variant", "seed", metric])
    check_level(level)
    by = [column for column in by if column in runs.columns]
    rows = []
    for group, part in groups_of(runs[runs["variant"].isin((a, b))], by):
        wide = values_of(part, metric, over=("connectome", "seed")).reindex(columns=[a, b])
        differences = (wide[a] - wide[b]).groupby(level="connectome")
        kept = differences.count()
        kept = kept[kept > 0]
        told = {"metric": metric, "a": a, "b": b, "connectomes": len(kept), "n": int(kept.sum())}
        told["dropped"] = len(wide) - told["n"]
        means, spread = differences.mean()[kept.index], differences.var(ddof=1)[kept.index]
        rows.append({**group, **told, **_pooled(means.to_numpy(), spread.to_numpy(), kept.to_numpy(), level)})
    return pd.DataFrame(rows)


def _pooled(means: np.ndarray, spread: np.ndarray, n: np.ndarray, level: float) -> dict[str, float]:
    """Pool means of ``n`` differences each, whose variances are ``spread`` (NaN for a single one)."""
    names = ("difference", "difference_low", "difference_high", "p", "tau", "i2")
    if len(means) < 2:
        return dict.fromkeys(names, math.nan) | {"difference": float(means.mean()) if len(means) else math.nan}
    freedom = n - 1
    within = float((np.nan_to_num(spread) * freedom).sum() / freedom.sum()) if freedom.sum() else math.nan
    if math.isnan(within):
        return dict.fromkeys(names, math.nan) | {"difference": float(means.mean())}
    if within > 0:
        meta_analysis = require("statsmodels.stats.meta_analysis", "study", "A meta-analysis over connectomes")
        found = meta_analysis.combine_effects(means, within / n, method_re="iterated")
        value, tau2 = float(found.mean_effect_re), max(0.0, float(found.tau2))
        error = float(found.sd_eff_w_re) * math.sqrt(max(1.0, float(found.scale_hksj_re)))
    else:  # all seeds of a connectome say the same: only connectomes differ
        value, tau2 = float(means.mean()), float(means.var(ddof=1))
        error = math.sqrt(tau2 / len(means))
    t = scipy.stats.t(len(means) - 1)
    half = t.ppf((1 + level) / 2) * error
    typical = within * float((1 / n).mean())
    return {
        "difference": value,
        "difference_low": value - half,
        "difference_high": value + half,
        "p": float(2 * t.sf(abs(value) / error)) if error > 0 else math.nan,
        "tau": math.sqrt(tau2),
        "i2": tau2 / (tau2 + typical) if tau2 + typical > 0 else math.nan,
    }
