"""The rows of the report's tables: numbers already written as text."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from graphcortex.study import ClaimsTable
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
    runs, table = group.of(data.runs), group.of(data.table)
    rows = []
    for variant in data.variants:
        cells = table[table["variant"] == variant].set_index("metric")
        if cells.empty:
            continue
        mine = runs[runs["variant"] == variant]
        values = mine["accuracy"].to_numpy(dtype=float)
        mean, low, high = (_on_axis(cells.loc["accuracy", name]) for name in ("mean", "ci95_low", "ci95_high"))
        rows.append(
            {
                "variant": variant,
                "colour": data.variants.index(variant),
                "runs": len(mine),
                "diverged": int(mine["diverged_epoch"].notna().sum()),
                "values": [value for value in map(_on_axis, values) if value is not None],
                "mean": mean,
                "low": low,
                "high": high,
                "said": _mean(cells.loc["accuracy"]),
                "others": [_mean(cells.loc[name]) for name in data.metrics if name != "accuracy"],
            }
        )
    return rows


def _on_axis(value: float) -> float | None:
    """Return what of a value or interval lies from 0 to 1; the published intervals may not."""
    return min(max(float(value), 0.0), 1.0) if math.isfinite(value) else None


def _mean(cell: pd.Series) -> tuple[str, str]:
    """Return a mean, and its interval (``± half``, or ``[low, high]`` where it is not symmetric) with the runs that it lacks."""
    mean, low, high = (float(cell[name]) for name in ("mean", "ci95_low", "ci95_high"))
    dropped = int(cell.get("dropped", 0))
    lacks = f"{dropped} without a finite value" if dropped else ""
    if not math.isfinite(mean) or not math.isfinite(high):
        return number(mean), lacks
    symmetric = math.isclose(high - mean, mean - low, rel_tol=1e-9, abs_tol=1e-12)
    ends = f"± {number(high - mean)}" if symmetric else f"[{number(low)}, {number(high)}]"
    return number(mean), f"{ends}, {lacks}" if lacks else ends


def claim_rows(claims: ClaimsTable | None) -> list[dict[str, Any]]:
    """Return the claims with their statements, each with a row per group of runs that has pairs to judge it by.

    Claims and groups without a single pair are left out: the study has no runs of the variants that they compare.
    """
    if claims is None:
        return []
    judged = [one for one in claims if one.n + one.dropped > 0]
    return [
        {
            "name": name,
            "statement": statement,
            "rows": [
                {
                    "where": " · ".join(
                        readable(part) for part in (one.connectome, one.protocol, one.recurrence, one.task) if part
                    ),
                    "verdict": one.verdict,
                    "compared": one.compared,
                    "effect": number(one.effect, sign=True),
                    "interval": interval(one.low, one.high, sign=True),
                    "p": p_value(one.p),
                    "n": one.n,
                    "reason": one.reason,
                }
                for one in judged
                if one.claim == name
            ],
        }
        for name, statement in claims.statements.items()
        if any(one.claim == name for one in judged)
    ]


def effect_rows(data: ReportData, group: Group) -> list[dict[str, str]]:
    """Return a row per variant and metric: the paired difference to the reference."""
    return [
        {
            "variant": row["variant"],
            "metric": LABELS[row["metric"]],
            "difference": number(row["difference"], sign=True),
            "interval": interval(row["low"], row["high"], sign=True),
            "p": p_value(row["p"]),
            "pairs": str(row["pairs"]),
        }
        for row in group.of(data.effects).to_dict("records")
    ]


def diverged_rows(data: ReportData) -> list[dict[str, Any]]:
    """Return a row per run that diverged."""
    return [row | {"epoch": int(row["diverged_epoch"])} for row in data.diverged.to_dict("records")]
