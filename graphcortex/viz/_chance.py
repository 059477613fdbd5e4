"""What figures that compare a graph with random graphs share: the graph that can be drawn, and the band of the random ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from graphcortex._checks import check_count, check_edge_values
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import NullModel, SimpleGraph, simple_graph
from graphcortex.metrics.ensemble import Nulls, Statistic
from graphcortex.viz._style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = (5, 95)  # per cent of the random graphs
DASHES = (0, (4, 2))
NO_EDGE = "no edge joins two neurons"


def drawable_graph(
    edge_index: EdgeIndex, edge_weight: EdgeValues | None, num_nodes: int, **options
) -> tuple[SimpleGraph, str]:
    """Return the simple graph of the edges whose weight is a number, and a note that counts the others.

    A figure of a network that diverged says so; a metric refuses it.
    """
    note = ""
    if isinstance(edge_weight, torch.Tensor) and isinstance(edge_index, torch.Tensor) and edge_index.dim() == 2:
        check_edge_values(edge_weight, edge_index)
        finite = torch.isfinite(edge_weight)
        if not bool(finite.all()):
            note = f"{int((~finite).sum()):,} of {finite.numel():,} weights NaN or infinite, left out"
            edge_index, edge_weight = edge_index[:, finite], edge_weight[finite]
    return simple_graph(edge_index, edge_weight, num_nodes, **options), note


@dataclass(frozen=True, eq=False)
class Chance:
    """Numbers over an ensemble of random graphs: mean, low and high end of the band, each of shape ``(K,)``, and a name."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    name: str

    def part(self, which: slice, scale: float | np.ndarray = 1.0) -> Chance:
        """Return some of the numbers, each times a factor."""
        return Chance(*(values[which] * scale for values in (self.mean, self.low, self.high)), self.name)

    def draw(self, axes: Axes, x: np.ndarray, colour: str = INK, *, floor: float = 0.0, steps: bool = False) -> None:
        """Draw the mean dashed in its band.

        Args:
            axes: Where to.
            x: Shape ``(K,)``; the ends of K bins, shape ``(K + 1,)``, where it goes by steps.
            colour: Of both.
            floor: Draw what is less as this: a logarithm has no 0.
            steps: Whether the numbers are those of bins.
        """
        low, mean, high = (np.maximum(values, floor) for values in (self.low, self.mean, self.high))
        if steps:  # both ends of every bin: matplotlib's own steps leave out a bin before one that is NaN
            x, low, mean, high = np.repeat(x, 2)[1:-1], *(np.repeat(values, 2) for values in (low, mean, high))
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, zorder=1)
        axes.plot(x, mean, color=colour, linewidth=1.0, zorder=2, linestyle=DASHES)

    def legend_entry(self, colour: str = INK) -> tuple[tuple, str]:
        """Return the artists and the name that stand for both in a legend."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        line = Line2D([], [], color=colour, linewidth=1.0, linestyle=DASHES)
        return (Patch(color=colour, alpha=0.18, linewidth=0), line), self.name


def chance(
    null: str | NullModel | Nulls | None, num_nulls: int, rng: RandomSource, statistic: Statistic, graph: SimpleGraph
) -> Chance | None:
    """Return a statistic of random graphs, or nothing where none are asked for.

    Raises:
        ValueError: If ``null`` names no null model, or ``num_nulls`` is less than 1.
    """
    if null is None:
        return None
    if not isinstance(null, (str, NullModel, Nulls)):
        raise ValueError(f"null must be the name of a null model, Nulls or None, got {type(null).__name__}.")
    nulls = null if isinstance(null, Nulls) else Nulls(null, num=check_count(num_nulls, "num_nulls"), rng=rng)
    found = nulls.distribution(statistic, graph)
    low, high = np.percentile(found.values, BAND, axis=0)
    count = len(found.values)
    what = f"{count} graphs, {BAND[0]}–{BAND[1]} %" if count > 1 else "1 graph"
    return Chance(found.values.mean(axis=0), low, high, f"{null_name(found.null)}\n({what})")


def null_name(name: str) -> str:
    """Return how a legend calls a null model."""
    return f"null: {name.replace('_', ' ')}" if name else "null"
