"""A plain table of counts is read at once: what is read that way is what a general reader reads, or nothing is."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcortex.data import _field_files
from graphcortex.data._plain_counts import plain_counts
from graphcortex.data._unpickle import DataFileError


def written(matrix: np.ndarray) -> bytes:
    return pd.DataFrame(matrix).to_csv(lineterminator="\n").encode()


def general(content: bytes, N: int, monkeypatch, tmp_path) -> np.ndarray | None:
    """Return what the general reader makes of a file, None where it refuses it."""
    path = tmp_path / "connectome.csv"
    path.write_bytes(content)
    with monkeypatch.context() as patch:
        patch.setattr(_field_files, "plain_counts", lambda *_: None)
        try:
            return _field_files.read_counts(path, N, path)
        except DataFileError:
            return None


counts = st.sampled_from([0, 0, 0, 1, 9, 10, 99, 123_456, 10**15 - 1]) | st.integers(0, 2**53 - 1)


@given(data=st.data(), N=st.integers(1, 70))
@settings(max_examples=60)
def test_counts_come_back_exactly(data, N):
    matrix = np.zeros((N, N), dtype=np.int64)
    for _ in range(data.draw(st.integers(0, 6))):
        matrix[data.draw(st.integers(0, N - 1)), data.draw(st.integers(0, N - 1))] = data.draw(counts)
    found = plain_counts(written(matrix), N)
    if matrix.max() < 10**15:
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, matrix)
    else:
        assert found is None  # left to the general reader


@given(data=st.data())
@settings(max_examples=300)
def test_a_changed_file_is_read_as_the_general_reader_does_or_left_to_it(data, tmp_path_factory):
    N = data.draw(st.integers(1, 4))
    matrix = np.array(data.draw(st.lists(counts, min_size=N * N, max_size=N * N))).reshape(N, N)
    content = bytearray(written(matrix))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(
            st.sampled_from([b"", b",", b"\n", b"\r", b"0", b"7", b"12", b" ", b'"', b".", b"-", b"\xff", b"x"])
        )
        content[place : place + data.draw(st.integers(0, 1))] = new
        content = content or bytearray(b"\n")
    found = plain_counts(bytes(content), N)
    if found is not None:
        with pytest.MonkeyPatch.context() as patch:
            expected = general(bytes(content), N, patch, tmp_path_factory.mktemp("t"))
        np.testing.assert_array_equal(found, expected)
        assert found.shape == (N, N)


NOT_PLAIN = {
    "nothing": (b"", 1),
    "no rows": (b",0\n", 1),
    "a gap": (b",0,1\n0,1,\n1,0,0\n", 2),
    "a fraction": (b",0,1\n0,1,0.5\n1,0,0\n", 2),
    "a sign": (b",0,1\n0,1,-1\n1,0,0\n", 2),
    "quotes": (b',0,1\n0,1,"1"\n1,0,0\n', 2),
    "names": (b",a,b\na,1,1\nb,0,0\n", 2),
    "another line end": (b",0,1\r\n0,1,1\r\n1,0,0\r\n", 2),
    "an empty line": (b",0,1\n0,1,1\n\n1,0,0\n", 2),
    "a row too long beside one too short": (b",0,1\n0,1,1,1\n1,0\n", 2),
    "a row too many": (b",0,1\n0,1,1\n1,0,0\n2,0,0\n", 2),
    "no index": (b"0,1\n0,1\n1,0\n", 2),
    "16 digits": (b",0,1\n0,1,1000000000000000\n1,0,0\n", 2),
    "a byte that is no text": (b",0,1\n0,1,\xfa\n1,0,0\n", 2),
}


@pytest.mark.parametrize("case", NOT_PLAIN)
def test_what_is_not_plain_is_left_to_the_general_reader(case):
    assert plain_counts(*NOT_PLAIN[case]) is None


def test_the_last_line_end_may_be_missing():
    np.testing.assert_array_equal(plain_counts(b",0,1\n0,0,12\n1,3,0", 2), [[0, 12], [3, 0]])


def test_row_and_column_are_not_mixed_up():
    content = b",0,1,2\n0,0,5,0\n1,0,0,7\n2,0,0,0\n"
    np.testing.assert_array_equal(plain_counts(content, 3), pd.read_csv(io.BytesIO(content), index_col=0).to_numpy())


@pytest.mark.real_data
@pytest.mark.parametrize("field", ["4_7_2", "5_3_2", "5_3_8", "6_6_2", "9_3_2"])
def test_released_fields_are_plain_and_the_same(field, microns_root, monkeypatch, tmp_path):
    path = microns_root / field / f"connectome_{field}.csv"
    content = path.read_bytes()
    N = content.partition(b"\n")[0].count(b",")
    np.testing.assert_array_equal(plain_counts(content, N), general(content, N, monkeypatch, tmp_path))
