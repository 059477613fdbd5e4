"""The four numbers that the study reports of each learned recurrent matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from graphcortex._checks import check_count, check_graph, check_number
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import get_null_model
from graphcortex.metrics._result import Result
from graphcortex.metrics.assortativity import Assortativity, assortativity
from graphcortex.metrics.ensemble import Nulls
from graphcortex.metrics.entropy import WeightEntropy, weight_entropy
from graphcortex.metrics.modularity import Modularity, modularity
from graphcortex.metrics.small_world import SmallWorld, small_worldness
from graphcortex.metrics.threshold import strongest_edges


@dataclass(frozen=True, eq=False)
class LearnedGraphMetrics:
    """Entropy of the weights, and three metrics of the graph that the strongest of them make.

    Attributes:
        entropy: Of all signed weights, in bits.
        modularity: Of the graph of the strongest weights.
        assortativity: Of the same graph.
        small_worldness: Of the same graph.
        edge_index: That graph: linked pairs, shape ``(2, M)``, each once.
        quantile: Share of the weights that it leaves out.
    """

    entropy: WeightEntropy
    modularity: Modularity
    assortativity: Assortativity
    small_worldness: SmallWorld
    edge_index: torch.Tensor
    quantile: float

    def values(self) -> dict[str, float]:
        """Return the four numbers by name; NaN where one is not defined."""
        return {name: result.value for name, result in self._results().items()}

    def reasons(self) -> dict[str, str]:
        """Return why a number is NaN or degenerate, for those that are."""
        return {name: result.reason for name, result in self._results().items() if result.reason}

    def _results(self) -> dict[str, Result]:
        return {
            "entropy": self.entropy,
            "modularity": self.modularity,
            "assortativity": self.assortativity,
            "small_worldness": self.small_worldness,
        }


def learned_graph_metrics(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    quantile: float = 0.9,
    over: str = "edges",
    null: str | None = None,
    num_nulls: int = 1000,
    rng: RandomSource = 0,
) -> LearnedGraphMetrics:
    """Compute what the study reports of a learned recurrent matrix.

    The entropy is that of all signed weights. The others are of the graph of :func:`strongest_edges`, undirected and
    without self-loops: modularity by greedy merging, degree assortativity, and small-worldness against random graphs. These have
    a density of their own in the published form; with a ``null`` they match the graph, and small-worldness is the matched form
    of :func:`small_worldness`. ``"erdos_renyi"`` keeps the density, ``"degree"`` the degrees; ``"lattice"`` is the other extreme,
    rings of the same density: the value then exceeds 1 where the graph gives up less of their clustering than of their path
    length.

    A network that diverged has weights that are not finite: all four are then NaN, and say so.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Learned weight of each edge, shape ``(E,)``.
        num_nodes: Number of neurons.
        quantile: Share of the weights that the graph leaves out, in 0 (none) to 1.
        over: What the quantile is one of, see :func:`strongest_edges`.
        null: Name of a null model, :data:`graphcortex.graphs.NULL_MODELS`; None is the published form.
        num_nulls: Number of random graphs. In the published form their statistics depend on ``num_nodes`` and ``rng`` alone and are
            kept; those of a null model are drawn for each graph (at 312 neurons ``"degree"`` takes 20 ms each, the others 1 to 10).
        rng: A generator, or an int seed, for the random graphs.

    Returns:
        The four results, each with what was done.

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range.

    Example:
        >>> nodes = torch.arange(40)
        >>> edge_index = torch.cartesian_prod(nodes, nodes).T
        >>> edge_weight = torch.randn(1600, generator=torch.Generator().manual_seed(0))
        >>> found = learned_graph_metrics(edge_index, edge_weight, num_nodes=40, num_nulls=20)
        >>> list(found.values()), found.edge_index.shape
        (['entropy', 'modularity', 'assortativity', 'small_worldness'], torch.Size([2, 154]))
    """
    check_graph(edge_index, edge_weight, num_nodes)
    quantile = check_number(quantile, "quantile", minimum=0, maximum=1)
    check_count(num_nulls, "num_nulls")
    matched = None if null is None else Nulls(get_null_model(null), num_nulls, rng)
    entropy = weight_entropy(edge_weight)
    if not bool(torch.isfinite(edge_weight).all()):
        method = "published" if matched is None else "matched"
        return _diverged(entropy, num_nodes, quantile, edge_index.new_empty(2, 0), method)
    pairs = strongest_edges(edge_index, edge_weight, num_nodes, quantile=quantile, over=over)
    if matched is None:
        small_world = small_worldness(pairs, None, num_nodes, num_nulls=num_nulls, rng=rng)
    else:
        small_world = small_worldness(pairs, None, num_nodes, method="matched", null=matched)
    return LearnedGraphMetrics(
        entropy=entropy,
        modularity=modularity(pairs, None, num_nodes, method="fast_greedy"),
        assortativity=assortativity(pairs, None, num_nodes),
        small_worldness=small_world,
        edge_index=pairs,
        quantile=quantile,
    )


def _diverged(
    entropy: WeightEntropy, num_nodes: int, quantile: float, no_pairs: torch.Tensor, method: str
) -> LearnedGraphMetrics:
    nan, reason = math.nan, entropy.reason
    return LearnedGraphMetrics(
        entropy=entropy,
        modularity=Modularity(value=nan, reason=reason, method="fast_greedy", membership=torch.arange(num_nodes)),
        assortativity=Assortativity(value=nan, reason=reason, num_pairs=0),
        small_worldness=SmallWorld(value=nan, reason=reason, method=method, clustering=nan, efficiency=nan),
        edge_index=no_pairs,
        quantile=quantile,
    )
