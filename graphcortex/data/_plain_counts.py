"""A table of synapse counts as it is usually written, read at once: digits, commas and line ends, nothing else."""

from __future__ import annotations

import numpy as np

_COMMA, _LINE_END, _ZERO = (ord(sign) for sign in ",\n0")
_MOST_DIGITS = 15  # below 2**53, up to which counts are exact in every reader
_ROWS = 32


def plain_counts(content: bytes, N: int) -> np.ndarray | None:
    r"""Return the counts of a csv with one header row and one index column, if it is of the plainest kind.

    A general reader looks at each of ``N`` columns for itself, and takes as long for the columns as for the numbers. Here
    all cells are read together, by their distance to the next comma.

    Args:
        content: The file.
        N: Number of neurons, which the table must have as rows and columns.

    Returns:
        The counts, shape ``(N, N)``, int64. ``None`` if the file holds anything but digits, commas and ``\n``, an empty
        cell, a number of more than 15 digits, or another shape: then a reader that knows more must say what it is.

    Example:
        >>> plain_counts(b",0,1\n0,0,12\n1,3,0\n", 2)
        array([[ 0, 12],
               [ 3,  0]])
        >>> plain_counts(b",0,1\n0,0,12\n1,3,0.5\n", 2) is None
        True
    """
    if not content.endswith(b"\n"):
        content += b"\n"
    header, _, body = content.partition(b"\n")
    if header.count(b",") != N or header.translate(None, b"0123456789,"):
        return None
    signs = np.frombuffer(body, np.uint8)
    ends = np.flatnonzero(signs == _LINE_END) + 1
    if len(ends) != N:
        return None
    counts = np.empty((N, N), dtype=np.int64)
    starts = np.concatenate([[0], ends])
    # Some rows at a time: what is in between then stays in the cache of the processor.
    for first in range(0, N, _ROWS):
        rows = slice(first, min(first + _ROWS, N))
        cells = _cells(signs[starts[rows.start] : starts[rows.stop]], rows.stop - rows.start, N + 1)
        if cells is None:
            return None
        counts[rows] = cells[:, 1:]
    return counts


def _cells(signs: np.ndarray, rows: int, columns: int) -> np.ndarray | None:
    digits = signs - _ZERO  # what is below "0" wraps around to more than 9
    ends = np.flatnonzero(digits > 9)
    expected = np.full((rows, columns), _COMMA, dtype=np.uint8)
    expected[:, -1] = _LINE_END
    if not np.array_equal(signs[ends], expected.ravel()):
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.min() < 1 or lengths.max() > _MOST_DIGITS:
        return None
    out = digits[ends - 1].astype(np.int64)
    for place in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > place)
        out[longer] += digits[ends[longer] - 1 - place] * np.int64(10**place)
    return out.reshape(rows, columns)
