"""Studies that are started together in one folder: one of them writes, and the other writes nothing."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from graphcortex.study import StoreError, Study
from graphcortex.study._files import folder_lock
from graphcortex.study.store import MANIFEST, Store
from tests.study._small import SHORT, connectome

TRIALS = 25


class Nothing:
    """An engine that waits until both studies were started, and computes nothing."""

    def __init__(self, barrier):
        self.barrier = barrier

    def run(self, runner, keys, *, progress):
        self.barrier.wait(timeout=60)
        return []


def studies() -> dict[str, Study]:
    """Two studies that one folder may hold, and one that it may not hold with them."""
    given = Study({"tiny": connectome(12)}, ("WD",), ("go_nogo",), (0,), {"published": SHORT})
    other = replace(SHORT, epochs=9)
    return {
        "first": given,
        "more seeds": replace(given, seeds=(5, 6)),
        "others": replace(given, protocols={"published": other}),
    }


def started(name: str, folders: list[Path], start, ended, queue) -> None:
    """Run a study in each folder, at the same time as another process does, and say how each call ended."""
    given = studies()[name]
    for folder in folders:
        start.wait(timeout=60)
        try:
            given.run(folder, engine=Nothing(ended), progress=False)
            queue.put((name, folder.name, "ran"))
        except StoreError as error:
            queue.put((name, folder.name, str(error)))
            ended.wait(timeout=60)


@pytest.mark.parametrize("second", ["more seeds", "others"])
@pytest.mark.parametrize("there", [False, True], ids=["a new folder", "a folder with a study"])
def test_of_two_studies_that_are_started_together_one_writes(tmp_path, second, there):
    """The one that holds the folder waits in its engine until the other has ended, so exactly one of them runs."""
    folders = [tmp_path / str(number) for number in range(TRIALS)]
    if there:
        for folder in folders:
            Store(folder, studies()["first"].settings(), study=studies()["first"]._asked(True, 0))
        second = "more seeds"
    context = multiprocessing.get_context("fork")
    start, ended, queue = context.Barrier(2), context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=started, args=(name, folders, start, ended, queue)) for name in ("first", second)
    ]
    for process in processes:
        process.start()
    outcomes = [queue.get(timeout=100) for _ in range(2 * TRIALS)]
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    for folder in folders:
        ((winner, _, _),) = [one for one in outcomes if one[1:] == (folder.name, "ran")]
        ((_, _, message),) = [one for one in outcomes if one[1] == folder.name and one[0] != winner]
        assert message.startswith(f"another process is running a study in {folder}")
        manifest = json.loads((folder / MANIFEST).read_text())
        assert manifest["study"]["seeds"] == list(studies()[winner].seeds)
        assert (
            manifest["settings"]["protocols"]["published"]["epochs"] == studies()[winner].protocols["published"].epochs
        )


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_held_stays_as_it_is(tmp_path, overwrite):
    """An empty one too, and one of another study: what is in it is not even looked at."""
    given = studies()["first"]
    with folder_lock(tmp_path / "a" / "new"):
        with pytest.raises(StoreError, match="another process is running a study"):
            given.run(tmp_path / "a" / "new", overwrite=overwrite, progress=False)
        assert list((tmp_path / "a" / "new").iterdir()) == []
    given.run(tmp_path / "a" / "new", progress=False)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=r"the results folder .*file must be a folder, got a file"):
        studies()["first"].run(tmp_path / "file", progress=False)
    with pytest.raises(StoreError, match=r"below cannot be written to .*; choose another --out"):
        studies()["first"].run(tmp_path / "file" / "below", progress=False)


def test_a_study_leaves_alone_what_others_write_meanwhile(tmp_path):
    """A report of a folder may be written while its study runs; what killed studies left is deleted."""
    given = studies()["first"]
    given.run(tmp_path, progress=False)
    theirs = [
        tmp_path / ".report.html.ab12.part",
        tmp_path / "figures" / ".a.png.ab12.part",
        tmp_path / "nulls" / ".a.npz.ab12.part",
    ]
    ours = [
        tmp_path / ".manifest.json.ab12.part",
        tmp_path / ".runs.csv.ab12.part",
        tmp_path / "runs" / "tiny" / ".a.parquet.ab12.part",
    ]
    for path in (*theirs, *ours):
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    given.run(tmp_path, progress=False)
    assert [path.exists() for path in theirs] == [True] * 3
    assert [path.exists() for path in ours] == [False] * 3
