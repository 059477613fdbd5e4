"""Files that ask for far more memory than they have bytes: refused, in a process that could not get it."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex._bounded import UnfoldsTooFarError, load_arrays, load_tensors
from graphcortex._parquet import read_parquet
from graphcortex.data import Connectome, to_npz
from graphcortex.data._unpickle import read_npy
from tests.data._graphs import connectome

MORE_BYTES = 3 * 2**30
"""Address space that a reader may take beyond what Python and the libraries take, of which Arrow reserves 1 GB at once. Each of
the bombs asks for 4 GB at least."""

WARNINGS_AS_ERRORS = "from pathlib import Path; import warnings; warnings.simplefilter('error')"

READER = """
import resource, sys
import graphcortex.data
{setup}
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {more}, used + {more}))
try:
    {call}
except Exception as error:
    print(type(error).__name__, error)
else:
    print("read")
"""


def outcome(call: str, setup: str = "") -> str:
    """Run a line in a process that may take 3 GB more than it has, and return the error of it, or "read"."""
    code = READER.format(call=call, setup=setup, more=MORE_BYTES)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


# --- Parquet --------------------------------------------------------------------------------------


def one_text(path: Path) -> None:
    """One text of 2 MB, 20,000 times: 40 GB."""
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array(["x" * 2_000_000]))
    table = {"root_id": np.arange(20_000), "pt_x": np.zeros(20_000), "cell_type": texts}
    pq.write_table(pa.table(table), path, compression="zstd")


def one_text_as_bytes(path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array([b"x" * 2_000_000]))
    pq.write_table(pa.table({"cell_type": texts}), path, compression="zstd", store_schema=False)


def packed_page(path: Path) -> None:
    """Constant numbers that zstd packs: 4 GB."""
    rows = pa.array(np.zeros(2**20))
    table = pa.table({f"c{k}": rows for k in range(512)})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)


def shared_beginnings(path: Path) -> None:
    """Texts of 1 MB that differ in their last digits, stored as these digits: 400 MB."""
    writer = None
    for first in range(0, 400, 100):
        table = pa.table({"name": ["x" * 1_000_000 + f"{k:06d}" for k in range(first, first + 100)]})
        writer = writer or pq.ParquetWriter(
            path,
            table.schema,
            use_dictionary=False,
            column_encoding={"name": "DELTA_BYTE_ARRAY"},
            write_statistics=False,
        )
        writer.write_table(table)
    writer.close()


def many_items(path: Path) -> None:
    """One row that is a list of 2^29 missing values: 4 GB."""
    items = pa.nulls(2**26, pa.float64())
    rows = pa.ListArray.from_arrays(pa.array([0, 2**26], pa.int32()), items)
    with pq.ParquetWriter(path, pa.schema({"x": rows.type}), compression="zstd") as writer:
        for _ in range(8):
            writer.write_table(pa.table({"x": rows}))


PARQUET = {
    "one text": one_text,
    "one text as bytes": one_text_as_bytes,
    "packed pages": packed_page,
    "a long list": many_items,
}


@pytest.mark.parametrize("make", PARQUET.values(), ids=PARQUET.keys())
def test_a_parquet_file_that_unfolds_too_far_is_refused(make, tmp_path):
    path = tmp_path / "bomb.parquet"
    make(path)
    assert path.stat().st_size < 2**22
    found = outcome(f"graphcortex.data.from_tables({str(path)!r}, {str(path)!r})")
    assert found.startswith(f"DataFileError {path}: expected a table, got {path.stat().st_size} bytes that unfold to")
    assert "refused, since at most 256 times the size of a file and 64 MiB are read" in found


def test_texts_that_share_their_beginning_are_refused(tmp_path):
    path = tmp_path / "bomb.parquet"
    shared_beginnings(path)
    with pytest.raises(UnfoldsTooFarError, match="bytes that unfold to"):
        read_parquet(path)


def test_a_footer_that_hides_the_size_of_its_pages_is_not_believed(tmp_path):
    """The sizes in the footer are those of a small table; the headers of the pages say what they are."""
    path = tmp_path / "bomb.parquet"
    rows = 2**20
    pq.write_table(
        pa.table({"x": np.zeros(rows * 16)}), path, compression="zstd", use_dictionary=False, row_group_size=2**24
    )
    content = path.read_bytes()
    metadata = pq.read_metadata(path).row_group(0)
    for number in {metadata.total_byte_size, metadata.column(0).total_uncompressed_size}:
        said = varint(number)
        assert content.count(said) >= 1
        content = content.replace(said, varint(5, len(said)))
    path.write_bytes(content)
    assert pq.read_metadata(path).row_group(0).column(0).total_uncompressed_size == 5
    with pytest.raises(UnfoldsTooFarError, match="bytes that unfold to"):
        read_parquet(path)


def varint(number: int, length: int = 0) -> bytes:
    """A signed number of Thrift's compact protocol, in so many bytes."""
    number, out = number << 1, []
    while number > 127 or len(out) < length - 1:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


COLUMNS = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.one_of(
        st.lists(st.one_of(st.none(), st.text(max_size=30)), min_size=7, max_size=7),
        st.lists(st.one_of(st.none(), st.binary(max_size=30)), min_size=7, max_size=7).map(
            lambda v: pa.array(v, pa.binary())
        ),
        st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=7, max_size=7),
        st.lists(st.floats(allow_nan=False), min_size=7, max_size=7),
        st.lists(st.lists(st.text(max_size=3), max_size=3), min_size=7, max_size=7).map(
            lambda v: pa.array(v, pa.list_(pa.string()))
        ),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize(
    "options", [{}, {"use_dictionary": False}, {"use_dictionary": False, "write_page_checksum": True}]
)
def test_a_table_without_rows_is_read(options):
    """Its columns may have no page at all."""
    table = pa.table({"id": pa.array([], pa.int64()), "kind": pa.array([], pa.string())})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", **options)
    assert read_parquet(sink.getvalue()).equals(table)


@given(
    columns=COLUMNS,
    compression=st.sampled_from(["none", "snappy", "zstd", "gzip"]),
    dictionary=st.booleans(),
    version=st.sampled_from(["1.0", "2.0"]),
    group=st.integers(1, 8),
)
def test_a_table_comes_back_as_arrow_reads_it(columns, compression, dictionary, version, group):
    table, sink = pa.table(columns), pa.BufferOutputStream()
    options = {
        "compression": compression,
        "use_dictionary": dictionary,
        "data_page_version": version,
        "row_group_size": group,
    }
    pq.write_table(table, sink, **options)
    content = sink.getvalue().to_pybytes()
    assert read_parquet(content).equals(pq.read_table(io.BytesIO(content)))


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "PLAIN"])
def test_every_encoding_of_text_is_read(encoding, tmp_path):
    table = pa.table({"name": [f"neuron {k}" for k in range(5000)]})
    pq.write_table(table, tmp_path / "t.parquet", use_dictionary=False, column_encoding={"name": encoding})
    assert read_parquet(tmp_path / "t.parquet").equals(table)


def test_a_table_as_people_have_it_is_read(tmp_path):
    """Sorted types pack well: they are far from the bound, for the ids beside them do not."""
    rows = 300_000
    types = np.repeat(["L2/3 pyramidal", "L4 spiny stellate", "Martinotti"], rows // 3)
    table = pa.table({"root_id": np.arange(rows) + 864691135000000066, "cell_type": types})
    pq.write_table(table, tmp_path / "t.parquet", compression="zstd", compression_level=19)
    assert read_parquet(tmp_path / "t.parquet").equals(table)


# --- files of torch.save --------------------------------------------------------------------------


def saved(path: Path, change) -> Path:
    """Save a connectome with what ``change(record)`` makes of it."""
    connectome(5).save(path)
    record = torch.load(path, weights_only=True)
    change(record)
    torch.save(record, path)
    return path


def expanded(record) -> None:
    record["neuron"]["pos"] = torch.zeros(1, 1).expand(2**31, 3)


def expanded_codes(record) -> None:
    record["synapse"]["count"] = torch.ones(1, dtype=torch.int64).expand(2**31)


def laughs(record) -> None:
    inner = ["ha"] * 10
    for _ in range(12):
        inner = [inner] * 10
    record["graph"]["provenance"] = {"source": inner}


def repeated_text(record) -> None:
    text = "x" * 100_000
    record["graph"]["provenance"] = {"source": [text] * 50_000}


PT = {
    "an expanded tensor": expanded,
    "expanded counts": expanded_codes,
    "lists of one list": laughs,
    "one text": repeated_text,
}


@pytest.mark.parametrize("change", PT.values(), ids=PT.keys())
def test_a_connectome_that_unfolds_too_far_is_refused(change, tmp_path):
    path = saved(tmp_path / "bomb.pt", change)
    assert path.stat().st_size < 300_000
    found = outcome(f"graphcortex.data.Connectome.load({str(path)!r})")
    assert found.startswith(f"ConnectomeError {path}: expected a file written by Connectome.save, got")
    assert "bytes that unfold to" in found


def repacked(path: Path, compression: int, change=None) -> Path:
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, change(name, data) if change else data)
    return path


def test_a_deflated_connectome_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.pt"
    connectome(5).save(path)
    repacked(path, zipfile.ZIP_DEFLATED)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("bomb/data/99", "w", force_zip64=True) as file,
    ):
        for _ in range(4 * 2**10):
            file.write(bytes(2**20))
    assert path.stat().st_size < 2**23
    found = outcome(f"graphcortex.data.Connectome.load({str(path)!r})")
    assert "refused, since torch.save packs nothing" in found


def test_a_pickle_that_asks_for_a_bytearray_is_refused(tmp_path):
    path = tmp_path / "bomb.pt"
    connectome(5).save(path)
    program = b"\x80\x02c__builtin__\nbytearray\n\x8a\x05" + struct.pack("<q", 2**33)[:5] + b"\x85R."
    repacked(path, zipfile.ZIP_STORED, lambda name, data: program if name.endswith("data.pkl") else data)
    found = outcome(f"graphcortex.data.Connectome.load({str(path)!r})")
    assert "it asks for __builtin__.bytearray" in found


def test_a_checkpoint_that_unfolds_too_far_is_set_aside(tmp_path):
    path = tmp_path / "run.pt"
    state = {"weight": torch.zeros(1).expand(2**31)}
    torch.save({"format": "graphcortex.study.Checkpoint", "identity": "{}", "state": state}, path)
    setup = f"from graphcortex.study.checkpoint import Checkpoint\n{WARNINGS_AS_ERRORS}"
    found = outcome(f"Checkpoint(Path({str(path)!r}), {{}}).load()", setup)
    assert found.startswith("UserWarning the checkpoint")
    assert "bytes that unfold to a tensor of shape (2147483648,)" in found
    assert (tmp_path / "run.pt.corrupt").is_file()


def test_tensors_of_every_kind_come_back(tmp_path):
    state = {
        "a": torch.rand(3, 4),
        "view": torch.arange(10)[2:5],
        "turned": torch.rand(3, 4).T,
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(2.0),
        "half": torch.rand(3).half(),
        "bool": torch.tensor([True]),
        "parameter": torch.nn.Parameter(torch.rand(2)),
        "plain": [1, 2.5, "text", None, True, (1, 2), {"k": "v"}],
        "state": torch.get_rng_state(),
    }
    torch.save(state, tmp_path / "s.pt")
    loaded = load_tensors(tmp_path / "s.pt")
    assert loaded["plain"] == state["plain"]
    assert all(torch.equal(loaded[name], value) for name, value in state.items() if name != "plain")


# --- archives of arrays, and arrays of objects ----------------------------------------------------


def test_an_npz_that_unfolds_too_far_is_refused(tmp_path):
    path = to_npz(connectome(5), tmp_path / "bomb.npz")
    repacked(path, zipfile.ZIP_DEFLATED, lambda name, data: bytes(2**28) if name == "neuron.pos.npy" else data)
    found = outcome(f"graphcortex.data.read_npz({str(path)!r})")
    assert found.startswith("UnsafeFileError")
    assert "refused as a zip bomb, nothing was unfolded" in found


def huge_header() -> bytes:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 9999999999), }"
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


@pytest.mark.parametrize("content", [huge_header(), bytes(2**28)], ids=["a header that lies", "zeros"])
def test_an_ensemble_that_unfolds_too_far_is_set_aside(content, tmp_path):
    path = tmp_path / "key.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("values.npy", content)
    with pytest.raises(ValueError, match=r"bytes that unfold to|says that it has"):
        load_arrays(path)
    with pytest.raises(ValueError, match=r"bytes that unfold to|says that it has"):
        load_arrays(io.BytesIO(path.read_bytes()))
    setup = f"from graphcortex.metrics import _kept\n{WARNINGS_AS_ERRORS}"
    assert outcome(f"_kept._read(Path({str(path)!r}), 'key')", setup).startswith("UserWarning")
    assert not path.exists()


def test_one_array_that_stands_in_many_places_is_refused(tmp_path):
    array = np.empty(20_000, dtype=object)
    array[:] = [np.zeros(100_000)] * 20_000
    np.save(tmp_path / "bomb.npy", array, allow_pickle=True)
    assert (tmp_path / "bomb.npy").stat().st_size < 2**20
    found = outcome(
        f"read_npy({str(tmp_path / 'bomb.npy')!r})", "from graphcortex.data._unpickle import read_npy, DataFileError"
    )
    assert found.startswith("DataFileError")
    assert "bytes that unfold to" in found
    array = np.empty(3, dtype=object)
    array[:] = [np.zeros(100)] * 3
    np.save(tmp_path / "small.npy", array, allow_pickle=True)
    assert sum(len(row) for row in read_npy(tmp_path / "small.npy")) == 300


def test_many_references_to_one_long_text_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py", reason="the extra [nwb] is not installed")
    from tests.data._tiny_nwb import SEGMENTATION, scan_name, write_scan

    text = b"x" * 2_000_000
    rows = 20_000

    def change(file):
        plane = file[f"{SEGMENTATION}/PlaneSegmentation1"]
        del plane["mask_type"]
        values = plane.create_dataset("mask_type", (rows,), h5py.string_dtype(), chunks=(rows,), compression="gzip")
        values[0] = text
        values[1:] = "soma"

    path = write_scan(tmp_path / scan_name(), change=change)
    # The reference of row 0 is copied to all rows, as it lies in the file.
    with h5py.File(path, "r+") as file:
        values = file[f"{SEGMENTATION}/PlaneSegmentation1/mask_type"]
        _, chunk = values.id.read_direct_chunk((0,))
        import zlib

        references = zlib.decompress(chunk)
        values.id.write_direct_chunk((0,), zlib.compress(references[:16] * rows))
    assert path.stat().st_size < 2**22
    found = outcome(f"graphcortex.data.MicronsRecordings({str(path)!r}).read(4, 7, 1)")
    assert found.startswith("DataFileError")
    assert "bytes that unfold to" in found


def test_a_connectome_still_loads_from_a_file_of_many_neurons(tmp_path):
    graph = connectome(60)
    graph.save(tmp_path / "c.pt")
    assert Connectome.load(tmp_path / "c.pt").num_neurons == 60
