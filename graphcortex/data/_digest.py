"""A checksum of what a file should hold, so that no damaged file is read as another connectome."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np


def digest_of(levels: Mapping[str, Mapping[str, np.ndarray]], text: str) -> str:
    """Return the SHA-256 of named arrays, of any order, and a text; which NaN stands for a gap does not count.

    Example:
        >>> one = {"neuron": {"pos": np.zeros((2, 3), np.float32)}}
        >>> digest_of(one, "notes") == digest_of({"neuron": {"pos": np.zeros((2, 3), np.float32)}}, "notes")
        True
        >>> digest_of(one, "notes") == digest_of(one, "other notes")
        False
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for level, name in sorted((level, name) for level, arrays in levels.items() for name in arrays):
        array = np.asarray(levels[level][name])
        if array.dtype.kind == "f" and np.isnan(array).any():
            array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
        array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
        digest.update(f"\n{level} {name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()
