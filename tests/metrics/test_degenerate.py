"""No metric crashes, hangs, warns, or is silently not a number, whatever graph it meets.

Every line of ``METRICS`` in ``test_laws.py`` is called on every graph below, in one process of their own: should a C library
crash or hang, that process says where, and the tests of that metric fail.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import graphcortex.metrics as metrics
from graphcortex.testing import Edges, assert_finite_or_reason, assert_scale_invariant
from graphcortex.testing.graphs import AttributedGraph, GeometricGraph
from tests.metrics.test_laws import METRICS

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240  # some thirty times what it takes, and less than the limit of a test


def weighted(edge_index: torch.Tensor, num_nodes: int, scale: float = 1.0) -> Edges:
    size = 1 + torch.arange(edge_index.size(1), dtype=torch.float64) % 4
    return Edges(edge_index, scale * size, num_nodes)


def all_pairs(num_nodes: int) -> torch.Tensor:
    nodes = torch.arange(num_nodes)
    return torch.cartesian_prod(nodes, nodes)[~torch.eye(num_nodes, dtype=torch.bool).flatten()].T.contiguous()


def with_one(value: float) -> Edges:
    graph = weighted(WIRED, 12)
    graph.edge_weight[3] = value
    return graph


WIRED = torch.tensor([[0, 1, 2, 0, 4, 5, 6, 7, 8, 3, 9, 2, 1], [1, 2, 0, 3, 5, 6, 4, 8, 9, 4, 7, 1, 3]])
NONE = torch.zeros(2, 0, dtype=torch.int64)
LOOPS = torch.arange(5).repeat(2, 1)
PIECES = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 8], [1, 2, 0, 4, 5, 3, 7, 9]])
STAR = torch.stack((torch.zeros(11, dtype=torch.int64), torch.arange(1, 12)))

GRAPHS = {
    "no edges": weighted(NONE, 6),
    "one neuron": weighted(NONE, 1),
    "one neuron with a self-connection": weighted(torch.zeros(2, 1, dtype=torch.int64), 1),
    "two neurons": weighted(torch.tensor([[0], [1]]), 2),
    "two neurons, both ways": weighted(torch.tensor([[0, 1], [1, 0]]), 2),
    "two neurons without edges": weighted(NONE, 2),
    "self-connections only": weighted(LOOPS, 5),
    "in pieces": weighted(PIECES, 14),
    "all weights equal": Edges(WIRED, torch.full((WIRED.size(1),), 0.1, dtype=torch.float64), 12),
    "all weights 0": Edges(WIRED, torch.zeros(WIRED.size(1), dtype=torch.float64), 12),
    "weights that cancel": Edges(PIECES.repeat(1, 2), torch.tensor([1.0, -1.0]).double().repeat_interleave(8), 14),
    "complete": weighted(all_pairs(8), 8),
    "complete, all weights equal": Edges(all_pairs(8), torch.ones(56, dtype=torch.float64), 8),
    "a star": weighted(STAR, 12),
    "a star, inwards": weighted(STAR.flip(0), 12),
    "tiny weights": weighted(WIRED, 12, 1e-300),
    "huge weights": weighted(WIRED, 12, -1e300),
    "tiny and huge weights": Edges(WIRED, torch.tensor([1e-300, 1e300] * 6 + [1.0], dtype=torch.float64), 12),
    "single precision": Edges(WIRED, torch.rand(13, generator=torch.Generator().manual_seed(0)), 12),
}
NOT_FINITE = {"a weight is NaN": with_one(math.nan), "a weight is infinite": with_one(-math.inf)}
ABOVE = 1e301
"""A threshold that no weight exceeds."""
UNITS = (2.0**-1000, 2.0**1000)
"""Squares of these are 0 and infinite, which must not be seen in a result."""

NEEDS = {
    "adjusted_mutual_information": ("first", "second"),
    "anatomy_auc": ("other",),
    "graph_overlap": ("other",),
    "length_distribution": ("pos",),
    "like_to_like": ("features",),
    "participation": ("membership",),
    "weight_length_correlation": ("pos",),
    "wiring_length": ("pos",),
}
"""What a metric is given besides the graph."""

TELL_OF_BAD_WEIGHTS = {"learned_graph_metrics", "summary", "weight_entropy"}
"""A network that diverged has these too: NaN, and why."""
DO_NOT_READ_WEIGHTS = {
    "adjusted_mutual_information",
    "path_statistics: steps",
    "simple_edges",
    "small_world_propensity: steps",
}


def attributed(name: str, graph: Edges) -> AttributedGraph:
    """Return a graph with what a metric needs besides it."""
    needs = NEEDS.get(name.split(":")[0], ())
    N, E = graph.num_nodes, graph.edge_index.size(1)
    node = {
        "first": torch.arange(N) % 3,
        "second": torch.arange(N) // 3,
        "membership": torch.arange(N) % 3,
        "features": torch.arange(N, dtype=torch.float64) % 5,
    }
    edge = {"other": torch.arange(E, dtype=torch.float64) % 4}
    place = torch.stack((torch.arange(N) % 7, torch.arange(N) % 3, torch.zeros(N)), dim=1).double() * 10
    return AttributedGraph(
        GeometricGraph(*graph, place) if "pos" in needs else graph,
        node={key: value for key, value in node.items() if key in needs},
        edge={key: value for key, value in edge.items() if key in needs},
    )


def function_of(name: str) -> Callable:
    return METRICS[name]["call"] or getattr(metrics, name.split(":")[0])


def runs(function: Callable, graph: AttributedGraph) -> None:
    """Check no more than that it ends: of a field of a result, the reason for NaN is elsewhere."""
    positional, named = graph.arguments()
    function(*positional, **named)


def checks(name: str) -> dict[str, Callable[[], None]]:
    """Return all that is checked of a metric, by what the graph is."""
    function, laws = function_of(name), METRICS[name]["laws"]
    check = runs if laws.get("nan") else assert_finite_or_reason
    found = {
        kind: functools.partial(check, function, attributed(name, graph))
        for kind, graph in {**GRAPHS, **NOT_FINITE}.items()
    }
    whole = attributed(name, GRAPHS["complete"])
    if "threshold" in inspect.signature(getattr(metrics, name.split(":")[0])).parameters:
        above = functools.partial(function, threshold=ABOVE)
        found["nothing above the threshold"] = functools.partial(check, above, whole)
    if laws.get("scale") is not None:
        wired = attributed(name, weighted(WIRED, 12))
        found["other units"] = functools.partial(
            assert_scale_invariant, function, wired, UNITS, degree=laws["scale"], rtol=1e-9
        )
    return found


def outcome(check: Callable[[], None]) -> str:
    """Return what comes of a check: ``"fine"``, or what is wrong."""
    try:
        check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "fine"


def main() -> None:
    """Check all, and write a line before and after each."""
    warnings.simplefilter("error")
    for name in METRICS:
        for kind, check in checks(name).items():
            print(json.dumps([name, kind]), flush=True)
            print(json.dumps([name, kind, outcome(check)]), flush=True)


@pytest.fixture(scope="module")
def outcomes() -> dict[tuple[str, str], str]:
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.metrics.test_degenerate"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
        lines, end = done.stdout, f"crashed with exit status {done.returncode}: {done.stderr[-2000:]}"
    except subprocess.TimeoutExpired as late:
        lines, end = (late.stdout or b"").decode(), "hung"
    found = {}
    for line in lines.splitlines():
        name, kind, *result = json.loads(line)
        found[name, kind] = result[0] if result else end
    return found


@pytest.mark.parametrize("name", METRICS)
def test_degenerate_graphs_give_a_number_or_say_why_not(outcomes, name):
    found = {kind: outcomes.get((name, kind), "not called") for kind in checks(name) if kind not in NOT_FINITE}
    assert not {kind: result for kind, result in found.items() if result != "fine"}


@pytest.mark.parametrize("kind", NOT_FINITE)
@pytest.mark.parametrize("name", METRICS)
def test_weights_that_are_no_numbers_are_refused_or_told_of(outcomes, name, kind):
    result = outcomes.get((name, kind), "not called")
    if name in TELL_OF_BAD_WEIGHTS | DO_NOT_READ_WEIGHTS:
        assert result == "fine"
    else:
        assert re.match(r"ValueError: .*must .*got", result), result


if __name__ == "__main__":
    main()
