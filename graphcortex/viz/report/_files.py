"""The figures and tables of the report as files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from graphcortex._atomic import write_text
from graphcortex.viz.curves import plot_learning_curves
from graphcortex.viz.effects import plot_effects
from graphcortex.viz.graph import plot_learned_graph
from graphcortex.viz.matrix import plot_matrix
from graphcortex.viz.paired import plot_paired_metrics
from graphcortex.viz.report._data import Group, ReportData, slug
from graphcortex.viz.report._figures import MAX_GROUPS, Shown
from graphcortex.viz.report._graphs import strongest_table
from graphcortex.viz.save import save_figure

Files = dict[str, dict[str, list[str]]]
"""Paths relative to the page, by figure and by the numbers of the choices it depends on."""


def write_files(data: ReportData, graphs: Sequence[Shown], folder: Path, formats: Sequence[str], dpi: float) -> Files:
    """Write a table per kind of result, and per group its figures and what they show; return the files of each figure."""
    tables = {"runs": data.runs, "table": data.table, "effects": data.effects, "failures": _failures(data)}
    if data.claims is not None:
        found = data.claims.to_dataframe()
        tables["claims"] = found.assign(statement=found["claim"].map(data.claims.statements))
    for name, table in tables.items():
        if len(table):
            write_text(folder / f"{name}.csv", table.to_csv(index=False))
    writer = _Writer(folder, formats, dpi)
    for number, group in enumerate(data.groups[:MAX_GROUPS]):
        writer.group(data, group, number)
    for shown in graphs:
        writer.graph(shown)
    return writer.files


def _failures(data: ReportData) -> pd.DataFrame:
    rows = [{"key": str(one.key), "error": one.error, "traceback": one.traceback} for one in data.results.failures]
    return pd.DataFrame(rows)


class _Writer:
    def __init__(self, folder: Path, formats: Sequence[str], dpi: float):
        self.folder, self.formats, self.dpi = folder, formats, dpi
        self.files: Files = {"curves": {}, "metrics": {}, "effects": {}, "space": {}, "matrix": {}}

    def group(self, data: ReportData, group: Group, number: int) -> None:
        folder = self.folder / group.slug
        runs, history = group.of(data.runs), group.of(data.histories)
        title = group.label
        if len(history):
            self._put("curves", f"{number}", folder / "learning-curves", history, self._curves(history, group, title))
        if runs[list(data.metrics)].notna().to_numpy().any():
            axes = (
                plot_paired_metrics(runs, metrics=data.metrics, title=title, **group.levels) if self.formats else None
            )
            self._put("metrics", f"{number}", folder / "metrics", runs, axes)
        effects = group.of(data.effects)
        if (effects["pairs"] > 0).any():
            axes = plot_effects(runs, reference=data.reference, title=title) if self.formats else None
            self._put("effects", f"{number}", folder / "effects", effects, axes)

    def _curves(self, history: pd.DataFrame, group: Group, title: str):
        return plot_learning_curves(history, title=title, **group.levels) if self.formats else None

    def graph(self, shown: Shown) -> None:
        graph, modules = shown.graph, shown.modules
        stem = self.folder / shown.group.slug / slug(str(shown.key.variant))
        title = f"{shown.group.label}, {shown.key.variant}, seed {shown.key.seed}"
        membership = None if modules is None else modules[0]
        space = matrix = None
        if self.formats:
            given = (graph.edge_index, graph.edge_weight)
            space = plot_learned_graph(graph.pos, *given, membership=membership, title=title)
            matrix = plot_matrix(*given, graph.num_nodes, membership=membership, title=title)
        self._put("space", shown.choice, stem.with_name(stem.name + "-space"), strongest_table(graph), space)
        neurons = pd.DataFrame(graph.pos.numpy(), columns=["x_um", "y_um", "z_um"]).rename_axis("neuron").reset_index()
        if membership is not None:
            neurons["module"] = membership + 1
        self._put("matrix", shown.choice, stem.with_name(stem.name + "-matrix"), neurons, matrix)

    def _put(self, figure: str, choice: str, stem: Path, table: pd.DataFrame, axes) -> None:
        """Write a figure in every format and its table; ``stem`` is their path without a suffix."""
        # Not by with_suffix: a name may have dots of its own.
        paths = [Path(f"{stem}{suffix}") for suffix in self.formats] if axes is not None else []
        written = [save_figure(axes, path, dpi=self.dpi) for path in paths]
        csv = Path(f"{stem}.csv")
        write_text(csv, table.to_csv(index=False))
        self.files[figure][choice] = [str(file.relative_to(self.folder.parent)) for file in (*written, csv)]
