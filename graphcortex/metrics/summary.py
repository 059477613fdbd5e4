"""Everything that can be said of one graph, in one table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from tqdm import tqdm

from graphcortex._checks import check_count, check_edge_index, check_graph, check_number
from graphcortex._random import as_seed
from graphcortex._typing import EdgeIndex, EdgeValues, NodeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._result import Result
from graphcortex.metrics.anatomy_auc import anatomy_auc
from graphcortex.metrics.assortativity import assortativity_of
from graphcortex.metrics.clustering import clustering_of
from graphcortex.metrics.core import coreness_of
from graphcortex.metrics.eigenvalue_outliers import eigenvalue_outliers
from graphcortex.metrics.ensemble import Nulls, as_nulls, progress_bar
from graphcortex.metrics.entropy import not_finite_reason, weight_entropy
from graphcortex.metrics.graph_overlap import graph_overlap
from graphcortex.metrics.hubs import hubs_of
from graphcortex.metrics.length_distribution import length_distribution_of
from graphcortex.metrics.like_to_like import like_to_like
from graphcortex.metrics.modularity import Modularity, modularity_of
from graphcortex.metrics.motifs import motifs_of
from graphcortex.metrics.participation import participation_of
from graphcortex.metrics.paths import path_statistics_of
from graphcortex.metrics.pooled_nulls import Noted, PooledNulls
from graphcortex.metrics.reciprocity import reciprocity_of
from graphcortex.metrics.rich_club import rich_club_of
from graphcortex.metrics.singular_values import effective_dimension, singular_value_entropy
from graphcortex.metrics.small_world import small_worldness_of
from graphcortex.metrics.small_world_omega import small_world_omega_of
from graphcortex.metrics.small_world_propensity import small_world_propensity_of
from graphcortex.metrics.spectral_entropy import spectral_entropy_of
from graphcortex.metrics.spectral_radius import spectral_radius
from graphcortex.metrics.summary_table import Summary
from graphcortex.metrics.threshold import quantile_of_sizes
from graphcortex.metrics.weight_length import weight_length_correlation_of
from graphcortex.metrics.wiring_length import wiring_length_of

DENSE = 0.5
"""A graph of more than this share of all pairs is looked at through its strongest tenth, unless told otherwise."""

_FEW_NULLS = 5  # of lattices, and of random graphs for one number: they hardly vary
_MOST_PERMUTATIONS, _FEWEST_PERMUTATIONS, _EDGES_OF_MOST = 1000, 20, 100_000
_MOST_HUB_SOURCES, _FEWEST_HUB_SOURCES, _HUB_WORK = 256, 32, 150_000_000
_KDE_UP_TO = 1_000_000  # weights; more are binned


@dataclass(frozen=True, eq=False)
class _Subject:
    """One graph in the forms that metrics take, and their options."""

    edge_index: EdgeIndex
    edge_weight: EdgeValues | None
    num_nodes: int
    pos: torch.Tensor | None
    weighted: bool
    quantile: float
    null: Nulls | None
    num_sources: int | None
    num_permutations: int | None
    seed: int
    similarity: torch.Tensor | None
    features: torch.Tensor | None
    initial: tuple[EdgeIndex, EdgeValues | None] | None
    anatomy: EdgeIndex | None

    @property
    def signed(self) -> tuple[EdgeIndex, EdgeValues | None, int]:
        return self.edge_index, self.edge_weight, self.num_nodes

    @cached_property
    def threshold(self) -> float:
        """The size that an edge of the wiring has to exceed."""
        return _quantile(self.edge_weight, self.quantile)

    @cached_property
    def directed(self) -> SimpleGraph:
        """The edges above the threshold, with direction, weights and positions."""
        return simple_graph(*self.signed, threshold=self.threshold, pos=self.pos)

    @cached_property
    def arrows(self) -> SimpleGraph:
        """The graph whose wiring is looked at, with direction."""
        return self.directed if self.weighted else self.directed.unweighted()

    @cached_property
    def pairs(self) -> SimpleGraph:
        """The same without direction."""
        return self.arrows.undirected()

    @cached_property
    def modules(self) -> Modularity:
        return modularity_of(self.pairs, rng=self.seed)

    @property
    def hub_sources(self) -> int:
        """Sources of betweenness: fewer in large graphs, where each takes seconds."""
        return max(min(_MOST_HUB_SOURCES, _HUB_WORK // max(self.pairs.num_edges, 1)), _FEWEST_HUB_SOURCES)

    @property
    def permuted(self) -> dict[str, int]:
        number = self.num_permutations
        if number is None:
            most, edges = _MOST_PERMUTATIONS, max(self.directed.num_edges, 1)
            number = max(min(most, most * _EDGES_OF_MOST // edges), _FEWEST_PERMUTATIONS)
        return {"num_permutations": number, "rng": self.seed}

    def few(self, model: str) -> Nulls:
        """A few random graphs of another model, computed as the others are."""
        null = self.null
        return Nulls(model, min(null.num, _FEW_NULLS), null.rng, null.processes, null.cache, null.progress)


_WEIGHTS: dict[str, Callable[[_Subject], Result]] = {
    "weight_entropy": lambda s: weight_entropy(
        s.edge_weight, method="kde" if s.edge_weight.numel() <= _KDE_UP_TO else "binned"
    ),
    "spectral_radius": lambda s: spectral_radius(*s.signed),
    "eigenvalue_outliers": lambda s: eigenvalue_outliers(*s.signed),
    "singular_value_entropy": lambda s: singular_value_entropy(*s.signed, rng=s.seed),
    "effective_dimension": lambda s: effective_dimension(*s.signed, rng=s.seed),
}
_WIRING: dict[str, Callable[[_Subject], Result]] = {
    "modularity": lambda s: s.modules if s.null is None else modularity_of(s.pairs, null=s.null, rng=s.seed),
    "clustering": lambda s: clustering_of(s.pairs, null=s.null),
    "efficiency": lambda s: path_statistics_of(s.pairs, num_sources=s.num_sources, null=s.null, rng=s.seed),
    "assortativity": lambda s: assortativity_of(s.pairs, null=s.null),
    "reciprocity": lambda s: reciprocity_of(s.arrows, null=s.null),
    "rich_club": lambda s: rich_club_of(s.pairs, null=s.null),
    "coreness": lambda s: coreness_of(s.pairs, null=s.null),
    "motifs": lambda s: motifs_of(s.arrows, null=s.null),
    "participation": lambda s: participation_of(s.pairs, membership=s.modules.membership, null=s.null),
    "hubs": lambda s: hubs_of(s.pairs, membership=s.modules.membership, num_sources=s.hub_sources, rng=s.seed),
    "spectral_entropy": lambda s: spectral_entropy_of(s.pairs, rng=s.seed),
}
_SMALL_WORLD: dict[str, Callable[[_Subject], Result]] = {
    "small_worldness": lambda s: small_worldness_of(s.pairs, num_sources=s.num_sources, null=s.null, rng=s.seed),
    "small_world_omega": lambda s: small_world_omega_of(
        s.pairs, num_sources=s.num_sources, null=s.null, lattice=s.few("degree_lattice"), rng=s.seed
    ),
    "small_world_propensity": lambda s: small_world_propensity_of(
        s.pairs, num_sources=s.num_sources, null=s.few("erdos_renyi"), lattice=s.few("lattice"), rng=s.seed
    ),
}
_SPACE: dict[str, Callable[[_Subject], Result]] = {
    "wiring_length": lambda s: wiring_length_of(s.arrows, **s.permuted),
    "length_distribution": lambda s: length_distribution_of(s.arrows, **s.permuted),
    "weight_length_correlation": lambda s: weight_length_correlation_of(s.directed, **s.permuted),
}
_RELATIONS: dict[str, Callable[[_Subject], Result]] = {
    "like_to_like": lambda s: like_to_like(
        *s.signed, similarity=s.similarity, features=s.features, threshold=s.threshold, **s.permuted
    ),
    "initial_overlap": lambda s: graph_overlap(
        *s.signed,
        *s.initial,
        threshold=s.threshold,
        other_threshold=_quantile(s.initial[1], s.quantile),
        **s.permuted,
    ),
    "anatomy_auc": lambda s: anatomy_auc(*s.signed, s.anatomy, **s.permuted),
}
_NEEDS = {
    **dict.fromkeys(_WEIGHTS, "weights"),
    **dict.fromkeys(_SMALL_WORLD, "null"),
    **dict.fromkeys(_SPACE, "pos"),
    "like_to_like": "similarity or features",
    "initial_overlap": "initial",
    "anatomy_auc": "anatomy, and weights",
}
_AT_THRESHOLD = {*_WIRING, *_SMALL_WORLD, *_SPACE}


def summary(
    graph: Any,
    *,
    quantile: float | None = None,
    weighted: bool = False,
    pos: torch.Tensor | None = None,
    similarity: torch.Tensor | None = None,
    features: NodeValues | None = None,
    initial: Any = None,
    anatomy: EdgeIndex | None = None,
    null: str | Nulls | None = "degree",
    num_sources: int | None = None,
    num_permutations: int | None = None,
    only: Collection[str] | None = None,
    rng: RandomSource = 0,
    progress: bool = True,
) -> Summary:
    """Compute every metric that applies to a graph, each beside chance.

    Weights are looked at as they are, with their signs and self-connections: entropy, spectrum, effective dimension. Wiring is
    that of the edges above a threshold: modules, clustering, paths, small worlds, hubs, motifs and the rest, beside random graphs
    that are drawn once for all of them. Where there are positions come lengths, and where more is given its relations to function,
    to the initial weights and to anatomy, each with a permutation test. All functions are those of this package at their
    defaults, but for small-worldness, which is the matched form, and for fewer sources and permutations in large graphs; call one
    by itself for its other forms.

    Args:
        graph: Anything with ``edge_index``, ``edge_weight`` and ``num_nodes``, such as a :class:`~graphcortex.nn.GraphRNN` or PyG's
            ``Data``; a connectome, through its ``wiring()``; or the three in a tuple. Weights may be None.
        quantile: Share of the weights, by size, that is no wiring, in 0 to 1. By default 0.9 where more than half of all pairs
            have an edge, as in a learned matrix, and otherwise 0.
        weighted: Whether wiring metrics use the sizes of the weights above the threshold. If not, an edge is an edge.
        pos: Position of each neuron in um, shape ``(N, 3)``; the graph's own ``pos`` if not given.
        similarity: Functional similarity of each pair of neurons, shape ``(N, N)``, or of each edge, shape ``(E,)``, see
            :func:`like_to_like`.
        features: In its place, the response features of each neuron, shape ``(N, F)``.
        initial: The graph before learning, in any of the forms of ``graph``. Its wiring is what exceeds the same quantile of its
            own weights.
        anatomy: Anatomical connections that the weights may predict, shape ``(2, A)``.
        null: The random graphs: a name of :data:`graphcortex.graphs.NULL_MODELS`, :class:`Nulls`, or None for none; without them
            small-worldness is left out.
        num_sources: Sources of shortest paths; all up to a size and then a sample, if not given.
        num_permutations: Permutations of each test; 1,000 up to 100,000 edges, if not given, and fewer of more, down to 20.
        only: Names of the metrics wanted; all if None.
        rng: A generator, or an int seed.
        progress: Whether to show which metric is computed and how many random graphs are drawn, as by default; only where
            standard error is a terminal. Nothing is written to a pipe or a file.

    Returns:
        The metrics, see :class:`Summary`. Of a network that diverged, all are NaN and say so.

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range.

    Example:
        >>> nodes = torch.arange(30)
        >>> near = torch.cat([torch.stack((nodes, (nodes + step) % 30)) for step in (1, 2)], dim=1)
        >>> table = summary((near, None, 30), null=Nulls("degree", 10))
        >>> table["clustering"].value, table["reciprocity"].value, table["clustering"].z > 2
        (0.5, 0.0, True)
    """
    edge_index, edge_weight, num_nodes, own_pos = _parts(graph)
    _check(edge_index, edge_weight, num_nodes)
    seed = as_seed(rng)
    subject = _Subject(
        edge_index=edge_index,
        edge_weight=None if edge_weight is None else edge_weight.detach(),
        num_nodes=num_nodes,
        pos=own_pos if pos is None else pos,
        weighted=weighted,
        quantile=_usual_quantile(edge_index, num_nodes) if quantile is None else quantile,
        null=as_nulls(null),
        num_sources=num_sources,
        num_permutations=num_permutations,
        seed=seed,
        similarity=similarity,
        features=features,
        initial=None if initial is None else _parts(initial)[:2],
        anatomy=anatomy,
    )
    check_number(subject.quantile, "quantile", minimum=0, maximum=1)
    wanted = _applicable(subject)
    if only is not None:
        _check_only(only, wanted)
        wanted = {name: compute for name, compute in wanted.items() if name in only}
    if edge_weight is not None:
        not_finite = int((~torch.isfinite(edge_weight)).sum())
        if not_finite:
            reason = not_finite_reason(not_finite, edge_weight.numel())
            about = {"neurons": num_nodes, "edges": edge_index.size(1)}
            return Summary({name: Result(value=math.nan, reason=reason) for name in wanted}, about, {})
    if progress and subject.null is not None:
        subject = replace(subject, null=replace(subject.null, progress=True))
    with progress_bar("summary", len(wanted), "metric", show=progress) as bar:
        results, seconds = _compute(subject, wanted, bar)
    return Summary(results, _about(subject), seconds)


def _parts(graph: Any) -> tuple[EdgeIndex, EdgeValues | None, int, torch.Tensor | None]:
    """Return edges, weights, number of neurons and positions of what can stand for a graph."""
    if hasattr(graph, "wiring"):
        graph = graph.wiring()
    if isinstance(graph, tuple) and len(graph) == 3:
        return (*graph, None)
    if not hasattr(graph, "edge_index") or getattr(graph, "num_nodes", None) is None:
        raise ValueError(
            "graph must have edge_index, edge_weight and num_nodes, be a connectome, or be the three in a tuple; "
            f"got {type(graph).__name__}. The graph of a matrix W is (W.nonzero().T, W[W != 0], len(W))."
        )
    return graph.edge_index, getattr(graph, "edge_weight", None), graph.num_nodes, getattr(graph, "pos", None)


def _check(edge_index: EdgeIndex, edge_weight: EdgeValues | None, num_nodes: int) -> None:
    if edge_weight is None:
        check_edge_index(edge_index, check_count(num_nodes, "num_nodes"))
    else:
        check_graph(edge_index, edge_weight, num_nodes)


def _quantile(edge_weight: EdgeValues | None, quantile: float) -> float:
    """Return the size below which that share of the weights lies; 0 for none."""
    if edge_weight is None:
        return 0.0
    return quantile_of_sizes(edge_weight.detach().double().abs().cpu().numpy(), quantile)


def _usual_quantile(edge_index: EdgeIndex, num_nodes: int) -> float:
    return 0.9 if edge_index.size(1) > DENSE * num_nodes**2 else 0.0


def _applicable(subject: _Subject) -> dict[str, Callable[[_Subject], Result]]:
    """Return what can be computed with what was given, in the order of the table."""
    wanted = dict(_WIRING)
    if subject.edge_weight is not None:
        wanted = {**_WEIGHTS, **wanted}
    if subject.null is not None:
        wanted |= _SMALL_WORLD
    if subject.pos is not None:
        wanted |= _SPACE
    given = {
        "like_to_like": subject.similarity is not None or subject.features is not None,
        "initial_overlap": subject.initial is not None,
        "anatomy_auc": subject.anatomy is not None and subject.edge_weight is not None,
    }
    return wanted | {name: compute for name, compute in _RELATIONS.items() if given[name]}


def _check_only(only: Collection[str], wanted: Collection[str]) -> None:
    if isinstance(only, str):
        raise ValueError(f"only must be a list of names, got the string {only!r}; write [{only!r}].")
    unknown = sorted(set(only) - set(wanted))
    if unknown:
        got = ", ".join(f"{name} (which needs {_NEEDS[name]})" if name in _NEEDS else str(name) for name in unknown)
        raise ValueError(f"only must name metrics that apply here, got {got}; there are {', '.join(wanted)}.")


def _compute(
    subject: _Subject, wanted: dict[str, Callable[[_Subject], Result]], bar: tqdm
) -> tuple[dict[str, Result], dict[str, float]]:
    """Compute the metrics: first those that need no random graphs, and then, with these drawn once, the others."""
    pool = None if subject.null is None else PooledNulls(**vars(subject.null))
    if pool is not None:
        subject = replace(subject, null=pool)
    found: dict[str, Result] = {}
    seconds = dict.fromkeys(wanted, 0.0)

    def attempt(name: str) -> None:
        start = time.perf_counter()
        bar.set_description(name)
        try:
            result = wanted[name](subject)
            found[name] = replace(result, threshold=subject.threshold) if name in _AT_THRESHOLD else result
            bar.update()
        except Noted:
            pass
        seconds[name] += time.perf_counter() - start

    while missing := [name for name in wanted if name not in found]:
        for name in missing:
            attempt(name)
        if pool is not None and len(found) < len(wanted):
            start = time.perf_counter()
            bar.set_description("null graphs")
            pool.draw()
            seconds["null graphs"] = seconds.get("null graphs", 0.0) + time.perf_counter() - start
    return {name: found[name] for name in wanted}, seconds


def _about(subject: _Subject) -> dict[str, Any]:
    pairs = subject.num_nodes * (subject.num_nodes - 1)
    about = {
        "neurons": subject.num_nodes,
        "edges": subject.edge_index.size(1),
        "wiring": subject.directed.num_edges,
        "density": subject.directed.num_edges / pairs if pairs else math.nan,
        "quantile": subject.quantile,
        "threshold": subject.threshold,
        "weighted": subject.weighted,
    }
    if subject.null is not None:
        name = subject.null.model if isinstance(subject.null.model, str) else subject.null.model.name
        about["null"] = f"{subject.null.num} x {name}"
    return about
