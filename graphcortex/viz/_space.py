"""Axes in space: one um is equally long in all directions, and a field of any shape fills the figure."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from graphcortex._optional import require
from graphcortex.viz._style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mpl_toolkits.mplot3d import Axes3D

_WIDTH = 8.5  # inches, of the figure
_ROOM = {"left": 1.0, "right": 2.9, "bottom": 0.75, "top": 0.6}  # inches around the box: tick labels, legend, title
_TALLEST = 5.0  # inches, of the box
_GRID = {"grid.color": "#dddddd", "grid.linewidth": 0.6}


def new_space(place: np.ndarray) -> tuple[Figure, Axes3D]:
    """Return a figure and axes in space that show all positions, y downward.

    The longer horizontal side faces the reader, and a flat field, as one imaging plane makes, is looked at from above.

    Args:
        place: Positions in um, shape ``(N, 3)``.
    """
    low, high = place.min(axis=0), place.max(axis=0)
    # A flat field, or a single neuron, still needs a box of some thickness.
    margin = np.maximum(0.03 * (high - low), 0.02 * max(float((high - low).max()), 1.0))
    low, high = low - margin, high + margin
    size = high - low
    elev = 38 if size[1] < 0.5 * min(size[0], size[2]) else 20
    azim = 25 if size[0] >= size[2] else -65

    wide = _WIDTH - _ROOM["left"] - _ROOM["right"]
    box_height = min(_TALLEST, wide * _seen_aspect(size, elev, azim))
    height = box_height + _ROOM["bottom"] + _ROOM["top"]
    fig = new_figure(_WIDTH, height, layout="none")
    # mplot3d draws in a square, and cuts off what passes its edge: a square around the box, with the same centre.
    middle_x, middle_y = _ROOM["left"] + wide / 2, _ROOM["bottom"] + box_height / 2
    side = 1.4 * max(wide, box_height)
    corner = ((middle_x - side / 2) / _WIDTH, (middle_y - side / 2) / height)
    # A grid as dark as matplotlib's looks like the edges between modules. Axes in space read its look when they are made.
    with require("matplotlib", "study", "Drawing a figure").rc_context(_GRID):
        axes = fig.add_axes((*corner, side / _WIDTH, side / height), projection="3d", facecolor="none")
    axes.set_xlim(low[0], high[0])
    # y runs downward. Turning z as well makes that a rotation: turning y alone would show the mirror image.
    axes.set_ylim(high[1], low[1])
    axes.set_zlim(high[2], low[2])
    # Without perspective, equal lengths look equal wherever they are.
    axes.set_proj_type("ortho")
    axes.view_init(elev=elev, azim=azim, vertical_axis="y")
    axes.set_box_aspect(size)  # after the vertical axis is chosen: matplotlib turns the box by it
    seen = _seen_size(axes, low, high)
    zoom = float(np.min(np.array([wide, box_height]) * fig.dpi / seen))
    axes.set_box_aspect(size, zoom=zoom)
    _label(axes, size, zoom)
    return fig, axes


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


def _label(axes: Axes3D, size: np.ndarray, zoom: float) -> None:
    from matplotlib.ticker import MaxNLocator

    # Distances of numbers and names from the box shrink with the zoom; mplot3d adds 8 and 21 points on its own.
    axes.tick_params(pad=(8 + 2) / zoom - 8)
    # Along a short edge of the box, many numbers would touch.
    for name, share in zip("xyz", size / size.max(), strict=True):
        axis = getattr(axes, f"{name}axis")
        axis.set_label_text(f"{name} (µm)")
        axis.labelpad = (21 + 12) / zoom - 21
        axis.set_major_locator(MaxNLocator(5 if share > 0.6 else 3 if share > 0.3 else 2))
        axis.pane.set_alpha(0.25)
