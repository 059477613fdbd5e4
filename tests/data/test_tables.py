"""Tables of every habit become the connectome that a plain loop over their rows makes, or an error that says what to do."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.data import DataFileError, from_tables
from tests.conftest import real_data
from tests.data._tables import MB, UM, counts, neurons, synapses, wiring

# --- habits -----------------------------------------------------------------------------------------


def test_microns_tables_with_positions_in_one_column(tmp_path):
    """A csv as it comes from CAVE: voxels as text, one row per synapse, roots that are missing."""
    (tmp_path / "nuclei.csv").write_text(
        "id,target_id,pt_root_id,pt_position,cell_type\n"
        f"1,501,{MB},[ 75934 112000  20000],23P\n"
        f"2,502,{MB + 2},[75000 120000 21000],BC\n"
        "3,503,0,[75000 130000 21000],BC\n"
    )
    (tmp_path / "synapses.csv").write_text(
        "id,pre_pt_root_id,post_pt_root_id,size,ctr_pt_position\n"
        f"900,{MB},{MB + 2},100,[1 2 3]\n"
        f"901,{MB},{MB + 2},40,[1 2 3]\n"
        f"902,{MB + 2},0,7,[1 2 3]\n"
        f"903,{MB + 2},{MB + 1},7,[1 2 3]\n"
        f"901,{MB},{MB + 2},40,[1 2 3]\n"
    )
    graph = from_tables(tmp_path / "nuclei.csv", tmp_path / "synapses.csv", voxel_nm=(4, 4, 40))
    assert graph["neuron"].root_id.tolist() == [MB, MB + 2]
    assert graph["neuron"].nucleus_id.tolist() == [501, 502]
    torch.testing.assert_close(graph.pos[0], torch.tensor([303.736, 448.0, 800.0]))
    assert wiring(graph) == {(0, 1): 2}
    assert graph.synapses["size"].tolist() == [140.0]
    assert [graph.names["cell_type"][c] for c in graph["neuron"].cell_type] == ["23P", "BC"]
    assert counts(graph)["neurons_without_id"] == 1
    assert counts(graph)["synapse_rows_repeated"] == 1
    assert counts(graph)["synapses_rows_without_an_end"] == 1
    assert counts(graph)["synapses_rows_of_other_neurons"] == 1
    assert graph.provenance["unit"] == "voxels of 4 x 4 x 40 nm"


def test_neuprint_tables_with_counts_per_region():
    """Body ids, soma locations as lists in voxels of 8 nm, and one row per pair and region."""
    cells = pd.DataFrame(
        {
            "bodyId": [1078693835, 917669951],
            "type": ["KC", None],
            "somaLocation": [[1000, 2000, 3000], [4000, 2000, 100]],
        }
    )
    pairs = pd.DataFrame(
        {"bodyId_pre": [1078693835] * 2, "bodyId_post": [917669951] * 2, "roi": ["CA(R)", "SMP(R)"], "weight": [5, 2]}
    )
    graph = from_tables(cells, pairs, voxel_nm=(8, 8, 8))
    assert wiring(graph) == {(0, 1): 7}
    assert graph.pos[0].tolist() == [8.0, 16.0, 24.0]
    assert graph["neuron"].root_id.tolist() == [1078693835, 917669951]
    assert [graph.names["cell_type"][c] for c in graph["neuron"].cell_type] == ["KC", "unknown"]


def test_flywire_tables(tmp_path):
    (tmp_path / "coordinates.csv").write_text(
        "root_id,pos_x,pos_y,pos_z\n720575940596125868,1000,2000,400\n720575940597856265,30000,2000,80\n"
    )
    (tmp_path / "connections.csv").write_text(
        "pre_root_id,post_root_id,neuropil,syn_count,nt_type\n720575940596125868,720575940597856265,LOP_R,15,ACH\n"
    )
    graph = from_tables(tmp_path / "coordinates.csv", tmp_path / "connections.csv", voxel_nm=(4, 4, 40))
    assert wiring(graph) == {(0, 1): 15}
    assert graph.pos[1].tolist() == [120.0, 8.0, pytest.approx(3.2)]
    assert graph.provenance["columns_not_read"] == ["neuropil", "nt_type"]


def test_a_worm_has_names_and_muscles():
    cells = pd.DataFrame({"Neuron": ["AVAL", " AVAR ", "PVCL"], **UM})
    pairs = pd.DataFrame(
        {"Source": ["AVAL", "AVAL", "MDL05"], "Target": ["AVAR", "MVL04", "PVCL"], "Weight": [3, 1, 2]}
    )
    graph = from_tables(cells, pairs)
    assert wiring(graph) == {(0, 1): 3}
    assert [graph.names["neuron_name"][c] for c in graph["neuron"].neuron_name] == ["AVAL", "AVAR", "PVCL"]
    assert "root_id" not in graph["neuron"]
    assert counts(graph)["synapses_rows_of_other_neurons"] == 2


def test_names_follow_their_neurons_into_a_part():
    graph = from_tables(neurons(["a", "b", "c"], "name"), synapses(("a", "b"), ("b", "c")))
    part = graph.subgraph([2, 0])
    assert [part.names["neuron_name"][c] for c in part["neuron"].neuron_name] == ["c", "a"]


# --- real tables, against a loop --------------------------------------------------------------------


def naive(nodes, edges, node, xyz, scale, pre, post, count=None, size=None):
    """Read two csv files row by row with Python's own reader: pairs with counts and sizes, and positions in um."""
    with open(nodes, newline="") as file:
        rows = [row for row in csv.DictReader(file) if all(row[name] for name in xyz)]
    number = {row[node]: i for i, row in enumerate(rows)}
    where = [[float(row[name]) * scale for name in xyz] for row in rows]
    pairs: dict[tuple[int, int], list[float]] = {}
    with open(edges, newline="") as file:
        for row in csv.DictReader(file):
            if row[pre] in number and row[post] in number:
                pair = pairs.setdefault((number[row[pre]], number[row[post]]), [0, 0.0])
                pair[0] += int(row[count]) if count else 1
                pair[1] += float(row[size]) if size else 0.0
    return np.array(where), pairs


def check_against_naive(graph, where, pairs):
    np.testing.assert_allclose(graph.pos.numpy(), where, rtol=1e-6)
    assert wiring(graph) == {pair: total for pair, (total, _) in pairs.items()}
    if "size" in graph.synapses:
        expected = [pairs[int(i), int(j)][1] for i, j in graph.synapses.edge_index.T]
        np.testing.assert_allclose(graph.synapses["size"].numpy(), expected, rtol=1e-6)


@pytest.mark.real_data
def test_the_larva():
    folder = real_data("drosophila-larva")
    graph = from_tables(folder / "neurons.csv", folder / "edges.parquet")
    assert (graph.num_neurons, graph.synapses.num_edges, int(graph.synapses["count"].sum())) == (2952, 110_677, 352_611)
    source, target = graph.synapses.edge_index
    assert int((source == target).sum()) == 537
    assert np.ptp(graph.pos.numpy(), axis=0).round().tolist() == [103, 107, 242]
    without = from_tables(folder / "neurons.csv", folder / "edges.parquet", autapses="drop")
    assert without.synapses.num_edges == 110_677 - 537
    assert counts(without)["autapse_synapses"] == counts(graph)["autapse_synapses"] == 783


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "kind", "neurons_wired", "pairs"),
    [("edges_white_whole", "chemical", 299, 2266), ("edges_witvliet_8", "chemical", 180, 1936)],
)
def test_the_worm(file, kind, neurons_wired, pairs, tmp_path):
    folder = real_data("celegans")
    table = pd.read_csv(folder / f"{file}.csv")
    table = table[table["type"] == kind]
    graph = from_tables(folder / "neurons.csv", table)
    table.to_csv(tmp_path / "edges.csv", index=False)
    xyz = ("x_um", "y_um", "z_um")
    check_against_naive(
        graph, *naive(folder / "neurons.csv", tmp_path / "edges.csv", "neuron", xyz, 1, "pre", "post", "synapses")
    )
    assert graph.synapses.num_edges == pairs
    assert graph.synapses.edge_index.unique().numel() == neurons_wired


@pytest.mark.real_data
def test_microns_counted_pairs_and_single_synapses_agree():
    folder = real_data("minnie65-functional-graph")
    graph = from_tables(folder / "nodes.csv", folder / "edges.csv")
    xyz = ("x_nm", "y_nm", "z_nm")
    check_against_naive(
        graph, *naive(folder / "nodes.csv", folder / "edges.csv", "root_id", xyz, 1e-3, "pre", "post", "n_syn")
    )
    assert (graph.num_neurons, graph.synapses.num_edges, int(graph.synapses["count"].sum())) == (17_928, 23_420, 26_146)
    single = from_tables(folder / "nodes.csv", folder / "synapses.parquet")
    assert torch.equal(single.synapses.edge_index, graph.synapses.edge_index)
    assert torch.equal(single.synapses["count"], graph.synapses["count"])
    assert counts(single)["synapses_rows_of_other_neurons"] == 105_162 - 26_146
    nodes = pd.read_csv(folder / "nodes.csv", dtype={"root_id": "int64"}, keep_default_na=False)
    assert graph["neuron"].root_id.tolist() == nodes["root_id"].tolist()
    for name in ("cell_type", "layer", "area"):
        words = [graph.names[name][code] for code in graph["neuron"][name]]
        assert words == [word or "unknown" for word in nodes[name]]
    recurrent = from_tables(nodes[nodes["proofread_axon"] == 1], folder / "edges.csv")
    assert (recurrent.num_neurons, recurrent.synapses.num_edges, int(recurrent.synapses["count"].sum())) == (
        303,
        630,
        703,
    )


@pytest.mark.real_data
def test_parietal_neurons_with_sizes_and_activity():
    folder = real_data("ppc-em-function")
    with pytest.raises(DataFileError, match=r"got none \(soma_x_nm.*\) for 1 of 143 neurons.*missing_pos='drop'"):
        from_tables(folder / "neurons.csv", folder / "synapses.csv")
    graph = from_tables(
        folder / "neurons.csv",
        folder / "synapses.csv",
        coactivity=folder / "functional_pairs.csv",
        correlation="corr_raw",
        missing_pos="drop",
    )
    xyz = ("soma_x_nm", "soma_y_nm", "soma_z_nm")
    args = ("skeleton_id", xyz, 1e-3, "source", "target", None, "psd_area_um2")
    check_against_naive(graph, *naive(folder / "neurons.csv", folder / "synapses.csv", *args))
    assert (graph.synapses.num_edges, int(graph.synapses["count"].sum())) == (160, 233)
    stored = pd.read_csv(folder / "functional_pairs.csv").dropna(subset="corr_raw")
    ids = graph["neuron"].root_id.tolist()
    expected = {}
    for i, j, value in zip(stored["source"], stored["target"], stored["corr_raw"], strict=True):
        if i in ids and j in ids and i != j:
            expected[ids.index(i), ids.index(j)] = expected[ids.index(j), ids.index(i)] = value
    pairs = graph.coactivity.edge_index.T.tolist()
    got = {(i, j): value for (i, j), value in zip(pairs, graph.coactivity.correlation.tolist(), strict=True)}
    assert got.keys() == expected.keys()
    assert all(abs(got[pair] - expected[pair]) < 1e-5 for pair in got)


@pytest.mark.real_data
def test_all_parietal_cells_of_which_few_have_a_soma():
    folder = real_data("ppc-em-function")
    graph = from_tables(folder / "em_cells.csv", folder / "synapses.csv", missing_pos="drop")
    assert graph.num_neurons == 3346 - 2187
    assert counts(graph)["neurons_without_position"] == 2187


# --- rows -------------------------------------------------------------------------------------------


def test_rows_that_repeat_a_neuron_are_one_and_those_that_differ_are_a_choice():
    cells = pd.concat([neurons([1, 2, 3]), neurons([1, 2, 3])[:1], neurons([3, 2, 1])[:1]])  # 3 stands in two places
    pairs = synapses((1, 2), (1, 3))
    with pytest.raises(DataFileError, match="duplicates='drop'"):
        from_tables(cells, pairs)
    first = from_tables(cells, pairs, duplicates="first")
    assert (wiring(first), first.pos[2, 0].item()) == ({(0, 1): 1, (0, 2): 1}, 20.0)
    dropped = from_tables(cells, pairs, duplicates="drop")
    assert (wiring(dropped), dropped.num_neurons) == ({(0, 1): 1}, 2)
    for graph in (first, dropped):
        assert counts(graph)["neuron_rows_repeated"] == 1
        assert counts(graph)["neurons_with_conflicting_rows"] == 1


def test_a_connector_has_many_targets_and_a_synapse_one():
    polyadic = synapses((1, 2), (1, 3), connector_id=[7, 7])
    assert wiring(from_tables(neurons([1, 2, 3]), polyadic)) == {(0, 1): 1, (0, 2): 1}
    for bad in (synapses((1, 2), (2, 3), connector_id=[7, 7]), synapses((1, 2), (1, 3), synapse_id=[7, 7])):
        with pytest.raises(DataFileError, match=r"_id must name each synapse once, got 7 .*synapse_id=False"):
            from_tables(neurons([1, 2, 3]), bad)
    ignored = from_tables(neurons([1, 2, 3]), synapses((1, 2), (1, 3), synapse_id=[7, 7]), synapse_id=False)
    assert wiring(ignored) == {(0, 1): 1, (0, 2): 1}


def test_a_count_of_0_is_no_connection():
    graph = from_tables(neurons([1, 2, 3]), synapses((1, 2), (2, 3), syn_count=[0, 2]))
    assert wiring(graph) == {(1, 2): 2}
    assert counts(graph)["pairs_without_synapses"] == 1


def test_a_table_without_rows_is_a_graph_without_synapses():
    graph = from_tables(neurons([1, 2, 3]), synapses(n_syn=[], size=[]))
    assert graph.synapses.num_edges == 0
    assert graph.synapses["size"].shape == (0,)


def test_columns_may_be_named_or_left_out():
    cells = neurons([1, 2, 3]).rename(columns={"root_id": "who"}).assign(kind=["a", "b", "a"], type=["x", "x", "x"])
    pairs = pd.DataFrame({"from_whom": [1, 1], "to_whom": [2, 2], "n": [2, 3], "count": [9, 9], "size": [0.5, 0.25]})
    graph = from_tables(
        cells, pairs, neuron_id="who", pre="from_whom", post="to_whom", count="n", size=False, cell_type="kind"
    )
    assert wiring(graph) == {(0, 1): 5}
    assert "size" not in graph.synapses
    assert graph.names["cell_type"] == ("a", "b")
    assert graph.provenance["columns"]["count"] == "n"
    assert "type" in graph.provenance["columns_not_read"]


def test_layers_may_be_numbers_and_the_user_has_the_last_word_on_provenance():
    cells = neurons([1, 2, 3], layer=[2.0, 4.0, None])
    graph = from_tables(cells, synapses((1, 2)), provenance={"source": "lab", "licence": "CC0"})
    assert [graph.names["layer"][c] for c in graph["neuron"].layer] == ["2", "4", "unknown"]
    assert (graph.provenance["source"], graph.provenance["licence"]) == ("lab", "CC0")


def test_coactivity_goes_both_ways_and_may_not_disagree():
    pairs = synapses((1, 2), (2, 1), (2, 3), (3, 3), (3, 1), correlation=[0.5, 0.5, -0.25, 1.0, None])
    graph = from_tables(neurons([1, 2, 3]), synapses((1, 2)), coactivity=pairs)
    got = dict(
        zip(map(tuple, graph.coactivity.edge_index.T.tolist()), graph.coactivity.correlation.tolist(), strict=True)
    )
    assert got == {(0, 1): 0.5, (1, 0): 0.5, (1, 2): -0.25, (2, 1): -0.25}
    with pytest.raises(DataFileError, match=r"one value for each pair.*got several for 1 and 2"):
        from_tables(neurons([1, 2, 3]), synapses((1, 2)), coactivity=pairs.assign(correlation=[0.5, 0.4, 0, 0, 0]))
    with pytest.raises(DataFileError, match=r"must have a column of correlation, sttc, precision"):
        from_tables(neurons([1, 2, 3]), synapses((1, 2)), coactivity=synapses((1, 2)))


BAD_ROWS = {
    "counts that are strengths": (synapses((1, 2), weight=[0.7]), {}, r"weight must hold whole counts.*size='weight'"),
    "negative counts": (synapses((1, 2), weight=[-1]), {}, r"whole counts"),
    "no size for some": (synapses((1, 2), (1, 3), size=[1, None]), {}, r"got 1 of 2 without one.*size=False"),
    "negative size": (synapses((1, 2), size=[-1.0]), {}, r"1 below 0"),
    "no presynaptic column": (
        pd.DataFrame({"post": [1]}),
        {},
        r"must have a column for pre, such as pre, pre_pt_root_id",
    ),
    "a typo": (synapses((1, 2)), {"pre": "prae"}, r"pre='prae' must be a column.*did you mean 'pre'"),
    "a number as a column": (synapses((1, 2)), {"size": 3}, r"size must be the name of a column"),
    "True as a column": (synapses((1, 2)), {"size": True}, r"size must be the name of a column"),
    "an unknown choice of repeats": (
        synapses((1, 2)),
        {"duplicate_synapses": "first"},
        r"duplicate_synapses must be one of 'warn', 'sum', 'drop', 'error'",
    ),
    "an unknown choice": (synapses((1, 2)), {"autapses": "maybe"}, r"autapses must be one of 'keep', 'drop'"),
    "a column twice": (
        pd.DataFrame([[1, 2, 3]], columns=["pre", "pre", "post"]),
        {},
        r"must name each column once, got 'pre'",
    ),
    "a list": ([[1, 2]], {}, r"file or a DataFrame, got list"),
}


@pytest.mark.parametrize(("pairs", "options", "says"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_rows_that_cannot_be_right_are_refused(pairs, options, says):
    with pytest.raises(ValueError, match=says):
        from_tables(neurons([1, 2, 3]), pairs, **options)


BAD_FILES = {
    "nothing.csv": (None, r"got no file"),
    "packed.csv.gz": (b"\x1f\x8b", r"damaged or of another kind"),
    "packed.parquet.gz": (b"\x1f\x8b", r"got \.gz; unpack it first"),
    "nothing": (b"", r"got no suffix"),
    "empty.csv": (b"", r"expected a header and rows, got an empty file"),
    "binary.csv": (b"\x00\x01pre,post\n", r"expected text in UTF-8"),
    "long_rows.csv": (b"pre,post\n1,2,3\n", r"rows as long as the header.*\(.*Length of header"),
    "text.parquet": (b"pre,post\n1,2\n", r"damaged or of another kind"),
    "a_folder.csv": ("folder", r"got no file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_files_that_are_no_tables_are_named(name, tmp_path):
    content, says = BAD_FILES[name]
    if content == "folder":
        (tmp_path / name).mkdir()
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataFileError, match=says) as caught:
        from_tables(neurons(), tmp_path / name)
    assert name in str(caught.value)


def test_a_parquet_file_that_unfolds_beyond_reason_is_refused(tmp_path):
    """Six million rows of one value take a few kilobytes."""
    path = tmp_path / "bomb.parquet"
    pd.DataFrame({"pre": np.ones(6_000_000, np.int8)}).to_parquet(path, compression="zstd")
    assert path.stat().st_size < 50_000
    with pytest.raises(DataFileError, match=r"bytes that unfold to 6000000 rows; refused"):
        from_tables(neurons(), path)


def test_tables_of_the_user_are_not_changed():
    cells, pairs = neurons([3, 2, 3], cell_type=["a", None, "a"]), synapses((3, 2), (3, 2), n_syn=[1, 1])
    before = cells.copy(), pairs.copy()
    from_tables(cells, pairs, duplicates="first", duplicate_synapses="sum")
    pd.testing.assert_frame_equal(cells, before[0])
    pd.testing.assert_frame_equal(pairs, before[1])


ODD_CELLS = {
    "lists as ids": (neurons([[1], [2], [3]]), synapses((1, 2)), r"root_id must hold one number or text in a cell"),
    "lists as ends": (neurons([1, 2, 3]), synapses(([1], 2)), r"pre must hold one number or text in a cell"),
    "lists as types": (
        neurons([1, 2, 3], cell_type=[["E"], [], []]),
        synapses((1, 2)),
        r"cell_type must hold one number",
    ),
    "lists as coordinates": (
        neurons([1, 2, 3]).assign(x_um=[[1.0], [2.0], [3.0]]),
        synapses((1, 2)),
        r"x_um must hold numbers, got '\[1\.0\]' in row 0",
    ),
    "truth values as coordinates": (
        neurons([1, 2, 3]).assign(x_um=[True, False, True]),
        synapses((1, 2)),
        r"x_um must hold",
    ),
    "dates as coordinates": (
        neurons([1, 2, 3]).assign(x_um=pd.to_datetime(["2020-01-01"] * 3)),
        synapses((1, 2)),
        r"x_um must hold numbers",
    ),
    "bytes that are no text": (
        neurons([1, 2, 3], cell_type=[b"L4", b"L\xff", None]),
        synapses((1, 2)),
        r"table of neurons must hold text in UTF-8, got b'L\\xff' in column cell_type, row 1; decode",
    ),
    "bytes that are no text as ends": (
        neurons(["a", "b", "c"]),
        synapses(("a", "b"), (b"\xe9", "a")),
        r"table of synapses must hold text in UTF-8, got b'\\xe9' in column pre, row 1",
    ),
    "bytes that are no text as a column": (
        neurons([1, 2, 3]).rename(columns={"z_um": b"z_\xb5m"}),
        synapses((1, 2)),
        r"table of neurons must have names of columns in UTF-8, got b'z_\\xb5m'",
    ),
}


@pytest.mark.parametrize(("cells", "pairs", "says"), ODD_CELLS.values(), ids=ODD_CELLS.keys())
def test_cells_of_another_kind_are_named(cells, pairs, says):
    with pytest.raises(DataFileError, match=says):
        from_tables(cells, pairs)


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_frames_of_any_backend_are_read(backend):
    cells = neurons([MB, MB + 1, MB + 2], cell_type=["E", None, "I"], layer=[2, None, 4])
    pairs = synapses((MB, MB + 1), (MB, MB + 1), n_syn=[1, 2], size=[0.5, 1.0])
    expected = from_tables(cells, pairs)
    graph = from_tables(cells.convert_dtypes(dtype_backend=backend), pairs.convert_dtypes(dtype_backend=backend))
    assert torch.equal(graph["neuron"].root_id, expected["neuron"].root_id)
    assert torch.equal(graph.pos, expected.pos)
    assert wiring(graph) == wiring(expected) == {(0, 1): 3}
    assert graph.names == expected.names
    assert graph.names["layer"] == ("2", "4", "unknown")


# --- laws -------------------------------------------------------------------------------------------

rows = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 4)), min_size=1, max_size=12)


@given(rows=rows, shift=st.sampled_from([0, MB]), names=st.booleans(), policy=st.sampled_from(["sum", "drop"]))
def test_counts_are_those_of_a_loop(rows, shift, names, policy):
    """Neurons 1 to 4 are known, 5 is not; rows with a count are summed, or all but full repeats."""
    label = (lambda i: f"n{i}") if names else (lambda i: i + shift)
    cells = pd.DataFrame({"id": [label(i) for i in range(1, 5)], "x_um": [0.0, 9, 18, 27], "y_um": 0.0, "z_um": 0.0})
    pairs = pd.DataFrame([(label(i), label(j), n) for i, j, n in rows], columns=["pre", "post", "n_syn"])
    expected: dict[tuple[int, int], int] = {}
    distinct = rows if policy == "sum" else list(dict.fromkeys(rows))
    for i, j, n in distinct:
        if i < 5 and j < 5 and n:
            expected[i - 1, j - 1] = expected.get((i - 1, j - 1), 0) + n
    if all(5 in row[:2] for row in rows):
        with pytest.raises(DataFileError, match="must join neurons"):
            from_tables(cells, pairs, duplicate_synapses=policy)
        return
    graph = from_tables(cells, pairs, duplicate_synapses=policy)
    assert wiring(graph) == expected
    told = counts(graph)
    assert told["synapse_rows"] == len(rows)
    assert told["synapse_rows_repeated"] == len(rows) - len(set(rows))
    read = told["synapse_rows"] - told["synapse_rows_dropped_as_repeats"] - told["synapses_rows_of_other_neurons"]
    assert read == len([row for row in distinct if 5 not in row[:2]])


@given(rows=rows, order=st.randoms(use_true_random=False))
def test_the_order_of_rows_of_synapses_does_not_matter(rows, order):
    cells = pd.DataFrame({"id": range(1, 6), "x_um": [0.0, 9, 18, 27, 36], "y_um": 0.0, "z_um": 0.0})
    pairs = pd.DataFrame(rows, columns=["pre", "post", "n_syn"])
    mixed = list(range(len(rows)))
    order.shuffle(mixed)
    one, other = (from_tables(cells, table, duplicate_synapses="sum") for table in (pairs, pairs.iloc[mixed]))
    assert torch.equal(one.synapses.edge_index, other.synapses.edge_index)
    assert torch.equal(one.synapses["count"], other.synapses["count"])
    assert one.provenance == other.provenance
