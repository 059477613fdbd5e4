"""Figures, each one call that returns axes: learning curves, graphs in space and as a matrix, what they are like against chance."""

from __future__ import annotations

from graphcortex.viz.busiest import plot_busiest_edges
from graphcortex.viz.connectome import plot_connectome
from graphcortex.viz.curves import plot_learning_curves
from graphcortex.viz.degrees import plot_degree_distribution
from graphcortex.viz.effects import plot_effects
from graphcortex.viz.evolution import plot_evolution
from graphcortex.viz.graph import plot_learned_graph
from graphcortex.viz.lengths import plot_length_distribution
from graphcortex.viz.matrix import plot_matrix
from graphcortex.viz.paired import plot_paired_metrics
from graphcortex.viz.report import write_report
from graphcortex.viz.rich_club import plot_rich_club
from graphcortex.viz.save import save_figure
from graphcortex.viz.spectrum import plot_spectrum
from graphcortex.viz.study_figures import write_figures

__all__ = [
    "plot_busiest_edges",
    "plot_connectome",
    "plot_degree_distribution",
    "plot_effects",
    "plot_evolution",
    "plot_learned_graph",
    "plot_learning_curves",
    "plot_length_distribution",
    "plot_matrix",
    "plot_paired_metrics",
    "plot_rich_club",
    "plot_spectrum",
    "save_figure",
    "write_figures",
    "write_report",
]
