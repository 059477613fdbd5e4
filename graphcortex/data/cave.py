"""Co-registered neurons of MICrONS from CAVE: the whole population, at any version that the service still holds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from graphcortex._checks import check_choice, check_count, check_number
from graphcortex._typing import RandomSource
from graphcortex.data import _cave_tables as tables
from graphcortex.data._cave import VOXEL_NM, CaveService
from graphcortex.data._cave_parts import Parts, Query, each_row_once
from graphcortex.data._cave_retry import CaveError, CaveRetries
from graphcortex.data._named import NamedDataset
from graphcortex.data.connectome import Connectome

_ROWS = 5_000
"""Ids that one query of a table of neurons names."""


class MicronsCAVE(NamedDataset):
    """Excitatory neurons of MICrONS that were recorded as well, with the synapses among them: a dataset of one graph.

    The neurons are those with a nucleus, a recorded unit and an excitatory cell type. Of the units of a neuron the one
    that its model predicts best (``cc_abs``) is kept, or, where there is no model, the one that was matched with the
    smallest residual. A segment that holds several nuclei is a merger, and its neurons are dropped and counted. Which
    tables are used depends on which there are at the version; ``area``, proofreading and tuning are left out where
    there is none.

    Answers of the server are kept below the root as they come, so an interrupted download goes on where it was; what is
    complete is read without the service, and without caveclient. Several processes may share a root.

    Args:
        root: Folder of the cache; ``<datastack>/v<version>`` is made in it.
        version: Materialisation, a whole number. Versions expire; 117, 943 and 1300 are meant to stay.
        datastack: Name of the datastack.
        server_address: Address of its server; by default the one that caveclient knows.
        token: Token of the account. By default caveclient's own, from its file. It is never shown nor stored.
        coregistration: ``"manual"``, ``"auto"``, or the name of a table that matches units with nuclei.
        min_score: Least score of a match.
        max_residual: Greatest residual of a match, in um.
        scans: Scans wanted, as ``"session_scan"`` or ``"session_scan_field"``; all by default.
        cell_type_table: Table of cell types.
        cell_types: Cell types wanted; all excitatory ones by default.
        areas: Cortical areas wanted (V1, AL, RL, LM); all by default.
        proofread: ``"axon"``, ``"dendrite"`` or ``"both"``: what must have been proofread; nothing by default.
        block: Postsynaptic neurons that one query of synapses names. A query that the server cuts off is halved.
        progress: Whether to show a bar while answers are fetched.
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
        self._server = {"server_address": server_address, "token": token}
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
            CaveError: If the version has expired, lacks a table or holds no such neuron; or if a call fails for good.
                The message names the call and the remedy. Finished parts stay in the root.
        """
        parts = Parts(Path(self.root) / self._datastack / f"v{self._version}")
        service = CaveService(self._datastack, self._version, retries=self._retries, rng=self._rng, **self._server)
        try:
            with tqdm(desc=self.names[0], total=0, unit="query", disable=not self._progress) as bar:
                return _Download(parts, service, self._datastack, self._version, bar).graph(self._filters, self._block)
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
        self._dropped: dict[str, int] = {}
        parts.sweep()
        self._facts = parts.read_facts()
        self._compared = False
        if self._facts is None:
            self._facts = service.facts()
            parts.write_facts(self._facts)
            self._compared = True

    def graph(self, filters: dict[str, Any], block: int) -> Connectome:
        names = self._tables(filters)
        neurons = self._neurons(names, filters)
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
                "dropped": self._dropped,
                "queries": self._queries,
            },
        )

    def _tables(self, filters: dict[str, Any]) -> dict[str, str]:
        """Return the tables to use, by what for."""
        there = set(self._facts["tables"])
        coregistration = filters["coregistration"]
        needed = {
            "nucleus": tables.NUCLEUS,
            "coregistration": tables.COREGISTRATIONS.get(coregistration, coregistration),
            "cell_type": filters["cell_type_table"],
            "synapses": tables.SYNAPSES,
        }
        optional = {"area": tables.AREAS, "proofreading": tables.PROOFREADING}
        wanted = {"area": filters["areas"], "proofreading": filters["proofread"]}
        needed |= {role: table for role, table in optional.items() if wanted[role]}
        for role, table in needed.items():
            if table not in there:
                raise CaveError(
                    f"CAVE, tables of version {self._version}: expected {table!r} ({role}), got "
                    f"{', '.join(sorted(there))}; choose another version, or another table."
                )
        for tuning in reversed(tables.TUNINGS):
            if tuning.table in there:
                needed["tuning"] = tuning.table  # the first of them stays
        return needed | {role: table for role, table in optional.items() if table in there}

    def _neurons(self, names: dict[str, str], filters: dict[str, Any]) -> pd.DataFrame:
        """Return one row per neuron, by nucleus."""
        units = self._rows(names["coregistration"], "coregistration")
        units = _chosen_units(units, filters)
        self._require(units, "co-registered unit", "scans, min_score and max_residual")
        nuclei = sorted({int(nucleus) for nucleus in units["target_id"]} - {0})

        types = self._rows(names["cell_type"], "cell_type", target_id=nuclei).drop_duplicates("target_id")
        types = types[types["classification_system"].str.startswith("excitatory")]
        if filters["cell_types"] is not None:
            types = types[types["cell_type"].isin(filters["cell_types"])]
        self._require(types, "excitatory neuron", "cell_types")
        out = types[["target_id", "cell_type"]].rename(columns={"target_id": "nucleus_id"})

        if "area" in names:
            area = self._rows(names["area"], "area", target_id=out["nucleus_id"]).drop_duplicates("target_id")
            out["area"] = out["nucleus_id"].map(area.set_index("target_id")["tag"]).fillna("")
            if filters["areas"] is not None:
                out = out[out["area"].isin(filters["areas"])]
        self._require(out, "neuron", "areas")

        nucleus = self._rows(names["nucleus"], "nucleus", id=out["nucleus_id"])
        nucleus.columns = ["nucleus_id", "root_id", "x", "y", "z"]
        out = out.merge(nucleus, on="nucleus_id")
        self._drop(out, "without segment", out["root_id"] == 0)
        out = out[out["root_id"] != 0]
        sharing = self._rows(names["nucleus"], "nucleus", pt_root_id=out["root_id"])["pt_root_id"].value_counts()
        merged = out["root_id"].map(sharing) > 1
        self._drop(out, "in a segment with several nuclei", merged)
        out = out[~merged].copy()

        if "proofreading" in names:
            # The id at which the segment was judged: after a later edit it is another segment.
            status = self._rows(names["proofreading"], "proofreading").groupby("valid_id").any()
            for part in ("axon", "dendrite"):
                judged = status.index[status[f"status_{part}"]]
                out[f"proofread_{part}"] = out["root_id"].isin(judged)
            for part in {"both": ("axon", "dendrite")}.get(filters["proofread"], (filters["proofread"],)):
                if part is not None:
                    out = out[out[f"proofread_{part}"]]
        self._require(out, "neuron", "proofread, or another version")

        out = out.merge(self._best_units(units, names.get("tuning"), out["nucleus_id"]), on="nucleus_id")
        return out.sort_values("nucleus_id", ignore_index=True)

    def _best_units(self, units: pd.DataFrame, tuning_table: str | None, nuclei: pd.Series) -> pd.DataFrame:
        """Return one unit of each nucleus, with its tuning."""
        units = units[units["target_id"].isin(nuclei)].drop(columns="id")
        order, ascending = ["residual"], [True]
        if tuning_table is not None:
            tuning = next(tuning for tuning in tables.TUNINGS if tuning.table == tuning_table)
            found = self._rows(tuning.table, tuning.query_columns, target_id=nuclei).drop(columns="id")
            key = tables.unit_columns()
            found = tuning.in_our_terms(found.drop_duplicates(key))
            units = units.merge(found, on=key, how="left")
            order, ascending = ["cc_abs", "residual"], [False, True]
        place = ["session", "scan_idx", "unit_id", "field"]
        units = units.sort_values([*order, *place], ascending=[*ascending, *[True] * 4], kind="stable")
        self._dropped["further units of the same neuron"] = int(units.duplicated("target_id").sum())
        units = units.drop_duplicates("target_id").drop(columns=["residual", "score"])
        return units.rename(columns={"target_id": "nucleus_id", "scan_idx": "scan"})

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
        pre, post, size = (found[name].to_numpy() for name, _ in tables.COLUMNS["synapses"])
        autapses = pre == post
        self._dropped["synapses of a neuron with itself"] = int(autapses.sum())
        pre, post, size = pre[~autapses], post[~autapses], size[~autapses]
        number = pd.Series(np.arange(len(neurons)), index=neurons["root_id"].to_numpy())
        source, target = (number.loc[ids].to_numpy() for ids in (pre, post))
        pairs, place, count = np.unique(source * len(neurons) + target, return_inverse=True, return_counts=True)
        out = {"synapse_index": np.stack(np.divmod(pairs, len(neurons))), "count": count}
        if len(size) and (size > 0).all():  # a release without sizes has none at all
            out["size"] = np.bincount(place, weights=size, minlength=len(pairs))
        return out

    def _rows(self, table: str, columns: str | tuple[tuple[str, str], ...], **within: Iterable[int]) -> pd.DataFrame:
        """Return the rows of a table, all or those whose column is one of some ids."""
        columns = tables.COLUMNS[columns] if isinstance(columns, str) else columns
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
            found = self._service.query(query)
            if found is not None:
                return self._parts.write(query, found)
            if not query.halves():
                raise CaveError(
                    f"CAVE, {query}: one row is more than the server's limit; ask those who run the server to raise it."
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

    def _drop(self, neurons: pd.DataFrame, why: str, which: pd.Series) -> None:
        self._dropped[f"neurons {why}"] = int(which.sum())

    def _require(self, rows: pd.DataFrame, what: str, remedy: str) -> None:
        if rows.empty:
            raise CaveError(f"CAVE, version {self._version}: expected at least one {what}, got none; check {remedy}.")


def _chosen_units(units: pd.DataFrame, filters: dict[str, Any]) -> pd.DataFrame:
    """Return the matches of units with nuclei that were asked for."""
    keep = units["target_id"] != 0
    if filters["min_score"] is not None:
        keep &= units["score"] >= filters["min_score"]
    if filters["max_residual"] is not None:
        keep &= units["residual"] <= filters["max_residual"]
    if filters["scans"] is not None:
        scan = units["session"].astype(str) + "_" + units["scan_idx"].astype(str)
        keep &= scan.isin(filters["scans"]) | (scan + "_" + units["field"].astype(str)).isin(filters["scans"])
    return units[keep]


def _measured(neurons: pd.DataFrame) -> list[str]:
    """Return the columns of tuning that are there."""
    known = {ours for tuning in tables.TUNINGS for _, ours in tuning.columns}
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
