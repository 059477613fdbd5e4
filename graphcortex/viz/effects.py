"""A forest plot: how each variant differs from one of them, in the runs of the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from graphcortex.study.statistics import as_runs
from graphcortex.viz._effects import paired_differences
from graphcortex.viz._labels import LABELS, check_columns
from graphcortex.viz._panels import divide, finish, panel, say_instead
from graphcortex.viz._style import COLOURS, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_effects(runs: pd.DataFrame, *, reference: str, title: str | None = None, axes: Axes | None = None) -> Axes:
    """Draw the mean paired difference of each variant to a reference with its 95 % interval (bootstrap), a panel per metric.

    Args:
        runs: A row per run of one connectome, protocol, task and kind of recurrence; the columns ``variant``, ``seed`` and at
            least one metric (``accuracy``, ``modularity``, ``small_worldness``, ``assortativity``, ``entropy``).
        reference: The variant at zero.
        title: Text above the figure.
        axes: Axes to draw into; they are divided. A new figure's if not given.

    Returns:
        The axes of the first metric; the others are in the same figure.

    Raises:
        ValueError: If a column is missing, there are no rows, or none of the reference.

    Example:
        >>> runs = pd.DataFrame({"variant": ["W", "WD"], "seed": 0, "accuracy": [0.5, 0.9]})
        >>> plot_effects(runs, reference="W").get_xlabel()
        'accuracy'
    """
    check_columns(runs, ["variant", "seed"], "runs")
    runs = as_runs(runs)
    variants = list(dict.fromkeys(runs["variant"]))
    table = paired_differences(runs, reference)
    metrics = [name for name in LABELS if name in runs]
    if not metrics:
        raise ValueError(f"runs must have at least one metric of {', '.join(LABELS)}; got {list(runs)}.")
    others = [name for name in variants if name != reference]
    axes = panel(axes, 1.6 + 2.5 * len(metrics), 1.4 + 0.3 * max(len(others), 2))
    panels = divide(axes, columns=len(metrics)) if len(metrics) > 1 else [axes]
    for metric, place in zip(metrics, panels, strict=True):
        rows = table[table["metric"] == metric].set_index("variant")
        place.set_xlabel(LABELS[metric])
        # The panels are too narrow to name the reference in each.
        finish(place, *([title, f"difference to {reference}"] if place is panels[0] else []))
        place.xaxis.get_major_locator().set_params(nbins=4)
        if not len(rows) or not np.isfinite(rows["difference"]).any():
            say_instead(place, "no pair of runs to compare")
            continue
        place.axvline(0, color=INK, linewidth=0.8, linestyle=(0, (4, 4)), zorder=0)
        for where, variant in enumerate(others):
            tint = COLOURS[variants.index(variant) % len(COLOURS)]
            middle, low, high = rows.loc[variant, ["difference", "low", "high"]].astype(float)
            place.plot([low, high], [where, where], color=tint, linewidth=1.6)
            place.plot(middle, where, color=tint, marker="s", markersize=5)
        place.set_yticks(range(len(others)), others if place is panels[0] else [""] * len(others), parse_math=False)
        place.set_ylim(len(others) - 0.5, -0.5)
    return axes
