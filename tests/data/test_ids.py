"""Ids of every type keep their last digit, or are refused if they have lost it."""

from __future__ import annotations

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.data import ConnectomeError, DataFileError, audit, from_tables
from graphcortex.data._ids import rounding_of
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
    "text of floats": (
        neurons(["8.646911355725310e+17", "1", "2"]),
        PAIR,
        r"in full, got '8.*17', which has 16 of 18 digits",
    ),
    "short text of floats": (
        neurons(["1.23457E+11", "1", "2"]),
        PAIR,
        r"in full, got '1.23457E\+11', which has 6 of 12 digits",
    ),
    "text of half a neuron": (neurons([f"{MB}.5", "1", "2"]), PAIR, r"whole numbers, got '864691135572530981.5'"),
    "text beyond int64": (neurons(["9.223372036854775808E+18", "1", "2"]), PAIR, r"fit into int64"),
    "text far beyond int64": (neurons(["1E9999", "1", "2"]), PAIR, r"fit into int64"),
    "rounded whole numbers": (FOUR.assign(root_id=ROUNDED), PAIR, r"got 4 of 4 long ones rounded as by float64"),
    "rounded text": (FOUR.assign(root_id=[f"{i}.0" for i in ROUNDED]), PAIR, r"4 of 4 long ones rounded as by float64"),
    "rounded decimals": (
        FOUR.assign(root_id=list(map(Decimal, ROUNDED))),
        PAIR,
        r"4 of 4 long ones rounded as by float64",
    ),
    "half a neuron": (neurons([1.5, 2, 3]), PAIR, r"whole numbers, got '1.5'"),
    "truth values": (neurons([True, False, True]), PAIR, r"must hold ids, got (True|False)"),
    "beyond int64": (neurons([2**63, 1, 2]), PAIR, r"fit into int64.*9223372036854775808"),
    "negative": (neurons([-1, 1, 2]), PAIR, r"root_id must hold ids of at least 0.*got -1"),
    "floats as ends": (neurons([MB, 1, 2]), synapses((float(MB), 1.0)), r"pre .*passed through a float"),
    "text of floats as ends": (neurons([MB, 1, 2]), synapses(("8.6469e17", "1")), r"pre .*has 5 of 18 digits"),
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
CASES = [
    case for case in CASES if case[1] == "frame" or case[0] not in ("float32", "truth values")
]  # a csv has no types


@pytest.mark.parametrize(("name", "store"), CASES)
def test_ids_that_cannot_be_right_are_refused(name, store, tmp_path):
    cells, pairs, says = BAD_IDS[name]
    if store == "csv":
        # Of floats, a csv has the digits alone.
        says = {"floats": "root_id .*has 15 of 18 digits", "floats as ends": "pre .*has 15 of 18 digits"}.get(
            name, says
        )
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


# --- decimals ---------------------------------------------------------------------------------------------

ROOT = 720575940600000001


def spellings(number: int) -> dict:
    """Write a whole number in all ways in which programs write it, each with all digits."""
    digits = str(number)
    return {
        "a point": f"{number}.",
        "a point and zeros": f"{number}.000",
        "an exponent": f"{digits[0]}.{digits[1:]}E+{len(digits) - 1}",
        "a small exponent": f"{digits}e0",
        "zeros in front": f"000{number}",
        "a decimal": Decimal(number),
        "a decimal with zeros": Decimal(f"{number}.00"),
    }


@given(ids=st.lists(st.integers(1, 2**63 - 1), min_size=3, max_size=3, unique=True), data=st.data())
def test_ids_as_decimals_are_their_digits(ids, data):
    def spelled(i):
        return data.draw(st.sampled_from(list(spellings(i).values())))

    graph = from_tables(neurons([spelled(i) for i in ids]), synapses((spelled(ids[0]), spelled(ids[2]))))
    assert graph["neuron"].root_id.tolist() == ids
    assert wiring(graph) == {(0, 2): 1}


def test_decimals_of_a_parquet_file_are_their_digits(tmp_path):
    ids = pa.array([Decimal(ROOT), Decimal(ROOT + 1), Decimal(ROOT + 2)], pa.decimal128(20, 1))
    cells = neurons([1, 2, 3]).assign(root_id=pd.Series(ids, dtype=pd.ArrowDtype(ids.type)))
    cells.to_parquet(tmp_path / "cells.parquet")
    for table in (cells, tmp_path / "cells.parquet"):
        graph = from_tables(table, synapses((ROOT, ROOT + 2)))
        assert graph["neuron"].root_id.tolist() == [ROOT, ROOT + 1, ROOT + 2]
        assert wiring(graph) == {(0, 2): 1}


def test_round_numbers_as_r_writes_them():
    graph = from_tables(neurons(["99999", "1e+05", "2.5e+07"]), synapses(("1e+05", "99999")))
    assert graph["neuron"].root_id.tolist() == [99999, 100_000, 25_000_000]
    assert wiring(graph) == {(1, 0): 1}


# --- lost digits ------------------------------------------------------------------------------------------


def through_a_spreadsheet(number: int) -> int:
    return int(str(number)[:15].ljust(len(str(number)), "0"))


LOSSES = {
    "a spreadsheet": through_a_spreadsheet,
    "float64": lambda i: int(float(i)),
    "float32": lambda i: int(np.float32(i)),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("N", [5, 30, 200])
def test_ids_that_lost_digits_in_both_tables_are_refused(loss, N):
    rng = np.random.default_rng(N)
    ids = ROOT - 1 + rng.choice(40_000_000_000_000, N, replace=False)
    cells = pd.DataFrame({"root_id": ids, **dict(zip(("x_um", "y_um", "z_um"), rng.random((3, N)) * 500, strict=True))})
    pairs = pd.DataFrame(rng.choice(ids, (4 * N, 2)), columns=["pre", "post"])
    assert from_tables(cells, pairs).num_neurons == N
    lossy = LOSSES[loss]
    left = len({lossy(int(i)) for i in ids})
    for duplicates in ("error", "first"):
        with pytest.raises(
            DataFileError, match=rf"root_id must hold ids as they were released, got {left} of {left} .*{loss}"
        ):
            from_tables(cells.assign(root_id=[lossy(int(i)) for i in ids]), pairs.map(lossy), duplicates=duplicates)
    with pytest.raises(DataFileError, match=rf"pre must hold ids as they were released.*{loss}"):
        from_tables(cells, pairs.map(lossy))
    # Another id of the neurons is held to the same.
    numbered = cells.assign(neuron=range(N), nucleus_id=[lossy(int(i)) for i in ids])
    with pytest.raises(DataFileError, match=rf"nucleus_id must hold ids as they were released.*{loss}"):
        from_tables(numbered.drop(columns="root_id"), pd.DataFrame({"pre": [0], "post": [1]}))


@given(
    seed=st.integers(0, 10**6), low=st.sampled_from([1, 10**5, 2**40, 10**15, 2**54, 8 * 10**17]), n=st.integers(3, 60)
)
def test_ids_in_full_are_never_refused(seed, low, n):
    rng = np.random.default_rng(seed)
    ids = rng.choice(np.arange(low, low + 10**6), n, replace=False)
    cells = pd.DataFrame({"root_id": ids, "x_um": rng.random(n) * 99, "y_um": 0.0, "z_um": 0.0})
    assert from_tables(cells, synapses((ids[0], ids[1])))["neuron"].root_id.tolist() == ids.tolist()


def test_short_ids_may_be_round_on_purpose():
    ids = list(range(300_032_000, 300_992_000, 32_000))
    cells = pd.DataFrame({"root_id": ids, "x_um": np.arange(30) + 0.5, "y_um": 0.0, "z_um": 0.0})
    graph = from_tables(cells, synapses((ids[0], ids[1])))
    assert graph["neuron"].root_id.tolist() == ids
    assert rounding_of(np.array(ids)).through == "float32"
    assert "float32" in str(audit(graph))


# --- 0, and no id -----------------------------------------------------------------------------------------

GAPS = [0, 1, 3, 7]
OF_GAPS = synapses((0, 1), (3, 0), (1, 7))


def four(ids, **more):
    return FOUR.assign(neuron=list(ids), **more)


def test_a_table_that_may_be_numbered_from_0_with_gaps_warns():
    says = r"neuron is 0 in one row, and numbers from 1 to 7 in the others: .* missing_id=None if 0 is a neuron, or missing_id=0"
    with pytest.warns(UserWarning, match=says):
        graph = from_tables(four(GAPS), OF_GAPS)
    assert wiring(graph) == {(0, 2): 1}
    assert graph["neuron"].root_id.tolist() == [1, 3, 7]


@pytest.mark.parametrize("store", ["frame", "csv"])
def test_missing_id_decides(store, tmp_path):
    cells, pairs = four(GAPS), OF_GAPS
    if store == "csv":
        for table, name in ((cells, "n"), (pairs, "s")):
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        cells, pairs = tmp_path / "n.csv", tmp_path / "s.csv"
    every = from_tables(cells, pairs, missing_id=None)
    assert wiring(every) == {(0, 1): 1, (2, 0): 1, (1, 3): 1}
    assert counts(every)["neurons_without_id"] == 0
    none = from_tables(cells, pairs, missing_id=0)
    assert wiring(none) == {(0, 2): 1}
    assert counts(none)["neurons_without_id"] == 1
    assert counts(none)["synapses_rows_without_an_end"] == 2


def test_a_table_numbered_from_0_without_gaps_has_a_neuron_0_unless_missing_id_says_no():
    cells, pairs = four(range(4)), synapses((0, 1), (3, 0), (1, 2))
    for options in ({}, {"missing_id": None}):
        assert wiring(from_tables(cells, pairs, **options)) == {(0, 1): 1, (3, 0): 1, (1, 2): 1}
    graph = from_tables(cells, pairs, missing_id=0)
    assert wiring(graph) == {(0, 1): 1}
    assert graph["neuron"].root_id.tolist() == [1, 2, 3]
    # A row that stands twice is one neuron.
    assert wiring(from_tables(pd.concat([cells, cells[:1]]), pairs)) == {(0, 1): 1, (3, 0): 1, (1, 2): 1}


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, ""])
def test_an_empty_end_is_not_neuron_0(nothing):
    pairs = pd.DataFrame({"pre": [1, 2], "post": pd.Series([0, nothing], dtype=object)})
    for options in ({}, {"missing_id": None}):
        graph = from_tables(four(range(4)), pairs, **options)
        assert wiring(graph) == {(1, 0): 1}
        assert counts(graph)["synapses_rows_without_an_end"] == 1


def test_other_numbers_may_stand_for_no_id():
    cells, pairs = four([0, 1, -1, 7], nucleus_id=[5, -1, 6, 0]), synapses((0, 1), (7, -1))
    with pytest.raises(DataFileError, match=r"neuron must hold ids of at least 0, got -1; .*pass missing_id=-1"):
        from_tables(cells, pairs, missing_id=None)
    graph = from_tables(cells, pairs, missing_id=-1)
    assert wiring(graph) == {(0, 1): 1}
    assert graph["neuron"].nucleus_id.tolist() == [5, 0, 0]
    assert counts(graph)["synapses_rows_without_an_end"] == 1


def test_roots_of_0_need_no_warning():
    """What CAVE gives for a nucleus without a segment: once or often, beside ids of 18 digits."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ids in ([0, MB, MB + 1, MB + 2], [0, 0, 5, 7]):
            graph = from_tables(FOUR.assign(pt_root_id=ids), synapses((ids[-1], ids[-2]), (ids[-1], 0)))
            assert counts(graph)["neurons_without_id"] == ids.count(0)


@pytest.mark.parametrize("bad", ["none", 0.5, True, "0"])
def test_missing_id_is_a_number(bad):
    with pytest.raises(ValueError, match=r"missing_id must be a whole number, None, or 'guess'; got"):
        from_tables(four(GAPS), OF_GAPS, missing_id=bad)
