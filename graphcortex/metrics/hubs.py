"""Hubs: the neurons that several measures of importance agree on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch

from graphcortex._checks import check_choice, check_count, check_number
from graphcortex._random import as_seed, numpy_generator
from graphcortex._ties import ROUNDING, merge_ties
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, _igraph, simple_graph
from graphcortex.metrics._result import Result
from graphcortex.metrics.core import coreness_of
from graphcortex.metrics.ensemble import Nulls, as_nulls
from graphcortex.metrics.participation import check_membership, participation_of

MEASURES = ("degree", "strength", "betweenness", "coreness", "participation")


@dataclass(frozen=True, eq=False, kw_only=True)
class Hubs(Result):
    """The share of neurons that are hubs, and who they are.

    Attributes:
        neurons: The hubs, ascending, int64, shape ``(H,)``.
        score: In how many measures each neuron is at the top, int64, shape ``(N,)``.
        rank: Mean over the measures of the share of the other neurons that lie below a neuron (half of those beside it), in
            [0, 1], float64, shape ``(N,)``.
        measures: Values of each measure, float64, shape ``(N,)`` each.
        gini: Gini coefficient of the degrees (of the strengths, where these are a measure and degrees are not): 0 if all
            are alike, ``1 - 1/N`` if one neuron has all; NaN without edges.
        num_sources: From how many neurons shortest paths were counted; 0 where betweenness is no measure.
    """

    neurons: torch.Tensor
    score: torch.Tensor
    rank: torch.Tensor
    measures: Mapping[str, torch.Tensor]
    gini: float
    num_sources: int

    def table(self) -> pd.DataFrame:
        """Return a row per neuron: every measure, ``score``, ``rank`` and ``is_hub``."""
        table = pd.DataFrame({name: values.numpy() for name, values in self.measures.items()})
        table["score"], table["rank"] = self.score.numpy(), self.rank.numpy()
        table["is_hub"] = table.index.isin(self.neurons.numpy())
        return table.rename_axis("neuron")


def hubs(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    measures: Sequence[str] | None = None,
    membership: torch.Tensor | None = None,
    top: float = 0.2,
    min_score: int = 2,
    num_sources: int | None = 256,
    directed: bool = False,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
    rng: RandomSource = 0,
) -> Hubs:
    r"""Find the neurons that are among the highest in several measures.

    .. math::
        s_i = \left| \left\{ m : \tfrac{1}{N} \, | \{ j : m_j \ge m_i \} | \le q \right\} \right|, \qquad
        \text{value} = \frac{1}{N} \, | \{ i : s_i \ge s_\text{min} \} |,

    the score :math:`s_i` being the number of measures :math:`m` in which neuron :math:`i` is in the top share :math:`q`. Neurons
    that are alike are there together or not at all, so that no measure names more than the share, and one that does not tell
    neurons apart names none. The value is in [0, 1].

    The measures are the ``"degree"``; the ``"strength"``, the sum of weights; the ``"betweenness"``, the number of shortest
    paths in steps between other neurons that run through a neuron; the ``"coreness"``, see :func:`coreness`; and the
    ``"participation"``, see :func:`participation`. In a directed graph, inputs and outputs count together, and paths follow
    the edges.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, which says where there is none (0), and is what strengths are sums of;
            None for an unweighted graph.
        num_nodes: Number of neurons.
        measures: Which measures; None for degree, betweenness, coreness and, where ``membership`` is given, participation.
        membership: Module of each neuron, integer codes, shape ``(N,)``.
        top: The share :math:`q`, above 0 and at most 1.
        min_score: In how many measures a hub is at the top, at least 1.
        num_sources: From how many neurons, drawn at random, shortest paths are counted, which are then scaled up to all
            neurons without bias (Brandes & Pich 2007); all paths are counted if there are no more neurons, or for None. Each
            source costs a walk over all edges.
        directed: Whether edges keep their direction.
        threshold: Edges that are not above it in size are no edges; at least 0, in the unit of the weights.
        null: Random graphs to compare with.
        rng: A generator, or an int seed, for the sources of paths.

    Returns:
        The share of hubs, the scores and the measures. 0, with the reason, if no edge joins two neurons.

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range; if a hub would need more measures than there
            are; or if participation is asked for without modules.

    References:
        van den Heuvel, Mandl, Stam, Kahn & Hulshoff Pol (2010). Aberrant frontal and temporal complex network structure in
        schizophrenia: a graph theoretical analysis. J. Neurosci. 30. https://doi.org/10.1523/JNEUROSCI.2874-10.2010

        Brandes & Pich (2007). Centrality estimation in large networks. Int. J. Bifurc. Chaos 17.
        https://doi.org/10.1142/S0218127407018403

    Example:
        >>> two_stars = torch.tensor([[0, 0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6, 7]])
        >>> found = hubs(two_stars, None, num_nodes=10)
        >>> found.value, found.neurons.tolist(), found.score[:3].tolist()
        (0.2, [0, 1], [2, 2, 0])
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    return hubs_of(
        graph,
        measures=measures,
        membership=membership,
        top=top,
        min_score=min_score,
        num_sources=num_sources,
        threshold=threshold,
        null=null,
        rng=rng,
    )


def hubs_of(
    graph: SimpleGraph,
    *,
    measures: Sequence[str] | None = None,
    membership: torch.Tensor | None = None,
    top: float = 0.2,
    min_score: int = 2,
    num_sources: int | None = 256,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
    rng: RandomSource = 0,
) -> Hubs:
    """Find the hubs of a simple graph; see :func:`hubs`."""
    names = _check_measures(measures, membership)
    module = None if membership is None else check_membership(membership, graph.num_nodes)
    top = check_number(top, "top", maximum=1, above=0)
    if check_count(min_score, "min_score") > len(names):
        raise ValueError(f"min_score must be at most the number of measures, {len(names)}; got {min_score}.")
    N = graph.num_nodes
    num_sources = N if num_sources is None else min(check_count(num_sources, "num_sources"), N)
    seed = as_seed(rng)
    nulls = as_nulls(null)
    if "strength" not in names:
        graph = graph.unweighted()
    how = {"names": names, "module": module, "num_sources": num_sources, "seed": int(seed)}
    values = _measure(graph, **how)
    score = _scores(values, top)
    spread = "strength" if "strength" in names and "degree" not in names else "degree"
    fields = {}
    if nulls is not None and graph.num_edges:
        fields = nulls.distribution(partial(_share_of_hubs, top=top, min_score=min_score, **how), graph).fields()
    counts_paths = "betweenness" in names
    return Hubs(
        value=float((score >= min_score).mean()),
        reason="" if graph.num_edges else "no edge joins two neurons",
        threshold=threshold,
        seed=int(seed) if counts_paths and num_sources < N else None,
        neurons=torch.from_numpy(np.flatnonzero(score >= min_score)),
        score=torch.from_numpy(score),
        rank=torch.from_numpy(np.mean([_ranks(found) for found in values.values()], axis=0)),
        measures={name: torch.tensor(found) for name, found in values.items()},
        gini=gini(getattr(graph, spread)),
        num_sources=num_sources if counts_paths else 0,
        **fields,
    )


def gini(values: np.ndarray) -> float:
    """Return the Gini coefficient of values of at least 0: the mean difference of two of them over twice their mean."""
    x = np.sort(values).astype(float)
    if not x[-1] > 0:
        return math.nan
    x = x / x[-1]
    return float((2 * np.arange(1, x.size + 1) - x.size - 1) @ x / (x.size * x.sum()))


def _check_measures(measures: Sequence[str] | None, membership: torch.Tensor | None) -> tuple[str, ...]:
    if measures is None:
        return ("degree", "betweenness", "coreness") + (() if membership is None else ("participation",))
    if isinstance(measures, str) or not measures or len(set(measures)) != len(measures):
        raise ValueError(f"measures must be a list of different names, got {measures!r}.")
    for name in measures:
        check_choice(name, "measures", MEASURES)
    if "participation" in measures and membership is None:
        raise ValueError("membership must be given where participation is a measure, got None.")
    return tuple(measures)


def _measure(
    graph: SimpleGraph, *, names: tuple[str, ...], module: np.ndarray | None, num_sources: int, seed: int
) -> dict[str, np.ndarray]:
    """Return each measure, float64, shape ``(N,)``."""
    measure = {
        "degree": lambda: graph.degree.astype(float),
        "strength": lambda: graph.strength,
        "betweenness": lambda: _betweenness(graph, num_sources, seed),
        "coreness": lambda: coreness_of(graph).coreness.double().numpy(),
        "participation": lambda: participation_of(graph, membership=torch.from_numpy(module)).coefficient.numpy(),
    }
    return {name: measure[name]() for name in names}


def _betweenness(graph: SimpleGraph, num_sources: int, seed: int) -> np.ndarray:
    N = graph.num_nodes
    if num_sources == N:
        return _igraph.betweenness(graph.igraph)
    sources = np.sort(numpy_generator(seed).choice(N, num_sources, replace=False))
    return _igraph.betweenness(graph.igraph, sources) * (N / num_sources)


def _share_of_hubs(
    graph: SimpleGraph,
    *,
    names: tuple[str, ...],
    module: np.ndarray | None,
    num_sources: int,
    seed: int,
    top: float,
    min_score: int,
) -> float:
    values = _measure(graph, names=names, module=module, num_sources=num_sources, seed=seed)
    return float((_scores(values, top) >= min_score).mean())


def _scores(values: Mapping[str, np.ndarray], top: float) -> np.ndarray:
    """Return in how many measures each neuron is in the top share, int64, shape ``(N,)``."""
    score = 0
    for found in values.values():
        below, _ = _positions(found)
        score = score + (found.size - below <= top * found.size * (1 + 1e-12))
    return score.astype(np.int64)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the share of the other neurons that lie below each neuron, half of those beside it, shape ``(N,)``."""
    below, up_to = _positions(values)
    return (below + (up_to - below - 1) / 2) / max(values.size - 1, 1)


def _positions(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many neurons lie below each neuron, and how many lie no higher, both shape ``(N,)``."""
    values = merge_ties(values, ROUNDING * np.abs(values).max(initial=0.0))
    ascending = np.sort(values)
    return np.searchsorted(ascending, values, side="left"), np.searchsorted(ascending, values, side="right")
