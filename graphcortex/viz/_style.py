"""What every figure shares: how it is made, and colours and lines that colour-blind readers tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcortex._optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The "muted" scheme of Paul Tol (https://personal.sron.nl/~pault/), made for categories and safe for the colour-blind.
COLOURS = ("#332288", "#CC6677", "#117733", "#DDAA33", "#44AA99", "#882255", "#999933", "#88CCEE", "#AA4499")
# Nine colours and four styles have no common divisor: 36 lines pass before one looks like another.
LINE_STYLES = ("-", "--", "-.", ":")
NUM_MODULE_COLOURS = 8  # as many modules as a legend names
GREY = "#9a9a9a"
INK = "#333333"
POSITIVE = "#b2182b"  # the ends of matplotlib's RdBu, so that a sign has one colour in all figures
NEGATIVE = "#2166ac"


def new_figure(width: float, height: float, layout: str = "constrained") -> Figure:
    """Return an empty figure of a size in inches, which belongs to no window and to no global state."""
    figure = require("matplotlib.figure", "study", "Drawing a figure")
    return figure.Figure(figsize=(width, height), layout=layout)


def line_style(index: int) -> dict[str, str]:
    """Return colour and dashes of the ``index``-th line of a figure."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": LINE_STYLES[index % len(LINE_STYLES)]}


def module_colour(rank: int, size: int) -> str:
    """Return the colour of the module that is ``rank``-th by size; small ones past the palette and single neurons are grey."""
    return COLOURS[rank] if rank < NUM_MODULE_COLOURS and size > 1 else GREY
