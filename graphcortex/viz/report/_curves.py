"""Learning curves: per variant the mean over its seeds, in a band from the lowest to the highest."""

from __future__ import annotations

from typing import Any

import pandas as pd

from graphcortex.viz.curves import METRICS, epochs_by_seeds
from graphcortex.viz.report._look import DASHES, colour, layout, levels, short, text

_HEIGHT = 400
_CROWDED = 4  # variants: bands of more lie on each other, and must not hide what is below


def curves_figure(
    history: pd.DataFrame, metric: str, variants: tuple[str, ...], known: dict[str, float]
) -> dict[str, Any] | None:
    """Return the figure of one measure of one group of runs, or None where no run of it stayed finite.

    Args:
        history: A row per variant, seed and epoch.
        metric: One of :data:`graphcortex.viz.curves.METRICS`.
        variants: All of the report, which decide the colours.
        known: Chance, floor and ceiling, drawn where an accuracy is.
    """
    traces: list[dict[str, Any]] = []
    crowded = history["variant"].nunique() > _CROWDED
    for index, variant in enumerate(variants):
        rows = history[history["variant"] == variant]
        table, diverged = epochs_by_seeds(rows, metric) if len(rows) else (pd.DataFrame(), 0)
        if table.empty:
            continue
        name = text(variant) + (f" ({diverged} diverged)" if diverged else "")
        epochs = [int(epoch) for epoch in table.index]
        shared = {"type": "scatter", "legendgroup": text(variant)}
        if table.shape[1] > 1:
            edge = [*short(table.max(axis=1)), *reversed(short(table.min(axis=1)))]
            band = {"x": epochs + epochs[::-1], "y": edge, "fill": "toself", "fillcolor": colour(index, faint=True)}
            traces.append(
                {
                    **shared,
                    **band,
                    "mode": "lines",
                    "line": {"width": 0},
                    "opacity": 0.4 if crowded else 1,
                    "hoverinfo": "skip",
                    "showlegend": False,
                }
            )
        line = {"color": colour(index), "width": 2.2, "dash": DASHES[index % len(DASHES)]}
        mode = "lines+markers" if len(epochs) <= 20 else "lines"
        mean = {
            "x": epochs,
            "y": short(table.mean(axis=1)),
            "name": name,
            "mode": mode,
            "line": line,
            "marker": {"size": 5},
        }
        traces.append({**shared, **mean, "hovertemplate": "%{y:.3f}, epoch %{x}<extra>" + name + "</extra>"})
    if not traces:
        return None
    is_accuracy = "accuracy" in metric
    lines, names = levels(known, along="y") if is_accuracy else ([], [])
    y = {"title": METRICS[metric], **({"range": [0, 1.06]} if is_accuracy else {"rangemode": "tozero"})}
    x = {"title": "epoch", "dtick": 1} if history["epoch"].max() <= 12 else {"title": "epoch"}
    look = layout(x=x, y=y, height=_HEIGHT, shapes=lines, annotations=names, showlegend=True)
    return {"data": traces, "layout": look, "legend": sum(1 for trace in traces if trace.get("showlegend", True))}
