"""The eigenvalues of the weights in the complex plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphcortex._checks import check_count, check_graph
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.metrics import eigenvalue_outliers
from graphcortex.viz._chance import DASHES
from graphcortex.viz._modules import count_broken, weights_to_numpy
from graphcortex.viz._panels import finish, legend_beside, panel, say_instead
from graphcortex.viz._style import COLOURS, GREY, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMED = 4
_SMALL = 0.2


def plot_spectrum(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    num_leading: int = 50,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    r"""Draw the eigenvalues of the weight matrix, the unit circle, and the disc that a random matrix would fill.

    The disc is the bulk that the variance of the weights predicts, and what lies outside of it is marked, the largest of it by
    name; both are those of :func:`graphcortex.metrics.eigenvalue_outliers`. Outliers stand for structure. In a linear network,
    modes outside the unit circle grow from step to step; the circle is left out where the whole spectrum is far smaller.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed; connections
            of a neuron to itself count.
        edge_weight: Weight of each edge with its sign, shape ``(E,)``. NaN and infinite weights have no spectrum, and the
            figure says so.
        num_nodes: Number of neurons :math:`N`.
        num_leading: Where more than 2,000 neurons lie on cycles, so many eigenvalues are looked for, those farthest from the
            center of the disc. The title says how many are shown.
        title: Text above the figure.
        axes: Axes to draw into; a new figure's if not given.

    Returns:
        The axes; one unit is equally long in both directions.

    Raises:
        ValueError: If the arguments do not describe one graph, or ``axes`` are no flat axes.
    """
    check_graph(edge_index, edge_weight, num_nodes)
    check_count(num_leading, "num_leading")
    axes = panel(axes, 6.4, 4.2)
    axes.set_xlabel("real part")
    axes.set_ylabel("imaginary part")
    axes.set_aspect("equal")
    broken = count_broken(weights_to_numpy(edge_index, edge_weight)[2])
    if broken:
        finish(axes, title)
        say_instead(axes, f"no spectrum: {broken}")
        return axes
    found = eigenvalue_outliers(edge_index, edge_weight, num_nodes, num_leading=num_leading)
    values, radius = found.eigenvalues, 0.0 if num_nodes == 1 else found.bulk_radius
    shown = len(values)
    finish(
        axes,
        title,
        "" if shown == num_nodes else f"the {shown:,} eigenvalues of {num_nodes:,} farthest from the center",
    )
    outside = np.arange(shown) < len(found.outliers)
    size = max(float(np.abs(values).max(initial=0)), abs(found.bulk_center) + radius)
    # Within the unit circle, nothing would be seen of a spectrum that is much smaller.
    shows_unit = size == 0 or size > _SMALL
    _draw_circles(axes, found.bulk_center, radius, shows_unit=shows_unit)
    _draw_values(axes, values[~outside], COLOURS[0], "o", 3.0, "eigenvalue")
    if outside.any():
        _draw_values(axes, values[outside], COLOURS[1], "D", 5.0, f"outside of the disc: {outside.sum():,}")
        _name(axes, values[outside], size)
    unit = 1.0 if shows_unit else 0.0
    for part, middle, set_limits in (
        (values.real, found.bulk_center, axes.set_xlim),
        (values.imag, 0.0, axes.set_ylim),
    ):
        low = min(part.min(initial=0), middle - radius, -unit)
        high = max(part.max(initial=0), middle + radius, unit)
        set_limits(low - 0.06 * (high - low), high + 0.06 * (high - low))
    legend_beside(axes, axes.get_legend_handles_labels()[0], fontsize="small")
    return axes


def _draw_circles(axes: Axes, center: float, radius: float, *, shows_unit: bool) -> None:
    from matplotlib.patches import Circle

    if radius > 0:
        label = f"disc of a random matrix,\nradius σ√N = {radius:.3g}"
        axes.add_patch(Circle((center, 0), radius, facecolor=GREY, edgecolor=GREY, alpha=0.25, zorder=0, label=label))
    if shows_unit:
        look = {"color": INK, "linestyle": DASHES, "linewidth": 1.0}
        axes.add_patch(Circle((0, 0), 1, fill=False, zorder=2, label="unit circle", **look))
    axes.axhline(0, color=GREY, linewidth=0.5, zorder=1)
    axes.axvline(0, color=GREY, linewidth=0.5, zorder=1)


def _draw_values(axes: Axes, values: np.ndarray, colour: str, marker: str, size: float, label: str) -> None:
    axes.plot(
        values.real, values.imag, linestyle="", color=colour, marker=marker, markersize=size, markeredgewidth=0, alpha=0.75,
        zorder=3, label=label,
    )  # fmt: skip


def _name(axes: Axes, outliers: np.ndarray, size: float) -> None:
    """Write the largest outliers at their places, a conjugate pair once, and none where it would touch another."""
    upper = outliers[outliers.imag >= 0]
    places: list[complex] = []
    for value in upper[np.argsort(-np.abs(upper), kind="stable")]:
        near = (p for p in places if abs(value.real - p.real) < 0.5 * size and abs(value.imag - p.imag) < 0.15 * size)
        if len(places) == _MOST_NAMED or next(near, None) is not None:
            continue
        places.append(value)
        real = abs(value.imag) < 1e-9 * size
        text = f"{value.real:.3g}" if real else f"{value.real:.2g} ± {value.imag:.2g}i"
        # Outward, away from the disc.
        side = -1 if value.real < 0 else 1
        axes.annotate(
            text.replace("-", "\u2212"), (value.real, value.imag), (2 * side, 5), textcoords="offset points",
            fontsize="small", color=INK, ha="right" if side < 0 else "left", zorder=4,
        )  # fmt: skip
