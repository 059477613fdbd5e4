"""Small-worldness: clustered like a lattice, and yet as close as at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import _igraph, simple_graph
from graphcortex.metrics._result import Result
from graphcortex.metrics.random_null import NullStatistics, random_null_statistics


@dataclass(frozen=True, eq=False, kw_only=True)
class SmallWorld(Result):
    """The small-worldness of a graph, and what it is made of.

    Attributes:
        clustering: Mean local clustering of the graph.
        efficiency: Global efficiency of the graph; NaN for a single neuron.
        null_statistics: The same of the random graphs; ``None`` where they were not needed.
    """

    clustering: float
    efficiency: float
    null_statistics: NullStatistics | None


def small_worldness(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    num_nulls: int = 1000,
    null_threshold: float = 0.7,
    rng: RandomSource = 0,
) -> SmallWorld:
    r"""Compute small-worldness against random graphs, in the form that the study reports.

    .. math:: \sigma = \frac{C / \langle C_0 \rangle}{\langle E_0 \rangle / E}, \qquad
        C = \frac{1}{N} \sum_u \frac{2 t_u}{k_u (k_u - 1)}, \qquad
        E = \frac{1}{N (N - 1)} \sum_{u \ne v} \frac{1}{d_{uv}},

    for the simple undirected graph of the edges: :math:`t_u` triangles and :math:`k_u` neighbours of neuron :math:`u`
    (0 is added for fewer than two neighbours), and shortest paths :math:`d_{uv}` (infinite, and so adding 0, between
    components). It is at least 0; a random graph like the null ones has about 1.

    The random graphs are those of :func:`random_null_statistics`. They have as many neurons, a density of their own
    (.18 by default, whatever the graph's), and self-loops that count in :math:`C_0` though the graph has none: the
    value is comparable between graphs of one size and density, and is not the small-worldness of Humphries & Gurney.

    Args:
        edge_index: Edges, shape ``(2, E)``. Direction, repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, which says where there is none (0); None for an unweighted graph.
        num_nodes: Number of neurons, :math:`N`.
        num_nulls: Number of random graphs. Their statistics are kept, and computed again only for other arguments.
        null_threshold: Threshold of the random graphs, in 0 to 1.
        rng: A generator, or an int seed, for the random graphs.

    Returns:
        The small-worldness. NaN, with the reason, for a single neuron, or if no random graph has clustering; 0 if the
        graph has no edges.

    Raises:
        ValueError: If ``edge_index`` is not int64 of shape ``(2, E)`` with entries below ``num_nodes``, or another
            argument is out of range.

    References:
        Watts & Strogatz (1998). Collective dynamics of 'small-world' networks. Nature 393.
        https://doi.org/10.1038/30918

        Latora & Marchiori (2001). Efficient behavior of small-world networks. Phys. Rev. Lett. 87.
        https://doi.org/10.1103/PhysRevLett.87.198701

        Humphries & Gurney (2008). Network 'small-world-ness'. PLoS ONE 3. https://doi.org/10.1371/journal.pone.0002051

    Example:
        >>> import torch
        >>> ring = torch.arange(60)
        >>> near = torch.cat([torch.stack((ring, (ring + step) % 60)) for step in (1, 2, 3)], dim=1)
        >>> result = small_worldness(near, None, num_nodes=60, num_nulls=50)
        >>> round(result.clustering, 3), round(result.value, 1)
        (0.6, 1.2)
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=False)
    if num_nodes == 1:
        reason = "a single neuron has no distances"
        return SmallWorld(value=math.nan, reason=reason, clustering=0.0, efficiency=math.nan, null_statistics=None)
    null = random_null_statistics(num_nodes, num_nulls=num_nulls, threshold=null_threshold, rng=rng)
    clustering = _igraph.mean_clustering(graph.igraph)
    counts = _igraph.path_lengths(graph.igraph)
    efficiency = 2 * float((counts / np.arange(1, counts.size + 1)).sum()) / (num_nodes * (num_nodes - 1))
    if null.clustering == 0:
        value, reason = math.nan, f"none of the {num_nulls} random graphs of {num_nodes} neurons has clustering"
    elif efficiency == 0:
        value, reason = 0.0, "no edge joins two neurons, so clustering and efficiency are 0"
    else:
        value, reason = (clustering / null.clustering) / (null.efficiency / efficiency), ""
    return SmallWorld(value=value, reason=reason, clustering=clustering, efficiency=efficiency, null_statistics=null)
