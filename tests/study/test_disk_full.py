"""A disk that is full: the folder and what to free are named, nothing is half written, and the study goes on when there is room."""

from __future__ import annotations

import errno
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from graphcortex._atomic import UNFINISHED
from graphcortex.data import Connectome
from graphcortex.study import Store, StoreError, Study, csv_log, load_results
from tests.study._small import SHORT, connectome

SIZES = {
    "the manifest": 8,
    "the neurons": 32,
    "more of them": 48,
    "the first run": 100,
    "some runs": 200,
    "most runs": 400,
}
STUDY = Study(
    {"tiny": connectome(40)}, ("WD", "W*D*C"), ("go_nogo",), 6, {"published": replace(SHORT, epochs=1)}, threads=1
)


@pytest.fixture
def disk(tmp_path):
    """A disk in memory, whose size in kB is set by calling it."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(size: int, *remount: str) -> Path:
        options = ",".join((*remount, f"size={size}k"))
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if made.returncode:
            pytest.skip(f"no disk of a given size can be mounted here: {made.stderr.strip()}")
        return folder

    yield resize
    subprocess.run(["umount", str(folder)], capture_output=True)


def tables(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("runs.csv", "table.csv")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("whole")
    STUDY.run(folder, progress=False)
    return tables(folder)


@pytest.mark.slow
@pytest.mark.parametrize("checkpoints", [0, 1], ids=["", "with checkpoints and a log"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_full_disk_is_named_and_the_study_goes_on_when_there_is_room(disk, whole, size, checkpoints):
    out = disk(size) / "out"
    log = csv_log(out / "log.csv") if checkpoints else None
    with pytest.raises(
        StoreError,
        match=rf"{out} cannot be written to .*No space left.*free some of its disk, which has 0\.\d of 0\.\d MB",
    ):
        STUDY.run(out, checkpoint_every=checkpoints, log=log, progress=False)
    assert list(out.rglob(f"*{UNFINISHED}")) == []
    if (out / "manifest.json").exists() and (out / "connectomes" / "tiny.pt").exists():
        for key in load_results(out).keys:
            assert Store.open(out).load(key).weights
    disk(20_000, "remount")
    assert STUDY.run(out, progress=False).failures == ()
    assert tables(out) == whole


def test_what_can_be_deleted_is_listed(tmp_path, monkeypatch):
    store = STUDY.run(tmp_path, progress=False).store
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "large.png").write_bytes(bytes(2_500_000))

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("graphcortex.study.store.write_text", full)
    with pytest.raises(
        StoreError, match=r"of this folder you can delete figures \(2\.5 MB\), and the same command goes on"
    ):
        store.write_table("runs.csv", "")


def test_a_full_disk_of_a_connectome_is_an_error_of_the_system(disk):
    """torch alone would say: unexpected pos 3328 vs 3280."""
    path = disk(8) / "tiny.pt"
    with pytest.raises(OSError, match=re.escape(f"No space left on device: '{path}'")):
        connectome(40).save(path)
    assert list(path.parent.iterdir()) == []
    disk(2000, "remount")
    connectome(40).save(path)
    assert Connectome.load(path).num_neurons == 40
