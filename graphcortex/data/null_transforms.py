"""Null models as PyG transforms: the synapses are drawn anew, and share with the given ones what the transform says.

They take a :class:`~graphcortex.data.Connectome`, or a plain ``Data`` with ``edge_index`` and, where there are any,
``edge_weight`` and ``pos``, such as ``connectome.wiring()``. Every edge has a direction, and each ordered pair is linked at
most once. Whatever a synapse carries (``count``, ``size``, all that PyG takes for a value of edges) moves with it as a whole;
neurons and co-activity stay. The edges of the result are sorted by source, then target.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcortex._checks import check_edge_index, check_finite
from graphcortex._typing import RandomSource
from graphcortex.data._control import Control, check_single_graph
from graphcortex.data.connectome import Connectome
from graphcortex.graphs import SimpleGraph, get_null_model, simple_graph


class _NullTransform(Control):
    _model: str

    def __init__(self, rng: RandomSource = 0):
        super().__init__(rng)

    def forward(self, data: Connectome | Data) -> Connectome | Data:
        """Draw the edges of one connectome, or of one plain graph."""
        check_single_graph(data, self)
        if isinstance(data, Connectome):
            store, fields = data.synapses, [name for name in data.synapses.keys() if name != "edge_index"]
            strength = data.synapses["count"]
        else:
            if data.edge_index is None:
                raise ValueError(f"{type(self).__name__} must be given a graph with edge_index, got none.")
            store, fields = data, [name for name in data.keys() if name != "edge_index" and data.is_edge_attr(name)]
            strength = data.edge_weight
        seed = self._seed()
        graph, order = _ranked(store["edge_index"], strength, data.num_nodes, data.pos, seed)
        drawn = get_null_model(self._model).draw(graph, seed)
        moved = order[torch.from_numpy(drawn.weight.astype(np.int64)) - 1]
        for name in fields:
            values = store[name]
            store[name] = values[moved.to(values.device)] if isinstance(values, Tensor) else [values[i] for i in moved]
        store["edge_index"] = drawn.edge_index.to(store["edge_index"].device)
        return data


def _ranked(
    edge_index: Tensor, strength: Tensor | None, num_nodes: int, pos: Tensor | None, seed: int
) -> tuple[SimpleGraph, Tensor]:
    """Return the graph with the rank of each edge for its weight, and the edge of each rank (from 1).

    Null models move weights and never change them, so the rank tells in the end which edge became which. Ties are broken at
    random: the order of edges means nothing.
    """
    check_edge_index(edge_index, num_nodes)
    E = edge_index.size(1)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(E))
    if strength is not None:
        strength = strength.detach().cpu()
        if strength.shape != (E,):
            raise ValueError(
                f"edge_weight must hold one value per edge: expected shape ({E},), got {tuple(strength.shape)}."
            )
        check_finite(strength.double(), "edge_weight")
        order = order[strength.abs()[order].argsort(stable=True)]
    rank = torch.empty(E, dtype=torch.float64)
    rank[order] = torch.arange(1, E + 1, dtype=torch.float64)
    graph = simple_graph(edge_index.cpu(), rank, num_nodes, pos=pos)
    if graph.num_edges != E:
        loops = int((edge_index[0] == edge_index[1]).sum())
        raise ValueError(
            f"edge_index must link each pair once and no neuron with itself, got {loops} self-connections and "
            f"{E - loops - graph.num_edges} repeated edges; remove them, and coalesce."
        )
    return graph, order


class ErdosRenyi(_NullTransform):
    """Keep the number of edges, and draw the pairs they link uniformly among all pairs.

    Args:
        rng: A ``torch.Generator``, which draws another graph each time, or an int seed, which draws the same for the same.

    Example:
        >>> connectome = Connectome.from_arrays(torch.rand(4, 3), [[0, 1, 2], [1, 2, 0]], [2, 5, 1])
        >>> drawn = ErdosRenyi(rng=0)(connectome)
        >>> sorted(drawn.synapses["count"].tolist())
        [1, 2, 5]
    """

    _model = "erdos_renyi"


class RewireDegrees(_NullTransform):
    """Keep the number of inputs and of outputs of every neuron, and draw whom they link.

    Args:
        rng: A ``torch.Generator``, which draws another graph each time, or an int seed, which draws the same for the same.

    References:
        Maslov & Sneppen (2002). Specificity and stability in topology of protein networks. Science 296.
        https://doi.org/10.1126/science.1065103

    Example:
        >>> connectome = Connectome.from_arrays(torch.rand(4, 3), [[0, 1, 2], [1, 2, 0]], [2, 5, 1])
        >>> drawn = RewireDegrees(rng=0)(connectome)
        >>> drawn.synapses.edge_index[0].tolist()
        [0, 1, 2]
    """

    _model = "degree"


class RewireDegreesAndLengths(_NullTransform):
    """Keep the numbers of inputs and outputs of every neuron and the histogram of edge lengths, and draw whom they link.

    Lengths are counted in bins of equal width, :data:`graphcortex.graphs.rewiring.LENGTH_BINS` of them up to the longest
    edge. What a synapse carries goes to an edge of the same bin.

    Args:
        rng: A ``torch.Generator``, which draws another graph each time, or an int seed, which draws the same for the same.

    References:
        Betzel & Bassett (2018). Specificity and robustness of long-distance connections in weighted, interareal
        connectomes. PNAS 115. https://doi.org/10.1073/pnas.1720186115
    """

    _model = "degree_length"


class ShuffleWeights(_NullTransform):
    """Keep what is linked, and shuffle what the synapses carry among the edges.

    Args:
        rng: A ``torch.Generator``, which draws another order each time, or an int seed, which draws the same for the same.
    """

    _model = "weights"


class Lattice(_NullTransform):
    """Keep the number of edges, and link the nearest on a ring of the neurons, the strongest edges nearest.

    Args:
        rng: A ``torch.Generator``, or an int seed: it draws the order at one distance, and the pairs of the last distance.

    References:
        Muldoon, Bridgeford & Bassett (2016). Small-world propensity and weighted brain networks. Sci. Rep. 6.
        https://doi.org/10.1038/srep22057
    """

    _model = "lattice"


class DegreeLattice(_NullTransform):
    """Keep the numbers of inputs and outputs of every neuron, and bring edges as near together on a ring as they go.

    A strong edge counts for more than a weak one: by its rank, not by its size.

    Args:
        rng: A ``torch.Generator``, which draws another ring each time, or an int seed, which draws the same for the same.

    References:
        Sporns & Zwi (2004). The small world of the cerebral cortex. Neuroinformatics 2.
        https://doi.org/10.1385/NI:2:2:145
    """

    _model = "degree_lattice"
