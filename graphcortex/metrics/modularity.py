"""Modularity: how much more edges stay within modules than chance has it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components

from graphcortex._checks import check_choice, check_count, check_number
from graphcortex._random import as_seed
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, _igraph, simple_graph
from graphcortex.metrics._result import Result
from graphcortex.metrics.ensemble import Nulls, as_nulls

METHODS = ("leiden", "fast_greedy", "louvain", "infomap")
_WITH_DIRECTION = ("leiden", "infomap")
_WITH_RESOLUTION = ("leiden", "louvain")
_LEIDEN_ITERATIONS = 10
"""Most rounds of one start. Until nothing changes, a graph without modules takes many more, for a gain below one per cent."""
_FEW_NEURONS = 2000
_STARTS_OF_FEW = 10
NO_EDGES = "no edge joins two neurons"


@dataclass(frozen=True, eq=False, kw_only=True)
class Modularity(Result):
    r"""The modularity of a graph, and the modules.

    Attributes:
        membership: Module of each neuron, 0 .. number of modules - 1, int64, shape ``(N,)``, on the CPU.
        resolution: The resolution :math:`\gamma`.
        num_starts: How many times the search was started; the best is returned.
    """

    membership: torch.Tensor
    resolution: float = 1.0
    num_starts: int = 1

    @property
    def num_modules(self) -> int:
        """Number of modules; a neuron without edges is one of its own."""
        return int(self.membership.max()) + 1


def modularity(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    method: str = "leiden",
    directed: bool = False,
    threshold: float = 0.0,
    resolution: float = 1.0,
    num_starts: int | None = None,
    null: str | Nulls | None = None,
    rng: RandomSource = 0,
) -> Modularity:
    r"""Find modules, and return the modularity they have.

    .. math:: Q = \frac{1}{m} \sum_{ij} \left( W_{ij} - \gamma \frac{s^\text{out}_i s^\text{in}_j}{m} \right)
        \delta(c_i, c_j), \qquad m = \sum_{ij} W_{ij},

    for the simple graph of the edges, with the strengths :math:`s` (degrees, where there are no weights) and modules
    :math:`c`. Without direction :math:`W` is symmetric and holds each linked pair twice, so that :math:`m` is twice the
    weight of the pairs. At :math:`\gamma = 1`, :math:`Q` of any partition lies in :math:`[-1, 1)`, without direction in
    :math:`[-1/2, 1)`; that of one module is 0. A greater :math:`\gamma` gives smaller modules.

    No method is sure to find the highest :math:`Q`, and the modules of two searches differ: :func:`consensus_modules`
    says by how much.

    ================ ================================================================ ========= ==========
    method           what it does                                                     direction resolution
    ================ ================================================================ ========= ==========
    ``leiden``       moves neurons, refines and merges; modules are connected         yes       yes
    ``louvain``      moves neurons and merges                                         no        yes
    ``fast_greedy``  merges the two modules whose union raises Q most; draws nothing, no        no
                     and is what the study reports. Ties are broken in an order of
                     its own: other programs differ in the third decimal
    ``infomap``      compresses a random walk on the edges. It does not look at Q:    yes       no
                     the value is the Q of the partition that compresses best, and is
                     0 where that is one module
    ================ ================================================================ ========= ==========

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``, whose size counts; None for an unweighted graph.
        num_nodes: Number of neurons.
        method: How modules are searched, see above.
        directed: Whether edges keep their direction, in the search and in :math:`Q`.
        threshold: Edges of at most this size are no edges, in the unit of the weights.
        resolution: :math:`\gamma`, above 0.
        num_starts: How many times a search that draws is started; the highest :math:`Q` (for Infomap, the shortest code)
            is returned. By default 10, and 1 above 2,000 neurons.
        null: Random graphs to compare with, whose modules are searched in the same way.
        rng: A generator, or an int seed, for the search.

    Returns:
        The modularity and the modules. NaN, with the reason, if no edge joins two neurons.

    Raises:
        ValueError: If the arguments do not describe one graph, are out of range, or the method does not know direction
            or resolution.

    References:
        Newman & Girvan (2004). Finding and evaluating community structure in networks. Phys. Rev. E 69.
        https://doi.org/10.1103/PhysRevE.69.026113

        Leicht & Newman (2008). Community structure in directed networks. Phys. Rev. Lett. 100.
        https://doi.org/10.1103/PhysRevLett.100.118703

        Reichardt & Bornholdt (2006). Statistical mechanics of community detection. Phys. Rev. E 74.
        https://doi.org/10.1103/PhysRevE.74.016110

        Traag, Waltman & van Eck (2019). From Louvain to Leiden: guaranteeing well-connected communities. Sci. Rep. 9.
        https://doi.org/10.1038/s41598-019-41695-z

        Clauset, Newman & Moore (2004). Finding community structure in very large networks. Phys. Rev. E 70.
        https://doi.org/10.1103/PhysRevE.70.066111

        Blondel et al. (2008). Fast unfolding of communities in large networks. J. Stat. Mech.
        https://doi.org/10.1088/1742-5468/2008/10/P10008

        Rosvall & Bergstrom (2008). Maps of random walks on complex networks reveal community structure. PNAS 105.
        https://doi.org/10.1073/pnas.0706851105

    Example:
        >>> two_pairs = torch.tensor([[0, 2], [1, 3]])
        >>> found = modularity(two_pairs, None, num_nodes=4)
        >>> found.value, found.num_modules
        (0.5, 2)
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    found = modularity_of(graph, method=method, resolution=resolution, num_starts=num_starts, null=null, rng=rng)
    return replace(found, threshold=float(threshold))


def modularity_of(
    graph: SimpleGraph,
    *,
    method: str = "leiden",
    resolution: float = 1.0,
    num_starts: int | None = None,
    null: str | Nulls | None = None,
    rng: RandomSource = 0,
) -> Modularity:
    """Find modules of a simple graph; see :func:`modularity`."""
    resolution = check_search(method, graph.directed, resolution)
    nulls, seed = as_nulls(null), as_seed(rng)
    if method == "fast_greedy":
        starts = 1
    elif num_starts is None:
        starts = _STARTS_OF_FEW if graph.num_nodes <= _FEW_NEURONS else 1
    else:
        starts = check_count(num_starts, "num_starts")
    done = {
        "method": method,
        "resolution": resolution,
        "num_starts": starts,
        "seed": None if method == "fast_greedy" else seed,
    }
    if graph.num_edges == 0:
        return Modularity(value=math.nan, reason=NO_EDGES, membership=torch.arange(graph.num_nodes), **done)
    value, membership = search_modules(graph, method=method, resolution=resolution, num_starts=starts, seed=seed)
    if nulls is not None:
        search = partial(_best_value, method=method, resolution=resolution, num_starts=starts, seed=seed)
        done |= nulls.distribution(search, graph).fields()
    return Modularity(value=value, membership=torch.tensor(membership), **done)


def check_search(method: str, directed: bool, resolution: float) -> float:
    """Return the resolution as a float if a method can search with it, and with direction.

    Raises:
        ValueError: If it cannot; the message says what to do instead.
    """
    check_choice(method, "method", METHODS)
    resolution = check_number(resolution, "resolution", above=0)
    if directed and method not in _WITH_DIRECTION:
        raise ValueError(
            f"method must be one of {', '.join(map(repr, _WITH_DIRECTION))} for a directed graph, got {method!r}; "
            f"or look at the graph without direction (directed=False)."
        )
    if resolution != 1 and method not in _WITH_RESOLUTION:
        raise ValueError(
            f"resolution must be 1 for method {method!r}, which has none, got {resolution}; "
            f"use one of {', '.join(map(repr, _WITH_RESOLUTION))}."
        )
    return resolution


def search_modules(
    graph: SimpleGraph, *, method: str, resolution: float, num_starts: int, seed: int
) -> tuple[float, list[int]]:
    """Return the modularity and the module of each neuron of a graph with edges; arguments are not checked again."""
    weight = _relative(graph)
    scaled = graph if weight is None else replace(graph, weight=weight)
    network = graph.igraph

    def search() -> list[int]:
        if method == "fast_greedy":
            return _igraph.fast_greedy(network, weight)
        if method == "louvain":
            return _igraph.louvain(network, weight, resolution=resolution)
        if method == "infomap":  # looks for the shortest code among its own trials
            return _within_components(graph, _igraph.infomap(network, weight, num_trials=num_starts))
        return _igraph.leiden(
            network,
            weight,
            scaled.out_strength,
            scaled.in_strength,
            resolution=resolution,
            num_iterations=_LEIDEN_ITERATIONS,
        )

    best, modules = -math.inf, []
    with _igraph.seeded(seed):
        for _ in range(1 if method in ("fast_greedy", "infomap") else num_starts):
            found = search()
            value = _igraph.modularity_of_modules(network, found, weight, resolution=resolution)
            if value > best:
                best, modules = value, found
    return best, modules


def _within_components(graph: SimpleGraph, membership: list[int]) -> list[int]:
    """Divide modules that span components: where a neuron has no edges, Infomap puts it with any others."""
    _, component = connected_components(graph.matrix, directed=True, connection="weak")
    return np.unique(np.stack((membership, component)), axis=1, return_inverse=True)[1].ravel().tolist()


def _relative(graph: SimpleGraph) -> np.ndarray | None:
    """Return weights as shares of the largest: the modules are the same, and no sum or square of them overflows."""
    if graph.weight is None:
        return None
    # A share that underflows would be a weight of 0, which igraph takes for no edge in one place and for one in another.
    return np.maximum(graph.weight / graph.weight.max(), np.finfo(float).tiny)


def _best_value(graph: SimpleGraph, *, method: str, resolution: float, num_starts: int, seed: int) -> float:
    if graph.num_edges == 0:
        return math.nan
    return search_modules(graph, method=method, resolution=resolution, num_starts=num_starts, seed=seed)[0]
