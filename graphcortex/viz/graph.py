"""A learned graph in space: neurons where they lie, and the strongest edges between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from graphcortex._checks import check_count, check_finite, check_graph
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.viz._modules import count_broken, module_ranks, strongest_between, weights_to_numpy
from graphcortex.viz._space import legend_and_title, new_space
from graphcortex.viz._style import INK, NEGATIVE, NUM_MODULE_COLOURS, PALE, POSITIVE, module_colour

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d import Axes3D


_CROWDED = 1000  # neurons: of more, dots are smaller, and edges lie on them


def plot_learned_graph(
    pos: torch.Tensor,
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    *,
    num_edges: int = 300,
    membership: Sequence[int] | torch.Tensor | None = None,
    title: str | None = None,
    axes: Axes3D | None = None,
) -> Axes3D:
    """Draw neurons at their positions and the edges with the largest ``|w|``, self-connections left out.

    Without modules, edges are coloured by their sign. With them, neurons have the colour of their module, an edge
    within a module has that colour too, and an edge between modules is pale grey. The wider the line, the larger ``|w|``.
    The direction of edges is not shown.

    Args:
        pos: Position of each neuron in um, shape ``(N, 3)``. One um is equally long on all axes; y points down,
            as depth does in MICrONS.
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``. NaN and infinite weights are not drawn; a note counts them.
        num_edges: How many edges to draw at most.
        membership: Where given, the module of each neuron, integers of shape ``(N,)``. The largest is number 1; a neuron
            that is alone in its module is pale grey.
        title: Text above the figure.
        axes: Axes to draw into, made with ``projection="3d"``; a new figure's if not given.

    Returns:
        The axes, in space. In a new figure, ``axes.figure`` holds the legend and the title.

    Raises:
        ValueError: If the shapes do not describe one graph, a position is not finite, or ``axes`` are not axes in space.
    """
    pos = torch.as_tensor(pos).detach().cpu()
    if pos.dim() != 2 or pos.size(1) != 3 or not pos.is_floating_point():
        raise ValueError(
            f"pos must be floating point of shape (N, 3), in um; got {pos.dtype} of shape {tuple(pos.shape)}."
        )
    check_finite(pos, "pos")
    check_graph(edge_index, edge_weight, pos.size(0))
    check_count(num_edges, "num_edges", minimum=0)
    place = pos.numpy()
    source, target, weight = weights_to_numpy(edge_index, edge_weight)
    rank, sizes = (None, None) if membership is None else module_ranks(membership, len(place))

    strongest = strongest_between(source, target, weight, num_edges)
    axes = new_space(place, axes)
    if len(strongest):
        _draw_edges(axes, place, source[strongest], target[strongest], weight[strongest], rank)
    node_colours = INK if rank is None else [module_colour(r, sizes[r]) for r in rank]
    look = {"s": 14, "edgecolors": "white", "linewidths": 0.3}
    if len(place) > _CROWDED:  # dots would hide the edges, and each other
        look = {"s": max(14 * _CROWDED / len(place), 0.5), "linewidths": 0, "zorder": 1}
        axes.computed_zorder = False
    axes.scatter(*place.T, c=node_colours, depthshade=False, **look)
    drawable = int(((source != target) & (weight != 0)).sum())
    shown = (
        f"the {len(strongest):,} strongest of {drawable:,} connections" if len(strongest) else "no connection to draw"
    )
    says = [shown, count_broken(weight)]
    title = "\n".join(filter(None, [title, ", ".join(filter(None, says))]))
    legend_and_title(axes, _legend(sizes, weight[strongest]), title)
    return axes


def _draw_edges(axes, place, source, target, weight, rank) -> None:
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    share = np.abs(weight) / np.abs(weight).max()
    if rank is None:
        colours = np.where(weight > 0, POSITIVE, NEGATIVE)
    else:
        # Whoever is joined within a module is not alone in it, so size does not matter here.
        colours = [module_colour(a, 2) if a == b else PALE for a, b in zip(rank[source], rank[target], strict=True)]
    ends = np.stack([place[source], place[target]], axis=1)
    axes.add_collection3d(Line3DCollection(ends, colors=colours, linewidths=0.4 + 1.6 * share, alpha=0.55, zorder=2))


def _legend(sizes: np.ndarray | None, weight: np.ndarray) -> list:
    from matplotlib.lines import Line2D

    def dot(colour: str, label: str) -> Line2D:
        return Line2D([], [], marker="o", linestyle="", color=colour, label=label)

    def edge(colour: str, label: str) -> Line2D:
        return Line2D([], [], color=colour, label=label)

    if sizes is None:
        signs = [(POSITIVE, "positive weight", (weight > 0).any()), (NEGATIVE, "negative weight", (weight < 0).any())]
        return [dot(INK, "neuron"), *(edge(colour, label) for colour, label, present in signs if present)]
    modules = sizes[sizes > 1]
    named = [
        dot(module_colour(r, n), f"module {r + 1}: {_neurons(n)}") for r, n in enumerate(modules[:NUM_MODULE_COLOURS])
    ]
    if len(modules) > NUM_MODULE_COLOURS:
        rest = modules[NUM_MODULE_COLOURS:]
        named.append(dot(PALE, f"{len(rest)} smaller: {_neurons(rest.sum())}"))
    if len(modules) < len(sizes):
        named.append(dot(PALE, f"in no module: {_neurons(len(sizes) - len(modules))}"))
    return [*named, edge(PALE, "edge between modules")] if len(sizes) > 1 else named


def _neurons(count: int) -> str:
    return f"{count:,} neuron" if count == 1 else f"{count:,} neurons"
