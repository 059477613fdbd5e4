"""Wiring drawn over the positions of neurons: each sends to others near points at random distances and directions."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree

from graphcortex._checks import check_number
from graphcortex._random import numpy_generator
from graphcortex._typing import EdgeIndex, RandomSource

_CANDIDATES = 8


def local_wiring(
    pos: torch.Tensor | np.ndarray, *, degree: float = 100.0, reach_um: float = 150.0, rng: RandomSource
) -> EdgeIndex:
    """Draw a sparse directed graph in which connections become rare with distance, as local axons have them.

    From each neuron points are drawn at gamma-distributed distances (shape 2) in all directions, and each is answered by one of
    the neurons nearest to it, at random, so that no neuron is chosen for standing alone. Of the distinct pairs that come out, as
    many as were asked for are kept, or all if there are fewer. Memory and time grow with the connections, not with their square.

    Args:
        pos: Positions in um, shape ``(N, 3)``, at least two.
        degree: Connections per neuron, on average, at most ``N - 1``.
        reach_um: Mean distance of the points in um.
        rng: A generator or a seed.

    Returns:
        Source (row 0) and target (row 1) of each connection, shape ``(2, E)``, sorted, each pair once, none with itself.

    Raises:
        ValueError: If there are fewer than two positions, or a number is out of range or not finite.

    Example:
        >>> edge_index = local_wiring(np.random.default_rng(0).uniform(0, 500, (300, 3)), degree=10, rng=0)
        >>> edge_index.shape
        torch.Size([2, 3000])
    """
    places = np.asarray(pos, dtype=float)
    if places.ndim != 2 or places.shape[1] != 3 or len(places) < 2 or not np.isfinite(places).all():
        raise ValueError(f"pos must hold finite positions of at least two neurons, shape (N, 3); got {places.shape}.")
    n = len(places)
    check_number(degree, "degree", above=0, maximum=n - 1)
    check_number(reach_um, "reach_um", above=0)
    generator = numpy_generator(rng)
    source = np.repeat(np.arange(n), int(1.5 * degree) + 1)  # some fall on each other
    step = generator.normal(size=(source.size, 3))
    step *= generator.gamma(2, reach_um / 2, size=(source.size, 1)) / np.linalg.norm(step, axis=1, keepdims=True)
    near = cKDTree(places).query(places[source] + step, k=min(_CANDIDATES, n), workers=-1)[1]
    target = near[np.arange(source.size), generator.integers(0, near.shape[1], source.size)]
    key = np.unique((source * n + target)[source != target])
    key = np.sort(generator.choice(key, min(round(n * degree), key.size), replace=False))
    return torch.from_numpy(np.stack(np.divmod(key, n)))
