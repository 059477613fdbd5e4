"""What the report shows of a study, read once: nothing else in this package looks at the results."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from torch_geometric.data import Data

from graphcortex._checks import check_choice
from graphcortex.study import CLAIMS, CONTROLS, METRICS, ClaimsTable, RunKey, StoreError, StudyResults, evaluate_claims
from graphcortex.study.results import keys_of
from graphcortex.study.statistics import as_runs
from graphcortex.viz._effects import paired_differences

GROUP = ("connectome", "protocol", "recurrence", "task")
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
        results: The study.
        groups: In the order of the runs.
        variants: In the order of the runs; each has one colour in all figures.
        runs: A row per run.
        table: A row per group, variant and metric: mean and interval.
        reference: The variant that others are compared with.
        effects: Paired differences to it.
        claims: The findings on the claims of the paper, where there are any.
    """

    results: StudyResults
    groups: tuple[Group, ...]
    variants: tuple[str, ...]
    runs: pd.DataFrame
    table: pd.DataFrame
    reference: str
    effects: pd.DataFrame
    claims: ClaimsTable | None

    @property
    def diverged(self) -> pd.DataFrame:
        """The runs whose weights did not stay finite."""
        return self.runs[self.runs["diverged_epoch"].notna()]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of the runs."""
        return tuple(name for name in METRICS if name in self.runs)

    @functools.cached_property
    def histories(self) -> pd.DataFrame:
        """The learning curves of all runs; reading them opens the file of each run."""
        return self.results.history() if len(self.runs) else pd.DataFrame(columns=[*GROUP, "variant", "seed", "epoch"])

    def keys(self, group: Group) -> list[RunKey]:
        """Return the first run of each variant that did not diverge, to be shown as a graph."""
        rows = group.of(self.runs)
        rows = rows[rows["diverged_epoch"].isna()].drop_duplicates("variant")
        return keys_of(rows)

    def learned_graph(self, key: RunKey) -> Data | None:
        """Return what a run learned, or None where its weights were not kept or cannot be read."""
        try:
            return self.results.learned_graph(key)
        except StoreError:
            return None


def read_study(results: StudyResults, *, claims: ClaimsTable | None = None, reference: str | None = None) -> ReportData:
    """Read what the report shows: all runs of the folder.

    Raises:
        ValueError: If no run is of the reference.
    """
    results = results.of_folder()
    runs = as_runs(results.runs).reset_index(drop=True)
    variants = tuple(dict.fromkeys(runs["variant"]))
    if reference is None:
        reference = _BASELINE if _BASELINE in variants else next(iter(variants), "")
    groups = _groups(runs, results)
    if len(runs):
        check_choice(reference, "reference", variants)
        floors = {group.task: group.levels["floor"] for group in groups if "floor" in group.levels}
        if claims is None:
            # The questions that controls answer, where there are any.
            asked = (*CLAIMS, *CONTROLS) if any("[" in variant for variant in variants) else CLAIMS
            claims = evaluate_claims(runs, asked, floors=floors)
    return ReportData(
        results=results,
        groups=groups,
        variants=variants,
        runs=runs,
        table=as_runs(results.table),
        reference=reference,
        effects=paired_differences(runs, reference) if len(runs) else pd.DataFrame(columns=[*GROUP, "pairs"]),
        claims=claims,
    )


def slug(name: str) -> str:
    """Return a name with nothing in it that a file system or an address could trip over."""
    words = name.replace("*", "star").replace("!", "renamed")
    return re.sub(r"[^\w.+-]+", "_", words) or "_"


def readable(name: str) -> str:
    """Return the name of a task as a person writes it; that of a connectome stays as it is.

    Example:
        >>> readable("go_nogo"), readable("perceptual_decision"), readable("6_6_2")
        ('Go/NoGo', 'perceptual decision', '6_6_2')
    """
    known = _TASK_NAMES.get(name)
    return known or (name.replace("_", " ") if re.search(r"[a-z]_[a-z]", name) else name)


def _groups(runs: pd.DataFrame, results: StudyResults) -> tuple[Group, ...]:
    rows = runs[list(GROUP)].drop_duplicates()
    told = [name for name in GROUP if rows[name].nunique() > 1] or ["task"]
    return tuple(
        Group(*row, label=" · ".join(readable(row[GROUP.index(name)]) for name in told), levels=results.levels(row[-1]))
        for row in rows.itertuples(index=False, name=None)
    )
