"""Further fields of neurons in a table, and recordings of a table of pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphcortex.data import DataFileError, from_tables
from tests.data._tables import neurons, synapses


def test_further_fields_are_read_under_their_usual_names():
    cells = neurons([10, 20, 30]).assign(
        session=[4, 4, 0],
        scan_idx=[7, 7, 0],
        gOSI=[0.5, None, 0.25],
        proofread_axon=["t", "", "f"],
        name=["a", "b", "c"],
    )
    graph = from_tables(cells, synapses((10, 20)))
    told = graph["neuron"]
    assert (told.session.tolist(), told.scan.tolist()) == ([4, 4, 0], [7, 7, 0])
    assert told.gosi.isnan().tolist() == [False, True, False]
    assert [graph.names["proofread_axon"][c] for c in told.proofread_axon] == ["t", "unknown", "f"]
    assert [graph.names["neuron_name"][c] for c in told.neuron_name] == ["a", "b", "c"]
    assert graph.provenance["columns"]["scan"] == "scan_idx"
    assert graph.provenance["columns_not_read"] == []


def two() -> pd.DataFrame:
    return neurons([10, 20, 30]).iloc[:2]


def test_further_fields_are_named_or_left_out():
    cells = two().assign(best=[0.1, 3.0], osi=[0.5, 0.6])
    graph = from_tables(cells, synapses((10, 20)), neuron_fields={"pref_ori": "best", "osi": False})
    assert graph["neuron"].pref_ori.tolist() == [0.1, 3.0]
    assert "osi" not in graph["neuron"]
    assert graph.provenance["columns_not_read"] == ["osi"]


def test_preferred_angles_are_not_guessed():
    """A name tells neither degrees from radians, nor where 0 is, nor the sense of rotation."""
    cells = two().assign(pref_ori=[0.1, 3.0], pref_dir=[0.1, 3.0])
    graph = from_tables(cells, synapses((10, 20)))
    assert "pref_ori" not in graph["neuron"]
    assert graph.provenance["columns_not_read"] == ["pref_ori", "pref_dir"]


OTHER_THINGS = {
    "text": {"session": ["first", "second"]},
    "values out of range": {"cc_abs": [0.5, 40.0]},
    "a gap where none may be": {"self_sttc": [0.5, None]},
    "fractions as ids": {"field": [0.5, 1.5]},
    "ids below 0": {"scan": [-1, 2]},
}


@pytest.mark.parametrize("case", OTHER_THINGS)
def test_another_thing_of_the_same_name_is_left_unread_unless_it_was_named(case):
    (name,) = OTHER_THINGS[case]
    cells = two().assign(**OTHER_THINGS[case])
    graph = from_tables(cells, synapses((10, 20)))
    assert name not in graph["neuron"]
    assert graph.provenance["columns_not_read"] == [name]
    with pytest.raises(DataFileError, match=rf"{name} must (hold|be)"):
        from_tables(cells, synapses((10, 20)), neuron_fields={name: name})


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ({"ori": "x_um"}, ValueError, "neuron_fields must name fields among session.*got 'ori'"),
        ({"osi": "nothing"}, DataFileError, "osi='nothing' must be a column of the table of neurons"),
        ({"osi": 3}, ValueError, "osi must be the name of a column, None to guess it, or False; got 3"),
        ({"root_id": "root_id"}, ValueError, "neuron_fields must name fields among"),
    ],
)
def test_further_fields_that_do_not_fit(wanted, error, message):
    with pytest.raises(error, match=message):
        from_tables(two(), synapses((10, 20)), neuron_fields=wanted)


def test_text_is_the_nearest_number(tmp_path):
    values = np.random.default_rng(0).uniform(size=200)
    cells = pd.DataFrame({"root_id": range(200), "x_um": 0.5, "y_um": 0.5, "z_um": 0.5}).assign(cc_abs=values)
    cells.to_csv(tmp_path / "n.csv", index=False)
    synapses((1, 2)).to_csv(tmp_path / "s.csv", index=False)
    graph = from_tables(tmp_path / "n.csv", tmp_path / "s.csv")
    assert graph["neuron"].cc_abs.tolist() == values.tolist()


def test_recordings_of_one_pair_are_kept_apart():
    pairs = synapses((10, 20), (20, 10), (10, 20), (20, 30), correlation=[0.5, 0.5, 0.25, 1.0], recording=list("aabb"))
    graph = from_tables(neurons([10, 20, 30]), synapses((10, 20)), coactivity=pairs)
    rows = zip(
        *graph.coactivity.edge_index.tolist(),
        graph.coactivity.recording.tolist(),
        graph.coactivity.correlation.tolist(),
        strict=True,
    )
    assert sorted(rows) == [
        (0, 1, 0, 0.5),
        (0, 1, 1, 0.25),
        (1, 0, 0, 0.5),
        (1, 0, 1, 0.25),
        (1, 2, 1, 1.0),
        (2, 1, 1, 1.0),
    ]
    assert list(graph.names["recording"]) == ["a", "b"]
