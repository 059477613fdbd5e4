"""Many runs: trained where they are missing, stored, and summarised."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch_geometric.data import Data
from tqdm import tqdm

from graphcortex.data import Connectome
from graphcortex.kernels import complete_edge_index
from graphcortex.metrics import Summary, summary
from graphcortex.study.config import StudyConfig
from graphcortex.study.key import RunKey
from graphcortex.study.run import run_one
from graphcortex.study.store import Store, write_text
from graphcortex.study.table import format_table, summarize

_ONE_THREAD_BELOW = 200  # neurons; two threads take as long as one there, and on a busy machine many times as long


@dataclass(frozen=True, eq=False)
class StudyResults:
    """A finished study.

    Attributes:
        config: What was asked for.
        connectome: The neurons.
        store: Where the runs are.
        runs: A row per run.
        table: A row per task, variant and metric.
    """

    config: StudyConfig
    connectome: Connectome
    store: Store
    runs: pd.DataFrame
    table: pd.DataFrame

    @property
    def folder(self) -> Path:
        """The results folder."""
        return self.store.folder

    def history(self, task: str) -> pd.DataFrame:
        """Return the learning curves of one task: the rows of all its runs' histories, with ``variant`` and ``seed``."""
        keys = [key for key in self.config.run_keys() if key.task == task]
        parts = [self.store.load(key).history.assign(variant=str(key.variant), seed=key.seed) for key in keys]
        return pd.concat(parts, ignore_index=True)

    def learned_graph(self, key: RunKey) -> Data:
        """Return what one run learned, as a plain graph of all pairs of neurons.

        Returns:
            ``edge_index`` ``(2, N * N)``, ``edge_weight`` ``(N * N,)``, ``pos`` ``(N, 3)`` in um and ``num_nodes``.
        """
        weight, num_nodes = self.store.load(key).weights["rnn.edge_weight"], self.connectome.num_neurons
        edge_index = complete_edge_index(num_nodes)
        return Data(edge_index=edge_index, edge_weight=weight, pos=self.connectome.pos, num_nodes=num_nodes)

    def summary(self, key: RunKey, **options: Any) -> Summary:
        """Compute every metric that applies to what one run learned, with its relations to wiring and activity.

        Args:
            key: One of the runs.
            **options: What :func:`graphcortex.metrics.summary` takes besides the graph.
        """
        given: dict[str, Any] = {"anatomy": self.connectome.synapses.edge_index}
        if self.connectome.has_coactivity and "correlation" in self.connectome.coactivity:
            given["similarity"] = self.connectome.coactivity_matrix("correlation")
        return summary(self.learned_graph(key), **given | options)

    def __str__(self) -> str:
        return format_table(self.table)


def run_study(config: StudyConfig, *, progress: bool = True) -> StudyResults:
    """Train and measure every run that is not in the results folder yet, and summarise all of them.

    The folder then holds ``study.json``, ``runs/``, and ``runs.csv`` (a row per run) and ``table.csv`` (mean and interval) of every
    run that was ever finished in it.

    Args:
        config: What to run.
        progress: Show a progress bar on standard error.

    Returns:
        The results.

    Raises:
        ValueError: If the connectome cannot be read or lacks what a variant needs, or the folder holds another study.
    """
    connectome = config.load_connectome()
    store = Store(config.out, config.settings(connectome), overwrite=config.overwrite)
    keys = config.run_keys()
    missing = [key for key in keys if key not in store]
    num_epochs = len(missing) * config.epochs
    bar = tqdm(total=num_epochs, unit="epoch", disable=not progress or not missing, file=sys.stderr)
    with bar, _threads(config.threads, connectome.num_neurons):
        for number, key in enumerate(missing):
            bar.set_description(f"{key} ({number + 1}/{len(missing)})")
            result = run_one(connectome, key, config.protocol, device=config.device, on_epoch=_report(bar))
            store.save(result)
            bar.update((number + 1) * config.epochs - bar.n)  # a run that diverged ended early
    return collect(config, connectome, store, keys)


@contextlib.contextmanager
def _threads(wanted: int, num_neurons: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or (1 if num_neurons < _ONE_THREAD_BELOW else before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _report(bar: tqdm) -> Callable[[dict], None]:
    def report(row: dict) -> None:
        bar.set_postfix(loss=f"{row['loss']:.3g}", accuracy=f"{row['accuracy']:.3f}")
        bar.update()

    return report


def collect(config: StudyConfig, connectome: Connectome, store: Store, keys: list[RunKey]) -> StudyResults:
    """Read the runs asked for and return them; write ``runs.csv`` and ``table.csv``, which hold all runs of the folder."""
    others = [key for key in store.finished() if key not in set(keys)]
    rows = pd.DataFrame([store.load(key).row() for key in [*keys, *others]])
    runs = rows.iloc[: len(keys)]
    everything = summarize(rows, compare_with_paper=config.is_papers)
    write_text(store.folder / "runs.csv", rows.to_csv(index=False))
    write_text(store.folder / "table.csv", everything.to_csv(index=False))
    return StudyResults(config, connectome, store, runs, summarize(runs, compare_with_paper=config.is_papers))
