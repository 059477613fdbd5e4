"""From runs to a table: mean and interval of each metric, beside what the study reports."""

from __future__ import annotations

import functools
import importlib.resources
import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
import scipy.stats

from graphcortex.study.agreement import compare_means
from graphcortex.study.protocol import Protocol
from graphcortex.study.run import METRICS
from graphcortex.study.statistics import mean_interval
from graphcortex.study.statistics._runs import as_runs
from graphcortex.study.variant import PUBLISHED_VARIANTS
from graphcortex.tasks import TASKS, get_task

GROUP = ("connectome", "protocol", "recurrence", "task", "variant")
"""What is one group of a summary: runs that differ in their seed alone."""

BOUNDS = MappingProxyType(
    {
        "accuracy": (0.0, 1.0),
        "modularity": (-0.5, 1.0),
        "small_worldness": (0.0, math.inf),
        "assortativity": (-1.0, 1.0),
        "entropy": (0.0, math.log2(100)),
    }
)
"""The least and the greatest value that each metric can have; the entropy is that of 100 points."""

_KEYS = [*GROUP, "metric"]
_NUMBERS = ("mean", "ci95_low", "ci95_high", "sd", "runs", "diverged", "dropped")
_ROUNDING = 1e-9
_PAPER = {"connectome": "6_6_2", "protocol": "published"}
_HEADINGS = {"small_worldness": "small-world", "entropy": "entropy (bit)"}


@functools.lru_cache(maxsize=1)
def paper_results() -> pd.DataFrame:
    """Return what the study reports of field 6_6_2: mean and 95 % interval of 20 runs, a row per cell.

    Columns: recurrence, metric, variant, task, mean, ci95_low, ci95_high. An interval may leave [0, 1]: it was reported so.

    References:
        Shakiba et al. (2026). https://arxiv.org/abs/2606.14975
    """
    with importlib.resources.files("graphcortex.study").joinpath("paper_results.csv").open() as file:
        return pd.read_csv(file)


def t_interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    r"""Compute the interval :math:`\bar x \pm t_{n-1} \, s / \sqrt n` of a mean, as the study does.

    Args:
        values: Numbers, shape ``(n,)``.
        level: Confidence.

    Returns:
        Its ends; NaN for fewer than two numbers.

    Example:
        >>> [round(end, 3) for end in t_interval(np.array([1.0, 2.0, 3.0]))]
        [-0.484, 4.484]
    """
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    half = scipy.stats.t.ppf((1 + level) / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    return float(np.mean(values) - half), float(np.mean(values) + half)


def bounded_interval(values: np.ndarray, metric: str) -> tuple[float, float]:
    """Compute the 95 % interval of a mean that stays within the bounds of its metric, by bootstrap.

    Args:
        values: Numbers, shape ``(n,)``.
        metric: Name of the metric, of :data:`BOUNDS`.

    Returns:
        Its ends; NaN for fewer than two numbers. See :func:`graphcortex.study.statistics.mean_interval`.

    Raises:
        ValueError: If a number leaves the bounds.

    Example:
        >>> low, high = bounded_interval(np.array([0.99, 1.0, 0.95, 1.0]), "accuracy")
        >>> 0.95 < low < high <= 1
        True
    """
    if len(values) < 2:
        return math.nan, math.nan
    inside = np.clip(values, *BOUNDS[metric])
    # A correlation of 1 may exceed it by rounding.
    values = np.where(np.abs(values - inside) < _ROUNDING, inside, values)
    return mean_interval(values, bounds=BOUNDS[metric]).interval


def summarize(
    runs: pd.DataFrame, *, compare_with_paper: bool = False, intervals: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Summarise runs over their seeds. The interval of a group is the one that its protocol names.

    Args:
        runs: A row per run, see :meth:`graphcortex.study.RunResult.row`.
        compare_with_paper: Add the study's numbers to the rows of field 6_6_2 under the published protocol.
        intervals: ``"t"`` or ``"bounded"`` by the name of a protocol, where that was changed; its ``interval`` field otherwise.

    Returns:
        A row per connectome, protocol, recurrence, task, variant and metric: ``mean``, ``ci95_low``, ``ci95_high``, ``sd``,
        ``runs`` (with a finite value), ``diverged`` (runs), ``dropped`` (other runs, without a finite value), and with the
        comparison ``paper_mean``, ``paper_low``, ``paper_high`` and the columns of :func:`graphcortex.study.compare_means`.

    Raises:
        ValueError: If a row names no protocol.
    """
    rows = []
    for names, group in as_runs(runs).groupby(list(GROUP), sort=False):
        group_names = dict(zip(GROUP, names, strict=True))
        protocol = group_names["protocol"]
        bounded = (intervals or {}).get(protocol, Protocol.parse(protocol).interval) == "bounded"
        diverged = group["diverged_epoch"].notna().to_numpy()
        for metric in METRICS:
            values = group[metric].to_numpy(dtype=float)
            finite = np.isfinite(values)
            values = values[finite]
            low, high = bounded_interval(values, metric) if bounded else t_interval(values)
            rows.append(
                {
                    **group_names,
                    "metric": metric,
                    "mean": float(values.mean()) if len(values) else math.nan,
                    "ci95_low": low,
                    "ci95_high": high,
                    "sd": float(values.std(ddof=1)) if len(values) > 1 else math.nan,
                    "runs": len(values),
                    "diverged": int(diverged.sum()),
                    "dropped": int((~finite & ~diverged).sum()),
                }
            )
    table = pd.DataFrame(rows, columns=None if rows else [*_KEYS, *_NUMBERS])
    if compare_with_paper:
        paper = paper_results().rename(
            columns={"mean": "paper_mean", "ci95_low": "paper_low", "ci95_high": "paper_high"}
        )
        # Where the paper's runs diverged they learned no graph, and its accuracy is the share of one answer.
        entropy = paper["paper_mean"].where(paper["metric"] == "entropy")
        cells = [paper[name] for name in ("recurrence", "variant", "task")]
        paper["paper_diverged"] = entropy.groupby(cells).transform("count") == 0
        table = table.merge(paper.assign(**_PAPER), on=_KEYS, how="left")
        told = compare_means(table.assign(paper_diverged=table["paper_diverged"].eq(True)))
        table = pd.concat([table.drop(columns="paper_diverged"), told], axis=1)
    return table.sort_values(_KEYS, key=_reporting_order, kind="stable", ignore_index=True)


def _reporting_order(column: pd.Series) -> pd.Series:
    if column.name in ("connectome", "protocol"):
        names = sorted(set(column), key=lambda name: (name != _PAPER["protocol"], name))  # the published protocol first
        return column.map({name: place for place, name in enumerate(names)})
    orders = {
        "recurrence": ["free", "nonnegative"],
        "task": list(TASKS),
        "variant": [str(variant) for variant in PUBLISHED_VARIANTS],
        "metric": list(METRICS),
    }
    order = orders[column.name]
    return column.map(lambda value: order.index(value) if value in order else len(order))


def format_table(table: pd.DataFrame) -> str:
    """Write a summary as text: a block per task, a line per variant, and beneath it the paper's line where there is one.

    Args:
        table: What :func:`summarize` returned.

    Returns:
        The text, without a newline at its end.
    """
    blocks, table = [], as_runs(table)
    several = len(table[["connectome", "protocol"]].drop_duplicates()) > 1
    for (connectome, protocol, recurrence, name), group in table.groupby(_KEYS[:4], sort=False):
        title = f"{name}, {recurrence} recurrence{_levels(name)}"
        lines = [(f"{connectome}, {protocol}: " if several else "") + title]
        rows = [("", [_HEADINGS.get(metric, metric) for metric in METRICS], "runs", "")]
        for variant, cells in group.groupby("variant", sort=False):
            cells = cells.set_index("metric")
            counts = {"diverged": int(cells["diverged"].max())}
            if "dropped" in cells:
                counts["without a finite value"] = int(cells["dropped"].max())
            note = "".join(f"  {count} {what}" for what, count in counts.items() if count)
            rows.append((variant, _texts(cells, "mean", "ci95"), str(int(cells["runs"].max())), note))
            if "paper_mean" in cells and cells["paper_mean"].notna().any():
                rows.append(("  paper", _texts(cells, "paper_mean", "paper"), "", ""))
        first = max(14, *(len(row[0]) + 2 for row in rows))
        width = max(18, *(len(text) + 2 for row in rows for text in row[1]))
        for label, texts, runs, note in rows:
            line = f"{label:{first}}" + "".join(f"{text:>{width}}" for text in texts)
            lines.append(line + (f"{runs:>6}{note}" if runs else ""))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def describe_intervals(table: pd.DataFrame, intervals: Mapping[str, str]) -> str:
    """Say what stands behind a mean in the text of :func:`format_table`.

    Args:
        table: What :func:`summarize` returned.
        intervals: ``"t"`` or ``"bounded"`` by the name of a protocol.

    Returns:
        A line; one that says that there is no interval, where no group has more than one seed.

    Example:
        >>> describe_intervals(pd.DataFrame({"protocol": ["published"], "runs": [1]}), {"published": "t"})
        'a single run of each variant: no interval'
    """
    several = table.loc[table["runs"] > 1, "protocol"].unique()
    names = {
        "t": "mean \N{PLUS-MINUS SIGN} half of the 95 % t interval of the mean over seeds (it may leave the range of the metric)",
        "bounded": "mean [low, high] of the 95 % bootstrap interval of the mean over seeds",
    }
    lines = [names[kind] for kind in dict.fromkeys(intervals[name] for name in several)]
    if "paper_mean" in table and table["paper_mean"].notna().any():
        lines.append("paper: mean \N{PLUS-MINUS SIGN} half of the 95 % interval that it reports")
    return "; ".join(lines) if len(several) else "a single run of each variant: no interval"


def _levels(name: str) -> str:
    try:
        task = get_task(name)
    except ValueError:  # a task of the user's own
        return ""
    return f" (chance {task.chance:.3g}, best trivial strategy {task.floor:.3g}, ceiling {task.ceiling:.3g})"


def _texts(cells: pd.DataFrame, mean: str, ends: str) -> list[str]:
    """Return each metric as ``mean ±half``, or ``mean [low, high]`` where the interval is not symmetric."""
    texts = []
    for metric in METRICS:
        center, low, high = (cells.loc[metric, name] for name in (mean, f"{ends}_low", f"{ends}_high"))
        if math.isnan(center):
            texts.append("-")
        elif math.isnan(high):
            texts.append(f"{center:.3f}")
        elif ends == "paper" or math.isclose(high - center, center - low, rel_tol=1e-9, abs_tol=1e-12):
            texts.append(f"{center:.3f} ±{high - center:.3f}")
        else:
            texts.append(f"{center:.3f} [{low:.3f}, {high:.3f}]")
    return texts
