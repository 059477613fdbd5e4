"""A learned graph as a matrix, ordered by module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from graphcortex._checks import check_graph
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.viz._image import matrix_image
from graphcortex.viz._modules import count_broken, module_ranks, weights_to_numpy
from graphcortex.viz._panels import panel
from graphcortex.viz._style import GREY, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_CELLS = (
    600  # per side: about the pixels there are. More would be dropped at random in drawing, and N x N may not fit.
)
_TICK_GAP = 0.035  # of the side: modules smaller than this get no number, since numbers would touch
_LINE_GAP = 0.01  # of the side: modules smaller than this get no line of their own


def plot_matrix(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    membership: Sequence[int] | torch.Tensor | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the weights as the matrix ``W[source, target]``, neurons ordered by module where modules are given.

    Colours are centred on 0 and reach to the 99 % quantile of the ``|w|`` between different neurons, so that a few
    strong edges or self-connections do not leave all others white. Of more than 600 neurons, several share a cell,
    which shows the strongest weight.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed.
        edge_weight: Weight of each edge, shape ``(E,)``. NaN and infinite weights are grey; a note counts them.
        num_nodes: Number of neurons :math:`N`.
        membership: Where given, the module of each neuron, integers of shape ``(N,)``. The largest comes first.
        title: Text above the figure.
        axes: Axes to draw into; a new figure's if not given.

    Returns:
        The axes; their bar of colours are axes of their own.

    Raises:
        ValueError: If the shapes do not describe one graph, or ``axes`` are no flat axes.
    """
    check_graph(edge_index, edge_weight, num_nodes)
    source, target, weight = weights_to_numpy(edge_index, edge_weight)
    rank, sizes = (np.zeros(num_nodes, dtype=int), None) if membership is None else module_ranks(membership, num_nodes)
    image = matrix_image(source, target, weight, rank, max_cells=_MAX_CELLS)

    axes = panel(axes, 6.8, 6.0)
    _draw_image(axes, image.cells, image.limit, num_nodes, signed=image.signed)
    axes.set_xlabel("target (postsynaptic)")
    axes.set_ylabel("source (presynaptic)")
    if sizes is not None:
        _draw_modules(axes, sizes)
    note = count_broken(weight)
    says = [title, f"{note} (grey)" if note else None]
    axes.set_title("\n".join(filter(None, says)), fontsize="medium", loc="left")
    return axes


def _draw_image(axes: Axes, image: np.ndarray, limit: float, num_nodes: int, *, signed: bool) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    colours = colormaps["RdBu_r"]
    if not signed:  # the half above zero, so that a positive weight has the same colour in all figures
        colours = ListedColormap(colours(np.linspace(0.5, 1, 256)))
    drawn = axes.imshow(
        np.ma.masked_invalid(image), cmap=colours.with_extremes(bad=GREY), vmin=-limit if signed else 0, vmax=limit,
        interpolation="nearest", extent=(0, num_nodes, num_nodes, 0), aspect="equal",
    )  # fmt: skip
    beyond = np.nanmax(np.abs(image), initial=0) > limit
    extend = {(True, True): "both", (True, False): "max"}.get((bool(beyond), signed), "neither")
    bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.8, extend=extend, label="weight, source to target")
    bar.outline.set_visible(False)


def _draw_modules(axes: Axes, sizes: np.ndarray) -> None:
    """Draw a line after every module, and number the modules that have room for a number."""
    ends = np.cumsum(sizes)
    # The lines of the smallest modules would run together into a black band; they are left as one last block.
    for end in ends[(sizes >= _LINE_GAP * ends[-1]) & (sizes > 1) & (ends < ends[-1])]:
        axes.axhline(end, color=INK, linewidth=0.6)
        axes.axvline(end, color=INK, linewidth=0.6)
    large = np.flatnonzero(sizes >= _TICK_GAP * ends[-1])
    middles, numbers = (ends - sizes / 2)[large], [str(r + 1) for r in large]
    axes.set_xticks(middles, numbers)
    axes.set_yticks(middles, numbers)
    axes.tick_params(length=0)
    axes.set_xlabel(f"{axes.get_xlabel()}, by module")
    axes.set_ylabel(f"{axes.get_ylabel()}, by module")
