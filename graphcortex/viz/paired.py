"""What the runs of each variant gave, joined by seed: seeds are paired, and a mean hides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from graphcortex._checks import check_choice, check_number
from graphcortex.study.statistics import as_runs
from graphcortex.study.table import bounded_interval
from graphcortex.viz._labels import LABELS, check_columns
from graphcortex.viz._panels import divide, finish, panel, say_instead
from graphcortex.viz._style import COLOURS, GREY, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_paired_metrics(
    runs: pd.DataFrame,
    *,
    metrics: Sequence[str] | None = None,
    chance: float | None = None,
    floor: float | None = None,
    ceiling: float | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw every run as a dot, a panel per metric and a line of dots per variant, with a thin line through the runs of each seed.

    A bar is the mean of a variant, and the line beneath it its 95 % interval (bootstrap, within the bounds of the metric). A run
    that diverged and has a number all the same (the published protocol gives it one) is a cross.

    Args:
        runs: A row per run of one connectome, protocol, task and kind of recurrence; the columns ``variant``, ``seed`` and the
            metrics, and ``diverged_epoch`` where it is known.
        metrics: Columns to draw; by default those of ``accuracy``, ``modularity``, ``small_worldness``, ``assortativity`` and
            ``entropy`` that are there.
        chance: Where given, a line in the panel of the accuracy: that of guessing.
        floor: The same for the best trivial strategy.
        ceiling: The same for the best possible strategy.
        title: Text above the figure.
        axes: Axes to draw into; they are divided. A new figure's if not given.

    Returns:
        The axes of the first metric; the others are in the same figure.

    Raises:
        ValueError: If a column is missing, there are no rows, or a variant has two rows for one seed.

    Example:
        >>> runs = pd.DataFrame({"variant": ["W", "WD"], "seed": 0, "accuracy": [0.5, 0.9]})
        >>> plot_paired_metrics(runs).get_xlabel()
        'accuracy'
    """
    check_columns(runs, ["variant", "seed"], "runs")
    metrics = [name for name in LABELS if name in runs] if metrics is None else list(metrics)
    if not metrics:
        raise ValueError(f"metrics must name at least one column of runs, got none; runs has {list(runs)}.")
    for metric in metrics:
        check_choice(metric, "metrics", tuple(LABELS))
    check_columns(runs, metrics, "runs")
    runs = as_runs(runs)
    if runs.duplicated(["variant", "seed"]).any():
        raise ValueError("runs must have one row per variant and seed, got more; draw one task and protocol at a time.")
    levels = [check_number(level, "a level") for level in (chance, floor, ceiling) if level is not None]

    variants = list(dict.fromkeys(runs["variant"]))
    axes = panel(axes, 1.6 + 2.5 * len(metrics), 1.4 + 0.3 * len(variants))
    panels = divide(axes, columns=len(metrics)) if len(metrics) > 1 else [axes]
    for metric, place in zip(metrics, panels, strict=True):
        _draw_metric(place, runs, metric, variants)
        for level in levels if metric == "accuracy" else []:
            place.axvline(level, color=INK, linestyle=(0, (4, 4)), linewidth=0.8, zorder=0)
        place.set_yticks(
            range(len(variants)), variants if place is panels[0] else [""] * len(variants), parse_math=False
        )
        place.set_ylim(len(variants) - 0.5, -0.5)
        place.set_xlabel(LABELS[metric])
        place.xaxis.get_major_locator().set_params(nbins=4)
        finish(place, title if place is panels[0] else None)
    return axes


def _draw_metric(axes: Axes, runs: pd.DataFrame, metric: str, variants: list[str]) -> None:
    numbers = runs.pivot(index="seed", columns="variant", values=metric)
    table = numbers.reindex(columns=variants).astype(float)
    table = table.where(np.isfinite(table))
    if not table.notna().to_numpy().any():
        say_instead(axes, "no run has a number")
        return
    place = np.arange(len(variants))
    axes.plot(table.to_numpy().T, np.tile(place[:, None], len(table)), color=GREY, linewidth=0.5, alpha=0.6, zorder=1)
    broken = _diverged(runs)
    for where, variant in enumerate(variants):
        values = table[variant].dropna()
        crosses = np.array([(variant, seed) in broken for seed in values.index], dtype=bool)
        tint = COLOURS[where % len(COLOURS)]
        axes.scatter(
            values[~crosses], [where] * int((~crosses).sum()), color=tint, s=14, alpha=0.7, linewidths=0, zorder=2
        )
        axes.scatter(
            values[crosses], [where] * int(crosses.sum()), color=tint, s=18, marker="x", linewidths=1, zorder=2
        )
        low, high = bounded_interval(values.to_numpy(), metric)
        if len(values):
            axes.plot([low, high], [where, where], color=INK, linewidth=1.2, zorder=3)
            axes.plot(values.mean(), where, color=INK, marker="|", markersize=11, markeredgewidth=1.8, zorder=4)


def _diverged(runs: pd.DataFrame) -> set[tuple[str, object]]:
    if "diverged_epoch" not in runs:
        return set()
    rows = runs[runs["diverged_epoch"].notna()]
    return set(zip(rows["variant"], rows["seed"], strict=True))
