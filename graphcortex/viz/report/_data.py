"""What the report shows of a study, read once: nothing else in this package looks at the results."""

from __future__ import annotations

import dataclasses
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch_geometric.data import Data

from graphcortex._checks import check_choice
from graphcortex.study import METRICS, RunKey, StudyResults
from graphcortex.tasks import get_task
from graphcortex.viz._effects import paired_differences

GROUP = ("connectome", "protocol", "recurrence", "task")
_KEY = (*GROUP, "variant", "seed")
_BASELINE = "W"
_TASK_NAMES = {"go_nogo": "Go/NoGo", "one_choice_inference": "one-choice inference"}


@dataclass(frozen=True)
class Group:
    """The runs that may be compared: those of one connectome, protocol, kind of recurrence and task.

    Attributes:
        label: What tells it from the other groups of the study.
        levels: Accuracy of a guess, of the best trivial strategy and of the best strategy: those that are known.
    """

    connectome: str
    protocol: str
    recurrence: str
    task: str
    label: str = ""
    levels: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def slug(self) -> str:
        """A name for a folder."""
        return "-".join(slug(getattr(self, name)) for name in GROUP)

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that belong to this group."""
        return table[np.logical_and.reduce([table[name] == getattr(self, name) for name in GROUP])]


@dataclass(frozen=True, eq=False)
class ReportData:
    """A study as the report needs it.

    Attributes:
        groups: In the order of the runs.
        variants: In the order of the runs; each has one colour in all figures.
        runs: A row per run.
        reference: The variant that others are compared with.
        effects: Paired differences to it.
        claims: A row per claim; empty where none were tested.
        failures: A row per run that ended with an error: its key and its ``traceback``.
        settings: Name and value of what decided the results.
        command: What to type to run the study again.
    """

    results: StudyResults
    groups: tuple[Group, ...]
    variants: tuple[str, ...]
    runs: pd.DataFrame
    reference: str
    effects: pd.DataFrame
    claims: pd.DataFrame
    failures: pd.DataFrame
    settings: tuple[tuple[str, str], ...]
    command: str

    @property
    def diverged(self) -> pd.DataFrame:
        """The runs whose weights did not stay finite."""
        return self.runs[self.runs["diverged_epoch"].notna()]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of the runs."""
        return tuple(name for name in METRICS if name in self.runs)

    def history(self, group: Group) -> pd.DataFrame:
        """Return the learning curves of a group."""
        return self.results.history(group.task)

    def keys(self, group: Group) -> list[RunKey]:
        """Return the first run of each variant that did not diverge, to be shown as a graph."""
        rows = group.of(self.runs)
        rows = rows[rows["diverged_epoch"].isna()].drop_duplicates("variant")
        return [RunKey(**{name: row[name] for name in _KEY}) for row in rows.to_dict("records")]

    def learned_graph(self, key: RunKey) -> Data | None:
        """Return what a run learned, or None where its weights were not kept."""
        return self.results.learned_graph(key)


def read_study(results: StudyResults, *, claims: Any = None, reference: str | None = None) -> ReportData:
    """Read what the report shows.

    Raises:
        ValueError: If there is no run, or none of the reference.
    """
    runs = results.runs
    runs = runs.assign(variant=runs["variant"].astype(str)).reset_index(drop=True)
    for name, value in (("connectome", results.config.field), ("protocol", "published")):
        if name not in runs:
            runs[name] = value
    variants = tuple(dict.fromkeys(runs["variant"]))
    if reference is None:
        reference = _BASELINE if _BASELINE in variants else next(iter(variants), "")
    if len(runs):
        check_choice(reference, "reference", variants)
    return ReportData(
        results=results,
        groups=_groups(runs),
        variants=variants,
        runs=runs,
        reference=reference,
        effects=paired_differences(runs, reference) if len(runs) else pd.DataFrame(),
        claims=_claims(claims),
        failures=_failures(results),
        settings=tuple(_flatten(results.config.settings(results.connectome))),
        command=_command(results.config),
    )


def slug(name: str) -> str:
    """Return a name with nothing in it that a file system or an address could trip over."""
    words = name.replace("*", "star").replace("!", "renamed")
    return re.sub(r"[^\w.+-]+", "_", words) or "_"


def _groups(runs: pd.DataFrame) -> tuple[Group, ...]:
    rows = runs[list(GROUP)].drop_duplicates()
    told = [name for name in GROUP if rows[name].nunique() > 1] or ["task"]
    return tuple(
        Group(*row, label=" · ".join(readable(row[GROUP.index(name)]) for name in told), levels=_levels(row[-1]))
        for row in rows.itertuples(index=False, name=None)
    )


def readable(name: str) -> str:
    """Return the name of a task as a person writes it; that of a connectome stays as it is."""
    known = _TASK_NAMES.get(name)
    return known or (name.replace("_", " ") if re.search(r"[a-z]_[a-z]", name) else name)


def _levels(task: str) -> dict[str, float]:
    try:
        found = get_task(task)
    except ValueError:
        return {}
    levels = {name: float(getattr(found, name, np.nan)) for name in ("chance", "floor", "ceiling")}
    return {name: level for name, level in levels.items() if np.isfinite(level)}


def _claims(claims: Any) -> pd.DataFrame:
    if claims is None:
        return pd.DataFrame()
    return claims if isinstance(claims, pd.DataFrame) else claims.to_dataframe()


def _failures(results: StudyResults) -> pd.DataFrame:
    return pd.DataFrame()


def _flatten(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for name, value in settings.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            rows.append((f"{prefix}{name}", text))
    return rows


def _command(config: Any) -> str:
    """Write the command line of a configuration: what is not as it is by default."""
    words = ["graphcortex", "study"]
    for part in dataclasses.fields(config):
        value = getattr(config, part.name)
        if value == part.default:
            continue
        flag = "--" + part.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, (list, tuple)):
            words += [flag, *map(str, value)]
        elif isinstance(value, (str, int, float, Path)):
            words += [flag, str(value)]
    return shlex.join(words)
