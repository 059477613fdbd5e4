"""A line with a band: a mean over seeds, or over random graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcortex.viz._style import line_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def draw_mean_and_band(axes: Axes, table: pd.DataFrame, label: str, index: int, *, crowded: bool) -> Line2D:
    """Draw the mean of each row over the columns, in a band from the lowest to the highest; what is NaN does not count.

    Args:
        axes: Where to.
        table: Numbers, epochs by seeds.
        label: Name of the line.
        index: Which line of the figure it is.
        crowded: Whether there are many.
    """
    style = line_style(index)
    marker = {"marker": "o", "markersize": 3.5} if len(table) <= 20 else {}
    (line,) = axes.plot(table.index, table.mean(axis=1), label=label, linewidth=1.8, zorder=3, **style, **marker)
    if table.shape[1] > 1:
        low, high = table.min(axis=1), table.max(axis=1)
        # Bands of many variants lie on each other, and must not hide what is below.
        axes.fill_between(table.index, low, high, color=style["color"], alpha=0.08 if crowded else 0.18, linewidth=0)
    return line
