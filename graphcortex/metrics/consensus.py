"""Consensus modules: what searches of modules from different seeds have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from graphcortex._checks import check_count
from graphcortex._random import as_seed, derive_seed
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics.modularity import NO_EDGES, Modularity, check_search, search_modules
from graphcortex.metrics.mutual_information import adjusted_mutual_information


@dataclass(frozen=True, eq=False, kw_only=True)
class ConsensusModules(Modularity):
    """The partition that other searches agree with most; the value is its modularity.

    Attributes:
        stability: Mean adjusted mutual information of two runs; 1 where all found the same modules.
        similarity: Mean adjusted mutual information of each run with the others, float64, shape ``(num_runs,)``.
        run_values: Modularity of each run, float64, shape ``(num_runs,)``.
    """

    stability: float
    similarity: torch.Tensor
    run_values: torch.Tensor

    @property
    def num_runs(self) -> int:
        """Number of runs."""
        return self.run_values.numel()


def consensus_modules(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    num_runs: int = 10,
    method: str = "leiden",
    directed: bool = False,
    threshold: float = 0.0,
    resolution: float = 1.0,
    rng: RandomSource = 0,
) -> ConsensusModules:
    r"""Search modules from several seeds, and return those that the others resemble most.

    Each run is one start of :func:`modularity`. With the adjusted mutual information :math:`\text{AMI}_{rs}` of the
    partitions of two runs, the consensus is the run

    .. math:: r^* = \arg\max_r \frac{1}{R - 1} \sum_{s \ne r} \text{AMI}_{rs}

    (of two that tie, the one with the higher modularity), and the stability the mean of :math:`\text{AMI}_{rs}` over
    pairs of runs, at most 1: near 0 the graph has no modules that one could name.

    The consensus is thus one of the partitions found, with a modularity that a search reaches. Partitions averaged over
    runs (Lancichinetti & Fortunato 2012) need the agreement of all :math:`N^2` pairs; kept on edges alone, a sparse
    module falls apart where it is searched again.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``, whose size counts; None for an unweighted graph.
        num_nodes: Number of neurons.
        num_runs: Number of runs, at least 2.
        method: How modules are searched, of those of :func:`modularity` that draw random numbers.
        directed: Whether edges keep their direction.
        threshold: Edges of at most this size are no edges, in the unit of the weights.
        resolution: Resolution, above 0.
        rng: A generator, or an int seed.

    Returns:
        The modules, their modularity and the stability. NaN, with the reason, if no edge joins two neurons.

    Raises:
        ValueError: If the arguments do not describe one graph, are out of range, or the method always finds the same.

    References:
        Doron, Bassett & Gazzaniga (2012). Dynamic network structure of interhemispheric coordination. PNAS 109.
        https://doi.org/10.1073/pnas.1216402109

        Lancichinetti & Fortunato (2012). Consensus clustering in complex networks. Sci. Rep. 2.
        https://doi.org/10.1038/srep00336

    Example:
        >>> two_pairs = torch.tensor([[0, 2], [1, 3]])
        >>> found = consensus_modules(two_pairs, None, num_nodes=4)
        >>> found.value, found.num_modules, found.stability
        (0.5, 2, 1.0)
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    found = consensus_modules_of(graph, num_runs=num_runs, method=method, resolution=resolution, rng=rng)
    return replace(found, threshold=float(threshold))


def consensus_modules_of(
    graph: SimpleGraph,
    *,
    num_runs: int = 10,
    method: str = "leiden",
    resolution: float = 1.0,
    rng: RandomSource = 0,
) -> ConsensusModules:
    """Search modules of a simple graph from several seeds; see :func:`consensus_modules`."""
    R = check_count(num_runs, "num_runs", minimum=2)
    resolution = check_search(method, graph.directed, resolution)
    if method == "fast_greedy":
        raise ValueError(
            "method must draw random numbers, one of 'leiden', 'louvain', 'infomap'; got 'fast_greedy', which finds the "
            "same modules each time: call modularity(..., method='fast_greedy')."
        )
    seed = as_seed(rng)
    done = {"method": method, "resolution": resolution, "seed": seed}
    if graph.num_edges == 0:
        nothing = torch.full((R,), math.nan, dtype=torch.float64)
        alone = torch.arange(graph.num_nodes)
        return ConsensusModules(
            value=math.nan,
            reason=NO_EDGES,
            membership=alone,
            stability=math.nan,
            similarity=nothing,
            run_values=nothing.clone(),
            **done,
        )
    runs = [
        search_modules(graph, method=method, resolution=resolution, num_starts=1, seed=derive_seed("run", seed, r))
        for r in range(R)
    ]
    values = np.array([value for value, _ in runs])
    partitions = [np.array(modules) for _, modules in runs]
    ami = np.zeros((R, R))
    for r in range(R):
        for s in range(r):
            ami[r, s] = ami[s, r] = adjusted_mutual_information(partitions[r], partitions[s])
    similarity = ami.sum(0) / (R - 1)
    # Two runs with the same modules tie, but for the order in which their similarities are added up.
    close = similarity >= similarity.max() - 1e-9
    best = int(np.argmax(np.where(close, values, -np.inf)))
    return ConsensusModules(
        value=float(values[best]),
        membership=torch.from_numpy(partitions[best]),
        stability=float(similarity.mean()),
        similarity=torch.from_numpy(similarity),
        run_values=torch.from_numpy(values),
        **done,
    )
