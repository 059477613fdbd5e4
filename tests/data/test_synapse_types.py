"""Chemical and electrical rows of one pair are never one number, and no synapse is counted from both of its sides."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.data import DataFileError, from_tables
from tests.conftest import real_data
from tests.data._tables import counts, neurons, synapses, wiring

CELLS = pd.DataFrame({"Neuron": ["AVAL", "AVAR", "PVCL"], "x_um": [0.5, 10, 20], "y_um": 0.0, "z_um": 0.0})
WORM = pd.DataFrame(
    [
        ("AVAL", "AVAR", "S", 2),
        ("AVAL", "AVAR", "Sp", 1),
        ("AVAR", "AVAL", "R", 2),
        ("AVAR", "AVAL", "Rp", 1),
        ("AVAL", "PVCL", "Sp", 4),
        ("PVCL", "AVAL", "Rp", 4),
        ("AVAL", "AVAR", "EJ", 5),
        ("AVAR", "AVAL", "EJ", 5),
        ("AVAL", "NMJ", "NMJ", 7),
    ],
    columns=["Neuron 1", "Neuron 2", "Type", "Nbr"],
)
"""As on WormAtlas: R and Rp repeat S and Sp from the other side, EJ is listed in both directions."""


def test_several_types_must_be_chosen_from():
    says = r"Type must be one type.*got chemical \(6 rows\), electrical \(2 rows\): pass synapse_type='chemical', 'electrical'"
    with pytest.raises(DataFileError, match=says):
        from_tables(CELLS, WORM)


CHOICES = {
    "chemical": {(0, 1): 3, (0, 2): 4},
    "electrical": {(0, 1): 5, (1, 0): 5},
    "all": {(0, 1): 8, (0, 2): 4, (1, 0): 5},
    ("S", "Sp"): {(0, 1): 3, (0, 2): 4},
    ("R", "Rp"): {(0, 1): 3, (0, 2): 4},
    "Sp": {(0, 1): 1, (0, 2): 4},
    ("S", "electrical"): {(0, 1): 7, (1, 0): 5},
}


@pytest.mark.parametrize("chosen", CHOICES)
def test_the_chosen_types_are_kept_each_synapse_once(chosen):
    graph = from_tables(CELLS, WORM, synapse_type=chosen)
    assert wiring(graph) == CHOICES[chosen]
    assert graph.provenance["columns"]["synapse_type"] == "Type"
    assert set(graph.provenance["synapse_types"]) <= {"chemical", "electrical"}
    if chosen == "chemical":
        assert counts(graph)["synapse_rows_of_other_types"] == 2
        assert counts(graph)["synapse_rows_seen_from_the_other_side"] == 3
        assert graph.provenance["synapse_types"] == ["chemical"]


def test_received_rows_alone_are_turned_around():
    """Of a table in which each synapse is listed once, some as sent and some as received."""
    rows = pd.DataFrame({"pre": ["AVAL", "PVCL"], "post": ["AVAR", "AVAR"], "type": ["S", "R"], "count": [2, 3]})
    assert wiring(from_tables(CELLS, rows)) == {(0, 1): 2, (1, 2): 3}
    assert wiring(from_tables(CELLS, rows[1:])) == {(1, 2): 3}


def test_sides_that_disagree_are_refused():
    wrong = WORM.copy()
    wrong.loc[2, "Nbr"] = 9
    says = (
        r"Type must list each synapse as sent.*1 of 2 pairs .* such as AVAL to AVAR: 3 sent, 10 received.*\('S', 'Sp'\)"
    )
    with pytest.raises(DataFileError, match=says):
        from_tables(CELLS, wrong, synapse_type="chemical")
    with pytest.raises(DataFileError, match=r"1 of 2 pairs that differ, such as AVAL to PVCL: 4 sent, 0 received"):
        from_tables(CELLS, WORM.drop(index=5), synapse_type="chemical")
    assert wiring(from_tables(CELLS, wrong, synapse_type=("S", "Sp"))) == {(0, 1): 3, (0, 2): 4}


def test_electrical_synapses_conduct_both_ways():
    once = synapses((11, 12), (12, 12), (12, 13), kind="gap junction", n_syn=[2, 4, 3])
    graph = from_tables(neurons(), once)
    assert wiring(graph) == {(0, 1): 2, (1, 0): 2, (1, 1): 4, (1, 2): 3, (2, 1): 3}
    assert counts(graph)["electrical_rows_added"] == 2
    both = synapses((11, 12), (12, 11), kind="electrical", n_syn=[2, 2])
    assert wiring(from_tables(neurons(), both)) == {(0, 1): 2, (1, 0): 2}
    for pairs, n in (([(11, 12), (12, 11)], [2, 3]), ([(11, 12), (12, 11), (12, 13)], [2, 2, 1])):
        some = synapses(*pairs, kind="electrical", n_syn=n)
        with pytest.raises(DataFileError, match=r"kind must list each electrical synapse once, or in both .*got 1 of"):
            from_tables(neurons(), some)
        # Read as they stand, if the user says so.
        assert sum(wiring(from_tables(neurons(), some, synapse_type_column=False)).values()) == sum(n)


def test_rows_without_a_column_of_types_have_one_type():
    with pytest.raises(
        DataFileError, match=r"synapse_type='chemical' needs a column of types.*synapse_type_column='...'"
    ):
        from_tables(neurons(), synapses((11, 12)), synapse_type="chemical")
    # A column of this name that says something else is left alone.
    other = synapses((11, 12), (11, 12), (12, 13), type=["E", "I", "E"])
    graph = from_tables(neurons(), other)
    assert wiring(graph) == {(0, 1): 2, (1, 2): 1}
    assert graph.provenance["columns_not_read"] == ["type"]
    assert "synapse_types" not in graph.provenance


def test_a_column_of_types_may_be_named():
    pairs = synapses(
        (11, 12), (11, 12), (12, 13), (13, 11), nt_type=["ACH", "GABA", "ACH", None], side=["R", "S", "L", "R"]
    )
    says = r"nt_type must be one type.*got ACH \(2 rows\), GABA \(1 rows\), unknown \(1 rows\)"
    with pytest.raises(DataFileError, match=says):
        from_tables(neurons(), pairs, synapse_type_column="nt_type")
    for chosen, expected in (("ACH", {(0, 1): 1, (1, 2): 1}), (["GABA", "unknown"], {(0, 1): 1, (2, 0): 1})):
        assert wiring(from_tables(neurons(), pairs, synapse_type_column="nt_type", synapse_type=chosen)) == expected
    with pytest.raises(DataFileError, match=r"synapse_type must name types in nt_type, got 'DA'; there are ACH"):
        from_tables(neurons(), pairs, synapse_type_column="nt_type", synapse_type="DA")
    # R and S are sides of a synapse beside words of the same kind only.
    right = from_tables(neurons(), pairs, synapse_type_column="side", synapse_type="R")
    assert wiring(right) == {(0, 1): 1, (2, 0): 1}


@pytest.mark.parametrize("bad", [3, [], ["chemical", 3]])
def test_types_that_are_none(bad):
    with pytest.raises(ValueError, match=r"synapse_type must be a type, a list of types, 'all' or None; got"):
        from_tables(CELLS, WORM, synapse_type=bad)


@pytest.mark.real_data
def test_chemical_synapses_of_the_worm():
    folder = real_data("celegans")
    table = pd.read_csv(folder / "edges_white_whole.csv", keep_default_na=False)
    with pytest.raises(DataFileError, match=r"type must be one type.*chemical.*electrical"):
        from_tables(folder / "neurons.csv", folder / "edges_white_whole.csv")
    chosen = from_tables(folder / "neurons.csv", folder / "edges_white_whole.csv", synapse_type="chemical")
    filtered = from_tables(folder / "neurons.csv", table[table["type"] == "chemical"])
    assert wiring(chosen) == wiring(filtered)
    electrical = wiring(
        from_tables(folder / "neurons.csv", folder / "edges_white_whole.csv", synapse_type="electrical")
    )
    assert electrical == {(j, i): n for (i, j), n in electrical.items()}


sides = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.integers(1, 4), min_size=1, max_size=6)


@given(sent=sides, coupled=sides, listed=st.sampled_from(["sent", "both"]), once=st.booleans(), order=st.randoms())
def test_a_table_of_sides_is_the_table_of_synapses(sent, coupled, listed, once, order):
    """Written as sent rows or as both sides, with gap junctions once or twice, in any order: the same two graphs."""
    names = CELLS["Neuron"]
    coupled = {(min(pair), max(pair)): n for pair, n in coupled.items()}
    rows = [(names[i], names[j], "S", n) for (i, j), n in sent.items()]
    rows += [(names[j], names[i], "R", n) for (i, j), n in sent.items()] if listed == "both" else []
    rows += [(names[i], names[j], "EJ", n) for (i, j), n in coupled.items()]
    rows += [] if once else [(names[j], names[i], "EJ", n) for (i, j), n in coupled.items() if i != j]
    order.shuffle(rows)
    table = pd.DataFrame(rows, columns=WORM.columns)
    assert wiring(from_tables(CELLS, table, synapse_type="chemical")) == sent
    expected = {pair: n for (i, j), n in coupled.items() for pair in ((i, j), (j, i))}
    assert wiring(from_tables(CELLS, table, synapse_type="electrical")) == expected
