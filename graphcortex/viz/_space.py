"""Axes in space: one um is equally long in all directions, and a field of any shape fills the figure."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from graphcortex._optional import require
from graphcortex.viz._style import draw_literally, new_figure, show_in_notebooks

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d import Axes3D

_WIDTH = 8.5  # inches, of the figure
_ROOM = {"left": 1.0, "right": 2.9, "bottom": 0.75, "top": 0.6}  # inches around the box: tick labels, legend, title
_TALLEST = 5.0  # inches, of the box
_MARGIN = 0.1  # inches between the outermost text and the edge of the figure
_GAP = 6.0  # points between the box and its numbers, and between these and the name of the axis
_GRID = {"grid.color": "#dddddd", "grid.linewidth": 0.6}
_TICK_OFFSET, _LABEL_OFFSET = 8.0, 21.0  # points that mplot3d adds to the pads of numbers and names


def new_space(place: np.ndarray, axes: Axes3D | None = None, *, names: str = "xyz") -> Axes3D:
    """Return axes in space that show all positions, y downward: those given, or the only ones of a new figure.

    The longer horizontal side faces the reader, and a flat field, as one imaging plane makes, is looked at from above.

    Args:
        place: Positions in um, shape ``(N, 3)``.
        axes: Axes to draw into, made with ``projection="3d"``.
        names: Name of each coordinate, a letter each.

    Raises:
        ValueError: If ``axes`` are not axes in space.
    """
    if axes is not None and getattr(axes, "name", None) != "3d":
        raise ValueError(f"axes must be matplotlib Axes in space (projection='3d') or None, got {type(axes).__name__}.")
    low, high = place.min(axis=0), place.max(axis=0)
    # A flat field, or a single neuron, still needs a box of some thickness.
    margin = np.maximum(0.03 * (high - low), 0.02 * max(float((high - low).max()), 1.0))
    low, high = low - margin, high + margin
    size = high - low
    elev = 38 if size[1] < 0.5 * min(size[0], size[2]) else 20
    azim = 25 if size[0] >= size[2] else -65

    own = axes is None
    wide, tall = 0.0, 0.0
    if axes is None:
        wide = _WIDTH - _ROOM["left"] - _ROOM["right"]
        tall = min(_TALLEST, wide * _seen_aspect(size, elev, azim))
        axes = _square_around(wide, tall)
    axes.set_xlim(low[0], high[0])
    # y runs downward. Turning z as well makes that a rotation: turning y alone would show the mirror image.
    axes.set_ylim(high[1], low[1])
    axes.set_zlim(high[2], low[2])
    # Without perspective, equal lengths look equal wherever they are.
    axes.set_proj_type("ortho")
    axes.view_init(elev=elev, azim=azim, vertical_axis="y")
    axes.set_box_aspect(size)  # after the vertical axis is chosen: matplotlib turns the box by it
    if own:
        seen = _seen_size(axes, low, high)
        axes.set_box_aspect(size, zoom=float(np.min(np.array([wide, tall]) * axes.figure.dpi / seen)))
    _label(axes, size, names)
    if own:
        _fit_figure(axes)
    return axes


def _square_around(wide: float, tall: float) -> Axes3D:
    """Return axes of a new figure for a box of this size in inches.

    mplot3d draws in a square and cuts off what passes its edge, so the square is larger than the box and has the same center.
    """
    height = tall + _ROOM["bottom"] + _ROOM["top"]
    fig = new_figure(_WIDTH, height, layout="none")
    middle_x, middle_y = _ROOM["left"] + wide / 2, _ROOM["bottom"] + tall / 2
    side = 1.4 * max(wide, tall)
    corner = ((middle_x - side / 2) / _WIDTH, (middle_y - side / 2) / height)
    # A grid as dark as matplotlib's looks like the edges between modules. Axes in space read its look when they are made.
    with require("matplotlib", "study", "Drawing a figure").rc_context(_GRID):
        axes = fig.add_axes((*corner, side / _WIDTH, side / height), projection="3d", facecolor="none")
    return show_in_notebooks(axes)


def _seen_aspect(size: np.ndarray, elev: float, azim: float) -> float:
    """Return height by width of a box as it is seen without perspective, with y vertical."""
    elev, azim = np.radians([elev, azim])
    width = size[0] * abs(np.cos(azim)) + size[2] * abs(np.sin(azim))
    depth = size[0] * abs(np.sin(azim)) + size[2] * abs(np.cos(azim))
    return float((size[1] * np.cos(elev) + depth * np.sin(elev)) / width)


def _seen_size(axes: Axes3D, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return width and height of the box as drawn, in pixels."""
    from mpl_toolkits.mplot3d.proj3d import proj_transform

    axes.apply_aspect()
    corners = np.array(list(product(*zip(low, high, strict=True))))
    x, y, _ = proj_transform(*corners.T, axes.get_proj())
    return np.ptp(axes.transData.transform(np.column_stack([x, y])), axis=0)


def _label(axes: Axes3D, size: np.ndarray, names: str) -> None:
    from matplotlib.ticker import MaxNLocator

    # Along a short edge of the box, many numbers would touch.
    for axis, name, share in zip(_axes_of(axes), names, size / size.max(), strict=True):
        axis.set_label_text(f"{name} (µm)")
        most = 5 if share > 0.6 else 3 if share > 0.3 else 2 if share > 0.15 else 1
        axis.set_major_locator(MaxNLocator(most, min_n_ticks=1))
        axis.pane.set_alpha(0.25)
    axes.get_figure(root=True).draw_without_rendering()
    for axis in _axes_of(axes):
        _place_text(axes, axis)


def _axes_of(axes: Axes3D) -> tuple:
    return axes.xaxis, axes.yaxis, axes.zaxis


def _place_text(axes: Axes3D, axis) -> None:
    """Put numbers and name of an axis at fixed distances from it.

    mplot3d moves them by shares of the box, so that a pad means another distance for each shape of it: measure and correct.
    """
    from matplotlib.transforms import Bbox

    start, end = axes.transData.transform(np.column_stack(axis.line.get_data()))
    along = end - start
    if not np.linalg.norm(along) > 1:  # seen from its end
        return
    normal = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    pixels = axes.get_figure(root=True).dpi / 72

    def distance(text) -> float:
        return abs(float((axes.transData.transform(text.get_position()) - start) @ normal))

    def thickness(box: Bbox) -> float:
        return float(np.abs(normal) @ (box.width, box.height))

    ticks = _ticks_of(axis)
    numbers = max((thickness(tick.label1.get_window_extent()) for tick in ticks), default=0.0)
    if ticks and distance(ticks[0].label1) > 0:
        wanted = _GAP * pixels + numbers / 2
        axis.set_tick_params(
            pad=(ticks[0].get_pad() + _TICK_OFFSET) * wanted / distance(ticks[0].label1) - _TICK_OFFSET
        )
    if distance(axis.label) > 0:
        name = thickness(axis.label.get_window_extent())
        wanted = 2 * _GAP * pixels + numbers + name / 2
        axis.labelpad = (axis.labelpad + _LABEL_OFFSET) * wanted / distance(axis.label) - _LABEL_OFFSET


def _ticks_of(axis) -> list:
    """Return the ticks that are drawn: a locator makes some outside of the box too."""
    low, high = sorted(axis.get_view_interval())
    return [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high and tick.label1.get_text()]


def _fit_figure(axes: Axes3D) -> None:
    """Give the figure the room that the text around the box takes, at the left and below; the box keeps its size."""
    from matplotlib.transforms import Bbox

    fig = axes.figure
    fig.draw_without_rendering()
    texts = [text for axis in _axes_of(axes) for text in (axis.label, *(tick.label1 for tick in _ticks_of(axis)))]
    drawn = Bbox.union([text.get_window_extent() for text in texts])
    left = max(0.0, _MARGIN - drawn.x0 / fig.dpi)
    below = _MARGIN - drawn.y0 / fig.dpi
    width, height = fig.get_size_inches()
    x0, y0, w, h = axes.get_position(original=True).bounds
    new_width, new_height = width + left, height + below
    axes.set_position(
        [
            (x0 * width + left) / new_width,
            (y0 * height + below) / new_height,
            w * width / new_width,
            h * height / new_height,
        ]
    )
    fig.set_size_inches(new_width, new_height)


def legend_and_title(axes: Axes3D, handles: list, title: str) -> None:
    """Write a legend and a title: at the edges of a figure that has nothing else, beside and above axes in another."""
    fig = axes.figure
    if fig.axes == [axes] and fig.get_layout_engine() is None:
        legend = fig.legend(handles=handles, loc="upper right", frameon=False, alignment="left")
        draw_literally(fig.suptitle(title, x=0.02, y=0.98, ha="left", va="top", fontsize="medium"))
    else:
        beside = {"loc": "upper left", "bbox_to_anchor": (1, 1), "borderaxespad": 0, "fontsize": "small"}
        legend = axes.legend(handles=handles, frameon=False, alignment="left", **beside)
        axes.set_title(title, fontsize="medium", loc="left")
    draw_literally(*legend.get_texts())
