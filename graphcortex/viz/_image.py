"""A weighted graph as the cells of a square image: neurons by module, several to a cell where there are many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_QUANTILE = 0.99


class MatrixImage(NamedTuple):
    """An image of ``W[source, target]``.

    Attributes:
        cells: Weights, NaN where one is not finite, shape ``(M, M)`` with M of at most ``max_cells``.
        limit: The weight at which the colours end: the 99 % quantile of the ``|w|`` between different neurons.
        signed: Whether a weight is negative.
    """

    cells: np.ndarray
    limit: float
    signed: bool


def matrix_image(
    source: np.ndarray, target: np.ndarray, weight: np.ndarray, rank: np.ndarray, *, max_cells: int
) -> MatrixImage:
    """Return the image of a graph, the neurons ordered by ``rank``, shape ``(N,)``; repeated edges are summed."""
    num_nodes = len(rank)
    place = np.empty(num_nodes, dtype=np.int64)
    place[np.argsort(rank, kind="stable")] = np.arange(num_nodes)
    row, column, value = _sum_repeated(place[source], place[target], weight, num_nodes)
    cells = _pool(row, column, value, num_nodes, max_cells)
    return MatrixImage(cells, _colour_limit(row, column, value), bool((value < 0).any()))


def _sum_repeated(row: np.ndarray, column: np.ndarray, value: np.ndarray, num_nodes: int):
    key, where = np.unique(row * num_nodes + column, return_inverse=True)
    return key // num_nodes, key % num_nodes, np.bincount(where, weights=value, minlength=len(key))


def _pool(row: np.ndarray, column: np.ndarray, value: np.ndarray, num_nodes: int, max_cells: int) -> np.ndarray:
    """Return the square image; where neurons share a cell, it shows the largest ``|w|``, and NaN before all."""
    cells = min(num_nodes, max_cells)
    image = np.zeros((cells, cells))
    order = np.argsort(np.abs(value), kind="stable")  # NaN sorts last; of several assignments to a cell, the last stays
    image[row[order] * cells // num_nodes, column[order] * cells // num_nodes] = value[order]
    return image


def _colour_limit(row: np.ndarray, column: np.ndarray, value: np.ndarray) -> float:
    size = np.abs(value)
    drawn = np.isfinite(size) & (size > 0)
    between = drawn & (row != column)
    chosen = size[between if between.any() else drawn]
    return float(np.quantile(chosen, _QUANTILE)) if len(chosen) else 1.0
