"""Laws that functions on graphs obey, each checked by one call; :func:`assert_metric_laws` checks those of a metric at once.

A function is anything that takes ``(edge_index, edge_weight, num_nodes)``, and ``pos`` too if the graph has positions. It
returns a number, a tensor, an array, a :class:`~graphcortex.metrics.Result` (whose value is looked at), or a tuple or dict of
those. Say what its result has one value of: ``of="graph"`` (numbers that belong to the whole graph), ``"edge"`` ``(E,)``,
``"node"`` ``(N,)`` or ``"pair"`` ``(N, N)``.

Tolerances are 1e-9 relative and 1e-12 absolute, or 1e-5 and 1e-6 where the weights or the result are in single precision.
"""

from graphcortex.testing.laws.conduct import assert_deterministic, assert_leaves_input_alone
from graphcortex.testing.laws.metric_laws import assert_metric_laws
from graphcortex.testing.laws.naming import assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.laws.values import assert_bounds, assert_finite_or_reason, assert_matches_oracle
from graphcortex.testing.laws.weighting import assert_scale_invariant, assert_sign_invariant
from graphcortex.testing.laws.wiring import (
    assert_invariant_to_direction,
    assert_invariant_to_isolated_neurons,
    assert_invariant_to_repeated_edges,
)

__all__ = [
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
]
