"""The results of a study: its tables, and what each run learned."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch_geometric.data import Data

from graphcortex._checks import check_choice
from graphcortex.data import Connectome
from graphcortex.metrics import Summary, summary
from graphcortex.nn import TaskClassifier
from graphcortex.study.assemble import empty_network
from graphcortex.study.failure import Failure
from graphcortex.study.key import RECURRENCE, RunKey
from graphcortex.study.protocol import Protocol
from graphcortex.study.run import METRICS, draw_trials
from graphcortex.study.store import Store, StoreError
from graphcortex.study.table import format_table, summarize
from graphcortex.study.variant import PUBLISHED_VARIANTS, Variant
from graphcortex.study.wiring import network_edges
from graphcortex.tasks import TASKS, Task, Trials, get_task

if TYPE_CHECKING:
    from graphcortex.study.study import Study

_FIELDS = ("connectome", "protocol", "recurrence", "task", "variant", "seed")
_MOST_LISTED = 12


@dataclass(frozen=True, eq=False)
class StudyResults:
    """A study and its finished runs.

    :meth:`Study.run` returns the runs that it was asked for; :func:`load_results` and :meth:`of_folder` return all of the folder.
    Where a method takes ``key`` and ``**where``, they name one run: a :class:`RunKey`, its name or slug, a variant such as
    ``"W*D*C"``, nothing but fields of the key such as ``task="go_nogo", seed=0``, or a variant with such fields. See :meth:`find`.

    Attributes:
        study: What was asked for last.
        store: Where the runs are.
        runs: A row per finished run.
        table: A row per connectome, protocol, recurrence, task, variant and metric.
        failures: The runs that failed.
        tasks: Tasks that are objects of the user's, by name.
    """

    study: Study
    store: Store
    runs: pd.DataFrame
    table: pd.DataFrame
    failures: tuple[Failure, ...] = ()
    tasks: Mapping[str, Task] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The results folder."""
        return self.store.folder

    @property
    def keys(self) -> list[RunKey]:
        """The finished runs that are still there, in the order of :attr:`runs`."""
        return [key for key in self._rows if key in self.store]

    @functools.cached_property
    def _rows(self) -> list[RunKey]:
        return keys_of(self.runs)

    @property
    def missing(self) -> list[RunKey]:
        """The runs that were asked for last and are not there, those that failed among them."""
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

    def of_folder(self) -> StudyResults:
        """Return these results with all finished runs of the folder and all that failed, whichever call asked for them."""
        return collect(self.study, self.store, self.store.failures(), tasks=self.tasks, everything=True, write=False)

    def connectome_of(self, key: RunKey | str | Variant | None = None, **where: Any) -> Connectome:
        """Return the neurons of a run.

        Raises:
            ConnectomeError: If they were asked for by an earlier call, and their file is missing or damaged.
        """
        name = self.find(key, **where).connectome
        if name not in self._connectomes:
            self._connectomes[name] = self.store.load_connectome(name)
        return self._connectomes[name]

    @functools.cached_property
    def _connectomes(self) -> dict[str, Connectome]:
        return dict(self.study.connectomes)

    def protocol_of(self, key: RunKey | str | Variant | None = None, **where: Any) -> Protocol:
        """Return how a run was trained."""
        name = self.find(key, **where).protocol
        return self.study.protocols[name] if name in self.study.protocols else self.store.protocol(name)

    def task_of(self, key: RunKey | str | Variant | None = None, **where: Any) -> Task:
        """Return what a run learned to do.

        Raises:
            StoreError: If the task is an object of its user's that was not given.
        """
        name = self.find(key, **where).task
        if name in self.tasks:
            return self.tasks[name]
        if self.store.has_own_task(name):
            raise StoreError(
                f"the task {name} of {self.folder} is an object of its user's, which no file holds: expected "
                f"load_results(folder, tasks={{{name!r}: TASK}}), got no task of that name."
            )
        return get_task(name)

    def find(self, key: RunKey | str | Variant | None = None, **where: Any) -> RunKey:
        """Return the one finished run that is meant.

        Args:
            key: A :class:`RunKey`, its name, its slug, or a variant.
            **where: Fields of the key: ``connectome``, ``protocol``, ``recurrence``, ``task``, ``variant``, ``seed``.

        Raises:
            StoreError: If no finished run fits; the message lists what is there.
            ValueError: If several fit; the message lists in what they differ.

        Example:
            ``results.find("W*D*C", task="go_nogo", seed=0)``.
        """
        if isinstance(key, RunKey) and not where:
            if key not in self.store:
                raise StoreError(f"the run {key} is not in {self.folder}. {_list_values(self.keys)}")
            return key
        asked = ", ".join([*([] if key is None else [repr(str(key))]), *(f"{n}={v!r}" for n, v in where.items())])
        matches = self._select(where)
        if key is not None:
            matches = [one for one in matches if one == key or str(key) in (str(one), one.slug, str(one.variant))]
            if not matches:  # a variant may be written in several ways
                matches = [one for one in self._select(where) if one.variant == _variant(key)]
        if not matches:
            raise StoreError(f"a finished run must be named, got {asked or 'nothing'}. {_list_values(self.keys)}")
        if len(matches) > 1:
            raise ValueError(
                f"one run must be named, got {asked or 'nothing'}, which {len(matches)} runs fit. Choose one by "
                f"{_list_values(matches, only_different=True)}"
            )
        return matches[0]

    def history(self, task: str | None = None, **where: Any) -> pd.DataFrame:
        """Return learning curves: the rows of the histories of all runs, with the columns that name the run.

        Args:
            task: Of one task only.
            **where: Of some runs only, such as ``recurrence="free"`` or ``connectome="6_6_2"``.

        Raises:
            ValueError: If there is no such run.
        """
        where |= {} if task is None else {"task": task}
        curves = []
        for key in self._select(where):
            result = self.store.load(key, weights=False)
            curves.append(result.history.assign(**result.names()))
        if not curves:
            raise ValueError(f"the study must have a finished run of {where}, got none. {_list_values(self.keys)}")
        return pd.concat(curves, ignore_index=True)

    def learned_graph(self, key: RunKey | str | Variant | None = None, **where: Any) -> Data:
        """Return what one run learned, as a graph of the edges of its network: all pairs of neurons, or its synapses.

        Args:
            key: The run, see :meth:`find`.
            **where: Fields of its key.

        Returns:
            ``edge_index`` ``(2, E)``, ``edge_weight`` ``(E,)``, ``pos`` ``(N, 3)`` in um and ``num_nodes``.

        Raises:
            StoreError: If the run is not there, or its weights were not kept.
            ValueError: If several runs fit.
        """
        key = self.find(key, **where)
        weights, connectome = self._weights(key), self.connectome_of(key)
        return Data(
            edge_index=_edges(weights, connectome, key),
            edge_weight=weights["rnn.edge_weight"],
            pos=connectome.pos,
            num_nodes=connectome.num_neurons,
        )

    def network(self, key: RunKey | str | Variant | None = None, **where: Any) -> TaskClassifier:
        """Return the trained network of one run, on the CPU, in evaluation mode: edges, weights, nonlinearity and readout.

        On the trials of the run it has the accuracies in :attr:`runs`: ``evaluate(results.network(key), results.trials(key))``
        gives ``test_accuracy``, and the trials of ``"validation"`` give ``validation_accuracy``. ``train_accuracy`` is a running
        mean over an epoch, which no network alone gives; ``accuracy`` is one of these, as the protocol says.

        Args:
            key: The run, see :meth:`find`.
            **where: Fields of its key.

        Raises:
            StoreError: If the run is not there, or its weights were not kept.
            ValueError: If several runs fit.

        Example:
            ``network = results.network("W*D*C", task="go_nogo", seed=0)``; then ``network.rnn`` is a
            :class:`graphcortex.nn.GraphRNN`, and ``network(inputs)`` gives logits.
        """
        key = self.find(key, **where)
        weights, connectome = self._weights(key), self.connectome_of(key)
        model = empty_network(
            weights["rnn.input_weight"].size(0),
            weights["readout.bias"].numel(),
            _edges(weights, connectome, key),
            connectome.num_neurons,
            self.protocol_of(key),
        )
        learned = {name: weights[name] for name, _ in model.named_parameters()}
        model.load_state_dict(learned | {"rnn.edge_index": model.rnn.edge_index})
        return model.eval()

    def trials(self, key: RunKey | str | Variant | None = None, split: str = "test", **where: Any) -> Trials:
        """Return the trials of one run, on the CPU.

        Args:
            key: The run, see :meth:`find`.
            split: ``"train"``, ``"validation"`` or ``"test"``. Where the protocol has no validation trials, the test trials serve.
            **where: Fields of its key.

        Raises:
            StoreError: If the run is not there, or its task is an object of its user's that was not given.
            ValueError: If several runs fit, or there is no such split.
        """
        check_choice(split, "split", ("train", "validation", "test"))
        key = self.find(key, **where)
        return draw_trials(self.task_of(key), key, self.protocol_of(key), split, device="cpu")

    def summary(self, key: RunKey | str | Variant | None = None, **options: Any) -> Summary:
        """Compute every metric that applies to what one run learned, with its relations to wiring and activity.

        Args:
            key: The run, see :meth:`find`.
            **options: Fields of its key, and what :func:`graphcortex.metrics.summary` takes besides the graph.
        """
        key = self.find(key, **{name: options.pop(name) for name in _FIELDS if name in options})
        connectome = self.connectome_of(key)
        given: dict[str, Any] = {"anatomy": connectome.synapses.edge_index}
        if connectome.has_coactivity and "correlation" in connectome.coactivity:
            given["similarity"] = connectome.coactivity_matrix("correlation")
        return summary(self.learned_graph(key), **given | options)

    def levels(self, task: str) -> dict[str, float]:
        """Return the accuracy of a guess (``chance``), of the best trivial strategy (``floor``) and of the best one (``ceiling``).

        Args:
            task: Name of a task.

        Returns:
            The levels that are known: none of a task that is not here.
        """
        source: Any = self.tasks.get(task)
        if source is None and not self.store.has_own_task(task):
            with contextlib.suppress(ValueError, ImportError):
                source = get_task(task)
        levels = {name: getattr(source, name, None) for name in ("chance", "floor", "ceiling")}
        return {name: float(level) for name, level in levels.items() if level is not None and math.isfinite(level)}

    def _select(self, where: Mapping[str, Any]) -> list[RunKey]:
        for name in where:
            check_choice(name, "a field of a run", _FIELDS)
        return [key for key in self.keys if all(_is(key, name, value) for name, value in where.items())]

    def _weights(self, key: RunKey) -> dict[str, torch.Tensor]:
        weights = self.store.load(key).weights
        if "rnn.edge_weight" not in weights:
            raise StoreError(f"what {key} learned was not kept; run the study with keep_weights.")
        return weights

    def __str__(self) -> str:
        return format_table(self.table)


def _edges(weights: Mapping[str, torch.Tensor], connectome: Connectome, key: RunKey) -> torch.Tensor:
    """Return the edges of a network, which were saved where they may have moved."""
    edge_index = weights.get("rnn.edge_index")
    return network_edges(connectome, key.variant, seed=key.seed) if edge_index is None else edge_index


def _variant(name: object) -> Variant | None:
    try:
        return Variant.parse(name)
    except ValueError:
        return None


def _is(key: RunKey, name: str, value: Any) -> bool:
    return key.variant == _variant(value) if name == "variant" else getattr(key, name) == value


def _list_values(keys: Sequence[RunKey], *, only_different: bool = False) -> str:
    """List the values of the fields of runs, those of one value left out where asked."""
    if not keys:
        return "No run is finished."
    values = {name: list(dict.fromkeys(str(getattr(key, name)) for key in keys)) for name in _FIELDS}
    texts = [
        f"{name}: {', '.join(some[:_MOST_LISTED])}{', ...' if len(some) > _MOST_LISTED else ''}"
        for name, some in values.items()
        if len(some) > 1 or not only_different
    ]
    return f"{'' if only_different else 'Finished runs have '}{'; '.join(texts)}."


def collect(
    study: Study,
    store: Store,
    failures: Sequence[Failure],
    *,
    tasks: Mapping[str, Task],
    everything: bool = False,
    write: bool = True,
) -> StudyResults:
    """Read the runs of a folder and return those asked for; write ``runs.csv``, ``table.csv`` and ``times.csv`` of all of them.

    Rows are in an order that depends on nothing but which runs there are, and times are apart, so the tables of a study are the
    same to the last byte however often it was interrupted.

    Args:
        study: What was asked for last. Its runs come first.
        store: Where the runs are.
        failures: The runs that failed.
        tasks: Tasks that are objects of the user's.
        everything: Return all runs of the folder.
        write: Write the tables.
    """
    asked = [key for key in study.keys() if key in store]
    settings = store.manifest["settings"]
    compare = _has_papers_numbers(settings)
    intervals = {name: protocol["interval"] for name, protocol in settings["protocols"].items()}
    finished = {key: store.load(key, weights=False) for key in sorted({*asked, *store.finished()}, key=_order)}
    if write and finished:
        rows = runs_table([result.row() for result in finished.values()])
        store.write_table("runs.csv", rows.to_csv(index=False))
        store.write_table(
            "table.csv", summarize(rows, compare_with_paper=compare, intervals=intervals).to_csv(index=False)
        )
        times = pd.DataFrame([result.times() for result in finished.values()])
        store.write_table("times.csv", times.to_csv(index=False))
    keys = dict.fromkeys([*asked, *finished]) if everything else asked
    runs = runs_table([finished[key].row() for key in keys])
    table = summarize(runs, compare_with_paper=compare, intervals=intervals)
    return StudyResults(study, store, runs, table, tuple(failures), tasks)


def keys_of(runs: pd.DataFrame) -> list[RunKey]:
    """Return the run of each row of a table of runs."""
    return [RunKey(**row) for row in runs[list(_FIELDS)].to_dict("records")]


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
