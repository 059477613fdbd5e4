"""What every figure shares: how it is made, and colours and lines that colour-blind readers tell apart."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, TypeVar

from graphcortex._optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    A = TypeVar("A", bound=Axes)

# The "muted" scheme of Paul Tol (https://personal.sron.nl/~pault/), made for categories and safe for the colour-blind.
COLOURS = ("#332288", "#CC6677", "#117733", "#DDAA33", "#44AA99", "#882255", "#999933", "#88CCEE", "#AA4499")
# Nine colours and four styles have no common divisor: 36 lines pass before one looks like another.
LINE_STYLES = ("-", "--", "-.", ":")
NUM_MODULE_COLOURS = 8  # as many modules as a legend names
GREY = "#9a9a9a"
PALE = "#cccccc"  # of no module: lighter than all colours, since some readers see teal and rose as grey as GREY
INK = "#333333"
POSITIVE = "#b2182b"  # the ends of matplotlib's RdBu, so that a sign has one colour in all figures
NEGATIVE = "#2166ac"


def new_figure(width: float, height: float, layout: str = "constrained") -> Figure:
    """Return an empty figure of a size in inches, which belongs to no window and to no global state."""
    figure = require("matplotlib.figure", "study", "Drawing a figure")
    return figure.Figure(figsize=(width, height), layout=layout)


def show_in_notebooks(axes: A) -> A:
    """Have a notebook show the figure of some axes that are the last value of a cell, and return the axes.

    A figure that belongs to no window is not shown by itself, and axes never are.
    """
    axes._repr_png_ = functools.partial(_png, axes)
    return axes


def _png(axes: Axes) -> bytes:
    content = io.BytesIO()
    axes.get_figure(root=True).savefig(content, format="png", bbox_inches="tight")
    return content.getvalue()


def draw_literally(*texts: Text) -> None:
    """Have texts drawn letter by letter: a name with two dollar signs is no formula."""
    for text in texts:
        text.set_parse_math(False)


def line_style(index: int) -> dict[str, str]:
    """Return colour and dashes of the ``index``-th line of a figure."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": LINE_STYLES[index % len(LINE_STYLES)]}


def module_colour(rank: int, size: int) -> str:
    """Return the colour of the module that is ``rank``-th by size; small ones past the palette and single neurons are pale grey."""
    return COLOURS[rank] if rank < NUM_MODULE_COLOURS and size > 1 else PALE
