"""Write a figure to a file, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from graphcortex._atomic import replacing
from graphcortex._checks import check_choice, check_number
from graphcortex._optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Without their dates, two files of one figure are the same bytes.
_METADATA: dict[str, dict[str, str | None]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
# Text stays text (to search, to edit); the salt takes chance out of the names inside an SVG.
_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "graphcortex", "pdf.fonttype": 42}


def save_figure(what: Figure | Axes, path: str | os.PathLike[str], *, dpi: float = 150) -> Path:
    """Write a figure under a temporary name in the folder of ``path``, then rename it to ``path``.

    A reader never sees half a file, and where drawing fails a file that was there before stays as it was.

    Args:
        what: The figure, or any axes of it: what every ``plot_*`` returns.
        path: Where to. Its suffix decides the format: ``.png``, ``.svg`` or ``.pdf``. Missing folders are made.
        dpi: Pixels per inch of a ``.png``; journals often ask for 300 to 600. ``.svg`` and ``.pdf`` are vectors, where it
            counts for images only.

    Returns:
        The path that was written.

    Raises:
        ValueError: If ``what`` is neither a figure nor axes of matplotlib, the suffix is another, or ``dpi`` is not positive.

    Example:
        >>> import tempfile
        >>> from matplotlib.figure import Figure
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_figure(Figure(), f"{folder}/empty.svg").name
        'empty.svg'
    """
    fig = what
    while fig is not None and not hasattr(fig, "savefig"):  # axes may stand in a figure within a figure
        fig = getattr(fig, "figure", None)
    if fig is None:
        raise ValueError(f"what must be a matplotlib Figure or Axes, got {type(what).__name__}.")
    path = Path(path)
    dpi = check_number(dpi, "dpi", above=0)
    suffix = check_choice(path.suffix.lower(), "the suffix of a figure's path", tuple(_METADATA))
    with replacing(path) as unfinished, require("matplotlib", "study", "Saving a figure").rc_context(_SETTINGS):
        # Axes of one scale shrink once a layout is known, and what stands beside them moves: the next one knows that.
        fig.draw_without_rendering()
        fig.savefig(unfinished, format=suffix[1:], dpi=dpi, metadata=_METADATA[suffix])
    return path
