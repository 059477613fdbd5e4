"""A study: connectomes x variants x tasks x seeds x protocols x arms of recurrence, to a table."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from graphcortex import __version__
from graphcortex._checks import check_choice, check_count
from graphcortex._processes import interrupts_deferred
from graphcortex.data import load_connectomes
from graphcortex.data.source import Connectomes
from graphcortex.study._files import folder_lock
from graphcortex.study.engines import Engine, InProcess, Runner
from graphcortex.study.failure import Failure
from graphcortex.study.fingerprint import fingerprint
from graphcortex.study.key import RECURRENCE, RunKey, check_names_differ
from graphcortex.study.logs import Log
from graphcortex.study.possible import check_possible
from graphcortex.study.progress import Progress
from graphcortex.study.protocol import Protocol
from graphcortex.study.results import StudyResults, collect
from graphcortex.study.store import Store, StoreError, check_is_folder
from graphcortex.study.task_identity import describe_task
from graphcortex.study.variant import Variant
from graphcortex.tasks import TASKS, Task, check_task_name, get_task


@dataclass(frozen=True, eq=False)
class Study:
    """What to run: every combination of connectome, protocol, task, seed, arm and variant is a run.

    A run depends on its key, its connectome, its task and its protocol, and on nothing else: not on the others, their order, the
    engine or the machine's load. Runs that differ in their variant alone share trials and draws.

    Attributes:
        connectomes: The neurons: a connectome, the name of one (``"6_6_2"``, ``"synthetic"``) or its path (a ``.pt`` file, a
            folder of tables), several of these, or a dict of them by names of your own; see
            :func:`graphcortex.data.load_connectomes`. After construction a dict of connectomes.
        variants: Variants or their names, such as ``"W*D*C"``.
        tasks: Names of tasks, or tasks of your own by a name of your own.
        seeds: How many seeds, from 0; or the seeds.
        protocols: Protocols by their names, see :meth:`graphcortex.study.Protocol.parse`; or just names.
        recurrence: Arms: ``"free"``, ``"nonnegative"`` or both.
        device: Where networks are trained: ``cpu``, ``cuda``, ``cuda:1``, ...
        threads: CPU threads of each run; 0 takes one for fewer than 200 neurons, and otherwise as many as PyTorch has.

    Raises:
        ValueError: If something is unknown, named twice or missing, or a connectome lacks what a variant needs.
        TypeError: If a connectome is neither a connectome nor a name nor a path.

    Example:
        >>> from graphcortex.data import SyntheticCortex
        >>> study = Study({"tiny": SyntheticCortex(20)[0]}, ("W", "W*D*C"), ("go_nogo",), seeds=2)
        >>> [f"{key.variant} {key.seed}" for key in study.keys()]
        ['W 0', 'W*D*C 0', 'W 1', 'W*D*C 1']
    """

    connectomes: Connectomes
    variants: Sequence[str | Variant]
    tasks: Sequence[str] | Mapping[str, Task] = tuple(TASKS)
    seeds: int | Sequence[int] = 3
    protocols: Mapping[str, Protocol] | Sequence[str] = ("published",)
    recurrence: Sequence[str] = ("free",)
    device: str = "cpu"
    threads: int = 0

    def __post_init__(self):
        for name in ("variants", "tasks", "recurrence", "protocols"):
            if isinstance(getattr(self, name), str):
                got = getattr(self, name)
                raise ValueError(f"{name} must be a tuple of names, such as ({got!r},); got {got!r}.")
        if not isinstance(self.seeds, Iterable):
            self._set("seeds", range(check_count(self.seeds, "seeds")))
        self._set("seeds", tuple(check_count(seed, "seed", minimum=0) for seed in self.seeds))
        if not isinstance(self.protocols, Mapping):
            self._set("protocols", {name: Protocol.parse(name) for name in self.protocols})
        if not isinstance(self.tasks, Mapping):
            for task in self.tasks:
                check_task_name(task, "tasks")
                get_task(task)
        self._set("variants", tuple(dict.fromkeys(map(Variant.parse, self.variants))))
        for name in ("seeds", "recurrence"):
            self._set(name, tuple(dict.fromkeys(getattr(self, name))))
        for name in ("connectomes", "variants", "tasks", "seeds", "protocols", "recurrence"):
            if not getattr(self, name):
                raise ValueError(f"{name} must name at least one, got none.")
        for recurrence in self.recurrence:
            check_choice(recurrence, "recurrence", RECURRENCE)
        self._set("threads", check_count(self.threads, "threads", minimum=0))
        check_device(self.device)
        self._set("connectomes", load_connectomes(self.connectomes))
        self.keys()  # which checks every name
        for name in ("connectomes", "protocols", "tasks"):
            check_names_differ(getattr(self, name), name)
        for name, connectome in self.connectomes.items():
            for protocol in self.protocols.values():
                for variant in self.variants:
                    try:
                        check_possible(connectome, variant, protocol)
                    except ValueError as error:
                        raise ValueError(f"{error} (Connectome {name}.)") from error

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def keys(self) -> list[RunKey]:
        """Return the runs, seed by seed, so that a study that is stopped has some of every variant."""
        return [
            RunKey(task, variant, recurrence, seed, connectome, protocol)
            for connectome in self.connectomes
            for protocol in self.protocols
            for task in dict.fromkeys(self.tasks)
            for seed in self.seeds
            for recurrence in self.recurrence
            for variant in self.variants
        ]

    @property
    def own_tasks(self) -> Mapping[str, Task]:
        """The tasks that are not named but given."""
        return self.tasks if isinstance(self.tasks, Mapping) else MappingProxyType({})

    def settings(self) -> dict[str, Any]:
        """Return what decides the results of each run, as plain values by name.

        One folder may come to hold more connectomes, protocols, tasks, variants and seeds; what is there must stay the same.
        """
        return {
            "graphcortex": __version__,
            "connectomes": {name: fingerprint(connectome) for name, connectome in self.connectomes.items()},
            "protocols": {name: asdict(protocol) for name, protocol in self.protocols.items()},
            "tasks": {name: self._identity_of_task(name) for name in dict.fromkeys(self.tasks)},
        }

    def _identity_of_task(self, name: str) -> dict[str, Any] | None:
        """Return what decides the trials of a task, besides its name and the version of this library."""
        if name in self.own_tasks:
            return describe_task(name, self.own_tasks[name])
        # Those of NeuroGym are as they are in the version that is installed.
        return None if name in TASKS else {"trials": describe_task(name, get_task(name))["trials"]}

    def run(
        self,
        out: str | Path,
        *,
        engine: Engine | None = None,
        overwrite: bool = False,
        keep_weights: bool = True,
        checkpoint_every: int = 0,
        log: Log | None = None,
        progress: bool = True,
    ) -> StudyResults:
        """Compute every run that is not in the results folder yet, and summarise all of them.

        Stopped at any moment, by Ctrl-C, a full disk or ``kill -9``, and called again, it computes the missing runs only, and ends
        with the same tables. A run that fails does not stop the others; it is noted with its traceback, and tried again by the next
        call.

        Args:
            out: The results folder, see :class:`graphcortex.study.Store`.
            engine: Where the runs are computed; in this process, one after another, by default.
            overwrite: Delete the results of another study in that folder.
            keep_weights: Keep what each run learned; without, no figure can show it.
            checkpoint_every: Save the state of each run after so many epochs, in ``checkpoints/`` of the folder until the run is
                done, so that a long run that is stopped goes on from there; 0 saves none. Workers elsewhere must see the folder.
            log: Called after each epoch with the key of the run and its row, where the run is computed: see
                :func:`graphcortex.study.csv_log` and :func:`graphcortex.study.tensorboard_log`.
            progress: Say on standard error how far it is.

        Returns:
            The results, with the runs that failed.

        Raises:
            StoreError: If the folder holds another study, cannot be written, or is being written by another process.
            ValueError: If a task of the user's draws other trials each time.
        """
        out = Path(out).expanduser()
        keep_weights, checkpoint_every = (
            bool(keep_weights),
            check_count(checkpoint_every, "checkpoint_every", minimum=0),
        )
        settings = self.settings()
        with _locked(out):
            store = Store(out, settings, study=self._asked(keep_weights, checkpoint_every), overwrite=overwrite)
            store.clean()
            store.save_connectomes(self.connectomes)
            runner = Runner(
                dict(self.connectomes),
                dict(self.protocols),
                dict(self.own_tasks),
                self.device,
                self.threads,
                checkpoints=str(out.absolute() / "checkpoints") if checkpoint_every else None,
                checkpoint_every=checkpoint_every or 1,
                log=log,
            )
            engine = InProcess() if engine is None else engine
            failures = self._run_missing(store, engine, runner, keep_weights=keep_weights, show=progress)
            return collect(self, store, failures, tasks=self.own_tasks)

    def _run_missing(
        self, store: Store, engine: Engine, runner: Runner, *, keep_weights: bool, show: bool
    ) -> list[Failure]:
        keys = self.keys()
        notes = store.set_aside_damaged(keys)
        missing = [key for key in keys if key not in store]
        epochs = {name: protocol.epochs for name, protocol in self.protocols.items()}
        failures = []
        with Progress(len(missing), show=show, epochs=epochs) as progress:
            for note in notes:
                progress.note(note)
            if not missing:
                return []
            found = iter(engine.run(runner, missing, progress=progress))
            try:
                for result in found:
                    failed = isinstance(result, Failure)
                    with interrupts_deferred():  # what is being written gets written
                        if failed:
                            failures.append(result)
                            store.save_failure(result)
                        else:
                            store.save(result, keep_weights=keep_weights)
                            if (state := runner.checkpoint(result.key)) is not None:
                                state.unlink(missing_ok=True)
                    progress.ended(result.key, failed=failed)
            finally:
                getattr(found, "close", lambda: None)()  # ends the processes of the engine, whatever happened here
        return failures

    def _asked(self, keep_weights: bool, checkpoint_every: int) -> dict[str, Any]:
        asked = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("connectomes", "tasks", "protocols", "variants", "seeds", "recurrence"):
            asked[name] = [str(item) if name == "variants" else item for item in asked[name]]
        return {**asked, "keep_weights": keep_weights, "checkpoint_every": checkpoint_every}


def load_study(folder: str | Path, *, tasks: Mapping[str, Task] | None = None) -> Study:
    """Return the study that was last asked for in a results folder; ``load_study(folder).run(folder)`` goes on with it.

    Args:
        folder: The results folder.
        tasks: Tasks that are objects of the user's, by name: no file holds them.

    Raises:
        StoreError: If the folder holds no study, or one with tasks of the user's that are not given.
        ConnectomeError: If a connectome is missing or damaged.
    """
    store = Store.open(folder)
    own = [name for name in store.manifest["study"]["tasks"] if store.has_own_task(name)]
    absent = [name for name in own if name not in (tasks or {})]
    if absent:
        raise StoreError(
            f"{folder} holds a study of tasks that are objects of its user's, {', '.join(absent)}: make the same Study in "
            "Python, and call its run() with this folder; or give the tasks, load_study(folder, tasks={NAME: TASK})."
        )
    return _read_study(store, tasks or {})


def load_results(folder: str | Path, *, tasks: Mapping[str, Task] | None = None) -> StudyResults:
    """Return all results that a folder holds, whichever call asked for them, without computing or writing anything.

    Args:
        folder: The results folder, of a study that is finished or not.
        tasks: Tasks that are objects of the user's, by name. Without them there are their results, but neither their trials nor
            the levels of their accuracies.

    Raises:
        StoreError: If the folder holds no study, or a run cannot be read.
    """
    store = Store.open(folder)
    study = _read_study(store, tasks or {})
    return collect(study, store, store.failures(), tasks=tasks or {}, everything=True, write=False)


def _read_study(store: Store, tasks: Mapping[str, Task]) -> Study:
    """Return the study that was last asked for, with tasks that cannot be drawn from where its user's are not given."""
    asked = store.manifest["study"]
    given = {name: value for name, value in asked.items() if name in {field.name for field in fields(Study)}}
    if any(store.has_own_task(name) for name in asked["tasks"]):
        given["tasks"] = {name: tasks.get(name, _AbsentTask(name)) for name in asked["tasks"]}
    given["connectomes"] = {name: store.load_connectome(name) for name in asked["connectomes"]}
    given["protocols"] = {name: store.protocol(name) for name in asked["protocols"]}
    return Study(**given)


@dataclass(frozen=True)
class _AbsentTask:
    """A task of which a folder knows the name alone."""

    name: str


def check_device(name: str) -> None:
    """Check that networks can be trained on a device.

    Raises:
        ValueError: If there is no such device.
    """
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be cpu, cuda or cuda:<number>, got {name!r}.")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= there:
        raise ValueError(f"device {name!r} needs a GPU that PyTorch can use; GPUs here: {there}; use --device cpu.")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a results folder until the block ends; nothing is written into a folder that another process holds."""
    check_is_folder(folder)
    with contextlib.ExitStack() as stack:
        try:
            held = stack.enter_context(folder_lock(folder))
        except OSError as error:
            raise StoreError(f"{folder} cannot be written to ({error}); choose another --out.") from error
        if not held:
            raise StoreError(f"another process is running a study in {folder}; wait for it, or choose another --out.")
        yield
