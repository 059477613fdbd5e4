"""Where the results come from: what decided them, on what they were computed, how long it took, and how to compute them again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from graphcortex.data._download import released_files
from graphcortex.study import Protocol, StudyConfig, StudyResults


@dataclass(frozen=True)
class Provenance:
    """What the report says of where results come from.

    Attributes:
        blocks: Names and values by heading.
        resume: The command that goes on with the folder of the results.
        afresh: The command that computes them in another folder, or None where no command can say it.
        why_not: What a command cannot say.
    """

    blocks: dict[str, list[tuple[str, str]]]
    resume: str
    afresh: str | None
    why_not: str


def provenance(results: StudyResults) -> Provenance:
    """Read the manifest of a study and the times of its runs."""
    manifest = results.store.manifest
    settings = manifest["settings"]
    blocks: dict[str, list[tuple[str, str]]] = {}
    blocks["Study"] = [("began", manifest["began"]), ("graphcortex", str(settings["graphcortex"])), *_times(results)]
    blocks["Connectomes (SHA-256)"] = flatten(settings["connectomes"])
    for name, protocol in settings["protocols"].items():
        blocks[f"Protocol {name}"] = flatten(protocol)
    for number, machine in enumerate(manifest["machines"], start=1):
        title = "Machine" if len(manifest["machines"]) == 1 else f"Machine {number}"
        blocks[title] = flatten(machine["hardware"]) + flatten(machine["versions"])
    why_not = _beyond_a_command(results)
    afresh = None if why_not else _command(results)
    return Provenance(blocks, shlex.join(["graphcortex", "resume", str(results.folder)]), afresh, why_not)


def flatten(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as names and words.

    Example:
        >>> flatten({"a": {"b": 1, "c": [2, 3]}, "d": None})
        [('a.b', '1'), ('a.c', '2, 3'), ('d', 'none')]
    """
    rows = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += flatten(value, f"{prefix}{name}.")
        else:
            told = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            rows.append((f"{prefix}{name}", "none" if value is None or told == "" else told))
    return rows


def _times(results: StudyResults) -> list[tuple[str, str]]:
    path = results.folder / "times.csv"
    if not path.is_file():
        return []
    table = pd.read_csv(path)
    parts = {name.removeprefix("seconds_"): table[name].sum() for name in table if name.startswith("seconds_")}
    told = [("computing, all runs of the folder", _duration(sum(parts.values())))]
    return told + [(f"of that: {name}", _duration(seconds)) for name, seconds in parts.items()]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _beyond_a_command(results: StudyResults) -> str:
    """Say what of a study one command cannot ask for; nothing where it can."""
    study = results.study
    if not set(results.keys) <= set(study.keys()):
        return "several calls asked for its runs"
    if study.own_tasks:
        return f"its tasks are objects of its user's ({', '.join(study.own_tasks)})"
    if list(study.seeds) != list(range(study.seeds[0], study.seeds[0] + len(study.seeds))):
        return f"its seeds are {', '.join(map(str, study.seeds))}"
    for name, protocol in study.protocols.items():
        named = replace(Protocol.parse(name), epochs=protocol.epochs, functional=protocol.functional)
        if protocol != named:
            changed = [part for part, value in asdict(protocol).items() if value != asdict(named)[part]]
            return f"its protocol {name} is changed in {', '.join(changed)}"
    if len({(protocol.epochs, protocol.functional) for protocol in study.protocols.values()}) > 1:
        return "its protocols differ in their epochs or functional relations"
    return ""


def _sources(results: StudyResults) -> list[str]:
    """Return what ``--connectome`` takes for each connectome: the name of a field, or the file in the folder of the results."""
    files = {name: results.folder / "connectomes" / f"{name}.pt" for name in results.study.connectomes}
    return [name if name == "synthetic" or name in released_files() else str(path) for name, path in files.items()]


def _command(results: StudyResults) -> str:
    """Write the command line of a study: what is not as it is by default."""
    study = results.study
    protocol = next(iter(study.protocols.values()))
    asked = {
        "connectome": tuple(_sources(results)),
        "protocol": tuple(study.protocols),
        "tasks": tuple(study.tasks),
        "variants": tuple(map(str, study.variants)),
        "recurrence": tuple(study.recurrence),
        "seeds": len(study.seeds),
        "first_seed": study.seeds[0],
        "epochs": protocol.epochs,
        "functional": protocol.functional,
        "device": study.device,
    }
    words = ["graphcortex", "study"]
    for name, value in asked.items():
        if value != getattr(StudyConfig, name):
            words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else (value,))]
    return shlex.join([*words, "--out", "results/again"])
