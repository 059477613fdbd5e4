"""Property tests for your own functions on connectomes: hypothesis strategies, and checkers of laws."""

from graphcortex.testing.laws import (
    assert_bounds,
    assert_invariant_to_edge_order,
    assert_invariant_to_relabelling,
    assert_matches_oracle,
)
from graphcortex.testing.strategies import Edges, connectomes, edges, spike_trains

__all__ = [
    "Edges",
    "assert_bounds",
    "assert_invariant_to_edge_order",
    "assert_invariant_to_relabelling",
    "assert_matches_oracle",
    "connectomes",
    "edges",
    "spike_trains",
]
