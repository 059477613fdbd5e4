"""Property tests for your own functions on connectomes: hypothesis strategies, and checkers of laws.

The checkers need nothing but the library; the strategies need the extra ``test``, and are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphcortex.testing.graphs import AttributedGraph, Edges, GeometricGraph
from graphcortex.testing.laws import (
    assert_bounds,
    assert_deterministic,
    assert_finite_or_reason,
    assert_invariant_to_direction,
    assert_invariant_to_edge_order,
    assert_invariant_to_isolated_neurons,
    assert_invariant_to_relabelling,
    assert_invariant_to_repeated_edges,
    assert_leaves_input_alone,
    assert_matches_oracle,
    assert_metric_laws,
    assert_scale_invariant,
    assert_sign_invariant,
)

if TYPE_CHECKING:
    from graphcortex.testing.strategies import (
        connectomes,
        edges,
        geometric_graphs,
        memberships,
        permutations_of,
        spike_trains,
        undirected_edges,
        weights,
    )

__all__ = [
    "AttributedGraph",
    "Edges",
    "GeometricGraph",
    "assert_bounds",
    "assert_deterministic",
    "assert_finite_or_reason",
    "assert_invariant_to_direction",
    "assert_invariant_to_edge_order",
    "assert_invariant_to_isolated_neurons",
    "assert_invariant_to_relabelling",
    "assert_invariant_to_repeated_edges",
    "assert_leaves_input_alone",
    "assert_matches_oracle",
    "assert_metric_laws",
    "assert_scale_invariant",
    "assert_sign_invariant",
    "connectomes",
    "edges",
    "geometric_graphs",
    "memberships",
    "permutations_of",
    "spike_trains",
    "undirected_edges",
    "weights",
]


def __getattr__(name: str) -> Any:
    # A dunder is asked for by whoever inspects the module, and must not ask for hypothesis.
    if name not in __all__:
        raise AttributeError(f"module 'graphcortex.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module("graphcortex.testing.strategies"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
