"""The figures of a study: learning curves of each task, and the learned graph of each variant."""

from __future__ import annotations

from pathlib import Path

import torch

from graphcortex.metrics import modularity, strongest_edges
from graphcortex.study import RunKey, StoreError, StudyResults
from graphcortex.viz.curves import plot_learning_curves
from graphcortex.viz.graph import plot_learned_graph
from graphcortex.viz.matrix import plot_matrix
from graphcortex.viz.save import save_figure


def write_figures(results: StudyResults, *, suffix: str = ".png", dpi: float = 150) -> list[Path]:
    """Write the figures of a study to ``figures/<connectome>/<protocol>/<task>/<recurrence>/`` in its results folder.

    ``learning-curves`` shows the training accuracy of each variant; ``<variant>-space`` the strongest learned edges between the
    positions of the neurons, and ``<variant>-matrix`` the learned matrix ordered by module, both of the first seed of the variant.

    Args:
        results: The study. A run whose weights were not kept has no learned graph.
        suffix: Format: ``.png``, ``.svg`` or ``.pdf``.
        dpi: Pixels per inch of a ``.png``.

    Returns:
        The files, in the order written.
    """
    files = []
    groups: dict[tuple[str, str, str, str], list[RunKey]] = {}
    for key in results.keys:
        groups.setdefault((key.connectome, key.protocol, key.task, key.recurrence), []).append(key)
    for (connectome, protocol, name, recurrence), keys in groups.items():
        folder = results.folder / "figures" / connectome / protocol / name.replace(":", "=") / recurrence
        history = results.history(name, connectome=connectome, protocol=protocol, recurrence=recurrence)
        title = f"{name}, {recurrence} recurrence: training accuracy"
        curves = plot_learning_curves(history, title=title, **results.levels(name))
        files.append(save_figure(curves, folder / f"learning-curves{suffix}", dpi=dpi))
        for key in keys:
            if key.seed == min(other.seed for other in keys if other.variant == key.variant):
                files += _learned_graph(results, key, folder, suffix, dpi)
    return files


def _learned_graph(results: StudyResults, key: RunKey, folder: Path, suffix: str, dpi: float) -> list[Path]:
    try:
        graph = results.learned_graph(key)
    except StoreError:  # its weights were not kept
        return []
    edge_index, weight, n = graph.edge_index, graph.edge_weight, graph.num_nodes
    membership = None
    if bool(torch.isfinite(weight).all()):
        membership = modularity(strongest_edges(edge_index, weight, n), None, n, method="fast_greedy").membership
    title = f"{key.task}, {key.variant}, {key.recurrence} recurrence, seed {key.seed}"
    space = plot_learned_graph(graph.pos, edge_index, weight, membership=membership, title=title)
    matrix = plot_matrix(edge_index, weight, n, membership=membership, title=title)
    return [
        save_figure(space, folder / f"{key.variant.slug}-space{suffix}", dpi=dpi),
        save_figure(matrix, folder / f"{key.variant.slug}-matrix{suffix}", dpi=dpi),
    ]
