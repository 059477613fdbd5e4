"""The results of a study: its tables, and what each run learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from torch_geometric.data import Data

from graphcortex.data import Connectome
from graphcortex.metrics import Summary, summary
from graphcortex.study.failure import Failure
from graphcortex.study.key import RECURRENCE, RunKey
from graphcortex.study.protocol import Protocol
from graphcortex.study.run import METRICS
from graphcortex.study.store import Store, StoreError
from graphcortex.study.table import format_table, summarize
from graphcortex.study.variant import PUBLISHED_VARIANTS
from graphcortex.study.wiring import network_edges
from graphcortex.tasks import TASKS

if TYPE_CHECKING:
    from graphcortex.study.study import Study


@dataclass(frozen=True, eq=False)
class StudyResults:
    """A study, and what is there of its runs.

    Attributes:
        study: What was asked for.
        store: Where the runs are.
        runs: A row per finished run, in the order of :meth:`Study.keys`.
        table: A row per connectome, protocol, recurrence, task, variant and metric.
        failures: The runs that failed.
    """

    study: Study
    store: Store
    runs: pd.DataFrame
    table: pd.DataFrame
    failures: tuple[Failure, ...] = ()

    @property
    def folder(self) -> Path:
        """The results folder."""
        return self.store.folder

    @property
    def keys(self) -> list[RunKey]:
        """The runs that were asked for and are finished, in the order of :attr:`runs`."""
        return [key for key in self.study.keys() if key in self.store]

    @property
    def missing(self) -> list[RunKey]:
        """The runs that were asked for and are not there, those that failed among them."""
        return [key for key in self.study.keys() if key not in self.store]

    @property
    def connectome(self) -> Connectome:
        """The neurons, where the study has one connectome.

        Raises:
            ValueError: If it has several.
        """
        if len(self.study.connectomes) != 1:
            raise ValueError(f"the study has several connectomes: take one of {', '.join(self.study.connectomes)}.")
        return next(iter(self.study.connectomes.values()))

    def history(self, task: str | None = None, **where: Any) -> pd.DataFrame:
        """Return learning curves: the rows of the histories of all runs, with the columns that name the run.

        Args:
            task: Of one task only.
            **where: Of some runs only, such as ``recurrence="free"`` or ``connectome="6_6_2"``.

        Raises:
            ValueError: If there is no such run.
        """
        where = {name: str(value) if name == "variant" else value for name, value in where.items()}
        where |= {} if task is None else {"task": task}
        parts = []
        for key in self.keys:
            result = self.store.load(key, weights=False)
            names = result.names()
            if all(names[name] == value for name, value in where.items()):
                parts.append(result.history.assign(**names))
        if not parts:
            raise ValueError(f"the study must have a finished run of {where}, got none.")
        return pd.concat(parts, ignore_index=True)

    def learned_graph(self, key: RunKey) -> Data:
        """Return what one run learned, as a plain graph of the edges of its network: all pairs of neurons, or its synapses.

        Returns:
            ``edge_index`` ``(2, E)``, ``edge_weight`` ``(E,)``, ``pos`` ``(N, 3)`` in um and ``num_nodes``.

        Raises:
            StoreError: If the run is not there, or its weights were not kept.
        """
        weights = self.store.load(key).weights
        if "rnn.edge_weight" not in weights:
            raise StoreError(f"what {key} learned was not kept; run the study with keep_weights.")
        connectome = self.study.connectomes[key.connectome]
        edge_index = weights.get("rnn.edge_index")  # of a network whose edges moved
        if edge_index is None:
            edge_index = network_edges(connectome, key.variant, seed=key.seed)
        weight = weights["rnn.edge_weight"]
        return Data(edge_index=edge_index, edge_weight=weight, pos=connectome.pos, num_nodes=connectome.num_neurons)

    def summary(self, key: RunKey, **options: Any) -> Summary:
        """Compute every metric that applies to what one run learned, with its relations to wiring and activity.

        Args:
            key: One of the runs.
            **options: What :func:`graphcortex.metrics.summary` takes besides the graph.
        """
        connectome = self.study.connectomes[key.connectome]
        given: dict[str, Any] = {"anatomy": connectome.synapses.edge_index}
        if connectome.has_coactivity and "correlation" in connectome.coactivity:
            given["similarity"] = connectome.coactivity_matrix("correlation")
        return summary(self.learned_graph(key), **given | options)

    def __str__(self) -> str:
        return format_table(self.table)


def collect(study: Study, store: Store, failures: Sequence[Failure], *, write: bool = True) -> StudyResults:
    """Read the runs asked for and return them; write ``runs.csv``, ``table.csv`` and ``times.csv`` of all runs of the folder.

    Rows are in an order that depends on nothing but which runs there are, and times are apart, so the tables of a study are the
    same to the last byte however often it was interrupted.
    """
    asked = [key for key in study.keys() if key in store]
    settings = store.manifest["settings"]
    compare = _has_papers_numbers(settings)
    intervals = {name: protocol["interval"] for name, protocol in settings["protocols"].items()}
    everything = {key: store.load(key, weights=False) for key in sorted({*asked, *store.finished()}, key=_order)}
    if write and everything:
        rows = runs_table([result.row() for result in everything.values()])
        store.write_table("runs.csv", rows.to_csv(index=False))
        store.write_table(
            "table.csv", summarize(rows, compare_with_paper=compare, intervals=intervals).to_csv(index=False)
        )
        times = pd.DataFrame([result.times() for result in everything.values()])
        store.write_table("times.csv", times.to_csv(index=False))
    runs = runs_table([everything[key].row() for key in asked])
    return StudyResults(
        study, store, runs, summarize(runs, compare_with_paper=compare, intervals=intervals), tuple(failures)
    )


def runs_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows of runs as a table whose columns and types do not depend on what is in it."""
    if not rows:
        names = ("connectome", "protocol", "recurrence", "task", "variant", "seed", *METRICS, "diverged_epoch")
        return pd.DataFrame({name: [] for name in names})
    table = pd.DataFrame(rows)
    return table.astype({name: float for name in table if name.endswith("_epoch")})


def _order(key: RunKey) -> tuple:
    variants = [str(variant) for variant in PUBLISHED_VARIANTS]
    return (
        key.connectome,
        key.protocol,
        RECURRENCE.index(key.recurrence),
        list(TASKS).index(key.task) if key.task in TASKS else len(TASKS),
        key.task,
        key.seed,
        variants.index(str(key.variant)) if str(key.variant) in variants else len(variants),
        str(key.variant),
    )


def _has_papers_numbers(settings: Mapping[str, Any]) -> bool:
    """Say whether the paper's own numbers are comparable with some runs: those of its field under its protocol."""
    published = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(Protocol.published()).items()}
    return "6_6_2" in settings["connectomes"] and settings["protocols"].get("published") == published
