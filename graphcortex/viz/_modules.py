"""Modules in the order in which all figures number and colour them: the largest is 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def module_ranks(
    membership: Sequence[int] | np.ndarray | torch.Tensor, num_nodes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank of each neuron's module by size (0 the largest), and the sizes in that order.

    Args:
        membership: A whole number per neuron, equal within a module, shape ``(N,)``; any numbers.
        num_nodes: Number of neurons.

    Raises:
        ValueError: If it is not one whole number per neuron.
    """
    values = torch.as_tensor(membership).detach().cpu().numpy()
    if values.shape != (num_nodes,) or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(
            f"membership must hold one whole number per neuron: expected integers of shape ({num_nodes},), "
            f"got {values.dtype} of shape {values.shape}."
        )
    _, module, sizes = np.unique(values, return_inverse=True, return_counts=True)
    by_size = np.argsort(-sizes, kind="stable")
    rank = np.empty_like(by_size)
    rank[by_size] = np.arange(len(by_size))
    return rank[module], sizes[by_size]


def weights_to_numpy(edge_index: torch.Tensor, edge_weight: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sources, targets and weights as arrays on the CPU, with every infinite weight as NaN."""
    source, target = edge_index.detach().cpu().numpy()
    weight = edge_weight.detach().cpu().double().numpy().copy()
    weight[~np.isfinite(weight)] = np.nan
    return source, target, weight


def count_broken(weight: np.ndarray) -> str:
    """Say how many weights are NaN or infinite; nothing where none are."""
    broken = int(np.isnan(weight).sum())
    return f"{broken:,} of {len(weight):,} weights NaN or infinite" if broken else ""


def strongest_between(source: np.ndarray, target: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    """Return the edges with the largest ``|w|`` that join two neurons and are not zero, the weakest of them first."""
    candidates = np.flatnonzero((source != target) & np.isfinite(weight) & (weight != 0))
    order = np.argsort(-np.abs(weight[candidates]), kind="stable")[:count]
    return candidates[order[::-1]]  # so that the strongest lies on top
