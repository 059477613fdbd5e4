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
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pyarrow as pa

DATASTACK = "minnie65_public"
VOXEL_NM = (4.0, 4.0, 40.0)
ROOT = 864691134000000000
TWIN, BCM = "digital_twin_properties_bcm_coreg_v4", "functional_properties_v3_bcm"
FAULTS = ("500", "502", "503", "429", "wait", "drop", "truncate", "corrupt", "text", "hidden 429", "garbled")
"""Faults that pass; those that last are "html", "login", "400", "401", "403", "404", "410", "422", "hidden 410", ..."""


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

    def _handle(self, body: dict) -> None:
        service = self.server.service
        url = urlsplit(self.path)
        service.requests.append((self.path, body))
        if url.path == "/login":
            return self._send(200, b"<!doctype html><title>Sign in</title>", "text/html")
        time.sleep(service.latency)
        fault = service.next_fault()
        if fault not in ("", "ok", "truncate", "corrupt", "garbled", "untyped"):
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
        except KeyError as error:
            return self._fail("404", f"no {error}")
        if fault == "corrupt":
            content = content[: len(content) // 2] + b"\x00\xff" * 8
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
                "reference_table": "nucleus_detection_v0" if "target_id" in frame else "",
                **dict(zip(("voxel_resolution_x", "voxel_resolution_y", "voxel_resolution_z"), VOXEL_NM, strict=True)),
            }
        if as_json is not None:
            return 200, json.dumps(as_json).encode(), "application/json", {}
        if found := re.fullmatch(m + r"/version/(\d+)/table/(\w+)/query", path):
            rows = selected(service.tables[found[3]], found[3], body)
        elif re.fullmatch(m + r"/version/(\d+)/query", path):
            rows = joined(service.tables, body)
        else:
            raise KeyError(path)
        headers = {"dataframe_resolution": "4.0, 4.0, 40.0", "column_names": json.dumps({})}
        limit = min(service.limit, body.get("limit", service.limit))
        if len(rows) > limit or ("limit" not in body and len(rows) == service.limit):
            headers["Warning"] = f'201 - "Limited query to {service.limit} rows'
        if "count" in query:
            return 200, json.dumps(len(rows)).encode(), "application/json", {}
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


def selected(frame: pd.DataFrame, name: str, body: dict) -> pd.DataFrame:
    """Return the rows and columns of one table that a query asks for; like the service, it does not filter out."""
    keep = np.ones(len(frame), dtype=bool)
    for column, values in body.get("filter_in_dict", {}).get(name, {}).items():
        keep &= frame[column].isin(values).to_numpy()
    compare = {"equal": "eq", "greater": "gt", "less": "lt", "greater_equal": "ge", "less_equal": "le"}
    for word, method in compare.items():
        for column, value in body.get(f"filter_{word}_dict", {}).get(name, {}).items():
            keep &= getattr(frame[column], method)(value).fillna(False).to_numpy(bool)
    out = frame[keep]
    wanted = body.get("select_columns")
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
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


# --- tables


def small_tables(seed: int = 0, nuclei: int = 60, synapses: int = 900) -> dict[str, pd.DataFrame]:
    """Make the tables of a small cortex, with every peculiarity of the real ones."""
    rng = np.random.default_rng(seed)
    ids = 200_000 + 7 * np.arange(nuclei)
    roots = ROOT + rng.permutation(10 * nuclei)[:nuclei] * 1_000_003 + 1
    roots[rng.choice(nuclei, 3, replace=False)] = 0  # no segment
    merged = rng.choice(np.nonzero(roots)[0], 2, replace=False)
    roots[merged[1]] = roots[merged[0]]  # two nuclei in one segment
    position = rng.integers((100_000, 80_000, 15_000), (300_000, 200_000, 25_000), (nuclei, 3))
    nucleus = pd.DataFrame({"id": ids, "volume": rng.uniform(100, 400, nuclei), "pt_root_id": roots})
    for axis, name in enumerate("xyz"):
        nucleus[f"pt_position_{name}"] = position[:, axis]
    kinds = np.array(["23P", "4P", "5P-IT", "5P-ET", "6P-CT", "BC", "MC", "astrocyte"])
    kind = kinds[rng.choice(8, nuclei, p=[0.3, 0.25, 0.1, 0.05, 0.15, 0.05, 0.05, 0.05])]
    system = np.where(np.isin(kind, ["BC", "MC"]), "inhibitory_neuron", "excitatory_neuron")
    system = np.where(kind == "astrocyte", "nonneuron", system)
    types = _reference(ids, 9_000, classification_system=system, cell_type=kind)
    types = types.drop(index=rng.choice(nuclei, 2, replace=False))  # nuclei without a type
    areas = _reference(ids, 1_000, tag=np.array(["V1", "AL", "RL", "LM"])[rng.choice(4, nuclei)], value=1.0)
    rows = np.sort(np.concatenate([np.arange(nuclei)[: nuclei * 4 // 5], rng.choice(nuclei * 4 // 5, nuclei // 4)]))
    M = len(rows)
    units = _reference(
        ids[rows],
        50_000,
        session=rng.choice([4, 6, 9], M),
        scan_idx=rng.choice([2, 7], M),
        unit_id=rng.permutation(max(9_000, M))[:M] + 1,
        field=rng.integers(1, 5, M),
        residual=rng.uniform(0, 12, M),
        score=rng.uniform(-5, 20, M),
    )
    tuned = units[rng.uniform(size=M) < 0.8]
    T = len(tuned)
    unit = {name: tuned[name].to_numpy() for name in ("session", "scan_idx", "unit_id")}
    index = {name: rng.uniform(0, 1, T) for name in ("OSI", "DSI", "gOSI", "gDSI", "cc_abs", "cc_max")}
    direction = rng.uniform(0, 360, T)
    twin = _reference(
        tuned["target_id"], 70_000, **unit, **index, pref_ori=direction % 180, pref_dir=direction,
        readout_loc_x=rng.uniform(-1, 1, T), readout_loc_y=rng.uniform(-1, 1, T),
    )  # fmt: skip
    clock = np.mod(np.pi / 2 - np.deg2rad(direction), 2 * np.pi)
    bcm = _reference(
        tuned["target_id"], 80_000, **unit, pref_ori=clock % np.pi, pref_dir=clock,
        **{name: index[name] for name in ("gOSI", "gDSI", "cc_abs")},
    )  # fmt: skip
    status = pd.DataFrame({"id": np.arange(20) + 1, "valid_id": roots[:20]})
    status["pt_root_id"] = status["valid_id"].replace(roots[5], roots[5] + 4)  # edited since it was judged
    status["status_axon"] = np.where(rng.uniform(size=20) < 0.5, "t", "f")
    status["status_dendrite"] = "t"
    status["strategy_axon"] = "axon_fully_extended"
    ends = rng.choice(np.append(roots, [0, ROOT + 5]), (2, synapses))
    ends[1, :9] = ends[0, :9]  # autapses
    return {
        "nucleus_detection_v0": nullable(nucleus),
        "aibs_metamodel_celltypes_v661": nullable(types),
        "nucleus_functional_area_assignment": nullable(areas),
        "coregistration_manual_v4": nullable(units),
        "coregistration_auto_phase3_fwd_apl_vess_combined_v2": nullable(units.iloc[::2]),
        TWIN: nullable(twin),
        BCM: nullable(bcm),
        "proofreading_status_and_strategy": nullable(status),
        "synapses_pni_2": _synapses(ends[0], ends[1], rng.integers(20, 30_000, synapses), rng),
    }


def real_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Make tables from the real wiring of minnie65-functional-graph. Its nuclei have no ids there, and get some."""
    nodes = pd.read_csv(folder / "nodes.csv", dtype={"root_id": "int64"})
    wiring = pd.read_parquet(folder / "synapses.parquet")
    ids = 200_000 + np.arange(len(nodes))
    nucleus = pd.DataFrame({"id": ids, "volume": 300.0, "pt_root_id": nodes["root_id"]})
    for name, size in zip("xyz", VOXEL_NM, strict=True):
        nucleus[f"pt_position_{name}"] = (nodes[f"{name}_nm"] / size).round().astype("int64")
    typed = nodes["cell_type"].notna().to_numpy()
    types = _reference(ids[typed], 1, classification_system="excitatory_neuron", cell_type=nodes["cell_type"][typed])
    placed = nodes["area"].notna().to_numpy()
    # Scan and unit are not known of all that were matched: those are given scan 1_1 and the row as unit.
    matched = (nodes["coregistered"].eq(1) | nodes["unit_id"].ne(0)).to_numpy()
    known = nodes["unit_id"].ne(0).to_numpy()[matched]
    there = nodes[matched]
    units = _reference(
        ids[matched],
        1,
        session=np.where(known, there["session"], 1),
        scan_idx=np.where(known, there["scan_idx"], 1),
        unit_id=np.where(known, there["unit_id"], np.arange(len(there)) + 1),
        field=1,
        residual=1.0,
        score=1.0,
    )
    tuned = there["pref_ori_rad"].notna().to_numpy()
    bcm = _reference(
        units["target_id"][tuned],
        1,
        **{name: units[name].to_numpy()[tuned] for name in ("session", "scan_idx", "unit_id")},
        **{
            name: there[column].to_numpy()[tuned]
            for name, column in (
                ("pref_ori", "pref_ori_rad"),
                ("pref_dir", "pref_dir_rad"),
                ("gOSI", "gOSI"),
                ("gDSI", "gDSI"),
                ("cc_abs", "cc_abs"),
            )
        },
    )
    read = nodes[nodes["proofread_axon"].eq(1)]
    status = pd.DataFrame({"id": np.arange(len(read)) + 1, "valid_id": read["root_id"].to_numpy()})
    status["status_axon"], status["status_dendrite"] = "t", "f"
    rows = wiring[["synapse_id", "pre", "post"]].sort_values("synapse_id")
    synapses = pd.DataFrame({"id": rows["synapse_id"], "pre_pt_root_id": rows["pre"], "post_pt_root_id": rows["post"]})
    synapses["size"] = pd.array([None] * len(synapses), "Int64")  # not in this source
    return {
        "nucleus_detection_v0": nullable(nucleus),
        "aibs_metamodel_celltypes_v661": nullable(types),
        "nucleus_functional_area_assignment": nullable(
            _reference(ids[placed], 1, tag=nodes["area"][placed], value=1.0)
        ),
        "coregistration_manual_v4": nullable(units),
        BCM: nullable(bcm),
        "proofreading_status_and_strategy": nullable(status),
        "synapses_pni_2": nullable(synapses),
    }


def _reference(targets: Iterable[int], first: int, **columns) -> pd.DataFrame:
    """Return a table that refers to nuclei; its own ids are others, from ``first`` on."""
    targets = np.asarray(targets)
    columns = {name: np.broadcast_to(np.asarray(value), len(targets)) for name, value in columns.items()}
    return pd.DataFrame({"id": first + np.arange(len(targets)), "target_id": targets, **columns})


def _synapses(pre: np.ndarray, post: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    ids = np.sort(rng.choice(337_312_429, len(pre), replace=False)) + 1
    table = pd.DataFrame({"id": ids, "pre_pt_root_id": pre, "post_pt_root_id": post, "size": size})
    for name in "xyz":
        table[f"ctr_pt_position_{name}"] = rng.integers(10_000, 300_000, len(pre))
    return nullable(table)


def nullable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the nullable columns that the service sends."""
    whole = {name: "Int64" for name, kind in frame.dtypes.items() if kind.kind == "i"}
    return frame.astype(whole).reset_index(drop=True)


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
