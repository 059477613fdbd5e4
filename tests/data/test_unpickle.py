from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphcortex.data._unpickle import DataFileError, UnsafeFileError, read_npy


def npy(body: bytes, shape=(1,), descr="|O", fortran=False, version=1) -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + body


def ragged(*elements) -> np.ndarray:
    out = np.empty(len(elements), dtype=object)
    for i, element in enumerate(elements):
        out[i] = element
    return out


def pickled(array: np.ndarray, protocol: int, package: str = "numpy._core") -> bytes:
    """Pickle an array as NumPy 2 (``numpy._core``) or NumPy 1 (``numpy.core``) does."""
    content = pickle.dumps(array, protocol)
    if package == "numpy.core":
        # The name is stored with its length where the protocol is 4 or 5, and as a line before.
        for module in (b"multiarray", b"numeric"):
            new, old = b"numpy._core." + module, b"numpy.core." + module
            content = content.replace(bytes([len(new)]) + new, bytes([len(old)]) + old).replace(b"c" + new, b"c" + old)
        # Frames would now be too long by a byte or two; they are optional.
        content = without_frames(content)
    return content


def without_frames(content: bytes) -> bytes:
    cuts = [position for opcode, _, position in pickletools.genops(content) if opcode.name == "FRAME"]
    for position in reversed(cuts):
        content = content[:position] + content[position + 9 :]
    return content


SAMPLES = {
    "positions": ragged(np.array([1, 2, 3]), np.array([130000, 210000, -5])),
    "spikes": ragged(np.array([0.25, 1.5]), np.array([]), np.array([np.pi])),
    "a matrix in Fortran order": ragged(np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(2)),
    "scalars of NumPy": ragged(np.float64(1.5), np.int64(-7), np.bool_(True)),
    "numbers of Python": ragged(1, 2.5, True),
    "lists": ragged([1, 2, 3], (0.5, 1.5), []),
    "small kinds": ragged(*(np.arange(3).astype(kind) for kind in ("i1", "u2", "i4", ">i8", "f4", ">f8", "?"))),
    "in two dimensions": np.array([[1, 2.5], [3, 4]], dtype=object),
}


@pytest.mark.parametrize("package", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_reads_object_arrays(tmp_path, sample, protocol, package):
    path = tmp_path / "x.npy"
    path.write_bytes(npy(pickled(sample, protocol, package), shape=sample.shape))
    read = read_npy(path)
    assert read.dtype == object
    assert read.shape == sample.shape
    for got, expected in zip(read.ravel(), sample.ravel(), strict=True):
        np.testing.assert_array_equal(got, expected)
        if isinstance(expected, np.ndarray):
            assert got.dtype == expected.dtype.newbyteorder("=")
            assert got.flags.writeable


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i8", ">i8", "<f8", "<f4", "|b1", "|u1"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 3)])
def test_reads_numbers_as_numpy_does(tmp_path, shape, dtype, order, version):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype, order=order)
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    read = read_npy(path)
    np.testing.assert_array_equal(read, np.load(path))
    assert read.dtype == array.dtype.newbyteorder("=")


def test_reads_what_numpy_saved(tmp_path):
    np.save(tmp_path / "x.npy", SAMPLES["spikes"], allow_pickle=True)
    read = read_npy(tmp_path / "x.npy")
    assert [element.tolist() for element in read] == [[0.25, 1.5], [], [np.pi]]


# --- nothing runs -----------------------------------------------------------------------------------


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def state_with(thing):
    """Pickle an array whose state holds ``thing``."""

    class State:
        def __reduce__(self):
            array = (np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"))
            return (*array, (1, (1,), np.dtype("O"), False, [thing]))

    return State()


HOSTILE = {
    "os.system": (Call(os.system, "touch ran"), "system"),
    "open": (Call(open, "ran", "w"), r"\.open"),
    "eval": (Call(eval, "open('ran', 'w')"), r"builtin.*\.eval"),
    "exec": (Call(exec, "open('ran', 'w')"), r"\.exec"),
    "getattr": (Call(getattr, 1, "real"), r"\.getattr"),
    "numpy.load": (Call(np.load, "ran"), r"load"),
    "numpy.memmap": (Call(np.memmap, "ran", "u1", "w+", 0, (1,)), r"memmap"),
    "importlib": (Call(__import__, "antigravity"), r"__import__"),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("nest", [lambda x: x, lambda x: ragged(x), lambda x: ragged([x]), state_with])
@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE.keys())
def test_refuses_code_and_names_it(tmp_path, monkeypatch, case, nest, protocol):
    monkeypatch.chdir(tmp_path)
    thing, name = case
    path = tmp_path / "x.npy"
    path.write_bytes(npy(pickle.dumps(nest(thing), protocol)))
    with pytest.raises(UnsafeFileError, match=name) as caught:
        read_npy(path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "ran").exists()


def glob(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


NDARRAY, RECONSTRUCT = glob("numpy", "ndarray"), glob("numpy.core.multiarray", "_reconstruct")
DTYPE = glob("numpy", "dtype")

RAW = {
    "INST": (b"(S'touch ran'\nios\nsystem\n.", UnsafeFileError),
    "OBJ": (b"(cos\nsystem\nS'touch ran'\no.", UnsafeFileError),
    "a name with dots": (b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.", UnsafeFileError),
    "extension registry": (b"\x80\x02\x82\x01.", DataFileError),
    "persistent id": (b"Pos.system\n.", DataFileError),
    "NEWOBJ of a stand-in": (b"\x80\x02" + NDARRAY + b")\x81.", DataFileError),
    "a state for a stand-in": (b"\x80\x02" + RECONSTRUCT + b"}X\x01\x00\x00\x00aK\x01sb.", DataFileError),
    "slots of a stand-in": (b"\x80\x02" + RECONSTRUCT + b"N}X\x05\x00\x00\x00_callNs\x86b.", DataFileError),
    "an item of a stand-in": (b"\x80\x02" + RECONSTRUCT + b"K\x01K\x02s.", DataFileError),
    "appended to a stand-in": (b"\x80\x02" + RECONSTRUCT + b"K\x01a.", DataFileError),
    "ndarray called": (b"\x80\x02" + NDARRAY + b")R.", DataFileError),
    "a number": (b"K\x01.", DataFileError),
    "a stand-in": (RECONSTRUCT + b".", DataFileError),
    "a dtype": (DTYPE + b"X\x02\x00\x00\x00O8\x85R.", DataFileError),
    "a dtype of no name": (DTYPE + b"K\x01\x85R.", DataFileError),
    "an array without state": (RECONSTRUCT + b"(" + NDARRAY + b"K\x00\x85U\x01btR.", DataFileError),
    "a memo that would fill memory": (b"\x80\x02K\x01r\xff\xff\xff\x7f.", DataFileError),
    "bytes that would fill memory": (b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.", DataFileError),
    "a bytearray that would fill memory": (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.", DataFileError),
    "a frame that would fill memory": (b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"K\x01.", DataFileError),
    "nothing": (b"", DataFileError),
    "no end": (b"K\x01", DataFileError),
    "more after the end": (pickle.dumps(SAMPLES["numbers of Python"], 4) + b"x", DataFileError),
}


@pytest.mark.parametrize("case", RAW.values(), ids=RAW.keys())
def test_refuses_crafted_pickles(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    body, error = case
    (tmp_path / "x.npy").write_bytes(npy(body, shape=(3,)))
    with pytest.raises(DataFileError, match=r"x\.npy") as caught:
        read_npy(tmp_path / "x.npy")
    assert type(caught.value) is error
    assert not (tmp_path / "ran").exists()
    # Nothing of the refused file is left in the reader.
    (tmp_path / "x.npy").write_bytes(npy(pickle.dumps(SAMPLES["spikes"], 2), shape=(3,)))
    assert read_npy(tmp_path / "x.npy")[0].tolist() == [0.25, 1.5]


def test_the_memo_is_checked_before_memory_is_set_aside_for_it(tmp_path):
    (tmp_path / "x.npy").write_bytes(npy(RAW["a memo that would fill memory"][0], shape=(3,)))
    with pytest.raises(DataFileError, match="memo is numbered out of order"):
        read_npy(tmp_path / "x.npy")


BAD_ELEMENTS = {
    "text": ragged("spikes"),
    "nothing": ragged(None),
    "a mapping": ragged({1: 2}),
    "objects within objects": ragged(ragged(1, 2)),
    "a list of lists": ragged([[1], [2]]),
    "whole numbers beyond 64 bits": ragged([2**80]),
    "records": ragged(np.zeros(2, dtype=[("a", "f8")])),
    "dates": ragged(np.zeros(2, dtype="M8[s]")),
    "complex numbers": ragged(np.zeros(2, dtype=complex)),
    "texts of NumPy": ragged(np.array(["a", "b"])),
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("array", BAD_ELEMENTS.values(), ids=BAD_ELEMENTS.keys())
def test_refuses_elements_that_are_no_numbers(tmp_path, array, protocol):
    (tmp_path / "x.npy").write_bytes(npy(pickle.dumps(array, protocol)))
    with pytest.raises(DataFileError, match=r"x\.npy: expected a whole \.npy file of numbers"):
        read_npy(tmp_path / "x.npy")


NUMBERS = np.arange(6.0).tobytes()

BAD_FILES = {
    "empty": b"",
    "only the start": b"\x93NUMPY\x01\x00",
    "another kind": b"PK\x03\x04" * 20,
    "an unknown version": npy(NUMBERS, (6,), "<f8").replace(b"NUMPY\x01", b"NUMPY\x09"),
    "a header that runs out": b"\x93NUMPY\x01\x00\xff\xff{'descr': '<f8'",
    "a header with code": npy(NUMBERS, (6,), "<f8").replace(b"(6,)", b"f()."),
    "a long header": b"\x93NUMPY\x02\x00"
    + struct.pack("<I", 1 << 20)
    + b"{'descr': '<f8', 'shape': ("
    + b"9" * (1 << 20),
    "too few numbers": npy(NUMBERS[:-1], (6,), "<f8"),
    "too many numbers": npy(NUMBERS + b"x", (6,), "<f8"),
    "a shape that would fill memory": npy(NUMBERS, (10**9, 10**9), "<f8"),
    "records": npy(NUMBERS, (6,), "|V8"),
    "text": npy(NUMBERS, (6,), "<U2"),
    "an unknown dtype": npy(NUMBERS, (6,), "<f7"),
    "objects of another shape": npy(pickle.dumps(SAMPLES["spikes"], 4), (7,)),
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_refuses_damaged_files(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataFileError, match=r"x\.npy: expected a whole \.npy file"):
        read_npy(tmp_path / "x.npy")


def test_names_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataFileError, match=r"missing\.npy: expected a \.npy file, got no file"):
        read_npy(tmp_path / "missing.npy")
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(DataFileError, match=r"folder\.npy: expected a \.npy file that can be read, got"):
        read_npy(tmp_path / "folder.npy")


# --- any bytes end in an array or in the named error ------------------------------------------------


def saved(array: np.ndarray, protocol: int) -> bytes:
    return npy(pickle.dumps(array, protocol), shape=array.shape)


WATCHED: list[str] | None = None


def watch(event: str, arguments: tuple) -> None:
    if WATCHED is not None and event in ("exec", "compile", "import", "os.system", "pickle.find_class", "open"):
        WATCHED.append(f"{event} {arguments[0] if arguments else ''}")


sys.addaudithook(watch)  # Python has no way to take it off; outside of the tests below it does nothing


def read_bytes(content: bytes, folder) -> None:
    """Read a file of these bytes, and see that Python itself reports no code, import or other file."""
    global WATCHED
    path = folder / "x.npy"
    path.write_bytes(content)
    WATCHED = []
    try:
        assert isinstance(read_npy(path), np.ndarray)
    except DataFileError:
        pass
    finally:
        seen, WATCHED = WATCHED, None
    assert seen == [f"open {path}"]


FUZZ = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(body=st.binary(max_size=200), whole=st.booleans())
def test_random_bytes(tmp_path, body, whole):
    read_bytes(body if whole else npy(body), tmp_path)


@FUZZ
@given(sample=st.sampled_from([*SAMPLES.values()]), protocol=st.integers(0, 5), cut=st.floats(0, 1, exclude_max=True))
def test_truncation_is_always_seen(tmp_path, sample, protocol, cut):
    content = saved(sample, protocol)
    path = tmp_path / "x.npy"
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(DataFileError, match=r"x\.npy"):
        read_npy(path)


@FUZZ
@given(
    sample=st.sampled_from([*SAMPLES.values()]),
    protocol=st.integers(0, 5),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=8),
)
def test_flipped_bits(tmp_path, sample, protocol, flips):
    content = bytearray(saved(sample, protocol))
    for at, bits in flips:
        content[int(at * len(content))] ^= bits
    read_bytes(bytes(content), tmp_path)


@FUZZ
@given(data=st.data())
def test_spliced_opcodes(tmp_path, data):
    parts = [RECONSTRUCT, NDARRAY, DTYPE, b"(", b")", b"t", b"R", b"b", b"}", b"]", b"a", b"e", b"s", b"u", b"0", b"2"]
    parts += [
        b"N",
        b"K\x00",
        b"K\x03",
        b"U\x01b",
        b"X\x02\x00\x00\x00O8",
        b"X\x02\x00\x00\x00i8",
        b"\x85",
        b"\x87",
        b"\x81",
    ]
    parts += [
        b"q\x00",
        b"h\x00",
        b"l",
        b"o",
        b"d",
        b"cos\nsystem\n",
        b"X\x08\x00\x00\x00touch me",
        b"C\x08\x00\x01\x02\x03\x04567",
    ]
    body = b"".join(data.draw(st.lists(st.sampled_from(parts), max_size=25)))
    read_bytes(npy(b"\x80\x04" + body + b"."), tmp_path)


def test_the_real_reader_would_have_run_it(tmp_path, monkeypatch):
    """The hostile samples are live: the plain unpickler does what they ask."""
    monkeypatch.chdir(tmp_path)
    pickle.load(io.BytesIO(pickle.dumps(HOSTILE["os.system"][0])))
    assert (tmp_path / "ran").exists()
