"""Archives, pickles and XML that were made to do harm: nothing runs, nothing unfolds, and the error has a name."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from graphcortex.data import (
    Connectome,
    ConnectomeError,
    DataFileError,
    UnsafeFileError,
    from_tables,
    read_graphml,
    read_npz,
    read_tables,
    to_graphml,
    to_npz,
    to_tables,
)
from tests.data._graphs import connectome


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def npy(array, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


@pytest.fixture
def content(tmp_path) -> dict[str, bytes]:
    return members(to_npz(connectome(5), tmp_path / "good.npz"))


def write(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def attacks(target: Path) -> dict[str, object]:
    return {
        "opens a file": Call(open, str(target), "w"),
        "calls os.system": Call(os.system, f"touch {target}"),
        "evaluates": Call(eval, f"open({str(target)!r}, 'w')"),
    }


@pytest.mark.parametrize("attack", attacks(Path()))
@pytest.mark.parametrize("member", ["neuron.pos.npy", "data.npy", "connectome.npy", "format.npy", "indptr.npy"])
def test_a_pickle_in_an_npz_does_not_run(attack, member, content, tmp_path):
    target = tmp_path / "harm"
    objects = np.empty(1, dtype=object)
    objects[0] = attacks(target)[attack]
    path = write(tmp_path / "bad.npz", {**content, member: npy(objects, allow_pickle=True)})
    with pytest.raises(DataFileError, match=r"bad\.npz"):
        read_npz(path)
    path = write(tmp_path / "raw.npz", {**content, member: pickle.dumps(objects[0])})
    with pytest.raises(DataFileError, match=r"raw\.npz"):
        read_npz(path)
    assert not target.exists()
    # The attack is a real one: a reader that trusts the file is caught by it.
    if member == "data.npy" and attack == "calls os.system":
        with np.load(
            write(tmp_path / "bad.npz", {"data.npy": npy(objects, allow_pickle=True)}), allow_pickle=True
        ) as file:
            file["data"]
        assert target.exists()


@pytest.mark.parametrize("attack", attacks(Path()))
def test_a_pickle_in_any_other_file_does_not_run(attack, tmp_path):
    target, bad = tmp_path / "harm", pickle.dumps(attacks(tmp_path / "harm")[attack])
    for name, read in {
        "x.npz": read_npz,
        "x.graphml": read_graphml,
        "x.pt": Connectome.load,
        "x.csv": lambda path: from_tables(path, path),
        "x.parquet": lambda path: from_tables(path, path),
    }.items():
        (tmp_path / name).write_bytes(bad)
        with pytest.raises((DataFileError, ConnectomeError)):
            read(tmp_path / name)
    torch.save(attacks(target)[attack], tmp_path / "x.pt")
    with pytest.raises(ConnectomeError, match="was refused"):
        Connectome.load(tmp_path / "x.pt")
    to_tables(connectome(3), tmp_path / "t")
    for file in (tmp_path / "t").iterdir():
        good = file.read_bytes()
        file.write_bytes(bad)
        with pytest.raises(DataFileError):
            read_tables(tmp_path / "t")
        file.write_bytes(good)
    assert not target.exists()


@pytest.mark.parametrize(
    "name", ["../harm.npy", "/tmp/harm.npy", "a/../../harm.npy", "..\\harm.npy", "C:harm.npy", "neuron/../../pos.npy"]
)
def test_a_path_in_an_archive_is_not_followed(name, content, tmp_path):
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in" / "bad.npz", {**content, name: npy(np.arange(3))})
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UnsafeFileError, match="a path in it"):
        read_npz(path)
    assert set(tmp_path.rglob("*")) == before


def test_names_that_are_not_ours_and_names_twice_are_refused(content, tmp_path):
    with pytest.raises(DataFileError, match=r"got one with 'neuron\.colour\.npy' in it"):
        read_npz(write(tmp_path / "x.npz", {**content, "neuron.colour.npy": npy(np.arange(3))}))
    path = write(tmp_path / "x.npz", content)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("data.npy", content["data.npy"])
    with pytest.raises(DataFileError, match="holds a member twice"):
        read_npz(path)
    for missing in content:
        with pytest.raises((DataFileError, ConnectomeError)):
            read_npz(write(tmp_path / "x.npz", {name: data for name, data in content.items() if name != missing}))


def test_a_packed_file_is_read_like_the_one_it_was_packed_from(content, tmp_path):
    assert read_npz(write(tmp_path / "x.npz", content)).num_neurons == 5
    for unusual in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with pytest.raises(DataFileError, match="packed in an unusual way"):
            read_npz(write(tmp_path / "x.npz", content, unusual))


def test_a_zip_bomb_does_not_unfold(content, tmp_path):
    """256 MB of zeros in a quarter of one: refused before a byte of it is unpacked."""
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in content.items():
            if name != "neuron.pos.npy":
                archive.writestr(name, data)
        with archive.open("neuron.pos.npy", "w", force_zip64=True) as file:
            for _ in range(256):
                file.write(bytes(2**20))
    assert bomb.stat().st_size < 2**20
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeFileError, match="refused as a zip bomb, nothing was unfolded"):
            read_npz(bomb)
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


def test_an_archive_that_lies_about_its_sizes_does_not_unfold_either(content, tmp_path):
    """The sizes say 100 bytes; 64 MB follow."""
    path = tmp_path / "lie.npz"
    write(path, {**{n: d for n, d in content.items() if n != "neuron.pos.npy"}, "neuron.pos.npy": bytes(64 * 2**20)})
    raw = path.read_bytes()
    true, told = struct.pack("<I", 64 * 2**20), struct.pack("<I", 100)
    assert raw.count(true) == 2
    path.write_bytes(raw.replace(true, told))
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError, match=r"lie\.npz.*damaged"):
            read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


def test_an_array_that_claims_to_be_huge_takes_no_memory(content, tmp_path):
    for shape in (b"(99999999999, 3)", b"(2305843009213693952, 3)"):
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape.decode()}, }}".encode()
        huge = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
        with pytest.raises(DataFileError, match="damaged"):
            read_npz(write(tmp_path / "x.npz", {**content, "neuron.pos.npy": huge}))


BAD_XML = {
    "billion laughs": (
        '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><graphml>&b;</graphml>',
        UnsafeFileError,
        "document type",
    ),
    "an entity that reads a file": (
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><graphml>&a;</graphml>',
        UnsafeFileError,
        "document type",
    ),
    "a document type elsewhere": (
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><graphml/>',
        UnsafeFileError,
        "document type",
    ),
    "an entity without definition": ("<graphml>&a;</graphml>", DataFileError, "undefined entity"),
    "not closed": ("<graphml><graph>", DataFileError, "no element found"),
    "of another program": ("<graphml><graph/></graphml>", DataFileError, "a graph from elsewhere"),
    "no xml": ("neuron,x_um", DataFileError, "damaged or of another kind"),
    "an unknown encoding": ('<?xml version="1.0" encoding="x-none"?><graphml/>', DataFileError, "from elsewhere"),
    "a node without name": ("<graphml><node/></graphml>", DataFileError, "'id'"),
    "a node twice": ('<graphml><node id="a"/><node id="a"/></graphml>', DataFileError, "'a' twice"),
    "an unknown key": ('<graphml><node id="a"><data key="k"/></node></graphml>', DataFileError, "'k'"),
}


@pytest.mark.parametrize(("text", "error", "says"), BAD_XML.values(), ids=BAD_XML.keys())
def test_xml_that_is_not_ours_is_refused(text, error, says, tmp_path):
    (tmp_path / "x.graphml").write_text(text)
    with pytest.raises(error, match=says):
        read_graphml(tmp_path / "x.graphml")


def test_deep_notes_do_not_exhaust_the_stack(content, tmp_path):
    deep = b'{"format": "graphcortex.Connectome", "version": 2, "provenance": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(DataFileError, match="damaged text"):
        read_npz(write(tmp_path / "x.npz", {**content, "connectome.npy": npy(np.frombuffer(deep, np.uint8))}))
    level = sys.getrecursionlimit() // 2
    fields = b'"fields": {"neuron": ["pos"], "synapse": ["edge_index", "count"]}'
    deep = b'{"format": "graphcortex.Connectome", "version": 2, %s, "provenance": {"a": ' % fields
    deep += b"[" * level + b"]" * level + b"}}"
    with contextlib.suppress(DataFileError, ConnectomeError):  # either it is read, or the error has a name
        read_npz(write(tmp_path / "x.npz", {**content, "connectome.npy": npy(np.frombuffer(deep, np.uint8))}))


def test_what_was_changed_by_hand_is_validated(tmp_path):
    path = to_graphml(connectome(4), tmp_path / "x.graphml")
    text = path.read_text()
    path.write_text(text.replace('target="n3"', 'target="n9"'))
    with pytest.raises(DataFileError, match="'n9'"):
        read_graphml(path)
    path.write_text(
        text.replace("<node id", '<node name="x" id').replace('key="synapse.count">', 'key="synapse.count">-')
    )
    with pytest.raises(ConnectomeError, match="count must be at least 1"):
        read_graphml(path)
