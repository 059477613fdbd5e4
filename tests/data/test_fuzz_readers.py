"""Ten thousand damaged files: each reader reads what is left, or raises an error of its own."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from graphcortex.data import (
    Connectome,
    ConnectomeError,
    DataFileError,
    MicronsFields,
    from_tables,
    read_graphml,
    read_npz,
    read_tables,
    to_graphml,
    to_npz,
    to_tables,
)
from graphcortex.data._unpickle import read_npy
from tests.data._graphs import connectome
from tests.data._tiny_field import N, write_field

NEURONS = pd.DataFrame({"pt_root_id": range(1, 6), "pt_position": "[1000 2000 300]", "cell_type": "E"})
PAIRS = pd.DataFrame({"pre": [1, 2, 3], "post": [2, 3, 4], "n_syn": [1, 2, 3], "size": [0.5, 1.5, 2.5]})


def tables(kind: str, damaged: str):
    """Write both tables; return the file to damage and what reads it."""

    def prepare(folder: Path):
        for name, table in (("neurons", NEURONS), ("synapses", PAIRS)):
            path = folder / f"{name}.{kind}"
            table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
        options = {"unit": "nm", "missing_id": 0, "duplicate_synapses": "sum"}  # none of them warns
        read = lambda: from_tables(folder / f"neurons.{kind}", folder / f"synapses.{kind}", **options)  # noqa: E731
        return folder / f"{damaged}.{kind}", read

    return prepare


def tables_of_ours(kind: str, damaged: str):
    def prepare(folder: Path):
        to_tables(connectome(4), folder / "t", format=kind)
        return folder / "t" / damaged, lambda: read_tables(folder / "t")

    return prepare


def file_of_ours(name: str, write, read):
    def prepare(folder: Path):
        write(connectome(4), folder / name)
        return folder / name, lambda: read(folder / name)

    return prepare


def released(damaged: str):
    def prepare(folder: Path):
        field = write_field(folder, "5_3_2")
        dataset = MicronsFields(folder, "5_3_2", download=False, progress=False)
        return field / damaged, lambda: (dataset[0], dataset.spike_times("5_3_2"))

    return prepare


def array(damaged: str):
    def prepare(folder: Path):
        path = write_field(folder, "5_3_2") / damaged
        return path, lambda: read_npy(path)

    return prepare


READERS = {
    "from_tables, csv of neurons": (tables("csv", "neurons"), 700),
    "from_tables, csv of synapses": (tables("csv", "synapses"), 700),
    "from_tables, parquet of neurons": (tables("parquet", "neurons"), 500),
    "from_tables, parquet of synapses": (tables("parquet", "synapses"), 500),
    "read_tables, csv": (tables_of_ours("csv", "neurons.csv"), 500),
    "read_tables, parquet": (tables_of_ours("parquet", "coactivity.parquet"), 500),
    "read_tables, notes": (tables_of_ours("csv", "connectome.json"), 500),
    "read_graphml": (file_of_ours("x.graphml", to_graphml, read_graphml), 1300),
    "read_npz": (file_of_ours("x.npz", to_npz, read_npz), 1300),
    "Connectome.load": (file_of_ours("x.pt", lambda graph, path: graph.save(path), Connectome.load), 700),
    "read_npy, objects": (array("spikes_5_3_2.npy"), 1000),
    "read_npy, numbers": (array("corr_matrix.npy"), 500),
    "a released field, positions": (released("positions_5_3_2.npy"), 400),
    "a released field, counts": (released("connectome_5_3_2.csv"), 400),
    "a released field, matrix": (released("sttc_matrix.npy"), 250),
    "a released field, ids": (released("root_ids_5_3_2.npy"), 250),
}


def test_there_are_ten_thousand_cases():
    assert sum(cases for _, cases in READERS.values()) == 10_000
    assert N == 5


@st.composite
def damage(draw, whole: bytes) -> bytes:
    """Draw bytes from nowhere, a file cut short, one with bits flipped, or one with a piece lost, repeated or put in."""
    kind = draw(st.sampled_from(("flip", "cut", "piece", "bytes", "flip")))
    place = st.integers(0, len(whole) - 1)
    if kind == "bytes":
        return draw(st.binary(max_size=60))
    if kind == "cut":
        return whole[: draw(place)]
    if kind == "piece":
        start, end = sorted((draw(place), draw(place)))
        return whole[:start] + draw(st.sampled_from((b"", whole[start:end] * 2)) | st.binary(max_size=9)) + whole[end:]
    content = bytearray(whole)
    for i, bit in draw(st.lists(st.tuples(place, st.integers(0, 7)), min_size=1, max_size=3)):
        content[i] ^= 1 << bit
    return bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_raises_an_error_with_a_name(reader, tmp_path):
    prepare, cases = READERS[reader]
    path, read = prepare(tmp_path)
    whole = path.read_bytes()
    read()
    seen = Counter()

    @settings(
        max_examples=cases,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
    )
    @given(content=damage(whole))
    def check(content):
        path.write_bytes(content)
        seen["all"] += 1
        with contextlib.suppress(DataFileError, ConnectomeError):
            read()
            seen["read"] += 1

    check()
    assert seen["all"] >= 0.95 * cases
    assert seen["read"] < 0.9 * seen["all"]
