"""Read ``.npy`` files, object arrays among them, without running anything that a file asks for.

NumPy writes an object array as a pickle, and a pickle is a program: what it names is imported and called. Here the few
names that rebuild NumPy arrays are answered by stand-ins which only note what they are given; every other name is
refused. NumPy itself is not handed to the pickle either, since some states of its arrays are trusted without a check:
arrays are made afterwards, from bytes whose number must fit their shape and dtype.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from graphcortex._bounded import check_unfolding


class DataFileError(ValueError):
    """A file of a data set is missing, damaged, or does not hold what it should."""


class UnsafeFileError(DataFileError):
    """A file asks to run code. It was refused, and nothing ran."""


_HEADER = re.compile(
    r"\{'descr': '([<>|=]?[a-zA-Z]\d{0,3})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,15}, ?)*\d{0,15})\),? ?\}\s*"
)
_MAX_HEADER = 10_000
_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")


def read_npy(path: str | PathLike) -> np.ndarray:
    """Read an array of numbers, or an object array of numbers and of arrays of numbers.

    Args:
        path: A ``.npy`` file, of format version 1 to 3, in any pickle protocol.

    Returns:
        The array. The elements of an object array are Python numbers or NumPy arrays.

    Raises:
        UnsafeFileError: If the file asks for anything but the parts of NumPy arrays.
        DataFileError: If the file is missing or damaged, or holds anything else.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataFileError(f"{path}: expected a .npy file, got no file; check the folder.") from None
    except OSError as error:
        raise DataFileError(f"{path}: expected a .npy file that can be read, got {error.strerror}.") from None
    try:
        descr, fortran, shape, body = _split(content)
        if descr.strip("<>|=").startswith("O"):
            return _read_objects(body, shape, path)
        return _from_bytes(body, descr, shape, "F" if fortran else "C")
    except UnsafeFileError:
        raise
    except Exception as error:
        # A damaged pickle can fail in any way: the unpickler promises no single error.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataFileError(
            f"{path}: expected a whole .npy file of numbers, got one that is damaged or of another kind ({reason}); "
            "fetch it again."
        ) from None


def read_npy_numbers(content: bytes, label: str) -> np.ndarray:
    """Return the numbers of a ``.npy`` file that is in memory. Objects are refused unread.

    Raises:
        UnsafeFileError: If it holds a pickle.
        DataFileError: If it is damaged, or holds anything but numbers.
    """
    try:
        descr, fortran, shape, body = _split(content)
        if descr.strip("<>|=").startswith("O"):
            raise UnsafeFileError(
                f"{label}: expected an array of numbers, got pickled objects, which could run code; refused unread."
            )
        return _from_bytes(body, descr, shape, "F" if fortran else "C")
    except UnsafeFileError:
        raise
    except Exception as error:  # a shape may be beyond what NumPy admits, in several ways
        raise DataFileError(f"{label}: expected an array of numbers, got a damaged one ({error}).") from None


def _split(content: bytes) -> tuple[str, bool, tuple[int, ...], bytes]:
    if content[:6] != b"\x93NUMPY" or len(content) < 12 or content[6] not in (1, 2, 3):
        raise ValueError("it does not start as a .npy file")
    start = 10 if content[6] == 1 else 12
    end = start + int.from_bytes(content[8:start], "little")
    match = _HEADER.fullmatch(content[start:end].decode("latin1")) if end <= min(len(content), _MAX_HEADER) else None
    if match is None:
        raise ValueError("its header does not describe an array of numbers")
    descr, fortran, shape = match.groups()
    return descr, fortran == "True", tuple(int(size) for size in re.findall(r"\d+", shape)), content[end:]


def _from_bytes(data: bytes | bytearray, descr: str, shape: tuple[int, ...], order: str) -> np.ndarray:
    if not _NUMBERS.fullmatch(descr):
        raise ValueError(f"dtype {descr!r} is not one of numbers")
    dtype = np.dtype(descr)
    expected = math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise ValueError(f"{expected} bytes of data expected for shape {shape} of {descr}, got {len(data)}")
    array = np.frombuffer(data, dtype).reshape(shape, order=order)
    return array.astype(dtype.newbyteorder("="), order="C")


class _StandIn:
    """Answers one name of a pickle. It has no attribute that a pickle could set."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]):
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("a pickle must not change what it names")


class _Dtype:
    """What a pickle says of a dtype."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *flags: Any):
        if not isinstance(code, str):
            raise ValueError("a dtype without a name")
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[2:5] != (None, None, None):
            raise ValueError("a dtype with parts")
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError("a dtype of unknown byte order")
        self.order = state[1]

    @property
    def descr(self) -> str:
        return self.order + self.code


class _Array:
    """What a pickle says of an array."""

    __slots__ = ("data", "dtype", "order", "shape")

    def __init__(self, *arguments: Any):
        # The arguments of _reconstruct make an empty array; the state that follows says what it holds.
        self.data, self.dtype, self.order, self.shape = None, None, "C", ()

    def __setstate__(self, state: Any) -> None:
        _, shape, self.dtype, fortran, self.data = state
        self.order, self.shape = "F" if fortran else "C", shape

    @classmethod
    def of_buffer(cls, data: Any, dtype: Any, shape: Any, order: Any, *axes: Any) -> _Array:
        out = cls()
        if order not in ("C", "F") or axes:
            raise ValueError("an array of unknown order")
        out.data, out.dtype, out.order, out.shape = data, dtype, order, shape
        return out

    @classmethod
    def of_scalar(cls, dtype: Any, data: Any) -> _Array:
        return cls.of_buffer(data, dtype, (), "C")

    def check(self) -> None:
        sizes = isinstance(self.shape, tuple) and all(type(size) is int and size >= 0 for size in self.shape)
        if not sizes or not isinstance(self.dtype, _Dtype):
            raise ValueError("an array without shape or dtype")

    def numbers(self) -> np.ndarray:
        self.check()
        if not isinstance(self.data, (bytes, bytearray)):
            raise ValueError("an array of objects where numbers are due")
        return _from_bytes(self.data, self.dtype.descr, self.shape, self.order)


def _encode(text: Any, encoding: Any) -> bytes:
    # Protocols 0 to 2 have no bytes: Python writes them as text that is to be encoded.
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("text where bytes are due")
    return text.encode("latin1")


def _marker() -> None:
    raise ValueError("a bare ndarray")


_ARRAY, _BYTES = _StandIn(_Array), _StandIn(lambda: b"")
_NAMES: dict[tuple[str, str], _StandIn] = {
    ("numpy", "ndarray"): _StandIn(_marker),
    ("numpy", "dtype"): _StandIn(_Dtype),
    ("_codecs", "encode"): _StandIn(_encode),
    ("builtins", "bytes"): _BYTES,
    ("__builtin__", "bytes"): _BYTES,
}
for _package in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
    _NAMES[f"{_package}.multiarray", "_reconstruct"] = _ARRAY
    _NAMES[f"{_package}.multiarray", "scalar"] = _StandIn(_Array.of_scalar)
    _NAMES[f"{_package}.numeric", "_frombuffer"] = _StandIn(_Array.of_buffer)


class _Unpickler(pickle.Unpickler):
    def __init__(self, body: bytes, path: Path):
        super().__init__(io.BytesIO(body))
        self._path = path

    def find_class(self, module: str, name: str) -> _StandIn:
        if (module, name) not in _NAMES:
            raise UnsafeFileError(
                f"{self._path}: expected a .npy file of numbers, got one that asks for {module}.{name}; it was "
                "refused, and nothing ran. Do not open it with another program; fetch it again from its source."
            )
        return _NAMES[module, name]


def _read_objects(body: bytes, shape: tuple[int, ...], path: Path) -> np.ndarray:
    last = 0
    for number, (opcode, argument, position) in enumerate(pickletools.genops(body)):
        # The unpickler sets memory aside for the memo by its greatest number, which a few bytes can make huge.
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > number:
            raise ValueError("its memo is numbered out of order")
        last = position
    if last + 1 != len(body):
        raise ValueError(f"{len(body) - last - 1} bytes follow its end")
    array = _Unpickler(body, path).load()
    if not isinstance(array, _Array):
        raise ValueError("it holds no array")
    array.check()
    if array.dtype.code not in ("O4", "O8") or not isinstance(array.data, list):
        raise ValueError("it holds no array of objects")
    if array.shape != shape or len(array.data) != math.prod(shape):
        raise ValueError(f"shape {shape} in its header, {len(array.data)} elements of shape {array.shape} after it")
    out, unfolded = np.empty(len(array.data), dtype=object), 0
    for i, element in enumerate(array.data):
        # One array of the pickle may stand in many places, and each becomes an array of its own.
        unfolded += _size(element)
        check_unfolding(len(body), unfolded)
        out[i] = _element(element)
    return out.reshape(shape, order=array.order)


def _size(element: Any) -> int:
    """Return the bytes that an element will take, about."""
    content = element.data if isinstance(element, _Array) else element
    return len(content) * (1 if isinstance(content, (bytes, bytearray)) else 8) if hasattr(content, "__len__") else 8


def _element(element: Any) -> Any:
    if isinstance(element, _Array):
        numbers = element.numbers()
        return numbers if numbers.ndim else numbers.item()
    if isinstance(element, (list, tuple)):
        if not all(type(value) in (bool, int, float) for value in element):
            raise ValueError("a list of something else than numbers")
        array = np.array(element)
        if array.dtype.kind not in "biuf":
            raise ValueError("numbers beyond 64 bits")
        return array
    if type(element) in (bool, int, float):
        return element
    raise ValueError(f"an element of type {type(element).__name__}")
