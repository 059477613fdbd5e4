"""The rich club: whether neurons of high degree connect to each other more than random graphs have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphcortex.viz._chance import DASHES, null_name
from graphcortex.viz._panels import divide, finish, panel, say_instead
from graphcortex.viz._style import COLOURS, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FIELDS = ("k", "phi", "phi_null_mean", "phi_null_sd", "phi_norm")
_SDS = 2  # half the width of the band of random graphs, in standard deviations


def plot_rich_club(found: Any, *, title: str | None = None, axes: Axes | None = None) -> Axes:
    r"""Draw the density among the neurons of degree above ``k``, and below it the same over that of random graphs.

    Random graphs are a dashed mean in a band of two standard deviations on either side. Where the graph lies above the
    band, the dots are filled.

    Args:
        found: What :func:`graphcortex.metrics.rich_club` returns, or anything with the arrays ``k``, ``phi``,
            ``phi_null_mean``, ``phi_null_sd`` and ``phi_norm`` of one shape ``(K,)``. Where the graph was not compared,
            those of the null are NaN or None, and the lower panel is left out.
        title: Text above the figure.
        axes: Axes in a grid, whose place both panels share; a new figure's if not given.

    Returns:
        The axes of the upper panel; the lower one is the last of the figure.

    Raises:
        ValueError: If a field is missing, their shapes differ, or ``axes`` are not flat axes in a grid.

    References:
        Colizza, Flammini, Serrano & Vespignani (2006). Detecting rich-club ordering in complex networks. Nat. Phys. 2.
        https://doi.org/10.1038/nphys209

        van den Heuvel & Sporns (2011). Rich-club organization of the human connectome. J. Neurosci. 31.
        https://doi.org/10.1523/JNEUROSCI.3539-11.2011
    """
    k, phi, mean, sd, norm = _read(found)
    axes = panel(axes, 5.6, 5.2)
    axes.set_ylabel("density among them φ(k)")
    finish(axes, title)
    defined = np.isfinite(phi)
    if not defined.any():
        say_instead(axes, getattr(found, "reason", "") or "no two neurons of any degree")
        return axes
    compared = np.isfinite(mean)
    panels = divide(axes, rows=2, share_x=True, height_ratios=(1.3, 1)) if compared.any() else [axes]
    filled = phi > mean + _SDS * np.nan_to_num(sd) if compared.any() else np.ones(len(k), dtype=bool)
    _draw_curve(axes, k, phi, filled, "the graph")
    panels[-1].set_xlabel("neurons of degree above k")
    if compared.any():
        # A density has ends that the standard deviation does not know of.
        low, high = np.clip((mean - _SDS * sd, mean + _SDS * sd), 0, max(1.0, float(np.nanmax(mean))))
        axes.fill_between(k, low, high, color=INK, alpha=0.18, linewidth=0)
        label = f"{null_name(getattr(found, 'null', ''))} (mean \u00b1 {_SDS} sd)"
        axes.plot(k, mean, color=INK, linewidth=1.0, linestyle=DASHES, label=label)
        axes.tick_params(labelbottom=False)
        axes.legend(frameon=False, fontsize="small", loc="upper left")
        axes.set_ylim(0, 1.3 * max(float(np.nanmax(phi)), float(np.nanmax(high, initial=0))))  # room for the legend
        lower = panels[1]
        _draw_curve(lower, k, norm, filled, "")
        lower.axhline(1, color=INK, linewidth=1.0, linestyle=DASHES, zorder=1)
        lower.set_ylabel("φ(k) / mean of the null")
        finish(lower)
    axes.xaxis.get_major_locator().set_params(integer=True)
    return axes


def _read(found: Any) -> list[np.ndarray]:
    missing = [name for name in _FIELDS[:2] if getattr(found, name, None) is None]
    if missing:
        raise ValueError(
            f"found must have the fields {', '.join(_FIELDS)}; got {type(found).__name__} without {missing}."
        )
    arrays = [np.asarray(getattr(found, name), dtype=float) for name in _FIELDS[:2]]
    for name in _FIELDS[2:]:
        value = getattr(found, name, None)
        arrays.append(np.full(arrays[0].shape, np.nan) if value is None else np.asarray(value, dtype=float))
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1 or arrays[0].ndim != 1:
        raise ValueError(f"the fields of found must be arrays of one shape (K,), got {sorted(shapes)}.")
    return arrays


def _draw_curve(axes: Axes, k: np.ndarray, value: np.ndarray, above: np.ndarray, label: str) -> None:
    colour = COLOURS[0]
    axes.plot(k, value, color=colour, linewidth=1.6, zorder=3, label=label)
    for chosen, fill in ((above, colour), (~above, "white")):
        axes.plot(
            k[chosen],
            value[chosen],
            linestyle="",
            marker="o",
            markersize=3.5,
            color=colour,
            markerfacecolor=fill,
            zorder=4,
        )
