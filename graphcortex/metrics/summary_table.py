"""What was measured of a graph as a mapping, a table and text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from graphcortex.metrics._result import Result


@dataclass(frozen=True, eq=False, repr=False)
class Summary(Mapping[str, Result]):
    """What was measured of a graph: a mapping from names to results, printed as a table.

    Attributes:
        results: Each metric by name.
        about: The graph and what was done to it, in plain values.
        seconds: How long each metric took, and the random graphs (``"null graphs"``).
    """

    results: dict[str, Result]
    about: dict[str, Any]
    seconds: dict[str, float]

    def __getitem__(self, name: str) -> Result:
        """Return one metric.

        Raises:
            KeyError: If there is none of that name; it lists those there are.
        """
        if name not in self.results:
            raise KeyError(f"{name!r} is none of the metrics here: {', '.join(self.results)}")
        return self.results[name]

    def __contains__(self, name: object) -> bool:
        """Return whether there is a metric of that name."""
        return name in self.results

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self.results)

    def __len__(self) -> int:
        """Return the number of metrics."""
        return len(self.results)

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row per metric: its value, its null and the z-score, its p-value, and what was done."""
        columns = ("value", "null_mean", "null_sd", "z", "p_value", "null", "num_nulls", "method", "threshold", "seed")
        rows = [
            {"metric": name, **{c: getattr(found, c, math.nan) for c in columns}, "reason": found.reason}
            for name, found in self.results.items()
        ]
        table = pd.DataFrame(rows, columns=["metric", *columns, "reason"]).set_index("metric")
        return table.astype({"seed": "Int64"})

    def __str__(self) -> str:
        """Return the table as text."""
        says = [*_heading(self.about), f"{'':30}{'value':>10}{'null':>22}{'z':>9}{'p':>8}"]
        for name, found in self.results.items():
            null = ""
            if found.num_nulls and not math.isnan(found.null_mean):
                null = f"{_short(found.null_mean)} ± {_short(found.null_sd, 2)}"
            z = "" if math.isnan(found.z) else f"{found.z:.1f}"
            p = getattr(found, "p_value", math.nan)
            p = "" if math.isnan(p) else f"{p:.3f}"
            line = f"{metric_label(name):30}{_short(found.value):>10}{null:>22}{z:>9}{p:>8}"
            says.append(f"{line}  {found.reason}".rstrip())
        return "\n".join(says)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_dataframe().to_html(float_format=_short, na_rep="")


_UNITS = {
    "weight_entropy": "bit",
    "entropy": "bit",
    "eigenvalue_outliers": "count",
    "singular_value_entropy": "bit",
    "clustering": "mean",
    "assortativity": "degree",
    "rich_club": "largest ratio",
    "coreness": "largest",
    "motifs": "share closed",
    "participation": "mean",
    "hubs": "share",
    "spectral_entropy": "bit",
    "small_worldness": "sigma",
    "wiring_length": "mean, um",
    "length_distribution": "W1, um",
    "initial_overlap": "Jaccard",
}


def metric_label(name: str, unit: str | None = None) -> str:
    """Return the name of a metric as tables and figures write it, with its unit or what it says exactly, where there is one.

    Args:
        name: Name of the metric, such as ``"weight_entropy"``.
        unit: The unit of a metric of your own; that of ours is known.

    Example:
        >>> metric_label("weight_entropy"), metric_label("reciprocity"), metric_label("mean_length", "um")
        ('weight entropy (bit)', 'reciprocity', 'mean length (um)')
    """
    words, unit = name.replace("_", " "), _UNITS.get(name) if unit is None else unit
    return f"{words} ({unit})" if unit else words


def _heading(about: Mapping[str, Any]) -> list[str]:
    """Say in words what graph this is, what of it is wiring, and what the columns are."""
    neurons, edges = (f"{about[name]:,}" for name in ("neurons", "edges"))
    if "wiring" not in about:
        return [f"{neurons} neurons, {edges} edges"]
    chosen = "" if about["quantile"] == 0 else f" (the quantile {about['quantile']:g})"
    form = "weighted" if about["weighted"] else "unweighted"
    says = [
        f"{neurons} neurons, {edges} edges; wiring: {about['wiring']:,} edges with |w| > {_short(about['threshold'])}{chosen}, "
        f"density {_short(about['density'])}, {form}"
    ]
    if "null" in about:
        says.append(
            f"null: mean ± sd over random graphs ({about['null']}) or, where there is a p, over permutations; z in units of sd"
        )
    return says


def _short(value: Any, digits: int = 4) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return str(value)
    if isinstance(value, (int, np.integer)) or (math.isfinite(value) and abs(value) >= 10**digits):
        return f"{value:,.0f}"
    return "-" if math.isnan(value) else f"{value:.{digits}g}"
