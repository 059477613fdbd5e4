"""The ranking of edges: who is named, what the bars and the curve say."""

from __future__ import annotations

import numpy as np
import pytest

from graphcortex.metrics import busiest_edges
from graphcortex.viz import plot_busiest_edges


@pytest.fixture
def table(graph):
    return busiest_edges(graph.edge_index, graph.edge_weight, 12, top=None)


def test_bars_are_the_shares_of_the_named_edges_the_busiest_on_top(table):
    bars = plot_busiest_edges(table, top=5)
    assert [bar.get_width() for bar in bars.patches] == pytest.approx((100 * table["share"][:5]).tolist())
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert names == [f"{s} \u2192 {t}" for s, t in zip(table["source"][:5], table["target"][:5], strict=True)]
    assert bars.yaxis_inverted()


def test_the_curve_adds_up_all_edges_of_the_table(table):
    _, curve = plot_busiest_edges(table).figure.axes
    line, even = curve.lines
    assert line.get_ydata()[-1] == pytest.approx(100)
    assert np.allclose(line.get_ydata(), 100 * table["share"].cumsum())
    assert even.get_ydata()[-1] == 100


def test_a_part_of_the_edges_is_not_compared_with_all(table):
    _, curve = plot_busiest_edges(table.head(10)).figure.axes
    assert len(curve.lines) == 1
    assert curve.get_legend() is None


def test_title_and_short_tables(table):
    bars = plot_busiest_edges(table.head(2), title="Field 6_6_2")
    assert bars.get_title(loc="left") == "Field 6_6_2"
    assert len(bars.patches) == 2


def test_rejects(table):
    for bad in (table.head(0), table.drop(columns="share")):
        with pytest.raises(ValueError, match=r"table must .*got"):
            plot_busiest_edges(bad)
    with pytest.raises(ValueError, match=r"top must .*got"):
        plot_busiest_edges(table, top=0)
