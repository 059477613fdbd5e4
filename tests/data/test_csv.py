"""A csv of any program is read as the table that was written, or refused with the argument that decides."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.data import DataFileError, from_tables
from graphcortex.data._csv import MOST_BYTES_PER_BYTE, read_csv
from tests.data._tables import MB, neurons, synapses, wiring

NEURONS = "root_id,x_um,y_um,z_um,cell_type\n101,0.5,0,0,a\n102,10.25,5,1,b\n103,20,3,2,a\n"
SYNAPSES = "pre_root_id,post_root_id,syn_count\n101,102,3\n102,103,1\n103,101,2\n"

# --- law: each dialect is the same table ----------------------------------------------------------------

DIALECTS = st.fixed_dictionaries(
    {
        "separator": st.sampled_from([",", ";", "\t", "|"]),
        "decimal": st.sampled_from([".", ","]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be with its mark", "utf-32", "cp1252"]),
        "end": st.sampled_from(["\n", "\r\n", "\r"]),
        "excel": st.booleans(),
        "comments": st.integers(0, 2),
        "index": st.booleans(),
        "trailing": st.sampled_from(["nowhere", "in all lines", "in rows"]),
        "quotes": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "packed": st.booleans(),
    }
)


def write(table: pd.DataFrame, dialect: dict) -> bytes:
    """Write a table cell by cell with Python's own writer."""
    file = io.StringIO(newline="")
    if dialect["excel"]:
        file.write(f"sep={dialect['separator']}{dialect['end']}")
    for _ in range(dialect["comments"]):
        file.write(f"# version 783; exported, by hand{dialect['end']}")
    writer = csv.writer(file, delimiter=dialect["separator"], lineterminator=dialect["end"], quoting=dialect["quotes"])
    for number, row in enumerate([list(table.columns), *table.itertuples(index=False)]):
        cells = [repr(cell).replace(".", dialect["decimal"]) if isinstance(cell, float) else cell for cell in row]
        trailing = dialect["trailing"] == "in all lines" or (dialect["trailing"] == "in rows" and number > 0)
        writer.writerow([*(["" if number == 0 else number - 1] * dialect["index"]), *cells, *([""] * trailing)])
    text = file.getvalue()
    if dialect["encoding"] == "utf-16-be with its mark":
        content = b"\xfe\xff" + text.encode("utf-16-be")
    else:
        content = text.encode(dialect["encoding"])
    return gzip.compress(content) if dialect["packed"] else content


@st.composite
def tables(draw):
    N = draw(st.integers(2, 5))
    if draw(st.booleans()):
        texts = st.text("aé#;,|\t\"' ", max_size=6).map(lambda text: f"n{text}".strip())
        labels = draw(st.lists(texts | st.sampled_from(["NA", "NULL", "N/A"]), min_size=N, max_size=N, unique=True))
    else:
        labels = [MB + 7 * i for i in range(N)]
    floats = st.floats(-999, 999).map(lambda x: round(x, draw(st.integers(1, 5))))
    xyz = np.array([[draw(floats) for _ in range(3)] for _ in range(N)], dtype=float)
    xyz[0, 0], xyz[1, 0] = 0.5, 700.25  # an extent of less than a nucleus is refused
    ends = draw(st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)), min_size=1, max_size=6, unique=True))
    sizes = [abs(draw(floats)) for _ in ends]
    cells = pd.DataFrame({"neuron_name": labels, **dict(zip(("x_um", "y_um", "z_um"), xyz.T, strict=True))})
    pairs = pd.DataFrame([(labels[i], labels[j], 1 + i) for i, j in ends], columns=["pre", "post", "n_syn"])
    return cells, pairs.assign(size=sizes)


@given(both=tables(), dialects=st.tuples(DIALECTS, DIALECTS))
def test_the_dialect_of_a_csv_does_not_matter(both, dialects, tmp_path_factory):
    """Without a word from the user: the same connectome, or an error that asks for the decimal sign."""
    folder = tmp_path_factory.mktemp("csv")
    paths = []
    for table, dialect, name in zip(both, dialects, ("n", "s"), strict=True):
        paths.append(folder / f"{name}.csv{'.gz' if dialect['packed'] else ''}")
        paths[-1].write_bytes(write(table, dialect))
    expected = from_tables(*both)
    encoding = {"encoding": "cp1252"} if any(dialect["encoding"] == "cp1252" for dialect in dialects) else {}
    try:
        graph = from_tables(*paths, **encoding)
    except DataFileError as error:
        if "," not in (dialects[0]["decimal"], dialects[1]["decimal"]) or "decimal=','" not in str(error):
            raise
        return
    assert torch.equal(graph.pos, expected.pos)
    assert wiring(graph) == wiring(expected)
    assert torch.equal(graph.synapses["size"], expected.synapses["size"])
    for name in ("root_id", "neuron_name"):
        assert (name in graph["neuron"]) == (name in expected["neuron"])
    if "root_id" in expected["neuron"]:
        assert torch.equal(graph["neuron"].root_id, expected["neuron"].root_id)
    else:
        assert graph.names["neuron_name"] == expected.names["neuron_name"]


# --- one dialect after the other ------------------------------------------------------------------------


def read(tmp_path, content: str | bytes, name: str = "n.csv", pairs: str | bytes = SYNAPSES, **options):
    paths = []
    for text, file in ((content, name), (pairs, "s.csv")):
        paths.append(tmp_path / file)
        paths[-1].write_bytes(text.encode() if isinstance(text, str) else text)
    return from_tables(*paths, **options)


def check(graph):
    assert graph["neuron"].root_id.tolist() == [101, 102, 103]
    assert graph.pos.tolist() == [[0.5, 0, 0], [10.25, 5, 1], [20, 3, 2]]
    assert wiring(graph) == {(0, 1): 3, (1, 2): 1, (2, 0): 2}


FORMS = {
    "semicolons": NEURONS.replace(",", ";"),
    "semicolons and decimal commas": NEURONS.replace(",", ";").replace(".", ","),
    "tabs": NEURONS.replace(",", "\t"),
    "bars": NEURONS.replace(",", "|"),
    "a byte order mark": NEURONS.encode("utf-8-sig"),
    "UTF-16, little end first": b"\xff\xfe" + NEURONS.encode("utf-16-le"),
    "UTF-16, big end first": b"\xfe\xff" + NEURONS.encode("utf-16-be"),
    "UTF-16 with tabs, as 'Unicode text' of Excel": NEURONS.replace(",", "\t").encode("utf-16"),
    "lines that end in CR": NEURONS.replace("\n", "\r"),
    "lines that end in CRLF": NEURONS.replace("\n", "\r\n"),
    "sep=, of Excel": "sep=,\r\n" + NEURONS,
    "sep=; of Excel in quotes, with cells behind it": '"sep=;;;;"\r\n' + NEURONS.replace(",", ";"),
    "comments": "# FlyWire 783, 2023-09\n\n#more; of, it\n" + NEURONS,
    "commas at the end of each line": NEURONS.replace("\n", ",\n"),
    "commas at the end of rows": NEURONS.replace("\n", ",\n").replace("cell_type,", "cell_type"),
    "an index without a name": "\n".join(f"{i - 1 if i else ''},{line}" for i, line in enumerate(NEURONS.split())),
    "a header of row numbers": "\n".join(f"{i or '#'},{line}" for i, line in enumerate(NEURONS.split())),
    "empty lines at the end": NEURONS + "\n\n",
    "packed": gzip.compress(NEURONS.encode()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["n.csv", "n.tsv", "n.txt", "n.csv.gz", "n.tsv.gz"])
def test_forms_of_a_csv(form, name, tmp_path):
    """What a file says decides, not its name: browsers unpack files and leave their names."""
    check(read(tmp_path, FORMS[form], name))


def test_an_encoding_that_is_not_utf_8_is_asked_for(tmp_path):
    content = NEURONS.replace("b\n", "Purkinjé\n").encode("cp1252")
    with pytest.raises(
        DataFileError, match=r"n\.csv: expected text in UTF-8.*Purkinj\\xe9' in line 3; .*encoding='cp1252'"
    ):
        read(tmp_path, content)
    graph = read(tmp_path, content, encoding="cp1252")
    check(graph)
    assert graph.names["cell_type"] == ("Purkinjé", "a")
    # Where the other file is UTF-8, it stays so.
    pairs = "pre_root_id,post_root_id,syn_count\n101,102,3\n102,103,1\n103,101,2\n101,é,1\n"
    check(read(tmp_path, content, pairs=pairs, encoding="cp1252"))


@pytest.mark.parametrize("at", [2**20 - 1, 2**20, 2**20 + 1])
def test_letters_across_blocks_of_a_file_are_whole(at, tmp_path):
    """A letter of two bytes, and a line end of two, may lie in two blocks."""
    header = b"name\n"
    good = header + b"a" * (at - len(header)) + "é\r\nb\n".encode()
    (tmp_path / "long.csv").write_bytes(good)
    assert read_csv(tmp_path / "long.csv")["name"].str[-1].tolist() == ["é", "b"]
    (tmp_path / "bad.csv").write_bytes(good + b"\xff\n")
    with pytest.raises(DataFileError, match=r"b\\n\\xff' in line 4;"):
        read_csv(tmp_path / "bad.csv")


def test_utf_16_without_a_mark_is_asked_for(tmp_path):
    content = NEURONS.encode("utf-16-le")
    with pytest.raises(DataFileError, match=r"expected text in UTF-8.*line 1.*'utf-16-le'"):
        read(tmp_path, content)
    check(read(tmp_path, content, encoding="utf-16-le"))


def test_two_separators_in_the_header_are_told_apart_by_the_rows(tmp_path):
    header = "root_id;x_um;y_um;z_um;cell_type (main, not sub)\n"
    rows = "101;0,5;0;0;a\n102;10,25;5;1;b\n103;20;3;2;a\n"
    check(read(tmp_path, header + rows))
    unclear = "root_id;x_um;y_um;z_um;cell_type, main\n101;1;2;3;a,b\n102;2;3;9;b,a\n"
    with pytest.raises(DataFileError, match=r"got commas and semicolons in .*fit each.*separator=',' or separator=';'"):
        read(tmp_path, unclear)
    graph = read(tmp_path, unclear, separator=";", pairs="pre,post\n101,102\n")
    assert graph["neuron"].root_id.tolist() == [101, 102]


AMBIGUOUS = {
    "thousands or decimals": ("1,234", r"x_um must hold numbers, got '1,234' in row 1.*decimal=','.*decimal='\.'"),
    "both signs": ("1.234,5", r"x_um must hold numbers, got '1.234,5' in row 1"),
    "two commas": ("1,234,567", r"x_um must hold numbers, got '1,234,567' in row 1"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_numbers_that_can_be_read_in_two_ways_are_refused(case, tmp_path):
    cell, says = AMBIGUOUS[case]
    content = f"root_id;x_um;y_um;z_um\n101;5;0;0\n102;{cell};5;1\n103;20;3;2\n"
    with pytest.raises(DataFileError, match=says):
        read(tmp_path, content)
    with pytest.raises(DataFileError, match=r"got '1.*a comma or point before three digits may"):
        read(tmp_path, content, decimal=".")
    if case == "thousands or decimals":
        assert read(tmp_path, content, decimal=",").pos[:, 0].tolist() == pytest.approx([5, 1.234, 20])


def test_a_column_of_the_file_decides_for_the_others(tmp_path):
    """In a file of decimal commas, 1,234 is a fraction and 1.234 is refused."""
    content = "root_id;x_um;y_um;z_um;osi\n101;0,5;0;0;0,123\n102;1,234;5;1;0,125\n103;20;3;2;0,5\n"
    graph = read(tmp_path, content)
    assert graph.pos[:, 0].tolist() == pytest.approx([0.5, 1.234, 20])
    assert graph["neuron"].osi.tolist() == [0.123, 0.125, 0.5]
    lone = content.replace("0,5;0;0;", "5,125;0;0;")  # x alone proves nothing now, osi does
    assert read(tmp_path, lone).pos[:, 0].tolist() == pytest.approx([5.125, 1.234, 20])
    with pytest.raises(
        DataFileError, match=r"y_um must hold numbers, got '1\.234' in row 0 in a table with decimal commas"
    ):
        read(tmp_path, content.replace("0,5;0;0;", "0,5;1.234;0;"))


def test_counts_with_decimal_commas_are_whole_or_refused(tmp_path):
    pairs = SYNAPSES.replace(",", ";").replace("3\n102", "3,0\n102")
    check(read(tmp_path, NEURONS, pairs=pairs))
    with pytest.raises(DataFileError, match=r"syn_count must hold whole counts.*got '2,5' in row 0"):
        read(tmp_path, NEURONS, pairs=pairs.replace("3,0", "2,5"))
    with pytest.raises(DataFileError, match=r"syn_count must hold numbers, got '1,000' in row 0"):
        read(tmp_path, NEURONS, pairs=pairs.replace("3,0", "1,000"))


def test_text_with_a_comma_is_no_number(tmp_path):
    content = "root_id;x_um;y_um;z_um;layer\n101;0,5;0;0;2,3\n102;10,25;5;1;4\n103;20;3;2;5,6\n"
    graph = read(tmp_path, content)
    check(graph)
    assert graph.names["layer"] == ("2,3", "4", "5,6")


MISSING = ["NA", "NULL", "#N/A", "n/a", "nan", ""]


@pytest.mark.parametrize("word", MISSING)
def test_words_for_nothing_among_numbers(word, tmp_path):
    """R writes NA, Excel #N/A, a database NULL."""
    content = NEURONS + f"{word},1,2,3,c\n104,{word},2,3,c\n"
    pairs = SYNAPSES + f"101,{word},5\n"
    graph = read(tmp_path, content, pairs=pairs, missing_pos="drop")
    check(graph)
    assert graph.provenance["counts"]["neurons_without_id"] == 1
    assert graph.provenance["counts"]["synapses_rows_without_an_end"] == 1


def test_neurons_called_na_and_null_are_neurons(tmp_path):
    content = "neuron,x_um,y_um,z_um\nAVAL,0.5,0,0\nNA,10.25,5,1\nNULL,20,3,2\n"
    graph = read(tmp_path, content, pairs="pre,post\nNA,NULL\nAVAL,NA\n")
    assert graph.names["neuron_name"] == ("AVAL", "NA", "NULL")
    assert wiring(graph) == {(0, 1): 1, (1, 2): 1}


def test_rows_of_totals(tmp_path):
    check(read(tmp_path, NEURONS, pairs=SYNAPSES + "Total,,6\n"))
    for footer in ("Total,30.75,8,3,\n", "# exported by hand\n"):
        with pytest.raises(
            DataFileError, match=r"root_id must hold numbers or names, got 3 numbers and 1 .* in row 3: leave"
        ):
            read(tmp_path, NEURONS + footer)
    names = NEURONS.replace("root_id", "neuron_name").replace("103", "Total")
    assert read(tmp_path, names, pairs="pre,post\n101,Total\n").names["neuron_name"] == ("101", "102", "Total")


BAD = {
    "no header": ("101,0.5,0,0\n102,1,2,3\n", r"expected the names of the columns.*got numbers \('101,0.5,0,0'\)"),
    "a header behind a comment sign": ("# root_id,x_um,y_um,z_um\n101,0.5,0,0\n", r"that does not begin with '#'"),
    "a column twice": (NEURONS.replace("z_um", " x_um"), r"each column to be named once, got 'x_um' more than once"),
    "comments alone": ("# FlyWire\n# 783\n", r"got comments alone"),
    "nothing": ("", r"got an empty file"),
    "decimal commas between commas": (
        NEURONS.replace(".", ","),
        r"rows as long as the header.*commas, got longer ones",
    ),
    "no name for the index": (NEURONS.replace("\n1", "\n0,1"), r"each column needs a name"),
    "a workbook": (b"PK\x03\x04whatever", r"got a zip archive or a workbook of Excel.*'CSV UTF-8'"),
    "a packed file that is cut short": (gzip.compress(NEURONS.encode())[:-9], r"damaged or of another kind"),
    "UTF-16 that is cut short": (NEURONS.encode("utf-16")[:-1], r"damaged or of another kind"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_table_is_named(case, tmp_path):
    content, says = BAD[case]
    with pytest.raises(DataFileError, match=says) as caught:
        read(tmp_path, content)
    assert "n.csv" in str(caught.value)


def test_workbooks_and_feather_files_are_named_with_what_to_do(tmp_path):
    with zipfile.ZipFile(tmp_path / "n.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "")
    (tmp_path / "n.feather").write_bytes(b"ARROW1")
    for name, says in (("n.xlsx", "keeps 15 digits"), ("n.feather", "pandas.read_feather")):
        with pytest.raises(DataFileError, match=says):
            from_tables(tmp_path / name, synapses((1, 2)))


def test_a_packed_csv_that_unfolds_beyond_reason_is_refused(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"pre,post\n")
        for _ in range(70):
            file.write(b"1,2\n" * 2**18)
    assert path.stat().st_size < 2**26 / MOST_BYTES_PER_BYTE
    with pytest.raises(DataFileError, match=r"more than 200 times its size; refused"):
        from_tables(neurons(), path)


BAD_OPTIONS = {
    "a word as separator": ({"separator": "tab"}, r"separator must be one sign.*got 'tab'"),
    "a digit as separator": ({"separator": "1"}, r"separator must be one sign"),
    "a point as separator": ({"separator": "."}, r"separator must be one sign"),
    "an unknown decimal sign": ({"decimal": ";"}, r"decimal must be one of '\.', ','"),
    "an unknown encoding": ({"encoding": "excel"}, r"encoding must be one that Python knows.*got 'excel'"),
    "a number as encoding": ({"encoding": 1252}, r"encoding must be one that Python knows.*got 1252"),
}


@pytest.mark.parametrize(("options", "says"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_options_that_cannot_be_right(options, says):
    with pytest.raises(ValueError, match=says):
        from_tables(neurons(), synapses((11, 12)), **options)
