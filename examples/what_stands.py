"""What of the paper stands: every number of docs/results.md, computed again from the runs in docs/results.

    python examples/what_stands.py
    python examples/what_stands.py --check

Reads the tables of runs that ``docs/results/run.sh`` leaves in docs/results, and puts what they say between the markers of
docs/results.md, ``<!-- name -->`` and ``<!-- end -->``. Beside the runs it writes agreement.csv, all cells with the paper's
numbers, and findings.csv, all comparisons behind the claims. With ``--check`` it writes nothing, and fails where something differs.
"""

# %% What to read
import itertools
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.stats
from matplotlib.figure import Figure
from scale_study import TUNING_SEED, best_strength

from graphcortex.cli import parse_options
from graphcortex.data import MicronsFields
from graphcortex.study import (
    CLAIMS,
    CONTROLS,
    METRICS,
    PUBLISHED_VARIANTS,
    ClaimsTable,
    Protocol,
    RunKey,
    Variant,
    evaluate_claims,
    initial_weights,
    load_results,
    summarize,
)
from graphcortex.study.agreement import reported_error
from graphcortex.study.run import draw_trials
from graphcortex.study.statistics import mean_difference_paired, mean_interval, pool_connectomes
from graphcortex.study.store import write_text
from graphcortex.tasks import TASKS, get_task
from graphcortex.viz import plot_paired_metrics, save_figure


@dataclass(frozen=True)
class Config:
    """Compute the tables of docs/results.md from the runs."""

    page: Path = Path(__file__).resolve().parents[1] / "docs" / "results.md"
    """The page; the runs are in a folder of its name beside it."""
    check: bool = False
    """Write nothing, and fail where the page or a table is not what the runs say."""
    figures: bool = False
    """Draw the figures too."""
    field: Path | None = None
    """Folder with the field 6_6_2: makes starts.csv of it first."""
    weights: Path | None = None
    """Results folder of the published study with its learned weights: makes thresholds.csv of them first."""


COMPARED_WITH = {"controls": "published", "corrected_controls": "corrected"}


@cache
def runs_of(folder: Path, name: str) -> pd.DataFrame:
    """Return the runs of one study, or of all whose names match; the controls with the runs that they are compared with."""
    runs = pd.concat([pd.read_csv(path) for path in sorted(folder.glob(f"{name}.csv"))], ignore_index=True)
    if name in COMPARED_WITH:
        runs = pd.concat([runs_of(folder, COMPARED_WITH[name]).query("recurrence == 'free'"), runs], ignore_index=True)
    if name in ("corrected", "corrected_controls", "field_*"):
        runs["protocol"] = "corrected"  # each variant at its own scale, all under one protocol
    return runs


# %% Writing
def markdown(rows: list[dict[str, str]]) -> str:
    """Write rows as a table."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([row[name] for name in names] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float, digits: int = 3) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def span(value: float, low: float, high: float, digits: int = 3) -> str:
    return number(value, digits) if math.isnan(low) else f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


CONTROL_VARIANTS = (
    "W*D*C", "W!D*C", "W*[shuffled]D*C", "W*[diagonal]D*C", "W[diagonal]D*C", "W*[no-diagonal]D*C", "W[positive]D*C", "WD*C",
    "W*D*[shuffled]C", "WD*[shuffled]C", "WDC", "W",
)  # fmt: skip
ALL_PUBLISHED = tuple(map(str, PUBLISHED_VARIANTS))
STEP = Protocol.published().learning_rate
FIRST_SEEDS = 10
"""How many seeds the corrections alone have, other data sets among them; the published study and its controls have more."""
HALVES = {"seeds 0 to 9": range(FIRST_SEEDS), "seeds 10 to 19": range(FIRST_SEEDS, 2 * FIRST_SEEDS)}
"""The seeds of the published study."""
LEARNED = 0.02
"""What a network that learned is above the best trivial strategy, at least."""
GRAPH_METRICS = ("modularity", "small_worldness", "assortativity")
ARMS = {"free": "free", "nonnegative": "non-negative", "both": "both"}
TITLES = {"one_choice_inference": "one choice", "go_nogo": "Go/NoGo", "perceptual_decision": "perceptual"}


# %% 1. Does the reproduction agree with the paper?
@cache
def agreement(folder: Path) -> pd.DataFrame:
    """Return every cell with the paper's, as the library compares them."""
    return summarize(runs_of(folder, "published"), compare_with_paper=True)


@cache
def of_first_seeds(folder: Path) -> pd.DataFrame:
    """Return every cell with the paper's, of the seeds that the corrections alone have, and of whose starts Keras has some."""
    return summarize(runs_of(folder, "published").query("seed < @FIRST_SEEDS"), compare_with_paper=True)


def agreement_counts(folder: Path) -> str:
    table = agreement(folder)
    parts = {metric.replace("_", "-"): part for metric, part in table.groupby("metric", sort=False)}
    rows = []
    for name, part in {**parts, "**all**": table}.items():
        row = {"metric": name}
        for arm in ("free", "nonnegative"):
            agrees = part.loc[part["recurrence"] == arm, "agrees"]
            row[ARMS[arm]] = f"{agrees.sum()} of {len(agrees)}"
        # Metrics have units of their own, so there is none of all.
        seen = number(part["detectable"].median()) if part is not table else ""
        rows.append(row | {"median detectable difference": seen})
    alive = table[table["diverged"] < table["runs"]]
    learned = (table["metric"] == "accuracy") & learns(table)
    higher, gain = (table.loc[learned, "difference"] > 0).sum(), table.loc[learned, "difference"].mean()
    told = (
        f"{counted(table['agrees'])} cells agree. In {len(table) - len(alive)} of them every run diverged, here as in the paper; "
        f"of the others, {counted(alive['agrees'])}. Of {learned.sum()} accuracies of networks that learn, here or there, "
        f"{higher} are higher here; the mean difference is {gain:.3f}."
    )
    return f"{markdown(rows)}\n\n{told}"


def of_all(which: pd.Series) -> str:
    return f"{which.sum()} of {len(which)}" if len(which) else ""


def counted(agrees: pd.Series) -> str:
    return f"{of_all(agrees)} ({agrees.mean():.1%})"


def learns(cells: pd.DataFrame) -> pd.Series:
    """Say which cells are of networks whose accuracy, here or in the paper, is above the best trivial strategy by .02."""
    accuracy = cells[["mean", "paper_mean"]].max(axis=1).where(cells["metric"] == "accuracy")
    best = accuracy.groupby([cells[name] for name in ("recurrence", "task", "variant")]).transform("max")
    return (best > least_learned(cells)) & (cells["diverged"] < cells["runs"])


def least_learned(table: pd.DataFrame) -> pd.Series:
    """Return the accuracy that a network of the task has which learned, at least."""
    return table["task"].map(lambda task: get_task(task).floor) + LEARNED


CELL = ["recurrence", "task", "variant", "metric"]
"""The columns that name a number of the paper."""


def disagreements(folder: Path) -> str:
    """Write the cells that differ from the paper's, with what another data set and what Keras make of them."""
    rows = [
        {
            "task": TITLES[row.task],
            "arm": ARMS[row.recurrence],
            "variant": f"`{row.variant}`",
            "metric": row.metric.replace("_", "-"),
            "here": span(row.mean, row.ci95_low, row.ci95_high),
            "paper": span(row.paper_mean, row.paper_low, row.paper_high),
            "difference": number(row.difference),
            "detectable": number(row.detectable),
            "p": f"{row.p:.2g}",
            "other data sets": within(row.paper_mean, row.other_low, row.other_high),
            "Keras, mean ± sd of 3": "" if math.isnan(row.keras_mean) else f"{row.keras_mean:.3f} ± {row.keras_sd:.3f}",
        }
        for row in differing(folder).itertuples()
    ]
    return markdown(rows) if rows else "None."


def within(value: float, low: float, high: float) -> str:
    """Write an interval, in bold if a value is not in it."""
    if math.isnan(low):
        return ""
    return f"[{low:.3f}, {high:.3f}]" if low <= value <= high else f"**[{low:.3f}, {high:.3f}]**"


def differing(folder: Path) -> pd.DataFrame:
    """Return the cells that differ from the paper's; NaN where other data sets or Keras were not tried."""
    cells = agreement(folder).assign(learns=learns(agreement(folder))).query("not agrees")
    return cells.merge(other_data_sets(folder), "left", CELL).merge(by_keras(folder), "left", CELL)


@cache
def other_data_sets(folder: Path) -> pd.DataFrame:
    """Return where some 95 % of the means lie that are as certain as the paper's, on a data set of their own.

    Entropies of networks that learned nothing are of two kinds, 0 and 5: where ten runs are all of one, their interval is too
    narrow.
    """
    cells, rows = of_first_seeds(folder).set_index(CELL), []
    cells["paper_error"] = reported_error(cells)
    for names, part in runs_of(folder, "only_trials").groupby(CELL[:3], sort=False):
        for metric in METRICS:
            values, cell = part[metric], cells.loc[(*names, metric)]
            # These runs differ in their data set and their seed and vary by both; those on one data set vary by their seed.
            between = max(0.0, values.var() - cell["sd"] ** 2)
            variance = between + cell["paper_error"] ** 2 + values.var() / len(values)
            half = math.sqrt(variance) * scipy.stats.t.ppf(0.975, len(values) - 1)
            ends = {"other_low": values.mean() - half, "other_high": values.mean() + half}
            rows.append(dict(zip(CELL, (*names, metric), strict=True)) | ends)
    return pd.DataFrame(rows)


def reached(cells: pd.DataFrame) -> pd.Series:
    """Say in which cells another data set has the paper's mean within reach; False where none was tried."""
    return cells["paper_mean"].between(cells["other_low"], cells["other_high"])


@cache
def by_keras(folder: Path) -> pd.DataFrame:
    """Return the means of the runs that Keras trained, and the tests of whether they are the paper's, and ours."""
    found = summarize(runs_of(folder, "keras"), compare_with_paper=True).set_index(CELL)
    ours = of_first_seeds(folder).set_index(CELL).loc[found.index]  # whose starts Keras has
    of_both = [one[name] for one in (found, ours) for name in ("mean", "sd", "runs")]
    of_ours = scipy.stats.ttest_ind_from_stats(*of_both, equal_var=False).pvalue
    means = {"keras_mean": found["mean"], "keras_sd": found["sd"]}
    return pd.DataFrame(means | {"keras_p_paper": found["p"], "keras_p_ours": of_ours}).reset_index()


def diverged(folder: Path) -> str:
    runs = runs_of(folder, "published")
    rows = []
    for variant in ALL_PUBLISHED:
        row = {"variant": f"`{variant}`"}
        for arm in ("free", "nonnegative"):
            for task in TASKS:
                part = runs.query("variant == @variant and recurrence == @arm and task == @task")
                row[f"{ARMS[arm]}, {TITLES[task]}"] = f"{part['diverged_epoch'].notna().sum()} of {len(part)}"
        rows.append(row)
    return markdown(rows)


def write_thresholds(results: Path, folder: Path) -> None:
    """Write the weight above which a connection is in the learned graph, of every run of the first seeds that did not diverge."""
    study, rows = load_results(results), []
    for key in study.keys:
        if key.seed >= FIRST_SEEDS:  # the page has their median
            continue
        weight = study.learned_graph(key).edge_weight.abs()
        if bool(weight.isfinite().all()):
            names = {"recurrence": key.recurrence, "task": key.task, "variant": str(key.variant), "seed": key.seed}
            rows.append(names | {"threshold": float(np.quantile(weight.numpy(), 0.9))})
    write_text(folder / "thresholds.csv", pd.DataFrame(rows).to_csv(index=False, float_format="%.4g"))


def write_starts(root: Path, folder: Path) -> None:
    """Write how large the initial weights of W* are in each draw, of a neuron with itself and with others."""
    connectome, rows = MicronsFields(root, names=["6_6_2"])[0], []
    n = connectome.num_neurons
    for seed in range(100):
        weight = initial_weights(connectome, Variant.parse("W*D*C"), Protocol.published(), seed=seed).view(n, n)
        own = float(weight.diagonal().mean())
        rows.append({"seed": seed, "self_connection": own, "other": (float(weight.mean()) * n - own) / (n - 1)})
    write_text(folder / "starts.csv", pd.DataFrame(rows).to_csv(index=False, float_format="%.4g"))


def starts(folder: Path) -> str:
    """Tell how the draws of W* vary in size, and how far that decides the graphs of what starts from them."""
    drawn = pd.read_csv(folder / "starts.csv").set_index("seed")["self_connection"]
    some = {name: drawn[seeds] for name, seeds in HALVES.items()} | {f"{len(drawn)} seeds": drawn}
    sizes = [
        {"draws of `W*`": name, "mean self-connection, mean ± sd": f"{part.mean():.3f} ± {part.std():.3f}"}
        for name, part in some.items()
    ]
    runs, rows = runs_of(folder, "published").query("recurrence == 'free'"), []
    for variant in ("W*D*C*", "W*DC*", "W!D*C*"):
        for task in TASKS:
            part = runs.query("variant == @variant and task == @task").set_index("seed")
            row = {"variant": f"`{variant}`", "task": TITLES[task]}
            for metric in GRAPH_METRICS:
                found = scipy.stats.pearsonr(drawn[part.index], part[metric])
                r = number(found.statistic, 2)
                row[metric.replace("_", "-")] = f"**{r}**" if found.pvalue < 0.05 else r
            rows.append(row)
    return f"{markdown(sizes)}\n\n{markdown(rows)}\n\n{markdown(failures(folder))}"


def failures(folder: Path) -> list[dict[str, str]]:
    """Count the networks that start from functional relations and learn nothing of two tasks, and the seeds that they have."""
    runs = runs_of(folder, "published").query("task != 'one_choice_inference'")
    runs, rows = runs.assign(failed=runs["accuracy"] < least_learned(runs)), []
    for start, arm in itertools.product(("W*", "W!"), ("free", "nonnegative")):
        of_start = runs.query("variant.str.startswith(@start) and recurrence == @arm")
        row = {"networks that learn nothing of Go/NoGo or the perceptual decision": f"`{start}`, {ARMS[arm]}"}
        for name, seeds in HALVES.items():
            part = of_start[of_start["seed"].isin(seeds)]
            lost = sorted(set(part.loc[part["failed"], "seed"]))
            row[name] = of_all(part["failed"]) + (f" (seed {', '.join(map(str, lost))})" if lost else "")
        rows.append(row)
    return rows


def swings(folder: Path) -> str:
    """Set the threshold beside a step of the optimiser, and count the graph metrics that disagree with the paper's."""
    runs, cells = pd.read_csv(folder / "thresholds.csv"), agreement(folder)
    cells = cells[cells["metric"].isin(GRAPH_METRICS)]
    rows, counts = [], {True: [0, 0], False: [0, 0]}
    for variant in ALL_PUBLISHED:
        row = {"variant": f"`{variant}`"}
        for arm in ("free", "nonnegative"):
            for task in TASKS:
                where = "variant == @variant and recurrence == @arm and task == @task"
                part, agree = runs.query(where)["threshold"], cells.query(where)["agrees"]
                wrong = int((~agree).sum())
                if len(part):
                    counts[part.median() >= STEP][0] += wrong
                    counts[part.median() >= STEP][1] += len(agree)
                told = f"{part.median() / STEP:.2g}" if len(part) else "diverged"
                row[f"{ARMS[arm]}, {TITLES[task]}"] = told + (f" (**{wrong}**)" if wrong else "")
        rows.append(row)
    (wrong, of), (wrong_below, of_below) = counts[True], counts[False]
    told = (
        f"Of {of} metrics of graphs that begin at a step or more, {wrong} differ; of {of_below} others, {wrong_below}."
    )
    return f"{markdown(rows)}\n\n{told}"


def causes(folder: Path) -> str:
    """Sort the cells that do not agree by what made them."""
    cells, runs = differing(folder), pd.read_csv(folder / "thresholds.csv")
    threshold = runs.groupby(["recurrence", "task", "variant"])["threshold"].median()
    below = np.array([threshold[row.recurrence, row.task, row.variant] < STEP for row in cells.itertuples()])
    is_accuracy = cells["metric"] == "accuracy"
    given_up = is_accuracy & ~cells["learns"]
    kinds = {
        "accuracy of a network that learned nothing": given_up,
        f"a graph, or an entropy, of weights below one step of the optimiser ({STEP:g})": ~is_accuracy & below,
        "others": ~given_up & (is_accuracy | ~below),
    }
    rows = []
    for name, picked in kinds.items():
        some = cells[picked]
        found = some.groupby("variant", sort=False).size()
        tried, trained = some.dropna(subset="other_low"), some.dropna(subset="keras_mean")
        rows.append(
            {
                "what differs": name,
                "cells": str(len(some)),
                "of which variants": ", ".join(f"`{variant}` {count}" for variant, count in found.items()),
                "within reach of another data set": of_all(reached(tried)),
                **told_by_keras(trained),
            }
        )
    groups = runs_of(folder, "keras").groupby(["recurrence", "task", "variant"])["steps_apart"].first()
    tested = by_keras(folder).dropna(subset="keras_p_ours")
    told = (
        f"After eight batches without noise Keras and we are at most {groups.max():.2g} steps of the optimiser apart, and "
        f"{groups.median():.2g} in the median of {len(groups)} groups. Of all their metrics that vary, "
        f"{of_all(tested['keras_p_ours'] < 0.05)} differ between Keras and us at .05."
    )
    return f"{markdown(rows)}\n\n{told}"


def told_by_keras(cells: pd.DataFrame) -> dict[str, str]:
    """Sort cells by whom the runs in Keras differ from at .05."""
    from_ours, from_paper = cells["keras_p_ours"] < 0.05, cells["keras_p_paper"] < 0.05
    kinds = {
        "Keras differs from the paper alone": from_paper & ~from_ours,
        "from none": ~from_paper & ~from_ours,
        "from us alone": from_ours & ~from_paper,
        "from both": from_ours & from_paper,
    }
    return {name: str(which.sum()) if len(cells) else "" for name, which in kinds.items()}


def data_sets(folder: Path) -> str:
    """Set what a data set decides beside the accuracy of W, which learns nothing, where that differs from the paper's."""
    cells = agreement(folder).query("metric == 'accuracy' and variant == 'W'").set_index(["recurrence", "task"])
    protocol, rows = Protocol.published(), []
    for task in TASKS:
        free, diverged = cells.loc["free", task], cells.loc["nonnegative", task]
        if free["agrees"] or get_task(task).num_classes > 2:  # where answers are two, a network that gave up gives one
            continue
        targets = draw_trials(get_task(task), RunKey(task, "W"), protocol, "train", device="cpu").targets
        shares = (targets.bincount() / len(targets)).tolist()
        rows.append(
            {
                "task": TITLES[task],
                "shares of the answers, here": ", ".join(number(one, 4) for one in shares),
                "standard deviation between data sets": number(math.sqrt(math.prod(shares) / len(targets)), 4),
                "accuracy of `W`, here": number(free["mean"], 4),
                "of `W` in the paper": number(free["paper_mean"]),
                "of its diverged networks": number(diverged["paper_mean"]),
            }
        )
    return f"{markdown(rows)}\n\n{told_by_data_sets(folder)}"


def told_by_data_sets(folder: Path) -> str:
    """Count the cells that agree, or would on another data set."""
    cells = agreement(folder).merge(other_data_sets(folder), "left", CELL)
    tried, agrees, near = cells["other_low"].notna(), cells["agrees"], reached(cells)
    alive = cells["diverged"] < cells["runs"]
    return (
        f"Another data set has the paper's mean within reach in {of_all(near[tried])} cells, {of_all(near[tried & agrees])} that "
        f"agree and {of_all(near[tried & ~agrees])} that differ. Cells that agree, or would on another data set, are "
        f"{counted(agrees | near)}; of those in which not all runs diverged, {counted((agrees | near)[alive])}."
    )


# %% 2. and 3. Claims and controls
@cache
def findings(folder: Path, name: str, controls: bool) -> ClaimsTable:
    return evaluate_claims(runs_of(folder, name), CONTROLS if controls else CLAIMS)


def verdicts(table: ClaimsTable) -> str:
    """Write a row per claim and arm, a column per task, with the effect that decided."""
    rows = []
    for name in table.statements:
        for arm in ("free", "nonnegative", "both"):
            found = {one.task: one for one in table if one.claim == name and one.recurrence == arm}
            if found:
                row = {"claim": name, "arm": ARMS[arm]}
                for task in TASKS:
                    one = found.get(task)
                    row[TITLES[task]] = "" if one is None else verdict(one)
                rows.append(row)
    return markdown(rows)


def verdict(one) -> str:
    if not one.n:
        return one.verdict
    bold = "" if one.verdict == "undecided" else "**"
    what = re.sub(r" \([^)]*\)", "", one.compared)  # without the pairs that it is a mean of
    what = re.sub(r"\bW[^\s:]*|\b[DC]\*", r"`\g<0>`", what)  # in which stars would make Markdown italic
    return f"{bold}{one.verdict}{bold}; {what}: {span(one.effect, one.low, one.high, 2)}"


def accuracies(folder: Path, name: str, variants: tuple[str, ...] = (), recurrence: str = "free") -> str:
    """Write mean accuracies with intervals that respect their bounds; diverged runs are counted and not averaged."""
    runs = runs_of(folder, name).query("recurrence == @recurrence")
    rows = []
    for variant in variants or tuple(dict.fromkeys(runs["variant"])):
        row = {"variant": f"`{variant}`"}
        for task in TASKS:
            part = runs.query("variant == @variant and task == @task")
            found = mean_interval(part["accuracy"].where(part["diverged_epoch"].isna()))
            lost = f", {found.dropped} diverged" if found.dropped else ""
            row[TITLES[task]] = span(found.value, *found.interval) + lost if found.n else f"{found.dropped} diverged"
        rows.append(row)
    floors = {TITLES[task]: f"{get_task(task).floor:.3g} to {get_task(task).ceiling:.3g}" for task in TASKS}
    return markdown([{"variant": "best trivial strategy to ceiling"} | floors, *rows])


# %% How much to pay, chosen on validation trials
@cache
def tuned(folder: Path) -> pd.DataFrame:
    """Return the runs on which scales are chosen, with the scale of each; a run that diverged is right about nothing."""
    runs = runs_of(folder, "tuning").assign(
        scale=lambda table: [Protocol.parse(name).penalty_scale for name in table["protocol"]]
    )
    return runs.assign(validation_accuracy=runs["validation_accuracy"].where(runs["diverged_epoch"].isna(), 0.0))


def chosen(folder: Path) -> pd.DataFrame:
    """Return the scale of each task and variant: that of the greatest validation accuracy, of equals the one that pays most."""
    means = tuned(folder).groupby(["task", "variant", "scale"], sort=False)["validation_accuracy"].mean().reset_index()
    best = means.sort_values(["validation_accuracy", "scale"], ascending=False).groupby(["task", "variant"]).head(1)
    return best.set_index(["task", "variant"])


def responses(folder: Path) -> str:
    """Write the validation accuracy of each variant at each scale, with the one that was chosen in bold."""
    runs, best = tuned(folder), chosen(folder)
    rows = []
    for variant in dict.fromkeys(runs["variant"]):
        row = {"variant": f"`{variant}`"}
        for task in TASKS:
            means = runs.query("variant == @variant and task == @task").groupby("scale")["validation_accuracy"].mean()
            picked = best.loc[(task, variant), "scale"]
            row[f"{TITLES[task]}: {', '.join(f'{scale:g}' for scale in means.index)}"] = with_chosen(means, picked)
        rows.append(row)
    return markdown(rows)


def with_chosen(accuracies: pd.Series, picked: float) -> str:
    """Write the accuracies of what can be paid, which is their index, with the one that was picked in bold."""
    return ", ".join(f"**{number(one)}**" if paid == picked else number(one) for paid, one in accuracies.items())


def chosen_table(folder: Path) -> pd.DataFrame:
    """Return a row per task and scale with the variants that chose it, as run.sh reads them."""
    best = chosen(folder).reset_index()
    return best.groupby(["task", "scale"])["variant"].agg(" ".join).rename("variants").reset_index()


# %% What one correction changes
def corrections(folder: Path) -> str:
    """Write what each correction alone does to the accuracy of each variant that it touches, paired by seed."""
    before, alone = (runs_of(folder, name).query("recurrence == 'free'") for name in ("published", "only_*"))
    before = before.set_index(["task", "variant", "seed"])["accuracy"]
    rows = []
    for (protocol, variant), part in alone.groupby(["protocol", "variant"], sort=False):
        row = {"correction": f"`{protocol.removeprefix('published+')}`", "variant": f"`{variant}`"}
        for task in TASKS:
            after = part.query("task == @task").set_index(["task", "variant", "seed"])["accuracy"]
            found = mean_difference_paired(after.to_numpy(), before.reindex(after.index).to_numpy(), bounds=(-1, 1))
            row[TITLES[task]] = span(found.value, *found.interval)
        rows.append(row)
    return markdown(rows)


# %% 6. Other cortex
NEURONS = {"5_3_8": 42, "4_7_2": 88, "5_3_2": 126, "6_6_2": 312, "9_3_2": 632}
"""The fields, from the smallest."""
POOLED = (
    ("W*D*C", "WD*C"), ("W*D*C", "W"), ("W*D*C", "W*[shuffled]D*C"), ("W*[diagonal]D*C", "W*D*C"), ("W*[no-diagonal]D*C", "WD*C"),
    ("WD*C", "WDC"), ("WD*C", "WD*[shuffled]C"),
)  # fmt: skip
"""What each start, or distance, gains over another."""


def accuracies_of_fields(folder: Path) -> str:
    """Write the mean accuracy of each variant in each field, with all seeds that there are; runs that diverged are not averaged."""
    means = in_fields(folder).groupby(["task", "variant", "neurons"])["accuracy"].mean()
    rows = []
    for variant in [name for name in CONTROL_VARIANTS if name in means.index.unique("variant")]:
        row = {"variant": f"`{variant}`"}
        for task in TASKS:
            found = means.loc[task, variant]
            row[f"{TITLES[task]}: {', '.join(map(str, found.index))} neurons"] = ", ".join(map(number, found))
        rows.append(row)
    return markdown(rows)


def in_fields(folder: Path) -> pd.DataFrame:
    """Return the runs of all fields that did not diverge, with their number of neurons, of the variants that all fields have."""
    others = runs_of(folder, "field_*")
    runs = pd.concat([others, runs_of(folder, "corrected_controls")], ignore_index=True)
    runs = runs[runs["diverged_epoch"].isna() & runs["variant"].isin(others["variant"])]
    return runs.assign(neurons=runs["connectome"].map(NEURONS))


def pooled(folder: Path) -> str:
    """Write differences over the fields that had no part in choosing how much to pay, by random effects."""
    runs, rows = runs_of(folder, "field_*"), []
    for high, low in POOLED:
        found = pool_connectomes(runs, high, low).set_index("task")
        row = {"difference": f"`{high}` - `{low}`"}
        for task in TASKS:
            one = found.loc[task]
            told = f"{span(one['difference'], one['difference_low'], one['difference_high'], 2)}, tau {number(one['tau'], 2)}"
            if one["difference_low"] == one["difference_high"]:  # no spread, so no interval
                told = f"{number(one['difference'], 2)} for every seed"
            row[f"{TITLES[task]}, {one['connectomes']} fields"] = told
        rows.append(row)
    return markdown(rows)


def cheaper(folder: Path) -> str:
    """Set the accuracies of the largest field beside those of the same seeds where next to nothing is paid."""
    paid_less = runs_of(folder, "cheaper_9_3_2")
    runs = pd.concat([runs_of(folder, "field_9_3_2_*"), paid_less], ignore_index=True)
    runs["scale"] = [Protocol.parse(name).penalty_scale for name in runs["protocol"]]
    runs = runs.sort_values(["scale", "seed"], ascending=[False, True])
    found = (
        paid_less[["task", "variant"]].drop_duplicates().merge(runs).groupby(["task", "variant", "scale"], sort=False)
    )
    rows = [
        {
            "task": TITLES[task],
            "variant": f"`{variant}`",
            "scale": f"{scale:g}",
            "test accuracy of seeds": ", ".join(map(number, accuracy)),
        }
        for (task, variant, scale), accuracy in found["accuracy"]
    ]
    return markdown(rows)


# %% 7. A large network
@cache
def large(folder: Path) -> pd.DataFrame:
    """Return the runs of the large networks, with the strength of each and whether it was one to choose by."""
    runs = runs_of(folder, "scale_*")
    strength = runs["protocol"].str.partition("=")[2].astype(float)
    return runs.assign(strength=strength, is_test=runs["seed"] != TUNING_SEED)


def of_large(runs: pd.DataFrame, tell: Callable[[pd.DataFrame], dict[str, str]]) -> str:
    """Write a row per variant, with what is told of its runs on each task."""
    rows = []
    for variant, part in runs.groupby("variant", sort=False):
        row = {"variant": f"`{variant}`"}
        for task in dict.fromkeys(runs["task"]):
            told = tell(part[part["task"] == task].sort_values(["strength", "seed"]))
            row |= {f"{TITLES[task]}{name}": value for name, value in told.items()}
        rows.append(row)
    return markdown(rows)


def responses_large(folder: Path) -> str:
    """Write the validation accuracy of each large network at each strength, with the chosen one in bold."""
    runs = large(folder).query("not is_test")
    strengths = ", ".join(f"{one:g}" for one in sorted(runs["strength"].unique()))
    rows = runs.to_dict("records")

    def tell(tried: pd.DataFrame) -> dict[str, str]:
        best = best_strength(rows, *tried[["task", "variant"]].iloc[0])
        return {f": {strengths}": with_chosen(tried.set_index("strength")["validation_accuracy"], best)}

    return of_large(runs, tell)


def lengths_large(folder: Path) -> str:
    """Write how long the connections are that each large network learned at each strength, and its share of self-connections."""

    def tell(tried: pd.DataFrame) -> dict[str, str]:
        pairs = zip(between(tried), tried["self_share"], strict=True)
        return {"": ", ".join(f"{number(length, 0)} ({number(share, 2)})" for length, share in pairs)}

    return of_large(large(folder).query("not is_test"), tell)


def between(runs: pd.DataFrame) -> pd.Series:
    """Return the mean length of connections between different neurons in um, weighted by their weights."""
    return runs["mean_length_um"] / (1 - runs["self_share"])  # one of a neuron with itself has length 0


def accuracies_large(folder: Path) -> str:
    """Write the test accuracy of every large network, and how long its connections are."""

    def tell(tested: pd.DataFrame) -> dict[str, str]:
        accuracy, length = ", ".join(map(number, tested["accuracy"])), number(between(tested).mean(), 0)
        return {": accuracy of seeds": accuracy, ": mean length (um)": length}

    return of_large(large(folder).query("is_test"), tell)


# %% What stands where
BLOCKS: dict[str, Callable[[Path], str]] = {
    "agreement": agreement_counts,
    "disagreements": disagreements,
    "causes": causes,
    "data sets": data_sets,
    "swings": swings,
    "diverged": diverged,
    "starts": starts,
    "accuracies published": lambda folder: accuracies(folder, "published"),
    "claims published": lambda folder: verdicts(findings(folder, "published", False)),
    "accuracies controls": lambda folder: accuracies(folder, "controls", CONTROL_VARIANTS),
    "controls published": lambda folder: verdicts(findings(folder, "controls", True)),
    "responses": responses,
    "accuracies corrected": lambda folder: accuracies(folder, "corrected", ALL_PUBLISHED),
    "accuracies corrected nonnegative": lambda folder: accuracies(folder, "corrected", ALL_PUBLISHED, "nonnegative"),
    "claims corrected": lambda folder: verdicts(findings(folder, "corrected", False)),
    "accuracies corrected controls": lambda folder: accuracies(folder, "corrected_controls", CONTROL_VARIANTS),
    "controls corrected": lambda folder: verdicts(findings(folder, "corrected_controls", True)),
    "corrections": corrections,
    "accuracies fields": accuracies_of_fields,
    "fields": pooled,
    "cheaper": cheaper,
    "responses large": responses_large,
    "lengths large": lengths_large,
    "accuracies large": accuracies_large,
}
"""What makes a block of the page, by its name there."""


def fill(page: str, folder: Path) -> str:
    """Return the page with its blocks as the runs have them."""

    def block(match: re.Match) -> str:
        name = match["name"]
        if name not in BLOCKS:
            raise SystemExit(f"{name!r} must be one of the blocks {', '.join(BLOCKS)}.")
        return f"<!-- {name} -->\n{BLOCKS[name](folder)}\n<!-- end -->"

    return re.sub(r"<!-- (?P<name>[\w ]+) -->\n.*?<!-- end -->", block, page, flags=re.DOTALL)


def tables(folder: Path) -> dict[str, str]:
    """Return the tables that are written beside the runs."""
    studies = [("published", False), ("controls", True), ("corrected", False), ("corrected_controls", True)]
    found = [
        findings(folder, name, controls).to_dataframe(comparisons=True).assign(study=name)
        for name, controls in studies
        if (folder / f"{name}.csv").is_file()
    ]
    made = {"agreement": agreement(folder), "findings": pd.concat(found, ignore_index=True)}
    if (folder / "tuning.csv").is_file():
        made["chosen"] = chosen_table(folder)
    return {f"{name}.csv": table.to_csv(index=False, float_format="%.6g") for name, table in made.items()}


# %% Figures
DRAWN = {
    "published": ALL_PUBLISHED,
    "controls": CONTROL_VARIANTS,
    "corrected": ALL_PUBLISHED,
    "corrected_controls": CONTROL_VARIANTS,
}
TELLING = {
    "W": ("#D55E00", "-"),
    "WD*": ("#D55E00", "--"),
    "WD*C": ("#D55E00", ":"),
    "W*[no-diagonal]D*C": ("#0072B2", ":"),
    "W[diagonal]D*C": ("#009E73", "--"),
    "W*D*C": ("black", "-"),
}
"""The starts and penalties that tell most, with a colour for each start and a line for each penalty."""


def panels(width: float, height: float) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, len(TASKS), sharey=True)


def levels_of(task: str) -> dict[str, float]:
    return {level: getattr(get_task(task), level) for level in ("floor", "ceiling")}


def draw(folder: Path, images: Path) -> None:
    """Draw every run of each study, a panel per task, and what accuracy is left at each scale of the penalty."""
    for name, variants in DRAWN.items():
        if not (folder / f"{name}.csv").is_file():
            continue
        runs = runs_of(folder, name).query("recurrence == 'free' and variant in @variants")
        runs = runs.sort_values("variant", key=lambda column: column.map(variants.index), kind="stable")
        figure, row = panels(11, 0.9 + 0.3 * len(variants))
        for axes, task in zip(row, TASKS, strict=True):
            part = runs[runs["task"] == task]
            plot_paired_metrics(part, metrics=["accuracy"], title=TITLES[task], axes=axes, **levels_of(task))
            if axes is not row[0]:
                axes.tick_params(labelleft=False)  # the same variants in all panels
        save_figure(figure, images / f"results-{name.replace('_', '-')}.png")
    if (folder / "tuning.csv").is_file():
        paid = tuned(folder).rename(
            columns={"scale": "scale of the penalty", "validation_accuracy": "validation accuracy"}
        )
        draw_lines(paid, "scale of the penalty", "validation accuracy", images / "results-tuning.png")
    if list(folder.glob("field_*.csv")):
        sized = in_fields(folder).rename(columns={"accuracy": "test accuracy"})
        draw_lines(sized, "neurons", "test accuracy", images / "results-fields.png")


def draw_lines(runs: pd.DataFrame, along: str, metric: str, path: Path) -> None:
    """Draw the mean of a metric over a column, a panel per task, for the starts and penalties that tell most."""
    figure, row = panels(11, 3.2)
    values = sorted(runs[along].unique())
    for axes, task in zip(row, TASKS, strict=True):
        part = runs[runs["task"] == task]
        for variant, (colour, dashes) in TELLING.items():
            means = part[part["variant"] == variant].groupby(along)[metric].mean()
            if len(means):
                axes.plot(means.index, means, color=colour, linestyle=dashes, marker="o", markersize=4, label=variant)
        for level in levels_of(task).values():
            axes.axhline(level, color="0.5", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        axes.set(xscale="log", xlabel=along, title=TITLES[task])
        axes.set_xticks(values, labels=[f"{value:g}" for value in values])
        axes.set_xticks([], minor=True)
    row[0].set_ylabel(metric)
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    save_figure(figure, path)


# %% Fill the page
def main(config: Config) -> list[str]:
    """Return the files that differ from what the runs say, after writing them unless they are only checked."""
    folder = config.page.with_suffix("")
    if config.field is not None:
        write_starts(config.field, folder)
    if config.weights is not None:
        write_thresholds(config.weights, folder)
    wanted = {config.page: fill(config.page.read_text(), folder)}
    wanted |= {folder / name: text for name, text in tables(folder).items()}
    changed = [path for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
    for path in [] if config.check else changed:
        write_text(path, wanted[path])
    if config.figures:
        draw(folder, config.page.parent / "images")
    return [path.name for path in changed]


if __name__ == "__main__":
    config = parse_options(Config, description=__doc__)
    changed = main(config)
    print(f"{', '.join(changed) or 'nothing'} {'differs' if config.check else 'written'}")
    sys.exit(bool(changed) and config.check)
