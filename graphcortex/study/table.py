"""From runs to a table: mean and interval of each metric, beside what the study reports."""

from __future__ import annotations

import functools
import importlib.resources
import math

import numpy as np
import pandas as pd
import scipy.stats

from graphcortex.study.run import METRICS
from graphcortex.study.variant import PUBLISHED_VARIANTS
from graphcortex.tasks import TASKS, get_task

_GROUPS = ["connectome", "protocol", "recurrence", "task", "variant"]
_NUMBERS = ["mean", "ci95_low", "ci95_high", "sd", "runs", "diverged"]
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


def summarize(runs: pd.DataFrame, *, compare_with_paper: bool = False) -> pd.DataFrame:
    """Summarise runs over their seeds.

    Args:
        runs: A row per run, see :meth:`graphcortex.study.RunResult.row`.
        compare_with_paper: Add the study's numbers, to the runs of the connectome ``6_6_2`` under the protocol ``published``.

    Returns:
        A row per connectome, protocol, recurrence, task, variant and metric: ``mean``, ``ci95_low``, ``ci95_high``, ``sd``,
        ``runs`` (with a value), ``diverged`` (runs), and with the comparison ``paper_mean``, ``paper_low``, ``paper_high``,
        ``standard_error`` and ``agrees``: whether the mean lies in the paper's interval widened by two standard errors (two NaN
        agree, and so do two means of diverged runs alone, which tell nothing but the share of one answer).
    """
    rows = []
    for names, group in runs.groupby(_GROUPS, sort=False):
        for metric in METRICS:
            values = group[metric].dropna().to_numpy(dtype=float)
            low, high = t_interval(values)
            rows.append(
                {
                    **dict(zip(_GROUPS, names, strict=True)),
                    "metric": metric,
                    "mean": float(values.mean()) if len(values) else math.nan,
                    "ci95_low": low,
                    "ci95_high": high,
                    "sd": float(values.std(ddof=1)) if len(values) > 1 else math.nan,
                    "runs": len(values),
                    "diverged": int(group["diverged_epoch"].notna().sum()),
                }
            )
    table = pd.DataFrame(rows, columns=None if rows else [*_GROUPS, "metric", *_NUMBERS])
    if compare_with_paper:
        paper = paper_results().rename(
            columns={"mean": "paper_mean", "ci95_low": "paper_low", "ci95_high": "paper_high"}
        )
        paper = paper.assign(connectome="6_6_2", protocol="published")
        table = table.merge(paper, on=[*_GROUPS, "metric"], how="left")
        table["standard_error"] = table["sd"] / table["runs"] ** 0.5
        table["agrees"] = _agrees(table)
    return table.sort_values([*_GROUPS, "metric"], key=_reporting_order, kind="stable", ignore_index=True)


def _agrees(table: pd.DataFrame) -> pd.Series:
    slack = 2 * table["standard_error"].fillna(0)
    low = table["paper_low"].fillna(table["paper_mean"]) - slack
    high = table["paper_high"].fillna(table["paper_mean"]) + slack
    none = table["mean"].isna() & table["paper_mean"].isna()
    # The study reports no interval where every run diverged.
    diverged = (table["diverged"] == table["runs"]) & (table["runs"] > 0) & table["paper_low"].isna()
    return table["mean"].between(low, high) | none | diverged


def _reporting_order(column: pd.Series) -> pd.Series:
    orders = {
        "recurrence": ["free", "nonnegative"],
        "task": list(TASKS),
        "variant": [str(variant) for variant in PUBLISHED_VARIANTS],
        "metric": list(METRICS),
    }
    if column.name not in orders:
        return column
    order = orders[column.name]
    return column.map(lambda value: order.index(value) if value in order else len(order))


def format_table(table: pd.DataFrame) -> str:
    """Write a summary as text: a block per task, a line per variant, and beneath it the paper's line where there is one.

    Args:
        table: What :func:`summarize` returned.

    Returns:
        The text, without a newline at its end.
    """
    blocks = []
    for names, group in table.groupby(_GROUPS[:-1], sort=False):
        width = max(14, *(len(variant) + 1 for variant in group["variant"]))
        lines = [_title(*names)]
        lines.append(
            f"{'':{width}}" + "".join(f"{_HEADINGS.get(metric, metric):>18}" for metric in METRICS) + f"{'runs':>6}"
        )
        for variant, cells in group.groupby("variant", sort=False):
            cells = cells.set_index("metric")
            diverged = int(cells["diverged"].max())
            note = f"  {diverged} diverged" if diverged else ""
            lines.append(
                f"{variant:{width}}" + _line(cells, "mean", "ci95_high") + f"{int(cells['runs'].max()):>6}" + note
            )
            if "paper_mean" in cells and cells["paper_mean"].notna().any():
                lines.append(f"{'  paper':{width}}" + _line(cells, "paper_mean", "paper_high"))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _title(connectome: str, protocol: str, recurrence: str, name: str) -> str:
    title = f"{connectome}, {protocol} protocol: {name}, {recurrence} recurrence"
    try:
        task = get_task(name)
    except ValueError:  # a task of the user's own
        return title
    return f"{title} (chance {task.chance:.3g}, best trivial strategy {task.floor:.3g}, ceiling {task.ceiling:.3g})"


def _line(cells: pd.DataFrame, mean: str, high: str) -> str:
    parts = []
    for metric in METRICS:
        center, half = cells.loc[metric, mean], cells.loc[metric, high] - cells.loc[metric, mean]
        text = "-" if math.isnan(center) else f"{center:.3f}" + ("" if math.isnan(half) else f" ±{half:.3f}")
        parts.append(f"{text:>18}")
    return "".join(parts)
