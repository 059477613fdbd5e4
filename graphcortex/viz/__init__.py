"""Figures: learning curves, the learned graph in space and as a matrix, and files that are whole or not there."""

from __future__ import annotations

from graphcortex.viz.busiest import plot_busiest_edges
from graphcortex.viz.curves import plot_learning_curves
from graphcortex.viz.graph import plot_learned_graph
from graphcortex.viz.matrix import plot_matrix
from graphcortex.viz.save import save_figure
from graphcortex.viz.study_figures import write_figures

__all__ = [
    "plot_busiest_edges",
    "plot_learned_graph",
    "plot_learning_curves",
    "plot_matrix",
    "save_figure",
    "write_figures",
]
