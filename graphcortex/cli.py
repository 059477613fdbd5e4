"""The command line: thin, over the same configuration as the examples.

``python -m graphcortex.cli run`` trains, measures and draws; ``metrics`` says all that can be said of what was learned; ``fetch``
downloads fields; ``info`` describes one; ``audit`` looks for what is wrong with one.
"""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from graphcortex._checks import check_count
from graphcortex._optional import MissingDependencyError, require
from graphcortex.data import MicronsFields
from graphcortex.data import audit as audit_connectome
from graphcortex.data._audit_source import load_for_audit
from graphcortex.data._download import released_files
from graphcortex.data._field_files import FIELD_NAME
from graphcortex.metrics import Nulls
from graphcortex.study import StudyConfig, StudyResults, run_study
from graphcortex.study.config import default_data_root
from graphcortex.study.store import write_text

_DESCRIPTION = "Turn a cortical connectome into trained recurrent networks, and read what they learned."


def run(config: StudyConfig) -> StudyResults:
    """Train every variant on every task, print the table, and write weights, tables and figures.

    Args:
        config: What to run.

    Returns:
        The results.
    """
    from graphcortex.viz import write_figures

    results = run_study(config)
    print(f"\n{results}\n\nmean ± half of the 95 % interval over seeds\n", flush=True)
    figures = write_figures(results)
    print(f"{results.folder}: table.csv, runs.csv, learned weights in runs/, {len(figures)} figures in figures/")
    return results


@dataclass(frozen=True)
class MetricsConfig(StudyConfig):
    """Print every metric of what each run of a study learned, beside random graphs. Missing runs are trained first.

    The results folder gets ``metrics.csv``, a row per run and metric.

    Attributes:
        nulls: Random graphs of the same degrees that each metric is compared with.
    """

    nulls: int = 100

    def __post_init__(self):
        super().__post_init__()
        check_count(self.nulls, "nulls")


def metrics(config: MetricsConfig) -> pd.DataFrame:
    """Print every metric of what each run learned, and write them to ``metrics.csv``.

    Args:
        config: Which runs, and how many random graphs.

    Returns:
        A row per run and metric.
    """
    results = run_study(config)
    tables = []
    for key in config.run_keys():
        found = results.summary(key, null=Nulls("degree", config.nulls, cache=results.folder / "nulls"))
        print(f"\n{key}\n{found}", flush=True)
        names = {"task": key.task, "variant": str(key.variant), "recurrence": key.recurrence, "seed": key.seed}
        table = found.to_dataframe().rename(columns={"seed": "metric_seed"}).reset_index()
        tables.append(table.assign(**names)[[*names, *table.columns]])
    table = pd.concat(tables, ignore_index=True)
    write_text(results.folder / "metrics.csv", table.to_csv(index=False))
    print(f"\n{results.folder}: metrics.csv")
    return table


def run_example(default: StudyConfig, description: str, argv: Sequence[str] | None = None) -> StudyResults:
    """Run a script's study with the options of its command line.

    Args:
        default: The script's own defaults.
        description: What ``--help`` says first.
        argv: Arguments; those of the process if None.

    Returns:
        The results.

    Raises:
        SystemExit: With code 2 for a wrong argument or bad input, after the reason on stderr; with 0 after ``--help``.
    """
    found: list[StudyResults] = []

    def work() -> None:
        tyro = require("tyro", "study", "the command line")
        config = tyro.cli(StudyConfig, default=default, description=description, args=argv)
        found.append(run(config))

    code = _guarded(work)
    if code:
        raise SystemExit(code)
    return found[0]


def fetch(fields: Sequence[str], data_root: Path | None = None) -> None:
    """Download the files of MICrONS fields that are missing, each checked against its SHA-256.

    Args:
        fields: Names such as 6_6_2; "all" is all 56 (some 140 MB).
        data_root: Folder for the fields. Default: $GRAPHCORTEX_DATA/microns-fields, or else a cache folder in the home directory.
    """
    if not fields:
        raise ValueError('fields must name at least one field, such as 6_6_2, or "all"; got none.')
    root = default_data_root() if data_root is None else data_root
    available = MicronsFields(root, names=list(released_files()) if list(fields) == ["all"] else fields)
    for connectome, name in zip(available, available.names, strict=True):
        print(f"{name}: {connectome.num_neurons} neurons, {connectome.synapses.num_edges} connected pairs")
    print(f"in {root}")


def info(field: str = "synthetic", data_root: Path | None = None) -> None:
    """Print what a connectome holds.

    Args:
        field: A MICrONS field such as 6_6_2, or "synthetic" for the embedded default.
        data_root: Folder with the MICrONS fields.
    """
    print(StudyConfig(field=field, data_root=data_root).load_connectome())


@dataclass(frozen=True)
class AuditConfig:
    """Look for what went wrong in published work, and say so. Exit code: 0 without errors, 1 with, 2 where nothing can be read.

    Attributes:
        path: A file written by Connectome.save, the folder of a field, the name of a field such as 6_6_2, or "synthetic".
        data_root: Folder with the MICrONS fields, for a name.
        json: Print JSON.
    """

    path: Path
    data_root: Path | None = None
    json: bool = False


def audit(config: AuditConfig) -> int:
    """Print what an audit of a connectome finds.

    Args:
        config: Which connectome, and how to print.

    Returns:
        0 without errors, 1 with.
    """
    path, spikes = config.path, None
    is_name = not path.exists() and (str(path) == "synthetic" or FIELD_NAME.fullmatch(str(path)))
    if is_name and str(path) != "synthetic":
        # The folder has the spikes too; a field that is not there yet is fetched first.
        fields = MicronsFields(default_data_root() if config.data_root is None else config.data_root, names=[str(path)])
        fields[str(path)]
        path = fields.folder / str(path)
    if str(path) == "synthetic" and is_name:
        connectome = StudyConfig(field="synthetic").load_connectome()
    else:
        connectome, spikes = load_for_audit(path)
    found = audit_connectome(connectome, spikes=spikes)
    print(json_format.dumps(found.to_dict(), indent=2) if config.json else found)
    return found.exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code: 0; 1 if an audit finds errors; 2 for a wrong argument or bad input.

    What is wrong with the input is said on stderr.

    Args:
        argv: Arguments; those of the process if None.

    Raises:
        SystemExit: With 0 after ``--help``, and with 2 where an option cannot be read.
    """

    def work() -> int:
        tyro = require("tyro", "study", "the command line")
        commands = {"run": StudyConfig, "metrics": MetricsConfig, "fetch": fetch, "info": info}
        commands["audit"] = tyro.conf.PositionalRequiredArgs[AuditConfig]
        config = tyro.extras.subcommand_cli_from_dict(commands, args=argv, prog="graphcortex", description=_DESCRIPTION)
        if isinstance(config, MetricsConfig):
            metrics(config)
        elif isinstance(config, StudyConfig):
            run(config)
        elif isinstance(config, AuditConfig):
            return audit(config)
        return 0

    return _guarded(work)


def _guarded(work: Callable[[], int | None]) -> int:
    """Do the work, return its exit code (0 if None), and turn what a user can mend into one line on stderr and code 2."""
    try:
        return work() or 0
    except (ValueError, OSError, MissingDependencyError) as error:
        print(f"graphcortex: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ngraphcortex: stopped; the same command, without --overwrite, goes on where it was.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
