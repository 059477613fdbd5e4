"""All interactive figures as one value that JSON can hold: a specification for every choice that the page offers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from graphcortex.study import METRICS as RUN_METRICS
from graphcortex.viz._labels import LABELS
from graphcortex.viz.curves import METRICS as MEASURES
from graphcortex.viz.report._curves import curves_figure
from graphcortex.viz.report._data import Group, ReportData
from graphcortex.viz.report._graphs import matrix_data, modules_of, space_data
from graphcortex.viz.report._look import short, text
from graphcortex.viz.report._strips import forest_figure, paired_figure

MAX_GROUPS = 24
MAX_GRAPHS = 150
_MOST_EDGES, _ALL_EDGES = 2000, 70_000
_EDGES_PER_NEURON = 4  # more would be a ball of wool
_MOST_CELLS, _ALL_CELLS = 320, 1_800_000


@dataclass
class Figures:
    """What the page draws.

    Attributes:
        axes: What there is to choose from, by name of the choice.
        specs: By figure and by the numbers of the choices, such as ``"0/2"``.
        places: Positions of the neurons in um, three lists, by connectome.
        cut: What was left out to keep the file small, in words.
    """

    axes: dict[str, list[str]]
    specs: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in CHOICES})
    places: dict[str, list[list[float | None]]] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain values without NaN."""
        figures = {name: {"axes": CHOICES[name], "specs": specs} for name, specs in self.specs.items()}
        return {"axes": self.axes, "figures": figures, "places": self.places}


CHOICES = {
    "curves": ["group", "measure"],
    "metrics": ["group", "metric"],
    "effects": ["group", "metric"],
    "space": ["group", "variant"],
    "matrix": ["group", "variant"],
}
"""The choices that each figure depends on."""


def build_figures(data: ReportData) -> Figures:
    """Build every interactive figure of a study."""
    groups = data.groups[:MAX_GROUPS]
    metrics = [name for name in RUN_METRICS if name in data.runs]
    figures = Figures(
        {
            "group": [group.label for group in groups],
            "measure": list(MEASURES.values()),
            "metric": [LABELS[name] for name in metrics],
            "variant": list(data.variants),
        }
    )
    if len(groups) < len(data.groups):
        figures.cut.append(
            f"The figures show the first {len(groups)} of {len(data.groups)} groups; the tables hold all."
        )
    for number, group in enumerate(groups):
        runs, effects, history = group.of(data.runs), _effects_of(data, group), data.history(group)
        for place, measure in enumerate(MEASURES):
            if measure in history:
                _put(figures, "curves", number, place, curves_figure(history, measure, data.variants, group.levels))
        for place, metric in enumerate(metrics):
            _put(figures, "metrics", number, place, paired_figure(runs, metric, data.variants, group.levels))
            if len(effects):
                _put(figures, "effects", number, place, forest_figure(effects, metric, data.variants, data.reference))
    _add_graphs(figures, data, groups)
    return figures


def _put(figures: Figures, name: str, first: int, second: int, spec: dict[str, Any] | None) -> None:
    if spec is not None:
        figures.specs[name][f"{first}/{second}"] = spec


def _effects_of(data: ReportData, group: Group):
    return group.of(data.effects) if len(data.effects) else data.effects


def _add_graphs(figures: Figures, data: ReportData, groups: tuple[Group, ...]) -> None:
    wanted = [(number, group, key) for number, group in enumerate(groups) for key in data.keys(group)]
    shown = wanted[:MAX_GRAPHS]
    if len(shown) < len(wanted):
        figures.cut.append(
            f"Learned graphs are shown of the first {len(shown)} of {len(wanted)} pairs of group and variant."
        )
    if not shown:
        return
    num_edges = min(_MOST_EDGES, _ALL_EDGES // len(shown))
    max_cells = min(_MOST_CELLS, math.isqrt(_ALL_CELLS // len(shown)))
    for number, group, key in shown:
        graph = data.learned_graph(key)
        if graph is None:
            continue
        place, modules = data.variants.index(str(key.variant)), modules_of(graph)
        figures.places.setdefault(group.connectome, [short(axis) for axis in graph.pos.T.tolist()])
        title = f"{text(str(key.variant))}, seed {key.seed}"
        space = space_data(graph, modules, min(num_edges, _EDGES_PER_NEURON * graph.num_nodes)) | {
            "place": group.connectome,
            "title": title,
        }
        _put(figures, "space", number, place, space)
        _put(figures, "matrix", number, place, matrix_data(graph, modules, max_cells) | {"title": title})
