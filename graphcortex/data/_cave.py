"""The one place that talks to CAVE: caveclient's own calls, with timeouts, and with failures told apart.

caveclient waits for ever, retries little, opens a browser where terms were not accepted, and takes a sign-in page for data.
Here every session has timeouts and no retries of its own, and each answer is looked at before caveclient sees it.
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
)

T = TypeVar("T")

VOXEL_NM = (4.0, 4.0, 40.0)
"""Positions are asked for in voxels of this size."""

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
        token: str | None,
        retries: CaveRetries,
        rng: RandomSource | None,
    ):
        self._datastack, self._version = datastack, version
        self._server, self._token, self._retries = server_address, token, retries
        self._persist = Persistence(retries, rng)
        self._answer: requests.Response | None = None
        self._client: Any = None
        self._sessions: list[requests.Session] = []

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
        moments = self._ask(
            lambda: {
                name: moment.astimezone(timezone.utc).isoformat()
                for name, moment in client.get_version_metadata(self._version).items()
                if name in ("time_stamp", "expires_on")
            },
            f"metadata of version {self._version}",
        )
        if datetime.fromisoformat(moments["expires_on"]) <= datetime.now(timezone.utc):
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
            "tables": tables,
            "server_version": str(client.server_version),
            "client_version": require("caveclient", "cave", "CAVE").__version__,
        }

    def query(self, query: Query) -> pa.Table | None:
        """Return the answer to a query, or None where the server cut it off at its limit.

        Raises:
            CaveError: If the service refuses it, or does not answer well within the tries.
        """
        client = self._connected()
        filters: dict[str, Any] = {"filter_in_dict": {name: list(values) for name, values in query.within} or None}
        if query.ids is not None:
            filters["filter_greater_equal_dict"] = {"id": query.ids[0]}
            filters["filter_less_dict"] = {"id": query.ids[1]}
        wanted = list(dict.fromkeys(("id", *(_stored(name) for name, _ in query.columns))))

        def ask() -> pa.Table | None:
            frame = client.query_table(
                query.table,
                **filters,
                select_columns=wanted,
                split_positions=True,
                metadata=False,
                merge_reference=False,
                materialization_version=self._version,
                desired_resolution=list(VOXEL_NM) if "pt_position" in wanted else None,
                log_warning=False,
            )
            headers = self._answer.headers if self._answer is not None else {}
            # The client would only log it; and the limit, which may change, is nowhere else to be seen.
            if "limited query to" in headers.get("Warning", "").lower():
                return None
            given = headers.get("dataframe_resolution")
            if "pt_position" in wanted and given and [float(v) for v in given.split(",")] != list(VOXEL_NM):
                raise LastingError(
                    f"expected positions in voxels of {VOXEL_NM} nm, got {given}", "Check the server's version."
                )
            return _strict(frame, query)

        return self._ask(ask, str(query))

    def close(self) -> None:
        """Close the connections."""
        while self._sessions:
            self._sessions.pop().close()
        self._client = None

    def _connected(self) -> Any:
        if self._client is None:
            require("caveclient", "cave", "MicronsCAVE")
            self._client = self._ask(self._connect, f"connection to {self._datastack}")
        return self._client

    def _connect(self) -> Any:
        """Make caveclient's own clients, each guarded from before its first request on."""
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
        # Neither the map of servers nor the token is written: the file of either would serve later clients.
        server = handle_server_address(self._datastack, self._server, write=False) or default_global_server_address
        auth = AuthClient(token=self._token, server_address=server)
        self._token = auth.token
        info = guarded(InfoServiceClient)(server, self._datastack, auth, max_retries=0)
        # A client that finds out the version of the API itself falls back to an old one where the question is lost.
        client = guarded(MaterializationClient)(
            info.local_server(), self._datastack, auth, api_version=3, version=self._version, max_retries=0
        )
        url = f"{client.server_address}/materialize/api/versions"
        offered = client.session.get(url).json()
        if 3 not in offered or client.api_version != 3:
            raise LastingError(
                f"expected version 3 of the materialisation API, got a server with {offered}",
                "Check the server address.",
            )
        if len(self._sessions) < 2:
            raise LastingError("caveclient was built otherwise than expected", "Install caveclient>=8.2,<9.")
        return client

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
            raise refusal(response.status_code, _message_of(response), response.headers)
        if response.status_code == 200 and "html" in response.headers.get("Content-Type", "").lower():
            _ = response.content
            raise not_signed_in("the server answered with a web page, as it does to those who have not signed in")

    def _ask(self, call: Callable[[], T], what: str) -> T:
        return self._persist(lambda: self._once(call), self._without_token(what))

    def _once(self, call: Callable[[], T]) -> T:
        """Make a call and say of its failure whether it lasts."""
        self._answer = None
        try:
            return call()
        except (PassingError, LastingError) as error:
            error.args = (self._without_token(str(error)),)
            raise
        except _UNREACHABLE as error:
            raise LastingError(self._described(error), "Check the server address.") from None
        except Exception as error:
            lost = isinstance(error, (requests.RequestException, OSError))
            if lost and not isinstance(error, requests.exceptions.InvalidJSONError):
                raise PassingError(self._described(error)) from None
            kind = type(error).__name__
            if kind == "AuthException":
                raise not_signed_in("the server wants to know who asks") from None
            if kind == "ServerIncompatibilityError":
                raise LastingError(self._described(error), "Ask those who run the server to update it.") from None
            answer = self._answer
            if answer is None:
                raise  # nothing was answered: no fault of the server
            if answer.content.lstrip()[:1] == b"<":
                raise not_signed_in("the server answered with a web page") from None
            # Arrow, JSON and caveclient each fail in ways of their own over bytes that are not what they should be.
            raise PassingError(f"the answer cannot be read ({self._described(error)})") from error

    def _described(self, error: Exception) -> str:
        return self._without_token(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")

    def _without_token(self, text: str) -> str:
        return text.replace(self._token, "***") if self._token else text


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
    return name[:-2] if name.startswith("pt_position_") else name


def _strict(frame: pd.DataFrame, query: Query) -> pa.Table:
    """Return the columns that were asked for, of the kinds they should be.

    Raises:
        LastingError: If one is missing or of another kind, such as ids that went through floats.
    """
    arrays = []
    for name, kind in (("id", "whole"), *query.columns):
        if name not in frame:
            there = ", ".join(map(str, frame.columns))
            raise LastingError(
                f"expected a column {name!r}, got {there}", "The table was changed: ask for a newer graphcortex."
            )
        column = frame[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        whole = pd.api.types.is_integer_dtype(column)
        blank = bool(column.isna().all())  # an empty column has no kind
        if kind == "whole" and (whole or blank):
            values = column.to_numpy(np.int64, na_value=0)
        elif kind == "number" and (numeric or blank):
            values = column.to_numpy(np.float64, na_value=np.nan)
        elif kind == "text" and not numeric:
            values = column.astype(object).where(column.notna(), "").map(str).to_numpy(object)
        elif kind == "flag" and not numeric:
            # As the database writes them in text.
            values = column.map(lambda v: v is not pd.NA and str(v).lower() in ("t", "true")).to_numpy(bool)
        else:
            raise LastingError(
                f"expected {name!r} to hold {kind} values, got {column.dtype}: a float has too few digits for an id",
                "Ask for a newer graphcortex, or report it.",
            )
        arrays.append(pa.array(values, KINDS[kind]))
    return pa.Table.from_arrays(arrays, schema=query.schema)
