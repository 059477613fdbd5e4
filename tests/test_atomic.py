import os
import stat

import pytest

from graphcortex._atomic import UNFINISHED, remove_unfinished, replacing, write_bytes, write_text


def test_writes_what_it_is_given_and_makes_missing_folders(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "old ±\n")
    write_bytes(tmp_path / "a" / "c", memoryview(b"123"))
    assert (tmp_path / "a" / "b.txt").read_bytes() == "old ±\n".encode()
    assert (tmp_path / "a" / "c").read_bytes() == b"123"


@pytest.mark.parametrize("error", [OSError("no"), KeyboardInterrupt()], ids=["full", "interrupted"])
@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_an_error_leaves_the_earlier_file_and_nothing_else(tmp_path, monkeypatch, broken, error):
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def crash(*arguments):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, broken, crash)
        with pytest.raises(type(error)):
            write_text(path, "new")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("table.csv", "old")]
    write_text(path, "new")
    assert path.read_text() == "new"


def write_tables(folder):
    folder.mkdir()
    (folder / "one.csv").write_text("1")


def test_an_error_in_the_block_leaves_no_folder(tmp_path):
    def crash():
        with replacing(tmp_path / "tables") as unfinished:
            write_tables(unfinished)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert list(tmp_path.iterdir()) == []


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    events = []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (events.append("fsync"), sync(file)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), rename(a, b)))
    with replacing(tmp_path / "tables") as unfinished:
        (unfinished / "deep").mkdir(parents=True)
        (unfinished / "one.csv").write_text("1")
        (unfinished / "deep" / "two.csv").write_text("2")
    assert events == ["fsync", "fsync", "replace", "fsync"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_a_file_passes_its_mode_on(tmp_path, mode):
    path = tmp_path / "table.csv"
    write_text(path, "old")
    path.chmod(mode)
    write_text(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", mode)


def test_a_new_file_has_the_mode_that_open_gives(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "new", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "table.csv", tmp_path / "table.csv"
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["table.csv"]


def test_a_folder_with_files_is_not_replaced(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "mine.csv").write_text("mine")
    with pytest.raises(OSError, match="tables"), replacing(tmp_path / "tables") as unfinished:
        write_tables(unfinished)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.csv")] == ["tables/mine.csv"]


def test_what_killed_processes_left_is_deleted_and_nothing_else(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / f".table.csv.1a2b3c4d{UNFINISHED}").write_text("half")
    folder = tmp_path / f".tables.1a2b3c4d{UNFINISHED}"
    folder.mkdir()
    (folder / "one.csv").write_text("1")
    (tmp_path / f"mine{UNFINISHED}").write_text("mine")
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", f"mine{UNFINISHED}"]
