"""How many inputs and outputs neurons have, against random graphs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import NullModel, SimpleGraph
from graphcortex.metrics.ensemble import Nulls
from graphcortex.viz._chance import NO_EDGE, chance, drawable_graph
from graphcortex.viz._panels import finish, panel, say_instead
from graphcortex.viz._style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_POINTS = 400  # of the curve of random graphs: as many as can be told apart
_DECADE = 10.0


def plot_degree_distribution(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    directed: bool = True,
    threshold: float = 0.0,
    null: str | NullModel | Nulls | None = "erdos_renyi",
    num_nulls: int = 100,
    rng: RandomSource = 0,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    r"""Draw the share of neurons that have at least ``k`` outputs, and at least ``k`` inputs, over ``k``.

    .. math:: P(K \ge k) = \frac{1}{N} \, \bigl| \{ i : k_i \ge k \} \bigr|

    The share is on a logarithmic axis, and so is the degree where it spans more than a decade: a power law is then a
    straight line, and random graphs fall off like a cliff. Random graphs are a dashed mean in a band.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Each pair counts once, a neuron's
            connection to itself not at all.
        edge_weight: Weight of each edge, shape ``(E,)``, or None. NaN and infinite weights are left out; a note counts them.
        num_nodes: Number of neurons :math:`N`.
        directed: Whether outputs and inputs are two curves, rather than the neighbours of a neuron one.
        threshold: Edges of at most this ``|w|`` are none, in the unit of the weights.
        null: Name of a null model of :data:`graphcortex.graphs.NULL_MODELS`; :class:`graphcortex.metrics.ensemble.Nulls`,
            which have a number and an rng of their own; or None for the graph alone. Null models that keep degrees give the
            graph's own curve.
        num_nulls: Number of random graphs, where ``null`` is a name.
        rng: Their generator or int seed.
        title: Text above the figure.
        axes: Axes to draw into; a new figure's if not given.

    Returns:
        The axes.

    Raises:
        ValueError: If the arguments do not describe one graph, ``null`` is no null model, or ``axes`` are no flat axes.

    References:
        Clauset, Shalizi & Newman (2009). Power-law distributions in empirical data. SIAM Rev. 51.
        https://doi.org/10.1137/070710111
    """
    graph, note = drawable_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    axes = panel(axes, 5.6, 4.2)
    axes.set_xlabel("degree k" if directed else "degree k (neighbours)")
    axes.set_ylabel("share of neurons with at least k")
    finish(axes, title, note)
    if graph.num_edges == 0:
        say_instead(axes, NO_EDGE)
        return axes
    names = ("outputs", "inputs") if directed else ("neighbours",)
    degrees = (graph.out_degree, graph.in_degree) if directed else (graph.degree,)
    grid = np.unique(np.geomspace(1, max(num_nodes - 1, 1), _MOST_POINTS).round().astype(np.int64))
    random = chance(null, num_nulls, rng, partial(share_at_least, degrees=grid), graph)
    lowest = min(int(d[d > 0].min()) for d in degrees)
    highest = max(int(d.max()) for d in degrees)
    for row, (name, degree, colour) in enumerate(zip(names, degrees, COLOURS, strict=False)):
        if random is not None:
            found = random.part(slice(row * len(grid), (row + 1) * len(grid)))
            found.draw(axes, grid, colour, floor=0.1 / num_nodes)
            mean = found.mean
            reached = grid[mean >= 0.5 / num_nodes]
            highest = max(highest, int(reached.max(initial=1)))
            lowest = min(lowest, int(grid[mean >= mean.max()].max()))
        _draw_graph(axes, name, degree, colour)
    _set_range(axes, lowest, highest, num_nodes)
    handles, labels = axes.get_legend_handles_labels()
    if random is not None:
        handle, name = random.legend_entry()
        handles, labels = [*handles, handle], [*labels, name]
    # A share of neurons only falls: the lower left is free.
    axes.legend(handles, labels, loc="lower left", frameon=False, fontsize="small")
    return axes


def share_at_least(graph: SimpleGraph, degrees: np.ndarray) -> np.ndarray:
    """Return the share of neurons with at least so many outputs, then with at least so many inputs where there is direction."""
    found = (graph.out_degree, graph.in_degree) if graph.directed else (graph.degree,)
    return np.concatenate([1 - np.searchsorted(np.sort(degree), degrees) / graph.num_nodes for degree in found])


def _draw_graph(axes: Axes, name: str, degree: np.ndarray, colour: str) -> None:
    k, count = np.unique(degree[degree > 0], return_counts=True)
    share = count[::-1].cumsum()[::-1] / len(degree)
    marker = {"marker": "o", "markersize": 2.5} if len(k) <= 30 else {}
    # The share of neurons with at least k is that of the next degree there is: the curve steps down after a degree.
    axes.plot(k, share, color=colour, drawstyle="steps-pre", linewidth=1.6, zorder=3, label=name, **marker)


def _set_range(axes: Axes, lowest: int, highest: int, num_nodes: int) -> None:
    from matplotlib.ticker import LogLocator

    axes.set_yscale("log")
    axes.set_ylim(0.6 / num_nodes, 1.4)
    axes.yaxis.set_major_formatter("{x:g}")
    if highest > _DECADE * lowest:
        axes.set_xscale("log")
        axes.set_xlim(lowest / 1.1, highest * 1.15)
        subs = (1, 2, 5) if highest < _DECADE**2 * lowest else (1,)
        axes.xaxis.set_major_locator(LogLocator(subs=subs))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    else:
        room = max(1.0, 0.05 * (highest - lowest))
        axes.set_xlim(max(lowest - room, 0), highest + room)
        axes.xaxis.get_major_locator().set_params(integer=True)
