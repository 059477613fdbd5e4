"""Hypothesis's strategies, or a message that says how to get them."""

from graphcortex._optional import require

st = require("hypothesis.strategies", "test", "Drawing graphs for property tests")
