"""Ids of every type keep their last digit, or are refused if they have lost it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphcortex.data import ConnectomeError, DataFileError, from_tables
from tests.data._tables import MB, UM, counts, neurons, synapses, wiring

PAIR = synapses((1, 2))


@pytest.mark.parametrize("kind", ["int64", "uint64", "Int64", "str", "object", "category"])
@pytest.mark.parametrize("store", ["frame", "csv", "parquet"])
def test_ids_of_every_type_keep_their_last_digit(kind, store, tmp_path):
    ids = [MB, MB + 1, MB + 2]
    cells = neurons(pd.Series(ids).astype(kind))
    pairs = synapses((MB, MB + 1), (MB + 2, MB), (MB + 2, MB)).astype(kind)
    if store != "frame":
        for table, name in ((cells, "cells"), (pairs, "pairs")):
            path = tmp_path / f"{name}.{store}"
            table.to_csv(path, index=False) if store == "csv" else table.to_parquet(path)
        cells, pairs = tmp_path / f"cells.{store}", tmp_path / f"pairs.{store}"
    graph = from_tables(cells, pairs)
    assert graph["neuron"].root_id.tolist() == ids
    assert wiring(graph) == {(0, 1): 1, (2, 0): 2}


def test_integers_with_gaps_in_a_parquet_file_do_not_become_floats(tmp_path):
    cells = neurons([MB, MB + 1, MB + 2], "pt_root_id", nucleus_id=pd.array([7, None, MB + 5], dtype="Int64"))
    cells.set_index("pt_root_id").to_parquet(tmp_path / "cells.parquet")
    pairs = pd.DataFrame({"pre": [MB, MB], "post": pd.array([MB + 1, None], dtype="Int64")})
    pairs.to_parquet(tmp_path / "pairs.parquet")
    graph = from_tables(tmp_path / "cells.parquet", tmp_path / "pairs.parquet")
    assert graph["neuron"].nucleus_id.tolist() == [7, 0, MB + 5]
    assert graph["neuron"].root_id.tolist() == [MB, MB + 1, MB + 2]
    assert counts(graph)["synapses_rows_without_an_end"] == 1


def test_short_ids_in_floats_with_gaps_have_lost_nothing():
    """What pandas makes of whole numbers beside an empty cell."""
    graph = from_tables(neurons([1.0, 2.0, 3.0]), synapses((1.0, 2.0), (1.0, np.nan)))
    assert wiring(graph) == {(0, 1): 1}
    assert graph["neuron"].root_id.tolist() == [1, 2, 3]


ROUNDED = [int(float(MB + 1000 * i)) for i in range(4)]
FOUR = pd.DataFrame({"x_um": [0.0, 9, 18, 27], "y_um": 0.0, "z_um": 0.0})
BAD_IDS = {
    "floats": (neurons(np.array([MB, MB + 900, MB + 2000], float)), PAIR, r"root_id .*passed through a float.*53 bits"),
    "float32": (neurons(np.array([1, 2, 2**24], np.float32)), PAIR, r"keeps 24 bits"),
    "text of floats": (neurons(["8.646911355725310e+17", "1", "2"]), PAIR, r"passed through a float"),
    "text with a point": (neurons([f"{MB}.0", "1", "2"]), PAIR, r"passed through a float"),
    "rounded whole numbers": (FOUR.assign(root_id=ROUNDED), PAIR, r"4 that are all rounded to what a float can hold"),
    "half a neuron": (neurons([1.5, 2, 3]), PAIR, r"whole numbers, got '1.5'"),
    "truth values": (neurons([True, False, True]), PAIR, r"must hold ids, got (True|False)"),
    "beyond int64": (neurons([2**63, 1, 2]), PAIR, r"fit into int64.*9223372036854775808"),
    "negative": (neurons([-1, 1, 2]), PAIR, r"root_id must hold ids of at least 0.*got -1"),
    "floats as ends": (neurons([MB, 1, 2]), synapses((float(MB), 1.0)), r"pre .*passed through a float"),
    "text of floats as ends": (neurons([MB, 1, 2]), synapses(("8.6469e17", "1")), r"pre .*passed through a float"),
    "ids of another version": (
        neurons([MB, MB + 1, MB + 2]),
        PAIR,
        r"got none of 1 rows.* ends are 1 \(pre\).*version",
    ),
    "one neuron with two places": (
        neurons([1, 1, 2]),
        PAIR,
        r"got 1 that have several rows, such as 1 with different x",
    ),
    "no column of ids": (pd.DataFrame(UM), PAIR, r"must have a column for neuron_id, such as neuron.*neuron_id='...'"),
    "no rows": (neurons([1, 2, 3])[:0], PAIR, r"must have rows"),
    "no neuron with an id": (neurons([0, 0, 0]), PAIR, r"some with an id and a position, got none"),
    "a nucleus twice": (neurons([1, 2, 3], nucleus_id=[5, 5, 6]), PAIR, r"nucleus_id must name each neuron once"),
}


CASES = [(name, store) for name in BAD_IDS for store in ("frame", "csv")]
CASES = [case for case in CASES if case not in [("float32", "csv"), ("truth values", "csv")]]  # a csv has no types


@pytest.mark.parametrize(("name", "store"), CASES)
def test_ids_that_cannot_be_right_are_refused(name, store, tmp_path):
    cells, pairs, says = BAD_IDS[name]
    if store == "csv":
        cells.to_csv(tmp_path / "cells.csv", index=False)
        pairs.to_csv(tmp_path / "pairs.csv", index=False)
        cells, pairs = tmp_path / "cells.csv", tmp_path / "pairs.csv"
    with pytest.raises((DataFileError, ConnectomeError), match=says):
        from_tables(cells, pairs)


def test_few_long_ids_may_be_round_by_chance():
    graph = from_tables(neurons([ROUNDED[0], ROUNDED[1], MB]), synapses((ROUNDED[0], MB)))
    assert wiring(graph) == {(0, 2): 1}


def test_numbers_of_rows_count_from_0():
    graph = from_tables(neurons([0, 1, 2]), synapses((0, 1), (2, 0)))
    assert graph.num_neurons == 3
    assert wiring(graph) == {(0, 1): 1, (2, 0): 1}
