from __future__ import annotations

import hashlib
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from graphcortex.data import DataFileError, DownloadError, MicronsFields, _download
from graphcortex.data._download import ReleasedFile, fetch, released_files, sha256_of
from tests.data._graphs import same
from tests.data._tiny_field import N, write_field

NAME = "4_7_2"


class Server:
    """Serves a folder on the loopback, badly where it is told so."""

    def __init__(self, folder: Path):
        self.behaviour: dict[str, str] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                path = folder / self.path.lstrip("/")
                how = outer.behaviour.get(path.name, "good")
                if not path.is_file() or how == "missing":
                    return self.send_error(404)
                if how == "broken":
                    return self.send_error(500)
                content = path.read_bytes()
                body = content[: len(content) // 2] if how in ("truncated", "cut off") else content
                if how == "altered":
                    body = bytes([content[0] ^ 1]) + content[1:]
                self.send_response(200)
                if how != "cut off":  # then the end of the connection is the end of the file
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(body)
                return None

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server of a small field under the released paths, and a manifest of its files."""
    source = write_field(tmp_path / "source" / "Model/DATA/info", NAME)
    manifest = {
        path.name: ReleasedFile(
            f"Model/DATA/info/{NAME}/{path.name}", path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
        )
        for path in source.iterdir()
    }
    for module in ("_download", "fields"):
        monkeypatch.setattr(f"graphcortex.data.{module}.released_files", lambda: {NAME: manifest})
    monkeypatch.setattr(_download, "RETRIES", 0)
    with Server(tmp_path / "source") as server:
        yield server


def files_in(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def folders_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir())


NEEDED = 8  # and spike times, when they are asked for


def test_fetches_a_field_when_it_is_asked_for(served, tmp_path):
    root = tmp_path / "root"
    fields = MicronsFields(root, base_url=served.url, progress=False)
    assert fields.names == (NAME,)
    assert not served.asked
    graph = fields[NAME]
    assert graph.num_neurons == N
    assert len(served.asked) == NEEDED
    assert len(files_in(root / "info" / NAME)) == NEEDED
    assert set(fields.verify().query("file != 'spikes_4_7_2.npy'").status) == {"released"}
    assert same(fields[NAME], graph)
    assert len(served.asked) == NEEDED  # what is there is not fetched again
    assert len(fields.spike_times(NAME)) == N
    assert len(served.asked) == NEEDED + 1
    assert set(fields.verify().status) == {"released"}
    # Another reader of the same root needs no server.
    assert same(MicronsFields(root, download=False)[NAME], graph)


@pytest.mark.parametrize("layout", ["", "info", "Model/DATA/info"])
def test_completes_a_field_in_the_layout_in_use(served, tmp_path, layout):
    root = tmp_path / "root"
    folder = write_field(root / layout, NAME, without=("corr", "positions"))
    (folder / f"unit_ids_{NAME}.npy").write_bytes((folder / f"unit_ids_{NAME}.npy").read_bytes())
    MicronsFields(root, base_url=served.url, progress=False)[NAME]
    assert sorted(path.rsplit("/", 1)[-1] for path in served.asked) == ["corr_matrix.npy", f"positions_{NAME}.npy"]
    assert (folder / "corr_matrix.npy").is_file()
    assert [path.name for path in (root / layout).iterdir()] == [NAME]


def test_shows_one_bar_of_the_whole_field_on_a_terminal_and_none_in_a_pipe(served, tmp_path, capsys, monkeypatch):
    MicronsFields(tmp_path / "piped", base_url=served.url, progress=True)[NAME]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    MicronsFields(tmp_path / "root", base_url=served.url, progress=True)[NAME]
    shown = capsys.readouterr().err
    assert NAME in shown
    assert "100%" in shown
    assert "Downloading" not in shown
    MicronsFields(tmp_path / "again", base_url=served.url, progress=False)[NAME]
    assert capsys.readouterr().err == ""


BEHAVIOUR = {
    "missing": r"404",
    "broken": r"500",
    "truncated": r"IncompleteRead|does not match",
    "cut off": r"does not match",
    "altered": r"does not match",
}


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("how", BEHAVIOUR)
def test_a_bad_file_ends_in_one_error_and_leaves_nothing(served, tmp_path, monkeypatch, how, retries):
    monkeypatch.setattr(_download, "RETRIES", retries)
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    root, bad = tmp_path / "root", f"connectome_{NAME}.csv"
    served.behaviour[bad] = how
    fields = MicronsFields(root, base_url=served.url, progress=False)
    with pytest.raises(DownloadError, match=BEHAVIOUR[how]) as caught:
        fields[NAME]
    message = str(caught.value)
    assert message.startswith(f"{bad}: expected ")
    assert "SHA-256" in message
    assert served.url in message
    assert "run again" in message
    assert files_in(root) == [f"positions_{NAME}.npy"]  # what came before, whole; no part of the bad one
    served.behaviour.clear()
    assert fields[NAME].num_neurons == N


@pytest.mark.parametrize("how", ["truncated", "altered"])
def test_a_retry_can_succeed(served, tmp_path, monkeypatch, capsys, how):
    monkeypatch.setattr(_download, "RETRIES", 1)
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: served.behaviour.clear())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    served.behaviour[f"positions_{NAME}.npy"] = how
    assert MicronsFields(tmp_path / "root", base_url=served.url)[NAME].num_neurons == N
    assert len(served.asked) == NEEDED + 1
    assert "100%" in capsys.readouterr().err.split("\r")[-1]  # the failed attempt counts for nothing


def test_an_interruption_leaves_no_half_file(served, tmp_path, monkeypatch):
    root = tmp_path / "root"
    fields = MicronsFields(root, base_url=served.url, progress=False)
    partial: list[list[str]] = []

    def interrupt(self, step):
        if step:  # the first bytes are on disk, under another name
            partial.append(files_in(root))
            raise KeyboardInterrupt

    monkeypatch.setattr(_download.tqdm, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fields[NAME]
    assert len(partial[0]) == 1
    assert partial[0][0] != f"positions_{NAME}.npy"
    assert files_in(root) == []
    monkeypatch.undo()
    # The empty folder that is left is no field: all of them are still offered.
    assert len(MicronsFields(root).names) == 56


def test_a_refused_connection_is_the_same_error(served, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(DownloadError, match=r"positions_4_7_2\.npy: expected .*ConnectionError"):
            MicronsFields(tmp_path / "root", base_url=url, progress=False)[NAME]


def test_a_root_that_cannot_be_written_is_the_same_error(served, tmp_path):
    (tmp_path / "root").write_text("a file where a folder is due")
    with pytest.raises(DownloadError, match="folder can be written"):
        MicronsFields(tmp_path / "root", base_url=served.url, progress=False)[NAME]


def test_an_address_of_no_kind_is_the_same_error(served, tmp_path):
    with pytest.raises(DownloadError, match="positions_4_7_2"):
        MicronsFields(tmp_path / "root", base_url="nowhere", progress=False)[NAME]


def test_nothing_is_fetched_against_the_will(served, tmp_path):
    write_field(tmp_path / "root", NAME, without=("corr",))
    with pytest.raises(ValueError, match="allow download=True"):
        MicronsFields(tmp_path / "root", download=False, base_url=served.url)[NAME]
    assert not served.asked


def test_fetch_leaves_the_level_of_the_log(served, tmp_path):
    import pooch

    before = pooch.get_logger().level
    fetch(released_files_of(served), tmp_path, base_url=served.url, progress=False, label="x")
    assert pooch.get_logger().level == before


def released_files_of(server):
    return list(_download.released_files()[NAME].values())[:1]


def test_manifest_lists_the_released_files():
    table = released_files()
    files = [file for field in table.values() for file in field.values()]
    assert len(table) == 56
    assert len(files) == 464
    assert sum(any(name.startswith("spikes") for name in field) for field in table.values()) == 16
    for field, content in table.items():
        assert len(content) in (8, 9)
        for name, file in content.items():
            assert file.path == f"Model/DATA/info/{field}/{name}"
            assert file.bytes > 0
            assert len(file.sha256) == 64


def test_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_download_that_fails_leaves_no_folders(served, tmp_path):
    root = tmp_path / "there" / "root"
    fields = MicronsFields(root, base_url=served.url + "nowhere/", progress=False)
    with pytest.raises(DownloadError):
        fields[NAME]
    assert not (tmp_path / "there").exists()
    kept = tmp_path / "kept"
    (kept / "info").mkdir(parents=True)
    with pytest.raises(DownloadError):
        MicronsFields(kept, base_url=served.url + "nowhere/", progress=False)[NAME]
    assert folders_in(kept) == ["info"]


def test_the_folder_of_one_field_is_not_downloaded_into(served, tmp_path):
    folder = write_field(tmp_path, NAME)
    before = files_in(tmp_path)
    with pytest.raises(DataFileError, match=r"got the folder of one field; pass the folder above it"):
        MicronsFields(folder, base_url=served.url, progress=False)
    assert files_in(tmp_path) == before
    assert not served.asked
