"""The one place that talks to CAVE: caveclient's own calls, with timeouts, and with failures told apart.

caveclient waits for ever, retries little, opens a browser where terms were not accepted, and takes a sign-in page for data.
Here every session has timeouts and no retries of its own, each answer is looked at before caveclient sees it, and rows are held
against the filter of their query and against the server's own count of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import requests

from graphcortex._optional import require
from graphcortex._typing import RandomSource
from graphcortex.data._cave_parts import KINDS, Query
from graphcortex.data._cave_retry import (
    CaveError,
    CaveRetries,
    LastingError,
    PassingError,
    Persistence,
    not_signed_in,
    refusal,
    server_time,
)
from graphcortex.data._cave_token import Mask, Token

T = TypeVar("T")

VOXEL_NM = (4.0, 4.0, 40.0)
"""Positions are asked for in voxels of this size."""

_TRUE = ("t", "true", "clean", "extended")
"""How the database writes a flag, and what the older table of proofreading says of an axon or dendrite that was proofread."""

_UNREACHABLE = (
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
)


class CaveService:
    """One materialisation of one datastack. Nothing is sent before the first question."""

    def __init__(
        self,
        datastack: str,
        version: int,
        *,
        server_address: str | None,
        token: Token | None,
        retries: CaveRetries,
        rng: RandomSource | None,
    ):
        self._datastack, self._version = datastack, version
        self._server, self._token, self._retries = server_address, token, retries
        self._mask = Mask(token)
        self._persist = Persistence(retries, rng)
        self._answer: requests.Response | None = None
        self._client: Any = None
        self._sessions: list[requests.Session] = []
        self._columns: dict[str, set[str]] = {}

    def facts(self) -> dict[str, Any]:
        """Return the time and end of the version, the tables, and the versions of server and client.

        Raises:
            CaveError: If the version has expired or is not there, or the service does not answer.
        """
        client = self._connected()
        call = f"versions of {self._datastack}"
        valid = self._ask(lambda: [int(v) for v in client.get_versions(expired=False)], call)
        if self._version not in valid:
            known = self._ask(lambda: [int(v) for v in client.get_versions(expired=True)], call)
            what = "has expired" if self._version in known else "does not exist"
            there = ", ".join(map(str, sorted(valid))) or "none"
            raise CaveError(
                f"CAVE, {call}: expected one that the service still holds, got {self._version}, which {what}; choose "
                f"one of {there}."
            )

        def moments_and_now() -> tuple[dict[str, str], datetime | None]:
            moments = client.get_version_metadata(self._version)
            utc = {name: moments[name].astimezone(timezone.utc).isoformat() for name in ("time_stamp", "expires_on")}
            return utc, server_time(self._answer.headers if self._answer is not None else {})

        moments, now = self._ask(moments_and_now, f"metadata of version {self._version}")
        # The clock of this machine may be wrong. A server that does not tell the time has listed the version as valid.
        if now is not None and datetime.fromisoformat(moments["expires_on"]) <= now:
            raise CaveError(
                f"CAVE, metadata of version {self._version}: expected one that the service still holds, got one that "
                f"expired on {moments['expires_on']}; choose another of {', '.join(map(str, sorted(valid)))}."
            )
        tables = self._ask(
            lambda: sorted(str(name) for name in client.get_tables(version=self._version)),
            f"tables of version {self._version}",
        )
        return {
            "datastack": self._datastack,
            "version": self._version,
            **moments,
            "tables": list(map(self._mask, tables)),
            "server_version": self._mask(str(client.server_version)),
            "client_version": require("caveclient", "cave", "CAVE").__version__,
        }

    def reference_of(self, table: str) -> str:
        """Return the table that the column ``target_id`` of a table refers to, or nothing.

        Raises:
            CaveError: If the service does not say.
        """
        client = self._connected()
        # caveclient keeps metadata by name alone, also that of another server.
        address = f"{client.server_address}/materialize/api/v3/datastack/{self._datastack}/version/{self._version}"
        return self._ask(
            lambda: str(client.session.get(f"{address}/table/{table}/metadata").json().get("reference_table") or ""),
            f"metadata of {table} at version {self._version}",
        )

    def query(self, query: Query) -> pa.Table | None:
        """Return the answer to a query, or None where it is longer than what the server sends at once.

        An answer with fewer rows than the server counts is asked for once more, since a connection may have been cut; one
        that is too short again was cut off at a limit.

        Raises:
            CaveError: If the service refuses it, does not keep to the filter, or does not answer well within the tries.
        """
        self._connected()
        filters: dict[str, Any] = {"filter_in_dict": {name: list(values) for name, values in query.within} or None}
        if query.ids is not None:
            filters["filter_greater_equal_dict"] = {"id": query.ids[0]}
            filters["filter_less_dict"] = {"id": query.ids[1]}
        wanted = list(dict.fromkeys(("id", *(_stored(name) for name, _ in query.columns))))

        def rows() -> tuple[pa.Table, bool]:
            try:
                frame = self._table(
                    query.table,
                    **filters,
                    select_columns=wanted,
                    desired_resolution=list(VOXEL_NM) if "pt_position" in wanted else None,
                )
            except PassingError as error:
                if error.status == 500:
                    self._check_columns(query.table, wanted)
                raise
            headers = self._answer.headers if self._answer is not None else {}
            given = headers.get("dataframe_resolution")
            if "pt_position" in wanted and given and [float(v) for v in given.split(",")] != list(VOXEL_NM):
                raise LastingError(
                    f"expected positions in voxels of {VOXEL_NM} nm, got {given}", "Check the server's version."
                )
            table = _strict(frame, query)
            _check_filter(table, query)
            # The client would only log it; and the limit, which may change, is nowhere else to be seen.
            return table, "limited query to" in headers.get("Warning", "").lower()

        for _ in range(2):
            table, limited = self._ask(rows, str(query))
            if limited:
                return None
            count = self._ask(lambda: _count(self._table(query.table, **filters, get_counts=True)), f"count of {query}")
            if len(table) == count:
                return table
        if len(table) > count:
            raise CaveError(
                f"CAVE, {query}: expected the {count:,} rows that the server counts, got {len(table):,}; ask those who run "
                "the server. Finished parts are kept."
            )
        return None

    def close(self) -> None:
        """Close the connections."""
        while self._sessions:
            self._sessions.pop().close()
        self._client = None

    def _table(self, table: str, **options: Any) -> pd.DataFrame:
        """Ask for rows of a table, without what caveclient would ask for besides."""
        return self._client.query_table(
            table,
            split_positions=True,
            metadata=False,
            merge_reference=False,
            materialization_version=self._version,
            log_warning=False,
            **options,
        )

    def _check_columns(self, table: str, wanted: list[str]) -> None:
        """Make sure that a table has the columns that are asked for: where one is missing the service answers 500, as if busy.

        Raises:
            LastingError: If one is missing.
        """
        if table not in self._columns:
            refused = self._answer
            try:
                row = self._table(table, limit=1)
            except (PassingError, requests.RequestException, OSError, ValueError):
                return  # the service is down, or does not say
            finally:
                self._answer = refused
            self._columns[table] = {_stored(str(name)) for name in row.columns}
        _check_there(wanted, self._columns[table])

    def _connected(self) -> Any:
        if self._client is None:
            require("caveclient", "cave", "MicronsCAVE")
            self._connect()
        return self._client

    def _connect(self) -> None:
        """Make caveclient's own clients, each guarded from before its first request on; each request is retried by itself."""
        from caveclient.auth import AuthClient
        from caveclient.datastack_lookup import handle_server_address
        from caveclient.endpoints import default_global_server_address
        from caveclient.infoservice import InfoServiceClient
        from caveclient.materializationengine import MaterializationClient

        def guarded(cls: type) -> type:
            # The first request of a client is made within its constructor, and asks for the version of the server.
            def _get_version(client):
                self._guard(client.session)
                return cls._get_version(client)

            return type(cls.__name__, (cls,), {"_get_version": _get_version})

        self.close()
        what = f"connection to {self._datastack}"
        # Neither the map of servers nor the token is written: the file of either would serve later clients.
        server = handle_server_address(self._datastack, self._server, write=False) or default_global_server_address
        auth = AuthClient(token=self._token, server_address=server)
        self._use_token(auth, what)
        info = self._ask(lambda: guarded(InfoServiceClient)(server, None, auth, max_retries=0), what)
        local_server = self._ask(lambda: info.local_server(datastack_name=self._datastack), what)
        # A client that finds out the version of the API itself falls back to an old one where the question is lost.
        client = self._ask(
            lambda: guarded(MaterializationClient)(
                local_server, self._datastack, auth, api_version=3, version=self._version, max_retries=0
            ),
            what,
        )
        url = f"{client.server_address}/materialize/api/versions"
        offered = self._ask(lambda: client.session.get(url).json(), what)
        if 3 not in offered or client.api_version != 3:
            raise CaveError(
                f"CAVE, {what}: expected version 3 of the materialisation API, got a server with "
                f"{self._mask(str(offered))}. Check the server address."
            )
        if len(self._sessions) < 2:
            raise CaveError(f"CAVE, {what}: caveclient was built otherwise than expected. Install caveclient>=8.2,<9.")
        self._client = client

    def _use_token(self, auth: Any, what: str) -> None:
        """Take the token that caveclient found, if any, and hide it from now on."""
        if auth.token is not None:
            try:
                auth.token = self._token = Token(auth.token)
            except ValueError as error:
                problem = str(error)
            else:
                self._mask = Mask(self._token)
                return
            raise CaveError(
                f"CAVE, {what}: {problem} It was read from the file of caveclient (docs/cave.md says where)."
            )

    def _guard(self, session: requests.Session) -> None:
        adapter = _PatientAdapter((self._retries.connect_s, self._retries.read_s))
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        session.hooks["response"].append(self._look_at)
        self._sessions.append(session)

    def _look_at(self, response: requests.Response, **_: Any) -> None:
        """Stop what caveclient would misread: every refusal, and pages for people."""
        self._answer = response
        if response.status_code >= 400:
            raise refusal(response.status_code, self._mask(_message_of(response)), response.headers)
        if response.status_code == 200 and "html" in response.headers.get("Content-Type", "").lower():
            _ = response.content
            raise not_signed_in("the server answered with a web page, as it does to those who have not signed in")

    def _ask(self, call: Callable[[], T], what: str) -> T:
        with self._mask.in_logs():
            return self._persist(lambda: self._once(call), self._mask(what))

    def _once(self, call: Callable[[], T]) -> T:
        """Make a call and say of its failure whether it lasts."""
        self._answer = None
        try:
            return call()
        except Exception as error:
            failure = self._judged(error)
            if failure is error and not isinstance(error, (PassingError, LastingError)):
                raise  # nothing was answered: no fault of the server
        # Outside of the handler, so that the client's own error, whose frames hold the token, is not chained to it.
        raise failure

    def _judged(self, error: Exception) -> Exception:
        """Return what a failure of the client means, without the token."""
        if isinstance(error, (PassingError, LastingError)):
            error.args = (self._mask(str(error)),)
            error.__context__ = error.__cause__ = None
            return error.with_traceback(None)
        described = self._described(error)
        if isinstance(error, _UNREACHABLE):
            return LastingError(described, "Check the server address.")
        lost = isinstance(error, (requests.RequestException, OSError))
        if lost and not isinstance(error, requests.exceptions.InvalidJSONError):
            return PassingError(described)
        kind = type(error).__name__
        if kind == "AuthException":
            return not_signed_in("the server wants to know who asks")
        if kind == "ServerIncompatibilityError":
            return LastingError(described, "Ask those who run the server to update it.")
        if self._answer is None:
            unmasked = f"{error} {error!r}"
            return error if self._mask(unmasked) == unmasked else LastingError(described, "Check the token.")
        if self._answer.content.lstrip()[:1] == b"<":
            return not_signed_in("the server answered with a web page")
        # Arrow, JSON and caveclient each fail in ways of their own over bytes that are not what they should be.
        return PassingError(f"the answer cannot be read ({described})")

    def _described(self, error: Exception) -> str:
        return f"{type(error).__name__}: {' '.join(self._mask(str(error)).split())[:300]}"


class _PatientAdapter(requests.adapters.HTTPAdapter):
    """Gives requests a timeout, and never repeats one."""

    def __init__(self, timeout: tuple[float, float]):
        self._timeout = timeout
        super().__init__(max_retries=0)

    def send(self, request, stream=False, timeout=None, **rest):
        """Send a request."""
        return super().send(request, stream=stream, timeout=timeout or self._timeout, **rest)


def _message_of(response: requests.Response) -> str:
    """Return what a refusal says: the message of its JSON object, its JSON text, or its text if that is no page."""
    text = response.content.decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except ValueError:
        return "" if text.lstrip().startswith("<") else text
    if isinstance(body, dict):
        body = body.get("message") or body.get("error") or ""
    return body if isinstance(body, str) else ""


def _stored(name: str) -> str:
    """Return the column of the table that a column of the answer is made from: positions come in three."""
    return name[:-2] if name[:-2].endswith("_position") else name


def _count(frame: pd.DataFrame) -> int:
    """Return the number of rows that the server counts.

    Raises:
        LastingError: If the server answered with something else, as one does that cannot count.
    """
    if frame.empty:
        raise ValueError("expected the number of rows, got nothing")  # of a connection that was cut
    if frame.shape != (1, 1) or not pd.api.types.is_numeric_dtype(frame.iloc[:, 0]):
        raise LastingError(
            f"expected the number of rows, got a table of shape {frame.shape}",
            "Ask those who run the server to update it.",
        )
    return int(frame.iloc[0, 0])


def _check_there(wanted: list[str], there: set[str]) -> None:
    """Make sure that columns are there.

    Raises:
        LastingError: If one is missing.
    """
    missing = [name for name in wanted if name not in there]
    if missing:
        names = ", ".join(map(repr, missing))
        raise LastingError(
            f"expected a column {names}, got {', '.join(sorted(there))}",
            "Choose another table or version, or ask for a newer graphcortex.",
        )


def _check_filter(table: pa.Table, query: Query) -> None:
    """Make sure that each row has a value that was asked for.

    Raises:
        LastingError: If the server ignored the filter.
    """
    for name, values in query.within:
        got = table[name].to_numpy()
        other = got[~np.isin(got, np.array(values, dtype=np.int64))]
        if len(other):
            raise LastingError(
                f"expected rows with {name} among the {len(values):,} values asked for, got {name} {other[0]}: the server "
                "ignores the filter",
                "Ask those who run the server, or report it.",
            )
    if query.ids is not None:
        got = table["id"].to_numpy()
        other = got[(got < query.ids[0]) | (got >= query.ids[1])]
        if len(other):
            raise LastingError(
                f"expected rows with id from {query.ids[0]} to below {query.ids[1]}, got id {other[0]}: the server ignores "
                "the filter",
                "Ask those who run the server, or report it.",
            )


def _strict(frame: pd.DataFrame, query: Query) -> pa.Table:
    """Return the columns that were asked for, of the kinds they should be.

    Raises:
        LastingError: If one is missing or of another kind, such as ids that went through floats.
    """
    wanted = (("id", "whole"), *query.columns)
    _check_there([name for name, _ in wanted], set(map(str, frame.columns)))
    arrays = []
    for name, kind in wanted:
        column = frame[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        whole = pd.api.types.is_integer_dtype(column)
        blank = bool(column.isna().all())  # an empty column has no kind
        if kind == "whole" and (whole or blank):
            values = _whole(column, name)
        elif kind == "number" and (numeric or blank):
            values = column.to_numpy(np.float64, na_value=np.nan)
        elif kind == "text" and not numeric:
            values = np.array(list(map(_text, column.astype(object).where(column.notna(), ""))), dtype=object)
        elif kind == "flag" and not numeric:
            values = column.astype(object).map(lambda v: v is not pd.NA and str(v).lower() in _TRUE).to_numpy(bool)
        else:
            floats = ": a float has too few digits for an id" if pd.api.types.is_float_dtype(column) else ""
            raise LastingError(
                f"expected {name!r} to hold {kind} values, got {column.dtype}{floats}",
                "Ask for a newer graphcortex, or report it.",
            )
        arrays.append(pa.array(values, KINDS[kind]))
    return pa.Table.from_arrays(arrays, schema=query.schema)


def _whole(column: pd.Series, name: str) -> np.ndarray:
    """Return whole numbers as int64, with 0 where there is none.

    Raises:
        LastingError: If one does not fit into int64, or an id is negative.
    """
    values = column[column.notna()]
    wrong = values[values > np.iinfo(np.int64).max]
    if name == "id" or name.endswith("_id"):
        wrong = pd.concat([wrong, values[values < 0]])
    if len(wrong):
        raise LastingError(
            f"expected {name!r} to hold whole numbers from 0 to below 2**63, got {wrong.iloc[0]}",
            "Ask those who run the server, or report it.",
        )
    return column.to_numpy(np.int64, na_value=0)


def _text(value: Any) -> str:
    """Return a value as text; bytes are UTF-8.

    Raises:
        LastingError: If they are not.
    """
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise LastingError(f"expected text in UTF-8, got {value[:40]!r}", "Ask those who run the server.") from None
