"""Figures with a line of text per variant: the runs of each, joined by seed, and the differences to one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from graphcortex.viz._labels import LABELS
from graphcortex.viz.report._look import colour, layout, levels, short, text

_ROW = 38  # pixels
_ROOM = 104


def paired_figure(
    rows: pd.DataFrame, means: pd.DataFrame, metric: str, variants: tuple[str, ...], known: dict[str, float]
) -> dict[str, Any] | None:
    """Return a dot per run, a line per seed through its runs, and the mean of each variant; None where no run has a number."""
    present = [variant for variant in variants if (rows["variant"] == variant).any()]
    table = rows.pivot_table(index="seed", columns="variant", values=metric, aggfunc="first", dropna=False)
    table = table.reindex(columns=present).astype(float)
    table = table.where(np.isfinite(table))
    if not table.notna().to_numpy().any():
        return None
    means = means[means["metric"] == metric].set_index("variant")
    place = np.arange(len(present), dtype=float)
    joined_x, joined_y = [], []
    for values in table.to_numpy(dtype=float):
        joined_x += [*short(values), None]
        joined_y += [*place.tolist(), None]
    traces = [
        {
            "type": "scatter", "mode": "lines", "x": joined_x, "y": joined_y, "hoverinfo": "skip",
            "line": {"color": "var(--join)", "width": 1}, "connectgaps": False,
        }
    ]  # fmt: skip
    broken = set(map(tuple, rows.loc[rows["diverged_epoch"].notna(), ["variant", "seed"]].to_numpy().tolist()))
    for where, variant in enumerate(present):
        values = table[variant].dropna()
        if values.empty:
            continue
        tint = colour(variants.index(variant))
        crosses = [(variant, seed) in broken for seed in values.index]
        symbols = ["x-thin-open" if cross else "circle" for cross in crosses] if any(crosses) else "circle"
        notes = [
            f"seed {seed}" + (", diverged" if cross else "") for seed, cross in zip(values.index, crosses, strict=True)
        ]
        traces.append(
            {
                "type": "scatter", "mode": "markers", "x": short(values), "y": [where] * len(values), "text": notes,
                "marker": {"color": tint, "size": 8, "opacity": 0.75, "symbol": symbols},
                "hovertemplate": "%{x:.4g}, %{text}<extra>" + text(variant) + "</extra>",
            }
        )  # fmt: skip
        low, high = means.loc[variant, ["ci95_low", "ci95_high"]]
        told = f"mean {values.mean():.4g}" + (f", 95 % {low:.4g} to {high:.4g}" if np.isfinite(low) else "")
        traces.append(
            {
                "type": "scatter", "mode": "markers", "x": short([values.mean()]), "y": [where],
                "marker": {"symbol": "line-ns-open", "size": 20, "color": "var(--ink)", "line": {"width": 2.5}},
                "hovertemplate": told + "<extra>" + text(variant) + "</extra>",
            }
        )  # fmt: skip
    lines, names = levels(known, along="x") if metric == "accuracy" else ([], [])
    x = {"title": LABELS[metric], **({"range": [0, 1.03]} if metric == "accuracy" else {})}
    return _strips(traces, present, x, shapes=lines, annotations=names)


def forest_figure(
    effects: pd.DataFrame, metric: str, variants: tuple[str, ...], reference: str
) -> dict[str, Any] | None:
    """Return the mean difference of each variant to the reference, with its interval; None where there is no pair."""
    rows = effects[(effects["metric"] == metric) & (effects["pairs"] > 0)]
    if rows.empty:
        return None
    rows = rows.set_index("variant").reindex([variant for variant in variants if variant in set(rows["variant"])])
    traces = []
    for where, (variant, row) in enumerate(rows.iterrows()):
        has_interval = np.isfinite(row["low"])
        error = {
            "type": "data", "symmetric": False, "thickness": 2, "width": 5, "color": colour(variants.index(variant)),
            "array": short([row["high"] - row["difference"]]), "arrayminus": short([row["difference"] - row["low"]]),
        }  # fmt: skip
        told = f"%{{x:+.4g}}{f', 95 % {row.low:+.4g} to {row.high:+.4g}' if has_interval else ''}, {int(row['pairs'])} pairs"
        traces.append(
            {
                "type": "scatter", "mode": "markers", "x": short([row["difference"]]), "y": [where],
                "marker": {"symbol": "square", "size": 10, "color": colour(variants.index(variant))},
                **({"error_x": error} if has_interval else {}),
                "hovertemplate": told + "<extra>" + text(variant) + "</extra>",
            }
        )  # fmt: skip
    x = {"title": f"difference in {LABELS[metric]} to {text(reference)}", "rangemode": "tozero"}
    zero = {
        "type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
        "line": {"color": "var(--level)", "width": 1.5},
    }  # fmt: skip
    return _strips(traces, list(rows.index), x, shapes=[zero])


def _strips(traces: list[dict], names: list[str], x: dict[str, Any], **more: Any) -> dict[str, Any]:
    y = {
        "tickvals": list(range(len(names))),
        "ticktext": [text(name) + " " for name in names],
        "range": [len(names) - 0.45, -0.55],
        "showgrid": False,
        "zeroline": False,
        "tickfont": {"color": "var(--ink)"},
    }
    return {"data": traces, "layout": layout(x=x, y=y, height=_ROOM + _ROW * len(names), **more)}
