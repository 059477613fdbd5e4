"""Metrics of a network over the epochs of its training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from graphcortex.metrics import metric_label
from graphcortex.study.statistics import as_runs
from graphcortex.viz._bands import draw_mean_and_band
from graphcortex.viz._panels import divide, finish, legend_beside, panel, say_instead

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KEYS = ("epoch", "variant", "seed")
_MOST_COLUMNS = 3


def plot_evolution(
    table: pd.DataFrame,
    *,
    metric: str | Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw metrics over the epochs, one panel each: per variant the mean over its seeds, in a band from the lowest to the highest.

    Where a metric is NaN or infinite for some seeds, the mean is that of the others, and the panel counts them.

    Args:
        table: One row per epoch, variant and seed: a column ``epoch``, the metrics, and where there are several a column
            ``variant`` and a column ``seed``. Variants get their colours in the order of their first rows.
        metric: The column to draw, or several of them; all columns of numbers if not given.
        units: The unit of metrics of your own, by their names, such as ``{"mean_length": "um"}``; those of ours are known.
        title: Text above the figure.
        axes: Axes to draw into, in a grid where several metrics are to be drawn; a new figure's if not given.

    Returns:
        The axes, or those of the first metric; the others follow in the figure.

    Raises:
        ValueError: If the table lacks a column, has no rows, or two for the same epoch, variant and seed, or ``axes`` are
            no flat axes.

    Example:
        >>> table = pd.DataFrame({"epoch": [0, 1, 2], "modularity": [0.1, 0.3, 0.4]})
        >>> plot_evolution(table, metric="modularity").lines[0].get_ydata().tolist()
        [0.1, 0.3, 0.4]
    """
    if isinstance(table, pd.DataFrame):
        table = as_runs(table)
    names = _check_table(table, metric)
    columns = min(len(names), _MOST_COLUMNS)
    rows = math.ceil(len(names) / columns)
    variants = list(table["variant"].unique()) if "variant" in table else [None]
    axes = panel(
        axes, 5.6 if columns == 1 else 3.0 * columns + 1.2, 4.0 if rows == 1 and columns == 1 else 2.5 * rows + 0.6
    )
    panels = divide(axes, rows, columns, share_x=True) if len(names) > 1 else [axes]
    for unused in panels[len(names) :]:
        unused.remove()
    panels = panels[: len(names)]
    for place, (name, drawn) in enumerate(zip(names, panels, strict=True)):
        handles = _draw_metric(drawn, table, name, variants)
        drawn.set_ylabel(metric_label(name, (units or {}).get(name)))
        if place + columns < len(names):
            drawn.tick_params(labelbottom=False)
        else:
            drawn.set_xlabel("epoch")
        finish(drawn, title if place == 0 else None)
        if len(variants) > 1 and place == columns - 1:
            legend_beside(drawn, handles, handlelength=3.2, title="variant")
    axes.xaxis.get_major_locator().set_params(integer=True)
    return axes


def _check_table(table: pd.DataFrame, metric: str | Sequence[str] | None) -> list[str]:
    """Return the metrics to draw."""
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"table must be a pandas.DataFrame, got {type(table).__name__}.")
    if metric is None:
        names = [name for name in table.select_dtypes("number").columns if name not in _KEYS]
    else:
        names = [metric] if isinstance(metric, str) else list(metric)
    missing = [name for name in ("epoch", *names) if name not in table.columns]
    if missing or not names or table.empty:
        raise ValueError(
            f"table must have rows, a column epoch and at least one metric; got {len(table)} rows of {list(table.columns)}, "
            f"missing {missing}."
        )
    wrong = [name for name in names if not pd.api.types.is_numeric_dtype(table[name])]
    if wrong:
        raise ValueError(f"table must hold numbers in the metrics, got {table[wrong[0]].dtype} in {wrong[0]!r}.")
    keys = [name for name in _KEYS if name in table.columns]
    twice = table[table.duplicated(keys)]
    if len(twice):
        raise ValueError(
            f"table must have one row per epoch, variant and seed, got more for {dict(twice.iloc[0][keys])}; "
            f"its columns of these are {keys}."
        )
    return names


def _draw_metric(axes: Axes, table: pd.DataFrame, name: str, variants: list) -> list:
    handles, undefined = [], 0
    for index, variant in enumerate(variants):
        rows = table if variant is None else table[table["variant"] == variant]
        rows = rows.assign(**{name: rows[name].astype(float).replace([np.inf, -np.inf], np.nan)})
        undefined += int(rows[name].isna().sum())
        seeds = rows if "seed" in rows else rows.assign(seed=0)
        by_seed = seeds.pivot(index="epoch", columns="seed", values=name).sort_index()
        label = str(name if variant is None else variant)
        handles.append(draw_mean_and_band(axes, by_seed, label, index, crowded=len(variants) > 4))
    if undefined == len(table):
        say_instead(axes, "undefined at every epoch")
    elif undefined:
        axes.text(
            1,
            1,
            f"{undefined} of {len(table)} undefined",
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            fontsize="small",
        )
    return handles
