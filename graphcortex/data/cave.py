"""Co-registered neurons of MICrONS from CAVE: the whole population, at any version that the service still holds."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from graphcortex._checks import check_choice, check_count, check_number
from graphcortex._typing import RandomSource
from graphcortex.data import _cave_tables as tables
from graphcortex.data._cave import VOXEL_NM, CaveService
from graphcortex.data._cave_neurons import Tally, choose_neurons
from graphcortex.data._cave_parts import Parts, Query, each_row_once
from graphcortex.data._cave_retry import CaveError, CaveRetries
from graphcortex.data._cave_token import Token
from graphcortex.data._named import NamedDataset
from graphcortex.data.connectome import Connectome

_ROWS = 5_000
"""Ids that one query of a table of neurons names."""


class MicronsCAVE(NamedDataset):
    """Excitatory neurons of MICrONS that were recorded as well, with the synapses among them: a dataset of one graph.

    The neurons are those with a nucleus, a recorded unit and an excitatory cell type. Of the units of a neuron the one
    that its model predicts best (``cc_abs``) is kept, or, where there is no model, the one that was matched with the
    smallest residual. A segment that holds several nuclei is a merger, and its neurons are dropped, as are neurons with two
    different cell types. The provenance counts what came in (``"input"``) and all that was dropped, by why (``"dropped"``).
    Which tables are used depends on which there are at the version (docs/cave.md lists them); ``area``, proofreading and
    tuning are left out where there is none.

    Answers of the server are kept below the root as they come, so an interrupted download goes on where it was; what is
    complete is read without the service, and without caveclient. Several processes may share a root. An answer is kept only
    if it has as many rows as the server counts, and none that was not asked for.

    Args:
        root: Folder of the cache; ``<datastack>/v<version>`` is made in it.
        version: Materialisation, a whole number. Versions expire; 117, 943 and 1300 are meant to stay.
        datastack: Name of the datastack.
        server_address: Address of its server; by default the one that caveclient knows.
        token: Token of the account. By default caveclient's own, from its file. It is never stored, and messages show it as
            ``***``.
        coregistration: ``"manual"`` or ``"auto"``, for the newest such table of the version, or the name of a table that
            matches units with nuclei.
        min_score: Least score of a match.
        max_residual: Greatest residual of a match, in um.
        scans: Scans wanted, as ``"session_scan"`` or ``"session_scan_field"``; all by default.
        cell_type_table: Table of cell types that refers to nuclei. Whether a cell is excitatory follows from
            ``classification_system``, or else from the name of the type.
        cell_types: Cell types wanted; all excitatory ones by default.
        areas: Cortical areas wanted (V1, AL, RL, LM); all by default.
        proofread: ``"axon"``, ``"dendrite"`` or ``"both"``: what must have been proofread; nothing by default.
        block: Postsynaptic neurons that one query of synapses names. A query that the server cuts off is halved.
        progress: Whether to show a bar while answers are fetched. None is written into a pipe or a file. Pauses before another
            try are logged in any case.
        retries: How long a call goes on trying.
        rng: Seed of the pauses between tries, which changes nothing in the graph.
        transform: Applied to the graph when it is read.

    Raises:
        ValueError: If an argument does not fit.

    References:
        The MICrONS Consortium (2025). Functional connectomics spanning multiple areas of mouse visual cortex.
        Nature 640. https://doi.org/10.1038/s41586-025-08790-w

    Example:
        >>> dataset = MicronsCAVE("cache", 1300, areas=["V1"])  # fetches nothing yet
        >>> dataset.names
        ('minnie65_public_v1300',)
    """

    def __init__(
        self,
        root: str | os.PathLike,
        version: int,
        *,
        datastack: str = "minnie65_public",
        server_address: str | None = None,
        token: str | None = None,
        coregistration: str = "manual",
        min_score: float | None = None,
        max_residual: float | None = None,
        scans: Sequence[str] | None = None,
        cell_type_table: str = tables.CELL_TYPES,
        cell_types: Sequence[str] | None = None,
        areas: Sequence[str] | None = None,
        proofread: str | None = None,
        block: int = 450,
        progress: bool = True,
        retries: CaveRetries | None = None,
        rng: RandomSource | None = None,
        transform: Callable[[Connectome], Any] | None = None,
    ):
        super().__init__(str(root), transform=transform)
        self.root = str(Path(root).expanduser())
        self._version = check_count(version, "version")
        for name, value in (
            ("datastack", datastack),
            ("coregistration", coregistration),
            ("cell_type_table", cell_type_table),
        ):
            if not isinstance(value, str) or not re.fullmatch(r"\w[\w.-]*", value):
                raise ValueError(f"{name} must be a name of letters, digits, _, . and -, got {value!r}.")
        self._datastack = datastack
        self._filters: dict[str, Any] = {
            "coregistration": coregistration,
            "cell_type_table": cell_type_table,
            "min_score": None if min_score is None else check_number(min_score, "min_score"),
            "max_residual": None if max_residual is None else check_number(max_residual, "max_residual"),
            "scans": _texts(scans, "scans", r"\d+_\d+(_\d+)?"),
            "cell_types": _texts(cell_types, "cell_types"),
            "areas": _texts(areas, "areas"),
            "proofread": proofread and check_choice(proofread, "proofread", ("axon", "dendrite", "both")),
        }
        self._block = check_count(block, "block")
        self._progress = progress
        self._server: dict[str, Any] = {
            "server_address": server_address,
            "token": None if token is None else Token(token),
        }
        self._retries, self._rng = retries or CaveRetries(), rng

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the graph: datastack and version."""
        return (f"{self._datastack}_v{self._version}",)

    def len(self) -> int:
        """Return the number of graphs, 1."""
        return 1

    def get(self, idx: int) -> Connectome:
        """Fetch what is missing, and return the graph.

        Raises:
            CaveError: If the version has expired, lacks a table or holds no such neuron; if a nucleus has no position; if the
                server sends other rows than were asked for, or fewer than it counts; or if a call fails for good. The
                message names the call and the remedy. Finished parts stay in the root.
        """
        parts = Parts(Path(self.root) / self._datastack / f"v{self._version}")
        service = CaveService(self._datastack, self._version, retries=self._retries, rng=self._rng, **self._server)
        try:
            with contextlib.ExitStack() as stack:
                # None leaves the bar out where it would be written into a pipe or a file.
                disable = None if self._progress else True
                bar = stack.enter_context(tqdm(desc=self.names[0], total=0, unit="query", disable=disable))
                if not bar.disable:
                    stack.enter_context(logging_redirect_tqdm())
                download = _Download(parts, service, self._datastack, self._version, bar)
                return download.graph(self._filters, self._block)
        finally:
            service.close()

    def __repr__(self) -> str:
        return f"MicronsCAVE({self.names[0]} in {self.root!r})"

    def _position(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(f"unknown graph {name!r}; this dataset holds {self.names[0]}.")
        return 0


class _Download:
    """One graph in the making: what was asked, what was dropped."""

    def __init__(self, parts: Parts, service: CaveService, datastack: str, version: int, bar: tqdm):
        self._parts, self._service, self._bar = parts, service, bar
        self._datastack, self._version = datastack, version
        self._queries: list[str] = []
        self._tally = Tally()
        self._checked = set(tables.KNOWN)
        parts.sweep()
        self._facts = parts.read_facts()
        self._compared = False
        if self._facts is None:
            self._facts = service.facts()
            parts.write_facts(self._facts)
            self._compared = True

    def graph(self, filters: dict[str, Any], block: int) -> Connectome:
        names = self._tables(filters)
        neurons = choose_neurons(names, filters, self._rows, self._tally)
        pairs = self._synapses(names["synapses"], neurons, block)
        codes, code_names = _codes(neurons)
        values = {
            name: neurons[name].to_numpy() for name in ("session", "scan", "field", "unit_id", *_measured(neurons))
        }
        return Connectome.from_arrays(
            neurons[["x", "y", "z"]].to_numpy() * (np.array(VOXEL_NM) / 1000),
            **pairs,
            root_id=neurons["root_id"].to_numpy(),
            nucleus_id=neurons["nucleus_id"].to_numpy(),
            **values,
            **codes,
            names=code_names,
            provenance={
                "source": "MICrONS, from CAVE",
                "citation": "the MICrONS Consortium (2025), Nature 640, doi:10.1038/s41586-025-08790-w",
                **{
                    name: self._facts[name]
                    for name in ("datastack", "version", "time_stamp", "server_version", "client_version")
                },
                "tables": names,
                "filters": {name: value for name, value in filters.items() if value is not None},
                "input": self._tally.input,
                "dropped": self._tally.dropped,
                "queries": self._queries,
            },
        )

    def _tables(self, filters: dict[str, Any]) -> dict[str, Any]:
        """Return the tables to use, by what for.

        Raises:
            CaveError: If the version lacks one that is needed; the message names all that are missing.
        """
        there = set(self._facts["tables"])
        coregistration = filters["coregistration"]
        choices = {
            "nucleus": (tables.NUCLEUS,),
            "coregistration": tables.COREGISTRATIONS.get(coregistration, (coregistration,)),
            "cell_type": (filters["cell_type_table"],),
            "synapses": (tables.SYNAPSES,),
            "area": (tables.AREAS,),
            "proofreading": tables.PROOFREADINGS,
        }
        optional = {"area": filters["areas"] is None, "proofreading": filters["proofread"] is None}
        names: dict[str, Any] = {}
        missing = []
        for role, candidates in choices.items():
            table = next((table for table in candidates if table in there), None)
            if table is not None:
                names[role] = table
            elif not optional.get(role):
                missing.append(f"{' or '.join(map(repr, candidates))} ({role})")
        if missing:
            raise CaveError(
                f"CAVE, tables of version {self._version}: expected {', '.join(missing)}, got "
                f"{', '.join(sorted(there)) or 'none'}; choose another version, or another table."
            )
        return {**names, "tuning": list(tables.tunings_of(names["coregistration"], there))}

    def _synapses(self, table: str, neurons: pd.DataFrame, block: int) -> dict[str, np.ndarray]:
        """Return the pairs that synapses join, with their number and summed size."""
        roots = np.sort(neurons["root_id"].to_numpy())
        every = tuple(roots.tolist())
        queries = [
            self._query(
                table,
                tables.COLUMNS["synapses"],
                (("post_pt_root_id", every[start : start + block]), ("pre_pt_root_id", every)),
            )
            for start in range(0, len(every), block)
        ]
        found = self._answers(queries)
        self._tally.add("synapses", found.num_rows)
        pre, post, size = (found[name].to_numpy() for name, _ in tables.COLUMNS["synapses"])
        autapses = pre == post
        self._tally.drop("synapses", "of a neuron with itself", autapses.sum())
        pre, post, size = pre[~autapses], post[~autapses], size[~autapses]
        number = pd.Series(np.arange(len(neurons)), index=neurons["root_id"].to_numpy())
        source, target = (number.loc[ids].to_numpy() for ids in (pre, post))
        pairs, place, count = np.unique(source * len(neurons) + target, return_inverse=True, return_counts=True)
        out = {"synapse_index": np.stack(np.divmod(pairs, len(neurons))), "count": count}
        unsized = int((size <= 0).sum())
        if unsized == 0 and len(size):
            out["size"] = np.bincount(place, weights=size, minlength=len(pairs))
        elif unsized < len(size):  # a release without sizes has none at all
            self._tally.add("sizes of synapses", len(size))
            self._tally.drop("sizes of synapses", f"since {unsized:,} synapses have none", len(size))
        return out

    def _rows(self, table: str, columns: tuple[tuple[str, str], ...], **within: Iterable[int]) -> pd.DataFrame:
        """Return the rows of a table, all or those whose column is one of some ids."""
        queries = []
        for name, ids in within.items():
            ids = sorted({int(value) for value in ids})
            for start in range(0, len(ids), _ROWS):
                queries.append(self._query(table, columns, ((name, tuple(ids[start : start + _ROWS])),)))
        if not within:
            queries.append(self._query(table, columns))
        return self._answers(queries).to_pandas()

    def _query(self, table: str, columns: tuple, within: tuple = ()) -> Query:
        return Query(self._datastack, self._version, table, columns, within)

    def _answers(self, queries: list[Query]) -> pa.Table:
        self._bar.total += len(queries)
        found = []
        for query in queries:
            self._queries.append(query.key)
            found.append(self._answer(query))
            self._bar.update()
        return each_row_once(pa.concat_tables(found))

    def _answer(self, query: Query) -> pa.Table:
        """Return the answer to a query: from the cache, from the server, or from those to its halves."""
        found = self._parts.read(query)
        if found is not None:
            return found
        if not self._parts.is_split(query):
            self._compare()
            self._check_reference(query)
            found = self._service.query(query)
            if found is not None:
                return self._parts.write(query, found)
            if not query.halves():
                raise CaveError(
                    f"CAVE, {query}: the server counts rows of one id that it does not send: one row is more than its "
                    "limit; ask those who run the server to raise it."
                )
            self._parts.split(query)
        halves = query.halves()
        self._bar.total += len(halves)
        found = []
        for half in halves:
            found.append(self._answer(half))
            self._bar.update()
        return each_row_once(pa.concat_tables(found))

    def _compare(self) -> None:
        """Make sure that the server still holds what the cache is of."""
        if self._compared:
            return
        now = self._service.facts()
        if now["time_stamp"] != self._facts["time_stamp"]:
            raise CaveError(
                f"CAVE, metadata of version {self._version}: expected the materialisation of the cache, of "
                f"{self._facts['time_stamp']}, got one of {now['time_stamp']}: another server; choose another root."
            )
        self._compared = True

    def _check_reference(self, query: Query) -> None:
        """Make sure that what a table calls ``target_id`` is a nucleus, where a user named the table.

        Raises:
            CaveError: If it is the id of something else, such as a synapse.
        """
        if query.table in self._checked or "target_id" not in dict(query.columns):
            return
        reference = self._service.reference_of(query.table)
        if reference not in ("", tables.NUCLEUS):
            raise CaveError(
                f"CAVE, metadata of {query.table} at version {self._version}: expected a table that refers to "
                f"{tables.NUCLEUS!r}, got one that refers to {reference!r}; choose another table."
            )
        self._checked.add(query.table)


def _measured(neurons: pd.DataFrame) -> list[str]:
    """Return the columns of tuning that are there."""
    known = {ours for tuning in tables.TUNINGS.values() for _, ours in tuning.columns}
    return [name for name in neurons.columns if name in known]


def _codes(neurons: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Return codes of what neurons are, and the names behind them."""
    codes = {"layer": np.array([tables.layer_code(name) for name in neurons["cell_type"]], dtype=np.int64)}
    names: dict[str, list[str]] = {"layer": list(tables.LAYERS)}
    for column in ("cell_type", "area"):
        if column in neurons:
            there, code = np.unique(neurons[column].replace("", "unknown").to_numpy(str), return_inverse=True)
            codes[column], names[column] = code, [str(name) for name in there]
    for column in ("proofread_axon", "proofread_dendrite"):
        if column in neurons:
            codes[column], names[column] = neurons[column].to_numpy(np.int64), ["no", "yes"]
    return codes, names


def _texts(value: Sequence[str] | None, name: str, pattern: str = r".+") -> list[str] | None:
    if value is None:
        return None
    values = [value] if isinstance(value, str) else sorted(set(value))
    if not values or not all(isinstance(item, str) and re.fullmatch(pattern, item) for item in values):
        example = '["6_6"] or ["6_6_2"]' if name == "scans" else "a list of names"
        raise ValueError(f"{name} must be None or {example}, got {value!r}.")
    return values
