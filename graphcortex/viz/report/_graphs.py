"""Learned graphs in few bytes: the strongest edges and the matrix of one run, which the page turns into figures."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data

from graphcortex.metrics import modularity, strongest_edges
from graphcortex.viz._image import matrix_image
from graphcortex.viz._modules import count_broken, module_ranks, strongest_between, weights_to_numpy
from graphcortex.viz._style import NUM_MODULE_COLOURS

_STEPS = 127  # of an int8
_MISSING = -128
_THIRDS = (1 / 3, 2 / 3)  # a line has one width in plotly, so edges come in three


def modules_of(graph: Data) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the module of each neuron by size, and the sizes; None where a weight is not finite."""
    if not bool(torch.isfinite(graph.edge_weight).all()):
        return None
    strong = strongest_edges(graph.edge_index, graph.edge_weight, graph.num_nodes)
    found = modularity(strong, None, graph.num_nodes, method="fast_greedy")
    return module_ranks(found.membership, graph.num_nodes)


def space_data(graph: Data, modules: tuple[np.ndarray, np.ndarray] | None, num_edges: int) -> dict[str, Any]:
    """Return the strongest edges: their ends, a colour (-1 is grey), a width (a digit, 0 to 2); and the colour of each neuron.

    Args:
        graph: ``edge_index``, ``edge_weight``, ``pos`` and ``num_nodes``.
        modules: What :func:`modules_of` returned.
        num_edges: How many at most.
    """
    source, target, weight = weights_to_numpy(graph.edge_index, graph.edge_weight)
    chosen = strongest_between(source, target, weight, num_edges)
    source, target, size = source[chosen], target[chosen], np.abs(weight[chosen])
    rank, sizes = modules or (np.full(graph.num_nodes, -1), np.zeros(0, dtype=int))
    colour = np.where((rank >= 0) & (rank < NUM_MODULE_COLOURS), rank, -1)
    alone = np.isin(rank, np.flatnonzero(sizes == 1))
    colour[alone] = -1
    between = rank[source] != rank[target]
    return {
        "neurons": colour.tolist(),
        "sizes": sizes[sizes > 1][:NUM_MODULE_COLOURS].tolist(),
        "ends": np.stack([source, target], axis=1).ravel().tolist(),
        "colours": np.where(between, -1, colour[source]).tolist(),
        "widths": "".join(map(str, np.digitize(size / size.max(), _THIRDS))) if len(size) else "",
        "note": count_broken(weight),
    }


def matrix_data(graph: Data, modules: tuple[np.ndarray, np.ndarray] | None, max_cells: int) -> dict[str, Any]:
    """Return the image of the weights, ordered by module, as signed bytes: a weight is ``byte / 127 * limit``.

    Weights beyond ``limit`` are drawn in its colour.
    """
    source, target, weight = weights_to_numpy(graph.edge_index, graph.edge_weight)
    rank, sizes = modules or (np.zeros(graph.num_nodes, dtype=int), np.zeros(0, dtype=int))
    image = matrix_image(source, target, weight, rank, max_cells=max_cells)
    limit = image.limit or 1.0
    bytes_ = np.rint(np.clip(image.cells / limit, -1, 1) * _STEPS)
    bytes_ = np.where(np.isnan(bytes_), _MISSING, bytes_).astype(np.int8)
    ends = np.cumsum(sizes)
    marked = ends[(sizes > 1) & (sizes >= 0.02 * graph.num_nodes) & (ends < graph.num_nodes)]
    return {
        "cells": base64.b64encode(bytes_.tobytes()).decode(),
        "side": int(image.cells.shape[0]),
        "neurons": int(graph.num_nodes),
        "limit": float(f"{limit:.4g}"),
        "signed": image.signed,
        "ends": marked.tolist(),
        "note": count_broken(weight),
    }


def strongest_table(graph: Data, num_edges: int = 2000) -> pd.DataFrame:
    """Return the strongest edges, the strongest first: ``source``, ``target`` and ``weight``."""
    source, target, weight = weights_to_numpy(graph.edge_index, graph.edge_weight)
    chosen = strongest_between(source, target, weight, num_edges)[::-1]
    return pd.DataFrame({"source": source[chosen], "target": target[chosen], "weight": weight[chosen]})
