"""The one configuration that the examples and the command line share: names, to a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from graphcortex._checks import check_choice, check_count
from graphcortex.data import Connectome, load_connectomes
from graphcortex.study.engines import Dask, Engine, Ensembles, InProcess, Processes
from graphcortex.study.key import RECURRENCE
from graphcortex.study.logs import LOGS, open_log
from graphcortex.study.protocol import FUNCTIONAL, Protocol, parse_setting
from graphcortex.study.results import StudyResults
from graphcortex.study.study import Study, check_device
from graphcortex.study.variant import Variant
from graphcortex.tasks import TASKS, check_task_name, get_task


@dataclass(frozen=True)
class StudyConfig:
    """Which study to run, and where: every combination of connectome, protocol, task, seed, arm and variant is a run."""

    tasks: tuple[str, ...] = tuple(TASKS)
    """Tasks to train on: those of the study, or any of NeuroGym, as in neurogym:ContextDecisionMaking-v0."""
    connectome: tuple[str, ...] = ("synthetic",)
    """Connectomes: MICrONS fields such as 6_6_2; "synthetic", the embedded default, which needs no download; files of connectomes
    (.pt, .npz, .graphml); folders of tables (neurons.csv, synapses.csv; or .tsv, .parquet)."""
    data_root: Path | None = None
    """Folder with the MICrONS fields, which must exist; missing files are downloaded into it. Default:
    $GRAPHCORTEX_DATA/microns-fields, or else a cache folder in the home directory."""
    variants: tuple[str, ...] = ("W*D*C", "WD*C", "W")
    """Variants, as in W*D*C (quote them in a shell). W: random, W*: from function, W!: W* renamed; D: grid, D*: positions; C:
    communicability, C*: its distance to the anatomy. Controls: W*[no-diagonal]D*C, WD*[shuffled], W*D*C*@degree, ..."""
    seeds: int = 3
    """Runs per connectome, protocol, task, arm and variant."""
    first_seed: int = 0
    """The first of the seeds; the others follow. Seeds on which something was chosen are no test of it."""
    protocol: tuple[str, ...] = ("published",)
    """Protocols: published; corrected; either with single corrections, as in published+positions or corrected-trials; or with
    fields of its own, as in corrected,penalty_scale=0.1."""
    epochs: int = 10
    """Passes over the training trials."""
    change: tuple[str, ...] = ()
    """Fields to change in all protocols, which keep their names, as in optimizer=adamw schedule=cosine clip_norm=1."""
    recurrence: tuple[Literal["free", "nonnegative"], ...] = ("free",)
    """Recurrent weights of any sign, kept at or above 0, or both arms."""
    functional: Literal["correlation-sttc", "sttc", "precision-sttc"] = "correlation-sttc"
    """Functional relations that shape W*."""
    device: str = "cpu"
    """Where to train: cpu, cuda, cuda:1, ..."""
    threads: int = 0
    """CPU threads of each run. 0: one for fewer than 200 neurons, whose threads would only wait for each other, and otherwise as
    many as PyTorch takes; one where there are --workers."""
    workers: int = 1
    """Processes of this machine to share the runs out to."""
    scheduler: str | None = None
    """Address of a Dask scheduler to share the runs out to instead, such as tcp://10.0.0.1:8786."""
    out: Path = Path("results/study")
    """Folder for the results."""
    overwrite: bool = False
    """Delete the results of another study in that folder."""
    keep_weights: bool = True
    """Keep what each run learned; figures and metrics of learned graphs need it."""
    log: Literal["none", "csv", "tensorboard"] = "none"
    """Write every epoch of every run, as it ends, to log.csv or to tensorboard/ in the results folder."""
    checkpoint_every: int = 0
    """Save the state of a run after so many epochs, so that one that is stopped goes on from there. 0: it starts over."""

    def __post_init__(self):
        for name in ("out", "data_root"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Path(getattr(self, name)).expanduser())
        for name in ("connectome", "protocol", "recurrence"):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, (getattr(self, name),))
        for name in ("tasks", "variants"):
            if isinstance(getattr(self, name), str):
                got = getattr(self, name)
                raise ValueError(f"{name} must be a tuple of names, such as ({got!r},); got {got!r}.")
        for name in ("tasks", "variants", "connectome", "protocol", "recurrence"):
            if not getattr(self, name):
                raise ValueError(f"{name} must name at least one, got none.")
        for task in self.tasks:
            check_task_name(task, "tasks")
            get_task(task)
        for variant in self.variants:
            Variant.parse(variant)
        for protocol in self.protocol:
            Protocol.parse(protocol)
        self.protocols()
        for recurrence in self.recurrence:
            check_choice(recurrence, "recurrence", RECURRENCE)
        for name in ("seeds", "epochs"):
            check_count(getattr(self, name), name)
        for name in ("first_seed", "threads", "checkpoint_every"):
            check_count(getattr(self, name), name, minimum=0)
        check_choice(self.log, "log", LOGS)
        check_choice(self.functional, "functional", FUNCTIONAL)
        check_device(self.device)
        self.engine()

    def protocols(self) -> dict[str, Protocol]:
        """Return the protocols by name, with the epochs, relations and changes asked for."""
        changes = {"epochs": self.epochs, "functional": self.functional, **_parse_changes(self.change)}
        return {name: replace(Protocol.parse(name), **changes) for name in self.protocol}

    def load_connectomes(self) -> dict[str, Connectome]:
        """Return the connectomes by name.

        Raises:
            ValueError: If there is no such field, file or folder, or what is there is no connectome.
        """
        return load_connectomes(self.connectome, self.data_root)

    def study(self) -> Study:
        """Return the study that the names stand for.

        Raises:
            ValueError: If a connectome cannot be read, or lacks what a variant needs.
        """
        return Study(
            connectomes=self.load_connectomes(),
            variants=self.variants,
            tasks=self.tasks,
            seeds=range(self.first_seed, self.first_seed + self.seeds),
            protocols=self.protocols(),
            recurrence=self.recurrence,
            device=self.device,
            threads=self.threads,
        )

    def engine(self) -> Engine:
        """Return where the runs are computed."""
        return choose_engine(self.workers, self.scheduler, device=self.device, threads=self.threads)


def _parse_changes(changes: Sequence[str]) -> dict[str, Any]:
    """Return fields of a protocol and their values from texts such as ``clip_norm=1``."""
    options = {field.name for field in fields(StudyConfig)}
    known = [field.name for field in fields(Protocol) if field.name not in options]
    return dict(parse_setting(change, known, "change") for change in changes)


def run_study(config: StudyConfig, *, progress: bool = True) -> StudyResults:
    """Compute every run that is not in the results folder yet, and summarise all of them: see :meth:`Study.run`.

    Args:
        config: What to run, and where.
        progress: Say on standard error how far it is.

    Raises:
        ValueError: If a connectome cannot be read or lacks what a variant needs, or the folder holds another study.
    """
    return config.study().run(
        config.out,
        engine=config.engine(),
        overwrite=config.overwrite,
        keep_weights=config.keep_weights,
        checkpoint_every=config.checkpoint_every,
        log=open_log(config.log, config.out),
        progress=progress,
    )


def choose_engine(workers: int = 1, scheduler: str | None = None, *, device: str = "cpu", threads: int = 0) -> Engine:
    """Return the engine of a command line: Dask, processes, or this process, with seeds side by side on a GPU.

    Args:
        workers: Processes of this machine.
        scheduler: Address of a Dask scheduler, which has workers of its own.
        device: Where the networks are trained.
        threads: CPU threads of each run; 0 leaves that to the engine.

    Raises:
        ValueError: If ``workers`` is less than 1, or both are given.
    """
    check_count(workers, "workers")
    if scheduler is not None and workers != 1:
        raise ValueError("workers and scheduler must not both be given: a Dask scheduler has workers of its own.")
    if scheduler is not None:
        return Dask(scheduler)
    if workers > 1:
        return Processes(workers, threads=threads or 1)
    return Ensembles() if device.startswith("cuda") else InProcess()
