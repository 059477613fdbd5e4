from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.metrics import learned_graph_metrics
from graphcortex.study import METRICS, PUBLISHED_VARIANTS, format_table, paper_results, summarize
from graphcortex.study.statistics import mean_interval
from graphcortex.study.table import BOUNDS, bounded_interval, t_interval
from graphcortex.tasks import TASKS
from tests.metrics.graphs import complete

numbers = st.floats(-1e6, 1e6)


def row(task="go_nogo", variant="W", recurrence="free", seed=0, diverged_epoch=None, **metrics) -> dict:
    values = {name: (number + 1) * 0.1 + 0.01 * seed for number, name in enumerate(METRICS)}
    return {
        "connectome": "6_6_2",
        "protocol": "published",
        "task": task,
        "variant": variant,
        "recurrence": recurrence,
        "seed": seed,
        **values,
        **metrics,
        "diverged_epoch": diverged_epoch,
    }


def cell(table: pd.DataFrame, metric="accuracy", **where) -> pd.Series:
    for name, value in {"metric": metric, **where}.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


# --- the interval


@given(st.lists(numbers, min_size=2, max_size=12))
def test_the_interval_is_that_of_statsmodels(values):
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    low, high = t_interval(np.array(values))
    expected = weightstats.DescrStatsW(values).tconfint_mean(alpha=0.05)
    np.testing.assert_allclose((low, high), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_the_interval_is_that_of_scipy(level):
    values = np.array([0.3, 0.9, 0.5, 0.7])
    expected = scipy.stats.t.interval(level, 3, loc=values.mean(), scale=scipy.stats.sem(values))
    np.testing.assert_allclose(t_interval(values, level=level), expected, rtol=1e-12)


def test_the_interval_by_hand():
    """Two numbers at a distance of 2: sd is sqrt(2), and t of one degree of freedom 12.706."""
    np.testing.assert_allclose(t_interval(np.array([0.0, 2.0])), (1 - 12.7062, 1 + 12.7062), rtol=1e-5)


@pytest.mark.parametrize("values", [[], [0.4]], ids=["none", "one"])
def test_there_is_no_interval_of_fewer_than_two(values):
    assert all(math.isnan(end) for end in t_interval(np.array(values)))


# --- the summary


def test_each_metric_is_summarised_over_the_seeds():
    accuracies = [0.5, 0.75, 1.0]
    table = summarize(pd.DataFrame([row(seed=seed, accuracy=a) for seed, a in enumerate(accuracies)]))
    assert len(table) == len(METRICS)
    got = cell(table)
    low, high = t_interval(np.array(accuracies))
    assert (got["mean"], got["sd"], got["ci95_low"], got["ci95_high"]) == pytest.approx((0.75, 0.25, low, high))
    assert (got["runs"], got["diverged"]) == (3, 0)
    assert cell(table, "entropy")["mean"] == pytest.approx(0.51)


def test_one_seed_has_a_mean_alone():
    got = cell(summarize(pd.DataFrame([row(accuracy=0.6)])))
    assert got["mean"] == 0.6
    assert got[["sd", "ci95_low", "ci95_high"]].isna().all()
    assert got["runs"] == 1


def test_numbers_that_are_not_defined_are_left_out_and_not_counted():
    runs = [row(seed=0), row(seed=1, modularity=math.nan), row(seed=2, modularity=0.4, assortativity=math.nan)]
    runs[0]["assortativity"] = runs[1]["assortativity"] = math.nan
    table = summarize(pd.DataFrame(runs))
    assert cell(table, "modularity")["runs"] == 2
    assert cell(table, "modularity")["mean"] == pytest.approx(0.3)
    assert cell(table, "assortativity")["runs"] == 0
    assert math.isnan(cell(table, "assortativity")["mean"])
    assert cell(table, "accuracy")["runs"] == 3


def test_runs_that_diverged_are_counted_beside_the_mean():
    graph = {name: math.nan for name in METRICS if name != "accuracy"}
    runs = [row(seed=0, accuracy=0.9), row(seed=1, accuracy=0.5, diverged_epoch=1, **graph), row(variant="WD")]
    table = summarize(pd.DataFrame(runs))
    assert (cell(table, variant="W")["mean"], cell(table, variant="W")["diverged"]) == (0.7, 1)
    assert (cell(table, "entropy", variant="W")["runs"], cell(table, "entropy", variant="W")["diverged"]) == (1, 1)
    assert cell(table, variant="WD")["diverged"] == 0


def test_rows_stand_in_reporting_order_whatever_the_order_of_the_runs():
    variants = [str(variant) for variant in PUBLISHED_VARIANTS] + ["W!D", "W*C"[:2]]
    runs = pd.DataFrame(
        [row(task, variant, arm) for task in TASKS for variant in variants for arm in ("free", "nonnegative")]
    )
    table = summarize(runs.sample(frac=1, random_state=np.random.RandomState(0)))
    assert list(dict.fromkeys(table["recurrence"])) == ["free", "nonnegative"]
    assert list(dict.fromkeys(table["task"])) == list(TASKS)
    assert list(dict.fromkeys(table["metric"])) == list(METRICS)
    one = table.query("recurrence == 'free' and task == 'go_nogo' and metric == 'accuracy'")["variant"].tolist()
    assert one[:11] == variants[:11]
    assert set(one[11:]) == set(variants[11:])
    keys = table[["recurrence", "task"]].agg("/".join, axis=1)
    assert keys.nunique() == (keys != keys.shift()).sum()  # each block in one piece


# --- connectomes, protocols and the interval that a protocol names


def test_a_group_is_of_one_connectome_and_one_protocol():
    places = [("6_6_2", "published", 0.9), ("6_6_2", "corrected", 0.7), ("4_7_2", "published", 0.5)]
    runs = [row(connectome=c, protocol=p, accuracy=a + 0.02 * s, seed=s) for c, p, a in places for s in range(6)]
    table = summarize(pd.DataFrame(runs), compare_with_paper=True)
    assert list(table.columns[:6]) == ["connectome", "protocol", "recurrence", "task", "variant", "metric"]
    for c, p, a in places:
        got = cell(table, connectome=c, protocol=p)
        assert got["mean"] == pytest.approx(a + 0.05)
        assert math.isnan(got["paper_mean"]) == ((c, p) != ("6_6_2", "published"))
        assert not got["agrees"]  # the paper's is .511; the others have none
        assert math.isnan(got["p"]) == ((c, p) != ("6_6_2", "published"))
    assert table["protocol"].drop_duplicates().tolist() == ["published", "corrected"]
    with pytest.raises(ValueError, match="a protocol must be published or corrected"):
        summarize(pd.DataFrame([row(protocol="mine")]))


@pytest.mark.parametrize(
    "protocol", ["published", "published+scale", "published+intervals", "corrected", "corrected-intervals"]
)
def test_the_interval_is_the_one_that_the_protocol_names(protocol):
    accuracies = np.array([0.92, 1.0, 1.0, 1.0, 0.99])
    runs = [row(protocol=protocol, seed=seed, accuracy=a) for seed, a in enumerate(accuracies)]
    got = cell(summarize(pd.DataFrame(runs)))
    interval = (got["ci95_low"], got["ci95_high"])
    if protocol in ("published+intervals", "corrected"):
        assert interval == mean_interval(accuracies).interval
        assert interval[1] <= 1
    else:
        assert interval == t_interval(accuracies)
        assert interval[1] > 1


@pytest.mark.parametrize("metric", METRICS)
def test_bounded_intervals_stay_within_the_bounds_of_their_metric(metric):
    low, high = BOUNDS[metric]
    top = high if math.isfinite(high) else 9.0
    for values in ([top] * 6, [low] * 6, [top + 1e-12, top], [top, top - 0.01, top - 0.3], [low, low, low + 0.2]):
        ends = bounded_interval(np.array(values), metric)
        assert low <= ends[0] <= np.clip(np.mean(values), low, high) <= ends[1] <= high
    for few in ([], [top]):
        assert all(math.isnan(end) for end in bounded_interval(np.array(few), metric))
    with pytest.raises(ValueError, match="must lie within its bounds"):
        bounded_interval(np.array([low - 0.1, low]), metric)


def test_bounds_hold_for_the_learned_graphs_of_any_weights():
    graph = complete(12)
    for seed in range(5):
        weight = torch.randn(144, generator=torch.Generator().manual_seed(seed))
        found = learned_graph_metrics(graph.edge_index, weight, 12, quantile=0.7, num_nulls=10).values()
        for metric, value in found.items():
            assert BOUNDS[metric][0] <= value <= BOUNDS[metric][1], metric


# --- the study's own numbers


def test_the_study_reports_330_cells():
    paper = paper_results()
    assert len(paper) == 11 * 3 * 5 * 2
    assert not paper.duplicated(["recurrence", "task", "variant", "metric"]).any()
    assert set(paper["variant"]) == {str(variant) for variant in PUBLISHED_VARIANTS}
    assert set(paper["task"]) == set(TASKS)
    assert set(paper["metric"]) == set(METRICS)
    assert set(paper["recurrence"]) == {"free", "nonnegative"}
    # Without a learned graph in any run there is no number, and without spread no interval: in the arm that diverged alone.
    incomplete = paper.isna().any(axis=1)
    assert set(paper.loc[incomplete, "recurrence"]) == {"nonnegative"}
    assert not paper.loc[paper["metric"] == "accuracy", "mean"].isna().any()
    whole = paper[~incomplete]
    assert ((whole["ci95_low"] <= whole["mean"]) & (whole["mean"] <= whole["ci95_high"])).all()


def test_values_of_the_study_read_by_hand():
    reported = cell(paper_results(), recurrence="free", task="one_choice_inference", variant="W*D*C")
    assert reported[["mean", "ci95_low", "ci95_high"]].tolist() == [0.917, 0.853, 0.981]
    assert cell(paper_results(), recurrence="free", task="go_nogo", variant="W*D*C")["ci95_high"] == 1.018


def test_the_comparison_stands_beside_its_own_cell():
    runs = pd.DataFrame([row(variant=variant, seed=seed) for variant in ("W!D", "WD", "W*D*C") for seed in (0, 1)])
    table = summarize(runs, compare_with_paper=True)
    paper = paper_results()
    for variant in ("WD", "W*D*C"):
        for metric in METRICS:
            got = cell(table, metric, variant=variant)
            reported = cell(paper, metric, variant=variant, task="go_nogo", recurrence="free")
            assert got["paper_mean"] == reported["mean"]
            assert (got["paper_low"], got["paper_high"]) == (reported["ci95_low"], reported["ci95_high"])
    assert table.query("variant == 'W!D'")[["paper_mean", "paper_low", "paper_high"]].isna().all().all()
    assert len(table) == 3 * len(METRICS)
    assert not {"paper_mean", "paper_low", "paper_high"} & set(summarize(runs))


def test_runs_that_all_diverged_agree_with_runs_that_all_diverged():
    """The study gives no interval for WD in the positive-only arm: each of its 20 runs diverged."""
    where = {"variant": "WD", "recurrence": "nonnegative", "task": "one_choice_inference"}
    runs = [row(**where, seed=seed, accuracy=0.256, diverged_epoch=1) for seed in range(10)]
    got = cell(summarize(pd.DataFrame(runs), compare_with_paper=True))
    assert math.isnan(got["paper_low"])
    assert got["mean"] != pytest.approx(got["paper_mean"], abs=0.01)
    assert got["agrees"]
    for one in runs[:5]:
        one["diverged_epoch"] = None
    assert not cell(summarize(pd.DataFrame(runs), compare_with_paper=True))["agrees"]
    free = [{**r, "recurrence": "free", "variant": "W*D*C", "diverged_epoch": 1} for r in runs]
    assert not cell(summarize(pd.DataFrame(free), compare_with_paper=True))["agrees"]


def test_every_number_of_the_paper_agrees_with_runs_that_have_its_mean_and_spread():
    rows = []
    for (recurrence, task, variant), cells in paper_results().groupby(["recurrence", "task", "variant"]):
        cells = cells.set_index("metric")
        diverged = 1 if math.isnan(cells.loc["entropy", "mean"]) else None
        for seed in range(20):
            one = row(task, variant, recurrence, seed, diverged)
            for metric in METRICS:
                half = np.nan_to_num(cells.loc[metric, "ci95_high"] - cells.loc[metric, "mean"])
                sd = half * math.sqrt(20) / scipy.stats.t.ppf(0.975, 19)
                one[metric] = cells.loc[metric, "mean"] + sd * (1 if seed % 2 else -1) * math.sqrt(19 / 20)
            rows.append(one)
    table = summarize(pd.DataFrame(rows), compare_with_paper=True)
    assert len(table) == 330
    assert table["agrees"].all()
    assert (table["p"] > 0.9).all()
    assert table["difference"].isna().sum() == 6 * 3 * 5  # the six variants that diverge in the positive-only arm


# --- the text


def test_the_text_gives_mean_interval_and_runs():
    values = [0.5, 0.75, 1.0]
    text = format_table(summarize(pd.DataFrame([row(seed=seed, accuracy=a) for seed, a in enumerate(values)])))
    title, heading, line = text.split("\n")
    assert title == "go_nogo, free recurrence (chance 0.5, best trivial strategy 0.5, ceiling 1)"
    assert heading.split() == [
        "accuracy", "modularity", "small-world", "assortativity", "entropy", "(bit)", "runs",
    ]  # fmt: skip
    half = t_interval(np.array(values))[1] - 0.75
    assert line.split()[:3] == ["W", "0.750", f"±{half:.3f}"]
    assert line.split()[-1] == "3"
    assert len(line) == len(heading)
    assert "paper" not in text
    assert "diverged" not in text


def test_the_text_gives_both_ends_of_an_interval_that_is_not_symmetric():
    runs = [row(protocol="corrected", seed=seed, accuracy=a) for seed, a in enumerate((0.9, 1.0, 1.0, 0.99))]
    table = summarize(pd.DataFrame(runs))
    got = cell(table)
    heading, line = format_table(table).split("\n")[1:]
    assert f"{got['mean']:.3f} [{got['ci95_low']:.3f}, {got['ci95_high']:.3f}]" in line
    assert len(line) == len(heading)


def test_the_text_names_connectome_and_protocol_where_there_are_several():
    runs = [row(protocol=protocol) for protocol in ("published", "corrected")]
    one, two = format_table(summarize(pd.DataFrame(runs))).split("\n\n")
    assert one.startswith("6_6_2, published: go_nogo, free recurrence (chance 0.5")
    assert two.startswith("6_6_2, corrected: go_nogo, free recurrence (chance 0.5")


def test_long_names_of_variants_keep_their_column():
    names = ("W", "W*[no-diagonal]D*[shuffled]C*+sparse@degree-length")
    lines = format_table(summarize(pd.DataFrame([row(variant=name) for name in names]))).split("\n")[1:]
    assert len({len(line) for line in lines}) == 1
    assert lines[2].startswith(f"{names[1]}  ")


def test_the_text_of_one_seed_has_no_interval():
    line = format_table(summarize(pd.DataFrame([row(accuracy=0.6)]))).split("\n")[-1]
    assert line.split() == ["W", "0.600", "0.200", "0.300", "0.400", "0.500", "1"]


def test_the_text_says_what_is_not_defined_and_what_diverged():
    graph = {name: math.nan for name in METRICS if name != "accuracy"}
    runs = pd.DataFrame([row(seed=seed, accuracy=0.5, diverged_epoch=1, **graph) for seed in (0, 1)])
    line = format_table(summarize(runs)).split("\n")[-1]
    assert line.split() == ["W", "0.500", "±0.000", "-", "-", "-", "-", "2", "2", "diverged"]


def test_the_text_has_the_papers_line_beneath_each_variant_of_the_paper():
    runs = pd.DataFrame([row(variant=variant) for variant in ("W*D*C", "W!D")])
    lines = format_table(summarize(runs, compare_with_paper=True)).split("\n")
    assert [line.split()[0] for line in lines[2:]] == ["W*D*C", "paper", "W!D"]
    assert lines[3].split()[1:3] == ["0.948", "±0.070"]


def test_the_text_shows_the_papers_cells_without_interval_or_number():
    runs = pd.DataFrame([row(variant="WD", recurrence="nonnegative")])
    line = format_table(summarize(runs, compare_with_paper=True)).split("\n")[-1]
    assert line.split()[:2] == ["paper", "0.499"]
    assert "-" in line.split()
    assert "±" not in line.split("0.499")[1].split("-")[0]


def test_the_text_has_a_block_per_task():
    runs = pd.DataFrame([row(task, variant) for task in reversed(TASKS) for variant in ("WD", "W")])
    blocks = format_table(summarize(runs)).split("\n\n")
    assert [re.match(r"\w+", block)[0] for block in blocks] == list(TASKS)
    assert "best trivial strategy 0.625" in blocks[0]
    assert "ceiling 0.899" in blocks[2]
    for block in blocks:
        assert [line.split()[0] for line in block.split("\n")[2:]] == ["WD", "W"]
