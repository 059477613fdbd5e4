from __future__ import annotations

import dataclasses
import math

import pytest

from graphcortex.study.statistics import Statistic


def test_reads_as_a_sentence():
    result = Statistic(
        name="shift", value=0.123456, interval=(0.1, 0.2), p=0.0123, n=(3, 4), dropped=2, method="BCa", reason="few"
    )
    assert str(result) == "shift 0.1235 [0.1, 0.2] (95%), p = 0.0123, n = 3 + 4, 2 dropped, BCa, few"
    assert float(result) == 0.123456


def test_says_nothing_of_what_there_is_not():
    assert str(Statistic(name="U", value=math.nan)) == "U nan, n = 0"


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Statistic(name="U", value=1.0).value = 2.0
