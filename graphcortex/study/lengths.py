"""How long the edges of a network are, for the penalties of a variant."""

from __future__ import annotations

import torch

from graphcortex._random import derive_seed
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.data import Connectome
from graphcortex.data.transforms import ShufflePositions
from graphcortex.ops import edge_length, grid_positions
from graphcortex.study.protocol import Protocol
from graphcortex.study.published import scale_axes, scrambled_positions
from graphcortex.study.variant import Variant

_BLOCK_ENTRIES = 2**22
"""Distances that are made at a time where all are looked at: bounds the memory."""


def edge_lengths(
    connectome: Connectome, variant: Variant, protocol: Protocol, edge_index: EdgeIndex, *, seed: int
) -> EdgeValues:
    """Return the length of each edge, as a variant and a protocol measure it.

    Args:
        connectome: Positions in um.
        variant: ``D``: on a grid, in grid steps; ``D*``: between the positions; ``D*[shuffled]``: the same after the positions are
            shuffled among the neurons, alike for all variants of a seed.
        protocol: How positions are read, how distances are scaled, and how long a self-connection is.
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        seed: Seed of the run.

    Returns:
        The lengths, shape ``(E,)``, float32. Without unit where they are scaled: the published protocol scales each axis of the
        positions to [0, 1], and ``distance_scale="mean"`` makes the mean over all pairs of different neurons 1, whether they are
        joined or not.

    Raises:
        ValueError: If the variant has no distance, or no two neurons are apart where the protocol scales by distances.
    """
    if variant.distance is None:
        raise ValueError(f"variant must have a distance for its edges to have lengths, got {str(variant)!r}.")
    pos = _positions(connectome, variant, protocol, seed)
    length = edge_length(edge_index, pos)
    by_mean, by_shortest = protocol.distance_scale == "mean", protocol.self_connection_length == "shortest"
    if by_mean or by_shortest:
        mean, shortest = _mean_and_shortest(pos)
        if mean == 0:
            raise ValueError(
                f"pos must hold neurons that are apart to scale their distances, got {len(pos)} in one place."
            )
        if by_shortest:
            length[edge_index[0] == edge_index[1]] = shortest
        if by_mean:
            length /= mean
    return length.float()


def _positions(connectome: Connectome, variant: Variant, protocol: Protocol, seed: int) -> torch.Tensor:
    """Return where distances are taken between, float64, shape ``(N, 3)``."""
    if variant.distance == "D":
        return grid_positions(connectome.num_neurons).double()
    if variant.distance == "D*[shuffled]":
        connectome = ShufflePositions(rng=derive_seed("shuffled positions", seed))(connectome)
    if protocol.position_reading == "reshaped":
        return scrambled_positions(connectome)
    pos = connectome.pos.double()
    return scale_axes(pos) if protocol.distance_scale == "published" else pos


def _mean_and_shortest(pos: torch.Tensor) -> tuple[float, float]:
    """Return the mean distance of different neurons, and the smallest that is not 0; both 0 if there is none."""
    n = len(pos)
    total, shortest = 0.0, torch.inf
    for block in pos.split(max(1, _BLOCK_ENTRIES // n)):
        distance = torch.cdist(block, pos, compute_mode="donot_use_mm_for_euclid_dist")
        total += float(distance.sum())
        shortest = min(shortest, float(distance.where(distance > 0, torch.inf).min()))
    return (total / (n * (n - 1)), shortest) if total > 0 else (0.0, 0.0)
