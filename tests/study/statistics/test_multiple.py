from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study.statistics import holm


def naive_holm(p: list[float]) -> list[float]:
    """Each p-value, times the tests not yet rejected before it, but never less than an earlier one."""
    return [max(min(1, q * sum(r >= q for r in p)) for q in p if q <= mine) for mine in p]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12, unique=True))
def test_matches_the_definition(p):
    np.testing.assert_allclose(holm(p), naive_holm(p), atol=1e-12)


def test_is_that_of_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = [0.01, 0.04, 0.03, 0.005, 0.03, 0.9]
    np.testing.assert_allclose(holm(p), multitest.multipletests(p, method="holm")[1], atol=1e-12)


def test_a_test_that_was_not_made_does_not_count():
    np.testing.assert_allclose(holm([0.02, math.nan, 0.03]), [0.04, math.nan, 0.04])


def test_no_tests():
    assert holm([]).shape == (0,)


@pytest.mark.parametrize("p", [[1.5], [-0.1], [[0.1]]])
def test_rejects(p):
    with pytest.raises(ValueError, match="p_values must"):
        holm(p)
