"""All interactive figures as one value that JSON can hold: a specification for every choice that the page offers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from torch_geometric.data import Data

from graphcortex.study import RunKey
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


class Shown(NamedTuple):
    """A learned graph that the report shows, and the choice under which it does."""

    group: Group
    key: RunKey
    choice: str
    graph: Data
    modules: tuple[np.ndarray, np.ndarray] | None


@dataclass
class Figures:
    """What the page draws.

    Attributes:
        axes: What there is to choose from, by name of the choice.
        specs: By figure and by the numbers of the choices, such as ``"0/2"``.
        places: Positions of the neurons in um, three lists, by connectome.
        cut: What was left out, in words.
        graphs: The learned graphs, to be drawn into files too.
    """

    axes: dict[str, list[str]]
    specs: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in CHOICES})
    places: dict[str, list[list[float | None]]] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    graphs: list[Shown] = field(default_factory=list)

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
    metrics = data.metrics
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
        runs, effects, history = group.of(data.runs), group.of(data.effects), group.of(data.histories)
        table = group.of(data.table)
        for place, measure in enumerate(MEASURES):
            if measure in history:
                _put(figures, "curves", number, place, curves_figure(history, measure, data.variants, group.levels))
        for place, metric in enumerate(metrics):
            _put(figures, "metrics", number, place, paired_figure(runs, table, metric, data.variants, group.levels))
            _put(figures, "effects", number, place, forest_figure(effects, metric, data.variants, data.reference))
    _add_graphs(figures, data, groups)
    return figures


def _put(figures: Figures, name: str, first: int, second: int, spec: dict[str, Any] | None) -> None:
    if spec is not None:
        figures.specs[name][f"{first}/{second}"] = spec


def _add_graphs(figures: Figures, data: ReportData, groups: tuple[Group, ...]) -> None:
    wanted = [(number, group, key) for number, group in enumerate(groups) for key in data.keys(group)]
    shown = wanted[:MAX_GRAPHS]
    if len(shown) < len(wanted):
        figures.cut.append(
            f"Learned graphs are shown of the first {len(shown)} of {len(wanted)} pairs of group and variant."
        )
    num_edges = min(_MOST_EDGES, _ALL_EDGES // max(len(shown), 1))
    max_cells = min(_MOST_CELLS, math.isqrt(_ALL_CELLS // max(len(shown), 1)))
    without = 0
    for number, group, key in shown:
        graph = data.learned_graph(key)
        if graph is None:
            without += 1
            continue
        modules, choice = modules_of(graph), f"{number}/{data.variants.index(str(key.variant))}"
        figures.graphs.append(Shown(group, key, choice, graph, modules))
        figures.places.setdefault(group.connectome, [short(axis) for axis in graph.pos.T.tolist()])
        title = f"{text(str(key.variant))}, seed {key.seed}"
        space = space_data(graph, modules, min(num_edges, _EDGES_PER_NEURON * graph.num_nodes))
        figures.specs["space"][choice] = space | {"place": group.connectome, "title": title}
        figures.specs["matrix"][choice] = matrix_data(graph, modules, max_cells) | {"title": title}
    if without:
        figures.cut.append(
            f"What {without} of {len(shown)} runs learned is not shown: it was not kept, or cannot be read."
        )
