"""Wiring length: how far apart linked neurons are, and whether that is near."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from graphcortex._checks import check_count
from graphcortex._random import as_seed
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._pairs import pair_lengths
from graphcortex.metrics._permutation import PermutationResult, compared, permuted_values


@dataclass(frozen=True, eq=False, kw_only=True)
class WiringLength(PermutationResult):
    """The mean length of the edges in um, held against shuffled positions.

    Attributes:
        total: Summed length of the edges in um; in um times the unit of the weights, where edges count by their weights.
        num_edges: Number of edges.
        weighted: Whether edges count by the sizes of their weights.
    """

    total: float
    num_edges: int
    weighted: bool


def wiring_length(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    pos: torch.Tensor,
    *,
    weighted: bool = False,
    directed: bool = True,
    threshold: float = 0.0,
    num_permutations: int = 1000,
    rng: RandomSource = 0,
) -> WiringLength:
    r"""Compute the mean and the total length of the edges, and compare them with neurons at shuffled places.

    .. math::
        \bar d = \frac{\sum_e a_e d_e}{\sum_e a_e}, \qquad d_e = \lVert x_{i_e} - x_{j_e} \rVert_2, \qquad
        d_\text{total} = \sum_e a_e d_e,

    where :math:`a_e` is 1, or :math:`|w_e|` where the edges are weighted. It is at least 0 and at most the diameter of the
    tissue. The test permutes the positions over the neurons: the graph and the tissue stay, and their relation goes. Where the
    wiring is short, z is negative. It is one test for the mean and the total, whose ratio no permutation changes.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed, self-connections
            do not count.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons.
        pos: Position of each neuron in um, shape ``(N, 3)``.
        weighted: Whether an edge counts by the size of its weight.
        directed: Whether two directions of a pair are two edges.
        threshold: Edges that are not above it in size are no edges, in the unit of the weights.
        num_permutations: Permutations of the test.
        rng: A generator, or an int seed.

    Returns:
        The mean length in um, and its test. NaN, with the reason, if no edge joins two neurons; the total is then 0.

    Raises:
        ValueError: If the arguments do not describe one graph with positions, a weight or position is not finite, or an option
            is out of range.

    References:
        Chklovskii, Schikorski & Stevens (2002). Wiring optimization in cortical circuits. Neuron 34.
        https://doi.org/10.1016/S0896-6273(02)00679-7

        Cherniak (1994). Component placement optimization in the brain. J. Neurosci. 14.
        https://doi.org/10.1523/JNEUROSCI.14-04-02418.1994

    Example:
        >>> pos = torch.arange(20.0)[:, None] * torch.tensor([10.0, 0.0, 0.0])
        >>> chain = torch.stack((torch.arange(19), torch.arange(1, 20)))
        >>> found = wiring_length(chain, None, 20, pos, num_permutations=99)
        >>> found.value, found.total, found.z < -5, found.p_value
        (10.0, 190.0, True, 0.01)
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold, pos=pos)
    return wiring_length_of(graph, weighted=weighted, threshold=threshold, num_permutations=num_permutations, rng=rng)


def wiring_length_of(
    graph: SimpleGraph,
    *,
    weighted: bool = False,
    threshold: float = 0.0,
    num_permutations: int = 1000,
    rng: RandomSource = 0,
) -> WiringLength:
    """Compute the wiring length of a graph that is simple already, and has positions."""
    check_count(num_permutations, "num_permutations")
    done: dict[str, Any] = {"num_edges": graph.num_edges, "weighted": bool(weighted), "threshold": threshold}
    if graph.num_edges == 0:
        return WiringLength(value=math.nan, reason="no edge joins two neurons", total=0.0, **done)
    seed = as_seed(rng)
    amount = graph.weight if weighted and graph.weight is not None else np.ones(graph.num_edges)
    largest = float(amount.max())
    share = amount / largest
    size = share.sum()

    def means(block: np.ndarray) -> np.ndarray:
        return (
            np.array([pair_lengths(graph.pos[places], graph.source, graph.target) @ share for places in block]) / size
        )

    value = float(pair_lengths(graph.pos, graph.source, graph.target) @ share / size)
    shuffled = permuted_values(
        means, np.random.default_rng(seed), graph.num_nodes, num_permutations, cost=graph.num_nodes
    )
    total = value * float(size) * largest
    return WiringLength(value=value, total=total, **done, **compared(value, shuffled, "positions", seed))
