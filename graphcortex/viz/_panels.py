"""Axes to draw into: a figure's own or those of a figure at hand, divided into panels, with a legend beside them."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

from graphcortex.viz._style import INK, draw_literally, new_figure, show_in_notebooks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend


def panel(axes: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw into: those given, or the only ones of a new figure of a size in inches.

    Raises:
        ValueError: If what is given are no flat axes.
    """
    if axes is None:
        axes = show_in_notebooks(new_figure(width, height).add_subplot())
    if getattr(axes, "name", None) != "rectilinear":
        raise ValueError(f"axes must be flat matplotlib Axes or None, got {type(axes).__name__}.")
    return _name_literally(axes)


def _name_literally(axes: Axes) -> Axes:
    draw_literally(axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title, axes._right_title)
    return axes


def divide(axes: Axes, rows: int = 1, columns: int = 1, *, share_x: bool = False, **ratios: Any) -> list[Axes]:
    """Divide the place of some axes into a grid, row by row; the first panel is ``axes`` itself.

    Args:
        axes: Axes in a grid, as ``figure.subplots()`` makes them.
        rows: Number of rows.
        columns: Number of columns.
        share_x: Whether all panels have the x axis of the first.
        **ratios: ``width_ratios`` and ``height_ratios``.

    Raises:
        ValueError: If the axes were placed by hand.
    """
    place = axes.get_subplotspec()
    if place is None:
        raise ValueError(
            "axes must stand in a grid to be divided into panels, as those of figure.subplots() do; got axes placed by hand."
        )
    grid = place.subgridspec(rows, columns, **ratios)
    axes.set_subplotspec(grid[0])
    others = [grid[index] for index in range(1, rows * columns)]
    more = [axes.figure.add_subplot(cell, sharex=axes if share_x else None) for cell in others]
    return [axes, *map(_name_literally, more)]


def legend_beside(axes: Axes, handles: list, *, room: float = 0.0, **options: Any) -> Legend:
    """Draw a legend to the right of the axes, where it covers no data.

    Args:
        axes: The axes.
        handles: Artists, in the order of the legend.
        room: Inches to leave for what else stands there.
        **options: What ``Axes.legend`` takes.
    """
    from matplotlib.transforms import ScaledTranslation

    beside = axes.transAxes + ScaledTranslation(0.1 + room, 0, axes.get_figure().dpi_scale_trans)
    legend = axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1, 1), bbox_transform=beside, borderaxespad=0, frameon=False,
        alignment="left", **options,
    )  # fmt: skip
    draw_literally(legend.get_title(), *legend.get_texts())
    return legend


def finish(axes: Axes, *says: str | None) -> None:
    """Take away the frame's upper and right side, and write a title of the lines that are not empty."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("\n".join(filter(None, says)), fontsize="medium", loc="left")


def say_instead(axes: Axes, reason: str) -> None:
    """Write in the middle of empty axes why there is nothing to draw."""
    axes.text(
        0.5, 0.5, fill(reason, 24), transform=axes.transAxes, ha="center", va="center", color=INK, fontsize="small",
        parse_math=False,
    )  # fmt: skip
    # Not by removing the ticks: those of a shared axis stand at other panels too.
    axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
