"""Crops, thresholds and controls of a connectome, as PyG transforms. The connectome they are given stays as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from graphcortex._checks import check_count
from graphcortex.data._control import Control, check_single, check_single_graph
from graphcortex.data.connectome import Connectome
from graphcortex.data.null_transforms import (
    DegreeLattice,
    ErdosRenyi,
    Lattice,
    RewireDegrees,
    RewireDegreesAndLengths,
    ShuffleWeights,
)
from graphcortex.data.schema import NEURON, SYNAPSE, fields_of

__all__ = [
    "CropToBox",
    "DegreeLattice",
    "ErdosRenyi",
    "Lattice",
    "MinSynapses",
    "RenameNeurons",
    "RewireDegrees",
    "RewireDegreesAndLengths",
    "ShufflePositions",
    "ShuffleWeights",
]


class RenameNeurons(Control):
    r"""Rename the neurons in wiring and function, while every body stays in its place.

    One permutation :math:`\pi` renames both ends of all synapses and recorded pairs, and moves the diagonals
    ``self_correlation``, ``self_sttc`` and ``self_precision`` along: :math:`W'_{\pi(i) \pi(j)} = W_{ij}`. Positions,
    ids and types stay. The graph is the same up to names, so what changes is only how wiring lies in space.

    Args:
        rng: A ``torch.Generator``, which draws another permutation for each graph, or an int seed, which draws the same
            for all graphs of one size.

    Example:
        >>> connectome = Connectome.from_arrays(torch.rand(3, 3), [[0, 1], [1, 2]], [2, 5])
        >>> renamed = RenameNeurons(rng=0)(connectome)
        >>> sorted(renamed.synapses["count"].tolist()), torch.equal(renamed.pos, connectome.pos)
        ([2, 5], True)
    """

    def forward(self, data: Connectome) -> Connectome:
        """Rename the neurons of one connectome."""
        check_single(data, self)
        new = self._permutation(data)
        for store in data.edge_stores:
            edges = new[store["edge_index"]]
            order = torch.argsort(edges[0] * data.num_neurons + edges[1])
            for name, values in list(store.items()):
                store[name] = edges[:, order] if name == "edge_index" else values[order]
        for name in fields_of(NEURON):
            if name.startswith("self_") and name in data[NEURON]:
                moved = torch.empty_like(data[NEURON][name])
                moved[new] = data[NEURON][name]
                data[NEURON][name] = moved
        return data


class ShufflePositions(Control):
    """Give every neuron the position of another, drawn at random; all else stays.

    Args:
        rng: A ``torch.Generator``, which draws another order for each graph, or an int seed, which draws the same for
            all graphs of one size.
    """

    def forward(self, data: Connectome | Data) -> Connectome | Data:
        """Shuffle the positions of one connectome, or of one plain graph."""
        check_single_graph(data, self)
        if data.pos is None:
            raise ValueError("pos must hold the position of each node, got None; give the graph a pos.")
        data.pos = data.pos[self._permutation(data)]
        return data


class CropToBox(BaseTransform):
    """Keep the neurons within a box, its faces included, and the edges among them.

    Args:
        low_um: Lowest x, y and z in um; ``-inf`` leaves a side open.
        high_um: Highest x, y and z in um; ``inf`` leaves a side open.

    Raises:
        ValueError: If a corner is not three numbers, or ``low_um`` exceeds ``high_um``.

    Example:
        >>> connectome = Connectome.from_arrays(torch.tensor([[0.0, 0, 0], [50, 0, 0]]), [[0], [1]], [1])
        >>> CropToBox((-1, -1, -1), (10, 10, 10))(connectome).num_neurons
        1
    """

    def __init__(self, low_um: Sequence[float], high_um: Sequence[float]):
        self.low_um, self.high_um = _corner(low_um, "low_um"), _corner(high_um, "high_um")
        if any(low > high for low, high in zip(self.low_um, self.high_um, strict=True)):
            raise ValueError(f"low_um must not exceed high_um, got {self.low_um} and {self.high_um}.")

    def forward(self, data: Connectome) -> Connectome:
        """Crop one connectome."""
        check_single(data, self)
        pos = data.pos
        inside = (pos >= pos.new_tensor(self.low_um)) & (pos <= pos.new_tensor(self.high_um))
        return data.subgraph(inside.all(dim=1))

    def __repr__(self) -> str:
        return f"CropToBox(low_um={self.low_um}, high_um={self.high_um})"


class MinSynapses(BaseTransform):
    """Keep the connected pairs of at least ``count`` synapses; neurons and co-activity stay.

    Args:
        count: Smallest number of synapses, at least 1.

    Raises:
        ValueError: If ``count`` is not a whole number of at least 1.
    """

    def __init__(self, count: int):
        self.count = check_count(count, "count")

    def forward(self, data: Connectome) -> Connectome:
        """Drop the weaker pairs of one connectome."""
        check_single(data, self)
        return data.edge_subgraph({SYNAPSE: data.synapses["count"] >= self.count})

    def __repr__(self) -> str:
        return f"MinSynapses(count={self.count})"


def _corner(values: Sequence[float], name: str) -> tuple[float, ...]:
    try:
        corner = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        corner = ()
    if len(corner) != 3 or any(math.isnan(value) for value in corner):
        raise ValueError(f"{name} must hold three numbers (x, y, z in um), got {values!r}.")
    return corner
