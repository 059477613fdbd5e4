"""The one configuration that the examples and the command line share."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from graphcortex import __version__
from graphcortex._checks import check_choice, check_count
from graphcortex.data import Connectome, MicronsFields, SyntheticCortex
from graphcortex.study.key import RECURRENCE, RunKey
from graphcortex.study.protocol import FUNCTIONAL, Protocol
from graphcortex.study.variant import Variant
from graphcortex.tasks import TASKS


@dataclass(frozen=True)
class StudyConfig:
    """Train every variant on every task, print the table, and write weights, tables and figures.

    A study that was stopped goes on where it was when it is started again with the same --out.
    """

    tasks: tuple[str, ...] = tuple(TASKS)
    """Tasks to train on."""
    field: str = "synthetic"
    """Connectome: a MICrONS field such as 6_6_2, or "synthetic" for the embedded default, which needs no download."""
    data_root: Path | None = None
    """Folder with the MICrONS fields; missing files are downloaded into it. Default: $GRAPHCORTEX_DATA/microns-fields, or else a
    cache folder in the home directory."""
    variants: tuple[str, ...] = ("W*D*C", "WD*C", "W")
    """Variants, as in W*D*C (quote them in a shell). W: random, W*: from function, W!: W* renamed; D: grid, D*: positions; C:
    communicability, C*: its distance to the anatomy."""
    seeds: int = 3
    """Runs per variant and task."""
    epochs: int = 10
    """Passes over the training trials."""
    recurrence: Literal["free", "nonnegative"] = "free"
    """Recurrent weights of any sign, or kept at or above 0."""
    functional: Literal["correlation-sttc", "sttc", "precision-sttc"] = "correlation-sttc"
    """Functional relations that shape W*."""
    device: str = "cpu"
    """Where to train: cpu, cuda, cuda:1, ..."""
    threads: int = 0
    """CPU threads of each run. 0: one for fewer than 200 neurons, whose threads would only wait for each other, and otherwise as
    many as PyTorch takes."""
    out: Path = Path("results/study")
    """Folder for the results."""
    overwrite: bool = False
    """Delete the results of another study in that folder."""

    def __post_init__(self):
        for name in ("tasks", "variants"):
            if isinstance(getattr(self, name), str):
                got = getattr(self, name)
                raise ValueError(f"{name} must be a tuple of names, such as ({got!r},); got {got!r}.")
            if not getattr(self, name):
                raise ValueError(f"{name} must name at least one, got none.")
        for task in self.tasks:
            check_choice(task, "tasks", TASKS)
        for variant in self.variants:
            Variant.parse(variant)
        check_count(self.seeds, "seeds")
        check_count(self.epochs, "epochs")
        check_count(self.threads, "threads", minimum=0)
        check_choice(self.recurrence, "recurrence", RECURRENCE)
        check_choice(self.functional, "functional", FUNCTIONAL)
        _check_device(self.device)

    @property
    def protocol(self) -> Protocol:
        """The published protocol with the epochs and relations asked for."""
        return replace(Protocol.published(), epochs=self.epochs, functional=self.functional)

    @property
    def is_papers(self) -> bool:
        """Whether the study's own numbers are comparable: its field and its protocol."""
        return self.field == "6_6_2" and self.protocol == Protocol.published()

    def run_keys(self) -> list[RunKey]:
        """Return the runs, seed by seed, so that a study that is stopped has some of every variant."""
        variants = dict.fromkeys(map(Variant.parse, self.variants))
        return [
            RunKey(task, variant, self.recurrence, seed)
            for task in dict.fromkeys(self.tasks)
            for seed in range(self.seeds)
            for variant in variants
        ]

    def load_connectome(self) -> Connectome:
        """Return the connectome.

        Raises:
            ValueError: If the field is unknown, or its files are missing or wrong.
        """
        if self.field == "synthetic":
            return SyntheticCortex()[0]
        return MicronsFields(default_data_root() if self.data_root is None else self.data_root)[self.field]

    def settings(self, connectome: Connectome) -> dict[str, Any]:
        """Return what decides the results, as plain values; tasks, variants and seeds may grow within one folder."""
        return {
            "graphcortex": __version__,
            "field": self.field,
            "connectome_sha256": fingerprint(connectome),
            "protocol": asdict(self.protocol),
        }


def _check_device(name: str) -> None:
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be cpu, cuda or cuda:<number>, got {name!r}.")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= there:
        raise ValueError(f"device {name!r} needs a GPU that PyTorch can use; GPUs here: {there}; use --device cpu.")


def default_data_root() -> Path:
    """Return where the MICrONS fields are looked for, and downloaded to, unless a folder is given."""
    if os.environ.get("GRAPHCORTEX_DATA"):
        return Path(os.environ["GRAPHCORTEX_DATA"]) / "microns-fields"
    import pooch

    return Path(pooch.os_cache("graphcortex")) / "microns-fields"


def fingerprint(connectome: Connectome) -> str:
    """Return a SHA-256 of everything in a connectome that a run depends on."""
    digest = hashlib.sha256()
    neurons = {name: value for name, value in connectome["neuron"].items() if name == "pos" or name.startswith("self_")}
    for store in (neurons, connectome.synapses, *([connectome.coactivity] if connectome.has_coactivity else [])):
        for name in sorted(store.keys()):
            digest.update(name.encode() + store[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
