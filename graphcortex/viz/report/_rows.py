"""The rows of the report's tables: numbers already written as text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from graphcortex.study.table import t_interval
from graphcortex.viz._labels import LABELS
from graphcortex.viz.report._data import Group, ReportData, readable

NONE = "–"


def number(value: Any, digits: int = 3, *, sign: bool = False) -> str:
    """Write a number in a table: so many decimals, or digits where it is small or large; a dash where there is none.

    Example:
        >>> number(0.98765), number(float("nan")), number(-0.00012), number(0.5, sign=True)
        ('0.988', '–', '−0.00012', '+0.500')
    """
    if value is None or not math.isfinite(float(value)):
        return NONE
    value = float(value)
    plain = value == 0 or 10.0**-digits <= abs(value) < 1e5
    said = (
        f"{value:{'+' if sign else ''}.{digits}f}" if plain else f"{value:{'+' if sign else ''}.{max(digits - 1, 1)}g}"
    )
    return said.replace("-", "−")


def p_value(value: Any) -> str:
    """Write a p value.

    Example:
        >>> p_value(0.00001), p_value(0.04)
        ('< 0.001', '0.040')
    """
    if value is None or not math.isfinite(float(value)):
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def interval(low: Any, high: Any, *, sign: bool = False) -> str:
    """Write an interval; a dash where it has no ends."""
    ends = number(low, sign=sign), number(high, sign=sign)
    return NONE if NONE in ends else f"{ends[0]} to {ends[1]}"


def task_rows(data: ReportData, group: Group) -> list[dict[str, Any]]:
    """Return a row per variant of a group: runs, how many diverged, accuracy for the small chart, and the mean of each metric."""
    table = group.of(data.runs)
    rows = []
    for variant in data.variants:
        runs = table[table["variant"] == variant]
        if runs.empty:
            continue
        values = runs["accuracy"].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        low, high = t_interval(values)
        rows.append(
            {
                "variant": variant,
                "colour": data.variants.index(variant),
                "runs": len(runs),
                "diverged": int(runs["diverged_epoch"].notna().sum()),
                "values": values.tolist(),
                "mean": float(values.mean()) if len(values) else None,
                "low": max(low, 0.0) if math.isfinite(low) else None,
                "high": min(high, 1.0) if math.isfinite(high) else None,
                "said": _mean(values),
                "others": [_mean(runs[name].to_numpy(dtype=float)) for name in data.metrics if name != "accuracy"],
            }
        )
    return rows


def _mean(values: np.ndarray) -> str:
    values = values[np.isfinite(values)]
    if not len(values):
        return NONE
    low, high = t_interval(values)
    half = "" if not math.isfinite(high) else f" ± {number((high - low) / 2)}"
    return number(values.mean()) + half


def claim_rows(claims: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row per claim."""
    rows = []
    for row in claims.to_dict("records"):
        where = [
            readable(str(row[name]))
            for name in ("connectome", "protocol", "recurrence", "task")
            if _told(row.get(name))
        ]
        rows.append(
            {
                "where": " · ".join(where),
                "statement": row.get("statement") or row.get("claim", ""),
                "verdict": str(row.get("verdict", "undecided")),
                "effect": number(row.get("effect"), sign=True),
                "interval": interval(row.get("low"), row.get("high"), sign=True),
                "p": p_value(row.get("p")),
                "n": "" if not _told(row.get("n")) else str(int(row["n"])),
                "reason": row["reason"] if _told(row.get("reason")) else "",
            }
        )
    return rows


def _told(value: Any) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))


def effect_rows(data: ReportData, group: Group) -> list[dict[str, str]]:
    """Return a row per variant and metric: the paired difference to the reference."""
    table = group.of(data.effects) if len(data.effects) else data.effects
    return [
        {
            "variant": row["variant"],
            "metric": LABELS[row["metric"]],
            "difference": number(row["difference"], sign=True),
            "interval": interval(row["low"], row["high"], sign=True),
            "pairs": str(row["pairs"]),
        }
        for row in table.to_dict("records")
    ]


def diverged_rows(data: ReportData) -> list[dict[str, Any]]:
    """Return a row per run that diverged."""
    return [row | {"epoch": int(row["diverged_epoch"])} for row in data.diverged.to_dict("records")]
