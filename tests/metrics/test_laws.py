"""Every public metric obeys the laws of metrics.

To add a metric, add a line to ``METRICS``: its name, and what holds of it, as keywords of
:func:`graphcortex.testing.assert_metric_laws` (``scale=0``: has no unit; ``signs``, ``direction``, ``isolated_neurons``: does not
depend on them; ``bounds``; ``relabelling=False``: breaks ties by the numbers of neurons; ``repeated_edges=False``: counts the edges
as they are listed; ``of``: has a value per node, edge or pair). With no more than a name it is called with
``(edge_index, edge_weight, num_nodes)`` on graphs of ``edges(max_nodes=7)``, and its ``value`` is looked at. Otherwise say

- ``call=``, a function of those arguments, where it needs others, or what is tested is another field of what it returns;
- ``graphs=``, a strategy: ``geometric_graphs()`` hands positions on as fourth argument, and an ``AttributedGraph`` arguments with a
  value per neuron or edge, such as a membership;
- a name with a note, ``"modularity: modules"``, for one metric tested in several ways.

A public function that is no metric goes to ``NO_METRICS``, with the reason. ``OPS`` holds the functions of ``ops`` in the same way.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphcortex.metrics as metrics
import graphcortex.ops as ops
from graphcortex.metrics import Nulls
from graphcortex.testing import (
    AttributedGraph,
    assert_invariant_to_isolated_neurons,
    assert_metric_laws,
    edges,
    geometric_graphs,
    memberships,
)

Law = dict[str, Any]


def obeys(*, call: Callable | None = None, graphs: st.SearchStrategy | None = None, **laws: Any) -> Law:
    return {"call": call, "graphs": edges(max_nodes=7) if graphs is None else graphs, "laws": laws}


def together(edge_index, edge_weight, num_nodes, **options):
    """Return which neurons share a module: a partition without the names of its modules."""
    module = metrics.modularity(edge_index, edge_weight, num_nodes, **options).membership
    return module[:, None] == module[None, :]


def linked(edge_index, edge_weight, num_nodes):
    """Return the pairs that the strongest edges link, as a symmetric matrix."""
    pairs = metrics.strongest_edges(edge_index, edge_weight, num_nodes, quantile=0.5)
    matrix = torch.zeros(num_nodes, num_nodes)
    matrix[pairs[0], pairs[1]] = 1
    return matrix + matrix.T


def linked_at_all(edge_index, edge_weight, num_nodes):
    pairs = metrics.simple_edges(edge_index, num_nodes)
    matrix = torch.zeros(num_nodes, num_nodes)
    matrix[pairs[0], pairs[1]] = 1
    return matrix + matrix.T


def busiest(edge_index, edge_weight, num_nodes):
    table = metrics.busiest_edges(edge_index, edge_weight, num_nodes, top=None)
    return tuple(torch.tensor(table[name].to_numpy().copy()).sort().values for name in ("traffic", "communicability"))


def learned(edge_index, edge_weight, num_nodes):
    found = metrics.learned_graph_metrics(edge_index, edge_weight, num_nodes, quantile=0.5, num_nulls=3)
    return found.entropy, found.modularity, found.assortativity, found.small_worldness


def field(name: str, function: Callable, **options: Any) -> Callable:
    """Return a metric that is one field of what another returns: ``a.b`` is field b of field a."""

    def found(*arguments: Any, **named: Any) -> Any:
        return operator.attrgetter(name)(function(*arguments, **named, **options))

    return found


def unweighted(function: Callable, **options: Any) -> Callable:
    """Return a metric of the graph without its weights."""

    def found(edge_index, edge_weight, num_nodes, **named):
        return function(edge_index, None, num_nodes, **named, **options)

    return found


def with_modules(*names: str, max_nodes: int = 7) -> st.SearchStrategy:
    """Draw graphs whose neurons have a module, or several."""

    def attributes(graph):
        drawn = {name: memberships(graph.num_nodes, 3) for name in names}
        return st.fixed_dictionaries(drawn).map(lambda node: AttributedGraph(graph, node=node))

    return edges(max_nodes=max_nodes).flatmap(attributes)


def with_angles() -> st.SearchStrategy:
    """Draw graphs whose neurons prefer an angle."""

    def attributes(graph):
        sixths = st.lists(st.integers(0, 5), min_size=graph.num_nodes, max_size=graph.num_nodes)
        angle = sixths.map(lambda n: torch.tensor(n, dtype=torch.float64) * torch.pi / 6)
        return angle.map(lambda values: AttributedGraph(graph, node={"features": values}))

    return edges(max_nodes=6).flatmap(attributes)


def with_other_weights() -> st.SearchStrategy:
    """Draw graphs whose edges have a second weight of at least 0; where it is 0, a second graph has no edge."""

    def attributes(graph):
        number = graph.edge_index.size(1)
        other = st.lists(st.integers(0, 3), min_size=number, max_size=number)
        return other.map(lambda n: AttributedGraph(graph, edge={"other": torch.tensor(n, dtype=torch.float64)}))

    return edges(max_nodes=6).flatmap(attributes)


def angular(edge_index, edge_weight, num_nodes, features, **options):
    return metrics.like_to_like(
        edge_index, edge_weight, num_nodes, features=features, measure="orientation", num_permutations=3, **options
    )


def overlap(edge_index, edge_weight, num_nodes, other, **options):
    return metrics.graph_overlap(edge_index, edge_weight, num_nodes, edge_index, other, num_permutations=3, **options)


def auc(edge_index, edge_weight, num_nodes, other, **options):
    anatomy = edge_index[:, other > 1]
    return metrics.anatomy_auc(edge_index, edge_weight, num_nodes, anatomy, num_permutations=3, **options)


def bulk(edge_index, edge_weight, num_nodes, **options):
    found = metrics.eigenvalue_outliers(edge_index, edge_weight, num_nodes, **options)
    return found.bulk_center, found.bulk_radius


UNDIRECTED = {"direction": True, "signs": True, "scale": 0}
DIRECTED = {"signs": True, "scale": 0}
FEW = {"num_permutations": 3}

METRICS = {
    "adjusted_mutual_information": obeys(
        call=lambda e, w, n, first, second: metrics.adjusted_mutual_information(first, second),
        graphs=with_modules("first", "second"), **UNDIRECTED, bounds=(-math.inf, 1),
    ),
    "anatomy_auc": obeys(call=auc, graphs=with_other_weights(), **UNDIRECTED, bounds=(0, 1)),
    "anatomy_auc: pairs": obeys(
        call=functools.partial(auc, null="pairs", directed=False), graphs=with_other_weights(), **UNDIRECTED, bounds=(0, 1)
    ),
    "assortativity": obeys(**UNDIRECTED, isolated_neurons=True, bounds=(-1, 1)),
    "busiest_edges": obeys(call=busiest, repeated_edges=False, signs=True, scale=0),
    "clustering": obeys(**UNDIRECTED, bounds=(0, 1)),
    "clustering: neurons": obeys(
        call=field("local", metrics.clustering), of="node", **UNDIRECTED, isolated_neurons=True, bounds=(0, 1)
    ),
    "clustering: directed": obeys(
        call=field("local", metrics.clustering, directed=True), of="node", **DIRECTED, isolated_neurons=True, bounds=(0, 1)
    ),
    "consensus_modules": obeys(
        call=functools.partial(metrics.consensus_modules, num_runs=3), **UNDIRECTED, relabelling=False,
        isolated_neurons=True, bounds=(0, 1),
    ),
    "consensus_modules: stability": obeys(
        call=field("stability", metrics.consensus_modules, num_runs=3), **UNDIRECTED, relabelling=False, nan=True,
        bounds=(-math.inf, 1),
    ),
    "coreness": obeys(**UNDIRECTED, isolated_neurons=True, bounds=(0, 6)),
    "coreness: neurons": obeys(
        call=field("coreness", metrics.coreness), of="node", **UNDIRECTED, isolated_neurons=True, bounds=(0, 6)
    ),
    "coreness: inputs": obeys(
        call=field("coreness", metrics.coreness, directed=True, counted="in"), of="node", **DIRECTED,
        isolated_neurons=True, bounds=(0, 6),
    ),
    "effective_dimension": obeys(scale=0, isolated_neurons=True, bounds=(1, 7)),
    "effective_dimension: entropy": obeys(
        call=functools.partial(metrics.effective_dimension, method="entropy"), scale=0, isolated_neurons=True, bounds=(1, 7)
    ),
    "effective_dimension: rank": obeys(
        call=functools.partial(metrics.effective_dimension, method="effective_rank"), scale=0, isolated_neurons=True,
        bounds=(1, 7),
    ),
    "eigenvalue_outliers": obeys(scale=0, bounds=(0, 7)),
    "eigenvalue_outliers: bulk": obeys(call=bulk, scale=1, nan=True),
    "graph_overlap": obeys(
        call=overlap, graphs=with_other_weights(), **UNDIRECTED, isolated_neurons=True, bounds=(0, 1)
    ),
    "graph_overlap: degrees": obeys(
        call=functools.partial(overlap, null="degree"), graphs=with_other_weights(), **UNDIRECTED, isolated_neurons=True,
        bounds=(0, 1),
    ),
    # Halves of an edge add up to it, but each half has the whole weight of the second graph.
    "graph_overlap: weights": obeys(
        call=field("weight_correlation", overlap), graphs=with_other_weights(), **UNDIRECTED, repeated_edges=False,
        isolated_neurons=True, bounds=(-1, 1),
    ),
    "hubs": obeys(**UNDIRECTED, bounds=(0, 1)),
    "hubs: scores": obeys(
        call=field("score", metrics.hubs, measures=("degree", "strength", "betweenness", "coreness")), of="node",
        **UNDIRECTED, bounds=(0, 4),
    ),
    "hubs: ranks": obeys(call=field("rank", metrics.hubs, directed=True), of="node", **DIRECTED, bounds=(0, 1)),
    "hubs: gini": obeys(call=field("gini", metrics.hubs), **UNDIRECTED, nan=True, bounds=(0, 1)),
    "learned_graph_metrics": obeys(call=learned, relabelling=False, repeated_edges=False, scale=0),
    "length_distribution": obeys(
        call=functools.partial(metrics.length_distribution, **FEW), graphs=geometric_graphs(coincident=True, zeros=True),
        **UNDIRECTED, bounds=(0, math.inf),
    ),
    "length_distribution: ks": obeys(
        call=field("ks", metrics.length_distribution, **FEW), graphs=geometric_graphs(), **UNDIRECTED, bounds=(0, 1)
    ),
    "like_to_like": obeys(call=angular, graphs=with_angles(), **UNDIRECTED, isolated_neurons=True, bounds=(-1, 1)),
    "like_to_like: presence": obeys(
        call=functools.partial(angular, relation="presence"), graphs=with_angles(), **UNDIRECTED, bounds=(-2, 2)
    ),
    "modularity": obeys(**UNDIRECTED, relabelling=False, isolated_neurons=True, bounds=(0, 1)),
    "modularity: modules": obeys(call=together, **UNDIRECTED, of="pair", relabelling=False, isolated_neurons=True),
    "motifs": obeys(**DIRECTED, isolated_neurons=True, bounds=(0, 1)),
    "motifs: counts": obeys(call=field("counts", metrics.motifs), **DIRECTED, isolated_neurons=True, bounds=(0, math.inf)),
    "motifs: undirected": obeys(
        call=field("counts", metrics.motifs, directed=False), **UNDIRECTED, isolated_neurons=True, bounds=(0, math.inf)
    ),
    "participation": obeys(graphs=with_modules("membership"), **UNDIRECTED, isolated_neurons=True, bounds=(0, 2 / 3)),
    "participation: neurons": obeys(
        call=field("coefficient", metrics.participation, weighted=True, directed=True, counted="out"),
        graphs=with_modules("membership"), of="node", **DIRECTED, isolated_neurons=True, bounds=(0, 2 / 3),
    ),
    "participation: within modules": obeys(
        call=field("within_module_z", metrics.participation), graphs=with_modules("membership"), of="node", **UNDIRECTED
    ),
    "path_statistics": obeys(signs=True, scale=1, bounds=(0, math.inf)),
    "path_statistics: length": obeys(
        call=field("path_length", metrics.path_statistics), signs=True, scale=-1, isolated_neurons=True, nan=True,
        bounds=(0, math.inf),
    ),
    "path_statistics: undirected": obeys(
        call=functools.partial(metrics.path_statistics, directed=False), signs=True, direction=True, scale=1,
        bounds=(0, math.inf),
    ),
    "path_statistics: steps": obeys(
        call=unweighted(metrics.path_statistics, directed=False), **UNDIRECTED, bounds=(0, 1)
    ),
    "path_statistics: reachable": obeys(
        call=field("reachable", metrics.path_statistics), **DIRECTED, nan=True, bounds=(0, 1)
    ),
    "reciprocity": obeys(**DIRECTED, isolated_neurons=True, bounds=(0, 1)),
    "reciprocity: weights": obeys(
        call=functools.partial(metrics.reciprocity, weighted=True), **DIRECTED, isolated_neurons=True, bounds=(0, 1)
    ),
    "reciprocity: rho": obeys(
        call=field("rho", metrics.reciprocity, weighted=True), **DIRECTED, nan=True, bounds=(-1, 1)
    ),
    # Random graphs of the same degrees come from swaps of edges, which are told apart by the numbers of their neurons.
    "rich_club": obeys(
        call=functools.partial(metrics.rich_club, min_size=2, null=Nulls("degree", 3)), **UNDIRECTED, relabelling=False,
        isolated_neurons=True, bounds=(0, math.inf),
    ),
    "rich_club: curve": obeys(
        call=field("phi", metrics.rich_club, weighted=True), **UNDIRECTED, nan=True, isolated_neurons=True, bounds=(0, 1)
    ),
    "rich_club: directed": obeys(
        call=field("phi", metrics.rich_club, directed=True), **DIRECTED, nan=True, isolated_neurons=True, bounds=(0, 1)
    ),
    "simple_edges": obeys(call=linked_at_all, **UNDIRECTED, of="pair", isolated_neurons=True),
    "singular_value_entropy": obeys(scale=0, isolated_neurons=True, bounds=(0, math.log2(7))),
    "small_world_omega": obeys(
        call=functools.partial(
            metrics.small_world_omega, null=Nulls("degree", 3), lattice=Nulls("degree_lattice", 2)
        ), **UNDIRECTED, relabelling=False,
    ),
    # What is drawn from the numbers of neurons and edges alone does not depend on which neurons have them.
    "small_world_omega: any degrees": obeys(
        call=functools.partial(metrics.small_world_omega, null=Nulls("erdos_renyi", 3), lattice=Nulls("lattice", 2)),
        **UNDIRECTED,
    ),
    "small_world_propensity": obeys(
        call=functools.partial(metrics.small_world_propensity, null=Nulls("erdos_renyi", 3), lattice=Nulls("lattice", 2)),
        **UNDIRECTED, relabelling=False, bounds=(0, 1),
    ),
    "small_world_propensity: steps": obeys(
        call=unweighted(metrics.small_world_propensity, null=Nulls("erdos_renyi", 3), lattice=Nulls("lattice", 2)),
        **UNDIRECTED, bounds=(0, 1),
    ),
    "small_worldness": obeys(
        call=functools.partial(metrics.small_worldness, num_nulls=5), **UNDIRECTED, bounds=(0, math.inf)
    ),
    "small_worldness: matched": obeys(
        call=functools.partial(metrics.small_worldness, method="matched", null=Nulls("degree", 3)), **UNDIRECTED,
        relabelling=False, bounds=(0, math.inf),
    ),
    "spectral_entropy": obeys(**UNDIRECTED, isolated_neurons=True, bounds=(0, math.log2(6))),
    "spectral_radius": obeys(scale=1, isolated_neurons=True, bounds=(0, math.inf), graphs=edges(signed=False)),
    "strongest_edges": obeys(call=linked, **UNDIRECTED, of="pair", repeated_edges=False, isolated_neurons=True),
    # Its entropy of weights and its quantile count the edges as they are listed; its modules break ties by numbers.
    "summary": obeys(
        call=lambda e, w, n: metrics.summary((e, w, n), null=Nulls("degree", 2), quantile=0.25), graphs=edges(max_nodes=5),
        relabelling=False, repeated_edges=False,
    ),
    "weight_entropy": obeys(
        call=lambda e, w, n: metrics.weight_entropy(w), repeated_edges=False, scale=0, isolated_neurons=True, direction=True,
        bounds=(0, math.log2(100)),
    ),
    "weight_length_correlation": obeys(
        call=functools.partial(metrics.weight_length_correlation, **FEW),
        graphs=geometric_graphs(coincident=True, signed=True, zeros=True), **UNDIRECTED, isolated_neurons=True,
        bounds=(-1, 1),
    ),
    "weight_length_correlation: pearson": obeys(
        call=field("pearson", metrics.weight_length_correlation, **FEW), graphs=geometric_graphs(signed=True),
        **UNDIRECTED, isolated_neurons=True, bounds=(-1, 1),
    ),
    "wiring_length": obeys(
        call=functools.partial(metrics.wiring_length, **FEW), graphs=geometric_graphs(coincident=True, zeros=True),
        **UNDIRECTED, isolated_neurons=True, bounds=(0, 600),
    ),
    "wiring_length: weighted": obeys(
        call=functools.partial(metrics.wiring_length, weighted=True, **FEW), graphs=geometric_graphs(signed=True),
        **UNDIRECTED, isolated_neurons=True, bounds=(0, 600),
    ),
    "wiring_length: total": obeys(
        call=field("total", metrics.wiring_length, weighted=True, **FEW), graphs=geometric_graphs(signed=True), signs=True,
        direction=True, scale=1, isolated_neurons=True, bounds=(0, math.inf),
    ),
}  # fmt: skip

NO_METRICS = {
    "metric_label": "a name",
    "compare": "a table of two summaries",
    "decoding_time_course": "measures states, not a graph",
    "dimensionality": "measures states, not a graph",
    "evolution": "follows the graph of a training run over its checkpoints",
    "largest_lyapunov_exponent": "measures the dynamics of a model, not its graph alone",
    "null_distribution": "computes any function in random graphs, and has the laws of that function",
    "participation_ratio": "measures states, not a graph",
    "random_null_statistics": "depends on no graph, only on its number of neurons",
    "selectivity": "measures states, not a graph",
}

OPS = {
    "communicability_matrix": obeys(of="pair", signs=True, scale=0, bounds=(0, math.inf)),
    "communicability": obeys(of="edge", signs=True, scale=0, bounds=(0, math.inf)),
    "edge_length": obeys(
        call=lambda e, w, n, pos: ops.edge_length(e, pos),
        graphs=geometric_graphs(coincident=True),
        of="edge",
        direction=True,
    ),
    "edge_traffic": obeys(of="edge", signs=True, scale=0, bounds=(0, math.inf)),
    "in_strength": obeys(of="node", scale=1, isolated_neurons=True, graphs=edges(signed=False), signs=True),
    "out_strength": obeys(of="node", scale=1, isolated_neurons=True, graphs=edges(signed=False), signs=True),
    "spectral_radius": obeys(scale=1, isolated_neurons=True, bounds=(0, math.inf), graphs=edges(signed=False)),
    "total_communicability": obeys(of="node", signs=True, scale=0, bounds=(0, math.inf)),
}


def check(place: Any, name: str, law: Law, graph: Any) -> None:
    function = law["call"] or getattr(place, name.split(":")[0])
    assert_metric_laws(function, graph, **law["laws"])


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=20)
@given(data=st.data())
def test_metrics_obey_their_laws(name, data):
    check(metrics, name, METRICS[name], data.draw(METRICS[name]["graphs"]))


@pytest.mark.parametrize("name", OPS)
@settings(max_examples=25)
@given(data=st.data())
def test_operations_obey_their_laws(name, data):
    check(ops, name, OPS[name], data.draw(OPS[name]["graphs"]))


def public_functions() -> set[str]:
    return {name for name in metrics.__all__ if inspect.isfunction(getattr(metrics, name))}


def test_no_metric_is_forgotten():
    named = {name.split(":")[0] for name in METRICS}
    missing, unknown = public_functions() - named - set(NO_METRICS), (named | set(NO_METRICS)) - public_functions()
    assert not missing, f"add a line to METRICS for {sorted(missing)}, or to NO_METRICS with a reason"
    assert not unknown, f"these are no public functions of graphcortex.metrics: {sorted(unknown)}"
    assert not named & set(NO_METRICS)
    assert all(NO_METRICS.values())


def test_a_law_that_does_not_hold_would_be_noticed():
    """Small-worldness averages over all neurons, and entropy has signs: the laws above are not kept by everything."""
    graph = edges(max_nodes=7)

    @settings(database=None)
    @given(graph=graph)
    def isolated(graph):
        assert_invariant_to_isolated_neurons(METRICS["small_worldness"]["call"], graph)

    @settings(database=None)
    @given(graph=graph)
    def signs(graph):
        assert_metric_laws(METRICS["weight_entropy"]["call"], graph, repeated_edges=False, signs=True)

    with pytest.raises(AssertionError, match="depends on neurons without edges"):
        isolated()
    with pytest.raises(AssertionError, match="depends on the signs of weights"):
        signs()
