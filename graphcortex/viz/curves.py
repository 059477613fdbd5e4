"""Learning curves: one line per variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from graphcortex._checks import check_choice, check_number
from graphcortex.study.statistics import as_runs
from graphcortex.viz._bands import draw_mean_and_band
from graphcortex.viz._panels import finish, legend_beside, panel
from graphcortex.viz._style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_LETTER = 0.07  # inches: a little more than a small letter is wide
METRICS = {
    "accuracy": "training accuracy",
    "val_accuracy": "validation accuracy",
    "loss": "training loss",
    "val_loss": "validation loss",
}


def plot_learning_curves(
    history: pd.DataFrame,
    *,
    metric: str = "accuracy",
    chance: float | None = None,
    floor: float | None = None,
    ceiling: float | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw a metric over the epochs: per variant the mean over its seeds, in a band from the lowest to the highest.

    A run has diverged if any of its metrics is NaN or infinite, or an optional column ``diverged`` says so. It is left
    out of mean and band, and the legend counts it: a mean over the runs that are left at each epoch would look like
    learning.

    Args:
        history: One row per variant, seed and epoch, of one task and one kind of recurrence; the columns ``variant``,
            ``seed``, ``epoch`` and the metric. Variants get their colours in the order of their first rows.
        metric: The column to draw: ``accuracy``, ``val_accuracy``, ``loss`` or ``val_loss``.
        chance: Where given, a dashed line: the metric of guessing.
        floor: The same for the best trivial strategy.
        ceiling: The same for the best possible strategy.
        title: Text above the figure.
        axes: Axes to draw into; a new figure's if not given.

    Returns:
        The axes. Their legend stands beside them, the best variant at its top.

    Raises:
        ValueError: If a column is missing, there are no rows, or a variant has two rows for one seed and epoch, or
            ``axes`` are no flat axes.

    Example:
        >>> history = pd.DataFrame({"variant": "W", "seed": [0, 0, 1, 1], "epoch": [1, 2, 1, 2]})
        >>> history["accuracy"] = [0.3, 0.6, 0.2, 0.8]
        >>> [line.get_ydata().tolist() for line in plot_learning_curves(history).lines]
        [[0.25, 0.7]]
    """
    check_choice(metric, "metric", tuple(METRICS))
    history = _check_history(history, metric)
    levels = {"chance": chance, "floor": floor, "ceiling": ceiling}
    levels = {name: check_number(level, name) for name, level in levels.items() if level is not None}

    axes = panel(axes, 8.0, 4.5)
    lines = []
    most_seeds = 0
    variants = history["variant"].unique()
    for index, variant in enumerate(variants):
        table, diverged = epochs_by_seeds(history[history["variant"] == variant], metric)
        most_seeds = max(most_seeds, table.shape[1])
        lines.append(_draw_variant(axes, str(variant), table, diverged, index, crowded=len(variants) > 4))
    axes.set_xlabel("epoch")
    axes.set_ylabel(METRICS[metric] + ("\n(mean of the seeds; band: lowest to highest)" if most_seeds > 1 else ""))
    axes.xaxis.get_major_locator().set_params(integer=True)
    finish(axes, title)
    room = _draw_levels(axes, levels)
    lines.sort(key=lambda line: _badness(line, higher_is_better="accuracy" in metric))
    legend_beside(axes, lines, room=room, handlelength=3.2, title="variant")
    return axes


def _check_history(history: pd.DataFrame, metric: str) -> pd.DataFrame:
    if not isinstance(history, pd.DataFrame):
        raise ValueError(f"history must be a pandas.DataFrame, got {type(history).__name__}.")
    missing = [name for name in ("variant", "seed", "epoch", metric) if name not in history.columns]
    if missing:
        raise ValueError(f"history must have the columns {missing}, got {list(history.columns)}.")
    if history.empty:
        raise ValueError("history must have at least one row, got none.")
    history = as_runs(history)
    if not pd.api.types.is_numeric_dtype(history[metric]):
        raise ValueError(f"history[{metric!r}] must hold numbers, got {history[metric].dtype}.")
    twice = history[history.duplicated(["variant", "seed", "epoch"])]
    if len(twice):
        variant, seed, epoch = twice.iloc[0][["variant", "seed", "epoch"]]
        raise ValueError(
            f"history must have one row per variant, seed and epoch, got more for variant {variant!r}, seed {seed}, "
            f"epoch {epoch}; draw one task and one kind of recurrence at a time."
        )
    return history


def epochs_by_seeds(rows: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, int]:
    """Return a table of the runs that stayed finite, epochs by seeds, and the number of runs that did not."""
    # Accuracy stays a number when weights no longer are, so any measure that is none tells, and so does what training noted.
    finite = np.isfinite(rows[[name for name in METRICS if name in rows]].astype(float)).all(axis=1)
    if "diverged" in rows:
        finite &= ~rows["diverged"].astype(bool)
    finite = finite.groupby(rows["seed"]).transform("all")
    table = rows[finite].pivot(index="epoch", columns="seed", values=metric).sort_index()
    return table, rows.loc[~finite, "seed"].nunique()


def _draw_variant(axes: Axes, name: str, table: pd.DataFrame, diverged: int, index: int, crowded: bool) -> Line2D:
    seeds = table.shape[1] + diverged
    label = f"{name} ({diverged} of {seeds} diverged)" if diverged else name
    return draw_mean_and_band(axes, table, label, index, crowded=crowded)


def _draw_levels(axes: Axes, levels: dict[str, float]) -> float:
    """Draw a dashed line per level, its name beside the axes; names whose lines would touch share one label.

    Returns:
        How wide the names are, in inches.
    """
    if not levels:
        return 0.0
    for level in levels.values():
        axes.axhline(level, color=INK, linestyle=(0, (4, 4)), linewidth=0.8, zorder=1)
    low, high = axes.get_ylim()
    groups: list[list[tuple[str, float]]] = []
    for name, level in sorted(levels.items(), key=lambda item: item[1]):
        if groups and level - groups[-1][-1][1] < 0.05 * (high - low):
            groups[-1].append((name, level))
        else:
            groups.append([(name, level)])
    named = {name: f"{name} {level:.3g}" for name, level in levels.items()}
    for group in groups:
        text = "\n".join(named[name] for name, _ in reversed(group))
        middle = sum(level for _, level in group) / len(group)
        axes.annotate(
            text, (1, middle), (4, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
            va="center", fontsize="small", color=INK,
        )  # fmt: skip
    return _LETTER * max(map(len, named.values()))


def _badness(line: Line2D, higher_is_better: bool) -> float:
    """Return what sorts the best last value first, and a variant without any last."""
    values = line.get_ydata()
    if not len(values):
        return np.inf
    return -float(values[-1]) if higher_is_better else float(values[-1])
