"""How long connections are, against random graphs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from graphcortex._checks import check_choice, check_count
from graphcortex._random import numpy_generator
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import NullModel, SimpleGraph
from graphcortex.metrics.ensemble import Nulls
from graphcortex.viz._chance import NO_EDGE, chance, drawable_graph
from graphcortex.viz._panels import finish, panel, say_instead
from graphcortex.viz._style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUANTITIES = ("density", "probability")
_ALL_PAIRS_UP_TO = 2000  # neurons; of more, some pairs stand for all
_NUM_PAIRS = 2_000_000
_FEWEST_PAIRS = 30  # in a bin: the probability from fewer is noise


def plot_length_distribution(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    pos: torch.Tensor,
    *,
    quantity: str = "density",
    directed: bool = True,
    threshold: float = 0.0,
    null: str | NullModel | Nulls | None = "erdos_renyi",
    num_nulls: int = 100,
    rng: RandomSource = 0,
    bins: int = 40,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    r"""Draw how the lengths of connections are distributed, or how likely a pair is to be connected at each distance.

    With :math:`M_b` connections and :math:`P_b` pairs of neurons whose distance lies in bin :math:`b` of width :math:`h`,

    .. math:: \text{density}_b = \frac{M_b}{h \sum_b M_b}, \qquad \text{probability}_b = \frac{M_b}{P_b}

    Random graphs are a dashed mean in a band. ``"erdos_renyi"`` puts connections between any two neurons alike, so its
    density is that of the distances of all pairs.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Each pair counts once.
        edge_weight: Weight of each edge, shape ``(E,)``, or None. NaN and infinite weights are left out; a note counts them.
        num_nodes: Number of neurons.
        pos: Position of each neuron in um, shape ``(N, 3)``.
        quantity: ``"density"`` in 1/um, or ``"probability"``. The latter leaves out distances at which fewer than 30 pairs
            lie; of more than 2,000 neurons, two million random pairs stand for all.
        directed: Whether the two directions of a pair are two connections.
        threshold: Edges of at most this ``|w|`` are none, in the unit of the weights.
        null: Name of a null model of :data:`graphcortex.graphs.NULL_MODELS`; :class:`graphcortex.metrics.ensemble.Nulls`,
            which have a number and an rng of their own; or None for the graph alone.
        num_nulls: Number of random graphs, where ``null`` is a name.
        rng: Their generator or int seed, and that of the random pairs.
        bins: Number of bins from 0 to the diagonal of the volume; those past the last connection are not drawn.
        title: Text above the figure.
        axes: Axes to draw into; a new figure's if not given.

    Returns:
        The axes.

    Raises:
        ValueError: If the arguments do not describe one graph in space, ``null`` is no null model, or ``axes`` are no flat
            axes.

    References:
        Ercsey-Ravasz et al. (2013). A predictive network model of cerebral cortical connectivity based on a distance rule.
        Neuron 80.
        https://doi.org/10.1016/j.neuron.2013.07.036
    """
    check_choice(quantity, "quantity", QUANTITIES)
    check_count(bins, "bins")
    graph, note = drawable_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold, pos=pos)
    axes = panel(axes, 5.6, 4.2)
    axes.set_xlabel("distance (µm)" if quantity == "probability" else "length (µm)")
    axes.set_ylabel("probability of a connection" if quantity == "probability" else "density of connections (1/µm)")
    finish(axes, title, note)
    if graph.num_edges == 0:
        say_instead(axes, NO_EDGE)
        return axes
    diagonal = float(np.linalg.norm(np.ptp(graph.pos, axis=0)))
    # A length along the diagonal may exceed it by rounding.
    edges = np.linspace(0, (diagonal or 1.0) * (1 + 1e-9), bins + 1)
    if quantity == "density":
        per_connection = np.full(bins, 1 / (graph.num_edges * edges[1]))
    else:
        per_connection = 1 / count_pairs(graph, edges, numpy_generator(rng))
        if np.isnan(per_connection).all():
            say_instead(axes, f"fewer than {_FEWEST_PAIRS} pairs of neurons at every distance")
            return axes
    statistic = partial(lengths_by_bin, edges=edges)
    *count, mean = statistic(graph)
    random = chance(null, num_nulls, rng, statistic, graph)
    drawn = np.array(count) > 0 if random is None else (np.array(count) > 0) | (random.high[:-1] > 0)
    bin_ = slice(0, int(np.flatnonzero(drawn).max()) + 1)
    x = edges[: bin_.stop + 1]
    axes.stairs(
        (np.array(count) * per_connection)[bin_], x, baseline=None, color=COLOURS[0], linewidth=1.8, zorder=3,
        label=f"connections, mean {mean:.3g} µm",
    )  # fmt: skip
    handles, labels = axes.get_legend_handles_labels()
    if random is not None:
        random.part(bin_, per_connection[bin_]).draw(axes, x, steps=True)
        handle, name = random.legend_entry()
        handles, labels = [*handles, handle], [*labels, f"{name}\nmean {random.mean[-1]:.3g} µm"]
    axes.set_xlim(0, x[-1])
    highest = np.nanmax(
        [np.array(count) * per_connection, per_connection * (0 if random is None else random.high[:-1])]
    )
    axes.set_ylim(0, 1.25 * highest or 1)  # room for the legend
    axes.legend(handles, labels, frameon=False, fontsize="small", loc="upper right")
    return axes


def lengths_by_bin(graph: SimpleGraph, edges: np.ndarray) -> np.ndarray:
    """Return how many connections have a length in each bin, and as the last number the mean length."""
    length = _distance(graph.pos, graph.source, graph.target)
    return np.append(np.histogram(length, edges)[0], length.mean())


def count_pairs(graph: SimpleGraph, edges: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return how many pairs lie in each bin, from all pairs or a sample; NaN where too few were seen to tell."""
    N = graph.num_nodes
    pairs = N * (N - 1) // (1 if graph.directed else 2)
    if N <= _ALL_PAIRS_UP_TO:
        i, j = np.triu_indices(N, k=1)
    else:
        i = rng.integers(N, size=_NUM_PAIRS)
        j = (i + rng.integers(1, N, size=_NUM_PAIRS)) % N
    seen = np.histogram(_distance(graph.pos, i, j), edges)[0]
    return np.where(seen >= _FEWEST_PAIRS, seen * (pairs / len(i)), np.nan)


def _distance(pos: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    return np.linalg.norm(pos[i] - pos[j], axis=1)
