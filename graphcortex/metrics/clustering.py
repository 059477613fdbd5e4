"""Clustering: how often two neighbours of a neuron are linked to each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.graphs import SimpleGraph, _igraph, simple_graph
from graphcortex.metrics._dense import is_dense, linked_neighbours
from graphcortex.metrics._result import Result
from graphcortex.metrics._triangles import triangle_sums
from graphcortex.metrics.ensemble import Nulls, as_nulls


@dataclass(frozen=True, eq=False, kw_only=True)
class Clustering(Result):
    """The clustering of a graph; the value is the mean over all neurons.

    Attributes:
        local: Clustering of each neuron, float64, shape ``(N,)``, on the CPU; 0 for fewer than two neighbours.
    """

    local: torch.Tensor


def clustering(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    directed: bool = False,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
) -> Clustering:
    r"""Compute the clustering of every neuron, and its mean.

    Without direction, and with weights as shares :math:`\hat W` of the largest (Watts & Strogatz; Onnela et al.),

    .. math:: C_u = \frac{1}{k_u (k_u - 1)} \sum_{v \ne w} \left( \hat W_{uv} \hat W_{vw} \hat W_{wu} \right)^{1/3}

    for :math:`k_u` neighbours; without weights this is the share of linked pairs among them. With direction (Fagiolo),

    .. math:: C_u = \frac{\frac{1}{2} [(S + S^\top)^3]_{uu}}{k_u (k_u - 1) - 2 k_u^\leftrightarrow}, \qquad
        S = \hat W^{1/3},

    for :math:`k_u` inputs and outputs together, and :math:`k_u^\leftrightarrow` neighbours that are both: the share of all
    triangles that these allow, in any of their directions. A neuron that can be in no triangle has 0, and counts in the
    mean. The clustering lies in [0, 1].

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``, whose size counts; None for an unweighted graph.
        num_nodes: Number of neurons.
        directed: Whether edges keep their direction.
        threshold: Edges of at most this size are no edges, in the unit of the weights.
        null: Random graphs to compare the mean with.

    Returns:
        The mean clustering, and that of each neuron. 0, with the reason, if no edge joins two neurons.

    Raises:
        ValueError: If the arguments do not describe one graph, or the threshold is out of range.

    References:
        Watts & Strogatz (1998). Collective dynamics of 'small-world' networks. Nature 393.
        https://doi.org/10.1038/30918

        Onnela, Saramaki, Kertesz & Kaski (2005). Intensity and coherence of motifs in weighted complex networks.
        Phys. Rev. E 71. https://doi.org/10.1103/PhysRevE.71.065103

        Fagiolo (2007). Clustering in complex directed networks. Phys. Rev. E 76.
        https://doi.org/10.1103/PhysRevE.76.026107

    Example:
        >>> triangle_and_tail = torch.tensor([[0, 1, 2, 2], [1, 2, 0, 3]])
        >>> found = clustering(triangle_and_tail, None, num_nodes=4)
        >>> found.local
        tensor([1.0000, 1.0000, 0.3333, 0.0000], dtype=torch.float64)
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    return replace(clustering_of(graph, null=null), threshold=float(threshold))


def clustering_of(graph: SimpleGraph, *, null: str | Nulls | None = None) -> Clustering:
    """Compute the clustering of a simple graph; see :func:`clustering`."""
    nulls = as_nulls(null)
    if graph.num_edges == 0:
        local, reason = np.zeros(graph.num_nodes), "no edge joins two neurons"
    elif graph.directed:
        local, reason = _directed(graph), ""
    elif graph.weight is None and is_dense(graph):
        k = graph.degree
        local, reason = _share(linked_neighbours(graph), k * (k - 1)), ""
    elif graph.weight is None:
        local, reason = _igraph.local_clustering(graph.igraph), ""
    else:
        k = graph.degree
        twice = 2 * triangle_sums(graph.source, graph.target, _cube_root(graph.weight), graph.num_nodes)
        local, reason = _share(twice, k * (k - 1)), ""
    compared = {} if nulls is None else nulls.distribution(mean_clustering, graph).fields()
    return Clustering(value=float(local.mean()), reason=reason, local=torch.from_numpy(local), **compared)


def mean_clustering(graph: SimpleGraph) -> float:
    """Return the mean clustering of a simple graph."""
    return clustering_of(graph).value


def _directed(graph: SimpleGraph) -> np.ndarray:
    # A pair without direction has half the sum of both weights: 1 where ones are linked both ways.
    both = replace(graph, weight=np.ones(graph.num_edges)).undirected()
    pairs = both if graph.weight is None else replace(graph, weight=_cube_root(graph.weight)).undirected()
    mutual = both.weight == 1
    k_mutual = np.bincount(both.source[mutual], minlength=graph.num_nodes)
    k_mutual = k_mutual + np.bincount(both.target[mutual], minlength=graph.num_nodes)
    k = graph.degree
    return _share(
        triangle_sums(pairs.source, pairs.target, 2 * pairs.weight, graph.num_nodes), k * (k - 1) - 2 * k_mutual
    )


def _cube_root(weight: np.ndarray) -> np.ndarray:
    return np.cbrt(weight / weight.max())


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
