"""The layout in which the released notebook of the study writes its results, so that either side's tools read the other's.

``6_6_2_sttc-corr/`` holds ``config.txt``, ``metrics.csv`` and ``metrics_SD.csv`` (a row per task and metric, a column per variant),
and ``Task1/`` to ``Task3/`` with a table ``<Metric>_raw.csv`` for each metric: a row per simulation, a column per variant.
``-corr`` is ``-precision`` where that shapes ``W*``, and missing where nothing but STTC does; ``_sign+`` follows where weights are
kept at or above 0. The tasks are one-choice inference, Go/NoGo and perceptual decision, in this order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from graphcortex._atomic import replacing, write_text
from graphcortex._checks import check_choice
from graphcortex.ops import grid_positions
from graphcortex.study.key import RunKey
from graphcortex.study.protocol import Protocol
from graphcortex.study.results import StudyResults
from graphcortex.study.variant import PUBLISHED_VARIANTS, Variant
from graphcortex.tasks import TASKS

_FOLDERS = dict(zip(("Task1", "Task2", "Task3"), TASKS, strict=True))
_SUFFIX = {"correlation-sttc": "_sttc-corr", "precision-sttc": "_sttc-precision", "sttc": "_sttc"}
_NAME = re.compile(r"(?P<connectome>.+?)_sttc(?P<with>-corr|-precision)?(?P<sign>_sign\+)?")
_METRICS = {
    "Accuracy": "accuracy",
    "Loss": "loss",
    "Validation_Accuracy": "validation_accuracy",
    "Validation_Loss": "validation_loss",
    "Modularity": "modularity",
    "SmallWorldness": "small_worldness",
    "Assortativity": "assortativity",
    "Entropy": "entropy",
}


class PaperLayoutError(ValueError):
    """A folder that is not in the paper's layout, or results that have no place in it."""


def write_paper_layout(results: StudyResults, folder: str | Path, *, protocol: str = "published") -> list[Path]:
    """Write the runs of one protocol as the released notebook would: a folder per connectome and arm, each whole or not at all.

    Runs that are not there are empty cells. ``Validation_Loss`` is without the penalties, which the notebook's has; tasks that the
    notebook does not know are left out.

    Args:
        results: The study.
        folder: Where the folders go.
        protocol: Which protocol's runs; the layout does not say which it was.

    Returns:
        The folders.

    Raises:
        PaperLayoutError: If a folder is there already, or there is nothing to write.
        ValueError: If the study has no such protocol.
    """
    check_choice(
        protocol, "protocol", tuple(dict.fromkeys([*results.study.protocols, *(k.protocol for k in results.keys)]))
    )
    keys = [key for key in results.keys if key.protocol == protocol and key.task in TASKS]
    if not keys:
        raise PaperLayoutError(f"the study must have finished runs of {', '.join(TASKS)} under {protocol!r}, got none.")
    groups: dict[tuple[str, str], list[RunKey]] = {}
    for key in keys:
        groups.setdefault((key.connectome, key.recurrence), []).append(key)
    written = []
    functional = results.protocol_of(keys[0]).functional
    for (connectome, recurrence), group in groups.items():
        sign = "_sign+" if recurrence == "nonnegative" else ""
        final = Path(folder).expanduser() / f"{connectome}{_SUFFIX[functional]}{sign}"
        if final.exists():
            raise PaperLayoutError(f"{final} is there already and is not overwritten; choose another folder.")
        with replacing(final) as unfinished:
            _write(results, group, unfinished)
        written.append(final)
    return written


def read_paper_layout(folder: str | Path) -> pd.DataFrame:
    """Read the results that the released notebook wrote, or :func:`write_paper_layout`, as a table of runs.

    Simulations of one number share their ``W*`` in the notebook, so they are taken as seeds. It reports the accuracy of the
    training trials, and validates on the test trials. A loss that is not a number tells of a run that diverged, but not when: its
    last epoch stands for that.

    Args:
        folder: One folder, such as ``6_6_2_sttc-corr``.

    Returns:
        A row per run: the columns of :attr:`StudyResults.runs`, and ``loss``, ``validation_loss`` and ``functional``. Cells that
        are empty throughout are no runs.

    Raises:
        PaperLayoutError: If the name of the folder or a table in it is not of the layout.
    """
    folder = Path(folder).expanduser()
    match = _NAME.fullmatch(folder.name)
    if match is None or not folder.is_dir():
        raise PaperLayoutError(
            f"folder must be one like 6_6_2_sttc-corr or 6_6_2_sttc-corr_sign+, got {str(folder)!r}."
        )
    suffix = f"_sttc{match['with'] or ''}"
    names = {
        "connectome": match["connectome"],
        "protocol": "published",
        "recurrence": "nonnegative" if match["sign"] else "free",
    }
    rows = [_read_task(folder / name).assign(task=task) for name, task in _FOLDERS.items() if (folder / name).is_dir()]
    if not rows:
        raise PaperLayoutError(f"{folder} must hold {', '.join(_FOLDERS)} or some of them, got none.")
    runs = pd.concat(rows, ignore_index=True).assign(**names)
    runs["train_accuracy"], runs["test_accuracy"] = runs["accuracy"], runs["validation_accuracy"]
    runs["epochs"], runs["best_epoch"] = Protocol.published().epochs, np.nan
    runs["diverged_epoch"] = np.where(runs["loss"].isna(), float(Protocol.published().epochs), np.nan)
    runs["functional"] = next(name for name, value in _SUFFIX.items() if value == suffix)
    first = ["connectome", "protocol", "recurrence", "task", "variant", "seed"]
    return runs[[*first, *(name for name in runs if name not in first)]]


def _write(results: StudyResults, keys: Sequence[RunKey], folder: Path) -> None:
    found = {str(variant): variant for variant in dict.fromkeys(key.variant for key in keys)}
    published = [str(variant) for variant in PUBLISHED_VARIANTS]
    variants = sorted(found, key=lambda name: published.index(name) if name in published else len(published))
    seeds = pd.Index(sorted({key.seed for key in keys}), name="simulation")
    means, spreads = [], []
    for name, task in _FOLDERS.items():
        numbers = {(key.variant, key.seed): _numbers(results, key) for key in keys if key.task == task}
        for metric in _METRICS if numbers else ():
            cells = {
                variant: [numbers.get((found[variant], seed), {}).get(metric, np.nan) for seed in seeds]
                for variant in variants
            }
            table = pd.DataFrame(cells, index=seeds)
            write_text(folder / name / f"{metric}_raw.csv", table.to_csv())
            means.append({"Task": name, "Metric": metric, **table.mean(skipna=False)})
            spreads.append({"Task": name, "Metric": f"{metric}_SD", **table.std(ddof=1).fillna(0.0)})
    write_text(folder / "metrics.csv", pd.DataFrame(means).to_csv(index=False))
    write_text(folder / "metrics_SD.csv", pd.DataFrame(spreads).to_csv(index=False))
    write_text(folder / "config.txt", _config(results, keys[0], len(seeds)))


def _numbers(results: StudyResults, key: RunKey) -> dict[str, float]:
    result = results.store.load(key, weights=False)
    last = result.history.iloc[-1]
    numbers = {"loss": last["loss"], "validation_accuracy": last["val_accuracy"], "validation_loss": last["val_loss"]}
    return {metric: float({**result.metrics, **numbers}[name]) for metric, name in _METRICS.items()}


def _config(results: StudyResults, key: RunKey, simulations: int) -> str:
    protocol, n = results.protocol_of(key), results.connectome_of(key).num_neurons
    parts = key.connectome.split("_") if re.fullmatch(r"\d+_\d+_\d+", key.connectome) else [None] * 3
    lines = {
        **dict(zip(("session", "scan", "field"), parts, strict=True)),
        "simulations": simulations,
        "number_of_nodes": n,
        "network_grid": tuple(int(size) + 1 for size in grid_positions(n).amax(0)),
        "sign_constraint": key.recurrence == "nonnegative",
        "use_only_sttc": protocol.functional == "sttc",
        "use_precison_matrix": protocol.functional == "precision-sttc",  # spelled as there
        "noise_level": protocol.input_noise,
        "regu_strength": protocol.penalty_scale * protocol.length_strength,
        "emd_strength": protocol.penalty_scale * protocol.emd_strength,
        "activation_function": "relu",
        "random_network_initialization": "Orthogonal",
    }
    return "".join(f"{name} = {value}\n" for name, value in lines.items())


def _read_task(folder: Path) -> pd.DataFrame:
    tables = {name: _read_table(folder / f"{metric}_raw.csv") for metric, name in _METRICS.items()}
    shape = next(iter(tables.values()))
    for name, table in tables.items():
        if not table.index.equals(shape.index) or list(table) != list(shape):
            raise PaperLayoutError(
                f"{folder}: the table of {name} must have the simulations and variants of the others."
            )
    long = pd.concat({name: table.stack(future_stack=True) for name, table in tables.items()}, axis=1)
    long = long.dropna(how="all").reset_index(names=["seed", "variant"])
    return long.assign(seed=long["seed"].astype(int))


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, index_col="simulation", float_precision="round_trip").astype(float)
        return table.rename(columns={name: str(Variant.parse(name)) for name in table})
    except (OSError, ValueError, KeyError) as error:
        raise PaperLayoutError(
            f"{path} cannot be read as a table of simulations (a column of that name) by variants: {error}"
        ) from error
