"""The figures and tables of the report as files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from torch_geometric.data import Data

from graphcortex.study.store import write_text
from graphcortex.viz.curves import plot_learning_curves
from graphcortex.viz.effects import plot_effects
from graphcortex.viz.graph import plot_learned_graph
from graphcortex.viz.matrix import plot_matrix
from graphcortex.viz.paired import plot_paired_metrics
from graphcortex.viz.report._data import Group, ReportData, slug
from graphcortex.viz.report._figures import MAX_GRAPHS, MAX_GROUPS
from graphcortex.viz.report._graphs import modules_of, strongest_table
from graphcortex.viz.save import save_figure

Files = dict[str, dict[str, list[str]]]
"""Paths relative to the page, by figure and by the numbers of the choices it depends on."""


def write_files(data: ReportData, folder: Path, formats: Sequence[str]) -> Files:
    """Write a table per kind of result, and per group its figures and what they show; return the files of each figure."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"runs": data.runs, "effects": data.effects, "claims": data.claims, "failures": data.failures}
    for name, table in tables.items():
        if len(table):
            write_text(folder / f"{name}.csv", table.to_csv(index=False))
    writer = _Writer(folder, formats)
    for number, group in enumerate(data.groups[:MAX_GROUPS]):
        writer.group(data, group, number)
    return writer.files


class _Writer:
    def __init__(self, folder: Path, formats: Sequence[str]):
        self.folder, self.formats = folder, formats
        self.files: Files = {"curves": {}, "metrics": {}, "effects": {}, "space": {}, "matrix": {}}
        self.graphs = 0

    def group(self, data: ReportData, group: Group, number: int) -> None:
        folder = self.folder / group.slug
        folder.mkdir(exist_ok=True)
        runs, history = group.of(data.runs), data.history(group)
        title = f"{group.label}"
        if len(history):
            self._put("curves", f"{number}", folder / "learning-curves", history, self._curves(history, group, title))
        if runs[list(data.metrics)].notna().to_numpy().any():
            axes = (
                plot_paired_metrics(runs, metrics=data.metrics, title=title, **group.levels) if self.formats else None
            )
            self._put("metrics", f"{number}", folder / "metrics", runs, axes)
        effects = group.of(data.effects) if len(data.effects) else data.effects
        if len(effects):
            axes = plot_effects(runs, reference=data.reference, title=title) if self.formats else None
            self._put("effects", f"{number}", folder / "effects", effects, axes)
        for key in data.keys(group):
            graph = data.learned_graph(key) if self.graphs < MAX_GRAPHS else None
            if graph is not None:
                self.graphs += 1
                choice = f"{number}/{data.variants.index(str(key.variant))}"
                self._graph(graph, choice, folder / slug(str(key.variant)), f"{title}, {key.variant}, seed {key.seed}")

    def _curves(self, history: pd.DataFrame, group: Group, title: str):
        return plot_learning_curves(history, title=title, **group.levels) if self.formats else None

    def _graph(self, graph: Data, choice: str, stem: Path, title: str) -> None:
        modules = modules_of(graph)
        membership = None if modules is None else modules[0]
        space = matrix = None
        if self.formats:
            given = (graph.edge_index, graph.edge_weight)
            space = plot_learned_graph(graph.pos, *given, membership=membership, title=title)
            matrix = plot_matrix(*given, graph.num_nodes, membership=membership, title=title)
        self._put("space", choice, stem.with_name(stem.name + "-space"), strongest_table(graph), space)
        neurons = pd.DataFrame(graph.pos.numpy(), columns=["x_um", "y_um", "z_um"]).rename_axis("neuron").reset_index()
        if membership is not None:
            neurons["module"] = membership + 1
        self._put("matrix", choice, stem.with_name(stem.name + "-matrix"), neurons, matrix)

    def _put(self, figure: str, choice: str, stem: Path, table: pd.DataFrame, axes) -> None:
        """Write a figure in every format and its table; ``stem`` is their path without a suffix."""
        # Not by with_suffix: a name may have dots of its own.
        written = [save_figure(axes, Path(f"{stem}{suffix}")) for suffix in self.formats] if axes is not None else []
        csv = Path(f"{stem}.csv")
        write_text(csv, table.to_csv(index=False))
        self.files[figure][choice] = [str(file.relative_to(self.folder.parent)) for file in (*written, csv)]
