"""A CAVE service on this machine that the real caveclient accepts, with tables, a row limit, and faults to order.

    python -m tests.cave_server --data ../shared/data/minnie65-functional-graph [--port 8000] [--limit 20000]

serves real wiring by hand; ``MicronsCAVE(root, 117, server_address="http://127.0.0.1:8000", token="any")`` reads it.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pyarrow as pa

from tests.cave_tables import VOXEL_NM, real_tables, small_tables

DATASTACK = "minnie65_public"
FAULTS = ("500", "502", "503", "429", "wait", "drop", "truncate", "corrupt", "text", "hidden 429", "garbled")
"""Faults that pass; "short" ends an answer early; those that last are "html", "login", "400", "401", "403", "404", "410", "422",
"hidden 410", ..."""


@dataclass
class Service:
    """What is served, and how: change the attributes while it runs."""

    tables: dict[str, pd.DataFrame]
    limit: int = 200_000
    version: int = 1300
    versions: tuple[int, ...] = (117, 943, 1300)
    expired: tuple[int, ...] = (661,)
    expires_on: str = "2121-11-10T07:10:00.000000"
    time_stamp: str = "2025-01-13T10:10:01.286229"
    token: str | None = None
    api_versions: tuple[int, ...] = (2, 3)
    faults: deque[str] = field(default_factory=deque)
    requests: list[tuple[str, dict]] = field(default_factory=list)
    login: str = "/login"
    latency: float = 0.0
    references: dict[str, str] = field(default_factory=dict)
    """Tables that a table refers to, where it is not that of nuclei."""
    date: str | None = None
    """The time that answers tell; by default that of the clock. An empty one is left out."""
    blind_to: tuple[str, ...] = ()
    """Columns whose filters are ignored."""
    warns: bool = True
    """Whether an answer that was cut off at the limit says so."""
    counts: bool = True
    """Whether rows can be counted."""
    remember: bool = False
    """Whether an answer is made once, for tests that ask the same of the same tables a thousand times."""

    def __post_init__(self):
        self._lock = threading.Lock()
        self.answers: dict[str, tuple[int, bytes, str, dict]] = {}
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.service = self

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Service:
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def next_fault(self) -> str:
        with self._lock:
            return self.faults.popleft() if self.faults else ""

    def asked(self, path: str) -> list[dict]:
        """Return the bodies of the requests whose path holds a pattern."""
        return [body for asked, body in self.requests if re.search(path, asked)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    service: Service

    def handle_error(self, request, client_address) -> None:
        """Say nothing: clients hang up on faults."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self._handle({})

    def do_POST(self) -> None:
        self._handle(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(timestamp) if self.server.service.date is None else self.server.service.date

    def send_header(self, keyword: str, value: str) -> None:
        if value or keyword != "Date":
            super().send_header(keyword, value)

    def _handle(self, body: dict) -> None:
        service = self.server.service
        url = urlsplit(self.path)
        service.requests.append((self.path, body))
        if url.path == "/login":
            return self._send(200, b"<!doctype html><title>Sign in</title>", "text/html")
        time.sleep(service.latency)
        fault = service.next_fault()
        if fault not in ("", "ok", "truncate", "corrupt", "garbled", "untyped", "short"):
            return self._fail(fault)
        given = self.headers.get("Authorization", "")
        if service.token is not None and given != f"Bearer {service.token}":
            return self._fail("401" if given else "login")
        try:
            key = json.dumps([self.path, body, service.limit]) if service.remember else ""
            answer = service.answers.get(key) or self._answer(url.path, parse_qs(url.query), body)
            if key:
                service.answers[key] = answer
            status, content, kind, headers = answer
        except LookupError as error:
            # As the service does: it knows that a table is missing, and stumbles over a column that is.
            return self._fail("404" if isinstance(error, KeyError) else "500", f"no {error}")
        if fault == "corrupt":
            content = content[: len(content) // 2] + b"\x00\xff" * 8
        elif fault == "short" and kind == "data.arrow":
            content = first_batch(content)
        elif fault == "garbled":
            content, kind = b"[[1", "application/json" if kind == "application/json" else "data.arrow"
        elif fault == "untyped":
            content, kind = b"<html>Sign in</html>", "data.arrow"
        return self._send(status, content, kind, headers, cut=fault == "truncate")

    def _answer(self, path: str, query: dict, body: dict) -> tuple[int, bytes, str, dict]:
        service = self.server.service
        m = rf"/materialize/api/v(\d)/datastack/{DATASTACK}"
        as_json = None
        if path == "/info/version":
            as_json = "4.4.2"
        elif path == f"/info/api/v2/datastack/full/{DATASTACK}":
            as_json = {
                "aligned_volume": {"name": "minnie65_phase3", "id": 1},
                "segmentation_source": "graphene://https://x/segmentation/table/minnie3_v1",
                "local_server": service.address,
                "synapse_table": "synapses_pni_2",
                "viewer_resolution_x": 4.0,
                "viewer_resolution_y": 4.0,
                "viewer_resolution_z": 40.0,
                "viewer_site": "https://x",
            }
        elif path == "/materialize/api/versions":
            as_json = list(service.api_versions)
        elif path == "/materialize/version":
            as_json = "5.26.4"
        elif re.fullmatch(m + "/versions", path):
            expired = query.get("expired") == ["True"]
            as_json = [*service.versions, *(service.expired if expired else ())]
        elif found := re.fullmatch(m + r"/version/(\d+)", path):
            if int(found[2]) not in service.versions:
                raise KeyError(path)
            as_json = {
                "version": int(found[2]),
                "time_stamp": service.time_stamp,
                "expires_on": service.expires_on,
                "valid": True,
                "datastack": DATASTACK,
            }
        elif re.fullmatch(m + r"/version/(\d+)/tables", path):
            as_json = sorted(service.tables)
        elif found := re.fullmatch(m + r"/version/(\d+)/table/(\w+)/metadata", path):
            frame = service.tables[found[3]]
            as_json = {
                "table_name": found[3],
                "reference_table": service.references.get(
                    found[3], "nucleus_detection_v0" if "target_id" in frame else ""
                ),
                **dict(zip(("voxel_resolution_x", "voxel_resolution_y", "voxel_resolution_z"), VOXEL_NM, strict=True)),
            }
        if as_json is not None:
            return 200, json.dumps(as_json).encode(), "application/json", {}
        if found := re.fullmatch(m + r"/version/(\d+)/table/(\w+)/query", path):
            rows = selected(service.tables[found[3]], found[3], body, service.blind_to)
        elif re.fullmatch(m + r"/version/(\d+)/query", path):
            rows = joined(service.tables, body)
        else:
            raise KeyError(path)
        headers = {"dataframe_resolution": "4.0, 4.0, 40.0", "column_names": json.dumps({})}
        if "count" in query and service.counts:
            return 200, arrow_stream(pd.DataFrame({"count": [len(rows)]})), "data.arrow", headers
        limit = min(service.limit, body.get("limit", service.limit))
        if len(rows) >= limit and service.warns:
            headers["Warning"] = f'201 - "Limited query to {limit} rows'
        return 200, arrow_stream(rows.iloc[:limit]), "data.arrow", headers

    def _fail(self, fault: str, message: str = "ordered") -> None:
        if fault == "drop":
            self.close_connection = True
            self.connection.shutdown(2)
        elif fault == "html":
            self._send(200, b"<!doctype html><title>Sign in</title>", "text/html; charset=utf-8")
        elif fault == "login":
            self._send(302, b"", "text/html", {"Location": self.server.service.login})
        elif fault == "wait":
            self._send(503, b"busy", "text/plain", {"Retry-After": "7"})
        elif fault == "wait long":
            self._send(429, b"busy", "text/plain", {"Retry-After": "86400"})
        elif fault == "text":  # a body that caveclient itself stumbles over
            self._send(500, b'"something broke"', "application/json")
        elif fault == "terms":
            said = {"error": "missing_tos", "data": {"tos_form_url": "http://127.0.0.1:9/terms"}}
            self._send(403, json.dumps(said).encode(), "application/json")
        elif fault.startswith("hidden"):
            said = {"message": f"{fault.split()[1]} Gone: {message}"}
            self._send(500, json.dumps(said).encode(), "application/json")
        elif fault.startswith("say"):  # whatever a refusal may say
            _, status, said = fault.split(" ", 2)
            self._send(int(status), json.dumps({"message": said}).encode(), "application/json")
        elif fault == "echo":
            said = {"message": f"bad token {self.headers.get('Authorization')}"}
            self._send(401, json.dumps(said).encode(), "application/json")
        else:
            self._send(int(fault), json.dumps({"message": message}).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str, headers: dict | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(2)


def selected(frame: pd.DataFrame, name: str, body: dict, blind_to: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the rows and columns of one table that a query asks for; like the service, it does not filter out."""
    keep = np.ones(len(frame), dtype=bool)
    wanted = body.get("select_columns") or []
    stored = {*frame.columns, *(column[:-2] for column in frame.columns if column[:-2].endswith("_position"))}
    for column in [*wanted, *body.get("filter_in_dict", {}).get(name, {})]:
        if column not in stored:
            raise IndexError(f"{column} in model or models for {name}")
    for column, values in body.get("filter_in_dict", {}).get(name, {}).items():
        if column not in blind_to:
            keep &= frame[column].isin(values).to_numpy()
    compare = {"equal": "eq", "greater": "gt", "less": "lt", "greater_equal": "ge", "less_equal": "le"}
    for word, method in compare.items():
        for column, value in body.get(f"filter_{word}_dict", {}).get(name, {}).items():
            if column not in blind_to:
                keep &= getattr(frame[column], method)(value).fillna(False).to_numpy(bool)
    out = frame[keep]
    if wanted:
        wanted = [part for column in wanted for part in out.columns if part == column or part[:-2] == column]
        out = out[wanted]
    return out.iloc[body.get("offset") or 0 :]


def joined(tables: dict[str, pd.DataFrame], body: dict) -> pd.DataFrame:
    """Return a table with the one that it refers to: the annotation's id is ``id``, that of the nucleus ``id_ref``."""
    (left, on), (right, key) = body["tables"]
    suffixes = body["suffix_map"]
    out = tables[left].merge(
        tables[right], left_on=on, right_on=key, suffixes=(suffixes[left] or "", suffixes[right] or "_ref")
    )
    return selected(out, left, body)


def arrow_stream(frame: pd.DataFrame) -> bytes:
    return _stream(pa.Table.from_pandas(frame, preserve_index=False))


def first_batch(content: bytes) -> bytes:
    """Return a stream that ends, as a whole one does, after a third of its rows."""
    table = pa.ipc.open_stream(content).read_all()
    return _stream(table.slice(0, (table.num_rows + 1) // 3))


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of minnie65-functional-graph; else a small made-up cortex")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--limit", type=int, default=200_000, help="rows of an answer")
    parser.add_argument("--nuclei", type=int, default=60, help="of the made-up cortex")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before an answer")
    options = parser.parse_args()
    made_up = {"nuclei": options.nuclei, "synapses": 40 * options.nuclei}
    tables = real_tables(options.data) if options.data else small_tables(**made_up)
    service = Service(tables, limit=options.limit, latency=options.latency)
    if options.port:
        service.server.server_close()
        service.server = _Server(("127.0.0.1", options.port), _Handler)
        service.server.service = service
    print(f"serving {DATASTACK} at {service.address}", flush=True)
    try:
        service.server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        service.server.server_close()


if __name__ == "__main__":
    main()
