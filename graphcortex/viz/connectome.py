"""A connectome in space: neurons by area, layer or type, their synapses, and a sample of their co-activity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from graphcortex._checks import check_choice, check_count
from graphcortex._random import numpy_generator
from graphcortex.data import Connectome, ConnectomeError
from graphcortex.data.schema import NEURON
from graphcortex.viz._space import legend_and_title, new_space
from graphcortex.viz._style import COLOURS, INK, NEGATIVE, PALE, POSITIVE

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d import Axes3D

_KINDS = ("cell_type", "layer", "area")
_MEASURES = ("correlation", "sttc", "precision")
_MARKERS = ("o", "^", "s", "D", "v", "P")
_NOT_KNOWN = ("unknown", "none", "")
_CROWDED = 600  # neurons: of more, dots are smaller
_LONG = 3  # times as long in y as in x and z
_SYNAPSES = "#777777"
_NAME_LENGTH = 16  # characters of a name in the legend


def plot_connectome(
    connectome: Connectome,
    *,
    colour_by: str | None = None,
    num_synapses: int = 300,
    num_coactivity: int = 100,
    measure: str | None = None,
    sample: str = "strongest",
    rng: torch.Generator | int = 0,
    title: str | None = None,
    axes: Axes3D | None = None,
) -> Axes3D:
    """Draw neurons at their positions, the pairs with most synapses, and a sample of the co-active pairs.

    Colour is the cell type, layer or area of a neuron, the commonest first; where there are several areas and colour says
    something else, the shape of a dot is its area. What the tables do not know is pale grey, and so is what is past nine colours.
    Synapses are thin grey lines, co-activity is red (positive) or blue (negative); the wider, the stronger. No line shows a
    direction, and self-connections are left out.

    Args:
        connectome: What to draw. One um is equally long on all axes; y points down, as depth does in MICrONS, unless
            neurons lie along it.
        colour_by: ``"cell_type"``, ``"layer"`` or ``"area"``; the first of them that is there, if not given.
        num_synapses: Synaptic pairs to draw at most: those with most synapses, chance deciding between equals.
        num_coactivity: Recorded pairs to draw at most.
        measure: ``"correlation"``, ``"sttc"`` or ``"precision"``; the first of them that is there, if not given.
        sample: Which recorded pairs: the ``"strongest"`` by absolute value, or ``"random"`` ones.
        rng: Chance of the sample.
        title: Text above the figure.
        axes: Axes to draw into, made with ``projection="3d"``; a new figure's if not given.

    Returns:
        The axes, in space. In a new figure, ``axes.figure`` holds the legend and the title.

    Raises:
        ConnectomeError: If the connectome is not valid, has no neurons, or lacks what is asked for by name.
        ValueError: If a choice is unknown, a number is negative, or ``axes`` are not axes in space.
    """
    check_count(num_synapses, "num_synapses", minimum=0)
    check_count(num_coactivity, "num_coactivity", minimum=0)
    check_choice(sample, "sample", ("strongest", "random"))
    connectome.validate()
    if connectome.num_neurons == 0:
        raise ConnectomeError("a connectome must have neurons to be drawn, got none.")
    kind = _chosen(colour_by, "colour_by", _KINDS, [name for name in _KINDS if name in connectome[NEURON]])
    there = [name for name in _MEASURES if connectome.has_coactivity and name in connectome.coactivity]
    measure = _chosen(measure, "measure", _MEASURES, there)
    place = connectome.pos.cpu().double().numpy()
    chance = numpy_generator(rng)
    wired, strength, of_wired = _pairs(
        connectome.synapses.edge_index, connectome.synapses["count"], num_synapses, chance
    )
    active, value, of_active = np.empty((2, 0), dtype=np.int64), np.empty(0), 0
    if measure is not None:
        edges, values = connectome.coactivity.edge_index, connectome.coactivity[measure]
        active, value, of_active = _pairs(edges, values, num_coactivity, chance, random=sample == "random")

    names, code = _names(connectome, kind)
    areas, area = _names(connectome, "area" if kind != "area" else None)
    colours = _colours(names)
    turn = _turn(place)
    place = place[:, turn]
    axes = new_space(place, axes, names="".join("xyz"[coordinate] for coordinate in turn))
    axes.computed_zorder = False
    # Few dots lie on their lines; many would hide them.
    dots, lines = (3, 1) if len(place) <= _CROWDED else (0, 1)
    _draw_neurons(axes, place, np.array(colours)[code], area % len(_MARKERS), zorder=dots)
    _draw_edges(axes, place, wired, strength, [_SYNAPSES] * len(strength), (0.3, 1.2), alpha=0.45, zorder=lines)
    signs = np.where(value > 0, POSITIVE, NEGATIVE).tolist()
    _draw_edges(axes, place, active, value, signs, (0.5, 1.8), alpha=0.7, zorder=lines + 1)
    handles = _legend_of_neurons(kind, names, colours, code, areas, area) + _legend_of_edges(
        len(strength) > 0, value, measure
    )
    says = [f"{len(place):,} neurons"]
    says.append(f"{len(strength):,} of {of_wired:,} connected pairs" if of_wired else "no synapses")
    if measure is not None:
        which = "strongest" if sample == "strongest" else "randomly drawn"
        says.append(f"{len(value):,} {which} of {of_active:,} recorded pairs")
    legend_and_title(axes, handles, "\n".join(filter(None, [title, ", ".join(says)])))
    return axes


def _chosen(given: str | None, name: str, choices: tuple[str, ...], there: list[str]) -> str | None:
    if given is None:
        return there[0] if there else None
    check_choice(given, name, choices)
    if given not in there:
        raise ConnectomeError(
            f"{name}={given!r} must be in the connectome, got {', '.join(there) or 'none of its kind'}."
        )
    return given


def _pairs(
    edge_index: torch.Tensor, value: torch.Tensor, most: int, chance: np.random.Generator, *, random: bool = False
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the ends ``(2, K)`` and values ``(K,)`` of the chosen pairs, the weakest first, and of how many they are.

    Both directions are one pair, with the stronger of their values; neurons do not pair with themselves.
    """
    ends, value = np.sort(edge_index.cpu().numpy(), axis=0), value.cpu().double().numpy()
    order = np.argsort(-np.abs(value), kind="stable")
    ends, value = ends[:, order], value[order]
    first = np.unique(ends[0] * (int(ends.max(initial=0)) + 1) + ends[1], return_index=True)[1]
    first = chance.permutation(first[ends[0, first] != ends[1, first]])
    chosen = first[:most] if random else first[np.argsort(-np.abs(value[first]), kind="stable")[:most]]
    chosen = chosen[np.argsort(np.abs(value[chosen]), kind="stable")]
    return ends[:, chosen], value[chosen], len(first)


def _names(connectome: Connectome, kind: str | None) -> tuple[list[str], np.ndarray]:
    """Return the names of a kind, the commonest first and the unknown last, and the place of each neuron's among them."""
    if kind is None or kind not in connectome[NEURON]:
        return [], np.zeros(connectome.num_neurons, dtype=np.int64)
    code = connectome[NEURON][kind].cpu().numpy()
    known = connectome.names.get(kind) if "names" in connectome._global_store else None
    words = [known[c] if known else f"{kind.replace('_', ' ')} {c}" for c in code.tolist()]
    unique, of, counts = np.unique(words, return_inverse=True, return_counts=True)
    unknown = [str(name).lower() in _NOT_KNOWN for name in unique]
    order = np.lexsort((-counts, unknown))
    return [str(unique[i]) for i in order], np.argsort(order)[of]


def _colours(names: list[str]) -> list[str]:
    known = [name.lower() not in _NOT_KNOWN for name in names]
    return [COLOURS[i] if i < len(COLOURS) and known[i] else PALE for i in range(len(names))] or [INK]


def _turn(place: np.ndarray) -> list[int]:
    """Return the coordinates in the order in which they are drawn: what is long in y, as a worm is, is laid on its side."""
    x, y, z = np.ptp(place, axis=0)
    return [1, 2, 0] if y > _LONG * max(x, z) else [0, 1, 2]  # a rotation: no mirror image


def _draw_neurons(axes: Axes3D, place: np.ndarray, colour: np.ndarray, shape: np.ndarray, *, zorder: int) -> None:
    few = len(place) <= _CROWDED
    look = {"s": 18, "edgecolors": "white", "linewidths": 0.3} if few else {"linewidths": 0}
    if not few:
        look["s"] = max(18 * _CROWDED / len(place), 1.0)
    for marker in np.unique(shape):
        some = shape == marker
        axes.scatter(
            *place[some].T, c=colour[some].tolist(), marker=_MARKERS[marker], depthshade=False, zorder=zorder, **look
        )


def _draw_edges(axes, place, ends, value, colours, widths, *, alpha: float, zorder: int) -> None:
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    if len(value) == 0:
        return
    share = np.abs(value) / max(float(np.abs(value).max()), np.finfo(float).tiny)
    width = widths[0] + (widths[1] - widths[0]) * share
    segments = place[ends].transpose(1, 0, 2)
    axes.add_collection3d(Line3DCollection(segments, colors=colours, linewidths=width, alpha=alpha, zorder=zorder))


def _legend_of_neurons(
    kind: str | None, names: list[str], colours: list[str], code: np.ndarray, areas: list[str], area: np.ndarray
) -> list[Any]:
    from matplotlib.lines import Line2D

    def dot(colour: str, label: str, marker: str = "o") -> Line2D:
        return Line2D([], [], marker=marker, linestyle="", color=colour, markersize=5, label=label)

    counts, sizes = np.bincount(code, minlength=len(names)), np.bincount(area, minlength=len(areas))
    own = [i for i, colour in enumerate(colours) if names and (colour != PALE or names[i].lower() in _NOT_KNOWN)]
    handles = [dot(colours[i], f"{_short(names[i], kind)}: {counts[i]:,}") for i in own]
    rest = [i for i in range(len(names)) if i not in own]
    if rest:
        handles.append(dot(PALE, f"{len(rest)} more: {counts[rest].sum():,}"))
    if not names:
        handles.append(dot(INK, "neuron"))
    if len(areas) > 1:
        handles += [
            dot(INK, f"{_short(a, 'area')}: {n:,}", _MARKERS[i % len(_MARKERS)])
            for i, (a, n) in enumerate(zip(areas, sizes, strict=True))
        ]
    return handles


def _legend_of_edges(wired: bool, value: np.ndarray, measure: str | None) -> list[Any]:
    from matplotlib.lines import Line2D

    shown = [(_SYNAPSES, "synapses", wired)]
    shown += [(POSITIVE, f"{measure} > 0", (value > 0).any()), (NEGATIVE, f"{measure} < 0", (value <= 0).any())]
    return [Line2D([], [], color=colour, label=label) for colour, label, there in shown if there]


def _short(name: str, kind: str | None) -> str:
    if name.lower() in _NOT_KNOWN:
        return f"no {(kind or 'name').replace('_', ' ')}"
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}\N{HORIZONTAL ELLIPSIS}"
