"""The eigenvalues of the weights in the complex plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from graphcortex._checks import check_count, check_graph
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.ops.spectrum import _on_cycles
from graphcortex.viz._chance import DASHES
from graphcortex.viz._modules import count_broken, weights_to_numpy
from graphcortex.viz._panels import finish, legend_beside, panel, say_instead
from graphcortex.viz._style import COLOURS, GREY, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DENSE_UP_TO = 2000
_MOST_RESTARTS = 300
_MOST_NAMED = 4
_MARGIN = 1.1  # as far as chance takes an eigenvalue of a few hundred neurons, over the radius of the disc
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

    The eigenvalues of a matrix of independent entries of mean 0 and standard deviation :math:`\sigma` fill the disc of
    radius

    .. math:: R = \sigma \sqrt{N}, \qquad \sigma^2 = \langle W_{ij}^2 \rangle - \langle W_{ij} \rangle^2

    evenly. Those that lie outside of it by more than a tenth, which is more than chance has it from a few hundred neurons on,
    are marked, and the largest of them named: they stand for structure, such as a mean other than 0. In a linear network,
    modes outside the unit circle grow from step to step; the circle is left out where the whole spectrum is far smaller.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed; connections
            of a neuron to itself count.
        edge_weight: Weight of each edge with its sign, shape ``(E,)``. NaN and infinite weights have no spectrum, and the
            figure says so.
        num_nodes: Number of neurons :math:`N`.
        num_leading: Where more than 2,000 neurons lie on cycles, the eigenvalues come from Arnoldi iterations: this many,
            the largest in size. The title says so.
        title: Text above the figure.
        axes: Axes to draw into; a new figure's if not given.

    Returns:
        The axes; one unit is equally long in both directions.

    Raises:
        ValueError: If the arguments do not describe one graph, or ``axes`` are no flat axes.

    References:
        Rajan & Abbott (2006). Eigenvalue spectra of random matrices for neural networks. Phys. Rev. Lett. 97.
        https://doi.org/10.1103/PhysRevLett.97.188104
    """
    check_graph(edge_index, edge_weight, num_nodes)
    check_count(num_leading, "num_leading")
    source, target, weight = weights_to_numpy(edge_index, edge_weight)
    axes = panel(axes, 5.6, 5.0)
    axes.set_xlabel("real part")
    axes.set_ylabel("imaginary part")
    axes.set_aspect("equal")
    broken = count_broken(weight)
    if broken:
        finish(axes, title)
        say_instead(axes, f"no spectrum: {broken}")
        return axes
    matrix = scipy.sparse.csr_array((weight, (source, target)), shape=(num_nodes, num_nodes))
    radius = bulk_radius(matrix)
    values, how = _eigenvalues(matrix, num_leading)
    finish(axes, title, how)
    # Rounding scatters eigenvalues of 0; with no bulk, that is all there is outside of it.
    outside = np.abs(values) > max(_MARGIN * radius, 1e-9 * float(np.abs(weight).max(initial=0)))
    size = max(float(np.abs(values).max(initial=0)), radius)
    # Within the unit circle, nothing would be seen of a spectrum that is much smaller.
    shows_unit = size == 0 or size > _SMALL
    _draw_circles(axes, radius, shows_unit=shows_unit)
    _draw_values(axes, values[~outside], COLOURS[0], "o", 3.0, "eigenvalue")
    if outside.any():
        _draw_values(axes, values[outside], COLOURS[1], "D", 5.0, f"outside of the disc: {outside.sum():,}")
        _name(axes, values[outside], size)
    reach = max(radius, 1.0 if shows_unit else 0.0)
    for part, set_limits in ((values.real, axes.set_xlim), (values.imag, axes.set_ylim)):
        low, high = min(part.min(initial=0), -reach), max(part.max(initial=0), reach)
        set_limits(low - 0.06 * (high - low), high + 0.06 * (high - low))
    legend_beside(axes, axes.get_legend_handles_labels()[0], fontsize="small")
    return axes


def bulk_radius(matrix: scipy.sparse.csr_array) -> float:
    r"""Return the radius :math:`\sigma \sqrt{N}` of the disc of a random matrix with the standard deviation of all entries."""
    N = matrix.shape[0]
    matrix.sum_duplicates()
    mean, square = matrix.sum() / N**2, (matrix.data**2).sum() / N**2
    return float(np.sqrt(N * max(square - mean**2, 0.0)))


def _eigenvalues(matrix: scipy.sparse.csr_array, num_leading: int) -> tuple[np.ndarray, str]:
    """Return eigenvalues, and which they are where they are not all."""
    N = matrix.shape[0]
    # Neurons on no cycle only add eigenvalues of 0, which rounding would scatter around it.
    core = _on_cycles(matrix.copy())
    M = core.shape[0]
    if max(_DENSE_UP_TO, num_leading + 2) >= M:
        values = np.linalg.eigvals(core.toarray()) if M else np.empty(0)
        return np.concatenate([values, np.zeros(N - M)]).astype(complex), ""
    start = np.random.default_rng(0).standard_normal(M)
    try:
        values = scipy.sparse.linalg.eigs(
            core, k=num_leading, which="LM", v0=start, maxiter=_MOST_RESTARTS, return_eigenvectors=False
        )
    except scipy.sparse.linalg.ArpackNoConvergence as error:  # many of the same size
        return error.eigenvalues, f"{len(error.eigenvalues):,} of {N:,} eigenvalues, those that were found"
    return values, f"the {num_leading:,} largest of {N:,} eigenvalues"


def _draw_circles(axes: Axes, radius: float, *, shows_unit: bool) -> None:
    from matplotlib.patches import Circle

    if radius > 0:
        label = f"disc of a random matrix,\nradius σ√N = {radius:.3g}"
        axes.add_patch(Circle((0, 0), radius, facecolor=GREY, edgecolor=GREY, alpha=0.25, zorder=0, label=label))
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
