"""MicronsCAVE when things go wrong: faults of the server in every order, and deaths between any two operations on files.

Processes that are killed in earnest, and processes that share a cache, are in ``tests/test_kills.py``.
"""

from __future__ import annotations

import json
import os
import random
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphcortex.data import CaveError, CaveRetries
from graphcortex.data._cave_parts import Parts, Query
from graphcortex.data._cave_retry import LastingError, PassingError, Persistence, refusal
from tests.cave_server import FAULTS, Service
from tests.cave_tables import small_tables
from tests.data._cave import TOKEN, alone, content, dataset  # noqa: F401

pytest.importorskip("caveclient", reason="caveclient is not installed: pip install 'graphcortex-rnn[cave]'")

LASTING = ("html", "untyped", "login", "400", "401", "403", "404", "410", "422", "terms", "echo", "wait long")
HIDDEN = ("hidden 400", "hidden 401", "hidden 403", "hidden 404", "hidden 406", "hidden 410", "hidden 422")
TRIES = CaveRetries().tries


@pytest.fixture(scope="module")
def service():
    with Service(small_tables(nuclei=30, synapses=200), token=TOKEN, remember=True) as service:
        yield service


@pytest.fixture(autouse=True)
def fresh(service, monkeypatch):
    # Some thousand files are written, of which none has to outlive the machine.
    monkeypatch.setattr(os, "fsync", lambda file: None)
    service.faults.clear()
    service.requests.clear()
    service.limit = 200_000


@pytest.fixture(scope="module")
def whole(service, tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    return content(dataset(service, folder / "cache", block=9)[0], folder / "graph.pt")


def finished(root: Path) -> dict[str, bytes]:
    """Return the finished parts, and check that nothing else is there."""
    files = [path for path in root.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix == ".part"]
    return {path.name: path.read_bytes() for path in files}


# --- one fault


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_that_passes_is_outlived(fault, service, whole, tmp_path):
    for place in (0, 3, 4, 9):
        service.faults.extend(["ok"] * place + [fault] * 2)
        graph = dataset(service, tmp_path / f"cache-{place}", block=9)[0]
        assert content(graph, tmp_path / "graph.pt") == whole
        assert not service.faults


@pytest.mark.parametrize("fault", [*LASTING, *HIDDEN])
def test_each_fault_that_lasts_is_one_error_at_once(fault, service, tmp_path):
    for place in (0, 3, 5, 9):
        if (fault == "untyped" and place < 4) or (fault == "login" and place == 9):
            continue  # of a query alone; of a query, it is a page after a redirect, tried below
        del service.requests[:]
        service.faults.extend(["ok"] * place + [fault, "ok"])
        with pytest.raises(CaveError, match=r"^CAVE, \w+.*: .*\. ") as caught:
            dataset(service, tmp_path / f"cache-{fault}-{place}", block=9)[0]
        assert len([path for path, _ in service.requests if path != "/login"]) == place + 1
        assert "inished parts are kept" in str(caught.value)
        service.faults.clear()


def test_a_redirect_to_the_sign_in_page_is_no_data(service, tmp_path):
    service.faults.extend(["ok"] * 9 + ["login"])
    with pytest.raises(CaveError, match=r"query of .*web page.*token="):
        dataset(service, tmp_path / "cache")[0]


def test_a_fault_that_stays_ends_after_the_tries(service, whole, tmp_path):
    for fault in FAULTS:
        # After a 500 the service is asked, each time, whether it has the columns.
        service.faults.extend(["ok"] * 9 + [fault] * (2 * TRIES if fault in ("500", "text") else TRIES))
        with pytest.raises(CaveError, match=rf"query of .* failed {TRIES} times, at last with: .* Run again later"):
            dataset(service, tmp_path / fault, block=9)[0]
        assert not service.faults
        assert content(dataset(service, tmp_path / fault, block=9)[0], tmp_path / "graph.pt") == whole


# --- many faults


def random_faults(rng: random.Random) -> tuple[list[str], bool]:
    """Return an order of faults, and whether a run can outlive it."""
    faults: list[str] = []
    share = rng.choice([0.1, 0.3, 0.6, 0.8])
    row = 0
    for _ in range(rng.randrange(1, 60)):
        bad = rng.random() < share
        if bad and rng.random() < 0.03:
            return [*faults, rng.choice([f for f in (*LASTING, *HIDDEN) if f not in ("untyped", "login")])], False
        if bad and row == TRIES - 1 and rng.random() < 0.7:
            bad = False
        row = row + 1 if bad else 0
        faults.append(rng.choice(FAULTS) if bad else "ok")
        if row == TRIES:
            return faults, False
    return faults, True


@pytest.mark.parametrize("group", range(4))
def test_random_sequences_of_faults_end_in_the_graph_or_in_one_error(group, service, whole, tmp_path):
    """50 sequences in each group."""
    ends = {True: 0, False: 0}
    for seed in range(50 * group, 50 * (group + 1)):
        rng = random.Random(seed)
        faults, _ = random_faults(rng)
        root = tmp_path / f"cache-{seed}"
        service.limit = rng.choice([200_000, 200_000, 60])
        service.faults.extend(faults)
        del service.requests[:]
        failed = ""
        try:
            graph = dataset(service, root, block=9, rng=seed)[0]
        except CaveError as error:
            failed = str(error)
        done = not failed
        ends[done] += 1
        if not done:
            assert failed.startswith("CAVE, ")
            assert "inished parts are kept" in failed
            service.faults.clear()
            kept = finished(root) if root.exists() else {}
            del service.requests[:]
            graph = dataset(service, root, block=9)[0]
            assert kept.items() <= finished(root).items(), "a finished part was fetched anew"
            asked = len(service.asked("/query"))
            stored = [name for name in finished(root) if name.endswith((".parquet", ".split"))]
            fresh = [name for name in stored if name not in kept]
            # Of each query rows and their number are asked, but no number where the answer said that it was cut off.
            assert asked == sum(2 if name.endswith(".parquet") else 1 for name in fresh)
        service.faults.clear()
        assert content(graph, tmp_path / "graph.pt") == whole, seed
    assert ends[True] > 5
    assert ends[False] > 5


# --- pauses


def pauses(faults: list[str], service: Service, root: Path, **setting) -> list[float]:
    slept: list[float] = []
    service.faults.extend(["ok"] * 7 + faults)
    dataset(service, root, retries=CaveRetries(sleep=slept.append, **setting))[0]
    return slept


def test_pauses_grow_and_are_left_to_chance(service, tmp_path):
    slept = pauses(["503"] * 5, service, tmp_path / "a", first_s=2.0, longest_s=10.0)
    assert len(slept) == 5
    for pause, longest in zip(slept, (2, 4, 8, 10, 10), strict=True):
        assert longest / 2 <= pause <= longest
    assert pauses(["503"] * 5, service, tmp_path / "b", first_s=2.0, longest_s=10.0) == slept  # the same rng
    other = [p / q for p, q in zip(slept, (2, 4, 8, 10, 10), strict=True)]
    assert len(set(other)) == 5


def test_the_server_is_granted_the_pause_it_asks_for(service, tmp_path):
    assert pauses(["wait", "wait"], service, tmp_path / "a") == [7, 7]
    service.faults.extend(["ok"] * 7 + ["wait long"])
    with pytest.raises(CaveError, match="asks to wait 86400 s"):
        dataset(service, tmp_path / "b")[0]


def test_a_pause_may_be_a_date():
    moment = datetime.now(timezone.utc) + timedelta(seconds=40)
    found = refusal(503, "", {"Retry-After": moment.strftime("%a, %d %b %Y %H:%M:%S GMT")})
    assert isinstance(found, PassingError)
    assert 30 < found.after <= 40
    for value in ("", "soon", "-5", "Mon, 01 Jan 2001 00:00:00 GMT"):
        assert refusal(503, "", {"Retry-After": value}).after == 0


def test_a_hidden_refusal_must_stand_at_the_start():
    assert isinstance(refusal(500, "410 Gone: version", {}), LastingError)
    assert isinstance(refusal(500, "no row 410 Gone", {}), PassingError)
    assert isinstance(refusal(500, "4100 rows lost", {}), PassingError)
    assert isinstance(refusal(502, "410 Gone", {}), PassingError)
    assert isinstance(refusal(500, "429 Too Many", {}), PassingError)


def test_errors_of_our_own_are_not_repeated():
    calls = []

    def broken():
        calls.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Persistence(CaveRetries(sleep=lambda _: None), 0)(broken, "nothing")
    assert len(calls) == 1


@pytest.mark.parametrize("bad", [{"tries": 4}, {"first_s": -1}, {"read_s": 0}, {"longest_s": float("nan")}])
def test_settings_that_do_not_fit(bad):
    with pytest.raises(ValueError, match=r"must be .*got"):
        CaveRetries(**bad)


# --- files


QUERY = Query("stack", 1, "table", (("root", "whole"), ("kind", "text"), ("good", "flag"), ("size", "number")))


def answer(seed: int = 0, rows: int = 50) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns = [
        rng.permutation(rows),
        rng.integers(2**60, 2**61, rows),
        [f"k{i}" for i in range(rows)],
        [True] * rows,
        rng.uniform(size=rows),
    ]
    return pa.table(columns, schema=QUERY.schema)


def test_the_key_depends_on_all_that_is_asked():
    others = [
        Query("other", 1, "table", QUERY.columns),
        Query("stack", 2, "table", QUERY.columns),
        Query("stack", 1, "other", QUERY.columns),
        Query("stack", 1, "table", QUERY.columns[:1]),
        Query("stack", 1, "table", (("root", "number"), *QUERY.columns[1:])),
        Query("stack", 1, "table", QUERY.columns, (("root", (1, 2)),)),
        Query("stack", 1, "table", QUERY.columns, (("root", (1, 3)),)),
        Query("stack", 1, "table", QUERY.columns, (("roots", (1, 2)),)),
        Query("stack", 1, "table", QUERY.columns, (), (0, 5)),
    ]
    assert len({QUERY.key, *(query.key for query in others)}) == 1 + len(others)


def test_halves_cover_the_whole_once_and_end():
    query = Query("s", 1, "t", (), (("post", (1, 2, 3)), ("pre", (7, 8))))
    todo, leaves = [query], []
    while todo:
        query = todo.pop()
        if query.ids is not None:
            continue  # then it goes on by ids, below
        if all(len(values) == 1 for _, values in query.within):
            leaves.append(tuple(values[0] for _, values in query.within))
        todo.extend(query.halves())
    assert sorted(leaves) == [(post, pre) for post in (1, 2, 3) for pre in (7, 8)]
    ranges = [part.ids for part in QUERY.halves()]
    assert ranges[0][0] == 0
    assert all(one[1] == two[0] for one, two in pairwise(ranges))
    assert ranges[-1][1] == 2**63 - 1
    one = Query("s", 1, "t", (), (), (5, 8))
    assert [half.ids for half in one.halves()] == [(5, 6), (6, 8)]
    assert one.halves()[0].halves() == ()


def test_a_part_comes_back_sorted_and_each_row_once(tmp_path):
    parts, table = Parts(tmp_path / "a" / "b"), answer()
    assert parts.read(QUERY) is None
    written = parts.write(QUERY, pa.concat_tables([table, table.slice(0, 9)]))
    assert written.equals(table.sort_by("id"))
    assert parts.read(QUERY).equals(written)
    empty = parts.write(QUERY, table.slice(0, 0))
    assert parts.read(QUERY).equals(empty)


def test_damaged_parts_are_fetched_anew(tmp_path):
    """Every 13th bit flips, and 200 parts are cut short: each is found missing, or is as it was."""
    parts = Parts(tmp_path)
    good = parts.write(QUERY, answer())
    (path,) = tmp_path.glob("*.parquet")
    whole, rng, missing = path.read_bytes(), random.Random(0), 0
    for bit in range(0, 8 * len(whole), 13):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found = parts.read(QUERY)
        missing += found is None
        assert found is None or found.equals(good), bit
    assert missing > 500
    for _ in range(200):
        path.write_bytes(whole[: rng.randrange(len(whole))])
        assert parts.read(QUERY) is None
    path.write_bytes(whole)
    assert parts.read(QUERY).equals(good)


def test_another_whole_part_under_a_name_is_not_taken(tmp_path):
    """A whole file with the right columns, whose digest is of other content."""
    parts = Parts(tmp_path)
    good = parts.write(QUERY, answer())
    (path,) = tmp_path.glob("*.parquet")
    digest = pq.read_schema(path).metadata
    for other in (answer(1), answer().slice(0, 49), answer().slice(0, 0)):
        pq.write_table(other.replace_schema_metadata(digest), path)
        assert parts.read(QUERY) is None
        pq.write_table(other, path)
        assert parts.read(QUERY) is None
    pq.write_table(good.replace_schema_metadata(digest), path)
    assert parts.read(QUERY).equals(good)


def test_damaged_facts_are_asked_anew(tmp_path):
    parts, facts = Parts(tmp_path), {"version": 1300, "time_stamp": "2025-01-13T10:10:01", "tables": ["a", "b"]}
    parts.write_facts(facts)
    assert parts.read_facts() == {"format": 3, **facts}
    path = tmp_path / "version.json"
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert parts.read_facts() in (None, {"format": 3, **facts})


def test_a_damaged_cache_is_mended(service, whole, tmp_path):
    root = tmp_path / "cache"
    dataset(service, root, block=9)[0]
    for path in sorted(root.rglob("*.parquet"))[::2]:
        path.write_bytes(path.read_bytes()[:-20])
    (version,) = root.rglob("version.json")
    version.write_text("{")
    assert content(dataset(service, root, block=9)[0], tmp_path / "graph.pt") == whole
    assert json.loads(version.read_text())["version"] == 1300


def test_leftovers_are_swept_once_they_are_old(tmp_path):
    for name, age in (("old", 7200), ("new", 0)):
        path = tmp_path / f".{name}.part"
        path.write_bytes(b"half")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    Parts(tmp_path).sweep()
    assert [path.name for path in tmp_path.glob(".*")] == [".new.part"]


class Killed(BaseException):
    """A process that is no more: nothing runs after it, not even what cleans up."""


class DyingOs:
    """The module ``os``, until a given call; then every call fails."""

    def __init__(self, last: int):
        self.left = last

    def __getattr__(self, name: str):
        real = getattr(os, name)
        if not callable(real) or name == "fspath":
            return real

        def call(*arguments, **options):
            self.left -= 1
            if self.left < 0:
                if name == "close":
                    os.close(*arguments)  # as the system does for the dead
                raise Killed
            return real(*arguments, **options)

        return call


def test_killed_between_any_two_file_operations(service, whole, tmp_path, monkeypatch):
    """In one process: 200 runs, each of which dies at another of the five steps that store a part; then one that ends.

    A run that dies at its fifth step has stored one part, so that every part is met at every step.
    """
    service.limit = 60
    dataset(service, tmp_path / "complete", block=9)[0]
    kills = rounds = 0
    while kills < 200 or rounds < 2:
        root = tmp_path / str(rounds)
        with monkeypatch.context() as mortal:
            mortal.setattr("graphcortex._atomic.os", DyingOs(kills % 5))
            try:
                graph = dataset(service, root, block=9)[0]
            except Killed:
                graph = None
        if graph is None:
            kills += 1
            check_cache(root, tmp_path / "complete")
            continue
        assert content(graph, tmp_path / "graph.pt") == whole
        check_cache(root, tmp_path / "complete")
        rounds += 1


def check_cache(root: Path, complete: Path) -> None:
    """Check that every file that has its name is whole: it is that of the complete cache."""
    expected = {path.name: path.read_bytes() for path in complete.rglob("*") if path.is_file()}
    for path in root.rglob("*"):
        if path.is_file() and path.suffix != ".part":
            assert path.read_bytes() == expected[path.name]
