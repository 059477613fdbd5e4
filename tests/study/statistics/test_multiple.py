from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study.statistics import holm


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_is_that_of_statsmodels(p):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    np.testing.assert_allclose(holm(p), multitest.multipletests(p, method="holm")[1], atol=1e-12)


def test_a_test_that_was_not_made_does_not_count():
    np.testing.assert_allclose(holm([0.02, math.nan, 0.03]), [0.04, math.nan, 0.04])


def test_no_tests():
    assert holm([]).shape == (0,)


@pytest.mark.parametrize("p", [[1.5], [-0.1], [[0.1]]])
def test_rejects(p):
    with pytest.raises(ValueError, match="p_values must"):
        holm(p)
