"""The edges that a network talks through, as a ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from graphcortex._checks import check_count
from graphcortex.viz._panels import divide, finish, panel
from graphcortex.viz._style import COLOURS, GREY, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NEEDED = ("source", "target", "share", "traffic")


def plot_busiest_edges(
    table: pd.DataFrame, *, top: int = 20, title: str | None = None, axes: Axes | None = None
) -> Axes:
    """Draw a ranking of edges: what share each carries, and what the busiest carry together.

    Args:
        table: What :func:`graphcortex.metrics.busiest_edges` returns; the busiest first. A table of all edges (``top=None``) shows
            the whole of the right-hand curve.
        top: Edges to name on the left.
        title: Text above the figure.
        axes: Axes in a grid, whose place both panels share; a new figure's if not given.

    Returns:
        The axes of the left panel, with one bar per edge, "source to target". To their right, the last axes of the figure show the
        summed share over the number of edges, beside the line of a network all of whose edges carry the same.

    Raises:
        ValueError: If the table has no rows, or lacks a column, or ``axes`` are not flat axes in a grid.
    """
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing or table.empty:
        raise ValueError(
            f"table must have rows and the columns {', '.join(_NEEDED)}; got {len(table)} rows, missing {missing}."
        )
    shown = table.head(check_count(top, "top"))
    bars, curve = divide(panel(axes, 8.4, max(2.8, 0.22 * len(shown) + 1.0)), columns=2, width_ratios=(1.25, 1))
    places = range(len(shown))
    bars.barh(places, 100 * shown["share"], color=COLOURS[0], height=0.72)
    bars.set_yticks(
        places, [f"{s} \u2192 {t}" for s, t in zip(shown["source"], shown["target"], strict=True)], parse_math=False
    )
    bars.invert_yaxis()
    bars.tick_params(axis="y", length=0)
    bars.set_xlabel("share of all, %")
    bars.set_ylabel("source \u2192 target")
    together = 100 * table["share"].cumsum().to_numpy()
    count = range(1, len(table) + 1)
    curve.plot(count, together, color=COLOURS[0], label="the busiest edges")
    if together[-1] > 99.9:  # all edges are in the table, so it is known what equal ones would carry
        curve.plot(
            [1, len(table)], [100 / len(table), 100], color=GREY, linestyle="--", label="if all carried the same"
        )
        curve.legend(frameon=False, fontsize="small", loc="lower right")
    curve.set_ylim(0, None)
    curve.set_xlim(0, None)
    curve.set_xlabel("number of edges")
    curve.set_ylabel("share together, %")
    finish(bars, title)
    finish(curve)
    for drawn in (bars, curve):
        drawn.spines[["left", "bottom"]].set_color(INK)
    return bars
