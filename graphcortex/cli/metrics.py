"""``graphcortex metrics``: every metric of what the runs of a folder learned."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from graphcortex._atomic import write_text
from graphcortex._checks import check_choice, check_count
from graphcortex.cli._terminal import for_stdout
from graphcortex.cli._told import rows, tell_unfinished, to_json
from graphcortex.metrics import Nulls
from graphcortex.study import RunKey, StoreError, StudyResults, Variant, load_results
from graphcortex.study.results import keys_of


@dataclass(frozen=True)
class MetricsConfig:
    """Print every metric of what each finished run of a study learned, beside random graphs, and write them to a CSV file.

    The file has a row per run and metric. Nothing is trained. Example: graphcortex metrics results/study --nulls 20
    """

    folder: Path
    """Results folder of a study."""
    out: Path | None = None
    """The CSV file. Default: metrics.csv in the folder."""
    tasks: tuple[str, ...] = ()
    """Only the runs of these tasks. Default: all."""
    variants: tuple[str, ...] = ()
    """Only the runs of these variants. Default: all."""
    nulls: int = 100
    """Random graphs of the same degrees that each metric is compared with."""
    json: bool = False
    """Print one JSON object: a row per run and metric."""

    def __post_init__(self):
        check_count(self.nulls, "nulls")
        for variant in self.variants:
            Variant.parse(variant)


def metrics(config: MetricsConfig) -> tuple[StudyResults, pd.DataFrame, Path]:
    """Compute every metric of what the finished runs of a folder learned, and write them to a CSV file.

    Runs that diverged, and runs whose weights were not kept, have no metrics: standard error counts them.

    Args:
        config: Which runs, and how many random graphs.

    Returns:
        The results of the folder, a row per run and metric, and the file.

    Raises:
        StoreError: If no run that is asked for has weights.
        ValueError: If the folder has no run of a task or variant asked for.
    """
    results = load_results(config.folder)
    path = results.folder / "metrics.csv" if config.out is None else config.out
    cache = results.folder / "nulls" if os.access(results.folder, os.W_OK) else None
    tables, without = [], []
    for key in _choose(results, config):
        try:
            summary = results.summary(key, null=Nulls("degree", config.nulls, cache=cache))
        except StoreError as error:
            without.append(error)
            continue
        if not config.json:
            print(for_stdout(f"\n{key}\n{summary}"), flush=True)
        names = {name: getattr(key, name) for name in ("connectome", "protocol", "task", "recurrence", "seed")}
        names["variant"] = str(key.variant)
        table = summary.to_dataframe().rename(columns={"seed": "metric_seed"}).reset_index()
        tables.append(table.assign(**names)[[*names, *table.columns]])
    if not tables:
        raise without[0]
    if without:
        print(f"graphcortex: {len(without)} runs are left out; the first: {without[0]}", file=sys.stderr)
    table = pd.concat(tables, ignore_index=True)
    write_text(path, table.to_csv(index=False))
    return results, table, path


def metrics_command(config: MetricsConfig) -> int:
    """Print every metric of what the runs learned, and return the exit code."""
    results, table, path = metrics(config)
    if config.json:
        print(to_json({"folder": str(results.folder), "metrics": rows(table)}))
    else:
        print(f"\n{path}")
    return tell_unfinished(results)


def _choose(results: StudyResults, config: MetricsConfig) -> list[RunKey]:
    """Return the runs asked for whose weights stayed finite."""
    runs = results.runs.assign(variant=results.runs["variant"].map(Variant.parse))
    if not len(runs):
        raise StoreError(
            f"{results.folder} must hold a finished run, got none; train its runs: graphcortex resume {results.folder}"
        )
    for name, asked in (("task", config.tasks), ("variant", [Variant.parse(one) for one in config.variants])):
        for one in asked:
            check_choice(str(one), f"a {name}", tuple(dict.fromkeys(map(str, runs[name]))))
        if asked:
            runs = runs[[value in asked for value in runs[name]]]
    finite = runs[runs["diverged_epoch"].isna()]
    diverged = len(runs) - len(finite)
    if not len(finite):
        raise StoreError(
            f"{results.folder} must hold a run of finite weights that is asked for, got {len(runs)} runs, all of them "
            "diverged."
        )
    if diverged:
        print(f"graphcortex: {diverged} runs diverged, and have no metrics.", file=sys.stderr)
    return keys_of(finite)
