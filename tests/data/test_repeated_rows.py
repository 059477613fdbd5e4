"""Rows that repeat others: what an id proves is dropped, the rest is summed or what the user decides."""

from __future__ import annotations

import pytest

from graphcortex.data import DataFileError, from_tables
from tests.data._tables import counts, neurons, synapses, wiring


def test_alike_rows_are_synapses_where_nothing_tells_them_apart():
    assert wiring(from_tables(neurons([1, 2, 3]), synapses((1, 2), (1, 2)))) == {(0, 1): 2}


def test_an_id_of_a_synapse_proves_that_alike_rows_are_repeats():
    for more in ({}, {"n_syn": [4, 4]}, {"size": [0.5, 0.5]}):
        pairs = synapses((1, 2), (1, 2), synapse_id=[7, 7], **more)
        graph = from_tables(neurons([1, 2, 3]), pairs)
        assert wiring(graph) == {(0, 1): more.get("n_syn", [1])[0]}
        assert counts(graph)["synapse_rows_dropped_as_repeats"] == 1
    without = synapses((1, 2), (1, 2), (1, 2), synapse_id=[0, 0, 8])
    assert wiring(from_tables(neurons([1, 2, 3]), without)) == {(0, 1): 3}
    # The targets of one connector may be one neuron.
    polyadic = synapses((1, 2), (1, 2), connector_id=[7, 7])
    assert wiring(from_tables(neurons([1, 2, 3]), polyadic)) == {(0, 1): 2}


UNCLEAR = {
    "counts per region without the region": synapses((1, 2), (1, 2), (1, 2), (2, 3), n_syn=[4, 4, 2, 7]),
    "the same with a number of the row": synapses((1, 2), (1, 2), (1, 2), (2, 3), n_syn=[4, 4, 2, 7]).reset_index(
        names="Unnamed: 0"
    ),
    "lists in cells": synapses((1, 2), (1, 2), (1, 2), (2, 3), n_syn=[4, 4, 2, 7], where=[[1, 2]] * 4),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_alike_rows_with_a_count_are_summed_with_a_warning_unless_the_user_decides(case):
    cells, pairs = neurons([1, 2, 3]), UNCLEAR[case]
    summed, dropped = {(0, 1): 10, (1, 2): 7}, {(0, 1): 6, (1, 2): 7}
    with pytest.warns(
        UserWarning, match=r"1 of 4 rows of synapses repeat .*they are summed.*duplicate_synapses='sum'.*'drop'"
    ):
        assert wiring(from_tables(cells, pairs)) == summed
    graph = from_tables(cells, pairs, duplicate_synapses="sum")
    assert wiring(graph) == summed
    assert counts(graph)["synapse_rows_repeated"] == 1
    assert counts(graph)["synapse_rows_dropped_as_repeats"] == 0
    graph = from_tables(cells, pairs, duplicate_synapses="drop")
    assert wiring(graph) == dropped
    assert counts(graph)["synapse_rows_dropped_as_repeats"] == 1
    with pytest.raises(
        DataFileError, match=r"must have rows that differ, got 1 of 4 that repeat another, such as row 1"
    ):
        from_tables(cells, pairs, duplicate_synapses="error")


def test_alike_rows_with_a_size_are_unclear_too():
    pairs = synapses((1, 2), (1, 2), size=[0.5, 0.5])
    with pytest.warns(UserWarning, match="1 of 2 rows of synapses repeat"):
        graph = from_tables(neurons([1, 2, 3]), pairs)
    assert (wiring(graph), graph.synapses["size"].tolist()) == ({(0, 1): 2}, [1.0])
    graph = from_tables(neurons([1, 2, 3]), pairs, duplicate_synapses="drop")
    assert (wiring(graph), graph.synapses["size"].tolist()) == ({(0, 1): 1}, [0.5])


def test_rows_of_nothing_but_ends_are_dropped_or_refused_if_the_user_says_so():
    pairs = synapses((1, 2), (1, 2))
    assert wiring(from_tables(neurons([1, 2, 3]), pairs, duplicate_synapses="drop")) == {(0, 1): 1}
    with pytest.raises(DataFileError, match="got 1 of 2 that repeat"):
        from_tables(neurons([1, 2, 3]), pairs, duplicate_synapses="error")
