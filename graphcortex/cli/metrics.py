"""``graphcortex metrics``: all that can be said of what was learned."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from graphcortex._atomic import write_text
from graphcortex._checks import check_count
from graphcortex.cli._told import rows, tell_failures, to_json
from graphcortex.metrics import Nulls
from graphcortex.study import StudyConfig, StudyResults, run_study


@dataclass(frozen=True)
class MetricsConfig(StudyConfig):
    """Print every metric of what each run of a study learned, beside random graphs. Missing runs are trained first.

    The results folder gets metrics.csv, a row per run and metric. Example:
    graphcortex metrics --tasks go_nogo --variants 'W*D*C' --seeds 1 --nulls 20
    """

    nulls: int = 100
    """Random graphs of the same degrees that each metric is compared with."""
    json: bool = False
    """Print one JSON object: a row per run and metric."""

    def __post_init__(self):
        super().__post_init__()
        check_count(self.nulls, "nulls")
        if not self.keep_weights:
            raise ValueError("metrics are of what was learned: leave out --no-keep-weights.")


def metrics(config: MetricsConfig) -> tuple[StudyResults, pd.DataFrame]:
    """Compute every metric of what each run learned, and write them to ``metrics.csv``.

    Args:
        config: Which runs, and how many random graphs.

    Returns:
        The results of the study, and a row per run and metric.
    """
    results = run_study(config)
    tables = []
    for key in results.keys:
        found = results.summary(key, null=Nulls("degree", config.nulls, cache=results.folder / "nulls"))
        if not config.json:
            print(f"\n{key}\n{found}", flush=True)
        names = {name: getattr(key, name) for name in ("connectome", "protocol", "task", "recurrence", "seed")}
        names["variant"] = str(key.variant)
        table = found.to_dataframe().rename(columns={"seed": "metric_seed"}).reset_index()
        tables.append(table.assign(**names)[[*names, *table.columns]])
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    write_text(results.folder / "metrics.csv", table.to_csv(index=False))
    return results, table


def metrics_command(config: MetricsConfig) -> int:
    """Print every metric of what each run learned, and return the exit code."""
    results, table = metrics(config)
    if config.json:
        print(to_json({"folder": str(results.folder), "metrics": rows(table)}))
    else:
        print(f"\n{results.folder}: metrics.csv")
    return tell_failures(results)
